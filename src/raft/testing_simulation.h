#pragma once

// Simulation: groups of replicas over a simulated network, disk and clock, from a seed.
//
// Fault model, each class of which a mask can switch off:
// * kLoss, kDuplication, kReorder: of each message by itself; delays have a tail longer than an
//   election timeout. Forwarded proposals are not duplicated: the register has no deduplication.
// * kPartition: halves, one host alone, one direction of one link, everybody by himself.
// * kCrash: a host stops at any moment; what was not durable is gone, up to a prefix of the writes
//   under way that happened unnoticed. The state machine falls back to what it had made durable.
// * kDisk: writes take long; a write may fail, which stops the host like a crash.
// * kMembership: voters and learners come and go, singly and jointly.
//   A leader does not remove itself and no change leaves fewer than three voters: with changes that
//   take effect when applied, a removed node may be the only one to hold the end of the log, and
//   then nobody can be elected (known of the reference as well). README.md states the duty.
// * kTransfer: leadership is handed around.
// * kDrift: clocks run at different speeds, within what leases allow for.
// * kSlowApply: applying takes long and snapshots overtake it.
// At most a minority of the hosts is down at a time, partitions aside. Then everything heals, and
// every group must elect, commit and apply within a bounded time.
//
// What holds after every step is in testing_checker.h and invariants.h. The same options give the
// same trace hash.
//
// Threading: single-threaded; one call is one world.

#include <cstdint>
#include <string>

namespace nokv::raft {

enum SimulationFault : uint32_t {
  kLoss = 1,
  kDuplication = 2,
  kReorder = 4,
  kPartition = 8,
  kCrash = 16,
  kDisk = 32,
  kMembership = 64,
  kTransfer = 128,
  kDrift = 256,
  kSlowApply = 512,
};
inline constexpr uint32_t kAllFaults = 1023;

struct SimulationOptions {
  uint64_t seed = 1;
  // Virtual length of the time with faults, in nominal ticks.
  uint32_t ticks = 400;
  uint32_t faults = kAllFaults;
  // Bugs of a driver, to show that the checks see them.
  bool votes_leave_early = false;
  bool reports_applies_early = false;
  bool forgets_votes = false;
};

struct SimulationResult {
  // Empty when everything held.
  std::string violation;
  uint64_t trace_hash = 0;
  uint64_t events = 0;
  // Situations reached, so that a suite can tell that it meant something.
  struct Marks {
    uint64_t elections = 0;
    uint64_t commits = 0;
    uint64_t writes = 0;
    uint64_t reads = 0;
    uint64_t lease_reads = 0;
    uint64_t crashes = 0;
    uint64_t failed_writes = 0;
    uint64_t snapshots = 0;
    uint64_t joint_configurations = 0;
    uint64_t removed_voters = 0;
    uint64_t transfers = 0;
    uint64_t commit_behind_applied = 0;
    void Add(const Marks& other);
  };
  Marks marks;
};

SimulationResult RunSimulation(const SimulationOptions& options);

// The smallest run found that still fails: fewer ticks, fewer kinds of faults.
SimulationOptions ShrinkSimulation(const SimulationOptions& failing);

}  // namespace nokv::raft
