#pragma once

// FrequencySketch: how often keys were seen lately, in about eight bytes per key.
//
// A count-min sketch of 4-bit counters: a key has four, and its frequency is the least of them, so
// it is never below the truth (up to 15) and above it only by collisions. When the additions reach
// ten times the number of cached entries every counter is halved, so that what was popular once
// does not stay in the cache for ever.
//
// Layout: lines of 64 bytes with 128 counters. A key's four counters lie in one line, one per
// quarter, so that an operation costs one cache miss.
//
// Source: G. Einziger, R. Friedman, B. Manes, "TinyLFU: A Highly Efficient Cache Admission Policy",
// ACM Transactions on Storage 13(4), 2017, sections 3.1 to 3.4. Its doorkeeper (a Bloom filter that
// keeps keys seen once out of the sketch) is left out: it saves memory, of which the sketch takes
// 0.2 % of the cache, and costs a second line per operation.
//
// Externally synchronised (the shard's mutex).

#include <cstddef>
#include <cstdint>
#include <memory>

namespace nokv::cache {

class FrequencySketch {
 public:
  static constexpr uint32_t kCountMax = 15;

  // Sized for about `key_count` keys.
  explicit FrequencySketch(size_t key_count);

  // Adds `count` sightings of the key with this hash.
  void Add(uint64_t hash, uint32_t count);
  uint32_t Estimate(uint64_t hash) const;

  // Halves all counters if the additions since the last time are ten times `cached_entries`.
  // True if it did.
  bool MaybeAge(size_t cached_entries);

  size_t memory_bytes() const { return (lines_mask_ + 1) * sizeof(Line); }

 private:
  static constexpr size_t kWordsPerLine = 8;
  static constexpr size_t kKeysPerLine = 8;
  static constexpr uint64_t kAgingFactor = 5;
  // Fewer entries than this would age the counters before they say anything.
  static constexpr size_t kAgingEntriesMin = 64;

  // One counter: a word of a line and the position of the counter's lowest bit in it.
  struct Place {
    size_t word;
    unsigned shift;
  };
  struct alignas(64) Line {
    uint64_t words[kWordsPerLine];
    uint64_t Get(Place place) const { return (words[place.word] >> place.shift) & kCountMax; }
  };
  static Place PlaceOf(uint64_t mixed, unsigned quarter);

  std::unique_ptr<Line[]> lines_;
  size_t lines_mask_;
  uint64_t additions_ = 0;
};

}  // namespace nokv::cache
