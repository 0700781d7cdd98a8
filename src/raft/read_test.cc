// Linearizable reads (thesis, section 6.4), leases, and transfer of leadership (section 3.10).

#include <gtest/gtest.h>

#include "raft/describe.h"
#include "raft/testing_group.h"

namespace nokv::raft {
namespace {

Message Ack(uint64_t from, uint64_t term, uint64_t index) {
  Message m = MakeMessage(MessageType::kAppResp, from, 1, term);
  m.index = Index(index);
  return m;
}

Message Answer(const Message& heartbeat) {
  Message m = MakeMessage(MessageType::kHeartbeatResp, heartbeat.to.value(), 1,
                          heartbeat.term.value());
  m.context = heartbeat.context;
  m.tick = heartbeat.tick;
  return m;
}

TestNode CommittedLeader(const Tweak& tweak = nullptr, std::vector<uint64_t> voters = {1, 2, 3}) {
  TestNode::Start start;
  start.voters = std::move(voters);
  TestNode n(1, start, tweak);
  n.Lead();
  for (const uint64_t id : start.voters) {
    if (id != 1) static_cast<void>(n.Step(Ack(id, 1, 1)));
  }
  n.Take();
  return n;
}

void Leasing(Config& c) {
  c.check_quorum = true;
  c.read_only = ReadOnlyOption::kLeaseBased;
}

TEST(ReadIndex, IsConfirmedByAQuorumOfHeartbeats) {
  TestNode n = CommittedLeader();
  n->ReadIndex(7);
  const std::vector<Message> sent = n.Take(MessageType::kHeartbeat);
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_TRUE(n.reads().empty()) << "the leader alone is no quorum";
  static_cast<void>(n.Step(Answer(sent[0])));
  n.Take();
  ASSERT_EQ(n.reads().size(), 1U);
  EXPECT_EQ(n.reads()[0], (ReadState{Index(1), 7}));
}

TEST(ReadIndex, AnAnswerToAnEarlierHeartbeatConfirmsNothing) {
  TestNode n = CommittedLeader();
  n.Tick(1);
  const std::vector<Message> before = n.Take(MessageType::kHeartbeat);
  n->ReadIndex(7);
  n.Take();
  static_cast<void>(n.Step(Answer(before.at(0))));
  n.Take();
  EXPECT_TRUE(n.reads().empty());
}

TEST(ReadIndex, AQuorumForAnEarlierReadDoesNotReleaseALaterOne) {
  TestNode n = CommittedLeader();
  n->ReadIndex(1);
  const std::vector<Message> first = n.Take(MessageType::kHeartbeat);
  n->ReadIndex(2);
  const std::vector<Message> second = n.Take(MessageType::kHeartbeat);
  static_cast<void>(n.Step(Answer(first.at(0))));
  n.Take();
  ASSERT_EQ(n.reads().size(), 1U);
  EXPECT_EQ(n.reads()[0].token, 1U);
  static_cast<void>(n.Step(Answer(second.at(0))));
  n.Take();
  ASSERT_EQ(n.reads().size(), 2U);
  EXPECT_EQ(n.reads()[1].token, 2U);
}

TEST(ReadIndex, ALaterConfirmationCoversEarlierReads) {
  TestNode n = CommittedLeader();
  n->ReadIndex(1);
  n->ReadIndex(2);
  const std::vector<Message> sent = n.Take(MessageType::kHeartbeat);
  static_cast<void>(n.Step(Answer(sent.back())));
  n.Take();
  EXPECT_EQ(n.reads().size(), 2U);
}

TEST(ReadIndex, ARepeatedAnswerReleasesNothingTwice) {
  TestNode n = CommittedLeader();
  n->ReadIndex(1);
  const std::vector<Message> sent = n.Take(MessageType::kHeartbeat);
  for (int i = 0; i < 3; ++i) static_cast<void>(n.Step(Answer(sent.at(0))));
  n.Take();
  EXPECT_EQ(n.reads().size(), 1U);
}

TEST(ReadIndex, LearnersDoNotConfirm) {
  TestNode::Start start;
  start.learners = {4};
  TestNode n(1, start);
  n.Lead();
  static_cast<void>(n.Step(Ack(2, 1, 1)));
  n.Take();
  n->ReadIndex(7);
  for (const Message& m : n.Take(MessageType::kHeartbeat)) {
    if (m.to == NodeId(4)) static_cast<void>(n.Step(Answer(m)));
  }
  n.Take();
  EXPECT_TRUE(n.reads().empty());
}

TEST(ReadIndex, WaitsForTheFirstCommitOfTheTerm) {
  TestNode n(1);
  n.Lead();
  n->ReadIndex(7);
  EXPECT_TRUE(n.Take(MessageType::kHeartbeat).empty());
  static_cast<void>(n.Step(Ack(2, 1, 1)));
  const std::vector<Message> sent = n.Take(MessageType::kHeartbeat);
  ASSERT_EQ(sent.size(), 2U);
  static_cast<void>(n.Step(Answer(sent[1])));
  n.Take();
  ASSERT_EQ(n.reads().size(), 1U);
  EXPECT_EQ(n.reads()[0].index, Index(1));
}

TEST(ReadIndex, OfAGroupOfOneIsAnsweredAtOnceButNotBeforeItCommitted) {
  TestNode::Start start;
  start.voters = {1};
  start.terms = {1};
  start.hard_state.term = Term(1);
  TestNode n(1, start);
  n->Campaign();
  Ready ready;
  // The commit index on disk lags; what was applied before the restart may be ahead of it.
  for (int i = 0; i < 2 && n.raft().role() != Role::kLeader; ++i) {
    n->TakeReady(&ready);
    if (ready.append.hard_state) n.disk().SetHardState(*ready.append.hard_state);
    n->Advance(ready);
  }
  ASSERT_EQ(n.raft().role(), Role::kLeader);
  n->ReadIndex(7);
  EXPECT_TRUE(n.raft().read_states().empty());
  n.Take();
  ASSERT_EQ(n.reads().size(), 1U);
  EXPECT_EQ(n.reads()[0].index, Index(2));
}

TEST(ReadIndex, ARemovedLeaderAsksTheVoterThatIsLeft) {
  TestNode n = CommittedLeader([](Config& c) { c.step_down_on_removal = false; }, {1, 2});
  ConfChange change;
  change.changes = {{ConfChangeType::kRemoveNode, NodeId(1)}};
  ASSERT_EQ(n->ProposeConfChange(change), StepResult::kOk);
  n.Take();
  static_cast<void>(n.Step(Ack(2, 1, 2)));
  n.Take();
  ASSERT_EQ(Describe(n.raft().tracker().config), "voters=(2)");
  ASSERT_EQ(n.raft().role(), Role::kLeader);
  n->ReadIndex(7);
  const std::vector<Message> sent = n.Take(MessageType::kHeartbeat);
  EXPECT_TRUE(n.reads().empty());
  ASSERT_EQ(sent.size(), 1U);
  static_cast<void>(n.Step(Answer(sent[0])));
  n.Take();
  EXPECT_EQ(n.reads().size(), 1U);
}

TEST(ReadIndex, IsForwardedByFollowersAndAnswered) {
  TestGroup g(3);
  g.Elect(1);
  g.Propose(1, "x");
  g[3]->ReadIndex(9);
  g.Settle();
  ASSERT_EQ(g[3].reads().size(), 1U);
  EXPECT_EQ(g[3].reads()[0], (ReadState{Index(2), 9}));
}

TEST(ReadIndex, IsForgottenWithoutALeaderAndOnStepDown) {
  TestNode n(1);
  n->ReadIndex(1);
  EXPECT_TRUE(n.Take().empty());
  TestNode leader = CommittedLeader();
  leader->ReadIndex(1);
  const std::vector<Message> sent = leader.Take(MessageType::kHeartbeat);
  static_cast<void>(leader.Step(MakeMessage(MessageType::kApp, 2, 1, 9)));
  static_cast<void>(leader.Step(Answer(sent.at(0))));
  leader.Take();
  EXPECT_TRUE(leader.reads().empty());
}

TEST(ReadIndex, AnswerToWhatWasNeverSentIsRefused) {
  TestNode n = CommittedLeader();
  n->ReadIndex(7);
  Message m = MakeMessage(MessageType::kHeartbeatResp, 2, 1, 1);
  m.context = 99;
  EXPECT_EQ(n.Step(m), StepResult::kRefused);
  m.context = 0;
  m.tick = 99;
  EXPECT_EQ(n.Step(m), StepResult::kRefused);
}

// Leases. ----------------------------------------------------------------------------------------

void Refresh(TestNode* n) {
  n->Tick(1);
  for (const Message& m : n->Take(MessageType::kHeartbeat)) static_cast<void>(n->Step(Answer(m)));
  n->Take();
}

TEST(LeaseRead, IsAnsweredAtOnceWhileAQuorumAnsweredRecently) {
  TestNode n = CommittedLeader(Leasing);
  Refresh(&n);
  EXPECT_TRUE(n.raft().LeaseValid());
  n->ReadIndex(7);
  EXPECT_TRUE(n.Take(MessageType::kHeartbeat).empty());
  ASSERT_EQ(n.reads().size(), 1U);
  EXPECT_EQ(n.reads()[0].index, Index(1));
}

TEST(LeaseRead, IsGivenTheCommitIndexNotTheAppliedOne) {
  TestNode n = CommittedLeader([](Config& c) {
    Leasing(c);
    c.async_storage_writes = true;
  });
  Refresh(&n);
  ASSERT_EQ(n->Propose(Payload("x")), StepResult::kOk);
  Ready ready;
  n->TakeReady(&ready);
  n.disk().Append(ready.append.entries);
  n->OnAppended(ready.append);
  static_cast<void>(n.Step(Ack(2, 1, 2)));
  ASSERT_EQ(n.raft().log().committed(), Index(2));
  ASSERT_EQ(n.raft().log().applied(), Index(1));
  n->ReadIndex(7);
  ASSERT_EQ(n.raft().read_states().size(), 1U);
  EXPECT_EQ(n.raft().read_states()[0].index, Index(2));
}

TEST(LeaseRead, FallsBackToConfirmationWhenTheLeaseHasExpired) {
  TestNode n = CommittedLeader(Leasing);
  Refresh(&n);
  n.Tick(6);
  n.Take();
  EXPECT_FALSE(n.raft().LeaseValid());
  n->ReadIndex(7);
  const std::vector<Message> sent = n.Take(MessageType::kHeartbeat);
  EXPECT_TRUE(n.reads().empty());
  static_cast<void>(n.Step(Answer(sent.at(0))));
  n.Take();
  EXPECT_EQ(n.reads().size(), 1U);
}

TEST(LeaseRead, ALateAnswerRenewsTheLeaseFromItsHeartbeatOnly) {
  TestNode n = CommittedLeader(Leasing);
  n.Tick(1);
  const std::vector<Message> early = n.Take(MessageType::kHeartbeat);
  n.Tick(6);
  n.Take();
  for (const Message& m : early) static_cast<void>(n.Step(Answer(m)));
  EXPECT_FALSE(n.raft().LeaseValid());
}

TEST(LeaseRead, WaitsForTheFirstCommitOfTheTerm) {
  TestNode n(1, {}, Leasing);
  n.Lead();
  Refresh(&n);
  n->ReadIndex(7);
  n.Take();
  EXPECT_TRUE(n.reads().empty());
}

TEST(LeaseRead, IsNotTrustedOnceATransferWasStarted) {
  TestNode n = CommittedLeader(Leasing);
  Refresh(&n);
  n->TransferLeader(NodeId(2));
  ASSERT_EQ(n.Take(MessageType::kTimeoutNow).size(), 1U);
  EXPECT_FALSE(n.raft().LeaseValid());
  for (int i = 0; i < 10; ++i) Refresh(&n);
  EXPECT_EQ(n.raft().transferee(), kNoNode);
  EXPECT_FALSE(n.raft().LeaseValid()) << "the message may still arrive";
}

TEST(LeaseRead, ARestartedNodeKeepsTheLeaseItMayHaveGranted) {
  TestNode::Start start;
  start.hard_state.term = Term(1);
  TestNode n(1, start, Leasing);
  Message vote = MakeMessage(MessageType::kVote, 3, 1, 2);
  static_cast<void>(n.Step(vote));
  EXPECT_TRUE(n.Take().empty());
  n->set_election_timeout(20);
  n.Tick(10);
  static_cast<void>(n.Step(vote));
  EXPECT_FALSE(n.Take(MessageType::kVoteResp).at(0).reject);
}

TEST(LeaseRead, BindsTheGranterAgainstItself) {
  TestNode n(1, {}, Leasing);
  static_cast<void>(n.Step(MakeMessage(MessageType::kHeartbeat, 2, 1, 1)));
  n->Campaign();
  EXPECT_EQ(n.raft().role(), Role::kFollower);
}

// Transfer. --------------------------------------------------------------------------------------

TEST(Transfer, ToACaughtUpFollowerIsImmediate) {
  TestGroup g(3);
  g.Elect(1);
  g[1]->TransferLeader(NodeId(2));
  g.Settle();
  EXPECT_EQ(g.leader(), 2U);
}

TEST(Transfer, IsForwardedByAFollower) {
  TestGroup g(3);
  g.Elect(1);
  g[2]->TransferLeader(NodeId(3));
  g.Settle();
  EXPECT_EQ(g.leader(), 3U);
}

TEST(Transfer, OverridesTheLease) {
  TestGroup g(3, [](Config& c) {
    c.check_quorum = true;
    c.pre_vote = true;
  });
  g.Elect(1);
  g[1]->TransferLeader(NodeId(2));
  g.Settle();
  EXPECT_EQ(g.leader(), 2U);
}

TEST(Transfer, CatchesTheTargetUpFirst) {
  TestGroup g(3);
  g.Elect(1);
  g.Isolate(3);
  g.Propose(1, "x");
  g.Heal();
  g[1]->TransferLeader(NodeId(3));
  EXPECT_EQ(g[1].raft().transferee(), NodeId(3));
  g[1].Tick(1);
  g.Settle();
  EXPECT_EQ(g.leader(), 3U);
  EXPECT_EQ(g[3].applied(), std::vector<std::string>{"x"});
}

TEST(Transfer, CatchesTheTargetUpBySnapshotIfNeedBe) {
  TestGroup g(3);
  g.Elect(1);
  g.Isolate(3);
  g.Propose(1, "x");
  const ConfState three = g[1].conf_state;
  const Index applied = g[1].raft().log().applied();
  ASSERT_TRUE(g[1].disk().CreateSnapshot(applied, &three, Payload("s")).ok());
  ASSERT_TRUE(g[1].disk().Compact(applied).ok());
  g.Heal();
  g[1]->TransferLeader(NodeId(3));
  g[1].Tick(1);
  g.Settle();
  EXPECT_EQ(g.leader(), 3U);
}

TEST(Transfer, DropsProposalsMeanwhile) {
  TestGroup g(3);
  g.Elect(1);
  g.Isolate(3);
  g[1]->TransferLeader(NodeId(3));
  EXPECT_EQ(g[1]->Propose(Payload("x")), StepResult::kProposalDropped);
}

TEST(Transfer, EndsAfterOneElectionTimeout) {
  TestGroup g(3);
  g.Elect(1);
  g.Isolate(3);
  g[1]->TransferLeader(NodeId(3));
  g[1].Tick(9);
  EXPECT_EQ(g[1].raft().transferee(), NodeId(3));
  g[1].Tick(1);
  EXPECT_EQ(g[1].raft().transferee(), kNoNode);
  EXPECT_EQ(g[1]->Propose(Payload("x")), StepResult::kOk);
}

TEST(Transfer, ToItselfToStrangersAndToLearnersIsIgnored) {
  TestNode::Start start;
  start.learners = {4};
  TestNode n(1, start);
  n.Lead();
  for (const uint64_t to : {1U, 4U, 9U}) {
    n->TransferLeader(NodeId(to));
    EXPECT_EQ(n.raft().transferee(), kNoNode) << to;
  }
  EXPECT_TRUE(n.Take(MessageType::kTimeoutNow).empty());
}

TEST(Transfer, ALaterTargetReplacesAnEarlierOne) {
  TestGroup g(3);
  g.Elect(1);
  g.Isolate(3);
  g[1]->TransferLeader(NodeId(3));
  g[1]->TransferLeader(NodeId(3));
  EXPECT_EQ(g[1].raft().transferee(), NodeId(3));
  g[1]->TransferLeader(NodeId(2));
  g.Settle();
  EXPECT_EQ(g.leader(), 2U);
}

TEST(Transfer, IsOverWhenTheTargetIsRemoved) {
  TestGroup g(3);
  g.Elect(1);
  ConfChange change;
  change.changes = {{ConfChangeType::kRemoveNode, NodeId(3)}};
  ASSERT_EQ(g[1]->ProposeConfChange(change), StepResult::kOk);
  g.Isolate(3);
  g[1]->TransferLeader(NodeId(3));
  g.Settle();
  EXPECT_EQ(g[1].raft().transferee(), kNoNode);
}

TEST(Transfer, IsOverWhenTheLeaderStepsDown) {
  TestNode n = CommittedLeader();
  n->TransferLeader(NodeId(2));
  static_cast<void>(n.Step(MakeMessage(MessageType::kApp, 3, 1, 5)));
  EXPECT_EQ(n.raft().transferee(), kNoNode);
}

TEST(TimeoutNow, DoesNotRaiseARemovedNode) {
  TestNode::Start start;
  start.voters = {2, 3};
  TestNode n(1, start);
  static_cast<void>(n.Step(MakeMessage(MessageType::kTimeoutNow, 2, 1, 1)));
  EXPECT_EQ(n.raft().role(), Role::kFollower);
}

}  // namespace
}  // namespace nokv::raft
