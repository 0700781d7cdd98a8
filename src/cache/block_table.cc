#include "cache/block_table.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace nokv::cache {

BlockTable::BlockTable(base::EpochDomain* epochs, size_t entry_count)
    : epochs_(epochs),
      buckets_(std::make_unique<Buckets>(
                   std::bit_ceil(std::max<size_t>(2, entry_count / kEntriesPerBucket)))
                   .release()) {}

BlockTable::~BlockTable() {
  const std::unique_ptr<Buckets> owner(buckets_.load());
}

void BlockTable::Insert(Entry* entry, uint64_t hash) {
  const Buckets* const buckets = buckets_.load(std::memory_order_relaxed);
  if (size_ >= (buckets->mask + 1) * kEntriesPerBucket) Grow();
  Place(buckets_.load(std::memory_order_relaxed), entry, hash);
  ++size_;
}

bool BlockTable::FreeSlot(const Bucket& bucket, size_t* slot) {
  for (*slot = 0; *slot < kSlots; ++*slot) {
    if (bucket.slots[*slot].load(std::memory_order_relaxed) == nullptr) return true;
  }
  return false;
}

void BlockTable::Place(Buckets* buckets, Entry* entry, uint64_t hash) {
  for (size_t index = hash & buckets->mask;; index = (index + 1) & buckets->mask) {
    Bucket& bucket = buckets->array[index];
    const uint64_t control = bucket.control.load(std::memory_order_relaxed);
    size_t slot;
    if (FreeSlot(bucket, &slot)) {
      // The pointer before the tag: who sees the tag finds the entry.
      bucket.slots[slot].store(entry, std::memory_order_release);
      bucket.control.store(control | TagOf(hash) << (8 * slot), std::memory_order_release);
      return;
    }
    if ((control >> kOverflowShift) < kOverflowMax) {
      bucket.control.store(control + (uint64_t{1} << kOverflowShift), std::memory_order_release);
    }
  }
}

void BlockTable::Erase(Entry* entry, uint64_t hash) {
  Buckets* const buckets = buckets_.load(std::memory_order_relaxed);
  for (size_t index = hash & buckets->mask;; index = (index + 1) & buckets->mask) {
    Bucket& bucket = buckets->array[index];
    const uint64_t control = bucket.control.load(std::memory_order_relaxed);
    for (size_t slot = 0; slot < kSlots; ++slot) {
      if (bucket.slots[slot].load(std::memory_order_relaxed) != entry) continue;
      bucket.control.store(control & ~(uint64_t{0xff} << (8 * slot)), std::memory_order_release);
      bucket.slots[slot].store(nullptr, std::memory_order_release);
      --size_;
      return;
    }
    const uint64_t passed = control >> kOverflowShift;
    NOKV_CHECK(passed > 0);  // else the entry is not here
    if (passed < kOverflowMax) {
      bucket.control.store(control - (uint64_t{1} << kOverflowShift), std::memory_order_release);
    }
  }
}

void BlockTable::Grow() {
  Buckets* const old = buckets_.load(std::memory_order_relaxed);
  auto grown = std::make_unique<Buckets>((old->mask + 1) * 2);
  ForEach([&](Entry* entry) { Place(grown.get(), entry, HashOf(entry->key)); });
  // release: who sees the new table sees what is in it.
  buckets_.store(grown.release(), std::memory_order_release);
  // Later, because the shard's mutex is held.
  epochs_->RetireLater(
      old, [](void* p) { const std::unique_ptr<Buckets> owner(static_cast<Buckets*>(p)); });
}

size_t BlockTable::memory_bytes() const {
  return (buckets_.load(std::memory_order_relaxed)->mask + 1) * sizeof(Bucket);
}

void BlockTable::CheckInvariants() const {
  const Buckets* const buckets = buckets_.load(std::memory_order_relaxed);
  size_t count = 0;
  for (size_t index = 0; index <= buckets->mask; ++index) {
    const Bucket& bucket = buckets->array[index];
    const uint64_t control = bucket.control.load(std::memory_order_relaxed);
    for (size_t slot = 0; slot < kSlots; ++slot) {
      const Entry* const entry = bucket.slots[slot].load(std::memory_order_relaxed);
      const uint64_t tag = (control >> (8 * slot)) & 0xff;
      NOKV_CHECK((entry == nullptr) == (tag == 0));
      if (entry == nullptr) continue;
      ++count;
      NOKV_CHECK(tag == TagOf(HashOf(entry->key)));
      NOKV_CHECK(Find(entry->key, HashOf(entry->key)) == entry);
    }
  }
  NOKV_CHECK(count == size_);
}

}  // namespace nokv::cache
