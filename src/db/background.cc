#include "db/background.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace nokv::db {

Background::Background(Parts parts) : parts_(std::move(parts)) {}

void AddLevelStats(const lsm::Version& version, Stats* stats) {
  for (int level = 0; level < manifest::kLevelCount; ++level) {
    Stats::Level row;
    row.level = level;
    for (const lsm::TableRef& table : version.levels()[static_cast<size_t>(level)]) {
      ++row.tables;
      row.size_bytes += table->meta().bytes;
      row.entries += table->meta().entries;
      row.deletes += table->meta().deletes;
      row.range_deletes += table->meta().range_deletes;
    }
    stats->entries += row.entries;
    stats->levels.push_back(row);
  }
}

// --- Waiting and errors ----------------------------------------------------------------------------------

void Background::WaitForChange() {
  mu_.Unlock();
  const bool ran = parts_.executor->RunOne();
  mu_.Lock();
  // A change between the unlock above and here is not missed: every caller tests its condition again first
  // when work was run, and otherwise sleeps at most this long.
  if (!ran) changed_.WaitFor(&mu_, std::chrono::milliseconds(10));
}

Status Background::WriteErrorLocked() const {
  switch (state_.load(std::memory_order_relaxed)) {
    case WriteState::kOpen: return Status::Ok();
    case WriteState::kNoSpace:
      return Status::NoSpace("writes wait for space on the disk: " + std::string(error_.message()));
    case WriteState::kReadOnly:
      return Status::ReadOnly("the database takes no writes: " + std::string(error_.message()));
    case WriteState::kClosed: return Status::Closed("the database is closed");
  }
  return Status::Ok();
}

Status Background::CheckWritableSlow() {
  if (state() == WriteState::kNoSpace) return TryResume();
  const base::MutexLock lock(&mu_);
  return WriteErrorLocked();
}

// Finds out whether there is space again: by flushing what could not be flushed.
Status Background::TryResume() {
  const base::MutexLock lock(&mu_);
  const uint64_t now = parts_.job.clock->NowMicros();
  if (state() != WriteState::kNoSpace || now < next_resume_micros_) return WriteErrorLocked();
  next_resume_micros_ = now + kResumeIntervalMicros;
  uint64_t needed = 0;
  for (const Immutable& immutable : immutables_) needed += immutable.memory_bytes();
  const Result<uint64_t> free = parts_.job.fs->FreeSpace(parts_.job.directory);
  if (free.ok() && *free < needed) return WriteErrorLocked();
  ScheduleFlushLocked();
  while (flushing_ && state() == WriteState::kNoSpace) WaitForChange();
  return WriteErrorLocked();
}

void Background::EnterReadOnly(const Status& cause) {
  const base::MutexLock lock(&mu_);
  if (state() == WriteState::kReadOnly || state() == WriteState::kClosed) return;
  error_ = cause;
  state_.store(WriteState::kReadOnly, std::memory_order_release);
  changed_.NotifyAll();
}

Status Background::error() const {
  const base::MutexLock lock(&mu_);
  return error_;
}

// --- Memtables and flush ---------------------------------------------------------------------------------

Status Background::WaitForImmutableRoom() {
  uint64_t waited_since = 0;
  const base::MutexLock lock(&mu_);
  for (;;) {
    NOKV_TRY(WriteErrorLocked());
    if (immutables_.size() < parts_.immutable_memtables_max) break;
    if (waited_since == 0) waited_since = parts_.job.clock->NowMicros();
    WaitForChange();
  }
  if (waited_since != 0) {
    parts_.back_pressure->CountStop(parts_.job.clock->NowMicros() - waited_since);
  }
  return Status::Ok();
}

void Background::AddImmutable(MemtableRef memtable, key::SequenceNumber last_seq) {
  {
    const base::MutexLock lock(&mu_);
    immutables_.push_back({std::move(memtable), last_seq});
    ScheduleFlushLocked();
  }
  UpdatePressure();
}

Status Background::WaitFlushed(key::SequenceNumber seq) {
  const base::MutexLock lock(&mu_);
  while (!immutables_.empty() && immutables_.front().last_seq <= seq) {
    NOKV_TRY(WriteErrorLocked());
    WaitForChange();
  }
  return Status::Ok();
}

void Background::ScheduleFlushLocked() {
  if (flushing_ || stopping_ || immutables_.empty()) return;
  flushing_ = true;
  parts_.executor->Submit(base::Lane::kFlush, [this] { RunFlushes(); });
}

void Background::RunFlushes() {
  for (;;) {
    Immutable oldest;
    {
      const base::MutexLock lock(&mu_);
      if (immutables_.empty() || stopping_ || state() == WriteState::kReadOnly) {
        flushing_ = false;
        changed_.NotifyAll();
        return;
      }
      oldest = immutables_.front();
    }
    const Status flushed = FlushOne(std::move(oldest));
    if (!flushed.ok() && !AfterFlushError(flushed)) return;
    UpdatePatience();
    UpdatePressure();
    ScheduleCompaction();
    warming_wanted_.store(true, std::memory_order_relaxed);
  }
}

Status Background::FlushOne(Immutable immutable) {
  base::Clock* const clock = parts_.job.clock;
  const uint64_t started = clock->NowMicros();
  NOKV_TRY(pipeline_->WaitVisible(immutable.last_seq));
  const uint64_t prepared = clock->NowMicros();

  manifest::VersionEdit edit;
  edit.flushed_seq = immutable.last_seq;
  const uint32_t first_segment = FirstNeededSegment(immutable.last_seq);
  edit.log_first_segment = first_segment;
  const auto swap = [&](std::shared_ptr<const lsm::Version> version) {
    parts_.views->Update([&](ReadView* view) {
      std::erase(view->memtables, immutable.memtable);
      view->version = std::move(version);
    });
  };
  NOKV_ASSIGN_OR_RETURN(
      const lsm::FlushResult result,
      lsm::RunFlush(parts_.job, {immutable.memtable.get()}, parts_.snapshots->Sequences(), edit, swap));

  const uint64_t installed = clock->NowMicros();
  // A segment that cannot be removed stays, is reported by the log, and goes at the next open.
  parts_.log->ReleaseBefore(first_segment).IgnoreError();
  const uint64_t released = clock->NowMicros();

  {
    const base::MutexLock lock(&mu_);
    NOKV_CHECK(immutables_.front().memtable == immutable.memtable);
    immutables_.front().memtable.reset();
  }
  // The memory goes back before a writer that waits for room takes the next memtable's.
  immutable.memtable.reset();
  parts_.views->Reclaim();

  const base::MutexLock lock(&mu_);
  immutables_.pop_front();
  flush_failures_ = 0;
  if (state() == WriteState::kNoSpace) {
    error_ = Status::Ok();
    state_.store(WriteState::kOpen, std::memory_order_release);
  }
  ++flush_stats_.completed;
  flush_stats_.bytes_written += result.bytes_written;
  flush_stats_.prepare_micros += prepared - started;
  flush_stats_.build_micros += result.build_micros;
  flush_stats_.install_micros += result.install_micros;
  flush_stats_.release_micros += released - installed;
  flush_stats_.entries_in += result.entries_in;
  flush_stats_.entries_out += result.entries_out;
  changed_.NotifyAll();
  return Status::Ok();
}

bool Background::AfterFlushError(const Status& error) {
  const base::MutexLock lock(&mu_);
  ++flush_stats_.failed;
  if (state() != WriteState::kReadOnly) {
    if (error.IsNoSpace()) {
      error_ = error;
      state_.store(WriteState::kNoSpace, std::memory_order_release);
    } else if (error.code() == StatusCode::kIOError && ++flush_failures_ < kFlushAttempts) {
      return true;
    } else {
      error_ = error.WithContext("flush");
      state_.store(WriteState::kReadOnly, std::memory_order_release);
    }
  }
  flushing_ = false;
  changed_.NotifyAll();
  return false;
}

uint32_t Background::FirstNeededSegment(key::SequenceNumber flushed_seq) const {
  // A segment's records have sequence numbers from its first_word on, up to the next one's. A segment that
  // was prepared before a crash and never put to use has no first_word, and says nothing.
  uint32_t first = 1;
  for (const wal::SegmentInfo& segment : parts_.log->segments()) {
    if (segment.sealed && segment.bytes == 0) continue;
    if (segment.first_word <= flushed_seq + 1) first = segment.id;
  }
  return first;
}

void Background::PrepareLogSegment() {
  SubmitMaintenance(&preparing_segment_, [this] {
    // If this fails, the writer that needs the segment tries again and gets the error.
    parts_.log->PrepareNext().IgnoreError();
  });
}

void Background::PrepareMemory() {
  SubmitMaintenance(&preparing_memory_, [this] {
    (void)parts_.log->PrepareAhead();
    pipeline_->active_memtable()->PopulateAhead(kMemtablePreparedBytes);
  });
}

void Background::SubmitMaintenance(std::atomic<bool>* pending, base::Executor::Work work) {
  if (pending->exchange(true)) return;
  {
    const base::MutexLock lock(&mu_);
    if (stopping_) return;
    ++maintenance_tasks_;
  }
  parts_.executor->Submit(base::Lane::kMaintenance, [this, pending, work = std::move(work)] {
    // Before the work: whoever asks while it is done may need more than it sees.
    pending->store(false);
    work();
    const base::MutexLock lock(&mu_);
    --maintenance_tasks_;
    changed_.NotifyAll();
  });
}

void Background::UpdatePressure() {
  const auto version = parts_.job.versions->current();
  const lsm::LevelScores scores = parts_.job.versions->Scores(Planner());
  BackPressure::Signals signals;
  {
    const base::MutexLock lock(&mu_);
    // The last place is the hard limit; one waiting memtable is the normal course of things.
    const auto waiting = static_cast<double>(immutables_.size());
    const auto most = static_cast<double>(parts_.immutable_memtables_max);
    signals.memtables = most > 1 ? (waiting - 1) / most : 0;
    const bool patient = patient_.load(std::memory_order_relaxed);
    const double slow = static_cast<double>(parts_.level0_runs_slow) * (patient ? 2 : 1);
    signals.level0 = static_cast<double>(version->level0_runs()) / (slow / 2) - 1.0;
    const bool growing = scores.debt_bytes > last_debt_;
    last_debt_ = scores.debt_bytes;
    if (growing) {
      const double normal = std::max(8.0 * static_cast<double>(scores.descent_bytes),
                                     64.0 * static_cast<double>(parts_.memtable_bytes));
      signals.compaction_debt = static_cast<double>(scores.debt_bytes) / normal - 1.0;
    }
  }
  parts_.back_pressure->Set(signals);
}

// --- Compaction --------------------------------------------------------------------------------------------

void Background::UpdatePatience() {
  const bool scanned = scanned_.exchange(false, std::memory_order_relaxed);
  const bool large = parts_.job.versions->current()->table_bytes() / 2 > parts_.memory_budget;
  patient_.store(large && !scanned, std::memory_order_relaxed);
}

void Background::EndPatience() {
  patient_.store(false, std::memory_order_relaxed);
  ScheduleCompaction();
}

lsm::PlannerOptions Background::Planner() const {
  lsm::PlannerOptions options = parts_.planner;
  if (patient_.load(std::memory_order_relaxed)) options.level0_runs_now = parts_.level0_runs_unscanned;
  return options;
}

lsm::VersionSet::PlanContext Background::PlanContext() const {
  return {.oldest_snapshot = parts_.snapshots->Oldest(),
          .now_millis = parts_.job.clock->WallMillis()};
}

lsm::VersionSet::InstallHook Background::VersionHook() {
  return [this](std::shared_ptr<const lsm::Version> version) {
    parts_.views->Update([&](ReadView* view) { view->version = std::move(version); });
  };
}

void Background::ScheduleCompaction() {
  if (!parts_.automatic_compaction) return;
  const base::MutexLock lock(&mu_);
  if (stopping_ || state() == WriteState::kReadOnly) return;
  if (compaction_tasks_ >= parts_.compaction_threads) {
    compaction_wanted_ = true;
    return;
  }
  ++compaction_tasks_;
  parts_.executor->Submit(base::Lane::kCompaction, [this] { RunCompactions(); });
}

void Background::RunCompactions() {
  for (;;) {
    if (!cancelled_.load(std::memory_order_relaxed) && state() != WriteState::kReadOnly) {
      if (auto claimed = parts_.job.versions->ClaimCompaction(Planner(), PlanContext())) {
        const Status status = RunClaimed(*claimed);
        if (status.ok()) {
          UpdatePressure();
          continue;
        }
        if (!status.IsNoSpace() && status.code() != StatusCode::kAborted) {
          EnterReadOnly(status.WithContext("compaction " + claimed->plan.ToString()));
        }
      } else {
        // Nothing left to merge: a good moment for the manifest. An error there shows at the next edit.
        parts_.job.versions->MaintainManifest().IgnoreError();
      }
    }
    const base::MutexLock lock(&mu_);
    // What was asked for after this task last looked must not be forgotten with it.
    if (std::exchange(compaction_wanted_, false) && !stopping_ &&
        !cancelled_.load(std::memory_order_relaxed) && state() != WriteState::kReadOnly) {
      continue;
    }
    --compaction_tasks_;
    changed_.NotifyAll();
    return;
  }
}

Status Background::RunClaimed(const lsm::VersionSet::Claimed& claimed) {
  const Result<lsm::CompactionResult> result = lsm::RunCompaction(
      parts_.job, claimed, parts_.snapshots->Sequences(), cancelled_, VersionHook());
  parts_.job.versions->Release(claimed);
  warming_wanted_.store(true, std::memory_order_relaxed);
  const base::MutexLock lock(&mu_);
  changed_.NotifyAll();
  if (!result.ok()) {
    ++compaction_stats_.failed;
    return result.status();
  }
  ++(result->moved ? compaction_stats_.moves : compaction_stats_.runs);
  compaction_stats_.bytes_read += result->bytes_read;
  compaction_stats_.bytes_written += result->bytes_written;
  compaction_stats_.entries_in += result->entries_in;
  compaction_stats_.entries_out += result->entries_out;
  compaction_stats_.micros += result->micros;
  return Status::Ok();
}

Status Background::CompactLevel(int level, int output_level, const key::KeyRange& range) {
  for (;;) {
    bool blocked = false;
    auto claimed = parts_.job.versions->ClaimManual(Planner(), PlanContext(), level, output_level,
                                                    range, &blocked);
    if (claimed) return RunClaimed(*claimed);
    if (!blocked) return Status::Ok();
    const base::MutexLock lock(&mu_);
    if (stopping_) return Status::Aborted("the database is closing");
    WaitForChange();
  }
}

Status Background::CompactRange(const key::KeyRange& range, bool rewrite_last_level) {
  {
    const base::MutexLock lock(&mu_);
    NOKV_TRY(WriteErrorLocked());
    if (stopping_) return Status::Closed("the database is closing");
    ++manual_compactions_;
  }
  const auto overlaps = [&](int level) {
    for (const lsm::TableRef& table : parts_.job.versions->current()->levels()[static_cast<size_t>(level)]) {
      if (table->range().Overlaps(range)) return true;
    }
    return false;
  };
  int last = 1;
  for (int level = manifest::kLevelCount - 1; level > 1; --level) {
    if (overlaps(level)) {
      last = level;
      break;
    }
  }
  Status status;
  for (int level = 0; level < last && status.ok(); ++level) {
    if (overlaps(level)) status = CompactLevel(level, level + 1, range);
  }
  if (status.ok() && rewrite_last_level) status = CompactLevel(last, last, range);
  UpdatePressure();
  ScheduleCompaction();  // an automatic one may have been refused because of this one's claim
  const base::MutexLock lock(&mu_);
  --manual_compactions_;
  changed_.NotifyAll();
  return status;
}

// --- Cache -------------------------------------------------------------------------------------------------

void Background::ScheduleWarming() {
  const base::MutexLock lock(&mu_);
  if (warming_ || stopping_ || !warming_wanted_.exchange(false, std::memory_order_relaxed)) return;
  warming_ = true;
  parts_.executor->Submit(base::Lane::kIdle, [this] { RunWarming(); });
}

void Background::RunWarming() {
  while (!cancelled_.load(std::memory_order_relaxed) && parts_.job.warmer->LoadSome()) {
  }
  const base::MutexLock lock(&mu_);
  warming_ = false;
  changed_.NotifyAll();
}

// --- Life --------------------------------------------------------------------------------------------------

void Background::Stop() {
  cancelled_.store(true, std::memory_order_relaxed);
  const base::MutexLock lock(&mu_);
  stopping_ = true;
  changed_.NotifyAll();
  while (flushing_ || compaction_tasks_ > 0 || manual_compactions_ > 0 || maintenance_tasks_ > 0 || warming_) {
    WaitForChange();
  }
  parts_.job.warmer->Forget();
  if (state() != WriteState::kReadOnly) error_ = Status::Ok();
  state_.store(WriteState::kClosed, std::memory_order_release);
}

void Background::FillStats(Stats* stats) {
  const lsm::LevelScores scores = parts_.job.versions->Scores(Planner());
  AddLevelStats(*parts_.job.versions->current(), stats);
  for (Stats::Level& row : stats->levels) {
    row.score = scores.scores[static_cast<size_t>(row.level)];
  }
  const base::MutexLock lock(&mu_);
  stats->flush = flush_stats_;
  stats->flush.pending = immutables_.size();
  stats->compaction = compaction_stats_;
  stats->compaction.max_score = scores.max_score();
  stats->compaction.debt_bytes = scores.debt_bytes;
  stats->compaction.backlog = static_cast<uint64_t>(
      std::count_if(scores.scores.begin(), scores.scores.end(), [](double s) { return s >= 1.0; }));
  stats->compaction.running = parts_.job.versions->running_compactions();
  stats->memtables.immutable_count = immutables_.size();
  for (const Immutable& immutable : immutables_) {
    stats->memtables.immutable_bytes += immutable.memory_bytes();
  }
  switch (state()) {
    case WriteState::kOpen: stats->state = "open"; break;
    case WriteState::kNoSpace: stats->state = "no_space"; break;
    case WriteState::kReadOnly: stats->state = "read_only"; break;
    case WriteState::kClosed: stats->state = "closed"; break;
  }
  stats->background_error = std::string(error_.message());
}

}  // namespace nokv::db
