#pragma once

// For tests of the cache: blocks that say which key they belong to, and skewed random keys.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/hash.h"
#include "base/random.h"
#include "cache/block_cache.h"

namespace nokv::cache {

// The size of a block is a function of its key, so that its bytes are, too: at least 24.
inline size_t TestBlockSize(const BlockKey& key, size_t size_max) {
  return 24 + base::PlaceSeed(key.file, key.offset) % (size_max - 23);
}

// Key, then a pattern derived from it up to the last byte.
inline void FillTestBlock(const BlockKey& key, char* data, size_t size) {
  std::memcpy(data, &key, sizeof(key));
  std::memset(data + sizeof(key), static_cast<int>(base::Mix64(key.file ^ key.offset) & 0xff),
              size - sizeof(key));
}

inline bool IsTestBlock(const BlockKey& key, Slice block, size_t size_max) {
  if (block.size() != TestBlockSize(key, size_max)) return false;
  if (std::memcmp(block.data(), &key, sizeof(key)) != 0) return false;
  const auto pattern = static_cast<char>(base::Mix64(key.file ^ key.offset) & 0xff);
  return block[sizeof(key)] == pattern && block[block.size() / 2 + 8] == pattern &&
         block.back() == pattern;
}

inline BlockCache::Handle InsertTestBlock(BlockCache* cache,
                                          const BlockKey& key,
                                          size_t size_max,
                                          BlockCache::Priority priority) {
  BlockCache::Buffer buffer = cache->Allocate(TestBlockSize(key, size_max));
  FillTestBlock(key, buffer.data(), buffer.size());
  return cache->Insert(key, std::move(buffer), priority);
}

// Ranks with the zipfian distribution, 0 the most frequent. Source: J. Gray et al., "Quickly
// Generating Billion-Record Synthetic Databases", SIGMOD 1994.
class Zipf {
 public:
  Zipf(uint64_t count, double theta) : count_(count), theta_(theta), alpha_(1 / (1 - theta)) {
    for (uint64_t i = 1; i <= count; ++i)
      zeta_ += 1 / std::pow(static_cast<double>(i), theta);
    const double zeta_of_two = 1 + std::pow(0.5, theta);
    eta_ = (1 - std::pow(2 / static_cast<double>(count), 1 - theta)) / (1 - zeta_of_two / zeta_);
  }
  uint64_t Next(base::Random* random) const {
    const double u = random->NextDouble();
    if (u * zeta_ < 1) return 0;
    if (u * zeta_ < 1 + std::pow(0.5, theta_)) return 1;
    const double rank = static_cast<double>(count_) * std::pow(eta_ * u - eta_ + 1, alpha_);
    return std::min(count_ - 1, static_cast<uint64_t>(rank));
  }

 private:
  const uint64_t count_;
  const double theta_;
  const double alpha_;
  double zeta_ = 0;
  double eta_ = 0;
};

}  // namespace nokv::cache
