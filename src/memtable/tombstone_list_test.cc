#include "memtable/tombstone_list.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"

namespace nokv::memtable {
namespace {

std::string Name(uint64_t n) {
  return std::string(1, static_cast<char>('a' + n));
}

TEST(TombstoneList, AnswersLikeAPlainListAfterEveryAdd) {
  constexpr uint64_t kSeed = 5;
  SCOPED_TRACE(kSeed);
  base::Random random(kSeed);
  TombstoneList list;
  EXPECT_TRUE(list.empty());
  EXPECT_TRUE(list.Fragments()->empty());
  struct Plain {
    std::string begin;
    std::string end;
    key::SequenceNumber seq;
  };
  std::vector<Plain> plain;
  for (key::SequenceNumber seq = 1; seq <= 150; ++seq) {
    plain.push_back({Name(random.Uniform(20)), Name(random.Uniform(20)), seq});
    list.Add(plain.back().begin, plain.back().end, seq);
    const auto fragments = list.Fragments();
    EXPECT_EQ(fragments, list.Fragments());
    for (int i = 0; i < 30; ++i) {
      const std::string key = Name(random.Uniform(20));
      const key::SequenceNumber snapshot = random.Uniform(seq + 2);
      key::SequenceNumber expected = 0;
      for (const Plain& p : plain) {
        if (p.begin <= key && key < p.end && p.seq <= snapshot)
          expected = std::max(expected, p.seq);
      }
      ASSERT_EQ(list.NewestCovering(key, snapshot), expected);
      ASSERT_EQ(fragments->NewestCovering(key, snapshot), expected);
    }
  }
  const std::vector<key::RangeTombstone> all = list.All();
  ASSERT_EQ(all.size(), plain.size());
  EXPECT_EQ(list.count(), plain.size());
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].begin, plain[i].begin);
    EXPECT_EQ(all[i].end, plain[i].end);
    EXPECT_EQ(all[i].seq, plain[i].seq);
  }
}

TEST(TombstoneList, ReadersNeverMissWhatWasAddedBeforeTheirSnapshot) {
  TombstoneList list;
  constexpr key::SequenceNumber kLast = 400;
  std::atomic<key::SequenceNumber> visible{0};
  std::thread reader([&] {
    for (key::SequenceNumber seen = 0; seen < kLast;) {
      seen = visible.load(std::memory_order_acquire);
      // Tombstone n covers [n % 16, n % 16 + 1).
      for (uint64_t n = 0; n < 16; ++n) {
        const key::SequenceNumber newest = seen < n ? 0 : seen - (seen - n) % 16;
        ASSERT_EQ(list.NewestCovering(Name(n), seen), newest);
      }
      ASSERT_GE(list.Fragments()->ToList().size(), seen);
    }
  });
  for (key::SequenceNumber seq = 1; seq <= kLast; ++seq) {
    list.Add(Name(seq % 16), Name(seq % 16 + 1), seq);
    visible.store(seq, std::memory_order_release);
  }
  reader.join();
}

}  // namespace
}  // namespace nokv::memtable
