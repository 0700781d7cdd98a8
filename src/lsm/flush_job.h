#pragma once

// FlushJob: turns memtables into tables of level 0. Stages two and three of the flush pipeline:
//
//   Prepare  (db)   the memtables are full, and all their writes are published
//   Build    (here) their entries, folded by Retention, become synced tables
//   Install  (here) what readers need of the tables is loaded; one manifest edit adds them and moves flushed_seq; in the same
//                   instant the hook takes the memtables out of the read path
//   Release  (db)   the log segments that only they needed are let go
//
// Confined to one thread. A failed job leaves everything as it was and may be run again.

#include <vector>

#include "lsm/job.h"
#include "memtable/memtable.h"

namespace nokv::lsm {

struct FlushResult {
  uint64_t build_micros = 0;
  uint64_t install_micros = 0;
  uint64_t entries_in = 0;
  uint64_t entries_out = 0;
  uint64_t bytes_written = 0;
};

// `memtables` oldest first. `snapshots` ascending, taken after the memtables were closed. `edit` holds what
// the caller wants to become durable in the same group (flushed_seq, log marks).
Result<FlushResult> RunFlush(const JobEnvironment& environment,
                             const std::vector<const memtable::Memtable*>& memtables,
                             std::vector<key::SequenceNumber> snapshots,
                             manifest::VersionEdit edit,
                             const VersionSet::InstallHook& hook);

}  // namespace nokv::lsm
