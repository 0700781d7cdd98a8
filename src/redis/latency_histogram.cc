#include "redis/latency_histogram.h"

#include <cmath>

namespace nokv::redis {

uint64_t LatencyHistogram::UpperBound(size_t bucket) {
  if (bucket < kSub) return bucket;
  const uint64_t exponent = bucket / kSub - 1 + kSubBits;
  const uint64_t sub = bucket % kSub;
  const uint64_t width = uint64_t{1} << (exponent - kSubBits);
  return (kSub + sub + 1) * width - 1;
}

uint64_t LatencyHistogram::Percentile(double percent) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(static_cast<double>(count_) * percent / 100.0);
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen > 0 && static_cast<double>(seen) >= wanted) return UpperBound(i);
  }
  return UpperBound(kBuckets - 1);
}

uint64_t LatencyHistogram::CountUpTo(uint64_t micros) const {
  uint64_t seen = 0;
  for (size_t i = 0; i <= BucketOf(micros); ++i) seen += buckets_[i];
  return seen;
}

}  // namespace nokv::redis
