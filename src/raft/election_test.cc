// Elections: votes, pre-votes, leases, quorum checks. Sections of the paper and the thesis in the
// names of the suites or beside the cases.

#include <gtest/gtest.h>

#include <set>

#include "raft/describe.h"
#include "raft/testing_group.h"

namespace nokv::raft {
namespace {

TestNode::Start Logged(std::vector<uint64_t> terms, uint64_t term) {
  TestNode::Start start;
  start.terms = std::move(terms);
  start.hard_state.term = Term(term);
  return start;
}

Message Vote(MessageType type, uint64_t from, uint64_t term, uint64_t log_term, uint64_t index) {
  Message m = MakeMessage(type, from, 1, term);
  m.log_term = Term(log_term);
  m.index = Index(index);
  return m;
}

// Paper, section 5.1. ----------------------------------------------------------------------------

class StepsDownOnHigherTerm : public ::testing::TestWithParam<Role> {};
TEST_P(StepsDownOnHigherTerm, AndTakesTheTerm) {
  TestNode n(1);
  if (GetParam() == Role::kCandidate) {
    n->Campaign();
    n.Take();
  } else if (GetParam() == Role::kLeader) {
    n.Lead();
  }
  Message m = MakeMessage(MessageType::kApp, 2, 1, 9);
  EXPECT_EQ(n.Step(m), StepResult::kOk);
  EXPECT_EQ(n.raft().term(), Term(9));
  EXPECT_EQ(n.raft().role(), Role::kFollower);
  EXPECT_EQ(n.raft().leader(), NodeId(2));
}
INSTANTIATE_TEST_SUITE_P(Roles, StepsDownOnHigherTerm,
                         ::testing::Values(Role::kFollower, Role::kCandidate, Role::kLeader));

TEST(Term, OfAnOlderAppendIsRefusedSilently) {
  TestNode n(1, Logged({}, 5));
  EXPECT_EQ(n.Step(MakeMessage(MessageType::kApp, 2, 1, 4)), StepResult::kOk);
  EXPECT_TRUE(n.Take().empty());
  EXPECT_EQ(n.raft().leader(), kNoNode);
}

TEST(Role, StartsAsFollower) { EXPECT_EQ(TestNode(1).raft().role(), Role::kFollower); }

TEST(Leader, HeartbeatsEveryHeartbeatTick) {
  TestNode n(1, {}, [](Config& c) { c.heartbeat_tick = 2; });
  n.Lead();
  n.Tick(1);
  EXPECT_TRUE(n.Take(MessageType::kHeartbeat).empty());
  n.Tick(1);
  EXPECT_EQ(n.Take(MessageType::kHeartbeat).size(), 2U);
}

class StartsAnElection : public ::testing::TestWithParam<bool> {};
TEST_P(StartsAnElection, WhenNoLeaderIsHeardOf) {
  TestNode n(1);
  if (GetParam()) {
    n->Campaign();
    n.Take();
  }
  const uint64_t before = n.raft().term().value();
  n.Tick(20);
  EXPECT_EQ(n.raft().term(), Term(before + 1));
  EXPECT_EQ(n.raft().role(), Role::kCandidate);
  EXPECT_EQ(n.Take(MessageType::kVote).size(), 2U);
  EXPECT_EQ(n.raft().vote(), NodeId(1));
}
INSTANTIATE_TEST_SUITE_P(FollowerAndCandidate, StartsAnElection, ::testing::Bool());

struct ElectionCase {
  const char* name;
  size_t size;
  size_t granted, refused;
  Role expected;
};
class Election : public ::testing::TestWithParam<ElectionCase> {};
TEST_P(Election, IsDecidedByAMajorityInOneRound) {
  TestNode::Start start;
  start.voters.clear();
  for (uint64_t id = 1; id <= GetParam().size; ++id) start.voters.push_back(id);
  TestNode n(1, start);
  n->Campaign();
  n.Take();
  uint64_t next = 2;
  for (size_t i = 0; i < GetParam().granted; ++i) {
    static_cast<void>(n.Step(MakeMessage(MessageType::kVoteResp, next++, 1, 1)));
  }
  for (size_t i = 0; i < GetParam().refused; ++i) {
    Message m = MakeMessage(MessageType::kVoteResp, next++, 1, 1);
    m.reject = true;
    static_cast<void>(n.Step(m));
  }
  n.Take();
  EXPECT_EQ(n.raft().role(), GetParam().expected);
  EXPECT_EQ(n.raft().term(), Term(1));
}
INSTANTIATE_TEST_SUITE_P(
    Table, Election,
    ::testing::Values(ElectionCase{"OneAlone", 1, 0, 0, Role::kLeader},
                      ElectionCase{"ThreeAllGrant", 3, 2, 0, Role::kLeader},
                      ElectionCase{"ThreeOneGrants", 3, 1, 0, Role::kLeader},
                      ElectionCase{"ThreeNobodyAnswers", 3, 0, 0, Role::kCandidate},
                      ElectionCase{"ThreeAllRefuse", 3, 0, 2, Role::kFollower},
                      ElectionCase{"FiveTwoGrant", 5, 2, 0, Role::kLeader},
                      ElectionCase{"FiveOneGrants", 5, 1, 0, Role::kCandidate},
                      ElectionCase{"FiveThreeRefuse", 5, 0, 3, Role::kFollower},
                      ElectionCase{"FiveSplit", 5, 1, 2, Role::kCandidate},
                      ElectionCase{"SevenThreeGrant", 7, 3, 0, Role::kLeader}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(Election, CountsEachVoterOnce) {
  TestNode::Start start;
  start.voters = {1, 2, 3, 4, 5};
  TestNode n(1, start);
  n->Campaign();
  n.Take();
  for (int i = 0; i < 3; ++i) {
    static_cast<void>(n.Step(MakeMessage(MessageType::kVoteResp, 2, 1, 1)));
  }
  EXPECT_EQ(n.raft().role(), Role::kCandidate);
}

struct VoterCase {
  const char* name;
  uint64_t vote, candidate;
  bool granted;
};
class OneVotePerTerm : public ::testing::TestWithParam<VoterCase> {};
TEST_P(OneVotePerTerm, IsGrantedFirstComeFirstServed) {
  TestNode::Start start = Logged({}, 1);
  start.hard_state.vote = NodeId(GetParam().vote);
  TestNode n(1, start);
  static_cast<void>(n.Step(Vote(MessageType::kVote, GetParam().candidate, 1, 0, 0)));
  const std::vector<Message> sent = n.Take(MessageType::kVoteResp);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].reject, !GetParam().granted);
}
INSTANTIATE_TEST_SUITE_P(Table, OneVotePerTerm,
                         ::testing::Values(VoterCase{"FreeVoteForTwo", 0, 2, true},
                                           VoterCase{"FreeVoteForThree", 0, 3, true},
                                           VoterCase{"TheSameAgain", 2, 2, true},
                                           VoterCase{"AnotherIsRefused", 2, 3, false},
                                           VoterCase{"OwnVoteIsRefused", 1, 3, false}),
                         [](const auto& i) { return std::string(i.param.name); });

TEST(OneVotePerTermAcrossRestarts, IsRememberedByTheDisk) {
  TestNode n(1);
  static_cast<void>(n.Step(Vote(MessageType::kVote, 2, 1, 0, 0)));
  EXPECT_FALSE(n.Take(MessageType::kVoteResp)[0].reject);
  n.Restart();
  static_cast<void>(n.Step(Vote(MessageType::kVote, 3, 1, 0, 0)));
  EXPECT_TRUE(n.Take(MessageType::kVoteResp)[0].reject);
}

// Paper, section 5.4.1: the election restriction.
struct RestrictionCase {
  const char* name;
  std::vector<uint64_t> terms;
  uint64_t log_term, index;
  bool granted;
};
class ElectionRestriction : public ::testing::TestWithParam<std::tuple<RestrictionCase, bool>> {};
TEST_P(ElectionRestriction, WantsALogThatIsUpToDate) {
  const auto& [c, pre] = GetParam();
  TestNode n(1, Logged(c.terms, c.terms.back()));
  const MessageType type = pre ? MessageType::kPreVote : MessageType::kVote;
  static_cast<void>(n.Step(Vote(type, 2, 9, c.log_term, c.index)));
  const std::vector<Message> sent = n.Take();
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].reject, !c.granted);
}
INSTANTIATE_TEST_SUITE_P(
    Table, ElectionRestriction,
    ::testing::Combine(
        ::testing::Values(RestrictionCase{"SameLog", {1}, 1, 1, true},
                          RestrictionCase{"Longer", {1}, 1, 2, true},
                          RestrictionCase{"Shorter", {1, 1}, 1, 1, false},
                          RestrictionCase{"LaterTerm", {1}, 2, 1, true},
                          RestrictionCase{"LaterTermShorter", {1, 1}, 2, 1, true},
                          RestrictionCase{"EarlierTerm", {2}, 1, 1, false},
                          RestrictionCase{"EarlierTermLonger", {2}, 1, 5, false}),
        ::testing::Bool()),
    [](const auto& i) {
      return std::string(std::get<0>(i.param).name) + (std::get<1>(i.param) ? "PreVote" : "Vote");
    });

class CandidateFallsBack : public ::testing::TestWithParam<uint64_t> {};
TEST_P(CandidateFallsBack, WhenItHearsOfALeader) {
  TestNode n(1);
  n->Campaign();
  n.Take();
  static_cast<void>(n.Step(MakeMessage(MessageType::kApp, 2, 1, GetParam())));
  EXPECT_EQ(n.raft().role(), Role::kFollower);
  EXPECT_EQ(n.raft().term(), Term(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(SameAndLaterTerm, CandidateFallsBack, ::testing::Values(1, 2));

// Section 5.2: randomised timeouts.
TEST(ElectionTimeout, IsDrawnFromTheWholeRangeAndNoFurther) {
  std::set<uint32_t> drawn;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    TestNode n(1, {}, [seed](Config& c) { c.seed = seed; });
    const uint32_t timeout = n.raft().election_timeout();
    EXPECT_GE(timeout, 10U);
    EXPECT_LT(timeout, 20U);
    drawn.insert(timeout);
  }
  EXPECT_EQ(drawn.size(), 10U);
}

TEST(ElectionTimeout, IsDrawnAgainForEachElection) {
  TestNode n(1);
  std::set<uint32_t> drawn;
  for (int i = 0; i < 100; ++i) {
    n.Tick(n.raft().election_timeout());
    n.Take();
    drawn.insert(n.raft().election_timeout());
  }
  EXPECT_GT(drawn.size(), 5U);
}

TEST(ElectionTimeout, RarelyCollidesAmongNodes) {
  int collisions = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    TestNode a(1, {}, [seed](Config& c) { c.seed = seed; });
    TestNode b(2, {}, [seed](Config& c) { c.seed = seed; });
    collisions += a.raft().election_timeout() == b.raft().election_timeout() ? 1 : 0;
  }
  EXPECT_LT(collisions, 75);
}

TEST(Promotion, NeedsAPartInTheConfiguration) {
  TestNode::Start others;
  others.voters = {2, 3};
  TestNode stranger(1, others);
  stranger.Tick(100);
  EXPECT_EQ(stranger.raft().role(), Role::kFollower);
  TestNode::Start learning;
  learning.voters = {2};
  learning.learners = {1};
  TestNode learner(1, learning);
  learner.Tick(100);
  learner->Campaign();
  EXPECT_EQ(learner.raft().role(), Role::kFollower);
}

TEST(Learner, VotesWhenItIsAsked) {
  TestNode::Start start;
  start.voters = {2, 3};
  start.learners = {1};
  TestNode n(1, start);
  static_cast<void>(n.Step(Vote(MessageType::kVote, 2, 2, 0, 0)));
  EXPECT_FALSE(n.Take(MessageType::kVoteResp)[0].reject);
}

TEST(Learner, DoesNotCountInAnElection) {
  TestNode::Start start;
  start.voters = {1, 2, 3};
  start.learners = {4, 5};
  TestNode n(1, start);
  n->Campaign();
  EXPECT_EQ(n.Take(MessageType::kVote).size(), 2U);
  static_cast<void>(n.Step(MakeMessage(MessageType::kVoteResp, 4, 1, 1)));
  static_cast<void>(n.Step(MakeMessage(MessageType::kVoteResp, 5, 1, 1)));
  EXPECT_EQ(n.raft().role(), Role::kCandidate);
}

TEST(ElectionInAGroup, MovesLeadershipTermByTerm) {
  TestGroup g(3);
  for (uint64_t id = 1; id <= 3; ++id) {
    g.Elect(id);
    EXPECT_EQ(g.leader(), id);
    EXPECT_EQ(g[id].raft().term(), Term(id));
  }
}

TEST(ElectionInAGroup, ReplacesTheTailsOfOlderLeaders) {
  TestGroup g(3);
  g.Elect(1);
  g.Isolate(1);
  for (int i = 0; i < 3; ++i) static_cast<void>(g[1]->Propose(Payload("lost")));
  g.Settle();
  g.Elect(2);
  g.Propose(2, "kept");
  g.Heal();
  g[2].Tick(1);
  g.Settle();
  EXPECT_EQ(g[1].terms(), g[2].terms());
  EXPECT_EQ(g[1].applied(), std::vector<std::string>{"kept"});
}

TEST(ElectionInAGroup, DuelingCandidatesSettle) {
  TestGroup g(3);
  g.Cut(1, 3);
  g.Cut(3, 1);
  g[1]->Campaign();
  g[3]->Campaign();
  g.Settle();
  EXPECT_EQ(g.leader(), 1U);
  EXPECT_EQ(g[3].raft().role(), Role::kCandidate);
  g.Heal();
  g.Elect(3);
  // Its log is shorter, so it only raises the term.
  EXPECT_NE(g[3].raft().role(), Role::kLeader);
  EXPECT_EQ(g[1].raft().term(), Term(2));
}

// Thesis, section 9.6. ---------------------------------------------------------------------------

void PreVoting(Config& c) { c.pre_vote = true; }
void Checking(Config& c) { c.check_quorum = true; }
void Both(Config& c) {
  c.pre_vote = true;
  c.check_quorum = true;
}

TEST(PreVote, DoesNotRaiseTheTermWhenItFails) {
  TestGroup g(3, PreVoting);
  g.Isolate(3);
  g.Elect(3);
  EXPECT_EQ(g[3].raft().role(), Role::kPreCandidate);
  EXPECT_EQ(g[3].raft().term(), Term(0));
}

TEST(PreVote, LeadsToAnElectionWhenItSucceeds) {
  TestGroup g(3, PreVoting);
  g.Elect(2);
  EXPECT_EQ(g.leader(), 2U);
  EXPECT_EQ(g[1].raft().term(), Term(1));
}

TEST(PreVote, IsRefusedToAStaleLogWithoutDisturbance) {
  TestGroup g(3, PreVoting);
  g.Elect(1);
  g.Isolate(3);
  g.Propose(1, "a");
  g.Heal();
  g.Elect(3);
  EXPECT_EQ(g.leader(), 1U);
  EXPECT_EQ(g[1].raft().term(), Term(1));
  EXPECT_EQ(g[3].raft().role(), Role::kFollower);
}

TEST(PreVote, DoesNotUseUpTheVote) {
  TestNode n(1, {}, PreVoting);
  static_cast<void>(n.Step(Vote(MessageType::kPreVote, 2, 1, 0, 0)));
  EXPECT_FALSE(n.Take(MessageType::kPreVoteResp)[0].reject);
  EXPECT_EQ(n.raft().vote(), kNoNode);
  EXPECT_EQ(n.raft().term(), Term(0));
  static_cast<void>(n.Step(Vote(MessageType::kPreVote, 3, 1, 0, 0)));
  EXPECT_FALSE(n.Take(MessageType::kPreVoteResp)[0].reject);
}

TEST(PreVote, OfALowerTermIsAnsweredSoThatTheAskerCatchesUp) {
  TestNode n(1, Logged({1}, 5), PreVoting);
  static_cast<void>(n.Step(Vote(MessageType::kPreVote, 2, 3, 1, 1)));
  const std::vector<Message> sent = n.Take(MessageType::kPreVoteResp);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_TRUE(sent[0].reject);
  EXPECT_EQ(sent[0].term, Term(5));
}

TEST(PreVote, RejectionWithAHigherTermEndsTheCandidacy) {
  TestNode n(1, {}, PreVoting);
  n->Campaign();
  n.Take();
  Message m = MakeMessage(MessageType::kPreVoteResp, 2, 1, 7);
  m.reject = true;
  static_cast<void>(n.Step(m));
  EXPECT_EQ(n.raft().role(), Role::kFollower);
  EXPECT_EQ(n.raft().term(), Term(7));
}

TEST(PreVote, StaleGrantDoesNotCountInTheElection) {
  TestNode::Start start;
  start.voters = {1, 2, 3, 4, 5};
  TestNode n(1, start, PreVoting);
  n->Campaign();
  n.Take();
  for (const uint64_t from : {2U, 3U}) {
    static_cast<void>(n.Step(MakeMessage(MessageType::kPreVoteResp, from, 1, 1)));
  }
  ASSERT_EQ(n.raft().role(), Role::kCandidate);
  n.Take();
  for (const uint64_t from : {4U, 5U}) {
    static_cast<void>(n.Step(MakeMessage(MessageType::kPreVoteResp, from, 1, 1)));
  }
  EXPECT_EQ(n.raft().role(), Role::kCandidate);
}

TEST(PreVote, SplitVoteIsSettledByTheNextRound) {
  TestGroup g(3, PreVoting);
  g.Elect(1);
  g.Isolate(1);
  g[2]->Campaign();
  g[3]->Campaign();
  g.Settle();
  if (g[2].raft().role() != Role::kLeader && g[3].raft().role() != Role::kLeader) g.Elect(2);
  EXPECT_TRUE(g[2].raft().role() == Role::kLeader || g[3].raft().role() == Role::kLeader);
}

// Thesis, section 6.2. ---------------------------------------------------------------------------

TEST(CheckQuorum, LeaderWithoutAQuorumStepsDown) {
  TestNode n(1, {}, Checking);
  n.Lead();
  n.Tick(9);
  EXPECT_EQ(n.raft().role(), Role::kLeader);
  n.Tick(1);
  EXPECT_EQ(n.raft().role(), Role::kFollower);
}

TEST(CheckQuorum, LeaderThatHearsOfAQuorumStays) {
  TestNode n(1, {}, Checking);
  n.Lead();
  for (int i = 0; i < 100; ++i) {
    n.Tick(1);
    Message m = MakeMessage(MessageType::kHeartbeatResp, 2, 1, 1);
    EXPECT_EQ(n.Step(m), StepResult::kOk);
    n.Take();
  }
  EXPECT_EQ(n.raft().role(), Role::kLeader);
}

TEST(CheckQuorum, LearnersDoNotCount) {
  TestNode::Start start;
  start.voters = {1, 2};
  start.learners = {3};
  TestNode n(1, start, Checking);
  n.Lead();
  for (int i = 0; i < 20; ++i) {
    n.Tick(1);
    static_cast<void>(n.Step(MakeMessage(MessageType::kHeartbeatResp, 3, 1, 1)));
    n.Take();
  }
  EXPECT_EQ(n.raft().role(), Role::kFollower);
}

TEST(Lease, VotesAreRefusedWhileALeaderIsHeardOf) {
  TestGroup g(3, Checking);
  g.Elect(1);
  g[3]->Campaign();
  g.Settle();
  EXPECT_EQ(g.leader(), 1U);
  EXPECT_EQ(g[2].raft().term(), Term(1));
}

TEST(Lease, VotesAreGrantedOnceItHasExpired) {
  TestNode n(1, {}, Checking);
  static_cast<void>(n.Step(MakeMessage(MessageType::kHeartbeat, 2, 1, 1)));
  n.Take();
  n->set_election_timeout(20);
  n.Tick(9);
  static_cast<void>(n.Step(Vote(MessageType::kVote, 3, 2, 0, 0)));
  EXPECT_TRUE(n.Take().empty());
  n.Tick(1);
  static_cast<void>(n.Step(Vote(MessageType::kVote, 3, 2, 0, 0)));
  EXPECT_FALSE(n.Take(MessageType::kVoteResp)[0].reject);
}

TEST(Lease, PreVotesAreRefusedAsWell) {
  TestGroup g(3, Both);
  g.Elect(1);
  g.Elect(3);
  EXPECT_EQ(g.leader(), 1U);
  EXPECT_EQ(g[3].raft().term(), Term(1));
}

class StuckCandidate : public ::testing::TestWithParam<MessageType> {};
TEST_P(StuckCandidate, IsFreedByAnAnswerToItsOldLeader) {
  // A node that raised its term alone hears from the leader of the older term.
  TestNode n(1, Logged({}, 5), Checking);
  static_cast<void>(n.Step(MakeMessage(GetParam(), 2, 1, 3)));
  const std::vector<Message> sent = n.Take(MessageType::kAppResp);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].term, Term(5));
}
INSTANTIATE_TEST_SUITE_P(ByHeartbeatAndAppend, StuckCandidate,
                         ::testing::Values(MessageType::kHeartbeat, MessageType::kApp));

TEST(StuckPreCandidate, ComesFreeAfterAnUpgrade) {
  TestGroup g(3, PreVoting);
  g.Elect(1);
  g.Isolate(3);
  g.Propose(1, "x");
  // Node 3 has run ahead in terms alone, as it would have without pre-votes.
  static_cast<void>(g[3].Step(MakeMessage(MessageType::kVote, 2, 3, 9)));
  g[3].Take();
  g.Heal();
  g[1].Tick(1);
  g.Settle();
  EXPECT_NE(g.leader(), 1U) << "the leader learns of the newer term";
  g.Elect(1);
  g.Elect(1);
  EXPECT_EQ(g.leader(), 1U);
  EXPECT_EQ(g[3].applied(), g[1].applied());
}

TEST(ForgetLeader, LetsAFollowerVoteEarly) {
  TestGroup g(3, Both);
  g.Elect(1);
  g[2]->ForgetLeader();
  EXPECT_EQ(g[2]->leader(), kNoNode);
  EXPECT_EQ(g[2].raft().term(), Term(1));
  g[3]->ForgetLeader();
  g.Isolate(1);
  g.Elect(3);
  EXPECT_EQ(g[3].raft().role(), Role::kLeader);
}

TEST(ForgetLeader, IsNothingToALeaderAndRefusedUnderLeases) {
  TestNode n(1);
  n.Lead();
  n->ForgetLeader();
  EXPECT_EQ(n->leader(), NodeId(1));
  TestNode leased(1, {}, [](Config& c) {
    c.check_quorum = true;
    c.read_only = ReadOnlyOption::kLeaseBased;
  });
  static_cast<void>(leased.Step(MakeMessage(MessageType::kHeartbeat, 2, 1, 1)));
  leased->ForgetLeader();
  EXPECT_EQ(leased->leader(), NodeId(2));
}

TEST(NewLeader, AppendsAnEntryOfItsTerm) {
  TestNode n(1);
  n.Lead();
  EXPECT_EQ(n.terms(), std::vector<uint64_t>{1});
}

TEST(NewLeader, MayNotBeOneThatHasUnappliedChanges) {
  TestNode::Start start = Logged({1}, 1);
  start.hard_state.commit = Index(0);
  TestNode n(1, start, [](Config& c) { c.async_storage_writes = true; });
  ConfChange change;
  change.changes = {{ConfChangeType::kAddNode, NodeId(4)}};
  Entry entry = EncodeConfChange(change);
  entry.term = Term(1);
  entry.index = Index(2);
  Message m = MakeMessage(MessageType::kApp, 2, 1, 1);
  m.index = Index(1);
  m.log_term = Term(1);
  m.commit = Index(2);
  m.entries = {entry};
  ASSERT_EQ(n.Step(m), StepResult::kOk);
  n->Campaign();
  EXPECT_EQ(n.raft().role(), Role::kFollower);
  n.Take();
  n->Campaign();
  EXPECT_EQ(n.raft().role(), Role::kCandidate);
}

TEST(JointElection, NeedsBothHalves) {
  // A leader's word about node 1's configuration: (1 4 5)&&(1 2 3).
  const auto make = [] {
    auto n = std::make_unique<TestNode>(1);
    Message m = MakeMessage(MessageType::kSnap, 2, 1, 1);
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->id = {Term(1), Index(5)};
    snapshot->conf_state.voters = {NodeId(1), NodeId(4), NodeId(5)};
    snapshot->conf_state.voters_outgoing = {NodeId(1), NodeId(2), NodeId(3)};
    m.snapshot = snapshot;
    EXPECT_EQ(n->Step(m), StepResult::kOk);
    n->Take();
    (*n)->Campaign();
    n->Take();
    return n;
  };
  auto incoming = make();
  for (const uint64_t from : {4U, 5U}) {
    static_cast<void>(incoming->Step(MakeMessage(MessageType::kVoteResp, from, 1, 2)));
  }
  EXPECT_EQ(incoming->raft().role(), Role::kCandidate);
  static_cast<void>(incoming->Step(MakeMessage(MessageType::kVoteResp, 2, 1, 2)));
  EXPECT_EQ(incoming->raft().role(), Role::kLeader);
  auto outgoing = make();
  for (const uint64_t from : {2U, 3U}) {
    static_cast<void>(outgoing->Step(MakeMessage(MessageType::kVoteResp, from, 1, 2)));
  }
  EXPECT_EQ(outgoing->raft().role(), Role::kCandidate);
}

TEST(VoteGate, RequestsLeaveOnlyWhenTheirTermIsDurable) {
  TestNode n(1, {}, [](Config& c) { c.async_storage_writes = true; });
  n->Campaign();
  Ready ready;
  n->TakeReady(&ready);
  EXPECT_TRUE(ready.send_now.empty());
  ASSERT_TRUE(ready.append.hard_state);
  EXPECT_EQ(ready.append.hard_state->term, Term(1));
  EXPECT_TRUE(ready.append.must_sync);
  size_t requests = 0;
  for (const Message& m : ready.append.responses) requests += m.type == MessageType::kVote ? 1 : 0;
  EXPECT_EQ(requests, 2U);
}

TEST(VoteGate, PreVotesNeedNotWait) {
  TestNode n(1, {}, [](Config& c) {
    c.async_storage_writes = true;
    c.pre_vote = true;
  });
  n->Campaign();
  Ready ready;
  n->TakeReady(&ready);
  EXPECT_EQ(ready.send_now.size(), 2U);
}

TEST(VoteGate, AnswersWaitForTheDiskToo) {
  TestNode n(1, {}, [](Config& c) { c.async_storage_writes = true; });
  static_cast<void>(n.Step(Vote(MessageType::kVote, 2, 1, 0, 0)));
  Ready ready;
  n->TakeReady(&ready);
  EXPECT_TRUE(ready.send_now.empty());
  ASSERT_EQ(ready.append.responses.size(), 1U);
  EXPECT_EQ(ready.append.responses[0].type, MessageType::kVoteResp);
}

}  // namespace
}  // namespace nokv::raft
