// Crash enumeration: the script of crash_script.h, its power cut at every operation of the file system.
//
// For each crash point, each survivor policy and several seeds of the random one, the disk that is left is
// recovered and judged; for a sample, the power fails again inside that recovery, and what is left then is
// judged too. NOKV_CRASH_SEED chooses another script (scripts/crash_campaign.sh does).

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "tests/crash_script.h"

namespace nokv::tests {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kStride = 40;  // crash points left out between two that are tried
#else
constexpr uint64_t kStride = 1;
#endif
constexpr uint64_t kShards = 8;
constexpr int kRandomSeeds = 14;
constexpr uint64_t kDoubleCrashSample = 5;
constexpr uint64_t kDistinctStatesMin = 10'000 / kShards / kStride;

uint64_t Seed() {
  const char* const chosen = std::getenv("NOKV_CRASH_SEED");
  return chosen != nullptr ? std::strtoull(chosen, nullptr, 10) : 20261121;
}

class CrashEnumeration : public testing::TestWithParam<uint64_t> {
 protected:
  // Judges what a power loss now would leave; for a sample also what a second one leaves.
  void JudgeSurvivor(CrashScript* script,
                     const vfs::MemoryFileSystem& disk,
                     uint64_t point,
                     vfs::CrashPolicy policy,
                     uint64_t seed) {
    auto survivor = disk.CrashClone(policy, seed);
    // The same disk with more known to be durable is another question.
    if (!states_.insert({DiskDigest(survivor.get()), script->durable()}).second) return;
    const std::string where = "seed " + std::to_string(Seed()) + ", crash at operation " +
                              std::to_string(point) + ", policy " + std::string(CrashPolicyName(policy)) +
                              ", survivor seed " + std::to_string(seed);
    const bool sampled = states_.size() % kDoubleCrashSample == 0;
    std::unique_ptr<vfs::MemoryFileSystem> twice;
    if (sampled) {
      // A second crash somewhere inside the recovery.
      base::Random random(point * 1000 + seed);
      auto recovering = survivor->CloneAfterProcessDeath();
      recovering->SetCrashPoint(recovering->operation_count() + 1 + random.Uniform(40), random.Next());
      script->RecoverOnly(recovering.get());
      twice = recovering->CrashClone(vfs::kCrashPolicies[random.Uniform(5)], random.Next());
      ++double_crashes_;
    }
    std::string problem = script->Judge(survivor.get(), script->durable(), sampled);
    if (problem.empty() && twice != nullptr) {
      problem = script->Judge(twice.get(), script->durable(), false);
      if (!problem.empty()) problem = "second crash inside recovery: " + problem;
    }
    ASSERT_EQ(problem, "") << where;
  }

  std::set<std::pair<uint64_t, uint64_t>> states_;  // what is on the disk, and what was durable
  int double_crashes_ = 0;
};

TEST_P(CrashEnumeration, EveryCrashLeavesAPrefixThatHoldsAllThatWasDurable) {
  const uint64_t shard = GetParam();
  uint64_t operations;
  {
    vfs::MemoryFileSystem disk;
    CrashScript script(Seed());
    script.Run(&disk);
    operations = disk.operation_count();
    ASSERT_GE(script.batches() + script.flushes() + script.reopens() + script.family_changes(), 300);
    if (std::getenv("NOKV_CRASH_SEED") == nullptr) {  // another seed may leave one of them out
      ASSERT_GE(script.flushes(), 5);
      ASSERT_GE(script.reopens(), 3);
      ASSERT_GE(script.family_changes(), 5);
    }
    ASSERT_EQ(script.acknowledged(), script.attempted());
  }
  for (uint64_t point = 1 + shard; point <= operations; point += kShards * kStride) {
    vfs::MemoryFileSystem disk;
    disk.SetCrashPoint(point, /*torn_seed=*/point);
    CrashScript script(Seed());
    script.Run(&disk);
    ASSERT_TRUE(disk.crashed());
    for (const vfs::CrashPolicy policy : vfs::kCrashPolicies) {
      const int seeds = policy == vfs::CrashPolicy::kRandom ? kRandomSeeds : 1;
      for (int s = 0; s < seeds; ++s) {
        JudgeSurvivor(&script, disk, point, policy, point * 64 + static_cast<uint64_t>(s));
        if (HasFatalFailure()) return;
      }
    }
    // The process alone died: everything acknowledged is there, synced or not.
    auto kernel = disk.CloneAfterProcessDeath();
    ASSERT_EQ(script.Judge(kernel.get(), script.acknowledged(), false), "")
        << "process death at operation " << point << ", seed " << Seed();
  }
  std::printf("seed %llu, shard %llu: %llu operations, %zu distinct states, %d double crashes\n",
              static_cast<unsigned long long>(Seed()), static_cast<unsigned long long>(shard),
              static_cast<unsigned long long>(operations), states_.size(), double_crashes_);
  EXPECT_GE(states_.size(), kDistinctStatesMin);
  EXPECT_GT(double_crashes_, 0);
}

INSTANTIATE_TEST_SUITE_P(Shard, CrashEnumeration, testing::Range(uint64_t{0}, kShards));

}  // namespace
}  // namespace nokv::tests
