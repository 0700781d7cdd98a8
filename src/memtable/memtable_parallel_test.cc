// Many threads on one memtable, checked against what a commit pipeline promises its readers. Run
// under ThreadSanitizer as well.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/mutex.h"
#include "base/random.h"
#include "memtable/memtable.h"
#include "memtable/test_keys.h"

namespace nokv::memtable {
namespace {

using key::SequenceNumber;

std::unique_ptr<Memtable> Make(size_t capacity) {
  Result<std::unique_ptr<Memtable>> made = Memtable::Create(1, {.capacity_bytes = capacity});
  EXPECT_TRUE(made.ok()) << made.status().ToString();
  return std::move(made).value();
}

// All there is to know about a run: operation n (from 1) has sequence number n, key keys[n] and a
// value that says n. So a reader can work out what it must see at any snapshot.
class History {
 public:
  History(uint64_t seed, size_t count) : keys_(count + 1) {
    base::Random random(seed);
    for (size_t n = 1; n <= count; ++n) {
      if (random.OneIn(8)) {
        keys_[n] = "hot" + std::to_string(random.Uniform(3));
      } else if (n > 1 && !random.OneIn(3)) {
        keys_[n] = keys_[n - 1];  // often a new key that two writers meet at once
      } else {
        keys_[n] = std::string("\0user", 5) + Decimal(random.Uniform(2'000'000), 16);
      }
    }
    for (size_t n = 1; n <= count; ++n)
      versions_.emplace_back(keys_[n], n);
    std::sort(versions_.begin(), versions_.end());
  }

  size_t count() const { return keys_.size() - 1; }
  const std::string& key(SequenceNumber n) const { return keys_[n]; }
  static std::string ValueOf(SequenceNumber n) {
    return std::string(n % 50, 'v') + std::to_string(n);
  }
  size_t distinct_keys() const {
    size_t distinct = 0;
    for (size_t i = 0; i < versions_.size(); ++i) {
      if (i == 0 || versions_[i].first != versions_[i - 1].first) ++distinct;
    }
    return distinct;
  }
  // The newest operation on `key` at or below `snapshot`; 0 if there is none.
  SequenceNumber NewestAt(const std::string& key, SequenceNumber snapshot) const {
    const auto after =
        std::upper_bound(versions_.begin(), versions_.end(), std::pair(key, snapshot));
    return after == versions_.begin() || std::prev(after)->first != key ? 0
                                                                        : std::prev(after)->second;
  }

 private:
  std::vector<std::string> keys_;
  std::vector<std::pair<std::string, SequenceNumber>> versions_;
};

// Commits as the engine does: reserve space and numbers under a lock, add without, publish in
// order.
class Pipeline {
 public:
  Pipeline(const History& history, Memtable* table) : history_(history), table_(*table) {}

  // False when all is committed.
  bool CommitOne(size_t batch) {
    SequenceNumber first;
    {
      base::MutexLock lock(&mu_);
      first = next_;
      batch = std::min(batch, history_.count() - (first - 1));
      if (batch == 0) return false;
      size_t bytes = 0;
      for (SequenceNumber n = first; n < first + batch; ++n) {
        bytes += Memtable::ChargeFor(history_.key(n).size(), History::ValueOf(n).size());
      }
      EXPECT_TRUE(table_.TryReserve(bytes, batch));
      next_ += batch;
    }
    for (SequenceNumber n = first; n < first + batch; ++n) {
      const std::string value = History::ValueOf(n);
      table_.Add({history_.key(n), key::PackTrailer(n, key::Kind::kPut), n % 3, value},
                 base::Hash64(history_.key(n)));
    }
    for (SequenceNumber before; (before = visible()) != first - 1;)
      visible_.wait(before);
    visible_.store(first + batch - 1, std::memory_order_release);
    visible_.notify_all();
    return true;
  }

  SequenceNumber visible() const { return visible_.load(std::memory_order_acquire); }

 private:
  const History& history_;
  Memtable& table_;
  base::Mutex mu_;
  SequenceNumber next_ NOKV_GUARDED_BY(mu_) = 1;
  std::atomic<SequenceNumber> visible_{0};
};

// Where threads wait for each other, to go on as close together as can be.
class Rendezvous {
 public:
  explicit Rendezvous(uint64_t thread_count) : thread_count_(thread_count) {}

  void Meet() {
    const uint64_t before = arrived_.fetch_add(1, std::memory_order_acq_rel);
    const uint64_t all = before / thread_count_ * thread_count_ + thread_count_;
    if (before + 1 == all) arrived_.notify_all();
    // Patient before it sleeps: on a busy machine whoever gives up the processor is back much
    // later, and the threads would hardly ever run side by side.
    for (int spin = 0; spin < 50'000; ++spin) {
      if (arrived_.load(std::memory_order_acquire) >= all) return;
      base::CpuRelax();
    }
    for (uint64_t now; (now = arrived_.load(std::memory_order_acquire)) < all;)
      arrived_.wait(now);
  }

 private:
  const uint64_t thread_count_;
  std::atomic<uint64_t> arrived_{0};
};

void CheckGet(const History& history,
              const Memtable& table,
              const std::string& key,
              SequenceNumber snapshot) {
  key::Entry entry;
  const bool found = table.Get(key, base::Hash64(key), snapshot, &entry);
  const SequenceNumber expected = history.NewestAt(key, snapshot);
  ASSERT_EQ(found, expected != 0) << key << " at " << snapshot;
  if (!found) return;
  ASSERT_EQ(entry.seq(), expected);
  ASSERT_EQ(entry.key, key);
  ASSERT_EQ(entry.value, History::ValueOf(expected));
  ASSERT_EQ(entry.expires_at, expected % 3);
}

// Every operation up to the snapshot exactly once, in order, whatever else is there.
void CheckScan(const History& history,
               const Memtable& table,
               SequenceNumber snapshot,
               bool forward) {
  const auto iterator = table.NewIterator();
  forward ? iterator->SeekToFirst() : iterator->SeekToLast();
  SequenceNumber seen = 0;
  std::string last_key;
  uint64_t last_trailer = 0;
  bool first = true;
  for (; iterator->Valid(); forward ? iterator->Next() : iterator->Prev()) {
    const SequenceNumber n = key::TrailerSequence(iterator->trailer());
    ASSERT_EQ(iterator->key(), history.key(n));
    ASSERT_EQ(iterator->value(), History::ValueOf(n));
    if (!first) {
      const int order =
          key::CompareEntries(last_key, last_trailer, iterator->key(), iterator->trailer());
      ASSERT_EQ(order < 0, forward);
      ASSERT_NE(order, 0);
    }
    first = false;
    last_key = iterator->key();
    last_trailer = iterator->trailer();
    if (n <= snapshot) ++seen;
  }
  ASSERT_EQ(seen, snapshot);
}

TEST(MemtableParallel, ReadersSeeExactlyThePublishedPrefix) {
  for (const uint64_t seed : {1U, 2U}) {
    SCOPED_TRACE(seed);
    const History history(seed, 5'000);
    const auto table = Make(size_t{8} << 20);
    Pipeline pipeline(history, table.get());
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < 2; ++t) {
      threads.emplace_back([&, t] {
        base::Random random(seed * 100 + t);
        while (pipeline.CommitOne(1 + random.Uniform(random.OneIn(4) ? 20 : 2))) {
        }
      });
    }
    for (uint64_t t = 0; t < 2; ++t) {
      threads.emplace_back([&, t] {
        base::Random random(seed * 100 + 50 + t);
        for (SequenceNumber snapshot = 0; snapshot < history.count();) {
          snapshot = pipeline.visible();
          ASSERT_NO_FATAL_FAILURE(CheckScan(history, *table, snapshot, t == 0));
          for (int i = 0; i < 300; ++i) {
            const std::string& key = history.key(1 + random.Uniform(history.count()));
            snapshot = pipeline.visible();
            if (random.OneIn(4)) snapshot = random.Uniform(snapshot + 1);
            ASSERT_NO_FATAL_FAILURE(CheckGet(history, *table, key, snapshot));
          }
          snapshot = pipeline.visible();
        }
      });
    }
    for (auto& thread : threads)
      thread.join();
    EXPECT_EQ(table->entry_count(), history.count());
    EXPECT_EQ(table->key_count(), history.distinct_keys());
    EXPECT_EQ(table->first_seq(), 1U);
    EXPECT_EQ(table->last_seq(), history.count());
    ASSERT_NO_FATAL_FAILURE(CheckScan(history, *table, history.count(), true));
    ASSERT_NO_FATAL_FAILURE(CheckScan(history, *table, history.count(), false));
  }
}

TEST(MemtableParallel, WritersOfOneNewKeyEndWithOneNode) {
  constexpr size_t kThreads = 2;
  constexpr SequenceNumber kRounds = 3000;
  // Tall nodes: linking them takes long, so the other writer often meets one that is half linked.
  std::vector<std::string> keys;
  for (uint64_t n = 0; keys.size() < kRounds; ++n) {
    std::string key = Hexadecimal(base::Mix64(n));
    if (Node::HeightFor(base::Hash64(key)) >= 6) keys.push_back(std::move(key));
  }
  const auto table = Make(size_t{8} << 20);
  const size_t charge = Memtable::ChargeFor(16, 8);
  ASSERT_TRUE(table->TryReserve(kThreads * kRounds * charge, kThreads * kRounds));
  Rendezvous rendezvous(kThreads);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      key::Entry found;
      for (uint64_t round = 0; round < kRounds; ++round) {
        const std::string& key = keys[round];
        const uint64_t hash = base::Hash64(key);
        const SequenceNumber seq = round * kThreads + (t + round) % kThreads + 1;
        rendezvous.Meet();
        table->Add({key, key::PackTrailer(seq, key::Kind::kPut), 0, "12345678"}, hash);
        // Whoever made the node, this thread's version is found at once.
        ASSERT_TRUE(table->Get(key, hash, seq, &found));
        ASSERT_EQ(found.seq(), seq);
        const auto iterator = table->NewIterator();
        iterator->Seek(key, key::PackTrailer(seq, key::Kind::kPut));
        ASSERT_TRUE(iterator->Valid());
        ASSERT_EQ(iterator->key(), key);
        ASSERT_EQ(key::TrailerSequence(iterator->trailer()), seq);
      }
    });
  }
  for (auto& thread : threads)
    thread.join();
  EXPECT_EQ(table->key_count(), kRounds);
  EXPECT_EQ(table->entry_count(), kRounds * kThreads);
  const auto iterator = table->NewIterator();
  iterator->SeekToFirst();
  for (uint64_t round = 0; round < kRounds; ++round) {
    const std::string key(iterator->key());
    SequenceNumber last = key::kMaxSequence;
    for (size_t i = 0; i < kThreads; ++i, iterator->Next()) {
      ASSERT_TRUE(iterator->Valid());
      ASSERT_EQ(iterator->key(), key);
      ASSERT_LT(key::TrailerSequence(iterator->trailer()), last);
      last = key::TrailerSequence(iterator->trailer());
    }
  }
  EXPECT_FALSE(iterator->Valid());
}

TEST(MemtableParallel, LearnsItsHeadsWhileOthersInsertAndSeek) {
  constexpr size_t kThreads = 2;
  constexpr uint64_t kKeysEach = 300;
  for (uint64_t life = 0; life < 20; ++life) {
    const auto table = Make(size_t{1} << 20);
    ASSERT_TRUE(
        table->TryReserve(kThreads * kKeysEach * Memtable::ChargeFor(20, 0), kThreads * kKeysEach));
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        const auto iterator = table->NewIterator();
        for (uint64_t i = 0; i < kKeysEach; ++i) {
          const uint64_t n = i * kThreads + t;
          const std::string key =
              "key:" + Decimal(base::Mix64(n + life * 1000) % 1'000'000'000, 16);
          table->Add({key, key::PackTrailer(n + 1, key::Kind::kPut), 0, {}}, base::Hash64(key));
          iterator->Seek(key, UINT64_MAX);
          ASSERT_TRUE(iterator->Valid());
          ASSERT_EQ(iterator->key(), key);
        }
      });
    }
    for (auto& thread : threads)
      thread.join();
    const auto iterator = table->NewIterator();
    std::string last;
    size_t count = 0;
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next(), ++count) {
      ASSERT_LT(last, iterator->key());
      last = iterator->key();
    }
    ASSERT_EQ(count, kThreads * kKeysEach);
  }
}

// Enough keys for full buckets of fingers; every third one counts upwards, into one crowded bucket.
TEST(MemtableParallel, FindsEachOfManyKeysFromEverySide) {
  constexpr size_t kThreads = 2;
  constexpr uint64_t kKeysEach = 20'000;
  const auto key_of = [](uint64_t n) {
    return "key:" + Decimal(n % 3 == 0 ? n : base::Mix64(n) % 10'000'000'000ULL, 12);
  };
  const auto table = Make(size_t{12} << 20);
  ASSERT_TRUE(
      table->TryReserve(kThreads * kKeysEach * Memtable::ChargeFor(16, 8), kThreads * kKeysEach));
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t n = t; n < kThreads * kKeysEach; n += kThreads) {
        const std::string key = key_of(n);
        table->Add({key, key::PackTrailer(n + 1, key::Kind::kPut), 0, "12345678"},
                   base::Hash64(key));
      }
    });
  }
  for (auto& thread : threads)
    thread.join();

  std::vector<std::string> keys;
  for (uint64_t n = 0; n < kThreads * kKeysEach; ++n)
    keys.push_back(key_of(n));
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  EXPECT_EQ(table->key_count(), keys.size());
  const auto scan = table->NewIterator();
  const auto seek = table->NewIterator();
  scan->SeekToFirst();
  for (size_t i = 0; i < keys.size(); ++i) {
    ASSERT_TRUE(scan->Valid());
    ASSERT_EQ(scan->key(), keys[i]);
    seek->Seek(keys[i], UINT64_MAX);
    ASSERT_TRUE(seek->Valid());
    ASSERT_EQ(seek->key(), keys[i]);
    seek->SeekBefore(keys[i], UINT64_MAX);
    ASSERT_EQ(seek->Valid(), i > 0);
    if (i > 0) {
      ASSERT_EQ(seek->key(), keys[i - 1]);
    }
    while (scan->Valid() && scan->key() == keys[i])
      scan->Next();
  }
  EXPECT_FALSE(scan->Valid());
}

}  // namespace
}  // namespace nokv::memtable
