#pragma once

// FramePool: memory for blocks, recycled without malloc and without page faults.
//
// Memory comes from the system in regions (2 MiB, as huge pages where the system has them) and is
// given out in frames: a header (Entry) and the bytes of one block, rounded up to 256. A region has
// a bitmap of its units; a frame is the first run of free units that is long enough, in the first
// region that has one. Neighbours merge by themselves when they are freed, so memory that held
// small blocks serves large ones later; looking from the front lets the regions at the end run
// empty and go back to the system. A frame over a quarter of a region gets a mapping of its own.
//
// Rejected: size classes in slabs. They allocate in constant time, but memory given to one class is
// lost to the others when the mix of block sizes changes (with families of different value sizes,
// up to half of it), unless the eviction policy is bent to empty whole slabs.
//
// Invariants:
//  1. the bits set in a region's bitmap are the units of living frames, and the unit of the
//     region's own head; free_units counts the others.
//  2. no run of free units in a region is longer than its longest_free.
//  3. no region before search_from_[n] has a run of n free units.
//
// Thread-safe. Pools exist to spread the lock: a frame returns to the pool it came from.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "base/thread_annotations.h"
#include "cache/entry.h"

namespace nokv::cache {

class FramePool {
 public:
  static constexpr size_t kUnit = Entry::kFrameUnit;
  static constexpr size_t kHugeRegionBytes = size_t{2} << 20;
  static constexpr size_t kSmallRegionBytes = size_t{256} << 10;

  // REQUIRES: region_bytes is one of the two above.
  FramePool(uint16_t number, size_t region_bytes);
  // REQUIRES: every frame is free.
  ~FramePool();
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;

  // An entry with room for `bytes` bytes behind it: size, weight_units and pool are set, the rest
  // zero.
  Entry* Allocate(size_t bytes) NOKV_EXCLUDES(mu_) { return TryAllocate(bytes, true); }
  // The same; null if that needs memory from the system and may_map is false.
  Entry* TryAllocate(size_t bytes, bool may_map) NOKV_EXCLUDES(mu_);
  void Free(Entry* entry) NOKV_EXCLUDES(mu_);

  // The weight that an entry for `bytes` bytes will have.
  size_t WeightOf(size_t bytes) const;

  // Memory from the system is kept while there is no more of it than this, used or not; beyond it only a few empty
  // regions are. A compaction erases the blocks of its inputs and loads as many of its outputs: a region that went to
  // the system in between would come back with a page fault, and zeroed, which costs more than all else about a block.
  void Keep(size_t bytes) NOKV_EXCLUDES(mu_);

  // Units of living frames; memory taken from the system.
  size_t used_bytes() const { return used_bytes_.load(std::memory_order_relaxed); }
  size_t mapped_bytes() const { return mapped_bytes_.load(std::memory_order_relaxed); }

  // Checks (1) to (3); for tests.
  void CheckInvariants() const NOKV_EXCLUDES(mu_);

 private:
  static constexpr size_t kWordsMax = kHugeRegionBytes / kUnit / 64;
  // search_from_ is exact per length up to here; longer frames, which are rare, share the last.
  static constexpr size_t kSearchLengths = 80;

  // Kept apart from the region's memory: the first lines of all regions compete for the same few
  // places in the processor's caches.
  struct Region {
    char* memory = nullptr;
    size_t index = 0;  // in regions_
    size_t free_units = 0;
    size_t longest_free = 0;  // upper bound (2)
    size_t first_word = 0;    // no word before it has a free unit
    std::array<uint64_t, kWordsMax> used = {};
  };

  bool IsLarge(size_t frame_bytes) const { return frame_bytes > region_bytes_ / 4; }
  size_t units_per_region() const { return region_bytes_ / kUnit; }
  // All but the unit of the region's own head.
  bool IsEmpty(const Region& region) const { return region.free_units == units_per_region() - 1; }

  char* AllocateUnits(size_t units, bool may_map) NOKV_REQUIRES(mu_);
  bool HasTooManyEmptyRegions() const NOKV_REQUIRES(mu_);
  std::unique_ptr<Region> TakeEmptyRegion(size_t index) NOKV_REQUIRES(mu_);
  Region* AddRegion() NOKV_REQUIRES(mu_);
  bool FindRun(Region* region, size_t units, size_t* start) const;
  void Mark(Region* region, size_t start, size_t units, bool used);
  bool IsUsed(const Region& region, size_t unit) const;
  size_t FreeRunAround(const Region& region, size_t start, size_t units) const;
  Region* RegionOf(const void* memory) const;

  const uint16_t number_;
  const size_t region_bytes_;
  std::atomic<size_t> used_bytes_{0};
  std::atomic<size_t> mapped_bytes_{0};

  mutable base::Mutex mu_;
  std::vector<std::unique_ptr<Region>> regions_ NOKV_GUARDED_BY(mu_);  // null: given back
  std::array<size_t, kSearchLengths + 1> search_from_ NOKV_GUARDED_BY(mu_) = {};
  size_t region_count_ NOKV_GUARDED_BY(mu_) = 0;
  size_t empty_regions_ NOKV_GUARDED_BY(mu_) = 0;  // kept; the next blocks would ask for them again
  size_t keep_bytes_ NOKV_GUARDED_BY(mu_) = 0;
};

// The pools of one cache.
class FramePools {
 public:
  // Chooses how many pools and which regions suit a cache of this size.
  explicit FramePools(size_t capacity_bytes);

  // `spread` chooses the pool to ask first, so that threads with different numbers meet less. The
  // holes of the other pools are used before one maps more: frames return to where they came from,
  // which need not be where the next are asked for.
  Entry* Allocate(size_t bytes, size_t spread);
  void Free(Entry* entry) { pools_[entry->pool]->Free(entry); }
  // FramePool::Keep, of all together.
  void Keep(size_t bytes);

  size_t used_bytes() const;
  size_t mapped_bytes() const;

 private:
  std::vector<std::unique_ptr<FramePool>> pools_;
};

}  // namespace nokv::cache
