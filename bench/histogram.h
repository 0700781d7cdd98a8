#pragma once

// Histogram: counts of latencies in ticks of the clock below, 64 buckets to the octave (an error below 1.6 %).
// Confined to one thread; Merge adds another's.

#include <array>
#include <bit>
#include <chrono>
#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace nokv::bench {

// The processor's time stamp where there is one: a third of the cost of asking the system.
inline uint64_t Ticks() {
#if defined(__x86_64__)
  return __rdtsc();
#else
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

class Histogram {
 public:
  void Add(uint64_t ticks) {
    ++counts_[Bucket(ticks)];
    ++count_;
    sum_ += ticks;
    if (ticks > max_) max_ = ticks;
  }
  void Merge(const Histogram& other) {
    for (size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    if (other.max_ > max_) max_ = other.max_;
  }

  uint64_t count() const { return count_; }
  uint64_t max() const { return max_; }
  double Mean() const {
    return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
  }
  // The smallest latency that `share` of all do not exceed.
  double Quantile(double share) const {
    const double wanted = share * static_cast<double>(count_);
    uint64_t seen = 0;
    for (size_t i = 0; i < kBuckets; ++i) {
      seen += counts_[i];
      if (counts_[i] != 0 && static_cast<double>(seen) >= wanted) {
        return static_cast<double>(UpperEnd(i) < max_ ? UpperEnd(i) : max_);
      }
    }
    return static_cast<double>(max_);
  }

 private:
  static constexpr uint32_t kSubBits = 6;
  static constexpr size_t kBuckets = (64 - kSubBits + 1) << kSubBits;

  // Below 2^6 the ticks themselves; from there the position of the highest bit and the six after it.
  static size_t Bucket(uint64_t ticks) {
    if (ticks < (1U << kSubBits)) return ticks;
    const auto shift = static_cast<uint32_t>(std::bit_width(ticks)) - kSubBits - 1;
    return (static_cast<size_t>(shift) << kSubBits) + (ticks >> shift);
  }
  static uint64_t UpperEnd(size_t bucket) {
    if (bucket < (1U << kSubBits)) return bucket;
    const size_t shift = (bucket >> kSubBits) - 1;
    const uint64_t top = (bucket & ((1U << kSubBits) - 1)) | (1U << kSubBits);
    return ((top + 1) << shift) - 1;
  }

  std::array<uint64_t, kBuckets> counts_{};
  uint64_t count_ = 0, sum_ = 0, max_ = 0;
};

}  // namespace nokv::bench
