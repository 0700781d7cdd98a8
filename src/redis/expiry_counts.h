#pragma once

// ExpiryCounts: how many keys expire at each millisecond, in a few bytes per key.
//
// It knows no keys, only moments: enough to say how many of all counted keys are still there at a given
// time. Moments are grouped in spans of 2^16 ms (65 s); a span holds two bytes per key, and when it has
// many keys one counter per millisecond instead.
//
// Invariants:
// (1) total() is the number of moments added, not removed, and later than advanced_to().
// (2) Moments at or before advanced_to() are neither added nor removed: they have happened.
//
// Confined to one thread.

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace nokv::redis {

class ExpiryCounts {
 public:
  void Add(uint64_t at_ms);
  // REQUIRES: `at_ms` was added and not removed since, or is at or before advanced_to().
  void Remove(uint64_t at_ms);
  // Time passes: forgets what happens until `now_ms`. Returns how many moments that were.
  uint64_t AdvanceTo(uint64_t now_ms);

  uint64_t total() const { return total_; }
  uint64_t advanced_to() const { return advanced_to_; }
  void Clear();

 private:
  static constexpr unsigned kSpanBits = 16;
  static constexpr size_t kSpanMillis = size_t{1} << kSpanBits;
  // Beyond this many keys a span's list is larger, and slower to remove from, than its counters.
  static constexpr size_t kListMax = 8192;

  struct Span {
    std::vector<uint16_t> list;      // the offsets, in no order; empty once counters are used
    std::vector<uint32_t> counters;  // per offset
    uint64_t count = 0;
  };

  uint64_t DropUntil(Span* span, size_t offset);

  std::map<uint64_t, Span> spans_;
  uint64_t total_ = 0;
  uint64_t advanced_to_ = 0;
};

}  // namespace nokv::redis
