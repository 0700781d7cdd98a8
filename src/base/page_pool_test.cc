#include "base/page_pool.h"

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"

namespace nokv::base {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

PageRegion Take(PagePool* pool, size_t bytes) {
  Result<PageRegion> region = pool->Acquire(bytes);
  EXPECT_TRUE(region.ok()) << region.status().ToString();
  return std::move(region).value();
}

TEST(PagePool, SizeClassesWasteAtMostAnEighth) {
  for (size_t bytes = 64 << 10; bytes < size_t{40} << 30; bytes += bytes / 7 + 1) {
    const size_t size = PagePool::SizeClass(bytes);
    EXPECT_GE(size, bytes);
    EXPECT_LE(size, bytes + std::max(bytes / 8 + 1, 2 * kMiB));
    EXPECT_EQ(PagePool::SizeClass(size), size);
  }
  EXPECT_EQ(PagePool::SizeClass(128 * kMiB), 128 * kMiB);
  EXPECT_EQ(PagePool::SizeClass(1), size_t{64} << 10);
}

TEST(PagePool, RecyclesRegionsOfTheSameSizeClassOnly) {
  PagePool pool({.idle_bytes_max = 64 * kMiB});
  PageRegion region = Take(&pool, 8 * kMiB - 5);
  char* const data = region.data();
  EXPECT_TRUE(region.zeroed());
  EXPECT_EQ(region.data()[region.size() - 1], 0);
  std::memset(region.data(), 'x', region.size());
  EXPECT_EQ(pool.stats().in_use_bytes, 8 * kMiB);
  region = PageRegion();
  EXPECT_EQ(pool.stats().in_use_bytes, 0U);
  EXPECT_EQ(pool.stats().idle_bytes, 8 * kMiB);

  const PageRegion other = Take(&pool, 4 * kMiB);
  EXPECT_NE(other.data(), data);
  const PageRegion again = Take(&pool, 8 * kMiB);
  EXPECT_EQ(again.data(), data);
  EXPECT_FALSE(again.zeroed());
  EXPECT_EQ(again.data()[kMiB], 'x');
  EXPECT_EQ(pool.stats().mapped_count, 2U);
  EXPECT_EQ(pool.stats().recycled_count, 1U);
  EXPECT_EQ(pool.stats().idle_bytes, 0U);
}

TEST(PagePool, KeepsTheNewestIdleRegionsUpToTheLimit) {
  PagePool pool({.idle_bytes_max = 6 * kMiB});
  {
    const PageRegion a = Take(&pool, 2 * kMiB);
    PageRegion b = Take(&pool, 4 * kMiB);
    PageRegion c = Take(&pool, 2 * kMiB);
    const PageRegion too_big = Take(&pool, 8 * kMiB);
    b = PageRegion();
    EXPECT_EQ(pool.stats().idle_bytes, 4 * kMiB);
    c = PageRegion();
    EXPECT_EQ(pool.stats().idle_bytes, 6 * kMiB);
  }
  // `too_big` never fits; `a` pushed `b` out.
  EXPECT_EQ(pool.stats().idle_bytes, 4 * kMiB);
  EXPECT_EQ(pool.stats().in_use_bytes, 0U);
  const PageRegion again = Take(&pool, 2 * kMiB);
  EXPECT_EQ(pool.stats().recycled_count, 1U);
  pool.Trim(0);
  EXPECT_EQ(pool.stats().idle_bytes, 0U);
}

TEST(PagePool, AnImpossibleRegionIsAnErrorThatNamesItsSize) {
  PagePool pool;
  const Result<PageRegion> region = pool.Acquire(size_t{1} << 60);
  ASSERT_FALSE(region.ok());
  EXPECT_EQ(region.status().code(), StatusCode::kIOError);
  EXPECT_NE(region.status().message().find("1152921504606846976 bytes"), Slice::npos);
}

TEST(PageRegion, PopulateChangesNothing) {
  Result<PageRegion> mapped = PageRegion::Map(5 * kMiB);
  ASSERT_TRUE(mapped.ok());
  const PageRegion region = std::move(mapped).value();
  std::memset(region.data() + 4000, 'y', 5000);
  region.Populate(0, region.size());
  region.Populate(region.size(), 0);
  EXPECT_EQ(region.data()[3999], 0);
  EXPECT_EQ(region.data()[4000], 'y');
  EXPECT_EQ(region.data()[8999], 'y');
  EXPECT_EQ(region.data()[9000], 0);
}

TEST(PagePool, ManyThreadsNeverShareARegion) {
  constexpr uint64_t kSeed = 7;
  SCOPED_TRACE(kSeed);
  PagePool pool({.idle_bytes_max = kMiB});
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&pool, t] {
      Random random(kSeed + t);
      for (int round = 0; round < 200; ++round) {
        const PageRegion region = Take(&pool, 1 + random.Uniform(size_t{256} << 10));
        const char mark = static_cast<char>('a' + t);
        std::memset(region.data(), mark, region.size());
        for (size_t at = 0; at < region.size(); at += 997)
          ASSERT_EQ(region.data()[at], mark);
      }
    });
  }
  for (auto& thread : threads)
    thread.join();
  const PagePool::Stats stats = pool.stats();
  EXPECT_EQ(stats.in_use_bytes, 0U);
  EXPECT_LE(stats.idle_bytes, kMiB);
  EXPECT_EQ(stats.mapped_count + stats.recycled_count, 800U);
}

}  // namespace
}  // namespace nokv::base
