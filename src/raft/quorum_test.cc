#include "raft/quorum.h"

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "raft/describe.h"

namespace nokv::raft {
namespace {

using Indexes = std::map<uint64_t, uint64_t>;

Index Committed(const IdSet& voters, const Indexes& indexes) {
  return MajorityCommitted(voters, [&](NodeId id) -> std::optional<Index> {
    const auto at = indexes.find(id.value());
    return at == indexes.end() ? std::nullopt : std::optional<Index>(Index(at->second));
  });
}

IdSet Ids(std::initializer_list<uint64_t> numbers) {
  IdSet ids;
  for (const uint64_t n : numbers) ids.Insert(NodeId(n));
  return ids;
}

struct CommitCase {
  const char* name;
  std::vector<uint64_t> voters;
  Indexes acked;
  uint64_t expected;
};

class MajorityCommit : public ::testing::TestWithParam<CommitCase> {};

TEST_P(MajorityCommit, IsTheIndexThatAMajorityReached) {
  IdSet voters;
  for (const uint64_t v : GetParam().voters) voters.Insert(NodeId(v));
  EXPECT_EQ(Committed(voters, GetParam().acked), Index(GetParam().expected));
}

INSTANTIATE_TEST_SUITE_P(
    Table, MajorityCommit,
    ::testing::Values(
        CommitCase{"NobodyCommitsEverything", {}, {}, UINT64_MAX},
        CommitCase{"OneAlone", {1}, {{1, 7}}, 7}, CommitCase{"OneUnheard", {1}, {}, 0},
        CommitCase{"TwoNeedBoth", {1, 2}, {{1, 5}, {2, 3}}, 3},
        CommitCase{"TwoWithOneUnheard", {1, 2}, {{1, 5}}, 0},
        CommitCase{"ThreeTakeTheMiddle", {1, 2, 3}, {{1, 9}, {2, 4}, {3, 6}}, 6},
        CommitCase{"ThreeWithOneUnheard", {1, 2, 3}, {{1, 9}, {2, 4}}, 4},
        CommitCase{"FourNeedThree", {1, 2, 3, 4}, {{1, 9}, {2, 8}, {3, 7}, {4, 6}}, 7},
        CommitCase{"FiveTakeTheThird", {1, 2, 3, 4, 5},
                   {{1, 9}, {2, 8}, {3, 7}, {4, 6}, {5, 5}}, 7},
        CommitCase{"StrangersDoNotCount", {1, 2, 3}, {{1, 9}, {7, 9}, {8, 9}}, 0},
        CommitCase{"EightBeyondTheUsual", {1, 2, 3, 4, 5, 6, 7, 8},
                   {{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 5}, {6, 6}, {7, 7}, {8, 8}}, 4}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(MajorityCommit, AgreesWithTheDefinitionOnRandomInput) {
  constexpr uint64_t kSeed = 20;
  base::Random random(kSeed);
  for (int round = 0; round < 3000; ++round) {
    IdSet voters;
    Indexes acked;
    const uint64_t n = 1 + random.Uniform(9);
    for (uint64_t id = 1; id <= n; ++id) {
      voters.Insert(NodeId(id));
      if (!random.OneIn(5)) acked[id] = random.Uniform(6);
    }
    Index slow;
    for (uint64_t index = 1; index < 6; ++index) {
      uint64_t reached = 0;
      for (const auto& [id, value] : acked) reached += value >= index ? 1 : 0;
      if (reached * 2 > n) slow = Index(index);
    }
    ASSERT_EQ(Committed(voters, acked), slow) << "seed " << kSeed << " round " << round;
  }
}

TEST(JointCommit, IsTheSmallerHalf) {
  const Indexes acked{{1, 10}, {2, 20}, {3, 30}, {4, 5}};
  const auto lookup = [&](NodeId id) { return std::optional<Index>(Index(acked.at(id.value()))); };
  EXPECT_EQ((JointConfig{Ids({1, 2, 3}), Ids({4})}.Committed(lookup)), Index(5));
  EXPECT_EQ((JointConfig{Ids({4}), Ids({1, 2, 3})}.Committed(lookup)), Index(5));
  EXPECT_EQ((JointConfig{Ids({1, 2, 3}), {}}.Committed(lookup)), Index(20));
}

struct VoteCase {
  const char* name;
  std::vector<uint64_t> voters;
  const char* votes;  // y, n or _ for each
  VoteResult expected;
};

class MajorityVoteTable : public ::testing::TestWithParam<VoteCase> {};

TEST_P(MajorityVoteTable, IsDecidedAsSoonAsItCanBe) {
  IdSet voters;
  for (const uint64_t v : GetParam().voters) voters.Insert(NodeId(v));
  const std::string votes = GetParam().votes;
  const VoteResult result = MajorityVote(voters, [&](NodeId id) -> std::optional<bool> {
    const char vote = votes[id.value() - 1];
    return vote == '_' ? std::nullopt : std::optional<bool>(vote == 'y');
  });
  EXPECT_EQ(result, GetParam().expected) << Name(result);
}

INSTANTIATE_TEST_SUITE_P(
    Table, MajorityVoteTable,
    ::testing::Values(VoteCase{"EmptyIsWon", {}, "", VoteResult::kWon},
                      VoteCase{"OneYes", {1}, "y", VoteResult::kWon},
                      VoteCase{"OneNo", {1}, "n", VoteResult::kLost},
                      VoteCase{"OneOpen", {1}, "_", VoteResult::kPending},
                      VoteCase{"TwoSplit", {1, 2}, "yn", VoteResult::kLost},
                      VoteCase{"TwoHalf", {1, 2}, "y_", VoteResult::kPending},
                      VoteCase{"ThreeEarlyWin", {1, 2, 3}, "yy_", VoteResult::kWon},
                      VoteCase{"ThreeEarlyLoss", {1, 2, 3}, "nn_", VoteResult::kLost},
                      VoteCase{"ThreeOpen", {1, 2, 3}, "yn_", VoteResult::kPending},
                      VoteCase{"FourTieIsLost", {1, 2, 3, 4}, "yynn", VoteResult::kLost},
                      VoteCase{"FourNeedThree", {1, 2, 3, 4}, "yy_n", VoteResult::kPending},
                      VoteCase{"FiveWin", {1, 2, 3, 4, 5}, "ynyny", VoteResult::kWon}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(JointVote, CombinesBothHalves) {
  using enum VoteResult;
  EXPECT_EQ(Combine(kWon, kWon), kWon);
  EXPECT_EQ(Combine(kWon, kPending), kPending);
  EXPECT_EQ(Combine(kWon, kLost), kLost);
  EXPECT_EQ(Combine(kPending, kPending), kPending);
  EXPECT_EQ(Combine(kPending, kLost), kLost);
  EXPECT_EQ(Combine(kLost, kLost), kLost);
}

TEST(IdSet, IsSortedAndFreeOfRepetitions) {
  IdSet ids = Ids({3, 1, 2, 3});
  EXPECT_EQ(Describe(ids), "(1 2 3)");
  ids.Erase(NodeId(2));
  ids.Erase(NodeId(9));
  EXPECT_EQ(Describe(ids), "(1 3)");
  EXPECT_TRUE(ids.Contains(NodeId(3)));
  EXPECT_FALSE(ids.Contains(NodeId(2)));
}

}  // namespace
}  // namespace nokv::raft
