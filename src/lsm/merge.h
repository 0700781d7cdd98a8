#pragma once

// MergeIntoTables: the loop that flush and compaction share. Sends a merged stream through Retention into
// new tables.
//
// Confined to one thread.

#include <atomic>
#include <cstdint>

#include "key/entry.h"
#include "lsm/retention.h"
#include "lsm/table_output.h"

namespace nokv::lsm {

struct MergeCounts {
  uint64_t entries_in = 0;
  uint64_t entries_out = 0;
};

// Reads `stream` from its first entry to its end. kAborted if *cancelled (may be null) turns true meanwhile;
// the stream's error if it fails: then nothing of the output may be used.
Status MergeIntoTables(key::EntryIterator* stream,
                       Retention* retention,
                       TableOutput* output,
                       const std::atomic<bool>* cancelled,
                       MergeCounts* counts);

}  // namespace nokv::lsm
