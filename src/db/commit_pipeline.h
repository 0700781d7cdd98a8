#pragma once

// CommitPipeline: how a batch becomes part of the database. The calling threads do all of it.
//
//   1 prepare   count, size and checksum the batch; no lock
//   2 reserve   under one short lock: the next sequence numbers, a place in the log, room in the memtable,
//               and a ticket. This fixes the commit order.
//   3 log       copy the record to its place in the log, beside other writers
//   4 insert    add the entries to the memtable, beside other writers
//   5 sync      only if asked: one thread syncs the log for all that have reached step 5; the next group
//               gathers meanwhile
//   6 publish   in ticket order: the visible sequence number moves over all tickets that are done
//   7 return    once the own ticket is published
//
// Invariants:
//  1. tickets, sequence numbers and log positions grow together: they are given in one critical section.
//  2. a ticket is published only after every earlier one. So what a reader sees, what was acknowledged, and
//     what the log holds without a gap are prefixes of the same order (law 2).
//  3. a synced commit is published only after the sync that covers it: nobody reads what a loss of power
//     could still take back while its own writer has not been told.
//  4. a failure after step 2 is final: the failing ticket is never published, so nothing after it is, and
//     every later commit is refused with the first cause (law 4).
//  5. all writes of a memtable have sequence numbers up to the one it was closed at, and all of the next
//     one greater: the switch happens under the reservation lock.
//
// The waiting is short in the usual case (another thread's memcpy), so a waiter spins for about a
// microsecond and then sleeps on one word per event.
//
// The shape follows the commit pipeline of Pebble (a short lock, concurrent application, ordered
// publication); leader/follower groups as in LevelDB were rejected because handing a batch to another
// thread costs several microseconds, more than the whole commit.
//
// Thread-safe.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/event_count.h"
#include "base/mutex.h"
#include "key/entry.h"
#include "memtable/memtable.h"
#include "wal/log.h"

namespace nokv::db {

// What step 1 finds out about a batch.
struct PreparedBatch {
  Slice rep;
  uint64_t count = 0;           // operations, each with a sequence number
  size_t memtable_bytes = 0;    // to reserve
  size_t memtable_entries = 0;  // to reserve
  uint64_t payload_hash = 0;
  // Does it touch families that may be dropped? Then `families_epoch` is when they were found alive.
  bool checks_families = false;
  uint64_t families_epoch = 0;
};

class CommitPipeline {
 public:
  // What the pipeline needs from its surroundings.
  class Host {
   public:
    virtual ~Host() = default;
    // The memtable with the id `full` cannot take `bytes` and `entries`: put another in its place
    // (SwitchMemtable), unless that has happened meanwhile. Called without locks, by several threads at once.
    // OK means: try again.
    virtual Status MakeMemtableRoom(uint64_t full, size_t bytes, size_t entries) = 0;
    // The active log segment is full and no other is prepared: prepare one. As above.
    virtual Status MakeLogRoom() = 0;
    // A segment was put to use; the next one should be prepared in the background.
    virtual void LogRotated() = 0;
    // Log and memtable have taken some MiB since the last time: memory ahead of them should be made ready in the
    // background.
    virtual void MemoryUsed() = 0;
    // A commit failed after its reservation (4). Called once, without locks.
    virtual void CommitFailed(const Status& cause) = 0;
  };

  // `last_seq` is the newest sequence number that recovery found: everything up to it is visible.
  CommitPipeline(Host* host,
                 wal::Log* log,
                 std::shared_ptr<memtable::Memtable> memtable,
                 key::SequenceNumber last_seq);
  ~CommitPipeline();
  CommitPipeline(const CommitPipeline&) = delete;
  CommitPipeline& operator=(const CommitPipeline&) = delete;

  // Steps 2 to 7. An empty batch takes a ticket and no place in the log: with `sync` it makes everything
  // before it durable. kClosed after Close, kLimitExceeded, kNoSpace: nothing happened. kAborted: a family
  // was dropped meanwhile; prepare again. Other errors: see (4).
  Status Commit(const PreparedBatch& batch, bool sync);

  // The newest published sequence number.
  key::SequenceNumber visible() const { return visible_.load(std::memory_order_acquire); }
  // Returns when everything up to `seq` is published, or with the pipeline's failure.
  Status WaitVisible(key::SequenceNumber seq);

  // Puts `next` in the active memtable's place; returns the last sequence number of the old one (5).
  key::SequenceNumber SwitchMemtable(std::shared_ptr<memtable::Memtable> next);
  std::shared_ptr<memtable::Memtable> active_memtable();
  uint64_t active_memtable_id();
  // From here on, commits that checked the families before fail with kAborted.
  void InvalidateFamilies();
  uint64_t families_epoch() const { return families_epoch_.load(std::memory_order_acquire); }

  // Refuses new commits and waits for those under way. Idempotent.
  void Close();

  struct Counters {
    uint64_t commits = 0, operations = 0, bytes = 0, synced_commits = 0, syncs = 0;
  };
  Counters counters();
  // The next sequence number to be given.
  key::SequenceNumber next_seq();

 private:
  // Power of two; more writers than this at once wait for a slot.
  static constexpr uint64_t kSlots = 1024;
  static constexpr uint64_t kLogged = 1;
  static constexpr uint64_t kDone = 2;

  // stage holds ticket * 4 + kLogged or kDone and only grows; the other fields belong to the ticket's
  // owner until it stores kLogged (release; pairs with the acquire loads of the sync leader and the
  // publisher).
  struct alignas(64) Slot {
    std::atomic<uint64_t> stage{0};
    key::SequenceNumber last_seq = 0;
    wal::LogPosition log_end;
  };
  struct Reserved {
    uint64_t ticket = 0;
    key::SequenceNumber first_seq = 0;
    wal::Reservation log;
    // Where the batch's room is claimed; null until then. Ids tell memtables apart: an address may come again.
    memtable::Memtable* memtable = nullptr;
    uint64_t memtable_id = 0;
    uint64_t full_id = 0;  // the one that had no room
    uint64_t published_seen = 0;  // when the ring was full
    bool log_failed = false;      // the log could not go over to its next segment
  };

  enum class Next : unsigned char { kReserved, kMemtableFull, kLogFull, kRingFull };

  Status Reserve(const PreparedBatch& batch, bool sync, Reserved* reserved);
  Next TryReserve(const PreparedBatch& batch, bool sync, Reserved* reserved, Status* status);
  void InsertIntoMemtable(const PreparedBatch& batch, const Reserved& reserved);
  Status WaitSynced(uint64_t ticket);
  Status SyncAsLeader(uint64_t ticket);
  void Publish();
  Status WaitPublished(uint64_t ticket);
  Status Fail(uint64_t ticket, const Status& cause);
  Status FailureOf(uint64_t ticket);
  Slot& SlotOf(uint64_t ticket) { return slots_[ticket & (kSlots - 1)]; }
  void WakeAll();

  Host* const host_;
  wal::Log* const log_;
  std::unique_ptr<Slot[]> slots_;

  base::SpinLock reserve_lock_;
  uint64_t next_ticket_ NOKV_GUARDED_BY(reserve_lock_) = 1;
  key::SequenceNumber next_seq_ NOKV_GUARDED_BY(reserve_lock_);
  std::shared_ptr<memtable::Memtable> memtable_ NOKV_GUARDED_BY(reserve_lock_);
  bool closed_ NOKV_GUARDED_BY(reserve_lock_) = false;
  Counters counters_ NOKV_GUARDED_BY(reserve_lock_);
  std::atomic<uint64_t> families_epoch_{1};  // written under reserve_lock_

  base::SpinLock publish_lock_;
  // All tickets below are published. Written under publish_lock_; release, pairs with acquire of waiters.
  alignas(64) std::atomic<uint64_t> published_{1};
  std::atomic<key::SequenceNumber> visible_;
  base::EventCount publish_changed_;

  // All tickets below are covered by a sync.
  alignas(64) std::atomic<uint64_t> synced_{1};
  std::atomic<bool> syncing_{false};
  base::EventCount sync_changed_;
  std::atomic<uint64_t> syncs_{0};

  // The lowest ticket that failed; UINT64_MAX if none.
  alignas(64) std::atomic<uint64_t> failed_from_{UINT64_MAX};
  base::Mutex failure_mu_;
  Status failure_ NOKV_GUARDED_BY(failure_mu_);
};

}  // namespace nokv::db
