#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "nokv/write_batch.h"

#include "base/random.h"
#include "key/batch.h"
#include "key/entry.h"
#include "key/family.h"
#include "key/range_tombstones.h"

namespace nokv::key {
namespace {

TEST(Family, PrefixesKeepTheOrderOfIds) {
  const FamilyId ids[] = {0, 1, 2, 3, 0xef, 0xf0, 0xf1, 0x100, 0xffff, 0x10000, UINT32_MAX};
  std::string before;
  for (const FamilyId id : ids) {
    const std::string low = EngineKey(id, "");
    const std::string high = EngineKey(id, std::string(64, '\xff'));
    EXPECT_LT(before, low);
    EXPECT_LE(FamilyBegin(id), low);
    EXPECT_LT(high, FamilyEnd(id));
    FamilyId parsed;
    Slice user_key;
    ASSERT_TRUE(ParseEngineKey(high, &parsed, &user_key));
    EXPECT_EQ(parsed, id);
    EXPECT_EQ(user_key, std::string(64, '\xff'));
    before = high;
  }
}

TEST(Family, RefusesWhatIsNotAnEngineKey) {
  FamilyId id;
  Slice user_key;
  EXPECT_FALSE(ParseEngineKey("", &id, &user_key));
  EXPECT_FALSE(ParseEngineKey("\xf0\x01", &id, &user_key));
  EXPECT_FALSE(ParseEngineKey("\xff", &id, &user_key));
}

TEST(KeyHead, UnequalHeadsDecideTheOrder) {
  base::Random random(7);
  for (int i = 0; i < 10'000; ++i) {
    std::string a(random.Uniform(12), '\0');
    std::string b(random.Uniform(12), '\0');
    for (char& c : a) c = static_cast<char>(random.Uniform(3));
    for (char& c : b) c = static_cast<char>(random.Uniform(3));
    const uint64_t head_a = KeyHead(a);
    const uint64_t head_b = KeyHead(b);
    if (head_a != head_b) {
      EXPECT_EQ(head_a < head_b, a < b);
    }
  }
}

TEST(Entry, NewerVersionsComeFirst) {
  EXPECT_LT(CompareEntries("a", PackTrailer(2, Kind::kPut), "a", PackTrailer(1, Kind::kPut)), 0);
  EXPECT_LT(CompareEntries("a", 0, "b", UINT64_MAX), 0);
  EXPECT_EQ(CompareEntries("a", 5, "a", 5), 0);
}

TEST(Batch, ReadsBackWhatWasAdded) {
  WriteBatch batch;
  batch.Put("k", "");
  const ColumnFamily family("f", 300);
  batch.PutExpiring(&family, "ttl", "v", 99);
  batch.Delete("k");
  batch.DeleteRange(&family, "a", "z");
  batch.DeleteRange(&family, "z", "a");
  EXPECT_EQ(batch.count(), 4U);

  BatchReader reader(batch.rep());
  Entry entry;
  ASSERT_TRUE(reader.Next(&entry));
  EXPECT_EQ(entry.kind(), Kind::kPut);
  EXPECT_EQ(entry.key, EngineKey(0, "k"));
  EXPECT_EQ(entry.value, "");
  ASSERT_TRUE(reader.Next(&entry));
  EXPECT_EQ(entry.key, EngineKey(300, "ttl"));
  EXPECT_EQ(entry.expires_at, 99U);
  ASSERT_TRUE(reader.Next(&entry));
  EXPECT_EQ(entry.kind(), Kind::kDelete);
  ASSERT_TRUE(reader.Next(&entry));
  EXPECT_EQ(entry.kind(), Kind::kRangeDelete);
  EXPECT_EQ(entry.value, EngineKey(300, "z"));
  EXPECT_FALSE(reader.Next(&entry));
  EXPECT_TRUE(reader.status().ok());
}

TEST(Batch, DamageIsCorruptionAndNeverAReadBeyondTheEnd) {
  WriteBatch batch;
  batch.Put("key", "value");
  batch.PutExpiring(nullptr, "ttl", "value", 1);
  for (size_t cut = 1; cut < batch.rep().size(); ++cut) {
    uint64_t count;
    const Status status = ValidateBatch(Slice(batch.rep()).substr(0, cut), &count);
    EXPECT_TRUE(status.IsCorruption() || count == 1) << cut;
  }
  uint64_t count;
  EXPECT_TRUE(ValidateBatch("\x7fjunk", &count).IsCorruption());
}

TEST(RangeTombstones, AnswersLikeTheListItWasBuiltFrom) {
  constexpr uint64_t kSeed = 20261121;
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  base::Random random(kSeed);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> names;
    for (char c = 'a'; c <= 'p'; ++c) names.emplace_back(1, c);
    std::vector<RangeTombstone> list;
    const uint64_t count = random.Uniform(12);
    for (uint64_t i = 0; i < count; ++i) {
      list.push_back({names[random.Uniform(names.size())], names[random.Uniform(names.size())],
                      1 + random.Uniform(20)});
    }
    const RangeTombstones set = RangeTombstones::Build(list);
    const RangeTombstones again = RangeTombstones::Build(set.ToList());
    for (const std::string& name : names) {
      for (SequenceNumber snapshot = 0; snapshot <= 21; ++snapshot) {
        SequenceNumber expected = 0;
        for (const RangeTombstone& t : list) {
          if (t.begin <= name && name < t.end && t.seq <= snapshot) expected = std::max(expected, t.seq);
        }
        ASSERT_EQ(set.NewestCovering(name, snapshot), expected);
        ASSERT_EQ(again.NewestCovering(name, snapshot), expected);
      }
    }
    for (size_t i = 0; i < set.size(); ++i) {
      ASSERT_LT(set.fragment(i).begin, set.fragment(i).end);
      if (i > 0) {
        ASSERT_LE(set.fragment(i - 1).end, set.fragment(i).begin);
      }
    }
  }
}

}  // namespace
}  // namespace nokv::key
