#pragma once

// Arena: hands out blocks of one contiguous region, from front to back, to many threads at once.
//
// A block is named by a 32-bit Ref, counted in units of 8 bytes, so that structures in the arena
// link to each other with half a pointer; 32 GiB can be addressed. Blocks are never freed one by
// one.
//
// Memory is promised before it is taken: TryReserve promises an upper bound under the caller's
// lock, and each Claim takes a block and gives back what its share of the promise did not need. So
// a claim cannot fail in the middle of something that must be completed.
//
// Invariants (in units, at every moment):
//  1. claimed + promised-but-not-claimed <= reserved <= capacity.
//  2. Ref 0 is no block.
//
// Thread safety: Claim and the accessors are thread-safe and lock-free. TryReserve is externally
// synchronised with itself. A Claim is one fetch_add on a word that holds both counters. Handing
// each thread a chunk of its own would spare that word, but then the unused tail of a chunk breaks
// (1), unless the promise includes it; one fetch_add is a small part of what is done with a block.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "base/poison.h"
#include "base/round.h"

namespace nokv::base {

class Arena {
 public:
  using Ref = uint32_t;
  static constexpr Ref kNull = 0;
  static constexpr size_t kUnitBytes = 8;
  static constexpr size_t kCapacityBytesMax = size_t{UINT32_MAX} * kUnitBytes;

  // What a block of `bytes` takes at most from the capacity.
  static constexpr size_t BlockBytes(size_t bytes) {
    return RoundUp(bytes + kRedZoneBytes, kUnitBytes);
  }

  // Hands out the `bytes` bytes at `base`, but for the first unit (2). The owner of the region
  // keeps it until the arena and everybody who follows its refs are gone. Under AddressSanitizer
  // the bytes are poisoned until they are claimed. REQUIRES: base is aligned to kUnitBytes;
  // kUnitBytes <= bytes <= kCapacityBytesMax.
  Arena(char* base, size_t bytes);
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Promises `bytes`, a sum of BlockBytes; false if they do not fit any more.
  bool TryReserve(size_t bytes);

  // A block of `bytes`, not zeroed, and BlockBytes(reserved) - BlockBytes(bytes) of the promise
  // given back. REQUIRES: a promise of BlockBytes(reserved) stands; bytes <= reserved.
  Ref Claim(size_t bytes, size_t reserved);

  template <typename T>
  T* At(Ref ref) const {
    return Resolve<T>(base_, ref);
  }
  // For those who keep their own copy of the base next to what they read most.
  template <typename T>
  static T* Resolve(char* base, Ref ref) {
    return reinterpret_cast<T*>(base + size_t{ref} * kUnitBytes);
  }

  char* base() const { return base_; }
  size_t capacity_bytes() const { return size_t{capacity_units_} * kUnitBytes; }
  // Taken by blocks.
  size_t claimed_bytes() const { return size_t{ClaimedUnits(Load())} * kUnitBytes; }
  // Taken or promised.
  size_t reserved_bytes() const { return size_t{ReservedUnits(Load())} * kUnitBytes; }

 private:
  static uint32_t ClaimedUnits(uint64_t fill) { return static_cast<uint32_t>(fill); }
  static uint32_t ReservedUnits(uint64_t fill) { return static_cast<uint32_t>(fill >> 32); }
  // relaxed, like every access to fill_: it hands out numbers and publishes nothing. Who follows a
  // ref found it in a word that was stored with release.
  uint64_t Load() const { return fill_.load(std::memory_order_relaxed); }

  char* const base_;
  const uint32_t capacity_units_;
  std::atomic<uint64_t> fill_;  // reserved units << 32 | claimed units
};

inline Arena::Ref Arena::Claim(size_t bytes, size_t reserved) {
  const size_t block = BlockBytes(bytes) / kUnitBytes;
  const size_t surplus = BlockBytes(reserved) / kUnitBytes - block;
  const uint64_t before = fill_.fetch_add(block - (surplus << 32), std::memory_order_relaxed);
  const uint32_t ref = ClaimedUnits(before);
  NOKV_CHECK(bytes <= reserved && size_t{ref} + block <= ReservedUnits(before));  // (1)
  Unpoison(base_ + size_t{ref} * kUnitBytes, bytes);
  return ref;
}

}  // namespace nokv::base
