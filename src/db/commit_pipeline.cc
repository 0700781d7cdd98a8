#include "db/commit_pipeline.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "key/batch.h"

namespace nokv::db {

CommitPipeline::CommitPipeline(Host* host,
                               wal::Log* log,
                               std::shared_ptr<memtable::Memtable> memtable,
                               key::SequenceNumber last_seq)
    : host_(host),
      log_(log),
      slots_(std::make_unique<Slot[]>(kSlots)),
      next_seq_(last_seq + 1),
      memtable_(std::move(memtable)),
      visible_(last_seq) {}

CommitPipeline::~CommitPipeline() = default;

Status CommitPipeline::Commit(const PreparedBatch& batch, bool sync) {
  Reserved reserved;
  if (const Status status = Reserve(batch, sync, &reserved); !status.ok()) {
    // Nothing was reserved, but a log that cannot go over to its next segment takes no more.
    if (reserved.log_failed) host_->CommitFailed(status);
    return status;
  }
  Slot& slot = SlotOf(reserved.ticket);

  if (batch.count > 0) {
    const Status written =
        log_->Write(reserved.log, wal::RecordType::kBatch, /*stream=*/0, reserved.first_seq, batch.rep,
                    batch.payload_hash);
    if (!written.ok()) return Fail(reserved.ticket, written);
  }
  slot.stage.store(reserved.ticket * 4 + kLogged, std::memory_order_release);

  if (batch.count > 0) InsertIntoMemtable(batch, reserved);
  if (sync) NOKV_TRY(WaitSynced(reserved.ticket));

  slot.stage.store(reserved.ticket * 4 + kDone, std::memory_order_release);
  Publish();
  return WaitPublished(reserved.ticket);
}

Status CommitPipeline::Reserve(const PreparedBatch& batch, bool sync, Reserved* reserved) {
  for (;;) {
    Status status;
    switch (TryReserve(batch, sync, reserved, &status)) {
      case Next::kReserved:
        return status;
      case Next::kMemtableFull:
        NOKV_TRY(host_->MakeMemtableRoom(reserved->full_id, batch.memtable_bytes,
                                         batch.memtable_entries));
        break;
      case Next::kLogFull:
        NOKV_TRY(host_->MakeLogRoom());
        break;
      case Next::kRingFull: {
        const uint64_t before = reserved->published_seen;
        publish_changed_.Await([&] {
          return published_.load(std::memory_order_acquire) != before ||
                 failed_from_.load(std::memory_order_acquire) != UINT64_MAX;
        });
        break;
      }
    }
  }
}

CommitPipeline::Next CommitPipeline::TryReserve(const PreparedBatch& batch,
                                                bool sync,
                                                Reserved* reserved,
                                                Status* status) {
  bool rotated = false;
  {
    base::SpinLockHolder lock(&reserve_lock_);
    if (closed_) {
      *status = Status::Closed("the database is closed");
      return Next::kReserved;
    }
    if (failed_from_.load(std::memory_order_relaxed) != UINT64_MAX) {
      *status = FailureOf(UINT64_MAX);
      return Next::kReserved;
    }
    if (batch.checks_families &&
        batch.families_epoch != families_epoch_.load(std::memory_order_relaxed)) {
      *status = Status::Aborted("a column family was dropped meanwhile");
      return Next::kReserved;
    }
    reserved->published_seen = published_.load(std::memory_order_acquire);
    if (next_ticket_ - reserved->published_seen >= kSlots) return Next::kRingFull;
    if (next_seq_ + batch.count > key::kMaxSequence) {
      *status = Status::LimitExceeded("the sequence numbers of this database are used up");
      return Next::kReserved;
    }
    if (batch.count > 0) {
      // The memtable first: a place in the log cannot be given back. A claim that waited for the log is
      // still good unless the memtable was switched, and then it died with it.
      if (reserved->memtable == nullptr || reserved->memtable_id != memtable_->id()) {
        if (!memtable_->TryReserve(batch.memtable_bytes, batch.memtable_entries)) {
          reserved->full_id = memtable_->id();
          return Next::kMemtableFull;
        }
        reserved->memtable = memtable_.get();
        reserved->memtable_id = memtable_->id();
      }
      if (!log_->TryReserve(batch.rep.size(), &reserved->log)) {
        if (!log_->has_prepared()) return Next::kLogFull;
        // With a prepared segment this writes one small record into mapped memory. Only a batch larger than
        // a segment has its own made here, under the lock: such batches are rare and huge.
        *status = log_->Rotate(batch.rep.size(), next_seq_);
        if (!status->ok()) {
          reserved->log_failed = status->code() == StatusCode::kIOError;
          return Next::kReserved;
        }
        rotated = true;
        NOKV_CHECK(log_->TryReserve(batch.rep.size(), &reserved->log));
      }
    }
    reserved->ticket = next_ticket_++;
    reserved->first_seq = next_seq_;
    next_seq_ += batch.count;
    Slot& slot = SlotOf(reserved->ticket);
    slot.last_seq = next_seq_ - 1;
    slot.log_end = log_->end();
    if (batch.count > 0) ++counters_.commits;
    counters_.operations += batch.count;
    counters_.bytes += batch.rep.size();
    counters_.synced_commits += sync ? 1 : 0;
  }
  if (rotated) host_->LogRotated();
  if (reserved->log.should_prepare) [[unlikely]] host_->MemoryUsed();
  return Next::kReserved;
}

void CommitPipeline::InsertIntoMemtable(const PreparedBatch& batch, const Reserved& reserved) {
  memtable::Memtable* const memtable = reserved.memtable;
  key::BatchReader reader(batch.rep);
  key::SequenceNumber seq = reserved.first_seq;
  const auto add = [&](key::Entry* entry, uint64_t hash) {
    if (entry->kind() == key::Kind::kRangeDelete) {
      memtable->AddRangeTombstone(entry->key, entry->value, seq);
    } else {
      entry->trailer = key::PackTrailer(seq, entry->kind());
      memtable->Add(*entry, hash);
    }
    ++seq;
  };
  if (batch.count == 1) {
    key::Entry entry;
    NOKV_CHECK(reader.Next(&entry));
    return add(&entry, base::Hash64(entry.key));
  }
  // In groups, so that their misses in memory overlap.
  constexpr size_t kGroup = memtable::Memtable::kPrefetchGroup;
  key::Entry entries[kGroup];
  uint64_t hashes[kGroup];
  for (size_t count = kGroup; count == kGroup;) {
    for (count = 0; count < kGroup && reader.Next(&entries[count]); ++count) {
      hashes[count] = base::Hash64(entries[count].key);
    }
    memtable->Prefetch({hashes, count});
    for (size_t i = 0; i < count; ++i) add(&entries[i], hashes[i]);
  }
  NOKV_CHECK(seq == reserved.first_seq + batch.count);
}

Status CommitPipeline::WaitSynced(uint64_t ticket) {
  for (;;) {
    if (synced_.load(std::memory_order_acquire) > ticket) return Status::Ok();
    if (failed_from_.load(std::memory_order_acquire) <= ticket) return FailureOf(ticket);
    if (!syncing_.exchange(true, std::memory_order_acq_rel)) {
      Status status;
      // The leader before may have covered this ticket between the test above and the exchange.
      if (synced_.load(std::memory_order_acquire) <= ticket) status = SyncAsLeader(ticket);
      syncing_.store(false, std::memory_order_release);
      sync_changed_.Notify();
      if (!status.ok()) return Fail(ticket, status);
      continue;
    }
    sync_changed_.Await([&] {
      return synced_.load(std::memory_order_acquire) > ticket ||
             failed_from_.load(std::memory_order_acquire) <= ticket ||
             !syncing_.load(std::memory_order_acquire);
    });
  }
}

Status CommitPipeline::SyncAsLeader(uint64_t ticket) {
  // Every record before the sync's target must be in the log (copied, not only reserved). The own ticket is
  // not published yet, so no slot from it on is reused under this scan; an earlier slot that is reused was
  // published, and so logged.
  for (uint64_t t = published_.load(std::memory_order_acquire); t < ticket; ++t) {
    Slot& slot = SlotOf(t);
    while (slot.stage.load(std::memory_order_acquire) < t * 4 + kLogged) {
      if (failed_from_.load(std::memory_order_acquire) <= ticket) return FailureOf(ticket);
      base::CpuRelax();
    }
  }
  uint64_t last = ticket;
  while (last + 1 < ticket + kSlots) {
    const uint64_t stage = SlotOf(last + 1).stage.load(std::memory_order_acquire);
    if (stage != (last + 1) * 4 + kLogged && stage != (last + 1) * 4 + kDone) break;
    ++last;
  }
  NOKV_TRY(log_->SyncThrough(SlotOf(last).log_end));
  syncs_.fetch_add(1, std::memory_order_relaxed);
  synced_.store(last + 1, std::memory_order_release);
  return Status::Ok();
}

void CommitPipeline::Publish() {
  bool moved = false;
  {
    base::SpinLockHolder lock(&publish_lock_);
    uint64_t ticket = published_.load(std::memory_order_relaxed);
    for (;; ++ticket) {
      Slot& slot = SlotOf(ticket);
      if (slot.stage.load(std::memory_order_acquire) != ticket * 4 + kDone) break;
      // The sequence number first: who finds its ticket published must see its own write.
      visible_.store(slot.last_seq, std::memory_order_release);
      published_.store(ticket + 1, std::memory_order_release);
      moved = true;
    }
  }
  if (moved) publish_changed_.Notify();
}

Status CommitPipeline::WaitPublished(uint64_t ticket) {
  if (published_.load(std::memory_order_acquire) > ticket) [[likely]] return Status::Ok();
  publish_changed_.Await([&] {
    return published_.load(std::memory_order_acquire) > ticket ||
           failed_from_.load(std::memory_order_acquire) <= ticket;
  });
  if (published_.load(std::memory_order_acquire) > ticket) return Status::Ok();
  return FailureOf(ticket);
}

Status CommitPipeline::WaitVisible(key::SequenceNumber seq) {
  publish_changed_.Await([&] {
    return visible_.load(std::memory_order_acquire) >= seq ||
           failed_from_.load(std::memory_order_acquire) != UINT64_MAX;
  });
  if (visible_.load(std::memory_order_acquire) >= seq) return Status::Ok();
  return FailureOf(UINT64_MAX);
}

Status CommitPipeline::Fail(uint64_t ticket, const Status& cause) {
  bool first = false;
  {
    base::MutexLock lock(&failure_mu_);
    if (failure_.ok()) {
      failure_ = cause;
      first = true;
    }
    if (ticket < failed_from_.load(std::memory_order_relaxed)) {
      failed_from_.store(ticket, std::memory_order_release);
    }
  }
  WakeAll();
  if (first) host_->CommitFailed(cause);
  return cause.WithContext("the fate of this write is known only after the next open");
}

Status CommitPipeline::FailureOf(uint64_t ticket) {
  base::MutexLock lock(&failure_mu_);
  const std::string reason = "after a failed write the database takes no more: " +
                             std::string(failure_.message());
  if (ticket == UINT64_MAX) return Status::ReadOnly(reason);
  return Status::ReadOnly("the fate of this write is known only after the next open: " + reason);
}

void CommitPipeline::WakeAll() {
  publish_changed_.Notify();
  sync_changed_.Notify();
}

key::SequenceNumber CommitPipeline::SwitchMemtable(std::shared_ptr<memtable::Memtable> next) {
  base::SpinLockHolder lock(&reserve_lock_);
  memtable_.swap(next);
  return next_seq_ - 1;
}

std::shared_ptr<memtable::Memtable> CommitPipeline::active_memtable() {
  base::SpinLockHolder lock(&reserve_lock_);
  return memtable_;
}

uint64_t CommitPipeline::active_memtable_id() {
  base::SpinLockHolder lock(&reserve_lock_);
  return memtable_->id();
}

void CommitPipeline::InvalidateFamilies() {
  base::SpinLockHolder lock(&reserve_lock_);
  families_epoch_.fetch_add(1, std::memory_order_release);
}

void CommitPipeline::Close() {
  uint64_t end;
  {
    base::SpinLockHolder lock(&reserve_lock_);
    closed_ = true;
    end = next_ticket_;
  }
  if (end == 1) return;
  // Tickets below a failed one still come through; from it on nothing does.
  publish_changed_.Await([&] {
    const uint64_t reachable = std::min(end, failed_from_.load(std::memory_order_acquire));
    return published_.load(std::memory_order_acquire) >= reachable;
  });
}

CommitPipeline::Counters CommitPipeline::counters() {
  base::SpinLockHolder lock(&reserve_lock_);
  Counters counters = counters_;
  counters.syncs = syncs_.load(std::memory_order_relaxed);
  return counters;
}

key::SequenceNumber CommitPipeline::next_seq() {
  base::SpinLockHolder lock(&reserve_lock_);
  return next_seq_;
}

}  // namespace nokv::db
