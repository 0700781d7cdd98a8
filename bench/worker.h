#pragma once

// Worker: the process that runs one engine's workloads and prints a line of JSON for each (README.md, "Processes").

#include "parameters.h"

namespace nokv::bench {

struct WorkerParameters {
  Parameters parameters;
  std::string engine;
  uint64_t run = 1;
  std::filesystem::path directory;
};

// Returns the exit status.
int RunWorker(const WorkerParameters& worker);

}  // namespace nokv::bench
