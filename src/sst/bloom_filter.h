#pragma once

// A Bloom filter whose probes for one key lie in one cache line: a question costs one cache miss.
//
//   filter block payload := line[line_count]   probes:u8
//   line                 := 64 bytes, a set of 512 bits; bit b is bit b % 64 of the fixed64 b / 64
//
// A key is its Hash64 h. Its line is the product of h's upper 32 bits and line_count, shifted right
// by
// 32. Its bits in the line are consecutive 9-bit fields: bits 1-9, 10-18, ... 55-63 of the 64-bit
// product h * kFirstFactor for probes 0-6, and of h * kSecondFactor for probes 7-13. The layout is
// permanent.
//
// One multiplication gives seven probes without a chain of dependencies, so the portable code needs
// no vector instructions: see the figures in README.md.
//
// Source: F. Putze, P. Sanders, J. Singler, "Cache-, Hash- and Space-Efficient Bloom Filters"
// (2007), for blocking. Choosing fewer probes than a plain filter would is due to the uneven load
// of the lines.
//
// BloomFilterBuilder: confined to one thread. BloomFilter: thread-safe, immutable.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "nokv/slice.h"

#include "base/page_allocator.h"

namespace nokv::sst {

inline constexpr size_t kFilterLineBytes = 64;
inline constexpr size_t kFilterLineBits = kFilterLineBytes * 8;
inline constexpr int kFilterProbesMax = 14;

// The number of probes that gives the fewest false positives for lines filled with this many bits
// per key.
int FilterProbes(int bits_per_key);

class BloomFilterBuilder {
 public:
  explicit BloomFilterBuilder(int bits_per_key) : bits_per_key_(bits_per_key) {}

  // Equal hashes in a row count once.
  void Add(uint64_t hash) {
    if (!hashes_.empty() && hashes_.back() == hash) return;
    hashes_.push_back(hash);
  }
  size_t EstimatedBytes() const {
    return hashes_.size() * static_cast<size_t>(bits_per_key_) / 8 + kFilterLineBytes + 1;
  }
  // Appends the payload.
  void Finish(std::string* out) const;

 private:
  const int bits_per_key_;
  std::vector<uint64_t> hashes_;
};

class BloomFilter {
 public:
  // Contains everything until Load.
  BloomFilter() = default;

  // Room for a payload of `payload_bytes` and its trailer, aligned to lines; the caller fills it,
  // then calls Adopt. Returns nullptr if no payload has that size.
  char* Allocate(size_t payload_bytes, size_t trailer_bytes);
  // Reads the payload in place. Returns nullptr, or what is wrong.
  const char* Adopt(size_t payload_bytes);

  bool MayContain(uint64_t hash) const {
    if (line_count_ == 0) return true;
    return Probe(LineOf(hash), hash, probes_);
  }
  void Prefetch(uint64_t hash) const {
    if (line_count_ != 0) __builtin_prefetch(LineOf(hash));
  }

  bool empty() const { return line_count_ == 0; }
  size_t memory_bytes() const { return lines_.capacity() * sizeof(Line); }

  static uint64_t LineIndex(uint64_t hash, uint64_t line_count) {
    return ((hash >> 32) * line_count) >> 32;
  }
  // Calls f(bit) for each of the key's bits.
  template <typename F>
  static void ForEachBit(uint64_t hash, int probes, F f) {
    uint64_t fields = hash * kFirstFactor;
    for (int i = 0; i < probes; ++i) {
      if (i == 7) fields = hash * kSecondFactor;
      f((fields >> (1 + 9 * (i % 7))) & (kFilterLineBits - 1));
    }
  }

 private:
  struct alignas(kFilterLineBytes) Line {
    uint64_t words[kFilterLineBytes / 8];
  };

  // Odd numbers without pattern: the fractions of the golden ratio and of the square root of two.
  static constexpr uint64_t kFirstFactor = 0x9e3779b97f4a7c15ULL;
  static constexpr uint64_t kSecondFactor = 0x6a09e667f3bcc909ULL;

  const Line* LineOf(uint64_t hash) const { return &lines_[LineIndex(hash, line_count_)]; }

  // All probes without a branch in between: most keys that are asked for fail late or not at all,
  // and a mispredicted branch costs more than the probes it saves.
  static bool Probe(const Line* line, uint64_t hash, int probes) {
    uint64_t fields = hash * kFirstFactor;
    uint64_t all = 1;
    for (int left = probes < 7 ? probes : 7; left > 0; --left) {
      fields = ProbeOne(line, fields, &all);
    }
    if (probes > 7) {
      fields = hash * kSecondFactor;
      for (int left = probes - 7; left > 0; --left)
        fields = ProbeOne(line, fields, &all);
    }
    return (all & 1) != 0;
  }
  static uint64_t ProbeOne(const Line* line, uint64_t fields, uint64_t* all) {
    *all &= line->words[(fields >> 7) & 7] >> ((fields >> 1) & 63);
    return fields >> 9;
  }

  base::PageVector<Line> lines_;  // the last one holds what follows the lines
  uint64_t line_count_ = 0;
  int probes_ = 0;
};

}  // namespace nokv::sst
