// Changes of configuration in the protocol (thesis, chapter 4), and life and death of a RawNode.

#include <gtest/gtest.h>

#include "raft/describe.h"
#include "raft/invariants.h"
#include "raft/testing_group.h"
#include "raft/testing_interaction.h"

namespace nokv::raft {
namespace {

Message Ack(uint64_t from, uint64_t term, uint64_t index) {
  Message m = MakeMessage(MessageType::kAppResp, from, 1, term);
  m.index = Index(index);
  return m;
}

ConfChange Change(std::string_view changes,
                  ConfChangeTransition transition = ConfChangeTransition::kAuto) {
  ConfChange change;
  change.transition = transition;
  change.changes = ParseChanges(changes).changes;
  return change;
}

EntryType TypeAt(const TestNode& n, uint64_t index) {
  std::vector<Entry> entries;
  n.raft().log().Read(Index(index), Index(index + 1), kNoLimit, &entries);
  return entries.at(0).type;
}

TEST(ConfChangeProposal, OneAtATime) {
  TestNode n(1);
  n.Lead();
  static_cast<void>(n.Step(Ack(2, 1, 1)));
  n.Take();
  ASSERT_EQ(n->ProposeConfChange(Change("v4")), StepResult::kOk);
  EXPECT_EQ(n.raft().pending_conf_index(), Index(2));
  ASSERT_EQ(n->ProposeConfChange(Change("v5")), StepResult::kOk);
  EXPECT_EQ(TypeAt(n, 2), EntryType::kConfChangeV2);
  EXPECT_EQ(TypeAt(n, 3), EntryType::kNormal) << "an empty entry stands for the refused change";
}

TEST(ConfChangeProposal, IsPossibleAgainOnceApplied) {
  TestNode n(1);
  n.Lead();
  static_cast<void>(n.Step(Ack(2, 1, 1)));
  n.Take();
  ASSERT_EQ(n->ProposeConfChange(Change("l4")), StepResult::kOk);
  n.Take();
  static_cast<void>(n.Step(Ack(2, 1, 2)));
  n.Take();
  ASSERT_EQ(n->ProposeConfChange(Change("l5")), StepResult::kOk);
  EXPECT_EQ(TypeAt(n, 3), EntryType::kConfChangeV2);
}

TEST(ConfChangeProposal, WaitsUntilANewLeaderKnowsItsLog) {
  TestNode::Start start;
  start.terms = {1, 1};
  start.hard_state.term = Term(1);
  TestNode n(1, start);
  n.Lead();
  EXPECT_EQ(n.raft().pending_conf_index(), Index(2));
  ASSERT_EQ(n->ProposeConfChange(Change("v4")), StepResult::kOk);
  EXPECT_EQ(TypeAt(n, 4), EntryType::kNormal);
}

TEST(ConfChangeProposal, ADroppedOneBlocksNothing) {
  TestNode n(1, {}, [](Config& c) { c.uncommitted_bytes_max = 10; });
  n.Lead();
  static_cast<void>(n.Step(Ack(2, 1, 1)));
  n.Take();
  ASSERT_EQ(n->Propose(Payload(std::string(20, 'x'))), StepResult::kOk);
  EXPECT_EQ(n->ProposeConfChange(Change("v4 v5 v6")), StepResult::kProposalDropped);
  EXPECT_EQ(n.raft().pending_conf_index(), Index(0));
}

TEST(ConfChangeProposal, ValidationCanBeLeftToTheLayerAbove) {
  TestNode n(1, {}, [](Config& c) { c.disable_conf_change_validation = true; });
  n.Lead();
  ASSERT_EQ(n->ProposeConfChange(Change("v4")), StepResult::kOk);
  ASSERT_EQ(n->ProposeConfChange(Change("v5")), StepResult::kOk);
  EXPECT_EQ(TypeAt(n, 3), EntryType::kConfChangeV2);
}

TEST(JointConfiguration, IsLeftByItself) {
  TestGroup g(3);
  g.Elect(1);
  ASSERT_EQ(g[1]->ProposeConfChange(Change("l2 l3", ConfChangeTransition::kJointImplicit)),
            StepResult::kOk);
  g.Settle();
  for (uint64_t id = 1; id <= 3; ++id) {
    EXPECT_EQ(Describe(g[id].raft().tracker().config), "voters=(1) learners=(2 3)");
  }
}

TEST(JointConfiguration, WaitsToBeLeftWhenAsked) {
  TestGroup g(3);
  g.Elect(1);
  ASSERT_EQ(g[1]->ProposeConfChange(Change("r3", ConfChangeTransition::kJointExplicit)),
            StepResult::kOk);
  g.Settle();
  EXPECT_EQ(Describe(g[1].raft().tracker().config), "voters=(1 2)&&(1 2 3)");
  ASSERT_EQ(g[1]->ProposeConfChange(Change("v4")), StepResult::kOk);
  g.Settle();
  EXPECT_EQ(Describe(g[1].raft().tracker().config), "voters=(1 2)&&(1 2 3)");
  ASSERT_EQ(g[1]->ProposeConfChange(ConfChange()), StepResult::kOk);
  g.Settle();
  EXPECT_EQ(Describe(g[1].raft().tracker().config), "voters=(1 2)");
}

TEST(JointConfiguration, IsLeftByTheNextLeaderIfTheFirstCannot) {
  TestGroup g(3);
  g.Elect(1);
  ASSERT_EQ(g[1]->ProposeConfChange(Change("l3 u1", ConfChangeTransition::kJointImplicit)),
            StepResult::kOk);
  // Applied everywhere, but nothing more leaves node 1.
  Ready ready;
  g.Settle();
  EXPECT_EQ(Describe(g[2].raft().tracker().config), "voters=(1 2) learners=(3)");
}

TEST(RemovedLeader, StepsDown) {
  TestGroup g(3);
  g.Elect(1);
  ASSERT_EQ(g[1]->ProposeConfChange(Change("r1")), StepResult::kOk);
  g.Settle();
  EXPECT_EQ(g[1].raft().role(), Role::kFollower);
  g.Elect(2);
  g.Propose(2, "x");
  EXPECT_EQ(g[3].applied(), std::vector<std::string>{"x"});
}

TEST(RemovedLeader, TakesNoProposalsIfItStays) {
  TestGroup g(3, [](Config& c) { c.step_down_on_removal = false; });
  g.Elect(1);
  ASSERT_EQ(g[1]->ProposeConfChange(Change("r1")), StepResult::kOk);
  g.Settle();
  EXPECT_EQ(g[1].raft().role(), Role::kLeader);
  EXPECT_EQ(g[1]->Propose(Payload("x")), StepResult::kProposalDropped);
}

TEST(SmallerQuorum, CommitsWhatALargerOneHadNot) {
  TestNode::Start start;
  start.voters = {1, 2};
  TestNode n(1, start);
  n.Lead();
  static_cast<void>(n.Step(Ack(2, 1, 1)));
  n.Take();
  ASSERT_EQ(n->ProposeConfChange(Change("r2")), StepResult::kOk);
  ASSERT_EQ(n->Propose(Payload("x")), StepResult::kOk);
  n.Take();
  static_cast<void>(n.Step(Ack(2, 1, 2)));
  n.Take();
  EXPECT_EQ(n.raft().log().committed(), Index(3));
}

TEST(RefusedChange, IsRefusedAlikeEverywhere) {
  TestGroup g(3, [](Config& c) { c.disable_conf_change_validation = true; });
  g.Elect(1);
  ASSERT_EQ(g[1]->ProposeConfChange(Change("r1 r2 r3")), StepResult::kOk);
  g.Settle();
  g.Propose(1, "x");
  for (uint64_t id = 1; id <= 3; ++id) {
    EXPECT_EQ(Describe(g[id].raft().tracker().config), "voters=(1 2 3)");
    EXPECT_EQ(g[id].applied(), std::vector<std::string>{"x"});
  }
}

// Messages that nobody honest sends: refused, and nothing happens. ---------------------------------

class Hostile : public ::testing::TestWithParam<std::pair<const char*, std::function<Message()>>> {
};
TEST_P(Hostile, MessageIsRefused) {
  TestNode::Start start;
  start.terms = {1, 1, 1};
  start.hard_state = {Term(1), kNoNode, Index(3)};
  TestNode n(1, start);
  n.Lead();
  n.Take();
  const Term term = n.raft().term();
  EXPECT_NE(n.Step(GetParam().second()), StepResult::kOk);
  EXPECT_EQ(n.raft().term(), term);
  EXPECT_EQ(n.raft().role(), Role::kLeader);
  EXPECT_FALSE(n->HasReady());
}
INSTANTIATE_TEST_SUITE_P(
    Table, Hostile,
    ::testing::Values(
        std::pair("LocalType", [] { return MakeMessage(MessageType::kHup, 2, 1, 2); }),
        std::pair("StorageReport",
                  [] { return MakeMessage(MessageType::kStorageAppendResp, 2, 1, 2); }),
        std::pair("FromAStorageQueue",
                  [] { return MakeMessage(MessageType::kAppResp, UINT64_MAX, 1, 2); }),
        std::pair("FromItself", [] { return Ack(1, 2, 4); }),
        std::pair("FromNobody", [] { return MakeMessage(MessageType::kApp, 0, 1, 2); }),
        std::pair("AnswerOfAStranger", [] { return Ack(9, 2, 1); }),
        std::pair("WithoutATerm", [] { return MakeMessage(MessageType::kApp, 2, 1, 0); }),
        std::pair("OfATermBeyondAll",
                  [] { return MakeMessage(MessageType::kApp, 2, 1, UINT64_MAX); }),
        std::pair("AckBeyondTheLog", [] { return Ack(2, 2, 99); }),
        std::pair("EmptyProposal", [] { return MakeMessage(MessageType::kProp, 2, 1, 0); }),
        std::pair("ProposalThatIsNoChange",
                  [] {
                    Message m = MakeMessage(MessageType::kProp, 2, 1, 0);
                    m.entries.resize(1);
                    m.entries[0].type = EntryType::kConfChangeV2;
                    m.entries[0].data = Payload("\xff");
                    return m;
                  }),
        std::pair("AppendWithAGap",
                  [] {
                    Message m = MakeMessage(MessageType::kApp, 2, 1, 9);
                    m.entries = MakeEntries(5, {1});
                    return m;
                  }),
        std::pair("AppendFromTheFuture",
                  [] {
                    Message m = MakeMessage(MessageType::kApp, 2, 1, 9);
                    m.entries = MakeEntries(1, {10});
                    return m;
                  }),
        std::pair("SnapshotWithoutOne", [] { return MakeMessage(MessageType::kSnap, 2, 1, 9); }),
        std::pair("SnapshotOfNoConfiguration",
                  [] {
                    Message m = MakeMessage(MessageType::kSnap, 2, 1, 9);
                    auto snapshot = std::make_shared<Snapshot>();
                    snapshot->id = {Term(1), Index(9)};
                    snapshot->conf_state.learners = {NodeId(1)};
                    m.snapshot = snapshot;
                    return m;
                  })),
    [](const auto& i) { return std::string(i.param.first); });

TEST(HostileAppend, CannotReplaceCommittedEntries) {
  TestNode::Start start;
  start.terms = {1, 1, 1};
  start.hard_state = {Term(1), kNoNode, Index(3)};
  TestNode n(1, start);
  Message m = MakeMessage(MessageType::kApp, 2, 1, 2);
  m.index = Index(3);
  m.log_term = Term(1);
  ASSERT_EQ(n.Step(m), StepResult::kOk);
  m.index = Index(2);
  m.entries = MakeEntries(3, {2});
  EXPECT_EQ(n.Step(m), StepResult::kOk) << "what is before commit is answered, not looked at";
  EXPECT_EQ(n.terms(), (std::vector<uint64_t>{1, 1, 1}));
}

TEST(HostileHeartbeat, CannotCommitWhatIsNotThere) {
  TestNode n(1);
  Message m = MakeMessage(MessageType::kHeartbeat, 2, 1, 1);
  m.commit = Index(5);
  EXPECT_EQ(n.Step(m), StepResult::kRefused);
  EXPECT_TRUE(n.Take(MessageType::kHeartbeatResp).empty());
}

// Life and death. --------------------------------------------------------------------------------

struct ConfigCase {
  const char* name;
  void (*spoil)(Config&);
};
class BadConfig : public ::testing::TestWithParam<ConfigCase> {};
TEST_P(BadConfig, IsRefused) {
  MemoryStorage storage;
  Config config;
  config.id = NodeId(1);
  config.storage = &storage;
  ASSERT_TRUE(config.Validate().ok());
  GetParam().spoil(config);
  EXPECT_EQ(RawNode::Create(config).status().code(), StatusCode::kInvalidArgument);
}
INSTANTIATE_TEST_SUITE_P(
    Table, BadConfig,
    ::testing::Values(ConfigCase{"NoId", [](Config& c) { c.id = kNoNode; }},
                      ConfigCase{"QueueId", [](Config& c) { c.id = kAppendThread; }},
                      ConfigCase{"NoHeartbeat", [](Config& c) { c.heartbeat_tick = 0; }},
                      ConfigCase{"ElectionTooShort", [](Config& c) { c.election_tick = 1; }},
                      ConfigCase{"NoStorage", [](Config& c) { c.storage = nullptr; }},
                      ConfigCase{"NoWindow", [](Config& c) { c.inflight_count_max = 0; }},
                      ConfigCase{"WindowBelowAMessage",
                                 [](Config& c) { c.inflight_bytes_max = 1; }},
                      ConfigCase{"LeaseWithoutCheck",
                                 [](Config& c) {
                                   c.check_quorum = false;
                                   c.read_only = ReadOnlyOption::kLeaseBased;
                                 }},
                      ConfigCase{"LeaseTooLong", [](Config& c) { c.lease_tick = 10; }},
                      ConfigCase{"AppliedBeyondTheLog",
                                 [](Config& c) { c.applied = Index(5); }}),
    [](const auto& i) { return std::string(i.param.name); });

TEST(Restart, FindsACommitBeyondTheLogCorrupt) {
  MemoryStorage storage;
  storage.SetHardState({Term(1), kNoNode, Index(9)});
  Config config;
  config.id = NodeId(1);
  config.storage = &storage;
  EXPECT_EQ(RawNode::Create(config).status().code(), StatusCode::kCorruption);
}

TEST(Restart, HandsOutWhatIsCommittedAndNotApplied) {
  TestNode::Start start;
  start.terms = {1, 1, 1};
  start.hard_state = {Term(1), kNoNode, Index(2)};
  TestNode n(1, start);
  Ready ready;
  ASSERT_TRUE(n->HasReady());
  n->TakeReady(&ready);
  EXPECT_EQ(ready.apply.entries.size(), 2U);
  EXPECT_FALSE(ready.append.must_sync);
  n->Advance(ready);
  EXPECT_FALSE(n->HasReady());
  n.Restart(Index(1));
  n->TakeReady(&ready);
  EXPECT_EQ(ready.apply.entries.size(), 1U);
}

TEST(Restart, LiftsCommitToWhatIsApplied) {
  TestNode::Start start;
  start.terms = {1, 1, 1};
  start.hard_state = {Term(1), kNoNode, Index(1)};
  TestNode n(1, start);
  n.Restart(Index(3));
  EXPECT_EQ(n.raft().log().committed(), Index(3));
  EXPECT_EQ(n.raft().log().applied(), Index(3));
}

TEST(Restart, FromASnapshotHasNothingToDo) {
  MemoryStorage storage;
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->id = {Term(1), Index(2)};
  snapshot->conf_state.voters = {NodeId(1), NodeId(2)};
  ASSERT_TRUE(storage.ApplySnapshot(snapshot).ok());
  storage.SetHardState({Term(1), kNoNode, Index(2)});
  Config config;
  config.id = NodeId(1);
  config.storage = &storage;
  Result<std::unique_ptr<RawNode>> node = RawNode::Create(config);
  ASSERT_TRUE(node.ok());
  EXPECT_FALSE((*node)->HasReady());
  EXPECT_EQ((*node)->raft().log().applied(), Index(2));
}

TEST(Bootstrap, StartsAGroupThatCanElect) {
  MemoryStorage storage;
  Config config;
  config.id = NodeId(1);
  config.storage = &storage;
  config.check_invariants = true;
  Result<std::unique_ptr<RawNode>> node = RawNode::Create(config);
  ASSERT_TRUE(node.ok());
  const std::vector<NodeId> peers = {NodeId(1)};
  EXPECT_FALSE((*node)->Bootstrap({}).ok());
  ASSERT_TRUE((*node)->Bootstrap(peers).ok());
  Ready ready;
  bool campaigned = false;
  while ((*node)->HasReady()) {
    (*node)->TakeReady(&ready);
    if (ready.append.hard_state) storage.SetHardState(*ready.append.hard_state);
    storage.Append(ready.append.entries);
    for (const Entry& entry : ready.apply.entries) {
      if (entry.type != EntryType::kNormal) {
        ASSERT_TRUE((*node)->ApplyConfChange(entry).ok());
      }
    }
    (*node)->Advance(ready);
    if (!campaigned) (*node)->Campaign();
    campaigned = true;
  }
  EXPECT_EQ((*node)->role(), Role::kLeader);
  EXPECT_EQ((*node)->raft().log().applied(), Index(2));
  EXPECT_FALSE((*node)->Bootstrap(peers).ok()) << "the log is not empty";
}

TEST(ReadyReuse, AllocatesNothingForMessagesInSteadyState) {
  TestNode n(1);
  n.Lead();
  Ready ready;
  const Message* before = nullptr;
  for (int i = 0; i < 6; ++i) {
    n->Tick();
    n->TakeReady(&ready);
    n->Advance(ready);
    if (i == 3) before = ready.send_now.begin();
    if (i == 5) {
      EXPECT_EQ(ready.send_now.begin(), before) << "two lists go round";
    }
  }
}

TEST(MustSync, IsFalseWhenOnlyCommitMoved) {
  TestNode n(1);
  Message m = MakeMessage(MessageType::kApp, 2, 1, 1);
  m.entries = MakeEntries(1, {1});
  ASSERT_EQ(n.Step(m), StepResult::kOk);
  Ready ready;
  n->TakeReady(&ready);
  EXPECT_TRUE(ready.append.must_sync);
  n.disk().SetHardState(*ready.append.hard_state);
  n.disk().Append(ready.append.entries);
  n->Advance(ready);
  m = MakeMessage(MessageType::kHeartbeat, 2, 1, 1);
  m.commit = Index(1);
  ASSERT_EQ(n.Step(m), StepResult::kOk);
  n->TakeReady(&ready);
  EXPECT_TRUE(ready.append.hard_state);
  EXPECT_FALSE(ready.append.must_sync);
  n->Advance(ready);
}

TEST(MisuseDeathTest, IsACheckFailure) {
  TestNode n(1);
  n->Campaign();
  Ready ready;
  n->TakeReady(&ready);
  EXPECT_DEATH(n->TakeReady(&ready), "check failed");
  EXPECT_DEATH(n->OnAppended(ready.append), "check failed");
  TestNode async(1, {}, [](Config& c) { c.async_storage_writes = true; });
  async->Campaign();
  async->TakeReady(&ready);
  AppendTask wrong = ready.append;
  wrong.token = 7;
  EXPECT_DEATH(async->OnAppended(wrong), "check failed");
  EXPECT_DEATH(async->OnApplied(Index(1)), "check failed");
  EXPECT_DEATH(async->Advance(ready), "check failed");
}

TEST(Determinism, SameCallsSameOutcome) {
  std::string traces[2];
  for (std::string& trace : traces) {
    TestGroup g(3, [](Config& c) { c.seed = 42; });
    for (int i = 0; i < 200; ++i) {
      for (uint64_t id = 1; id <= 3; ++id) g[id].Tick(1);
      if (i % 10 == 0) g.Propose(1 + static_cast<uint64_t>(i) % 3, "x");
      if (i % 30 == 0) g.Isolate(1 + static_cast<uint64_t>(i) % 3);
      if (i % 30 == 15) g.Heal();
      g.Settle();
      for (uint64_t id = 1; id <= 3; ++id) trace += Describe(g[id].raft().log()) + "\n";
    }
  }
  EXPECT_EQ(traces[0], traces[1]);
}

TEST(Status, SaysWhoLeads) {
  TestNode n(1);
  n.Lead();
  const BasicStatus status = n->GetStatus();
  EXPECT_EQ(status.id, NodeId(1));
  EXPECT_EQ(status.soft_state.leader, NodeId(1));
  EXPECT_EQ(status.hard_state.term, Term(1));
}

TEST(Printing, QuotesAsTheReferenceDoes) {
  EXPECT_EQ(Quote(""), "\"\"");
  EXPECT_EQ(Quote("a\"b\\c\n\t"), R"("a\"b\\c\n\t")");
  EXPECT_EQ(Quote(std::string_view("\0\x1f\x7f", 3)), R"("\x00\x1f\x7f")");
  EXPECT_EQ(Quote("\xc3\xa9"), "\"\xc3\xa9\"");
  EXPECT_EQ(Quote("\xff\xc3"), R"("\xff\xc3")");
}

TEST(Printing, NamesSpecialTargets) {
  EXPECT_EQ(Describe(MakeMessage(MessageType::kApp, 255, 0, 3)), "ff->None MsgApp Term:3 Log:0/0");
}

}  // namespace
}  // namespace nokv::raft
