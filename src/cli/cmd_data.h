#pragma once

// nokv get, put, delete, scan: one operation on a database directory.
//
// get and scan open the directory read-only: they take no lock, change no byte and work beside a running
// server. put and delete take the lock, so they fail with kBusy while a server runs. Each returns the
// process's exit code (exit_code.h) and writes errors to the standard error.

#include <chrono>
#include <cstdint>
#include <string>

namespace nokv::cli {

struct DataOptions {
  std::string directory;
  std::string family = "default";
  bool json = false;
  // Keys and values on the command line may hold \xXX escapes, and scan prints them.
  bool escaped = false;
};

int RunGet(const DataOptions& options, const std::string& key);

struct PutOptions {
  std::chrono::milliseconds ttl{0};
  bool sync = true;
};
int RunPut(const DataOptions& options,
           const std::string& key,
           const std::string& value,
           const PutOptions& put);
int RunDelete(const DataOptions& options, const std::string& key);

struct ScanOptions {
  std::string from;    // inclusive; empty for the first key
  std::string to;      // exclusive; empty for the last
  std::string prefix;
  uint64_t limit = UINT64_MAX;
  bool keys_only = false;
  bool reverse = false;
  bool count = false;  // only how many
};
int RunScan(const DataOptions& options, const ScanOptions& scan);

}  // namespace nokv::cli
