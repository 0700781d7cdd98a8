#pragma once

// What `nokv-bench ycsb` and its workers are told, as flags and as JSON.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "nokv/status.h"
#include "runner.h"

namespace nokv::bench {

struct Parameters {
  std::vector<std::string> workloads = {"load", "A", "B", "C", "D", "E", "F"};
  uint64_t records = 1'000'000;
  uint64_t ops = 1'000'000;
  uint64_t warmup = UINT64_MAX;  // a tenth of ops
  uint64_t threads = 2;
  uint64_t value_bytes = 256;
  uint64_t memory_bytes = 512ULL << 20;
  bool sync = false;
  std::string distribution = "zipfian";
  uint64_t seed = 1;

  uint64_t warmup_ops() const { return warmup == UINT64_MAX ? ops / 10 : warmup; }
};

// What is wrong with them; OK if nothing.
Status Validate(const Parameters& parameters);

// The same as flags of a worker, without engine, run and directory.
std::vector<std::string> WorkerFlags(const Parameters& parameters);

// A bound on the records of all workloads together.
uint64_t RecordCapacity(const Parameters& parameters);

// What a driver holds by itself at most: tables, operations, and 64 MiB for its program and threads.
uint64_t DriverBytes(const Parameters& parameters);

}  // namespace nokv::bench
