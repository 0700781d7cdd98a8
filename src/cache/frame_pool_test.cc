#include "cache/frame_pool.h"

#include <cstdio>
#include <cstring>
#include <map>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"

namespace nokv::cache {
namespace {

TEST(FramePool, GivesAlignedFramesOfTheStatedWeight) {
  FramePool pool(3, FramePool::kSmallRegionBytes);
  for (const size_t bytes : {1U, 64U, 192U, 193U, 4096U, 16384U, 65'000U, 300'000U}) {
    Entry* const entry = pool.Allocate(bytes);
    EXPECT_EQ(entry->size, bytes);
    EXPECT_EQ(entry->pool, 3);
    EXPECT_EQ(entry->weight(), pool.WeightOf(bytes));
    EXPECT_GE(entry->weight(), bytes + sizeof(Entry));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(entry->data()) % 64, 0U);
    EXPECT_EQ(pool.used_bytes(), entry->weight());
    std::memset(entry->data(), 0x5a, bytes);
    pool.Free(entry);
  }
  EXPECT_EQ(pool.used_bytes(), 0U);
}

TEST(FramePool, ReusesFreedMemoryForOtherSizes) {
  FramePool pool(0, FramePool::kSmallRegionBytes);
  std::vector<Entry*> entries;
  while (pool.mapped_bytes() <= 4 * FramePool::kSmallRegionBytes) {
    entries.push_back(pool.Allocate(1000));
  }
  const size_t mapped = pool.mapped_bytes();
  // Every second run of eight small frames makes room for one that is as long as seven.
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i / 8 % 2 == 0) pool.Free(entries[i]);
  }
  pool.CheckInvariants();
  std::vector<Entry*> larger;
  for (size_t i = 0; i + 16 < entries.size(); i += 16)
    larger.push_back(pool.Allocate(7 * 1000));
  EXPECT_EQ(pool.mapped_bytes(), mapped);
  pool.CheckInvariants();
  for (Entry* entry : larger)
    pool.Free(entry);
  for (size_t i = 0; i < entries.size(); ++i) {
    if (i / 8 % 2 != 0) pool.Free(entries[i]);
  }
  pool.CheckInvariants();
}

TEST(FramePool, GivesEmptyRegionsBackExceptOne) {
  FramePool pool(0, FramePool::kSmallRegionBytes);
  std::vector<Entry*> entries;
  for (int i = 0; i < 200; ++i)
    entries.push_back(pool.Allocate(8000));
  EXPECT_GT(pool.mapped_bytes(), 4 * FramePool::kSmallRegionBytes);
  for (Entry* entry : entries)
    pool.Free(entry);
  EXPECT_EQ(pool.mapped_bytes(), FramePool::kSmallRegionBytes);
  // The holes are filled again.
  entries.clear();
  for (int i = 0; i < 200; ++i)
    entries.push_back(pool.Allocate(8000));
  pool.CheckInvariants();
  for (Entry* entry : entries)
    pool.Free(entry);
}

TEST(FramePool, AFrameOfAWholeRegionOrMoreHasItsOwnMapping) {
  FramePool pool(0, FramePool::kHugeRegionBytes);
  Entry* const entry = pool.Allocate(size_t{3} << 20);
  EXPECT_EQ(pool.mapped_bytes(), entry->weight());
  std::memset(entry->data(), 1, entry->size);
  pool.Free(entry);
  EXPECT_EQ(pool.mapped_bytes(), 0U);
}

// Frames filled with their own number: nobody else's frame overlaps.
void AllocateAndFreeAtRandom(size_t region_bytes, uint64_t seed) {
  SCOPED_TRACE(seed);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  base::Random random(seed);
  FramePool pool(0, region_bytes);
  std::vector<std::pair<Entry*, char>> living;
  size_t weight = 0;
  for (int step = 0; step < 20'000; ++step) {
    const bool grow = living.size() < 10 || (living.size() < 600 && random.OneIn(2));
    if (grow) {
      const size_t bytes = 1 + random.Uniform(random.OneIn(10) ? 70'000 : 9'000);
      Entry* const entry = pool.Allocate(bytes);
      const char mark = static_cast<char>(random.Uniform(256));
      std::memset(entry->data(), mark, bytes);
      living.emplace_back(entry, mark);
      weight += entry->weight();
    } else {
      const size_t i = random.Uniform(living.size());
      Entry* const entry = living[i].first;
      for (size_t k = 0; k < entry->size; k += 97)
        ASSERT_EQ(entry->data()[k], living[i].second);
      weight -= entry->weight();
      pool.Free(entry);
      living[i] = living.back();
      living.pop_back();
    }
    ASSERT_EQ(pool.used_bytes(), weight);
    if (step % 1000 == 0) pool.CheckInvariants();
  }
  // Fragmentation stays bounded: blocks of very different sizes waste under half.
  EXPECT_LT(pool.mapped_bytes(), 2 * weight + 4 * region_bytes);
  for (const auto& [entry, mark] : living)
    pool.Free(entry);
  EXPECT_EQ(pool.used_bytes(), 0U);
  pool.CheckInvariants();
}

TEST(FramePool, FramesNeverOverlapInSmallRegions) {
  AllocateAndFreeAtRandom(FramePool::kSmallRegionBytes, 11);
}
TEST(FramePool, FramesNeverOverlapInHugeRegions) {
  AllocateAndFreeAtRandom(FramePool::kHugeRegionBytes, 12);
}

TEST(FramePools, UseTheHolesOfOtherPoolsBeforeTheyMapMore) {
  FramePools pools(size_t{256} << 20);
  std::vector<Entry*> entries;
  for (int i = 0; i < 4000; ++i)
    entries.push_back(pools.Allocate(4000, 0));
  const size_t mapped = pools.mapped_bytes();
  for (size_t i = 0; i < entries.size(); i += 2) {
    pools.Free(entries[i]);
    entries[i] = pools.Allocate(4000, 1);
  }
  EXPECT_EQ(pools.mapped_bytes(), mapped);
  for (Entry* entry : entries)
    pools.Free(entry);
}

TEST(FramePools, FramesMayBeFreedByOtherThreads) {
  FramePools pools(1 << 20);
  std::vector<Entry*> entries(2000);
  std::thread maker([&] {
    for (Entry*& entry : entries)
      entry = pools.Allocate(2000, 1);
  });
  maker.join();
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = t; i < entries.size(); i += 4) {
        pools.Free(entries[i]);
        Entry* const other = pools.Allocate(1000 + i, t);
        std::memset(other->data(), 2, 1000 + i);
        pools.Free(other);
      }
    });
  }
  for (auto& thread : threads)
    thread.join();
  EXPECT_EQ(pools.used_bytes(), 0U);
}

}  // namespace
}  // namespace nokv::cache
