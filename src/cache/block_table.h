#pragma once

// BlockTable: from block key to entry, read without locks.
//
// An open-addressing table of buckets of one cache line: seven pointers to entries, and a control
// word with a one-byte tag per slot and the number of entries that would belong here and lie
// further on. A lookup compares all tags at once, follows the pointers whose tags match, and goes
// to the next bucket only if that number is not 0.
//
// Invariants:
//  1. entries never move between slots. Growing makes a new table and leaves the old one unchanged
//     for those who still read it.
//  2. an entry lies in the first bucket with a free slot, counted from its home; every bucket
//     passed on the way counts it as long as it is in the table. A count that reached 255 stays
//     there.
//  3. at most four entries per bucket on average, so that one in twenty buckets or fewer overflows.
//
// Lookups run in any number of threads beside one writer. A lookup that runs beside the insertion
// or the growth of the table may miss the entry; one that begins after finds it.
// REQUIRES: readers hold an epoch guard; writers hold the shard's mutex.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/epoch.h"
#include "cache/entry.h"

namespace nokv::cache {

// Spreads keys over shards (high bits), buckets (low bits) and tags (the bits between). The
// constants are the golden ratio and a random odd number; the folded product mixes every bit into
// all others.
inline uint64_t HashOf(const BlockKey& key) {
  __extension__ using Wide = unsigned __int128;
  const uint64_t joined = (key.file + 1) * 0x9e3779b97f4a7c15ULL + key.offset;
  const Wide product = static_cast<Wide>(joined ^ 0x2127599bf4325c37ULL) * 0xd6e8feb86659fd93ULL;
  const auto folded = static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  return folded ^ (folded >> 29);
}

class BlockTable {
 public:
  BlockTable(base::EpochDomain* epochs, size_t entry_count);
  ~BlockTable();
  BlockTable(const BlockTable&) = delete;
  BlockTable& operator=(const BlockTable&) = delete;

  // Null if the key is not here.
  Entry* Find(const BlockKey& key, uint64_t hash) const {
    // acquire: pairs with the release in Grow.
    const Buckets* const buckets = buckets_.load(std::memory_order_acquire);
    size_t index = hash & buckets->mask;
    for (size_t probes = 0; probes <= buckets->mask; ++probes) {
      const Bucket& bucket = buckets->array[index];
      const uint64_t control = bucket.control.load(std::memory_order_acquire);
      for (uint64_t match = SlotsWith(control, TagOf(hash)); match != 0; match &= match - 1) {
        const auto slot = static_cast<size_t>(__builtin_ctzll(match)) / 8;
        // acquire: pairs with the release in Insert. Null or another entry if the slot changed.
        Entry* const entry = bucket.slots[slot].load(std::memory_order_acquire);
        if (entry != nullptr && entry->key == key) return entry;
      }
      if ((control >> kOverflowShift) == 0) [[likely]]
        return nullptr;
      index = (index + 1) & buckets->mask;
    }
    return nullptr;
  }

  // REQUIRES: the entry's key is not here.
  void Insert(Entry* entry, uint64_t hash);
  // REQUIRES: the entry is here.
  void Erase(Entry* entry, uint64_t hash);

  size_t size() const { return size_; }
  size_t memory_bytes() const;

  // Visits every entry in unspecified order; the table must not change meanwhile.
  template <class F>
  void ForEach(F visit) const {
    const Buckets* const buckets = buckets_.load(std::memory_order_relaxed);
    for (size_t index = 0; index <= buckets->mask; ++index) {
      for (const auto& slot : buckets->array[index].slots) {
        Entry* const entry = slot.load(std::memory_order_relaxed);
        if (entry != nullptr) visit(entry);
      }
    }
  }

  // Checks (2); for tests.
  void CheckInvariants() const;

 private:
  static constexpr size_t kSlots = 7;
  static constexpr size_t kEntriesPerBucket = 4;
  static constexpr unsigned kOverflowShift = 56;
  static constexpr uint64_t kOverflowMax = 255;

  struct alignas(64) Bucket {
    std::array<std::atomic<Entry*>, kSlots> slots = {};
    std::atomic<uint64_t> control{0};  // byte i: tag of slot i, 0 if free; byte 7: passed by
  };
  static_assert(sizeof(Bucket) == 64);
  struct Buckets {
    explicit Buckets(size_t count) : mask(count - 1), array(std::make_unique<Bucket[]>(count)) {}
    const size_t mask;
    const std::unique_ptr<Bucket[]> array;
  };

  // Never 0.
  static uint64_t TagOf(uint64_t hash) { return ((hash >> 40) & 0xff) | 1; }

  // The top bit of each of the seven lowest bytes of `control` that may be `tag`: all that are, and
  // rarely one above a match that is not (the comparison of the key settles it).
  static uint64_t SlotsWith(uint64_t control, uint64_t tag) {
    constexpr uint64_t kOnes = 0x0001010101010101ULL;
    constexpr uint64_t kTops = 0x0080808080808080ULL;
    const uint64_t difference = control ^ (tag * kOnes);
    return (difference - kOnes) & ~difference & kTops;
  }

  static void Place(Buckets* buckets, Entry* entry, uint64_t hash);
  static bool FreeSlot(const Bucket& bucket, size_t* slot);
  void Grow();

  base::EpochDomain* const epochs_;
  std::atomic<Buckets*> buckets_;  // owned
  size_t size_ = 0;
};

}  // namespace nokv::cache
