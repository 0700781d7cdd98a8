#pragma once

// KeyHeads: a map from keys to 32-bit numbers that keeps the order of keys and, for keys like those
// it was learned from, tells most of them apart.
//
// A head decides a comparison without touching the key; so it should hold as much of what differs
// between keys as 32 bits can. The first bytes are a poor choice: the keys of one table share a
// family byte and often a long prefix ("user", "order:2026-"), and a decimal digit spends 8 bits
// on 3.3. KeyHeads learns from a sample which bytes the keys share, and reads what follows as a
// number of mixed radix: each position counts only the byte values it has been seen to take
// (digits: all ten).
//
// A key that does not fit what was learned gets a head all the same, clamped in the direction in
// which it leaves: before the prefix, after it, below or above a position's byte values. Therefore,
// for all keys:
//
//  1. a < b implies Of(a) <= Of(b): unequal heads decide, equal heads say nothing.
//  2. Of never returns kUnknown, which marks a place that has no head.
//
// Thread-safe: immutable.

#include <cstddef>
#include <cstdint>
#include <span>

#include "nokv/slice.h"

namespace nokv::memtable {

class KeyHeads {
 public:
  static constexpr uint32_t kUnknown = 0;

  // All keys alike.
  KeyHeads() = default;
  // Learns from keys in ascending order, without duplicates. The bytes of the first key must
  // outlive this object.
  static KeyHeads Learn(std::span<const Slice> sorted_sample);

  uint32_t Of(Slice key) const;

  // Keys within what was learned have heads below this.
  uint32_t bound() const { return bound_; }

 private:
  // The byte values that one position of a key is expected to take.
  struct Position {
    uint8_t low = 0;
    uint8_t high = 0;
    uint32_t radix() const { return uint32_t{high} - low + 1; }
  };
  // Numbers stay below 2^31 after the shift, which leaves room for what keeps kUnknown out.
  static constexpr uint32_t kHeadBits = 31;
  static constexpr uint64_t kNumbersMax = uint64_t{1} << kHeadBits;
  // Enough for heads made of positions with two values.
  static constexpr size_t kPositionsMax = kHeadBits;

  // What `sample` has at position `at`; false if all its keys have ended there.
  static bool Observe(std::span<const Slice> sample, size_t at, Position* position, bool* varies);

  Slice prefix_;
  size_t position_count_ = 0;
  uint32_t bound_ = 2;
  uint32_t shift_ = 0;  // how many low bits of the number do not fit the head
  Position positions_[kPositionsMax] = {};
};

}  // namespace nokv::memtable
