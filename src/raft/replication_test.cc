// Replication: log matching, commitment, flow control, snapshots, limits.

#include <gtest/gtest.h>

#include "raft/describe.h"
#include "raft/testing_group.h"

namespace nokv::raft {
namespace {

TestNode::Start Logged(std::vector<uint64_t> terms, uint64_t term, uint64_t commit = 0) {
  TestNode::Start start;
  start.terms = std::move(terms);
  start.hard_state.term = Term(term);
  start.hard_state.commit = Index(commit);
  return start;
}

Message Append(uint64_t term, uint64_t previous_term, uint64_t previous, uint64_t commit,
               std::vector<Entry> entries = {}) {
  Message m = MakeMessage(MessageType::kApp, 2, 1, term);
  m.log_term = Term(previous_term);
  m.index = Index(previous);
  m.commit = Index(commit);
  m.entries = std::move(entries);
  return m;
}

Message Ack(uint64_t from, uint64_t term, uint64_t index) {
  Message m = MakeMessage(MessageType::kAppResp, from, 1, term);
  m.index = Index(index);
  return m;
}

// Paper, sections 5.3 and 5.4. -------------------------------------------------------------------

TEST(LeaderReplication, SendsProposalsWithWhatPrecedesThem) {
  TestNode n(1);
  n.Lead();
  static_cast<void>(n.Step(Ack(2, 1, 1)));
  static_cast<void>(n.Step(Ack(3, 1, 1)));
  n.Take();
  ASSERT_EQ(n->Propose(Payload("x")), StepResult::kOk);
  const std::vector<Message> sent = n.Take(MessageType::kApp);
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0].index, Index(1));
  EXPECT_EQ(sent[0].log_term, Term(1));
  EXPECT_EQ(sent[0].commit, Index(1));
  ASSERT_EQ(sent[0].entries.size(), 1U);
  EXPECT_EQ(sent[0].entries[0].data.bytes(), "x");
}

TEST(LeaderReplication, SharesPayloadsInsteadOfCopying) {
  TestNode n(1);
  n.Lead();
  static_cast<void>(n.Step(Ack(2, 1, 1)));
  n.Take();
  const Payload payload("shared");
  ASSERT_EQ(n->Propose(payload), StepResult::kOk);
  for (const Message& m : n.Take(MessageType::kApp)) {
    EXPECT_TRUE(m.entries.back().data.SharesBlockWith(payload));
  }
}

struct CommitCase {
  const char* name;
  size_t size;
  std::vector<uint64_t> acks;
  bool committed;
};
class LeaderCommit : public ::testing::TestWithParam<CommitCase> {};
TEST_P(LeaderCommit, NeedsAMajority) {
  TestNode::Start start;
  start.voters.clear();
  for (uint64_t id = 1; id <= GetParam().size; ++id) start.voters.push_back(id);
  TestNode n(1, start);
  n.Lead();
  for (const uint64_t from : GetParam().acks) static_cast<void>(n.Step(Ack(from, 1, 1)));
  EXPECT_EQ(n.raft().log().committed() == Index(1), GetParam().committed);
}
INSTANTIATE_TEST_SUITE_P(Table, LeaderCommit,
                         ::testing::Values(CommitCase{"Alone", 1, {}, true},
                                           CommitCase{"TwoUnheard", 2, {}, false},
                                           CommitCase{"TwoBoth", 2, {2}, true},
                                           CommitCase{"ThreeUnheard", 3, {}, false},
                                           CommitCase{"ThreeOne", 3, {3}, true},
                                           CommitCase{"FourOne", 4, {3}, false},
                                           CommitCase{"FourTwo", 4, {3, 4}, true},
                                           CommitCase{"FiveOne", 5, {2}, false},
                                           CommitCase{"FiveTwo", 5, {2, 5}, true},
                                           CommitCase{"TheSameTwice", 5, {2, 2}, false}),
                         [](const auto& i) { return std::string(i.param.name); });

// Figure 8: an entry of an older term is not committed by counting.
TEST(LeaderCommit, OfOlderTermsComesWithAnEntryOfItsOwn) {
  TestNode n(1, Logged({1, 2}, 2));
  n.Lead();
  ASSERT_EQ(n.raft().term(), Term(3));
  static_cast<void>(n.Step(Ack(2, 3, 2)));
  EXPECT_EQ(n.raft().log().committed(), Index(0));
  static_cast<void>(n.Step(Ack(2, 3, 3)));
  EXPECT_EQ(n.raft().log().committed(), Index(3));
}

TEST(LeaderCommit, WaitsForItsOwnDisk) {
  TestNode n(1, {}, [](Config& c) { c.async_storage_writes = true; });
  n.Lead();
  static_cast<void>(n.Step(Ack(2, 1, 1)));
  n.Take();
  ASSERT_EQ(n->Propose(Payload("x")), StepResult::kOk);
  Ready ready;
  n->TakeReady(&ready);
  EXPECT_EQ(ready.send_now.size(), 1U) << "followers may write at the same time; 3 is probed";
  EXPECT_EQ(n.raft().log().committed(), Index(1));
  static_cast<void>(n.Step(Ack(2, 1, 2)));
  EXPECT_EQ(n.raft().log().committed(), Index(1)) << "one follower is no majority";
  n.disk().Append(ready.append.entries);
  n->OnAppended(ready.append);
  EXPECT_EQ(n.raft().log().committed(), Index(2));
}

TEST(LeaderCommit, LearnersDoNotCount) {
  TestNode::Start start;
  start.voters = {1, 2, 3};
  start.learners = {4, 5};
  TestNode n(1, start);
  n.Lead();
  static_cast<void>(n.Step(Ack(4, 1, 1)));
  static_cast<void>(n.Step(Ack(5, 1, 1)));
  EXPECT_EQ(n.raft().log().committed(), Index(0));
}

TEST(JointCommit, NeedsBothHalves) {
  TestNode n(1);
  n.Lead();
  static_cast<void>(n.Step(Ack(2, 1, 1)));
  n.Take();
  ConfChange change;
  change.transition = ConfChangeTransition::kJointExplicit;
  change.changes = {{ConfChangeType::kRemoveNode, NodeId(2)},
                    {ConfChangeType::kRemoveNode, NodeId(3)},
                    {ConfChangeType::kAddNode, NodeId(4)},
                    {ConfChangeType::kAddNode, NodeId(5)}};
  ASSERT_EQ(n->ProposeConfChange(change), StepResult::kOk);
  n.Take();
  static_cast<void>(n.Step(Ack(2, 1, 2)));
  n.Take();
  ASSERT_TRUE(n.raft().tracker().config.voters.joint());
  ASSERT_EQ(n->Propose(Payload("x")), StepResult::kOk);
  n.Take();
  static_cast<void>(n.Step(Ack(4, 1, 3)));
  EXPECT_EQ(n.raft().log().committed(), Index(2)) << "only the incoming half";
  static_cast<void>(n.Step(Ack(2, 1, 3)));
  EXPECT_EQ(n.raft().log().committed(), Index(3));
}

class FollowerCommit : public ::testing::TestWithParam<uint64_t> {};
TEST_P(FollowerCommit, FollowsTheLeader) {
  TestNode n(1);
  ASSERT_EQ(n.Step(Append(1, 0, 0, GetParam(), MakeEntries(1, {1, 1, 1}))), StepResult::kOk);
  EXPECT_EQ(n.raft().log().committed(), Index(std::min<uint64_t>(GetParam(), 3)));
}
INSTANTIATE_TEST_SUITE_P(Indexes, FollowerCommit, ::testing::Values(0, 1, 2, 3, 9));

TEST(FollowerCommit, DoesNotReachBeyondWhatWasSent) {
  // Entry 3 is the follower's own and may differ from the leader's.
  TestNode n(1, Logged({1, 1, 1}, 1));
  ASSERT_EQ(n.Step(Append(2, 1, 2, 3)), StepResult::kOk);
  EXPECT_EQ(n.raft().log().committed(), Index(2));
}

TEST(FollowerCommit, MovesByHeartbeats) {
  TestNode n(1, Logged({1, 1}, 1));
  Message m = MakeMessage(MessageType::kHeartbeat, 2, 1, 1);
  m.commit = Index(2);
  ASSERT_EQ(n.Step(m), StepResult::kOk);
  EXPECT_EQ(n.raft().log().committed(), Index(2));
  m.commit = Index(1);
  ASSERT_EQ(n.Step(m), StepResult::kOk);
  EXPECT_EQ(n.raft().log().committed(), Index(2));
}

struct CheckCase {
  const char* name;
  uint64_t term, index;
  bool reject;
  uint64_t hint, hint_term;
};
class FollowerChecks : public ::testing::TestWithParam<CheckCase> {};
TEST_P(FollowerChecks, WhatPrecedesAnAppend) {
  TestNode n(1, Logged({1, 2}, 2, 1));
  ASSERT_EQ(n.Step(Append(2, GetParam().term, GetParam().index, 0)), StepResult::kOk);
  const std::vector<Message> sent = n.Take(MessageType::kAppResp);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].reject, GetParam().reject);
  EXPECT_EQ(sent[0].reject_hint, Index(GetParam().hint));
  EXPECT_EQ(sent[0].log_term, Term(GetParam().hint_term));
}
INSTANTIATE_TEST_SUITE_P(Table, FollowerChecks,
                         ::testing::Values(CheckCase{"BeforeCommit", 0, 0, false, 0, 0},
                                           CheckCase{"AtCommit", 1, 1, false, 0, 0},
                                           CheckCase{"AtTheEnd", 2, 2, false, 0, 0},
                                           CheckCase{"OtherTerm", 1, 2, true, 1, 1},
                                           CheckCase{"BeyondTheEnd", 2, 3, true, 2, 2}),
                         [](const auto& i) { return std::string(i.param.name); });

struct OverwriteCase {
  const char* name;
  std::vector<uint64_t> mine;
  uint64_t previous_term, previous;
  std::vector<uint64_t> sent, expected;
};
class FollowerOverwrites : public ::testing::TestWithParam<OverwriteCase> {};
TEST_P(FollowerOverwrites, ConflictsAndNothingElse) {
  const OverwriteCase& c = GetParam();
  TestNode n(1, Logged(c.mine, 2));
  std::vector<Entry> entries;
  for (const uint64_t term : c.sent) {
    Entry entry;
    entry.term = Term(term);
    entry.index = Index(c.previous + 1 + entries.size());
    entries.push_back(entry);
  }
  ASSERT_EQ(n.Step(Append(9, c.previous_term, c.previous, 0, entries)), StepResult::kOk);
  EXPECT_EQ(n.terms(), c.expected);
}
INSTANTIATE_TEST_SUITE_P(
    Table, FollowerOverwrites,
    ::testing::Values(OverwriteCase{"Appends", {1, 2}, 2, 2, {3}, {1, 2, 3}},
                      OverwriteCase{"Replaces", {1, 2}, 1, 1, {3, 4}, {1, 3, 4}},
                      OverwriteCase{"ReplacesAll", {1, 2}, 0, 0, {3}, {3}},
                      OverwriteCase{"KeepsWhatIsEqual", {1, 2}, 0, 0, {1}, {1, 2}},
                      OverwriteCase{"FillsAnEmptyLog", {}, 0, 0, {1, 2}, {1, 2}}),
    [](const auto& i) { return std::string(i.param.name); });

// Figure 7 of the paper: the leader of term 8 brings every follower to its own log.
class SyncsFollowerLog : public ::testing::TestWithParam<std::vector<uint64_t>> {};
TEST_P(SyncsFollowerLog, AsInFigure7) {
  const std::vector<uint64_t> leader = {1, 1, 1, 4, 4, 5, 5, 6, 6, 6};
  std::vector<std::unique_ptr<TestNode>> nodes;
  nodes.push_back(std::make_unique<TestNode>(1, Logged(leader, 8, 10)));
  nodes.push_back(std::make_unique<TestNode>(2, Logged(GetParam(), 8)));
  nodes.push_back(std::make_unique<TestNode>(3, Logged({}, 8)));
  TestGroup g(std::move(nodes));
  g.Elect(1);
  if (g.leader() != 1) g.Elect(1);
  ASSERT_EQ(g.leader(), 1U);
  g.Propose(1, "x");
  EXPECT_EQ(g[2].terms(), g[1].terms());
  EXPECT_EQ(g[2].applied(), g[1].applied());
}
INSTANTIATE_TEST_SUITE_P(
    Followers, SyncsFollowerLog,
    ::testing::Values(std::vector<uint64_t>{1, 1, 1, 4, 4, 5, 5, 6, 6},
                      std::vector<uint64_t>{1, 1, 1, 4},
                      std::vector<uint64_t>{1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6},
                      std::vector<uint64_t>{1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7},
                      std::vector<uint64_t>{1, 1, 1, 4, 4, 4, 4},
                      std::vector<uint64_t>{1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3}));

// One round per term, not one per entry, however long the tails are.
struct HintCase {
  const char* name;
  std::vector<uint64_t> leader, follower;
  int rounds_max;
};
class FastBacktracking : public ::testing::TestWithParam<HintCase> {};
TEST_P(FastBacktracking, SkipsWholeTerms) {
  TestNode leader(1, Logged(GetParam().leader, GetParam().leader.back()));
  TestNode follower(2, Logged(GetParam().follower, GetParam().follower.back()));
  leader.Lead();
  leader.Restart();
  leader.Lead();
  leader.Tick(1);
  int rejections = 0;
  for (int round = 0; round < 30; ++round) {
    for (const Message& m : leader.Take()) {
      if (m.to == NodeId(2)) static_cast<void>(follower.Step(m));
    }
    for (const Message& m : follower.Take()) {
      rejections += m.reject ? 1 : 0;
      static_cast<void>(leader.Step(m));
    }
  }
  EXPECT_EQ(follower.terms(), leader.terms());
  EXPECT_LE(rejections, GetParam().rounds_max);
}
INSTANTIATE_TEST_SUITE_P(
    Table, FastBacktracking,
    ::testing::Values(
        HintCase{"LeaderSkips", {1, 3, 3, 3, 5, 5, 5, 5, 5}, {1, 1, 1, 1, 2, 2}, 2},
        HintCase{"FollowerSkips", {1, 3, 3, 3, 3, 3, 3, 3, 7}, {1, 3, 3, 4, 4, 5, 5, 5, 6}, 2},
        HintCase{"LongForeignTail", {1, 1, 9}, {1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}, 2},
        HintCase{"ShortLog", {1, 1, 1, 1, 1, 1, 1, 1, 1, 2}, {1}, 1}),
    [](const auto& i) { return std::string(i.param.name); });

TEST(FollowerHint, SkipsTermsAboveTheOneRefused) {
  TestNode n(1, Logged({1, 3, 3, 4, 4, 5, 5, 5, 6}, 6));
  ASSERT_EQ(n.Step(Append(7, 3, 8, 0)), StepResult::kOk);
  const Message m = n.Take(MessageType::kAppResp).at(0);
  EXPECT_EQ(m.reject_hint, Index(3));
  EXPECT_EQ(m.log_term, Term(3));
}

TEST(LeaderHint, SkipsItsOwnTermsAboveTheHint) {
  TestNode n(1, Logged({1, 3, 3, 3, 5, 5, 5, 5, 5}, 5));
  n.Lead();
  Message m = MakeMessage(MessageType::kAppResp, 2, 1, 6);
  m.reject = true;
  m.index = Index(9);
  m.reject_hint = Index(6);
  m.log_term = Term(2);
  static_cast<void>(n.Step(m));
  EXPECT_EQ(n.Take(MessageType::kApp).at(0).index, Index(1));
}

// Flow control. ----------------------------------------------------------------------------------

TestNode Replicating(uint32_t count_max, uint64_t bytes_max = 0, uint64_t message_max = 0) {
  TestNode n(1, {}, [=](Config& c) {
    c.inflight_count_max = count_max;
    c.inflight_bytes_max = bytes_max;
    c.size_per_message_max = message_max;
  });
  n.Lead();
  static_cast<void>(n.Step(Ack(2, 1, 1)));
  n.Take();
  return n;
}

size_t SentToTwo(TestNode* n) {
  size_t count = 0;
  for (const Message& m : n->Take(MessageType::kApp)) {
    if (m.to == NodeId(2) && !m.entries.empty()) ++count;
  }
  return count;
}

TEST(FlowControl, StopsAtTheWindow) {
  TestNode n = Replicating(3);
  for (int i = 0; i < 10; ++i) static_cast<void>(n->Propose(Payload("x")));
  EXPECT_EQ(SentToTwo(&n), 3U);
}

TEST(FlowControl, AnswersMoveTheWindow) {
  TestNode n = Replicating(3);
  for (int i = 0; i < 10; ++i) static_cast<void>(n->Propose(Payload("x")));
  n.Take();
  static_cast<void>(n.Step(Ack(2, 1, 3)));
  EXPECT_EQ(SentToTwo(&n), 2U);
  static_cast<void>(n.Step(Ack(2, 1, 3)));
  EXPECT_EQ(SentToTwo(&n), 0U) << "an old answer moves nothing";
}

TEST(FlowControl, AHeartbeatsAnswerProbesAFullWindow) {
  TestNode n = Replicating(2);
  for (int i = 0; i < 5; ++i) static_cast<void>(n->Propose(Payload("x")));
  n.Take();
  for (int i = 0; i < 3; ++i) {
    static_cast<void>(n.Step(MakeMessage(MessageType::kHeartbeatResp, 2, 1, 1)));
    const std::vector<Message> sent = n.Take(MessageType::kApp);
    ASSERT_EQ(sent.size(), 1U);
    EXPECT_TRUE(sent[0].entries.empty());
  }
}

TEST(FlowControl, BytesLimitTheWindow) {
  TestNode n = Replicating(100, 10, 0);
  for (int i = 0; i < 10; ++i) static_cast<void>(n->Propose(Payload("1234")));
  EXPECT_EQ(SentToTwo(&n), 3U) << "the message that reaches the limit still goes";
}

TEST(FlowControl, MessagesAreCutBySize) {
  TestNode n = Replicating(100, 0, 60);
  const Payload big(std::string(20, 'x'));
  const std::vector<Payload> batch(9, big);
  ASSERT_EQ(n->ProposeBatch(batch), StepResult::kOk);
  static_cast<void>(n.Take());
  static_cast<void>(n.Step(Ack(3, 1, 1)));
  size_t entries = 0;
  for (const Message& m : n.Take(MessageType::kApp)) {
    EXPECT_LE(EncodedSize(m.entries), 60U);
    entries += m.entries.size();
  }
  EXPECT_EQ(entries, 9U);
}

TEST(Probe, SendsOneAppendPerHeartbeat) {
  TestNode n(1);
  n.Lead();
  for (int i = 0; i < 3; ++i) static_cast<void>(n->Propose(Payload("x")));
  EXPECT_TRUE(n.Take(MessageType::kApp).empty()) << "the first probe is unanswered";
  static_cast<void>(n.Step(MakeMessage(MessageType::kHeartbeatResp, 2, 1, 1)));
  EXPECT_EQ(n.Take(MessageType::kApp).size(), 1U);
  static_cast<void>(n->Propose(Payload("x")));
  EXPECT_TRUE(n.Take(MessageType::kApp).empty());
}

TEST(Unreachable, FollowerIsProbed) {
  TestNode n = Replicating(100);
  n->ReportUnreachable(NodeId(2));
  EXPECT_EQ(n.raft().tracker().Find(NodeId(2))->state, ProgressState::kProbe);
  n->ReportUnreachable(NodeId(9));
}

TEST(Heartbeat, CarriesNoMoreCommitThanTheFollowerHas) {
  TestNode n(1, Logged({1, 1, 1}, 1, 3));
  n.Lead();
  static_cast<void>(n.Step(Ack(2, 2, 4)));
  n.Take();
  n.Tick(1);
  for (const Message& m : n.Take(MessageType::kHeartbeat)) {
    EXPECT_EQ(m.commit, Index(m.to == NodeId(2) ? 4 : 0));
  }
}

TEST(Heartbeat, AnswerOfALaggingFollowerBringsAnAppend) {
  TestNode n = Replicating(100);
  static_cast<void>(n.Step(MakeMessage(MessageType::kHeartbeatResp, 2, 1, 1)));
  EXPECT_TRUE(n.Take(MessageType::kApp).empty()) << "caught up";
  static_cast<void>(n.Step(MakeMessage(MessageType::kHeartbeatResp, 3, 1, 1)));
  EXPECT_EQ(n.Take(MessageType::kApp).size(), 1U);
}

// Limits. ----------------------------------------------------------------------------------------

TEST(UncommittedBytes, LimitProposalsButNotTheFirst) {
  TestNode n(1, {}, [](Config& c) { c.uncommitted_bytes_max = 10; });
  n.Lead();
  static_cast<void>(n.Step(Ack(2, 1, 1)));
  n.Take();
  EXPECT_EQ(n->Propose(Payload(std::string(50, 'x'))), StepResult::kOk);
  EXPECT_EQ(n->Propose(Payload("y")), StepResult::kProposalDropped);
  EXPECT_EQ(n->Propose(Payload()), StepResult::kOk) << "what has no bytes is never refused";
  n.Take();
  static_cast<void>(n.Step(Ack(2, 1, 3)));
  n.Take();
  EXPECT_EQ(n.raft().uncommitted_bytes(), 0U);
  EXPECT_EQ(n->Propose(Payload("y")), StepResult::kOk);
}

TEST(UncommittedBytes, BoundTheLogOfAPartitionedLeader) {
  TestNode n(1, {}, [](Config& c) { c.uncommitted_bytes_max = 160; });
  n.Lead();
  for (int i = 0; i < 1000; ++i) static_cast<void>(n->Propose(Payload("0123456789")));
  n.Take();
  EXPECT_EQ(n.raft().log().LastIndex(), Index(17));
}

TEST(ApplyQuota, PagesCommittedEntries) {
  TestNode::Start start;
  start.voters = {1};
  TestNode n(1, start, [](Config& c) { c.applying_bytes_max = 64; });
  n.Lead();
  for (int i = 0; i < 6; ++i) static_cast<void>(n->Propose(Payload(std::string(40, 'x'))));
  Ready ready;
  n->TakeReady(&ready);
  n.disk().Append(ready.append.entries);
  n->Advance(ready);
  int pages = 0;
  while (n->HasReady()) {
    n->TakeReady(&ready);
    EXPECT_LE(ready.apply.entries.size(), 1U);
    pages += ready.apply.empty() ? 0 : 1;
    n->Advance(ready);
  }
  EXPECT_EQ(pages, 6);
}

TEST(ApplyQuota, CoversWhatIsStillBeingApplied) {
  TestNode::Start start;
  start.voters = {1};
  TestNode n(1, start, [](Config& c) {
    c.applying_bytes_max = 64;
    c.async_storage_writes = true;
  });
  n.Lead();
  for (int i = 0; i < 3; ++i) static_cast<void>(n->Propose(Payload(std::string(40, 'x'))));
  Ready ready;
  Ready applying;
  std::vector<Index> outstanding;
  for (int i = 0; i < 10 && n->HasReady(); ++i) {
    n->TakeReady(&ready);
    n.disk().Append(ready.append.entries);
    if (!ready.append.empty()) n->OnAppended(ready.append);
    if (!ready.apply.empty()) outstanding.push_back(ready.apply.entries.back().index);
  }
  ASSERT_EQ(outstanding.size(), 1U);
  n->OnApplied(outstanding[0]);
  EXPECT_TRUE(n->HasReady());
}

TEST(AsynchronousApply, WaitsUntilEntriesAreStable) {
  TestNode n(1, {}, [](Config& c) { c.async_storage_writes = true; });
  ASSERT_EQ(n.Step(Append(1, 0, 0, 2, MakeEntries(1, {1, 1}))), StepResult::kOk);
  Ready ready;
  n->TakeReady(&ready);
  EXPECT_TRUE(ready.apply.empty());
  n.disk().Append(ready.append.entries);
  n->OnAppended(ready.append);
  Ready second;
  n->TakeReady(&second);
  EXPECT_EQ(second.apply.entries.size(), 2U);
}

TEST(AsynchronousAppend, ReportOfAnOlderTermMakesNothingStable) {
  TestNode n(1, {}, [](Config& c) { c.async_storage_writes = true; });
  ASSERT_EQ(n.Step(Append(1, 0, 0, 0, MakeEntries(1, {1}))), StepResult::kOk);
  Ready first;
  n->TakeReady(&first);
  Message newer = Append(2, 0, 0, 0, MakeEntries(1, {2}));
  newer.from = NodeId(3);
  ASSERT_EQ(n.Step(newer), StepResult::kOk);
  Ready second;
  n->TakeReady(&second);
  // Back to the first entry by a leader of term 3 that never saw the second.
  ASSERT_EQ(n.Step(Append(3, 0, 0, 0, MakeEntries(1, {1}))), StepResult::kOk);
  Ready third;
  n->TakeReady(&third);
  n.disk().Append(first.append.entries);
  n->OnAppended(first.append);
  EXPECT_EQ(n.raft().log().unstable().size(), 1U) << "a write under way may still replace it";
  n.disk().Append(second.append.entries);
  n->OnAppended(second.append);
  EXPECT_EQ(n.raft().log().unstable().size(), 1U);
  n.disk().Append(third.append.entries);
  n->OnAppended(third.append);
  EXPECT_EQ(n.raft().log().unstable().size(), 0U);
}

TEST(AsynchronousAppend, AnyLaterReportMakesUpForADroppedOne) {
  TestNode n(1, {}, [](Config& c) { c.async_storage_writes = true; });
  ASSERT_EQ(n.Step(Append(1, 0, 0, 0, MakeEntries(1, {1}))), StepResult::kOk);
  Ready first;
  n->TakeReady(&first);
  ASSERT_EQ(n.Step(MakeMessage(MessageType::kHeartbeat, 3, 1, 2)), StepResult::kOk);
  Ready second;
  n->TakeReady(&second);
  n.disk().Append(first.append.entries);
  n->OnAppended(first.append);
  EXPECT_EQ(n.raft().log().unstable().size(), 1U);
  n->OnAppended(second.append);
  EXPECT_EQ(n.raft().log().unstable().size(), 0U);
}

// Snapshots. -------------------------------------------------------------------------------------

SnapshotRef Snap(uint64_t index, uint64_t term, std::vector<NodeId> voters) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->id = {Term(term), Index(index)};
  snapshot->conf_state.voters = std::move(voters);
  return snapshot;
}

Message SnapMessage(SnapshotRef snapshot, uint64_t term) {
  Message m = MakeMessage(MessageType::kSnap, 2, 1, term);
  m.snapshot = std::move(snapshot);
  return m;
}

const std::vector<NodeId> kThree = {NodeId(1), NodeId(2), NodeId(3)};

TEST(SnapshotReceiver, RestoresLogAndConfiguration) {
  TestNode n(1, Logged({1, 1}, 1));
  std::vector<NodeId> four = kThree;
  four.push_back(NodeId(4));
  ASSERT_EQ(n.Step(SnapMessage(Snap(9, 2, four), 2)), StepResult::kOk);
  const std::vector<Message> sent = n.Take(MessageType::kAppResp);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].index, Index(9));
  EXPECT_EQ(n.raft().log().LastId(), (EntryId{Term(2), Index(9)}));
  EXPECT_EQ(n.raft().log().applied(), Index(9));
  EXPECT_EQ(Describe(n.raft().tracker().config), "voters=(1 2 3 4)");
}

TEST(SnapshotReceiver, IgnoresWhatItHasCommitted) {
  TestNode n(1, Logged({1, 1, 1}, 1, 3));
  ASSERT_EQ(n.Step(SnapMessage(Snap(3, 1, kThree), 1)), StepResult::kOk);
  EXPECT_EQ(n.Take(MessageType::kAppResp)[0].index, Index(3));
  EXPECT_EQ(n.terms().size(), 3U);
}

TEST(SnapshotReceiver, FastForwardsOverALogThatHoldsIt) {
  TestNode n(1, Logged({1, 1, 1, 1}, 1, 1));
  ASSERT_EQ(n.Step(SnapMessage(Snap(3, 1, kThree), 1)), StepResult::kOk);
  EXPECT_EQ(n.raft().log().committed(), Index(3));
  EXPECT_EQ(n.terms().size(), 4U) << "the tail stays";
  EXPECT_EQ(n.raft().log().unstable().snapshot(), nullptr);
}

TEST(SnapshotReceiver, IgnoresOneThatDoesNotNameIt) {
  TestNode n(1);
  ASSERT_EQ(n.Step(SnapMessage(Snap(9, 1, {NodeId(2), NodeId(3)}), 1)), StepResult::kOk);
  EXPECT_EQ(n.raft().log().LastIndex(), Index(0));
  EXPECT_EQ(n.Take(MessageType::kAppResp)[0].index, Index(0));
}

TEST(SnapshotReceiver, TakesOneThatNamesItAsALearner) {
  TestNode n(1);
  auto snapshot = std::make_shared<Snapshot>(*Snap(9, 1, {NodeId(2), NodeId(3)}));
  snapshot->conf_state.learners = {NodeId(1)};
  ASSERT_EQ(n.Step(SnapMessage(snapshot, 1)), StepResult::kOk);
  EXPECT_TRUE(n.raft().is_learner());
}

TEST(SnapshotReceiver, DoesNotCampaignBeforeItIsInstalled) {
  TestNode n(1, {}, [](Config& c) { c.async_storage_writes = true; });
  ASSERT_EQ(n.Step(SnapMessage(Snap(9, 1, kThree), 1)), StepResult::kOk);
  n->Campaign();
  EXPECT_EQ(n.raft().role(), Role::kFollower);
  n.Take();
  n->Campaign();
  EXPECT_EQ(n.raft().role(), Role::kCandidate);
}

TEST(SnapshotReceiver, GetsItOnlyWhenNothingIsBeingApplied) {
  TestNode n(1, Logged({1, 1}, 1), [](Config& c) { c.async_storage_writes = true; });
  Message heartbeat = MakeMessage(MessageType::kHeartbeat, 2, 1, 1);
  heartbeat.commit = Index(2);
  ASSERT_EQ(n.Step(heartbeat), StepResult::kOk);
  Ready applying;
  n->TakeReady(&applying);
  ASSERT_EQ(applying.apply.entries.size(), 2U);
  n->OnAppended(applying.append);
  ASSERT_EQ(n.Step(SnapMessage(Snap(9, 1, kThree), 1)), StepResult::kOk);
  EXPECT_FALSE(n->HasReady());
  n->OnApplied(Index(2));
  ASSERT_TRUE(n->HasReady());
  Ready ready;
  n->TakeReady(&ready);
  EXPECT_NE(ready.append.snapshot, nullptr);
}

TEST(SnapshotReceiver, ChangeFromAnOvertakenApplyIsNotMade) {
  TestNode n(1, {}, [](Config& c) { c.async_storage_writes = true; });
  ConfChange change;
  change.changes = {{ConfChangeType::kAddNode, NodeId(4)}};
  Entry entry = EncodeConfChange(change);
  entry.term = Term(1);
  entry.index = Index(1);
  ASSERT_EQ(n.Step(Append(1, 0, 0, 1, {entry})), StepResult::kOk);
  Ready ready;
  n->TakeReady(&ready);
  n.disk().Append(ready.append.entries);
  n->OnAppended(ready.append);
  Ready applying;
  n->TakeReady(&applying);
  ASSERT_EQ(applying.apply.entries.size(), 1U);
  ASSERT_EQ(n.Step(SnapMessage(Snap(9, 1, kThree), 1)), StepResult::kOk);
  ASSERT_TRUE(n->ApplyConfChange(applying.apply.entries[0]).ok());
  EXPECT_EQ(Describe(n.raft().tracker().config), "voters=(1 2 3)");
}

// A leader whose log starts at 12, and a follower that needs what came before.
struct Compacted {
  Compacted() : n(1, Logged({1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 1, 11)) {
    ConfState three;
    three.voters = kThree;
    EXPECT_TRUE(n.disk().CreateSnapshot(Index(11), &three, Payload("state")).ok());
    n.Lead();
    EXPECT_TRUE(n.disk().Compact(Index(11)).ok());
  }
  void Reject(uint64_t from) {
    Message m = MakeMessage(MessageType::kAppResp, from, 1, 2);
    m.reject = true;
    m.index = Index(11);
    m.reject_hint = Index(1);
    static_cast<void>(n.Step(m));
  }
  const Progress& two() { return *n.raft().tracker().Find(NodeId(2)); }
  TestNode n;
};

TEST(SnapshotSender, SendsOneWhenTheLogDoesNotReachBack) {
  Compacted c;
  c.Reject(2);
  const std::vector<Message> sent = c.n.Take(MessageType::kSnap);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].snapshot->id.index, Index(11));
  EXPECT_EQ(c.two().state, ProgressState::kSnapshot);
  ASSERT_EQ(c.n->Propose(Payload("x")), StepResult::kOk);
  for (const Message& m : c.n.Take(MessageType::kApp)) EXPECT_NE(m.to, NodeId(2));
}

TEST(SnapshotSender, SendsNoneToAFollowerThatIsNotActive) {
  TestNode n(1, Logged({1, 1, 1}, 1, 3), [](Config& c) { c.check_quorum = true; });
  n.Lead();
  static_cast<void>(n.Step(Ack(2, 2, 4)));
  static_cast<void>(n.Step(Ack(3, 2, 4)));
  for (int i = 0; i < 3; ++i) static_cast<void>(n->Propose(Payload("x")));
  n.Take();
  static_cast<void>(n.Step(Ack(3, 2, 7)));
  n.Take();
  ConfState three;
  three.voters = kThree;
  ASSERT_TRUE(n.disk().CreateSnapshot(Index(7), &three, Payload()).ok());
  ASSERT_TRUE(n.disk().Compact(Index(7)).ok());
  // The quorum check forgets who was heard of, and what was sent to 2 is presumed lost.
  n.Tick(10);
  n->ReportUnreachable(NodeId(2));
  static_cast<void>(n->Propose(Payload("x")));
  EXPECT_TRUE(n.Take(MessageType::kSnap).empty());
  static_cast<void>(n.Step(MakeMessage(MessageType::kHeartbeatResp, 2, 1, 2)));
  EXPECT_EQ(n.Take(MessageType::kSnap).size(), 1U);
}

TEST(SnapshotSender, GoesOnAfterSuccessAndFailure) {
  Compacted c;
  c.Reject(2);
  c.n.Take();
  c.n->ReportSnapshot(NodeId(2), false);
  EXPECT_EQ(c.two().state, ProgressState::kProbe);
  EXPECT_EQ(c.two().next, Index(1));
  EXPECT_TRUE(c.two().flow_paused);
  static_cast<void>(c.n.Step(MakeMessage(MessageType::kHeartbeatResp, 2, 1, 2)));
  ASSERT_EQ(c.n.Take(MessageType::kSnap).size(), 1U) << "tried again";
  c.n->ReportSnapshot(NodeId(2), true);
  EXPECT_EQ(c.two().next, Index(12));
  EXPECT_TRUE(c.two().flow_paused);
}

TEST(SnapshotSender, AnAnswerThatReconnectsIsEnough) {
  Compacted c;
  c.Reject(2);
  c.n.Take();
  static_cast<void>(c.n.Step(Ack(2, 2, 5)));
  EXPECT_EQ(c.two().state, ProgressState::kSnapshot) << "not connected yet";
  static_cast<void>(c.n.Step(Ack(2, 2, 11)));
  EXPECT_EQ(c.two().state, ProgressState::kReplicate);
}

TEST(SnapshotSender, AnOlderSnapshotThatReconnectsIsEnoughToo) {
  TestNode n(1, Logged({1, 1, 1, 1, 1}, 1, 5));
  ConfState three;
  three.voters = kThree;
  ASSERT_TRUE(n.disk().CreateSnapshot(Index(5), &three, Payload()).ok());
  n.Lead();
  ASSERT_TRUE(n.disk().Compact(Index(2)).ok());
  Message refusal = MakeMessage(MessageType::kAppResp, 2, 1, 2);
  refusal.reject = true;
  refusal.index = Index(5);
  static_cast<void>(n.Step(refusal));
  ASSERT_EQ(n.raft().tracker().Find(NodeId(2))->pending_snapshot, Index(5));
  static_cast<void>(n.Step(Ack(2, 2, 3)));
  EXPECT_EQ(n.raft().tracker().Find(NodeId(2))->state, ProgressState::kReplicate);
}

class SnapshotForANewMember : public ::testing::TestWithParam<bool> {};
TEST_P(SnapshotForANewMember, ContainsTheChangeThatAddedIt) {
  TestNode::Start start;
  start.voters = {1};
  start.any_snapshot = GetParam();
  TestNode n(1, start);
  n.Lead();
  ConfState one;
  one.voters = {NodeId(1)};
  ASSERT_TRUE(n.disk().CreateSnapshot(Index(1), &one, Payload()).ok());
  ConfChange change;
  change.changes = {{ConfChangeType::kAddLearnerNode, NodeId(2)}};
  ASSERT_EQ(n->ProposeConfChange(change), StepResult::kOk);
  n.Take();
  ASSERT_EQ(n->Propose(Payload("x")), StepResult::kOk);
  n.Take();
  ASSERT_TRUE(n.disk().Compact(Index(3)).ok());
  const auto refuse = [&n](uint64_t index) {
    Message m = MakeMessage(MessageType::kAppResp, 2, 1, 1);
    m.reject = true;
    m.index = Index(index);
    static_cast<void>(n.Step(m));
  };
  refuse(1);
  EXPECT_TRUE(n.Take(MessageType::kSnap).empty()) << "the one there is lacks the member";
  ConfState two = one;
  two.learners = {NodeId(2)};
  ASSERT_TRUE(n.disk().CreateSnapshot(Index(3), &two, Payload()).ok());
  static_cast<void>(n.Step(MakeMessage(MessageType::kHeartbeatResp, 2, 1, 1)));
  EXPECT_EQ(n.Take(MessageType::kSnap).size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(StorageThatListensAndOneThatDoesNot, SnapshotForANewMember,
                         ::testing::Bool());

TEST(SnapshotSender, ToAnInactivePeerWaitsUntilItSpeaks) {
  Compacted c;
  // Nothing was heard of node 3 in this term; its log would have to be probed from the start.
  c.n->ReportUnreachable(NodeId(3));
  Message m = MakeMessage(MessageType::kAppResp, 3, 1, 2);
  m.reject = true;
  m.index = Index(11);
  static_cast<void>(c.n.Step(m));
  EXPECT_EQ(c.n.Take(MessageType::kSnap).size(), 1U) << "its answer made it active";
}

// Proposals elsewhere. ---------------------------------------------------------------------------

TEST(Proposal, IsForwardedByAFollower) {
  TestGroup g(3);
  g.Elect(1);
  g.Propose(3, "x");
  EXPECT_EQ(g[2].applied(), std::vector<std::string>{"x"});
}

TEST(Proposal, IsDroppedWithoutALeaderOrWithoutForwarding) {
  TestNode n(1);
  EXPECT_EQ(n->Propose(Payload("x")), StepResult::kProposalDropped);
  TestNode quiet(1, {}, [](Config& c) { c.disable_proposal_forwarding = true; });
  static_cast<void>(quiet.Step(MakeMessage(MessageType::kHeartbeat, 2, 1, 1)));
  EXPECT_EQ(quiet->Propose(Payload("x")), StepResult::kProposalDropped);
  TestNode candidate(1);
  candidate->Campaign();
  EXPECT_EQ(candidate->Propose(Payload("x")), StepResult::kProposalDropped);
}

TEST(Proposal, BatchIsOneMessage) {
  TestNode n = Replicating(100, 0, kNoLimit);
  const std::vector<Payload> batch = {Payload("a"), Payload("b"), Payload("c")};
  ASSERT_EQ(n->ProposeBatch(batch), StepResult::kOk);
  const std::vector<Message> sent = n.Take(MessageType::kApp);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].entries.size(), 3U);
  EXPECT_EQ(n->ProposeBatch({}), StepResult::kRefused);
}

}  // namespace
}  // namespace nokv::raft
