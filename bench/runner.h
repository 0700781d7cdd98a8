#pragma once

// Runner: one engine, one database, workloads one after the other; every value read is checked.
// Confined to one thread; it starts the threads of a workload and waits for them.

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "base/page_allocator.h"
#include "engine.h"
#include "generator.h"
#include "histogram.h"
#include "version_table.h"
#include "workload.h"

namespace nokv::bench {

struct RunnerOptions {
  uint64_t records = 1'000'000;
  uint64_t ops = 1'000'000;
  uint64_t warmup = 100'000;
  uint64_t threads = 2;
  size_t value_bytes = 256;
  uint64_t run = 1;
  uint64_t seed = 1;
  // Called when the operations of a workload are drawn and its threads are about to start.
  std::function<void()> starting;
  // Called from the runner's thread about twice a second.
  std::function<void(uint64_t done, uint64_t total)> progress;
};

struct Outcome {
  uint64_t ops = 0;
  double seconds = 0;
  Histogram latency;  // in ticks
  double ticks_per_microsecond = 1;
  uint64_t reads_verified = 0;
};

class Runner {
 public:
  // `capacity` bounds the records of all workloads together.
  Runner(Engine* engine, const RunnerOptions& options, uint64_t capacity);

  // Does warm-up and workload, filling `outcome` from the latter. kCorruption, with the record, if a read is not what it
  // must be; the engine's error if it has one.
  Status Run(const Workload& workload, Outcome* outcome);
  // The warm-up alone; nothing for `load`.
  Status WarmUp(const Workload& workload);

  // Bytes that the benchmark itself holds.
  uint64_t own_bytes() const;

 private:
  Status RunOperations(const Workload& workload, std::string_view stream, uint64_t ops,
                       Outcome* outcome);
  void RankLoadedRecords();

  Engine* const engine_;
  const RunnerOptions options_;
  const Values values_;
  VersionTable versions_;
  // One more than the highest record of the database.
  uint64_t record_count_ = 0;
  // Place of each loaded record in the order of keys; made for the first workload that scans.
  base::PageVector<uint32_t> rank_of_;
  uint64_t drawn_bytes_ = 0;
};

}  // namespace nokv::bench
