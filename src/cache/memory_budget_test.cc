#include "cache/memory_budget.h"

#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/random.h"
#include "cache/block_cache.h"
#include "cache/test_blocks.h"

namespace nokv::cache {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// Remembers what it was told.
class FakeElastic : public MemoryBudget::Elastic {
 public:
  void Resize(size_t bytes) override {
    EXPECT_FALSE(inside_.exchange(true));  // calls are never concurrent
    told_.store(bytes);
    calls_.fetch_add(1);
    inside_.store(false);
  }
  size_t used_bytes() const override { return told(); }
  size_t told() const { return told_.load(); }
  size_t calls() const { return calls_.load(); }

 private:
  std::atomic<bool> inside_{false};
  std::atomic<size_t> told_{0};
  std::atomic<size_t> calls_{0};
};

TEST(MemoryBudget, GivesTheCacheWhatTheOthersLeave) {
  MemoryBudget budget(100 * kMiB);
  const auto memtables = budget.Register("memtables");
  FakeElastic cache;
  memtables->Reserve(10 * kMiB);
  budget.SetElastic("cache", &cache, {.floor_bytes = 5 * kMiB, .ceiling_bytes = 80 * kMiB});
  EXPECT_EQ(cache.told(), 80 * kMiB);  // the ceiling
  memtables->Reserve(30 * kMiB);
  EXPECT_EQ(cache.told(), 60 * kMiB);
  memtables->Reserve(58 * kMiB);
  EXPECT_EQ(cache.told(), 5 * kMiB);  // the floor
  EXPECT_TRUE(budget.over_limit());
  memtables->Release(48 * kMiB);
  EXPECT_EQ(cache.told(), 50 * kMiB);
  EXPECT_FALSE(budget.over_limit());
  budget.SetLimit(70 * kMiB);
  EXPECT_EQ(cache.told(), 20 * kMiB);
  budget.RemoveElastic();
  memtables->Reserve(20 * kMiB);
  EXPECT_EQ(cache.told(), 20 * kMiB);
}

TEST(MemoryBudget, ReportsTheUsageOfEachConsumer) {
  MemoryBudget budget(100 * kMiB);
  auto memtables = budget.Register("memtables");
  const auto tables = budget.Register("tables");
  FakeElastic cache;
  budget.SetElastic("cache", &cache, {.floor_bytes = 0, .ceiling_bytes = 10 * kMiB});
  memtables->Reserve(3);
  tables->Reserve(4);
  const auto usage = budget.usage();
  ASSERT_EQ(usage.size(), 3U);
  EXPECT_EQ(usage[0].name, "memtables");
  EXPECT_EQ(usage[0].bytes, 3U);
  EXPECT_EQ(usage[1].bytes, 4U);
  EXPECT_EQ(usage[2].name, "cache");
  EXPECT_EQ(usage[2].bytes, 10 * kMiB);
  EXPECT_EQ(budget.reserved(), 7U);
  memtables.reset();  // gives back what it holds
  EXPECT_EQ(budget.reserved(), 4U);
  EXPECT_EQ(budget.usage().size(), 2U);
  budget.RemoveElastic();
}

TEST(MemoryBudget, RefusesWhatDoesNotFitBesideTheFloor) {
  MemoryBudget budget(100 * kMiB);
  const auto consumer = budget.Register("memtables");
  FakeElastic cache;
  budget.SetElastic("cache", &cache, {.floor_bytes = 20 * kMiB, .ceiling_bytes = 100 * kMiB});
  EXPECT_TRUE(consumer->TryReserve(80 * kMiB));
  EXPECT_FALSE(consumer->TryReserve(1));
  EXPECT_EQ(consumer->bytes(), 80 * kMiB);
  EXPECT_EQ(cache.told(), 20 * kMiB);
  budget.SetLimit(10 * kMiB);  // below the floor, and below what is reserved
  EXPECT_FALSE(consumer->TryReserve(1));
  EXPECT_FALSE(consumer->TryReserve(~size_t{0}));
  budget.SetLimit(200 * kMiB);
  EXPECT_TRUE(consumer->TryReserve(100 * kMiB));
  budget.RemoveElastic();
}

TEST(MemoryBudget, SmallChangesDoNotDisturbTheCache) {
  MemoryBudget budget(256 * kMiB);
  const auto consumer = budget.Register("memtables");
  FakeElastic cache;
  budget.SetElastic("cache", &cache, {.floor_bytes = 0, .ceiling_bytes = 256 * kMiB});
  const size_t calls = cache.calls();
  for (int i = 0; i < 1023; ++i)
    consumer->Reserve(1024);
  EXPECT_EQ(cache.calls(), calls);
  consumer->Reserve(1024);
  EXPECT_EQ(cache.calls(), calls + 1);
  EXPECT_EQ(cache.told(), 255 * kMiB);
  budget.RemoveElastic();
}

TEST(MemoryBudget, StaysExactUnderConcurrentChanges) {
  MemoryBudget budget(64 * kMiB);
  FakeElastic cache;
  budget.SetElastic("cache", &cache, {.floor_bytes = kMiB, .ceiling_bytes = 64 * kMiB});
  const auto shared = budget.Register("shared");
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      base::Random random(t);
      const auto own = budget.Register("own");
      for (int i = 0; i < 3000; ++i) {
        const size_t bytes = random.Uniform(4 * kMiB);
        MemoryBudget::Consumer* const consumer = random.OneIn(2) ? own.get() : shared.get();
        if (!consumer->TryReserve(bytes)) consumer->Reserve(bytes);
        if (random.OneIn(100)) {
          EXPECT_GE(budget.usage().size(), 2U);
        }
        consumer->Release(bytes);
      }
    });
  }
  for (auto& thread : threads)
    thread.join();
  EXPECT_EQ(budget.reserved(), 0U);
  EXPECT_EQ(budget.allowance(), 64 * kMiB);
  EXPECT_GT(cache.told() + budget.granule(), budget.allowance());
  budget.RemoveElastic();
}

TEST(MemoryBudget, TheBlockCacheShrinksWhenMemtablesGrow) {
  base::EpochDomain epochs;
  MemoryBudget budget(16 * kMiB);
  const auto memtables = budget.Register("memtables");
  {
    const auto cache = BlockCache::Create({.capacity_bytes = 16 * kMiB,
                                           .min_capacity_bytes = kMiB,
                                           .shards = 2,
                                           .epochs = &epochs,
                                           .budget = &budget});
    for (uint64_t i = 0; i < 8000; ++i) {
      InsertTestBlock(cache.get(), {1, i * 4096}, 4096, BlockCache::Priority::kLow);
    }
    EXPECT_GT(cache->stats().bytes, 14 * kMiB);
    memtables->Reserve(10 * kMiB);
    EXPECT_EQ(cache->capacity(), 6 * kMiB);
    EXPECT_LE(cache->stats().bytes, 6 * kMiB);
    memtables->Reserve(10 * kMiB);
    EXPECT_EQ(cache->capacity(), kMiB);
    EXPECT_LE(cache->stats().bytes, kMiB);
    cache->CheckInvariants();
    memtables->Release(20 * kMiB);
    EXPECT_EQ(cache->capacity(), 16 * kMiB);
    cache->SetCapacity(4 * kMiB);
    EXPECT_EQ(cache->capacity(), 4 * kMiB);
    epochs.Drain();
    EXPECT_EQ(cache->stats().detached_bytes, 0U);
  }
  EXPECT_EQ(budget.usage().size(), 1U);
}

}  // namespace
}  // namespace nokv::cache
