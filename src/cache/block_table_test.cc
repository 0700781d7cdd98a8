#include "cache/block_table.h"

#include <atomic>
#include <cstdio>
#include <deque>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/random.h"

namespace nokv::cache {
namespace {

// Entries without blocks.
class EntryStore {
 public:
  Entry* Make(const BlockKey& key) {
    entries_.emplace_back();
    entries_.back().key = key;
    return &entries_.back();
  }

 private:
  std::deque<Entry> entries_;
};

TEST(BlockTable, AgreesWithAMapUnderRandomOperations) {
  constexpr uint64_t kSeed = 21;
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  base::Random random(kSeed);
  base::EpochDomain epochs;
  BlockTable table(&epochs, 8);  // grows several times
  EntryStore store;
  std::map<std::pair<uint64_t, uint64_t>, Entry*> model;
  for (int step = 0; step < 30'000; ++step) {
    const BlockKey key{random.Uniform(8), random.Uniform(100) * 4096};
    const auto found = model.find({key.file, key.offset});
    ASSERT_EQ(table.Find(key, HashOf(key)), found == model.end() ? nullptr : found->second);
    if (found == model.end()) {
      Entry* const entry = store.Make(key);
      table.Insert(entry, HashOf(key));
      model[{key.file, key.offset}] = entry;
    } else {
      table.Erase(found->second, HashOf(key));
      model.erase(found);
    }
    ASSERT_EQ(table.size(), model.size());
    if (step % 1000 == 0) table.CheckInvariants();
  }
  table.CheckInvariants();
}

// All keys have the same home bucket and tag: every lookup goes through the overflow.
TEST(BlockTable, FindsEverythingWhenHashesCollide) {
  base::EpochDomain epochs;
  BlockTable table(&epochs, 4000);
  EntryStore store;
  constexpr uint64_t kHash = 0x1234'5678'9abc'def0ULL;
  std::vector<Entry*> entries;
  for (uint64_t i = 0; i < 300; ++i) {
    entries.push_back(store.Make({1, i}));
    table.Insert(entries.back(), kHash);
  }
  for (size_t i = 0; i < entries.size(); i += 2)
    table.Erase(entries[i], kHash);
  for (size_t i = 0; i < entries.size(); ++i) {
    EXPECT_EQ(table.Find({1, i}, kHash), i % 2 == 0 ? nullptr : entries[i]);
  }
  for (size_t i = 1; i < entries.size(); i += 2)
    table.Erase(entries[i], kHash);
  EXPECT_EQ(table.Find({1, 1}, kHash), nullptr);
  EXPECT_EQ(table.size(), 0U);
}

TEST(BlockTable, HashSpreadsNeighbouringBlocks) {
  constexpr size_t kBuckets = 1024;
  std::vector<size_t> low(kBuckets);
  std::vector<size_t> high(kBuckets);
  std::set<uint64_t> hashes;
  constexpr uint64_t kFiles = 64;
  constexpr uint64_t kBlocks = 256;
  for (uint64_t file = 1; file <= kFiles; ++file) {
    for (uint64_t block = 0; block < kBlocks; ++block) {
      const uint64_t hash = HashOf({file, block * 4096});
      hashes.insert(hash);
      ++low[hash % kBuckets];
      ++high[hash >> 54];
    }
  }
  EXPECT_EQ(hashes.size(), kFiles * kBlocks);
  // Sixteen per bucket on average; a good hash stays within five standard deviations.
  for (size_t i = 0; i < kBuckets; ++i) {
    EXPECT_LT(low[i], 36U);
    EXPECT_LT(high[i], 36U);
  }
}

TEST(BlockTable, ReadersBesideAWriterFindWhatStays) {
  base::EpochDomain epochs;
  BlockTable table(&epochs, 8);
  EntryStore store;
  std::vector<Entry*> staying;
  for (uint64_t i = 0; i < 200; ++i) {
    staying.push_back(store.Make({1, i}));
    table.Insert(staying.back(), HashOf(staying.back()->key));
  }
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> wrong{0};
  std::vector<std::thread> readers;
  for (uint64_t r = 0; r < 3; ++r) {
    readers.emplace_back([&, r] {
      base::Random random(100 + r);
      while (!stop.load(std::memory_order_relaxed)) {
        base::EpochDomain::Guard guard(&epochs);
        const uint64_t i = random.Uniform(staying.size());
        if (table.Find({1, i}, HashOf({1, i})) != staying[i]) wrong.fetch_add(1);
        const BlockKey other{2, random.Uniform(3000)};
        const Entry* const entry = table.Find(other, HashOf(other));
        if (entry != nullptr && entry->key != other) wrong.fetch_add(1);
      }
    });
  }
  std::vector<Entry*> passing;
  for (uint64_t i = 0; i < 3000; ++i) {
    passing.push_back(store.Make({2, i}));
    table.Insert(passing.back(), HashOf(passing.back()->key));
  }
  for (Entry* entry : passing)
    table.Erase(entry, HashOf(entry->key));
  stop.store(true);
  for (auto& reader : readers)
    reader.join();
  EXPECT_EQ(wrong.load(), 0U);
  table.CheckInvariants();
}

}  // namespace
}  // namespace nokv::cache
