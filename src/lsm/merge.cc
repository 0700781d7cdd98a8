#include "lsm/merge.h"

namespace nokv::lsm {

namespace {

constexpr uint64_t kEntriesBetweenCancelChecks = 1024;

}  // namespace

Status MergeIntoTables(key::EntryIterator* stream,
                       Retention* retention,
                       TableOutput* output,
                       const std::atomic<bool>* cancelled,
                       MergeCounts* counts) {
  // A table may be cut before the first entry that is kept of a key, whichever version that is.
  bool cut_allowed = true;
  for (stream->SeekToFirst(); stream->Valid(); stream->Next()) {
    if (++counts->entries_in % kEntriesBetweenCancelChecks == 0 && cancelled != nullptr &&
        cancelled->load(std::memory_order_relaxed)) {
      return Status::Aborted("compaction cancelled: the database is closing");
    }
    key::Entry entry{stream->key(), stream->trailer(), stream->expires_at(), stream->value()};
    const bool keep = retention->Keep(&entry);
    cut_allowed |= retention->at_new_key();
    if (!keep) continue;
    NOKV_TRY(output->Add(entry, cut_allowed));
    cut_allowed = false;
    ++counts->entries_out;
  }
  return stream->status();
}

}  // namespace nokv::lsm
