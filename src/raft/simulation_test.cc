// The simulator as a test: five hundred worlds, and drivers with bugs that it must notice.

#include <gtest/gtest.h>

#include "base/check.h"
#include "raft/testing_simulation.h"

namespace nokv::raft {
namespace {

#if NOKV_DCHECK_IS_ON
constexpr uint64_t kSeeds = 60;  // debug and sanitizer builds are some ten times slower
#else
constexpr uint64_t kSeeds = 500;
#endif

std::string Where(const SimulationOptions& options) {
  return "raft-sim --seed " + std::to_string(options.seed) + " --ticks " +
         std::to_string(options.ticks);
}

TEST(Simulation, KeepsEveryInvariantAndRecoversUnderAllFaults) {
  SimulationResult::Marks marks;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SimulationOptions options;
    options.seed = seed;
    options.ticks = 300;
    const SimulationResult result = RunSimulation(options);
    ASSERT_EQ(result.violation, "") << Where(options);
    marks.Add(result.marks);
  }
  // A suite that never gets into trouble proves nothing.
  EXPECT_GT(marks.elections, kSeeds);
  EXPECT_GT(marks.writes, kSeeds);
  EXPECT_GT(marks.reads, kSeeds);
  EXPECT_GT(marks.lease_reads, 0U);
  EXPECT_GT(marks.crashes, kSeeds);
  EXPECT_GT(marks.failed_writes, 0U);
  EXPECT_GT(marks.snapshots, 0U);
  EXPECT_GT(marks.joint_configurations, 0U);
  EXPECT_GT(marks.removed_voters, 0U);
  EXPECT_GT(marks.transfers, 0U);
  EXPECT_GT(marks.commit_behind_applied, 0U);
}

TEST(Simulation, SameSeedSameTrace) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SimulationOptions options;
    options.seed = seed;
    const SimulationResult first = RunSimulation(options);
    const SimulationResult second = RunSimulation(options);
    EXPECT_EQ(first.trace_hash, second.trace_hash) << Where(options);
    EXPECT_EQ(first.events, second.events) << Where(options);
  }
}

TEST(Simulation, DifferentSeedsDiffer) {
  SimulationOptions one;
  SimulationOptions other;
  other.seed = one.seed + 1;
  EXPECT_NE(RunSimulation(one).trace_hash, RunSimulation(other).trace_hash);
}

// The first violation within `seeds` worlds.
std::string FirstViolation(SimulationOptions options, uint64_t seeds) {
  for (options.seed = 1; options.seed <= seeds; ++options.seed) {
    const SimulationResult result = RunSimulation(options);
    if (!result.violation.empty()) return result.violation;
  }
  return {};
}

TEST(Simulation, CatchesADriverWithoutTheVoteGate) {
  SimulationOptions options;
  options.votes_leave_early = true;
  const std::string violation = FirstViolation(options, 200);
  EXPECT_TRUE(violation.starts_with("(1)") || violation.starts_with("(2)")) << violation;
}

TEST(Simulation, CatchesADriverThatAppliesPastASnapshot) {
  SimulationOptions options;
  options.reports_applies_early = true;
  // With changes of configuration the node itself notices; here it is the state machine's loss.
  options.faults &= ~static_cast<uint32_t>(kMembership);
  const std::string violation = FirstViolation(options, 400);
  EXPECT_TRUE(violation.starts_with("(6)")) << violation;
}

TEST(Simulation, CatchesADriverThatRestartsWithAForgottenVote) {
  SimulationOptions options;
  options.forgets_votes = true;
  const std::string violation = FirstViolation(options, 200);
  EXPECT_TRUE(violation.starts_with("(3)") || violation.starts_with("(1)")) << violation;
}

TEST(Simulation, ShrinksAFailureToASmallerOneThatStillFails) {
  SimulationOptions options;
  options.forgets_votes = true;
  options.ticks = 200;
  for (options.seed = 1; RunSimulation(options).violation.empty(); ++options.seed) {
    ASSERT_LT(options.seed, 200U);
  }
  const SimulationOptions small = ShrinkSimulation(options);
  EXPECT_FALSE(RunSimulation(small).violation.empty());
  EXPECT_LE(small.ticks, options.ticks);
  EXPECT_LT(small.faults, options.faults);
}

}  // namespace
}  // namespace nokv::raft
