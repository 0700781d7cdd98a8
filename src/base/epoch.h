#pragma once

// EpochDomain: readers without locks or counters, and memory freed only when no reader can see it.
//
// A reader holds a Guard while it follows shared pointers. A writer makes an object unreachable for
// new readers (it replaces the pointer that leads there), then retires it; the object is deleted
// once every guard that was alive at that moment has ended. A guard costs two stores to a line that
// belongs to its thread; the price is paid by whoever reclaims.
//
// How it works: the domain counts epochs. A guard writes the epoch it found into its thread's slot,
// and 0 when it ends. Retire stamps the object with the current epoch; Reclaim raises the epoch,
// looks at all slots, and deletes what is stamped below the oldest epoch found there.
//
// Invariants:
//  1. the epoch only grows, and only under mu_, which also orders the stamps of retired objects:
//     stamps in the queue never fall from front to back.
//  2. whoever enters with an epoch above a stamp sees the structure without the stamped object:
//     the raise happens after the retirement (mu_), and the guard's acquire load pairs with the
//     release store of the raise.
//  3. a guard that Reclaim does not see in the slots sees everything that happened before Reclaim
//     looked (store, fence, load on both sides). The fence of the guard is only one for the
//     compiler where the kernel offers membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED), with which
//     Reclaim makes every running thread of the process execute a full fence at that moment;
//     elsewhere it is a real one.
//  4. a slot belongs to one thread from its first guard to the thread's end. Slots outlive the
//     domain as long as a thread refers to them, so threads and domains may end in any order.
//
// Source: K. Fraser, "Practical lock-freedom" (2004), section 5.2.3, epoch-based reclamation, with
// one stamp per object instead of three lists; asymmetric fences as in the userspace RCU library
// (M. Desnoyers et al., "User-Level Implementations of Read-Copy Update", 2012) and membarrier(2).
//
// A guard that lives long holds back everything retired since. Who needs an object beyond one
// operation takes a counted reference to it under the guard and lets the guard go.
//
// Thread-safe. A Guard belongs to the thread that made it.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "base/check.h"
#include "base/mutex.h"
#include "base/thread_annotations.h"

namespace nokv::base {

class EpochDomain {
 private:
  struct Slot;
  struct SlotTable;

 public:
  struct Stats {
    uint64_t epoch = 0;          // the current epoch
    uint64_t oldest_guard = 0;   // the epoch of the oldest living guard; `epoch` if there is none
    size_t guards = 0;           // threads inside a guard
    size_t slots = 0;            // threads that have a slot
    size_t pending = 0;          // retired and not yet deleted
    uint64_t retired_total = 0;  // since the domain began
  };

  EpochDomain();
  // Deletes everything that is retired. REQUIRES: no guard is alive and nobody uses the domain.
  ~EpochDomain();
  EpochDomain(const EpochDomain&) = delete;
  EpochDomain& operator=(const EpochDomain&) = delete;

  // Keeps what is reachable now alive until it ends. Guards of one thread may nest; the outermost
  // counts. Ends in the thread that began it.
  class Guard {
   public:
    explicit Guard(EpochDomain* domain) : slot_(domain->SlotOfThisThread()) {
      if (slot_->depth++ == 0) domain->Enter(slot_);
    }
    ~Guard() {
      NOKV_DCHECK(slot_->owner == &thread_cache_ && slot_->depth > 0);
      // release: what this guard read happens before what Reclaim does after seeing the slot free.
      if (--slot_->depth == 0) slot_->epoch.store(0, std::memory_order_release);
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    Slot* const slot_;
  };

  // Runs `deleter(object)` once every guard alive at the call has ended. Deleters run in a thread
  // that calls Retire, Reclaim, Drain or the destructor, outside every lock of the domain; they may
  // retire further objects and take guards. One call in kReclaimInterval tries to reclaim.
  // REQUIRES: the object is unreachable for new guards, and the caller holds no lock that a deleter
  // of this domain takes (else RetireLater).
  void Retire(void* object, void (*deleter)(void*)) NOKV_EXCLUDES(mu_);
  // Like Retire, but never runs a deleter in this call.
  void RetireLater(void* object, void (*deleter)(void*)) NOKV_EXCLUDES(mu_);
  // Retires an object that came from new or a released unique_ptr.
  template <class T>
  void RetireDelete(T* object) {
    Retire(object, [](void* p) { std::unique_ptr<T>(static_cast<T*>(p)).reset(); });
  }

  // Deletes what no guard can see; returns how many objects. Inside a deleter it does nothing.
  // Retire calls it by itself; call it where single objects hold much memory.
  size_t Reclaim() NOKV_EXCLUDES(mu_);
  // Waits until every object retired so far is deleted, including what deleters retire meanwhile.
  // REQUIRES: the calling thread holds no guard and is not inside a deleter.
  void Drain() NOKV_EXCLUDES(mu_);

  // Retired and not yet deleted.
  size_t pending() const { return pending_.load(std::memory_order_relaxed); }
  // True if the calling thread holds a guard of this domain: for checks of "REQUIRES: a guard".
  bool InGuard() { return SlotOfThisThread()->depth > 0; }
  // A small number that no other living thread has in this domain: lets a structure give each
  // thread counters of its own. A number freed by a thread's end is given to a later thread.
  size_t ThreadIndex() { return SlotOfThisThread()->index; }
  Stats stats() const NOKV_EXCLUDES(mu_);

  // Retirements between two attempts to reclaim: shares the cost of one membarrier, some
  // microseconds, among as many objects.
  static constexpr size_t kReclaimInterval = 64;

 private:
  // One per thread and domain. Only `epoch` is read by others.
  struct alignas(64) Slot {
    std::atomic<uint64_t> epoch;  // of the outermost guard; 0 outside
    uint32_t depth;               // living guards of the owner
    uint32_t index;               // constant: the slot's place in the table
    const void* owner;            // the owner's thread cache or null; guarded by SlotTable::mu
    bool reclaiming;              // the owner is running deleters
  };
  struct Retired {
    void* object;
    void (*deleter)(void*);
    uint64_t stamp;
  };
  struct ThreadRegistry;
  // The slot this thread used last. Plain data, so that access needs no initialisation check.
  struct ThreadCache {
    SlotTable* table;
    Slot* slot;
    ThreadRegistry* registry;
  };

  Slot* SlotOfThisThread() {
    if (thread_cache_.table == table_) [[likely]]
      return thread_cache_.slot;
    return FindSlot();
  }
  Slot* FindSlot();

  void Enter(Slot* slot) {
    // acquire: pairs with the raise in Reclaim (2). An epoch that is old by the time it is stored
    // only holds back more.
    const uint64_t epoch = epoch_.load(std::memory_order_acquire);
    // release: a scan that finds this epoch has seen the end of the thread's previous guard.
    slot->epoch.store(epoch, std::memory_order_release);
    if (asymmetric_) [[likely]] {
      std::atomic_signal_fence(std::memory_order_seq_cst);  // (3): the reclaimer pays
    } else {
      std::atomic_thread_fence(std::memory_order_seq_cst);
    }
  }

  bool Push(void* object, void (*deleter)(void*)) NOKV_EXCLUDES(mu_);
  void HeavyFence() const;
  size_t DeleteBelow(uint64_t stamp, Slot* self) NOKV_EXCLUDES(mu_);
  size_t TakeBelow(uint64_t stamp, Retired* batch, size_t batch_max) NOKV_EXCLUDES(mu_);

  static void EndThread(void* registry);
  static ThreadRegistry* RegistryOfThisThread();

  static constinit thread_local ThreadCache thread_cache_;

  // Constant after construction. `table_owner_` is shared with the threads that have a slot (4).
  const std::shared_ptr<SlotTable> table_owner_;
  SlotTable* const table_;
  const bool asymmetric_;
  // Written under mu_ (1), read by every guard.
  std::atomic<uint64_t> epoch_{1};

  alignas(64) mutable Mutex mu_;
  std::deque<Retired> retired_ NOKV_GUARDED_BY(mu_);
  // The size of retired_ at which Retire tries to reclaim.
  size_t reclaim_at_ NOKV_GUARDED_BY(mu_) = kReclaimInterval;
  uint64_t retired_total_ NOKV_GUARDED_BY(mu_) = 0;
  std::atomic<size_t> pending_{0};  // retired_ and what is being deleted
};

}  // namespace nokv::base
