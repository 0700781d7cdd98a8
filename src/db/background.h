#pragma once

// Background: the work behind the writes (flush, compaction, cleaning up) and the state it leaves writes in.
//
// The flush pipeline in four stages, each timed in the statistics:
//   Prepare  a full memtable waits here until all its writes are published
//   Build    its folded entries become synced tables                     (lsm/flush_job.h)
//   Install  what readers need of them is loaded; one manifest edit;     (lsm/flush_job.h)
//            memtable out and tables in, one instant
//   Release  log segments that nothing needs any more are let go
//
// What an error does (law 4):
//   kNoSpace in a flush     writes stop with kNoSpace, reads go on. The next write finds out whether space is
//                           back, and then everything resumes.
//   kIOError in a flush     tried again with new files, kFlushAttempts times in all, then read-only.
//   any other flush error   read-only.
//   compaction kNoSpace     tried again after the next flush.
//   compaction, other       read-only: levels that cannot be merged would grow without end.
//   a failed commit         read-only (CommitPipeline, 4).
// Read-only lasts until the database is opened anew.
//
// Thread-safe.

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "nokv/options.h"
#include "nokv/stats.h"

#include "base/executor.h"
#include "base/mutex.h"
#include "db/back_pressure.h"
#include "db/commit_pipeline.h"
#include "db/read_view.h"
#include "db/snapshot_list.h"
#include "lsm/compaction_job.h"
#include "lsm/flush_job.h"
#include "lsm/planner.h"
#include "lsm/version_set.h"
#include "wal/log.h"

namespace nokv::db {

enum class WriteState : unsigned char { kOpen, kNoSpace, kReadOnly, kClosed };

class Background {
 public:
  struct Parts {
    lsm::JobEnvironment job;
    lsm::PlannerOptions planner;
    base::Executor* executor = nullptr;
    ReadViews* views = nullptr;
    SnapshotList* snapshots = nullptr;
    BackPressure* back_pressure = nullptr;
    wal::Log* log = nullptr;
    bool automatic_compaction = true;
    size_t compaction_threads = 1;
    size_t immutable_memtables_max = 3;
    size_t memtable_bytes = 0;
    size_t level0_runs_slow = 40;
    size_t level0_runs_unscanned = 16;
    size_t memory_budget = 0;
  };
  explicit Background(Parts parts);
  // REQUIRES: Stop was called.
  ~Background() = default;

  // The pipeline is made after this, because it needs memtables that recovery filled.
  void Attach(CommitPipeline* pipeline) { pipeline_ = pipeline; }

  // --- For writers -----------------------------------------------------------------------------------

  // OK if writes are welcome; one relaxed load in that case.
  Status CheckWritable() {
    if (state_.load(std::memory_order_acquire) == WriteState::kOpen) [[likely]] return Status::Ok();
    return CheckWritableSlow();
  }
  // Waits until another memtable may become immutable, with the reason in the statistics.
  Status WaitForImmutableRoom() NOKV_EXCLUDES(mu_);
  // `last_seq` is the newest write in it. Schedules its flush.
  void AddImmutable(MemtableRef memtable, key::SequenceNumber last_seq) NOKV_EXCLUDES(mu_);
  // Waits until every write up to `seq` that is in an immutable memtable is in tables.
  Status WaitFlushed(key::SequenceNumber seq) NOKV_EXCLUDES(mu_);
  void PrepareLogSegment();
  // Makes the pages ready that log and memtable will need next, so that no writer waits for the kernel to clear them.
  void PrepareMemory() NOKV_EXCLUDES(mu_);
  void EnterReadOnly(const Status& cause) NOKV_EXCLUDES(mu_);

  // --- Compaction ------------------------------------------------------------------------------------

  void ScheduleCompaction() NOKV_EXCLUDES(mu_);
  // An iterator is made: it has to look into every run of level 0.
  void NoteIterator() {
    // Not written again and again: iterators of several threads would pass the line around.
    if (!scanned_.load(std::memory_order_relaxed)) scanned_.store(true, std::memory_order_relaxed);
    if (patient_.load(std::memory_order_relaxed)) [[unlikely]] EndPatience();
  }
  // Merges everything in `range` down to the last level that holds some of it. Runs in this thread.
  Status CompactRange(const key::KeyRange& range, bool rewrite_last_level) NOKV_EXCLUDES(mu_);

  // --- Cache -----------------------------------------------------------------------------------------

  // A reader has not found a block in the cache. If jobs have left something to be loaded, that begins now.
  void NoteMiss() {
    if (warming_wanted_.load(std::memory_order_relaxed)) [[unlikely]] ScheduleWarming();
  }

  // --- Life ------------------------------------------------------------------------------------------

  // Running compactions give up soon, and no new one begins; flushes go on, for writers may wait for them.
  void CancelCompactions() { cancelled_.store(true, std::memory_order_relaxed); }
  // No new work, running compactions give up, and nothing runs any more on return.
  void Stop() NOKV_EXCLUDES(mu_);
  WriteState state() const { return state_.load(std::memory_order_acquire); }
  Status error() const NOKV_EXCLUDES(mu_);
  void FillStats(Stats* stats) NOKV_EXCLUDES(mu_);

 private:
  static constexpr int kFlushAttempts = 3;
  static constexpr uint64_t kResumeIntervalMicros = 50'000;
  static constexpr size_t kMemtablePreparedBytes = 8 << 20;

  struct Immutable {
    size_t memory_bytes() const { return memtable == nullptr ? 0 : memtable->memory_bytes(); }

    MemtableRef memtable;  // null once its tables are installed
    key::SequenceNumber last_seq = 0;
  };

  Status CheckWritableSlow() NOKV_EXCLUDES(mu_);
  Status TryResume() NOKV_EXCLUDES(mu_);
  Status WriteErrorLocked() const NOKV_REQUIRES(mu_);
  void ScheduleFlushLocked() NOKV_REQUIRES(mu_);
  void RunFlushes() NOKV_EXCLUDES(mu_);
  Status FlushOne(Immutable immutable) NOKV_EXCLUDES(mu_);
  // False: give up for now.
  bool AfterFlushError(const Status& error) NOKV_EXCLUDES(mu_);
  void RunCompactions() NOKV_EXCLUDES(mu_);
  Status RunClaimed(const lsm::VersionSet::Claimed& claimed) NOKV_EXCLUDES(mu_);
  Status CompactLevel(int level, int output_level, const key::KeyRange& range) NOKV_EXCLUDES(mu_);
  // Unless it is *pending, which is until it begins, or nothing new may begin.
  void SubmitMaintenance(std::atomic<bool>* pending, base::Executor::Work work) NOKV_EXCLUDES(mu_);
  void ScheduleWarming() NOKV_EXCLUDES(mu_);
  void RunWarming() NOKV_EXCLUDES(mu_);
  // Compaction.level0_runs_unscanned says when level 0 may grow.
  void UpdatePatience();
  void EndPatience() NOKV_EXCLUDES(mu_);
  lsm::PlannerOptions Planner() const;
  lsm::VersionSet::PlanContext PlanContext() const;
  lsm::VersionSet::InstallHook VersionHook();
  uint32_t FirstNeededSegment(key::SequenceNumber flushed_seq) const;
  void UpdatePressure() NOKV_EXCLUDES(mu_);
  // Waits for anything to change; with an executor that has no threads, runs work instead.
  void WaitForChange() NOKV_REQUIRES(mu_);

  const Parts parts_;
  CommitPipeline* pipeline_ = nullptr;
  std::atomic<WriteState> state_{WriteState::kOpen};
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> preparing_segment_{false};
  std::atomic<bool> preparing_memory_{false};

  mutable base::Mutex mu_;
  base::CondVar changed_;
  std::deque<Immutable> immutables_ NOKV_GUARDED_BY(mu_);  // oldest first
  bool flushing_ NOKV_GUARDED_BY(mu_) = false;
  int flush_failures_ NOKV_GUARDED_BY(mu_) = 0;
  size_t compaction_tasks_ NOKV_GUARDED_BY(mu_) = 0;
  bool compaction_wanted_ NOKV_GUARDED_BY(mu_) = false;  // asked for while all tasks were running
  size_t manual_compactions_ NOKV_GUARDED_BY(mu_) = 0;
  size_t maintenance_tasks_ NOKV_GUARDED_BY(mu_) = 0;
  std::atomic<bool> scanned_{false};  // an iterator was made since the last flush
  std::atomic<bool> patient_{false};
  // A job has finished since warming began last.
  std::atomic<bool> warming_wanted_{false};
  bool warming_ NOKV_GUARDED_BY(mu_) = false;
  bool stopping_ NOKV_GUARDED_BY(mu_) = false;
  Status error_ NOKV_GUARDED_BY(mu_);
  uint64_t next_resume_micros_ NOKV_GUARDED_BY(mu_) = 0;
  uint64_t last_debt_ NOKV_GUARDED_BY(mu_) = 0;
  Stats::Flush flush_stats_ NOKV_GUARDED_BY(mu_);
  Stats::Compaction compaction_stats_ NOKV_GUARDED_BY(mu_);
};

// One row per level, and what they sum up to.
void AddLevelStats(const lsm::Version& version, Stats* stats);

}  // namespace nokv::db
