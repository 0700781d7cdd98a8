#include "cache/eviction_policy.h"

#include <cstdio>
#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/random.h"
#include "cache/test_blocks.h"

namespace nokv::cache {
namespace {

using Priority = BlockCache::Priority;

constexpr uint32_t kUnitsPerBlock = 16;
constexpr size_t kBlockWeight = kUnitsPerBlock * Entry::kFrameUnit;

constexpr uint64_t kKeys = 20'000;
constexpr uint64_t kScanBegin = kKeys;  // keys from here on are read by scans only, once
constexpr uint64_t kScanKeys = 400'000;
constexpr uint64_t kAllKeys = kScanBegin + kScanKeys;

struct Access {
  uint64_t key;
  Priority priority = Priority::kNormal;
};

// The policy over headers without blocks: a cache of equal blocks for one thread.
class SimulatedCache {
 public:
  explicit SimulatedCache(size_t block_count)
      : policy_(block_count * kBlockWeight, block_count), entries_(kAllKeys) {}

  bool Hit(const Access& access) {
    Entry* const entry = &entries_[access.key];
    entry->key = {1, access.key * 4096};
    entry->weight_units = kUnitsPerBlock;
    if (entry->queue != QueueName::kNone) {
      entry->Touch();
      return true;
    }
    VictimList victims;
    policy_.Add(entry, access.priority, &victims);
    while (victims.Pop() != nullptr) {
    }
    return false;
  }
  bool Has(uint64_t key) const { return entries_[key].queue != QueueName::kNone; }
  const EvictionPolicy& policy() const { return policy_; }

 private:
  EvictionPolicy policy_;
  std::vector<Entry> entries_;
};

// What it must beat.
class Lru {
 public:
  explicit Lru(size_t block_count) : block_count_(block_count) {}
  bool Hit(const Access& access) {
    const auto found = places_.find(access.key);
    if (found != places_.end()) {
      order_.splice(order_.begin(), order_, found->second);
      return true;
    }
    order_.push_front(access.key);
    places_[access.key] = order_.begin();
    if (order_.size() > block_count_) {
      places_.erase(order_.back());
      order_.pop_back();
    }
    return false;
  }

 private:
  const size_t block_count_;
  std::list<uint64_t> order_;
  std::unordered_map<uint64_t, std::list<uint64_t>::iterator> places_;
};

// Zipfian accesses; after each, `scanned` blocks of an endless scan.
std::vector<Access> ZipfTrace(size_t count, size_t scanned, Priority scan_priority, uint64_t seed) {
  base::Random random(seed);
  const Zipf zipf(kKeys, 0.99);
  std::vector<Access> trace;
  uint64_t scan = 0;
  for (size_t i = 0; i < count; ++i) {
    trace.push_back({base::Mix64(zipf.Next(&random)) % kKeys});
    for (size_t s = 0; s < scanned; ++s)
      trace.push_back({kScanBegin + scan++ % kScanKeys, scan_priority});
  }
  return trace;
}

// The share of hits among accesses that are no scan, after a warm-up of a quarter.
template <class Cache>
double HitRatio(Cache* cache, const std::vector<Access>& trace) {
  size_t hits = 0;
  size_t accesses = 0;
  for (size_t i = 0; i < trace.size(); ++i) {
    const bool hit = cache->Hit(trace[i]);
    if (i < trace.size() / 4 || trace[i].key >= kScanBegin) continue;
    ++accesses;
    hits += hit ? 1 : 0;
  }
  return static_cast<double>(hits) / static_cast<double>(accesses);
}

struct Ratios {
  double policy;
  double lru;
};
Ratios Compare(const std::vector<Access>& trace, size_t block_count) {
  SimulatedCache cache(block_count);
  Lru lru(block_count);
  const Ratios ratios = {HitRatio(&cache, trace), HitRatio(&lru, trace)};
  std::printf("blocks %5zu: W-TinyLFU %.4f, LRU %.4f\n", block_count, ratios.policy, ratios.lru);
  cache.policy().CheckInvariants();
  return ratios;
}

TEST(EvictionPolicy, BeatsLruOnZipfianAccesses) {
  const auto trace = ZipfTrace(200'000, 0, Priority::kNormal, 1);
  for (const auto& [blocks, gain] : {std::pair(200U, 0.07), {1000U, 0.05}, {4000U, 0.02}}) {
    const Ratios ratios = Compare(trace, blocks);
    EXPECT_GT(ratios.policy, ratios.lru + gain);
  }
}

TEST(EvictionPolicy, BeatsLruByFarWhenScansPassThrough) {
  const auto trace = ZipfTrace(150'000, 1, Priority::kNormal, 2);
  for (const size_t blocks : {200U, 1000U, 4000U}) {
    const Ratios ratios = Compare(trace, blocks);
    EXPECT_GT(ratios.policy, ratios.lru + 0.12);
  }
}

TEST(EvictionPolicy, ScansOfLowPriorityCostAlmostNothing) {
  for (const size_t blocks : {200U, 1000U, 4000U}) {
    SimulatedCache quiet(blocks);
    SimulatedCache scanned(blocks);
    const double without = HitRatio(&quiet, ZipfTrace(100'000, 0, Priority::kNormal, 3));
    const double with = HitRatio(&scanned, ZipfTrace(100'000, 4, Priority::kLow, 3));
    std::printf("blocks %5zu: without scans %.4f, with four per read %.4f\n", blocks, without,
                with);
    EXPECT_GT(with, without - 0.01);
  }
}

TEST(EvictionPolicy, HotBlocksSurviveAScanOfEverything) {
  SimulatedCache cache(1000);
  for (int round = 0; round < 4; ++round) {
    for (uint64_t key = 0; key < 500; ++key)
      cache.Hit({key});
  }
  for (uint64_t key = kScanBegin; key < kScanBegin + 20'000; ++key)
    cache.Hit({key});
  int survivors = 0;
  for (uint64_t key = 0; key < 500; ++key)
    survivors += cache.Has(key) ? 1 : 0;
  EXPECT_GE(survivors, 450);
}

TEST(EvictionPolicy, TheWindowGrowsWithRecencyAndShrinksWithFrequency) {
  SimulatedCache cache(1000);
  Lru lru(1000);
  const size_t least = cache.policy().window_max();
  // Every block is read again within the next 600 accesses, and never later.
  base::Random random(4);
  std::vector<Access> recent;
  uint64_t fresh = 0;
  for (size_t i = 0; i < 100'000; ++i) {
    const bool again = i > 1000 && !random.OneIn(3);
    recent.push_back(again ? recent[i - 1 - random.Uniform(600)] : Access{fresh++ % kKeys});
  }
  const Ratios ratios = {HitRatio(&cache, recent), HitRatio(&lru, recent)};
  std::printf("recency: W-TinyLFU %.4f, LRU %.4f, window %zu of %zu\n", ratios.policy, ratios.lru,
              cache.policy().window_max(), cache.policy().capacity());
  EXPECT_GT(cache.policy().window_max(), 4 * least);
  EXPECT_GT(ratios.policy, ratios.lru - 0.05);
  for (const Access& access : ZipfTrace(200'000, 0, Priority::kNormal, 5))
    cache.Hit(access);
  EXPECT_LT(cache.policy().window_max(), cache.policy().capacity() / 5);
  EXPECT_GE(cache.policy().window_max(), least);
}

TEST(EvictionPolicy, FollowsAChangeOfWhatIsPopular) {
  SimulatedCache cache(1000);
  Lru lru(1000);
  base::Random random(6);
  const Zipf zipf(kKeys, 0.99);
  std::vector<Access> trace;
  for (size_t i = 0; i < 300'000; ++i) {
    const uint64_t phase = i / 100'000;
    trace.push_back({base::Mix64(zipf.Next(&random) + phase * kKeys) % kKeys});
  }
  EXPECT_GT(HitRatio(&cache, trace), HitRatio(&lru, trace));
}

TEST(EvictionPolicy, PassesOverPinnedBlocks) {
  constexpr size_t kBlocks = 64;
  EvictionPolicy policy(kBlocks * kBlockWeight, kBlocks);
  std::vector<Entry> entries(100 * kBlocks);
  for (uint64_t i = 0; i < entries.size(); ++i) {
    entries[i].key = {1, i};
    entries[i].weight_units = kUnitsPerBlock;
    const bool pinned = i < 20 && i % 2 == 0;
    entries[i].refs = pinned ? Entry::kCacheRef + Entry::kPinRef : Entry::kCacheRef;
    // Later blocks are asked for up to four times, so that they win against the first.
    for (int times = 0; times < (i < 20 ? 1 : 4) && entries[i].queue == QueueName::kNone; ++times) {
      VictimList victims;
      policy.Add(&entries[i], Priority::kNormal, &victims);
      while (victims.Pop() != nullptr) {
      }
    }
  }
  for (size_t i = 0; i < 20; ++i) {
    EXPECT_EQ(entries[i].queue == QueueName::kNone, i % 2 != 0) << i;
  }
}

// Any weights, priorities, touches, removals and capacities: the invariants hold after each call
// and no entry is lost.
TEST(EvictionPolicy, KeepsItsInvariantsUnderRandomOperations) {
  constexpr uint64_t kSeed = 31;
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  base::Random random(kSeed);
  EvictionPolicy policy(4 << 20, 1024);
  std::vector<std::unique_ptr<Entry>> entries(3000);
  for (uint64_t i = 0; i < entries.size(); ++i) {
    entries[i] = std::make_unique<Entry>();
    entries[i]->key = {i % 7, i};
    entries[i]->weight_units =
        static_cast<uint32_t>(1 + random.Uniform(random.OneIn(20) ? 600 : 60));
  }
  size_t inside = 0;
  for (int step = 0; step < 60'000; ++step) {
    Entry* const entry = entries[random.Uniform(1 + random.Uniform(entries.size()))].get();
    VictimList victims;
    if (random.OneIn(500)) {
      policy.SetCapacity(random.OneIn(10) ? 0 : (1 << 18) + random.Uniform(8 << 20), &victims);
    } else if (entry->queue == QueueName::kNone) {
      if (entry->weight() > policy.weight_max()) continue;
      policy.Add(entry, random.OneIn(4) ? Priority::kLow : Priority::kNormal, &victims);
      ++inside;
    } else if (random.OneIn(30)) {
      policy.Remove(entry);
      --inside;
    } else if (random.OneIn(30)) {
      entry->refs.store(entry->pinned() ? Entry::kCacheRef : Entry::kCacheRef + Entry::kPinRef);
    } else {
      entry->Touch();
    }
    while (const Entry* victim = victims.Pop()) {
      ASSERT_EQ(victim->queue, QueueName::kNone);
      --inside;
    }
    ASSERT_EQ(policy.count(), inside);
    ASSERT_LE(policy.used_bytes(), policy.capacity());
    if (step % 64 == 0) policy.CheckInvariants();
  }
}

}  // namespace
}  // namespace nokv::cache
