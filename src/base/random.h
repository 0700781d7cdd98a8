#pragma once

// Random: a small, fast, seedable generator (xoshiro256**, Blackman and Vigna 2018), seeded through
// SplitMix64. Not for secrets. Confined to one thread; give each thread its own.

#include <cstdint>

#include "base/hash.h"

namespace nokv::base {

class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) word = Mix64(seed += 0x9e3779b97f4a7c15ULL);
  }

  uint64_t Next() {
    const uint64_t result = Rotate(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = Rotate(state_[3], 45);
    return result;
  }
  // Uniform in [0, bound). REQUIRES: bound > 0. Lemire's multiply-shift; the bias is below 2^-32 for
  // bounds below 2^32.
  uint64_t Uniform(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<Wide>(Next()) * bound) >> 64);
  }
  // True once in n times. REQUIRES: n > 0.
  bool OneIn(uint64_t n) { return Uniform(n) == 0; }
  // Uniform in [0, 1).
  double NextDouble() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

 private:
  __extension__ using Wide = unsigned __int128;
  static uint64_t Rotate(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
  uint64_t state_[4];
};

}  // namespace nokv::base
