// raft-sim [--first N] [--count N] [--ticks N] [--faults MASK] [--seconds S]
//          [--control votes-leave-early|reports-applies-early|forgets-votes]
//
// Runs simulations (testing_simulation.h), one per seed, each twice if --twice is given, until the
// count or the time is used up. A failing seed is shrunk and printed as the command that repeats it;
// the exit status is then 1.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "raft/testing_simulation.h"

namespace {

using nokv::raft::RunSimulation;
using nokv::raft::SimulationOptions;
using nokv::raft::SimulationResult;

bool SetControl(std::string_view name, SimulationOptions* options) {
  if (name == "votes-leave-early") {
    options->votes_leave_early = true;
  } else if (name == "reports-applies-early") {
    options->reports_applies_early = true;
  } else if (name == "forgets-votes") {
    options->forgets_votes = true;
  } else {
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  SimulationOptions options;
  uint64_t count = 100;
  double seconds = 0;
  bool twice = false;
  std::string control;
  for (int i = 1; i < argc; ++i) {
    const std::string_view key = argv[i];
    if (key == "--twice") {
      twice = true;
      continue;
    }
    if (i + 1 == argc) {
      std::fprintf(stderr, "raft-sim: %s needs a value\n", argv[i]);
      return 2;
    }
    const char* const value = argv[++i];
    const uint64_t number = std::strtoull(value, nullptr, 0);
    if (key == "--first" || key == "--seed") {
      options.seed = number;
      if (key == "--seed") count = 1;
    } else if (key == "--count") {
      count = number;
    } else if (key == "--ticks") {
      options.ticks = static_cast<uint32_t>(number);
    } else if (key == "--faults") {
      options.faults = static_cast<uint32_t>(number);
    } else if (key == "--seconds") {
      seconds = std::strtod(value, nullptr);
      count = UINT64_MAX;
    } else if (key == "--control" && SetControl(value, &options)) {
      control = std::string(" --control ") + value;
    } else {
      std::fprintf(stderr, "raft-sim: unknown option %s %s\n", argv[i - 1], value);
      return 2;
    }
  }
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [start] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  uint64_t done = 0;
  uint64_t events = 0;
  uint64_t failures = 0;
  SimulationResult::Marks marks;
  for (; done < count && (seconds == 0 || elapsed() < seconds); ++done, ++options.seed) {
    SimulationResult result = RunSimulation(options);
    if (twice && result.violation.empty() &&
        RunSimulation(options).trace_hash != result.trace_hash) {
      result.violation = "two runs of one seed differ";
    }
    events += result.events;
    marks.Add(result.marks);
    if (result.violation.empty()) continue;
    ++failures;
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(options.seed),
                result.violation.c_str());
    const SimulationOptions small = nokv::raft::ShrinkSimulation(options);
    std::printf("repeat: raft-sim --seed %llu --ticks %u --faults %u%s\n",
                static_cast<unsigned long long>(small.seed), small.ticks, small.faults,
                control.c_str());
    std::fflush(stdout);
    if (failures >= 5) break;
  }
  std::printf("%llu seeds, %llu events, %llu failures, %.1f s\n",
              static_cast<unsigned long long>(done), static_cast<unsigned long long>(events),
              static_cast<unsigned long long>(failures), elapsed());
  const auto show = [](const char* name, uint64_t n) {
    std::printf("  %s %llu\n", name, static_cast<unsigned long long>(n));
  };
  show("elections", marks.elections);
  show("commits", marks.commits);
  show("writes", marks.writes);
  show("reads", marks.reads);
  show("lease reads", marks.lease_reads);
  show("crashes", marks.crashes);
  show("failed writes", marks.failed_writes);
  show("snapshots", marks.snapshots);
  show("joint configurations", marks.joint_configurations);
  show("removed voters", marks.removed_voters);
  show("transfers", marks.transfers);
  show("commit behind applied", marks.commit_behind_applied);
  return failures == 0 ? 0 : 1;
}
