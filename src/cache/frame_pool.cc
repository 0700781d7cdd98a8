#include "cache/frame_pool.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/poison.h"
#include "base/round.h"

namespace nokv::cache {

namespace {

// Memory from the system, aligned to `alignment`, which is at least a page. No memory is fatal, as
// everywhere.
char* Map(size_t bytes, size_t alignment) {
  void* const memory =
      mmap(nullptr, bytes + alignment, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  NOKV_CHECK(memory != MAP_FAILED);
  const auto address = reinterpret_cast<uintptr_t>(memory);
  const size_t before = (alignment - address % alignment) % alignment;
  char* const aligned = static_cast<char*>(memory) + before;
  if (before > 0) munmap(memory, before);
  munmap(aligned + bytes, alignment - before);
  return aligned;
}

void Unmap(char* memory, size_t bytes) {
  base::Unpoison(memory, bytes);
  NOKV_CHECK(munmap(memory, bytes) == 0);
}

constexpr size_t kPage = 4096;

}  // namespace

FramePool::FramePool(uint16_t number, size_t region_bytes)
    : number_(number), region_bytes_(region_bytes) {
  NOKV_CHECK(region_bytes == kHugeRegionBytes || region_bytes == kSmallRegionBytes);
}

FramePool::~FramePool() {
  NOKV_CHECK(used_bytes() == 0);  // a handle or a buffer outlives the cache
  for (const auto& region : regions_) {
    if (region != nullptr) Unmap(region->memory, region_bytes_);
  }
}

size_t FramePool::WeightOf(size_t bytes) const {
  const size_t frame = base::RoundUp(sizeof(Entry) + bytes, kUnit);
  return IsLarge(frame) ? base::RoundUp(frame, kPage) : frame;
}

Entry* FramePool::TryAllocate(size_t bytes, bool may_map) {
  const size_t weight = WeightOf(bytes);
  char* memory;
  if (IsLarge(weight)) {
    if (!may_map) return nullptr;
    memory = Map(weight, kPage);
    mapped_bytes_.fetch_add(weight, std::memory_order_relaxed);
    base::Poison(memory, weight);
  } else {
    base::MutexLock lock(&mu_);
    memory = AllocateUnits(weight / kUnit, may_map);
    if (memory == nullptr) return nullptr;
  }
  used_bytes_.fetch_add(weight, std::memory_order_relaxed);
  base::Unpoison(memory, sizeof(Entry) + bytes);
  Entry* const entry = std::construct_at(reinterpret_cast<Entry*>(memory));
  entry->size = static_cast<uint32_t>(bytes);
  entry->weight_units = static_cast<uint32_t>(weight / kUnit);
  entry->pool = number_;
  return entry;
}

char* FramePool::AllocateUnits(size_t units, bool may_map) {
  size_t& from = search_from_[std::min(units, kSearchLengths)];
  size_t start;
  size_t index = from;
  for (; index < regions_.size(); ++index) {
    Region* const region = regions_[index].get();
    if (region != nullptr && region->longest_free >= units && FindRun(region, units, &start)) break;
  }
  // Shorter frames of the last, shared class may still fit before `index`.
  if (units <= kSearchLengths) from = index;
  if (index == regions_.size() && !may_map) return nullptr;
  Region* region;
  if (index == regions_.size()) {
    region = AddRegion();
    NOKV_CHECK(FindRun(region, units, &start));
  } else {
    region = regions_[index].get();
  }
  if (IsEmpty(*region)) --empty_regions_;
  Mark(region, start, units, true);
  return region->memory + start * kUnit;
}

FramePool::Region* FramePool::AddRegion() {
  auto region = std::make_unique<Region>();
  region->memory = Map(region_bytes_, region_bytes_);
  // Only advice: without huge pages everything works, with more page faults.
  if (region_bytes_ == kHugeRegionBytes) madvise(region->memory, region_bytes_, MADV_HUGEPAGE);
  mapped_bytes_.fetch_add(region_bytes_, std::memory_order_relaxed);
  region->free_units = units_per_region();
  region->longest_free = units_per_region() - 1;
  // The first unit leads from a frame's address to its region.
  *reinterpret_cast<Region**>(region->memory) = region.get();
  Mark(region.get(), 0, 1, true);
  base::Poison(region->memory + kUnit, region_bytes_ - kUnit);
  ++empty_regions_;
  ++region_count_;

  const auto hole = std::find(regions_.begin(), regions_.end(), nullptr);
  region->index = static_cast<size_t>(hole - regions_.begin());
  for (size_t& from : search_from_)
    from = std::min(from, region->index);
  if (hole == regions_.end()) {
    regions_.push_back(std::move(region));
    return regions_.back().get();
  }
  *hole = std::move(region);
  return hole->get();
}

void FramePool::Free(Entry* entry) {
  const size_t weight = entry->weight();
  char* const memory = reinterpret_cast<char*>(entry);
  std::destroy_at(entry);
  used_bytes_.fetch_sub(weight, std::memory_order_relaxed);
  if (IsLarge(weight)) {
    mapped_bytes_.fetch_sub(weight, std::memory_order_relaxed);
    Unmap(memory, weight);
    return;
  }
#if NOKV_DCHECK_IS_ON
  // Who reads on after the end meets bytes that are no block.
  base::Unpoison(memory, weight);
  std::memset(memory, 0xdb, weight);
#endif
  base::Poison(memory, weight);

  std::unique_ptr<Region> unused;
  {
    base::MutexLock lock(&mu_);
    Region* const region = RegionOf(memory);
    const size_t start = static_cast<size_t>(memory - region->memory) / kUnit;
    const size_t units = weight / kUnit;
    Mark(region, start, units, false);
    const size_t run = FreeRunAround(*region, start, units);
    region->longest_free = std::max(region->longest_free, run);
    const auto end =
        search_from_.begin() + static_cast<ptrdiff_t>(std::min(run, kSearchLengths)) + 1;
    std::for_each(search_from_.begin(), end,
                  [&](size_t& from) { from = std::min(from, region->index); });
    if (IsEmpty(*region)) {
      ++empty_regions_;
      if (HasTooManyEmptyRegions()) unused = TakeEmptyRegion(region->index);
    }
  }
  if (unused != nullptr) Unmap(unused->memory, region_bytes_);
}

// A guard that stands still for a while makes the cache grow by what is evicted meanwhile; the
// regions for that are not mapped again each time.
bool FramePool::HasTooManyEmptyRegions() const {
  return empty_regions_ > 1 + region_count_ / 32 && mapped_bytes() > keep_bytes_;
}

void FramePool::Keep(size_t bytes) {
  std::vector<std::unique_ptr<Region>> unused;
  {
    base::MutexLock lock(&mu_);
    keep_bytes_ = bytes;
    for (size_t index = regions_.size(); index > 0 && HasTooManyEmptyRegions(); --index) {
      const Region* const region = regions_[index - 1].get();
      if (region != nullptr && IsEmpty(*region)) unused.push_back(TakeEmptyRegion(index - 1));
    }
  }
  for (const auto& region : unused) Unmap(region->memory, region_bytes_);
}

// The caller unmaps its memory, without the lock.
std::unique_ptr<FramePool::Region> FramePool::TakeEmptyRegion(size_t index) {
  --empty_regions_;
  --region_count_;
  mapped_bytes_.fetch_sub(region_bytes_, std::memory_order_relaxed);
  return std::move(regions_[index]);
}

FramePool::Region* FramePool::RegionOf(const void* memory) const {
  const uintptr_t head = reinterpret_cast<uintptr_t>(memory) & ~(region_bytes_ - 1);
  return *reinterpret_cast<Region**>(head);
}

// The first run of at least `units` free units. If there is none, the region's bounds become exact.
bool FramePool::FindRun(Region* region, size_t units, size_t* start) const {
  const size_t words = units_per_region() / 64;
  size_t run = 0;
  size_t longest = 0;
  size_t first_free = words;
  for (size_t word = region->first_word; word < words; ++word) {
    const uint64_t free = ~region->used[word];
    if (free != 0) first_free = std::min(first_free, word);
    for (unsigned bit = 0; bit < 64;) {
      const uint64_t rest = free >> bit;
      if ((rest & 1) == 0) {
        longest = std::max(longest, run);
        run = 0;
        bit += rest == 0 ? 64 - bit : static_cast<unsigned>(std::countr_zero(rest));
        continue;
      }
      const unsigned ones = std::min(64 - bit, static_cast<unsigned>(std::countr_one(rest)));
      run += ones;
      bit += ones;
      if (run >= units) {
        *start = word * 64 + bit - run;
        region->first_word = first_free;
        return true;
      }
    }
  }
  region->first_word = first_free;
  region->longest_free = std::max(longest, run);
  return false;
}

void FramePool::Mark(Region* region, size_t start, size_t units, bool used) {
  for (size_t unit = start; unit < start + units;) {
    const size_t in_word = unit % 64;
    const size_t count = std::min(64 - in_word, start + units - unit);
    const uint64_t ones = count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
    uint64_t& word = region->used[unit / 64];
    NOKV_CHECK((word & (ones << in_word)) == (used ? 0 : ones << in_word));  // else freed twice
    word ^= ones << in_word;
    unit += count;
  }
  if (used) {
    region->free_units -= units;
  } else {
    region->free_units += units;
    region->first_word = std::min(region->first_word, start / 64);
  }
}

bool FramePool::IsUsed(const Region& region, size_t unit) const {
  return ((region.used[unit / 64] >> (unit % 64)) & 1) != 0;
}

// How long the run of free units is of which [start, start + units) is a part.
size_t FramePool::FreeRunAround(const Region& region, size_t start, size_t units) const {
  size_t first = start;
  while (first > 0) {
    const size_t last_bit = (first - 1) % 64;
    const uint64_t free = ~region.used[(first - 1) / 64] << (63 - last_bit);
    const auto ones = std::min(last_bit + 1, static_cast<size_t>(std::countl_one(free)));
    first -= ones;
    if (ones < last_bit + 1) break;
  }
  size_t end = start + units;
  while (end < units_per_region()) {
    const size_t bit = end % 64;
    const uint64_t free = ~region.used[end / 64] >> bit;
    const auto ones = std::min(64 - bit, static_cast<size_t>(std::countr_one(free)));
    end += ones;
    if (ones < 64 - bit) break;
  }
  return end - first;
}

void FramePool::CheckInvariants() const {
  base::MutexLock lock(&mu_);
  size_t empty = 0;
  for (size_t index = 0; index < regions_.size(); ++index) {
    const Region* const region = regions_[index].get();
    if (region == nullptr) continue;
    NOKV_CHECK(region->index == index && RegionOf(region->memory + kUnit) == region);
    size_t free_units = 0;
    size_t run = 0;
    for (size_t unit = 0; unit < units_per_region(); ++unit) {
      run = IsUsed(*region, unit) ? 0 : run + 1;
      free_units += run > 0 ? 1 : 0;
      if (run == 0) continue;
      NOKV_CHECK(run <= region->longest_free);  // (2)
      NOKV_CHECK(unit / 64 >= region->first_word);
      NOKV_CHECK(search_from_[std::min(run, kSearchLengths)] <= index);  // (3)
    }
    NOKV_CHECK(free_units == region->free_units);  // (1)
    if (free_units == units_per_region() - 1) ++empty;
  }
  NOKV_CHECK(empty == empty_regions_ && empty <= region_count_);
}

FramePools::FramePools(size_t capacity_bytes) {
  // A pool wastes up to a region or two at its end, so small caches have one pool of small regions.
  constexpr size_t kBytesPerPool = size_t{64} << 20;
  const auto processors = static_cast<size_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  const size_t count =
      std::clamp<size_t>(capacity_bytes / kBytesPerPool, 1, std::min<size_t>(processors, 64));
  const size_t region_bytes = capacity_bytes < kBytesPerPool / 2 ? FramePool::kSmallRegionBytes
                                                                 : FramePool::kHugeRegionBytes;
  for (size_t i = 0; i < count; ++i) {
    pools_.push_back(std::make_unique<FramePool>(static_cast<uint16_t>(i), region_bytes));
  }
}

Entry* FramePools::Allocate(size_t bytes, size_t spread) {
  const size_t first = spread % pools_.size();
  for (size_t i = 0; i < pools_.size(); ++i) {
    Entry* const entry = pools_[(first + i) % pools_.size()]->TryAllocate(bytes, false);
    if (entry != nullptr) return entry;
  }
  return pools_[first]->Allocate(bytes);
}

void FramePools::Keep(size_t bytes) {
  for (const auto& pool : pools_) pool->Keep(bytes / pools_.size());
}

size_t FramePools::used_bytes() const {
  size_t bytes = 0;
  for (const auto& pool : pools_)
    bytes += pool->used_bytes();
  return bytes;
}

size_t FramePools::mapped_bytes() const {
  size_t bytes = 0;
  for (const auto& pool : pools_)
    bytes += pool->mapped_bytes();
  return bytes;
}

}  // namespace nokv::cache
