#include "lsm/compaction_job.h"

#include <utility>

#include "base/check.h"
#include "key/range_tombstones.h"
#include "lsm/merge.h"
#include "lsm/merging_iterator.h"
#include "lsm/retention.h"
#include "lsm/run_iterator.h"

namespace nokv::lsm {

namespace {

constexpr size_t kReadaheadBytes = 256 << 10;

TableRef ClaimedTable(const VersionSet::Claimed& claimed, int level, uint64_t number) {
  TableRef table = claimed.version->FindTable(level, number);
  NOKV_CHECK(table != nullptr);  // it is in the version of its claim
  return table;
}

// A tree of the claimed tables alone. Tables that follow each other are one run of it, and of a run one table is read at a
// time: a merge of a hundred tables would else hold as many windows in memory.
Result<std::shared_ptr<const Version>> InputTree(const VersionSet::Claimed& claimed) {
  Version::Levels levels;
  const auto take = [&](int level, const std::vector<uint64_t>& numbers) {
    for (const uint64_t number : numbers) {
      levels[static_cast<size_t>(level)].push_back(ClaimedTable(claimed, level, number));
    }
  };
  take(claimed.plan.input_level, claimed.plan.inputs);
  take(claimed.plan.output_level, claimed.plan.overlapping);
  return Version::Create(std::move(levels));
}

manifest::VersionEdit Removals(const CompactionPlan& plan) {
  manifest::VersionEdit edit;
  for (const uint64_t number : plan.inputs) edit.removed.emplace_back(plan.input_level, number);
  for (const uint64_t number : plan.overlapping) {
    edit.removed.emplace_back(plan.output_level, number);
  }
  return edit;
}

}  // namespace

Result<CompactionResult> RunCompaction(const JobEnvironment& environment,
                                       const VersionSet::Claimed& claimed,
                                       std::vector<key::SequenceNumber> snapshots,
                                       const std::atomic<bool>& cancelled,
                                       const VersionSet::InstallHook& hook) {
  const uint64_t started = environment.clock->NowMicros();
  const CompactionPlan& plan = claimed.plan;
  manifest::VersionEdit edit = Removals(plan);
  CompactionResult result;

  if (plan.trivial_move) {
    for (const uint64_t number : plan.inputs) {
      edit.added.emplace_back(plan.output_level, ClaimedTable(claimed, plan.input_level, number)->meta());
    }
    NOKV_TRY(environment.versions->LogAndApply({&edit, 1}, hook));
    result.moved = true;
    result.micros = environment.clock->NowMicros() - started;
    return result;
  }

  NOKV_ASSIGN_OR_RETURN(const std::shared_ptr<const Version> input_tree, InputTree(claimed));
  const sst::IteratorOptions read{
      .fill_cache = false, .bypass_cache = true, .readahead_bytes = kReadaheadBytes};
  std::vector<std::unique_ptr<key::EntryIterator>> sources;
  std::vector<key::RangeTombstone> tombstone_list;
  for (const Run& run : input_tree->runs()) sources.push_back(NewRunIterator(run, read));
  for (const Table* table : input_tree->Tables()) {
    const auto own = table->reader().range_tombstones().ToList();
    tombstone_list.insert(tombstone_list.end(), own.begin(), own.end());
    result.bytes_read += table->meta().bytes;
    result.entries_in += table->meta().entries;
  }
  const auto tombstones = key::RangeTombstones::Build(std::move(tombstone_list));
  Retention retention({.snapshots = std::move(snapshots),
                       .now_millis = environment.clock->WallMillis(),
                       .tombstones = &tombstones,
                       .any_below = [&](const key::KeyRange& range) {
                         return claimed.version->AnyBelow(plan.output_level, range);
                       }});
  const auto kept = key::RangeTombstones::Build(retention.TombstonesToKeep());

  TableOutput::Options options = OutputOptions(environment, plan.output_level, input_tree.get(), &kept);
  options.borders = plan.borders;
  TableOutput output(std::move(options));
  const auto merged = NewMergingIterator(std::move(sources));
  MergeCounts counts;
  NOKV_TRY(MergeIntoTables(merged.get(), &retention, &output, &cancelled, &counts));
  result.entries_out = counts.entries_out;
  // Every entry that the metadata counts went by: an input that ended early without an error is damage.
  if (counts.entries_in != result.entries_in) {
    return Status::Corruption("compaction " + plan.ToString() + ": read " +
                              std::to_string(counts.entries_in) +
                              " entries, the manifest counts " + std::to_string(result.entries_in));
  }
  NOKV_ASSIGN_OR_RETURN(const auto files, output.Finish());
  result.bytes_written = output.bytes_written();
  NOKV_TRY(InstallTables(environment, &output, files, plan.output_level, input_tree.get(), std::move(edit), hook));
  result.micros = environment.clock->NowMicros() - started;
  return result;
}

}  // namespace nokv::lsm
