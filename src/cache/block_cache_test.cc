#include "cache/block_cache.h"

#include <atomic>
#include <cstdio>
#include <list>
#include <map>
#include <set>
#include <thread>
#include <unordered_map>
#include <vector>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/random.h"
#include "cache/test_blocks.h"

namespace nokv::cache {
namespace {

using Priority = BlockCache::Priority;

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;

class BlockCacheTest : public ::testing::Test {
 protected:
  void Open(size_t capacity_bytes, size_t shards = 1) {
    cache_ = BlockCache::Create(
        {.capacity_bytes = capacity_bytes, .shards = shards, .epochs = &epochs_});
  }
  BlockCache::Handle Insert(const BlockKey& key, Priority priority = Priority::kNormal) {
    return InsertTestBlock(cache_.get(), key, kBlockMax, priority);
  }
  bool Has(const BlockKey& key) { return static_cast<bool>(cache_->LookupPinned(key)); }

  static constexpr size_t kBlockMax = 2000;
  base::EpochDomain epochs_;
  std::unique_ptr<BlockCache> cache_;
};

TEST_F(BlockCacheTest, FindsWhatWasInserted) {
  Open(kMiB);
  Slice block;
  {
    base::EpochDomain::Guard guard(&epochs_);
    EXPECT_FALSE(cache_->Lookup({1, 0}, &block));
    EXPECT_FALSE(cache_->LookupPinned({1, 0}));
  }
  const BlockCache::Handle inserted = Insert({1, 0});
  EXPECT_TRUE(IsTestBlock({1, 0}, inserted.block(), kBlockMax));
  {
    base::EpochDomain::Guard guard(&epochs_);
    ASSERT_TRUE(cache_->Lookup({1, 0}, &block));
    EXPECT_EQ(block.data(), inserted.block().data());
    EXPECT_EQ(block, inserted.block());
    EXPECT_FALSE(cache_->Lookup({1, 4096}, &block));
    EXPECT_FALSE(cache_->Lookup({2, 0}, &block));
  }
  EXPECT_EQ(cache_->LookupPinned({1, 0}).block(), inserted.block());
  const CacheStats stats = cache_->stats();
  EXPECT_EQ(stats.hits, 2U);
  EXPECT_EQ(stats.misses, 4U);
  EXPECT_EQ(stats.inserts, 1U);
  EXPECT_EQ(stats.entries, 1U);
  EXPECT_EQ(stats.pinned_bytes, stats.bytes);
  EXPECT_EQ(stats.detached_bytes, 0U);
}

TEST_F(BlockCacheTest, TellsOfEveryLookupThatFindsNothing) {
  int missed = 0;
  cache_ = BlockCache::Create({.capacity_bytes = kMiB, .epochs = &epochs_, .on_miss = [&] { ++missed; }});
  EXPECT_FALSE(Has({1, 0}));
  EXPECT_EQ(missed, 1);
  Insert({1, 0});
  EXPECT_TRUE(Has({1, 0}));
  EXPECT_FALSE(cache_->Contains({2, 0}));
  EXPECT_EQ(missed, 1);
  EXPECT_EQ(cache_->lookups(), 2U);
}

TEST_F(BlockCacheTest, LookingWhetherABlockIsHereCountsAsNoUse) {
  Open(kMiB);
  const size_t empty = cache_->free_bytes();
  EXPECT_EQ(empty, kMiB);
  Insert({1, 0});
  EXPECT_TRUE(cache_->Contains({1, 0}));
  EXPECT_FALSE(cache_->Contains({1, 4096}));
  const CacheStats stats = cache_->stats();
  EXPECT_EQ(stats.hits + stats.misses, 0U);
  EXPECT_EQ(cache_->free_bytes(), empty - stats.bytes);
}

TEST_F(BlockCacheTest, BuffersMayBeShrunkAndGivenBack) {
  Open(kMiB);
  {
    BlockCache::Buffer buffer = cache_->Allocate(5000);
    EXPECT_EQ(buffer.size(), 5000U);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0U);
    EXPECT_GE(cache_->stats().detached_bytes, 5000U);
    BlockCache::Buffer moved = std::move(buffer);
    EXPECT_EQ(moved.size(), 5000U);
    moved = cache_->Allocate(100);
    EXPECT_LT(cache_->stats().detached_bytes, 1000U);
    std::memset(moved.data(), 'x', 100);
    moved.Shrink(10);
    EXPECT_EQ(moved.slice(), "xxxxxxxxxx");
    EXPECT_EQ(cache_->Insert({1, 0}, std::move(moved), Priority::kNormal).block(), "xxxxxxxxxx");
  }
  EXPECT_EQ(cache_->stats().detached_bytes, 0U);
}

TEST_F(BlockCacheTest, TheFirstInsertionOfAKeyStands) {
  Open(kMiB);
  const BlockCache::Handle first = Insert({1, 0});
  const BlockCache::Handle second = Insert({1, 0});
  EXPECT_EQ(first.block().data(), second.block().data());
  EXPECT_EQ(cache_->stats().entries, 1U);
  EXPECT_EQ(cache_->stats().detached_bytes, 0U);
}

TEST_F(BlockCacheTest, DeclinesBlocksTooLargeForAShardButTheHandleWorks) {
  Open(kMiB);
  BlockCache::Buffer buffer = cache_->Allocate(700 * kKiB);
  std::memset(buffer.data(), 'y', buffer.size());
  BlockCache::Handle handle = cache_->Insert({1, 0}, std::move(buffer), Priority::kNormal);
  EXPECT_EQ(handle.block(), std::string(700 * kKiB, 'y'));
  EXPECT_FALSE(Has({1, 0}));
  CacheStats stats = cache_->stats();
  EXPECT_EQ(stats.rejections, 1U);
  EXPECT_EQ(stats.bytes, 0U);
  EXPECT_EQ(stats.pinned_bytes, stats.detached_bytes);
  EXPECT_GE(stats.pinned_bytes, 700 * kKiB);
  handle.Reset();
  stats = cache_->stats();
  EXPECT_EQ(stats.pinned_bytes, 0U);
  EXPECT_EQ(stats.detached_bytes, 0U);
}

TEST_F(BlockCacheTest, ACacheOfNoBytesStillServesHandles) {
  Open(0);
  const BlockCache::Handle handle = Insert({1, 0});
  EXPECT_TRUE(IsTestBlock({1, 0}, handle.block(), kBlockMax));
  EXPECT_FALSE(Has({1, 0}));
}

TEST_F(BlockCacheTest, GuardsKeepEvictedBlocksReadable) {
  Open(256 * kKiB);
  Insert({1, 0});
  base::EpochDomain::Guard guard(&epochs_);
  Slice block;
  ASSERT_TRUE(cache_->Lookup({1, 0}, &block));
  cache_->EraseFile(1);
  std::thread([&] {
    for (uint64_t i = 0; i < 2000; ++i)
      Insert({2, i});
    epochs_.Reclaim();
  }).join();
  EXPECT_FALSE(Has({1, 0}));
  EXPECT_TRUE(IsTestBlock({1, 0}, block, kBlockMax));
}

TEST_F(BlockCacheTest, HandlesKeepEvictedBlocksBeyondGuards) {
  Open(256 * kKiB);
  BlockCache::Handle handle = Insert({1, 0});
  cache_->EraseFile(1);
  for (uint64_t i = 0; i < 2000; ++i)
    Insert({2, i});
  epochs_.Drain();
  EXPECT_FALSE(Has({1, 0}));
  EXPECT_TRUE(IsTestBlock({1, 0}, handle.block(), kBlockMax));
  EXPECT_EQ(cache_->stats().detached_bytes, cache_->stats().pinned_bytes);
  const BlockCache::Handle moved = std::move(handle);
  EXPECT_FALSE(handle);  // NOLINT(bugprone-use-after-move): what moving leaves behind is stated
  EXPECT_TRUE(IsTestBlock({1, 0}, moved.block(), kBlockMax));
}

TEST_F(BlockCacheTest, EraseFileForgetsThatFileAndNoOther) {
  Open(kMiB, 4);
  for (uint64_t file = 1; file <= 3; ++file) {
    for (uint64_t i = 0; i < 150; ++i)
      Insert({file, i * 4096});
  }
  ASSERT_EQ(cache_->stats().entries, 450U);
  cache_->EraseFile(2);
  cache_->EraseFile(99);
  for (uint64_t i = 0; i < 150; ++i) {
    EXPECT_TRUE(Has({1, i * 4096}));
    EXPECT_FALSE(Has({2, i * 4096}));
    EXPECT_TRUE(Has({3, i * 4096}));
  }
  EXPECT_EQ(cache_->stats().entries, 300U);
  EXPECT_EQ(cache_->stats().erasures, 150U);
  cache_->CheckInvariants();
}

TEST_F(BlockCacheTest, SetCapacityEvictsBeforeItReturns) {
  Open(4 * kMiB, 2);
  for (uint64_t i = 0; i < 4000; ++i)
    Insert({1, i}, Priority::kLow);
  ASSERT_GT(cache_->stats().bytes, 3 * kMiB);
  cache_->SetCapacity(kMiB);
  EXPECT_EQ(cache_->capacity(), kMiB);
  EXPECT_LE(cache_->stats().bytes, kMiB);
  EXPECT_GT(cache_->stats().bytes, kMiB / 2);
  cache_->CheckInvariants();
  epochs_.Drain();
  EXPECT_EQ(cache_->stats().detached_bytes, 0U);
  cache_->SetCapacity(4 * kMiB);
  for (uint64_t i = 0; i < 4000; ++i)
    Insert({2, i}, Priority::kLow);
  EXPECT_GT(cache_->stats().bytes, 3 * kMiB);
}

TEST_F(BlockCacheTest, ChoosesShardsBySize) {
  Open(kMiB, 0);
  EXPECT_EQ(cache_->shard_count(), 1U);
  cache_ = BlockCache::Create({.capacity_bytes = 256 * kMiB, .epochs = &epochs_});
  EXPECT_GE(cache_->shard_count(), 4U);
}

TEST_F(BlockCacheTest, RetiredBlocksDoNotPileUp) {
  Open(kMiB);
  for (uint64_t i = 0; i < 3000; ++i) {
    BlockCache::Buffer buffer = cache_->Allocate(60 * kKiB);
    FillTestBlock({1, i}, buffer.data(), buffer.size());
    cache_->Insert({1, i}, std::move(buffer), Priority::kNormal);
    ASSERT_LE(cache_->stats().detached_bytes, 512 * kKiB);
  }
  EXPECT_LE(cache_->stats().mapped_bytes, 4 * kMiB);
}

// The cache against a model that knows what may be in it: random operations of one thread, with
// handles and guards that outlive evictions and erasures.
void RunAgainstModel(uint64_t seed, size_t shards) {
  constexpr size_t kBlockMax = 6000;
  SCOPED_TRACE(seed);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  base::Random random(seed);
  base::EpochDomain epochs;
  const auto cache =
      BlockCache::Create({.capacity_bytes = 512 * kKiB, .shards = shards, .epochs = &epochs});
  std::set<std::pair<uint64_t, uint64_t>> inserted;  // and the file not erased since
  std::vector<std::pair<BlockKey, BlockCache::Handle>> pins;
  uint64_t first_file = 1;
  uint64_t lookups = 0;
  for (int step = 0; step < 40'000; ++step) {
    const BlockKey key{first_file + random.Uniform(4),
                       4096 * random.Uniform(1 + random.Uniform(200))};
    const bool may_be_here = inserted.count({key.file, key.offset}) > 0;
    const uint64_t action = random.Uniform(1000);
    if (action < 600) {
      base::EpochDomain::Guard guard(&epochs);
      Slice block;
      ++lookups;
      if (cache->Lookup(key, &block)) {
        ASSERT_TRUE(may_be_here);
        ASSERT_TRUE(IsTestBlock(key, block, kBlockMax));
      } else {
        const auto priority = random.OneIn(5) ? Priority::kLow : Priority::kNormal;
        const auto handle = InsertTestBlock(cache.get(), key, kBlockMax, priority);
        ASSERT_TRUE(IsTestBlock(key, handle.block(), kBlockMax));
        inserted.insert({key.file, key.offset});
      }
    } else if (action < 800) {
      BlockCache::Handle handle = cache->LookupPinned(key);
      ++lookups;
      if (handle) {
        ASSERT_TRUE(may_be_here);
        ASSERT_TRUE(IsTestBlock(key, handle.block(), kBlockMax));
        if (pins.size() < 40) pins.emplace_back(key, std::move(handle));
      }
    } else if (action < 990) {
      if (!pins.empty()) {
        const size_t i = random.Uniform(pins.size());
        ASSERT_TRUE(IsTestBlock(pins[i].first, pins[i].second.block(), kBlockMax));
        std::swap(pins[i], pins.back());
        pins.pop_back();
      }
    } else if (action < 995) {
      cache->EraseFile(first_file);
      std::erase_if(inserted, [&](const auto& k) { return k.first == first_file; });
      ++first_file;
    } else {
      cache->SetCapacity(64 * kKiB + random.Uniform(kMiB));
    }
    const CacheStats stats = cache->stats();
    ASSERT_LE(stats.bytes, stats.capacity_bytes);
    ASSERT_EQ(stats.hits + stats.misses, lookups);
    if (step % 500 == 0) {
      cache->CheckInvariants();
      epochs.Drain();
      // Beyond the blocks in the cache, only pinned ones hold memory.
      const CacheStats drained = cache->stats();
      ASSERT_LE(drained.detached_bytes, drained.pinned_bytes);
    }
  }
  EXPECT_GT(cache->stats().evictions, 100U);
  EXPECT_GT(cache->stats().rejections, 100U);
  EXPECT_GT(cache->stats().hits, lookups / 10);
  pins.clear();
  epochs.Drain();
  EXPECT_EQ(cache->stats().pinned_bytes, 0U);
  EXPECT_EQ(cache->stats().detached_bytes, 0U);
}

TEST(BlockCacheModel, OneShardAgreesWithTheModel) {
  RunAgainstModel(41, 1);
}
TEST(BlockCacheModel, FourShardsAgreeWithTheModel) {
  RunAgainstModel(42, 4);
}

// The whole cache, its shards and rounding included, against an LRU of the same weight.
TEST(BlockCacheHitRatio, BeatsLruOnZipfianReadsWithScans) {
  constexpr size_t kBlockBytes = 448;  // weighs 512
  constexpr size_t kWeight = 512;
  constexpr size_t kCapacity = 4 * kMiB;
  constexpr uint64_t kKeys = 80'000;
  base::EpochDomain epochs;
  const auto cache =
      BlockCache::Create({.capacity_bytes = kCapacity, .shards = 4, .epochs = &epochs});
  std::list<uint64_t> lru;
  std::unordered_map<uint64_t, std::list<uint64_t>::iterator> lru_places;
  const auto lru_hit = [&](uint64_t key) {
    if (const auto found = lru_places.find(key); found != lru_places.end()) {
      lru.splice(lru.begin(), lru, found->second);
      return true;
    }
    lru.push_front(key);
    lru_places[key] = lru.begin();
    if (lru.size() > kCapacity / kWeight) {
      lru_places.erase(lru.back());
      lru.pop_back();
    }
    return false;
  };
  const auto cache_hit = [&](uint64_t key, Priority priority) {
    base::EpochDomain::Guard guard(&epochs);
    const BlockKey block_key{key % 16, key};
    Slice block;
    if (cache->Lookup(block_key, &block)) {
      EXPECT_EQ(std::memcmp(block.data(), &block_key, sizeof(block_key)), 0);
      return true;
    }
    BlockCache::Buffer buffer = cache->Allocate(kBlockBytes);
    FillTestBlock(block_key, buffer.data(), buffer.size());
    cache->Insert(block_key, std::move(buffer), priority);
    return false;
  };
  constexpr uint64_t kSeed = 51;
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  base::Random random(kSeed);
  const Zipf zipf(kKeys, 0.99);
  constexpr int kReads = 200'000;
  int hits = 0;
  int lru_hits = 0;
  uint64_t scanned = kKeys;
  for (int i = 0; i < kReads; ++i) {
    const uint64_t key = base::Mix64(zipf.Next(&random)) % kKeys;
    const bool hit = cache_hit(key, Priority::kNormal);
    const bool with_lru = lru_hit(key);
    if (i >= kReads / 4) {
      hits += hit ? 1 : 0;
      lru_hits += with_lru ? 1 : 0;
    }
    if (i % 2 == 0) {
      cache_hit(scanned, i % 4 == 0 ? Priority::kLow : Priority::kNormal);
      lru_hit(scanned++);
    }
  }
  std::printf("hits: W-TinyLFU %d, LRU %d of %d\n", hits, lru_hits, kReads / 4 * 3);
  EXPECT_GT(hits, lru_hits + kReads / 20);
  EXPECT_LE(cache->stats().bytes, kCapacity);
  EXPECT_LT(cache->stats().index_bytes, kCapacity / 20);
}

// Threads that do everything at once to a tiny cache, so that frames are recycled all the time.
TEST(BlockCacheStress, ParallelUseNeverShowsAnothersBytes) {
  constexpr size_t kBlockMax = 3000;
  constexpr int kThreads = 4;
  constexpr int kSteps = 15'000;
  constexpr uint64_t kSeed = 61;
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  base::EpochDomain epochs;
  MemoryBudget budget(2 * kMiB);
  auto cache = BlockCache::Create({.capacity_bytes = 256 * kKiB,
                                   .min_capacity_bytes = 64 * kKiB,
                                   .shards = 2,
                                   .epochs = &epochs,
                                   .budget = &budget});
  std::atomic<uint64_t> file_base{1};
  std::atomic<uint64_t> wrong{0};
  const auto work = [&](uint64_t seed) {
    base::Random random(seed);
    const auto consumer = budget.Register("worker");
    std::vector<std::pair<BlockKey, BlockCache::Handle>> pins;
    const auto check = [&](const BlockKey& key, Slice block) {
      if (!IsTestBlock(key, block, kBlockMax)) wrong.fetch_add(1);
    };
    for (int step = 0; step < kSteps; ++step) {
      const BlockKey key{file_base.load(std::memory_order_relaxed) + random.Uniform(3),
                         4096 * random.Uniform(1 + random.Uniform(150))};
      const uint64_t action = random.Uniform(1000);
      if (action < 650) {
        // Found blocks stay as they are until the guard ends, whatever happens meanwhile.
        base::EpochDomain::Guard guard(&epochs);
        std::vector<std::pair<BlockKey, Slice>> found;
        for (uint64_t i = 0; i < 4; ++i) {
          const BlockKey near{key.file, key.offset + 4096 * i};
          Slice block;
          if (cache->Lookup(near, &block)) {
            found.emplace_back(near, block);
            continue;
          }
          const auto priority = random.OneIn(4) ? Priority::kLow : Priority::kNormal;
          check(near, InsertTestBlock(cache.get(), near, kBlockMax, priority).block());
        }
        if (random.OneIn(8)) std::this_thread::yield();
        for (const auto& [found_key, block] : found)
          check(found_key, block);
      } else if (action < 900) {
        BlockCache::Handle handle = cache->LookupPinned(key);
        if (!handle) handle = InsertTestBlock(cache.get(), key, kBlockMax, Priority::kNormal);
        check(key, handle.block());
        pins.emplace_back(key, std::move(handle));
        if (pins.size() > 12) pins.erase(pins.begin() + static_cast<ptrdiff_t>(random.Uniform(12)));
      } else if (action < 980) {
        for (const auto& [pinned, handle] : pins)
          check(pinned, handle.block());
      } else if (action < 985) {
        const uint64_t gone = file_base.fetch_add(1);
        cache->EraseFile(gone);
      } else if (action < 990) {
        const size_t bytes = random.Uniform(3 * kMiB);
        consumer->Reserve(bytes);
        consumer->Release(bytes);
      } else {
        const CacheStats stats = cache->stats();
        if (stats.bytes > 256 * kKiB) wrong.fetch_add(1);
      }
    }
  };
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t)
    threads.emplace_back(work, kSeed + t);
  for (auto& thread : threads)
    thread.join();
  EXPECT_EQ(wrong.load(), 0U);
  cache->CheckInvariants();
  epochs.Drain();
  const CacheStats stats = cache->stats();
  EXPECT_EQ(stats.pinned_bytes, 0U);
  EXPECT_EQ(stats.detached_bytes, 0U);
  EXPECT_GT(stats.hits, 1000U);
  EXPECT_GT(stats.evictions + stats.rejections, 1000U);
}

}  // namespace
}  // namespace nokv::cache
