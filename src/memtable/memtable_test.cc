#include "memtable/memtable.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/random.h"
#include "memtable/test_keys.h"

namespace nokv::memtable {
namespace {

using key::Kind;
using key::SequenceNumber;

std::unique_ptr<Memtable> Make(const MemtableOptions& options) {
  Result<std::unique_ptr<Memtable>> made = Memtable::Create(7, options);
  EXPECT_TRUE(made.ok()) << made.status().ToString();
  return std::move(made).value();
}
std::unique_ptr<Memtable> MakeSmall() {
  return Make({.capacity_bytes = size_t{4} << 20});
}

bool TryAdd(Memtable* table,
            SequenceNumber seq,
            Slice key,
            Slice value,
            Kind kind = Kind::kPut,
            uint64_t expires_at = 0) {
  if (!table->TryReserve(Memtable::ChargeFor(key.size(), value.size()), 1)) return false;
  table->Add({key, key::PackTrailer(seq, kind), expires_at, value}, base::Hash64(key));
  return true;
}

std::optional<key::Entry> Get(const Memtable& table, Slice key, SequenceNumber snapshot) {
  key::Entry entry;
  if (!table.Get(key, base::Hash64(key), snapshot, &entry)) return std::nullopt;
  EXPECT_EQ(entry.key, key);
  return entry;
}

TEST(Memtable, ReturnsTheNewestVersionAtOrBelowTheSnapshot) {
  const auto table = MakeSmall();
  EXPECT_TRUE(table->empty());
  EXPECT_EQ(table->id(), 7U);
  ASSERT_TRUE(TryAdd(table.get(), 10, "k", "ten"));
  ASSERT_TRUE(TryAdd(table.get(), 20, "k", "", Kind::kDelete));
  ASSERT_TRUE(TryAdd(table.get(), 30, "k", "thirty", Kind::kPut, 12345));
  EXPECT_FALSE(Get(*table, "k", 9));
  EXPECT_EQ(Get(*table, "k", 10)->value, "ten");
  EXPECT_EQ(Get(*table, "k", 19)->expires_at, 0U);
  EXPECT_EQ(Get(*table, "k", 29)->kind(), Kind::kDelete);
  EXPECT_EQ(Get(*table, "k", key::kMaxSequence)->value, "thirty");
  EXPECT_EQ(Get(*table, "k", 30)->expires_at, 12345U);
  EXPECT_EQ(Get(*table, "k", 30)->seq(), 30U);
  EXPECT_FALSE(Get(*table, "kk", 30));
  EXPECT_EQ(table->entry_count(), 3U);
  EXPECT_EQ(table->key_count(), 1U);
  EXPECT_EQ(table->first_seq(), 10U);
  EXPECT_EQ(table->last_seq(), 30U);
  EXPECT_FALSE(table->empty());
}

TEST(Memtable, SortsVersionsThatArriveOutOfOrder) {
  base::Random random(3);
  const auto table = MakeSmall();
  std::vector<SequenceNumber> seqs;
  for (SequenceNumber seq = 1; seq <= 2000; ++seq)
    seqs.push_back(seq);
  for (size_t i = seqs.size(); i > 1; --i)
    std::swap(seqs[i - 1], seqs[random.Uniform(i)]);
  for (const SequenceNumber seq : seqs)
    ASSERT_TRUE(TryAdd(table.get(), seq, "hot", std::to_string(seq)));
  EXPECT_EQ(table->key_count(), 1U);
  for (SequenceNumber seq = 1; seq <= 2000; ++seq) {
    ASSERT_EQ(Get(*table, "hot", seq)->value, std::to_string(seq));
  }
  SequenceNumber expected = 2000;
  const auto iterator = table->NewIterator();
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
    ASSERT_EQ(key::TrailerSequence(iterator->trailer()), expected--);
  }
  EXPECT_EQ(expected, 0U);
}

TEST(Memtable, ReadsAnOldSnapshotOfAHotKey) {
  const auto table = Make({.capacity_bytes = size_t{16} << 20});
  constexpr SequenceNumber kLast = 100'000;
  for (SequenceNumber seq = 1; seq <= kLast; ++seq)
    ASSERT_TRUE(TryAdd(table.get(), seq, "hot", "v"));
  for (SequenceNumber seq = 1; seq <= kLast; seq += 777)
    ASSERT_EQ(Get(*table, "hot", seq)->seq(), seq);
  EXPECT_FALSE(Get(*table, "hot", 0));
  const auto iterator = table->NewIterator();
  iterator->SeekBefore("hot", key::PackTrailer(500, Kind::kPut));
  ASSERT_TRUE(iterator->Valid());
  EXPECT_EQ(key::TrailerSequence(iterator->trailer()), 501U);
  size_t newer = 0;
  for (; iterator->Valid(); iterator->Prev())
    ++newer;
  EXPECT_EQ(newer, kLast - 500);
}

TEST(Memtable, KeepsKeysAndValuesOfAllSizes) {
  const auto table = Make({.capacity_bytes = size_t{64} << 20});
  SequenceNumber seq = 0;
  std::vector<std::pair<std::string, std::string>> all;
  for (const size_t key_bytes : {1U, 2U, 7U, 8U, 9U, 100U, 4096U, 65536U, 65541U}) {
    for (const size_t value_bytes : {0U, 1U, 7U, 8U, 4096U, 65536U, 5U << 20}) {
      if (value_bytes > 65536 && key_bytes != 9) continue;
      const std::string key(key_bytes, static_cast<char>('a' + all.size()));
      all.emplace_back(key, std::string(value_bytes, static_cast<char>(++seq)));
      ASSERT_TRUE(TryAdd(table.get(), seq, key, all.back().second, Kind::kPut, seq % 2));
    }
  }
  for (size_t i = 0; i < all.size(); ++i) {
    const std::optional<key::Entry> entry = Get(*table, all[i].first, key::kMaxSequence);
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->value, all[i].second);
    EXPECT_EQ(entry->expires_at, (i + 1) % 2);
  }
}

// It only warms caches: it must go by every kind of hash, and change nothing.
TEST(Memtable, PrefetchesWhatIsThereAndWhatIsNot) {
  const auto table = MakeSmall();
  std::vector<uint64_t> hashes;
  table->Prefetch(hashes);
  for (SequenceNumber seq = 1; seq <= 1000; ++seq) {
    const std::string key = "key" + std::to_string(seq / 2);
    ASSERT_TRUE(TryAdd(table.get(), seq, key, std::to_string(seq)));
    hashes.push_back(base::Hash64(key));
    hashes.push_back(base::Hash64("absent" + key));
    if (seq % 100 == 1) table->Prefetch(hashes);
  }
  EXPECT_EQ(Get(*table, "key7", key::kMaxSequence)->value, "15");
  EXPECT_EQ(table->entry_count(), 1000U);
}

TEST(Memtable, RefusesACapacityOutOfBounds) {
  const size_t bad[] = {0, Memtable::kCapacityBytesMin - 1, Memtable::kCapacityBytesMax + 1};
  for (const size_t capacity : bad) {
    const Status status = Memtable::Create(1, {.capacity_bytes = capacity}).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find(std::to_string(capacity)), Slice::npos);
  }
}

TEST(Memtable, AcceptsAsItsFirstReservationWhatCapacityForSays) {
  base::Random random(9);
  for (int i = 0; i < 300; ++i) {
    const size_t entries = 1 + random.Uniform(size_t{1} << random.Uniform(14));
    const size_t bytes =
        entries * Memtable::ChargeFor(1 + random.Uniform(100),
                                      random.Uniform(size_t{1} << random.Uniform(12)));
    const size_t capacity = Memtable::CapacityFor(bytes, entries);
    EXPECT_LE(capacity, 20 * 4096 + bytes * 2 + entries * 120);
    const auto table = Make({.capacity_bytes = capacity, .resident_bytes = 0});
    ASSERT_TRUE(table->TryReserve(bytes, entries)) << bytes << " " << entries;
  }
}

TEST(Memtable, IsFullBeforeItsDirectoryGetsCrowded) {
  const auto table = Make({.capacity_bytes = size_t{1} << 20});
  SequenceNumber seq = 0;
  // The smallest entries there are: the directory fills first.
  while (TryAdd(table.get(), seq + 1, Hexadecimal(seq).substr(10), ""))
    ++seq;
  EXPECT_GT(table->key_count(), (size_t{1} << 20) / 10 / 8 / 2);
  EXPECT_EQ(table->key_count(), Directory::KeysMax((size_t{1} << 20) / 10 / 64 * 8));
  EXPECT_LT(table->fill(), 0.95);
  for (SequenceNumber s = 1; s <= seq; ++s)
    ASSERT_TRUE(Get(*table, Hexadecimal(s - 1).substr(10), s));
  EXPECT_FALSE(Get(*table, "absent", seq));
}

TEST(Memtable, UpdatesGiveBackWhatTheyDoNotNeed) {
  const auto table = Make({.capacity_bytes = size_t{1} << 20});
  SequenceNumber seq = 0;
  while (TryAdd(table.get(), seq + 1, "counter", "12345678"))
    ++seq;
  // Far more versions than the directory has slots, and no room wasted for towers.
  EXPECT_GT(seq, (size_t{1} << 20) * 8 / 10 / base::Arena::BlockBytes(sizeof(Version) + 8));
  EXPECT_GT(table->fill(), 0.99);
  EXPECT_EQ(table->entry_count(), seq);
  EXPECT_EQ(table->key_count(), 1U);
}

TEST(Memtable, ReservationsThatDoNotFitClaimNothing) {
  const auto table = Make({.capacity_bytes = Memtable::kCapacityBytesMin});
  EXPECT_FALSE(table->TryReserve(Memtable::kCapacityBytesMin, 1));
  EXPECT_FALSE(table->TryReserve(64, 1000));
  EXPECT_TRUE(table->TryReserve(Memtable::kCapacityBytesMin * 8 / 10 / 8 * 8, 100));
  EXPECT_FALSE(table->TryReserve(Memtable::kCapacityBytesMin / 8, 1));
}

TEST(Memtable, TouchesNothingOutsideItsCapacity) {
  constexpr uint64_t kSeed = 4;
  SCOPED_TRACE(kSeed);
  base::Random random(kSeed);
  base::PagePool pool;
  // The region is of the size class above the capacity; what lies between is the canary.
  constexpr size_t kClass = size_t{128} << 10;
  for (int round = 0; round < 40; ++round) {
    const size_t capacity = kClass - 8 * random.Uniform(size_t{60} << 7);
    char* data;
    {
      Result<base::PageRegion> region = pool.Acquire(kClass);
      ASSERT_TRUE(region.ok());
      data = region->data();
      std::memset(data, 0xee, kClass);
    }
    {
      const auto table = Make({.capacity_bytes = capacity, .pages = &pool});
      SequenceNumber seq = 0;
      for (int refused = 0; refused < 10;) {
        const std::string key =
            std::string(1 + random.Uniform(50), 'k') + std::to_string(random.Uniform(400));
        const std::string value(random.Uniform(size_t{1} << random.Uniform(10)), 'v');
        if (TryAdd(table.get(), seq + 1, key, value, Kind::kPut, random.Uniform(2))) {
          ++seq;
        } else {
          ++refused;
        }
      }
      EXPECT_GT(table->fill(), 0.8);
    }
    Result<base::PageRegion> region = pool.Acquire(kClass);
    ASSERT_TRUE(region.ok());
    ASSERT_EQ(region->data(), data);
    for (size_t at = capacity; at < kClass; ++at)
      ASSERT_EQ(data[at], '\xee') << at;
  }
}

TEST(Memtable, StartsEmptyOnARecycledRegion) {
  base::PagePool pool;
  for (int life = 0; life < 3; ++life) {
    const auto table = Make({.capacity_bytes = size_t{1} << 20, .pages = &pool});
    EXPECT_TRUE(table->empty());
    for (uint64_t n = 0; n < 1000; ++n)
      ASSERT_FALSE(Get(*table, Decimal(n, 8), key::kMaxSequence));
    const auto iterator = table->NewIterator();
    iterator->SeekToFirst();
    EXPECT_FALSE(iterator->Valid());
    iterator->SeekToLast();
    EXPECT_FALSE(iterator->Valid());
    iterator->Seek("a", UINT64_MAX);
    EXPECT_FALSE(iterator->Valid());
    iterator->SeekBefore("a", 0);
    EXPECT_FALSE(iterator->Valid());
    for (uint64_t n = 0; n < 1000; ++n)
      ASSERT_TRUE(TryAdd(table.get(), n + 1, Decimal(n, 8), "v"));
  }
  EXPECT_EQ(pool.stats().mapped_count, 1U);
  EXPECT_EQ(pool.stats().recycled_count, 2U);
}

TEST(Memtable, HidesNothingItselfButSaysWhichTombstoneCovers) {
  const auto table = MakeSmall();
  ASSERT_TRUE(TryAdd(table.get(), 1, "b", "v"));
  EXPECT_EQ(table->NewestCovering("b", 10), 0U);
  const auto before = table->FragmentedTombstones();
  table->AddRangeTombstone("a", "c", 5);
  table->AddRangeTombstone("b", "d", 7);
  EXPECT_EQ(table->NewestCovering("b", 10), 7U);
  EXPECT_EQ(table->NewestCovering("b", 6), 5U);
  EXPECT_EQ(table->NewestCovering("b", 4), 0U);
  EXPECT_EQ(table->NewestCovering("d", 10), 0U);
  EXPECT_TRUE(before->empty());
  EXPECT_EQ(table->FragmentedTombstones()->NewestCovering("c", 10), 7U);
  EXPECT_EQ(table->FragmentedTombstones(), table->FragmentedTombstones());
  EXPECT_EQ(table->range_tombstones().size(), 2U);
  EXPECT_EQ(table->tombstone_count(), 2U);
  EXPECT_EQ(table->last_seq(), 7U);
  EXPECT_TRUE(Get(*table, "b", 10));
}

TEST(Memtable, CountsAsFullWithThousandsOfTombstones) {
  const auto table = MakeSmall();
  for (SequenceNumber seq = 1; seq <= 5000; ++seq) {
    const bool room = table->TryReserve(0, 0);
    table->AddRangeTombstone("a", "b", seq);
    if (!room) return;
  }
  FAIL() << "never full";
}

// The memtable against a sorted map. Sequence numbers arrive slightly out of order, as from several
// writers.
class Model {
 public:
  Model(const KeyShape& shape, uint64_t seed) : shape_(shape), random_(seed), table_(MakeSmall()) {}

  void AddSome(int count) {
    std::vector<SequenceNumber> seqs;
    for (int i = 0; i < count; ++i)
      seqs.push_back(++last_);
    for (size_t i = 1; i < seqs.size(); ++i) {
      if (random_.OneIn(3))
        std::swap(seqs[i], seqs[i - 1 - random_.Uniform(std::min<size_t>(i, 4))]);
    }
    for (const SequenceNumber seq : seqs)
      AddOne(seq);
  }

  void CheckGets(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string key = AnyKey();
      const SequenceNumber snapshot =
          random_.OneIn(4) ? key::kMaxSequence : random_.Uniform(last_ + 1);
      const auto found = entries_.lower_bound({key, ~(snapshot << 8 | 0xff)});
      const std::optional<key::Entry> entry = Get(*table_, key, snapshot);
      if (found == entries_.end() || found->first.first != key) {
        ASSERT_FALSE(entry);
      } else {
        ASSERT_TRUE(entry);
        ASSERT_EQ(~entry->trailer, found->first.second);
        ASSERT_EQ(entry->value, found->second.value);
        ASSERT_EQ(entry->expires_at, found->second.expires_at);
      }
    }
  }

  void CheckWholeScans() {
    const auto iterator = table_->NewIterator();
    iterator->SeekToFirst();
    for (auto at = entries_.begin(); at != entries_.end(); ++at, iterator->Next()) {
      ASSERT_NO_FATAL_FAILURE(ExpectAt(*iterator, at));
    }
    ASSERT_FALSE(iterator->Valid());
    iterator->SeekToLast();
    for (auto at = entries_.end(); at != entries_.begin(); iterator->Prev()) {
      ASSERT_NO_FATAL_FAILURE(ExpectAt(*iterator, --at));
    }
    ASSERT_FALSE(iterator->Valid());
    ASSERT_EQ(table_->entry_count(), entries_.size());
  }

  // Seeks, then walks to and fro.
  void CheckWalks(int count) {
    const auto iterator = table_->NewIterator();
    for (int i = 0; i < count; ++i) {
      const std::string key = AnyKey();
      const uint64_t trailer = random_.OneIn(3) ? UINT64_MAX
                               : random_.OneIn(3)
                                   ? 0
                                   : key::PackTrailer(random_.Uniform(last_ + 2), Kind::kPut);
      auto at = entries_.lower_bound({key, ~trailer});
      if (random_.OneIn(2)) {
        iterator->Seek(key, trailer);
      } else {
        iterator->SeekBefore(key, trailer);
        at = at == entries_.begin() ? entries_.end() : std::prev(at);
      }
      const bool mostly_back = random_.OneIn(2);
      for (uint64_t step = random_.Uniform(60); step > 0 && at != entries_.end(); --step) {
        ASSERT_NO_FATAL_FAILURE(ExpectAt(*iterator, at));
        if (random_.OneIn(8) != mostly_back) {
          iterator->Prev();
          at = at == entries_.begin() ? entries_.end() : std::prev(at);
        } else {
          iterator->Next();
          ++at;
        }
      }
      ASSERT_NO_FATAL_FAILURE(ExpectAt(*iterator, at));
    }
  }

 private:
  struct Value {
    std::string value;
    uint64_t expires_at;
  };
  // The trailer inverted, so that newer stands before older.
  using Entries = std::map<std::pair<std::string, uint64_t>, Value>;

  std::string AnyKey() {
    std::string key = shape_.make(&random_);
    if (random_.OneIn(5)) key[random_.Uniform(key.size())] = static_cast<char>(random_.Next());
    if (random_.OneIn(9)) key.push_back('\0');
    return key;
  }

  void AddOne(SequenceNumber seq) {
    const std::string key = random_.OneIn(20) ? AnyKey() : shape_.make(&random_);
    const Kind kind = random_.OneIn(5) ? Kind::kDelete : Kind::kPut;
    const std::string value(kind == Kind::kPut ? random_.Uniform(40) : 0, static_cast<char>(seq));
    const uint64_t expires_at = random_.OneIn(4) ? random_.Next() : 0;
    ASSERT_TRUE(TryAdd(table_.get(), seq, key, value, kind, expires_at));
    entries_[{key, ~key::PackTrailer(seq, kind)}] = {value, expires_at};
  }

  void ExpectAt(const key::EntryIterator& iterator, Entries::const_iterator at) {
    ASSERT_EQ(iterator.Valid(), at != entries_.end());
    ASSERT_TRUE(iterator.status().ok());
    if (at == entries_.end()) return;
    ASSERT_EQ(iterator.key(), at->first.first);
    ASSERT_EQ(~iterator.trailer(), at->first.second);
    ASSERT_EQ(iterator.value(), at->second.value);
    ASSERT_EQ(iterator.expires_at(), at->second.expires_at);
  }

  const KeyShape& shape_;
  base::Random random_;
  const std::unique_ptr<Memtable> table_;
  Entries entries_;
  SequenceNumber last_ = 0;
};

TEST(MemtableModel, BehavesLikeASortedMap) {
  uint64_t seed = 42;
  for (const KeyShape& shape : KeyShapes()) {
    SCOPED_TRACE(std::string(shape.name) + ", seed " + std::to_string(++seed));
    Model model(shape, seed);
    for (const int count : {1, 10, 200, 100, 1500, 2000}) {
      ASSERT_NO_FATAL_FAILURE(model.AddSome(count));
      ASSERT_NO_FATAL_FAILURE(model.CheckGets(500));
      ASSERT_NO_FATAL_FAILURE(model.CheckWholeScans());
      ASSERT_NO_FATAL_FAILURE(model.CheckWalks(100));
    }
  }
}

}  // namespace
}  // namespace nokv::memtable
