#pragma once

// LatencyHistogram: how long something took, in microseconds, in buckets of at most 12.5 % width.
//
// Log-linear: eight buckets per power of two, exact below eight. Recording is an increment; a percentile
// is the upper bound of the bucket that holds it. Confined to one thread.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace nokv::redis {

class LatencyHistogram {
 public:
  void Record(uint64_t micros) {
    ++buckets_[BucketOf(micros)];
    ++count_;
    sum_ += micros;
  }
  uint64_t count() const { return count_; }
  uint64_t sum() const { return sum_; }
  // The smallest bucket bound that `percent` of all records do not exceed; 0 without records.
  uint64_t Percentile(double percent) const;
  // How many records are below or in the bucket of `micros`.
  uint64_t CountUpTo(uint64_t micros) const;
  void Reset() { *this = LatencyHistogram(); }

 private:
  static constexpr unsigned kSubBits = 3;
  static constexpr uint64_t kSub = 1 << kSubBits;
  // Up to 2^32 microseconds; longer ones count in the last bucket.
  static constexpr size_t kBuckets = (32 - kSubBits + 1) * kSub;

  static size_t BucketOf(uint64_t micros) {
    if (micros < kSub) return static_cast<size_t>(micros);
    const auto exponent = static_cast<unsigned>(std::bit_width(micros)) - 1;
    if (exponent >= 32) return kBuckets - 1;
    const uint64_t sub = (micros >> (exponent - kSubBits)) & (kSub - 1);
    return static_cast<size_t>((exponent - kSubBits + 1) * kSub + sub);
  }
  static uint64_t UpperBound(size_t bucket);

  std::array<uint32_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t sum_ = 0;
};

}  // namespace nokv::redis
