#include "lsm/flush_job.h"

#include <algorithm>
#include <utility>

#include "key/range_tombstones.h"
#include "lsm/merge.h"
#include "lsm/merging_iterator.h"
#include "lsm/retention.h"

namespace nokv::lsm {

Result<FlushResult> RunFlush(const JobEnvironment& environment,
                             const std::vector<const memtable::Memtable*>& memtables,
                             std::vector<key::SequenceNumber> snapshots,
                             manifest::VersionEdit edit,
                             const VersionSet::InstallHook& hook) {
  FlushResult result;
  const uint64_t started = environment.clock->NowMicros();
  const std::shared_ptr<const Version> below = environment.versions->current();

  std::vector<std::unique_ptr<key::EntryIterator>> sources;
  std::vector<key::RangeTombstone> tombstone_list;
  for (const memtable::Memtable* memtable : memtables) {
    sources.push_back(memtable->NewIterator());
    const auto own = memtable->range_tombstones();
    tombstone_list.insert(tombstone_list.end(), own.begin(), own.end());
    result.entries_in += memtable->entry_count();
  }
  const auto tombstones = key::RangeTombstones::Build(std::move(tombstone_list));
  Retention retention({.snapshots = std::move(snapshots),
                       .now_millis = environment.clock->WallMillis(),
                       .tombstones = &tombstones,
                       .any_below = [&](const key::KeyRange& range) {
                         return below->AnyBelow(-1, range);
                       }});
  const auto kept = key::RangeTombstones::Build(retention.TombstonesToKeep());

  TableOutput output(OutputOptions(environment, 0, nullptr, &kept));
  const auto merged = NewMergingIterator(std::move(sources));
  MergeCounts counts;
  NOKV_TRY(MergeIntoTables(merged.get(), &retention, &output, nullptr, &counts));
  result.entries_out = counts.entries_out;
  NOKV_ASSIGN_OR_RETURN(const auto files, output.Finish());
  result.bytes_written = output.bytes_written();
  const uint64_t built = environment.clock->NowMicros();
  result.build_micros = built - started;

  for (const manifest::FileMeta& file : files) {
    edit.last_seq = std::max(edit.last_seq.value_or(0), file.largest_seq);
  }
  NOKV_TRY(InstallTables(environment, &output, files, 0, nullptr, std::move(edit), hook));
  result.install_micros = environment.clock->NowMicros() - built;
  return result;
}

}  // namespace nokv::lsm
