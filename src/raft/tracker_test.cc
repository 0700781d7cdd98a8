#include "raft/tracker.h"

#include <gtest/gtest.h>

#include "raft/describe.h"

namespace nokv::raft {
namespace {

TEST(Inflights, IsFullAtItsCount) {
  Inflights inflights({3, kNoLimit});
  for (uint64_t i = 1; i <= 3; ++i) {
    EXPECT_FALSE(inflights.Full());
    inflights.Add(Index(i), 100);
  }
  EXPECT_TRUE(inflights.Full());
  EXPECT_EQ(inflights.bytes(), 300U);
}

TEST(Inflights, IsFullAtItsBytesAndLetsTheLastMessageThrough) {
  Inflights inflights({100, 10});
  inflights.Add(Index(1), 9);
  EXPECT_FALSE(inflights.Full());
  inflights.Add(Index(2), 50);
  EXPECT_TRUE(inflights.Full());
  inflights.FreeUpTo(Index(2));
  EXPECT_FALSE(inflights.Full());
  EXPECT_EQ(inflights.bytes(), 0U);
}

TEST(Inflights, FreesUpToAnIndexAndNoFurther) {
  Inflights inflights({10, kNoLimit});
  for (uint64_t i = 0; i < 10; ++i) inflights.Add(Index(10 * i + 10), i);
  inflights.FreeUpTo(Index(9));
  EXPECT_EQ(inflights.count(), 10U);
  inflights.FreeUpTo(Index(35));
  EXPECT_EQ(inflights.count(), 7U);
  inflights.FreeUpTo(Index(100));
  EXPECT_EQ(inflights.count(), 0U);
}

TEST(Inflights, GoesRoundItsRing) {
  Inflights inflights({4, kNoLimit});
  for (uint64_t i = 1; i <= 100; ++i) {
    inflights.Add(Index(i), 1);
    if (i >= 3) inflights.FreeUpTo(Index(i - 2));
  }
  EXPECT_EQ(inflights.count(), 2U);
  EXPECT_EQ(inflights.bytes(), 2U);
}

TEST(Inflights, ForgetsEverythingOnReset) {
  Inflights inflights({2, 5});
  inflights.Add(Index(1), 5);
  EXPECT_TRUE(inflights.Full());
  inflights.Reset();
  EXPECT_FALSE(inflights.Full());
  EXPECT_EQ(inflights.count(), 0U);
}

TEST(InflightsDeathTest, AddingToAFullWindowIsMisuse) {
  Inflights inflights({1, kNoLimit});
  inflights.Add(Index(1), 1);
  EXPECT_DEATH(inflights.Add(Index(2), 1), "check failed");
}

Progress Make(ProgressState state, uint64_t match, uint64_t next) {
  Progress p(NodeId(1), {256, kNoLimit});
  p.state = state;
  p.match = Index(match);
  p.next = Index(next);
  return p;
}

TEST(Progress, PrintsWhatMatters) {
  Progress p = Make(ProgressState::kSnapshot, 1, 2);
  p.pending_snapshot = Index(123);
  p.flow_paused = true;
  p.is_learner = true;
  p.inflights.Add(Index(124), 0);
  EXPECT_EQ(Describe(p),
            "StateSnapshot match=1 next=2 learner paused pendingSnap=123 inactive inflight=1");
}

TEST(Progress, SaysThatItsWindowIsFull) {
  Progress p(NodeId(1), {1, kNoLimit});
  p.recent_active = true;
  p.state = ProgressState::kReplicate;
  p.inflights.Add(Index(1), 0);
  EXPECT_EQ(Describe(p), "StateReplicate match=0 next=1 inflight=1[full]");
}

TEST(Progress, IsPausedByStateAndFlow) {
  EXPECT_FALSE(Make(ProgressState::kProbe, 0, 1).Paused());
  EXPECT_FALSE(Make(ProgressState::kReplicate, 0, 1).Paused());
  EXPECT_TRUE(Make(ProgressState::kSnapshot, 0, 1).Paused());
  Progress p = Make(ProgressState::kProbe, 0, 1);
  p.flow_paused = true;
  EXPECT_TRUE(p.Paused());
  p.state = ProgressState::kReplicate;
  EXPECT_TRUE(p.Paused());
}

TEST(Progress, AnUpdateResumesTheFlow) {
  Progress p = Make(ProgressState::kProbe, 2, 3);
  p.flow_paused = true;
  EXPECT_TRUE(p.MaybeUpdate(Index(4)));
  EXPECT_FALSE(p.Paused());
  EXPECT_EQ(p.match, Index(4));
  EXPECT_EQ(p.next, Index(5));
}

TEST(Progress, AnOldUpdateChangesNothing) {
  Progress p = Make(ProgressState::kReplicate, 3, 5);
  EXPECT_FALSE(p.MaybeUpdate(Index(2)));
  EXPECT_FALSE(p.MaybeUpdate(Index(3)));
  EXPECT_EQ(p.next, Index(5));
  EXPECT_TRUE(p.MaybeUpdate(Index(4)));
  EXPECT_EQ(p.next, Index(5));
}

TEST(Progress, ProbesFromMatch) {
  Progress p = Make(ProgressState::kReplicate, 1, 5);
  p.inflights.Add(Index(4), 1);
  p.BecomeProbe();
  EXPECT_EQ(p.next, Index(2));
  EXPECT_EQ(p.inflights.count(), 0U);
}

TEST(Progress, ProbesBehindASnapshotThatArrived) {
  Progress p = Make(ProgressState::kProbe, 1, 5);
  p.BecomeSnapshot(Index(10));
  EXPECT_EQ(p.next, Index(11));
  p.BecomeProbe();
  EXPECT_EQ(p.next, Index(11));
  EXPECT_EQ(p.pending_snapshot, Index());
}

TEST(Progress, ProbesFromMatchWhenTheSnapshotFailed) {
  Progress p = Make(ProgressState::kProbe, 1, 5);
  p.BecomeSnapshot(Index(10));
  p.pending_snapshot = Index();
  p.BecomeProbe();
  EXPECT_EQ(p.next, Index(2));
}

TEST(Progress, ReplicatesFromMatch) {
  Progress p = Make(ProgressState::kProbe, 1, 5);
  p.BecomeReplicate();
  EXPECT_EQ(p.state, ProgressState::kReplicate);
  EXPECT_EQ(p.next, Index(2));
}

struct DecreaseCase {
  const char* name;
  ProgressState state;
  uint64_t match, next, rejected, hint;
  bool expected;
  uint64_t next_after;
};
class ProgressDecrease : public ::testing::TestWithParam<DecreaseCase> {};
TEST_P(ProgressDecrease, FollowsFreshRefusalsOnly) {
  const DecreaseCase& c = GetParam();
  Progress p = Make(c.state, c.match, c.next);
  EXPECT_EQ(p.MaybeDecrease(Index(c.rejected), Index(c.hint)), c.expected);
  EXPECT_EQ(p.next, Index(c.next_after));
  EXPECT_LT(p.match, p.next);
}
INSTANTIATE_TEST_SUITE_P(
    Table, ProgressDecrease,
    ::testing::Values(
        DecreaseCase{"ReplicateOlderThanMatch", ProgressState::kReplicate, 5, 10, 4, 4, false, 10},
        DecreaseCase{"ReplicateAtMatch", ProgressState::kReplicate, 5, 10, 5, 5, false, 10},
        DecreaseCase{"ReplicateFallsToMatch", ProgressState::kReplicate, 5, 10, 9, 9, true, 6},
        DecreaseCase{"ProbeOfAnotherIndex", ProgressState::kProbe, 0, 10, 5, 5, false, 10},
        DecreaseCase{"ProbeOfNothing", ProgressState::kProbe, 0, 0 + 1, 5, 5, false, 1},
        DecreaseCase{"ProbeStepsBack", ProgressState::kProbe, 0, 10, 9, 9, true, 9},
        DecreaseCase{"ProbeToTheStart", ProgressState::kProbe, 0, 2, 1, 1, true, 1},
        DecreaseCase{"ProbeNeverBelowOne", ProgressState::kProbe, 0, 1, 0, 0, true, 1},
        DecreaseCase{"ProbeToTheHint", ProgressState::kProbe, 0, 10, 9, 2, true, 3},
        DecreaseCase{"ProbeNeverBelowMatch", ProgressState::kProbe, 4, 10, 9, 0, true, 5}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(Progress, SendingAheadMovesNextAndFillsTheWindow) {
  Progress p(NodeId(1), {2, kNoLimit});
  p.state = ProgressState::kReplicate;
  p.SentEntries(3, 30);
  EXPECT_EQ(p.next, Index(4));
  EXPECT_FALSE(p.Paused());
  p.SentEntries(1, 10);
  EXPECT_TRUE(p.Paused());
  EXPECT_EQ(p.inflights.count(), 2U);
}

TEST(Progress, AProbeWithEntriesPauses) {
  Progress p = Make(ProgressState::kProbe, 0, 1);
  p.SentEntries(0, 0);
  EXPECT_FALSE(p.Paused());
  p.SentEntries(1, 1);
  EXPECT_TRUE(p.Paused());
  EXPECT_EQ(p.next, Index(1));
}

TEST(Progress, CommitIsWorthTellingOnlyWhenItMovesTheFollower) {
  Progress p = Make(ProgressState::kReplicate, 5, 8);
  p.sent_commit = Index(3);
  EXPECT_TRUE(p.CanBumpCommit(Index(4)));
  EXPECT_FALSE(p.CanBumpCommit(Index(3)));
  p.sent_commit = Index(7);
  EXPECT_FALSE(p.CanBumpCommit(Index(9)));
}

}  // namespace
}  // namespace nokv::raft
