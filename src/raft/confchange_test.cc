#include "raft/confchange.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "raft/describe.h"
#include "raft/testing_interaction.h"

namespace nokv::raft {
namespace {

ProgressTracker Take(ConfigurationResult result) {
  EXPECT_EQ(result.error, "");
  ProgressTracker tracker({10, kNoLimit});
  tracker.config = std::move(result.config);
  tracker.progress = std::move(result.progress);
  return tracker;
}

ProgressTracker Voters(std::string_view changes) {
  ProgressTracker tracker({10, kNoLimit});
  for (const ConfChangeSingle& change : ParseChanges(changes).changes) {
    tracker = Take(Changer(tracker, Index(5), Index(5)).Simple({&change, 1}));
  }
  return tracker;
}

std::string Simple(const ProgressTracker& tracker, std::string_view changes) {
  const ConfigurationResult r =
      Changer(tracker, Index(5), Index(5)).Simple(ParseChanges(changes).changes);
  return r.ok() ? Describe(r.config) : r.error;
}

std::string Joint(const ProgressTracker& tracker, std::string_view changes) {
  const ConfigurationResult r =
      Changer(tracker, Index(5), Index(5)).EnterJoint(false, ParseChanges(changes).changes);
  return r.ok() ? Describe(r.config) : r.error;
}

struct ChangeCase {
  const char* name;
  const char* start;
  const char* changes;
  const char* expected;
};
class SimpleChange : public ::testing::TestWithParam<ChangeCase> {};
TEST_P(SimpleChange, MovesOneVoterAtMost) {
  EXPECT_EQ(Simple(Voters(GetParam().start), GetParam().changes), GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(
    Table, SimpleChange,
    ::testing::Values(
        ChangeCase{"AddsAVoter", "v1", "v2", "voters=(1 2)"},
        ChangeCase{"AddsALearner", "v1", "l2", "voters=(1) learners=(2)"},
        ChangeCase{"PromotesALearner", "v1 l2", "v2", "voters=(1 2)"},
        ChangeCase{"DemotesAVoter", "v1 v2", "l2", "voters=(1) learners=(2)"},
        ChangeCase{"RemovesALearner", "v1 l2", "r2", "voters=(1)"},
        ChangeCase{"RemovesAVoter", "v1 v2 v3", "r3", "voters=(1 2)"},
        ChangeCase{"RemovesAStranger", "v1", "r9", "voters=(1)"},
        ChangeCase{"UpdatesNothing", "v1", "u1", "voters=(1)"},
        ChangeCase{"IgnoresNodeZero", "v1", "v0 l0 r0", "voters=(1)"},
        ChangeCase{"TwoVotersAreTooMany", "v1", "v2 v3",
                   "more than one voter changed without entering joint config"},
        ChangeCase{"AVoterAndALearnerAreNot", "v1", "v2 l3", "voters=(1 2) learners=(3)"},
        ChangeCase{"NeverRemovesEverybody", "v1", "r1", "removed all voters"},
        ChangeCase{"DemotingTheLastVoterFails", "v1", "l1", "removed all voters"}),
    [](const auto& instance) { return std::string(instance.param.name); });

class JointChange : public ::testing::TestWithParam<ChangeCase> {};
TEST_P(JointChange, KeepsTheOldVotersBesideTheNew) {
  EXPECT_EQ(Joint(Voters(GetParam().start), GetParam().changes), GetParam().expected);
}
INSTANTIATE_TEST_SUITE_P(
    Table, JointChange,
    ::testing::Values(
        ChangeCase{"WithoutChanges", "v1", "", "voters=(1)&&(1)"},
        ChangeCase{"AddsSeveral", "v1", "v2 v3", "voters=(1 2 3)&&(1)"},
        ChangeCase{"ReplacesEverybody", "v1 v2", "r1 r2 v3 v4", "voters=(3 4)&&(1 2)"},
        ChangeCase{"StagesADemotedVoter", "v1 v2", "l2", "voters=(1)&&(1 2) learners_next=(2)"},
        ChangeCase{"AddsALearnerAtOnce", "v1", "l2", "voters=(1)&&(1) learners=(2)"},
        ChangeCase{"PromotesALearner", "v1 l2", "v2", "voters=(1 2)&&(1)"},
        ChangeCase{"TakesADemotionBack", "v1 v2", "l2 v2", "voters=(1 2)&&(1 2)"},
        ChangeCase{"NeverRemovesEverybody", "v1", "r1", "removed all voters"}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(JointChangeRules, DemotedVoterBecomesLearnerOnLeaving) {
  const ProgressTracker joint = Take(
      Changer(Voters("v1 v2"), Index(5), Index(5)).EnterJoint(true, ParseChanges("l2").changes));
  EXPECT_FALSE(joint.Find(NodeId(2))->is_learner);
  EXPECT_TRUE(joint.config.auto_leave);
  const ProgressTracker left = Take(Changer(joint, Index(9), Index(9)).LeaveJoint());
  EXPECT_EQ(Describe(left.config), "voters=(1) learners=(2)");
  EXPECT_TRUE(left.Find(NodeId(2))->is_learner);
}

TEST(JointChangeRules, RemovedVoterIsTrackedUntilLeaving) {
  const ProgressTracker joint = Take(
      Changer(Voters("v1 v2"), Index(5), Index(5)).EnterJoint(false, ParseChanges("r2").changes));
  EXPECT_NE(joint.Find(NodeId(2)), nullptr);
  const ProgressTracker left = Take(Changer(joint, Index(9), Index(9)).LeaveJoint());
  EXPECT_EQ(left.Find(NodeId(2)), nullptr);
}

TEST(JointChangeRules, NeitherNestsNorLeavesTwice) {
  const ProgressTracker joint =
      Take(Changer(Voters("v1"), Index(5), Index(5)).EnterJoint(false, {}));
  EXPECT_EQ(Joint(joint, "v2"), "config is already joint");
  EXPECT_EQ(Simple(joint, "v2"), "can't apply simple config change in joint config");
  EXPECT_EQ(Changer(Voters("v1"), Index(5), Index(5)).LeaveJoint().error,
            "can't leave a non-joint config");
  EXPECT_EQ(Joint(ProgressTracker({10, kNoLimit}), "v1"),
            "can't make a zero-voter config joint");
}

TEST(NewMembers, AreProbedAtTheEndAndCountAsActive) {
  const ProgressTracker tracker = Voters("v1");
  const Progress* const p = tracker.Find(NodeId(1));
  EXPECT_EQ(p->next, Index(5));
  EXPECT_EQ(p->match, Index());
  EXPECT_EQ(p->added_at, Index(5));
  EXPECT_TRUE(p->recent_active);
}

TEST(NewMembers, KeepTheirProgressWhenTheirRoleChanges) {
  ProgressTracker tracker = Voters("v1 v2");
  tracker.Find(NodeId(2))->match = Index(3);
  tracker = Take(Changer(tracker, Index(9), Index(9)).Simple(ParseChanges("l2").changes));
  EXPECT_EQ(tracker.Find(NodeId(2))->match, Index(3));
  tracker = Take(Changer(tracker, Index(9), Index(9)).Simple(ParseChanges("v2").changes));
  EXPECT_EQ(tracker.Find(NodeId(2))->match, Index(3));
}

TEST(RestoredConfiguration, IsTheOneThatWasStored) {
  constexpr uint64_t kSeed = 31;
  base::Random random(kSeed);
  for (int round = 0; round < 2000; ++round) {
    ConfState state;
    std::vector<NodeId> free;
    for (uint64_t id = 1; id <= 9; ++id) free.emplace_back(id);
    const auto draw = [&](size_t most) {
      std::vector<NodeId> ids;
      for (uint64_t n = random.Uniform(most + 1); n > 0 && !free.empty(); --n) {
        const size_t at = random.Uniform(free.size());
        ids.push_back(free[at]);
        free.erase(free.begin() + static_cast<std::ptrdiff_t>(at));
      }
      return ids;
    };
    state.voters = draw(4);
    if (state.voters.empty()) continue;
    state.learners = draw(2);
    if (random.OneIn(2)) {
      state.voters_outgoing = draw(2);
      for (const NodeId id : state.voters_outgoing) {
        if (random.OneIn(2)) state.learners_next.push_back(id);
      }
      if (random.OneIn(2)) state.voters_outgoing.push_back(state.voters[0]);
      state.auto_leave = !state.voters_outgoing.empty() && random.OneIn(2);
    }
    const ConfigurationResult r = RestoreConfiguration(state, {10, kNoLimit}, Index(9), Index());
    ASSERT_EQ(r.error, "") << "seed " << kSeed << " " << Describe(state);
    ASSERT_TRUE(r.config.ToConfState().Equivalent(state))
        << "seed " << kSeed << " " << Describe(state) << " became " << Describe(r.config);
    ASSERT_EQ(CheckConfiguration(r.config, r.progress), "");
  }
}

TEST(RestoredConfiguration, JointAndSimplePathsMeet) {
  constexpr uint64_t kSeed = 32;
  base::Random random(kSeed);
  for (int round = 0; round < 500; ++round) {
    const ProgressTracker start = Voters("v1 v2 v3");
    std::string changes;
    for (uint64_t n = random.Uniform(5); n > 0; --n) {
      // One is left alone, so that there is always a voter.
      if (!changes.empty()) changes.push_back(' ');
      changes.push_back("vlr"[random.Uniform(3)]);
      changes.append(std::to_string(2 + random.Uniform(5)));
    }
    const std::vector<ConfChangeSingle> list = ParseChanges(changes).changes;
    const ProgressTracker joint =
        Take(Changer(start, Index(5), Index(5)).EnterJoint(false, list));
    const ProgressTracker left = Take(Changer(joint, Index(5), Index(5)).LeaveJoint());
    ProgressTracker simple = start;
    for (const ConfChangeSingle& change : list) {
      simple = Take(Changer(simple, Index(5), Index(5)).Simple({&change, 1}));
    }
    ASSERT_EQ(left.config, simple.config) << "seed " << kSeed << " changes " << changes;
  }
}

TEST(RestoredConfiguration, RefusesContradictions) {
  ConfState state;
  state.learners = {NodeId(1)};
  EXPECT_NE(RestoreConfiguration(state, {10, kNoLimit}, Index(1), Index()).error, "");
}

TEST(ConfChangeCoding, SurvivesTheRoundTrip) {
  ConfChange v2;
  v2.transition = ConfChangeTransition::kJointExplicit;
  v2.changes = ParseChanges("v1 l200 r3 u18446744073709551615").changes;
  v2.context = Payload("why");
  const std::optional<ConfChange> back = DecodeConfChange(EncodeConfChange(v2));
  ASSERT_TRUE(back);
  EXPECT_EQ(Describe(*back), Describe(v2));
  ConfChange v1;
  v1.v1 = true;
  v1.changes = ParseChanges("l7").changes;
  const Entry entry = EncodeConfChange(v1);
  EXPECT_EQ(entry.type, EntryType::kConfChange);
  EXPECT_EQ(Describe(*DecodeConfChange(entry)), Describe(v1));
}

TEST(ConfChangeCoding, NoBytesLeaveTheJointConfiguration) {
  Entry entry;
  entry.type = EntryType::kConfChangeV2;
  ASSERT_TRUE(DecodeConfChange(entry));
  EXPECT_TRUE(DecodeConfChange(entry)->LeavesJoint());
}

TEST(ConfChangeCoding, RefusesWhatIsNotAChange) {
  Entry entry;
  EXPECT_FALSE(DecodeConfChange(entry));
  entry.type = EntryType::kConfChangeV2;
  for (const std::string_view bytes : {"\xff", "\x08", "\x08\x09", "\x12\x05\x01", "\x0f\x01"}) {
    entry.data = Payload(bytes);
    EXPECT_FALSE(DecodeConfChange(entry)) << Quote(bytes);
  }
  entry.type = EntryType::kConfChange;
  entry.data = Payload("\x10\x09");
  EXPECT_FALSE(DecodeConfChange(entry));
}

TEST(ConfChangeKind, SaysWhetherItIsJoint) {
  ConfChange change;
  EXPECT_TRUE(change.LeavesJoint());
  change.changes = ParseChanges("v1").changes;
  EXPECT_FALSE(change.EntersJoint().enter);
  change.transition = ConfChangeTransition::kJointImplicit;
  EXPECT_TRUE(change.EntersJoint().enter);
  EXPECT_TRUE(change.EntersJoint().auto_leave);
  change.transition = ConfChangeTransition::kJointExplicit;
  EXPECT_FALSE(change.EntersJoint().auto_leave);
  change.transition = ConfChangeTransition::kAuto;
  change.changes = ParseChanges("v1 v2").changes;
  EXPECT_TRUE(change.EntersJoint().auto_leave);
}

}  // namespace
}  // namespace nokv::raft
