#include "base/epoch.h"

#include <algorithm>
#include <thread>
#include <vector>

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
#define NOKV_EPOCH_UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NOKV_EPOCH_UNDER_TSAN 1
#endif
#endif

namespace nokv::base {

namespace {

long Membarrier(int command) {
  return syscall(__NR_membarrier, command, 0U, 0);
}

// True if the kernel can make all running threads of this process execute a fence. ThreadSanitizer
// does not know of that, so there the guards execute their own.
bool HasMembarrier() {
#if defined(NOKV_EPOCH_UNDER_TSAN)
  return false;
#else
  static const bool available = Membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
  return available;
#endif
}

}  // namespace

// The slots of one domain: chunks that are only ever added, so that a scan needs no lock.
struct EpochDomain::SlotTable {
  static constexpr size_t kSlotsPerChunk = 32;
  struct Chunk {
    explicit Chunk(uint32_t first_index) {
      for (Slot& slot : slots)
        slot.index = first_index++;
    }
    Slot slots[kSlotsPerChunk] = {};
    // release after the chunk is complete; acquire in scans.
    std::atomic<Chunk*> next{nullptr};
    std::unique_ptr<Chunk> next_owner;
  };

  Slot* Acquire(const void* owner) {
    MutexLock lock(&mu);
    for (Chunk* chunk = &first;; chunk = chunk->next_owner.get()) {
      for (Slot& slot : chunk->slots) {
        if (slot.owner != nullptr) continue;
        slot.owner = owner;
        return &slot;
      }
      if (chunk->next_owner == nullptr) {
        const uint32_t next_index = chunk->slots[kSlotsPerChunk - 1].index + 1;
        chunk->next_owner = std::make_unique<Chunk>(next_index);
        chunk->next.store(chunk->next_owner.get(), std::memory_order_release);
      }
    }
  }

  void Release(Slot* slot) {
    MutexLock lock(&mu);
    // A guard that outlives its thread would hold back memory for ever.
    NOKV_CHECK(slot->depth == 0 && !slot->reclaiming);
    slot->owner = nullptr;
  }

  template <class F>
  void ForEach(F visit) const {
    for (const Chunk* chunk = &first; chunk != nullptr;
         chunk = chunk->next.load(std::memory_order_acquire)) {
      for (const Slot& slot : chunk->slots)
        visit(slot);
    }
  }

  // The oldest epoch of a living guard, `none` if there is none.
  uint64_t OldestGuard(uint64_t none) const {
    uint64_t oldest = none;
    ForEach([&](const Slot& slot) {
      // acquire: pairs with the release at the end of a guard, and at the beginning of the next.
      const uint64_t epoch = slot.epoch.load(std::memory_order_acquire);
      if (epoch != 0) oldest = std::min(oldest, epoch);
    });
    return oldest;
  }

  mutable Mutex mu;  // owners, and growth
  Chunk first{0};
  // Set when the domain ends: a thread that meets the table again forgets it.
  std::atomic<bool> closed{false};
};

// The slots of one thread, in all domains. Keeps their tables alive.
struct EpochDomain::ThreadRegistry {
  struct Entry {
    std::shared_ptr<SlotTable> table;
    Slot* slot;
  };
  std::vector<Entry> entries;
};

constinit thread_local EpochDomain::ThreadCache EpochDomain::thread_cache_ = {nullptr, nullptr,
                                                                              nullptr};

EpochDomain::EpochDomain()
    : table_owner_(std::make_shared<SlotTable>()),
      table_(table_owner_.get()),
      asymmetric_(HasMembarrier()) {}

EpochDomain::~EpochDomain() {
  NOKV_CHECK(table_->OldestGuard(0) == 0);
  Drain();
  table_->closed.store(true, std::memory_order_release);
}

// A pthread key and not a thread_local with a destructor: keys are destroyed after all
// thread_locals, so that their destructors may still take guards; one that registers again is
// served by another round.
EpochDomain::ThreadRegistry* EpochDomain::RegistryOfThisThread() {
  static const pthread_key_t key = [] {
    pthread_key_t made;
    NOKV_CHECK(pthread_key_create(&made, &EpochDomain::EndThread) == 0);
    return made;
  }();
  ThreadCache& cache = thread_cache_;
  if (cache.registry == nullptr) {
    cache.registry = std::make_unique<ThreadRegistry>().release();  // EndThread owns it
    NOKV_CHECK(pthread_setspecific(key, cache.registry) == 0);
  }
  return cache.registry;
}

void EpochDomain::EndThread(void* registry) {
  const std::unique_ptr<ThreadRegistry> owner(static_cast<ThreadRegistry*>(registry));
  thread_cache_ = {nullptr, nullptr, nullptr};
  for (const ThreadRegistry::Entry& entry : owner->entries)
    entry.table->Release(entry.slot);
}

EpochDomain::Slot* EpochDomain::FindSlot() {
  ThreadRegistry* const registry = RegistryOfThisThread();
  // The cache may name a table that this frees; it is overwritten below.
  std::erase_if(registry->entries, [](const ThreadRegistry::Entry& entry) {
    return entry.table->closed.load(std::memory_order_acquire);
  });
  auto found = std::find_if(registry->entries.begin(), registry->entries.end(),
                            [this](const auto& entry) { return entry.table.get() == table_; });
  if (found == registry->entries.end()) {
    registry->entries.push_back({table_owner_, table_->Acquire(&thread_cache_)});
    found = registry->entries.end() - 1;
  }
  thread_cache_.table = table_;
  thread_cache_.slot = found->slot;
  return found->slot;
}

bool EpochDomain::Push(void* object, void (*deleter)(void*)) {
  MutexLock lock(&mu_);
  retired_.push_back({object, deleter, epoch_.load(std::memory_order_relaxed)});
  pending_.fetch_add(1, std::memory_order_relaxed);
  ++retired_total_;
  if (retired_.size() < reclaim_at_) return false;
  reclaim_at_ = retired_.size() + kReclaimInterval;
  return true;
}

void EpochDomain::Retire(void* object, void (*deleter)(void*)) {
  if (Push(object, deleter)) Reclaim();
}

void EpochDomain::RetireLater(void* object, void (*deleter)(void*)) {
  if (!Push(object, deleter)) return;
  // The try is left to the next Retire.
  MutexLock lock(&mu_);
  reclaim_at_ = 0;
}

void EpochDomain::HeavyFence() const {
  if (asymmetric_) {
    NOKV_CHECK(Membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0);
  } else {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
}

size_t EpochDomain::Reclaim() {
  Slot* const self = SlotOfThisThread();
  if (self->reclaiming) return 0;
  uint64_t raised;
  {
    MutexLock lock(&mu_);
    if (retired_.empty()) return 0;
    raised = epoch_.load(std::memory_order_relaxed) + 1;
    epoch_.store(raised, std::memory_order_release);  // (2)
  }
  // Everything stamped below `raised` was retired before this fence (1), so (3) holds for it.
  HeavyFence();
  return DeleteBelow(table_->OldestGuard(raised), self);
}

size_t EpochDomain::DeleteBelow(uint64_t stamp, Slot* self) {
  constexpr size_t kBatch = 32;
  Retired batch[kBatch];
  size_t deleted = 0;
  self->reclaiming = true;
  while (const size_t count = TakeBelow(stamp, batch, kBatch)) {
    for (size_t i = 0; i < count; ++i)
      batch[i].deleter(batch[i].object);
    // release: pairs with the acquire in Drain, which promises that the deleters have run.
    pending_.fetch_sub(count, std::memory_order_release);
    deleted += count;
  }
  self->reclaiming = false;
  return deleted;
}

size_t EpochDomain::TakeBelow(uint64_t stamp, Retired* batch, size_t batch_max) {
  MutexLock lock(&mu_);
  size_t count = 0;
  while (count < batch_max && !retired_.empty() && retired_.front().stamp < stamp) {
    batch[count++] = retired_.front();
    retired_.pop_front();
  }
  reclaim_at_ = retired_.size() + kReclaimInterval;
  return count;
}

void EpochDomain::Drain() {
  const Slot* const self = SlotOfThisThread();
  NOKV_CHECK(self->depth == 0 && !self->reclaiming);
  while (pending_.load(std::memory_order_acquire) != 0) {
    if (Reclaim() == 0) std::this_thread::yield();
  }
}

EpochDomain::Stats EpochDomain::stats() const {
  Stats stats;
  {
    MutexLock lock(&table_->mu);
    table_->ForEach([&](const Slot& slot) {
      if (slot.owner != nullptr) ++stats.slots;
      if (slot.epoch.load(std::memory_order_relaxed) != 0) ++stats.guards;
    });
  }
  MutexLock lock(&mu_);
  stats.epoch = epoch_.load(std::memory_order_relaxed);
  stats.oldest_guard = table_->OldestGuard(stats.epoch);
  stats.pending = pending();
  stats.retired_total = retired_total_;
  return stats;
}

}  // namespace nokv::base
