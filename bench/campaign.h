#pragma once

// Campaign: all runs of all engines, one worker process at a time, in turn; results in one JSON file.
// Confined to one thread.

#include <filesystem>
#include <string>
#include <vector>

#include "parameters.h"

namespace nokv::bench {

struct CampaignOptions {
  Parameters parameters;
  std::vector<std::string> engines;
  uint64_t runs = 1;
  // Ratios are to this engine.
  std::string baseline = "rocksdb";
  // Databases are made and removed in a folder of their own under it.
  std::filesystem::path directory;
  // Where results go after each worker; empty for none.
  std::filesystem::path json_file;
  // Keep what json_file has already, and do the rest. Parameters must be the same.
  bool resume = false;
  // The driver in Go, for engines that are not built in; empty for none.
  std::filesystem::path go_driver;
};

// Returns the exit status: 0, 1 if a worker failed, 2 if the campaign could not begin.
int RunCampaign(const CampaignOptions& options);

}  // namespace nokv::bench
