#include "cache/frequency_sketch.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/random.h"

namespace nokv::cache {
namespace {

TEST(FrequencySketch, NeverEstimatesBelowTheTruth) {
  constexpr uint64_t kSeed = 7;
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  base::Random random(kSeed);
  FrequencySketch sketch(256);
  std::map<uint64_t, uint32_t> truth;
  for (int i = 0; i < 5000; ++i) {
    const uint64_t hash = base::Mix64(random.Uniform(1 + random.Uniform(2000)));
    const auto count = static_cast<uint32_t>(1 + random.Uniform(3));
    sketch.Add(hash, count);
    uint32_t& true_count = truth[hash];
    true_count = std::min(FrequencySketch::kCountMax, true_count + count);
  }
  for (const auto& [hash, count] : truth)
    EXPECT_GE(sketch.Estimate(hash), count);
}

TEST(FrequencySketch, TellsMostUnseenKeysFromSeenOnes) {
  FrequencySketch sketch(4096);
  for (uint64_t i = 0; i < 4096; ++i)
    sketch.Add(base::Mix64(i), 2);
  int wrong = 0;
  for (uint64_t i = 1 << 20; i < (1 << 20) + 4096; ++i) {
    if (sketch.Estimate(base::Mix64(i)) > 0) ++wrong;
  }
  EXPECT_LT(wrong, 4096 / 10);
}

TEST(FrequencySketch, CountsUpToFifteen) {
  FrequencySketch sketch(64);
  const uint64_t hash = base::Mix64(42);
  EXPECT_EQ(sketch.Estimate(hash), 0U);
  for (uint32_t i = 1; i <= 40; ++i) {
    sketch.Add(hash, 1);
    EXPECT_EQ(sketch.Estimate(hash), std::min(i, FrequencySketch::kCountMax));
  }
  sketch.Add(hash, 1000);
  EXPECT_EQ(sketch.Estimate(hash), FrequencySketch::kCountMax);
}

TEST(FrequencySketch, HalvesItsCountersAfterManyAdditions) {
  FrequencySketch sketch(1024);
  const uint64_t often = base::Mix64(1);
  const uint64_t once = base::Mix64(2);
  sketch.Add(often, 12);
  sketch.Add(once, 1);
  ASSERT_EQ(sketch.Estimate(often), 12U);
  ASSERT_EQ(sketch.Estimate(once), 1U);
  constexpr size_t kEntries = 100;
  EXPECT_FALSE(sketch.MaybeAge(kEntries));
  uint64_t filler = 100;
  while (!sketch.MaybeAge(kEntries)) {
    sketch.Add(base::Mix64(filler++), 1);
    ASSERT_LT(filler, 10'000U);
  }
  EXPECT_EQ(sketch.Estimate(often), 6U);
  EXPECT_LE(sketch.Estimate(once), 1U);
  EXPECT_FALSE(sketch.MaybeAge(kEntries));
}

}  // namespace
}  // namespace nokv::cache
