#pragma once

// RunCompaction: carries out a plan. Merges the claimed tables into new ones of the output level and
// replaces them in one manifest edit; or, for a trivial move, only writes the edit.
//
// A read error anywhere ends the job with nothing installed: an input that cannot be read whole is never
// replaced. Confined to one thread; the claim keeps other compactions away.

#include <atomic>
#include <vector>

#include "lsm/job.h"

namespace nokv::lsm {

struct CompactionResult {
  bool moved = false;
  uint64_t bytes_read = 0;
  uint64_t bytes_written = 0;
  uint64_t entries_in = 0;
  uint64_t entries_out = 0;
  uint64_t micros = 0;
};

// `snapshots` ascending, taken after the claim. If *cancelled turns true the job ends with kAborted.
Result<CompactionResult> RunCompaction(const JobEnvironment& environment,
                                       const VersionSet::Claimed& claimed,
                                       std::vector<key::SequenceNumber> snapshots,
                                       const std::atomic<bool>& cancelled,
                                       const VersionSet::InstallHook& hook);

}  // namespace nokv::lsm
