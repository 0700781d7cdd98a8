#pragma once

// The algebra of configurations: given one and a list of changes, the next one or why there is none.
//
// Pure functions: the inputs are untouched, so a refused change leaves no trace. Every replica
// computes the same answer from the same log, refusals included.
//
// Invariant: what goes in and what comes out keeps invariants (3) and (4) of tracker.h.
//
// Source: thesis, chapter 4; joint consensus in section 4.3; the staging of learners is that of
// section 4.2.1.

#include <span>
#include <string>

#include "raft/tracker.h"
#include "raft/types.h"

namespace nokv::raft {

struct ConfigurationResult {
  Configuration config;
  ProgressMap progress;
  // Why the change was refused; empty when it was not.
  std::string error;
  bool ok() const { return error.empty(); }
};

class Changer {
 public:
  // `last` is where a follower that is added is probed first; `added_at` the change that adds it.
  // The tracker is borrowed.
  Changer(const ProgressTracker& tracker, Index last, Index added_at)
      : tracker_(tracker), last_(last), added_at_(added_at) {}

  // (1 2 3) and changes become (1 2 3, changed)&&(1 2 3).
  ConfigurationResult EnterJoint(bool auto_leave, std::span<const ConfChangeSingle> changes) const;
  // The outgoing half is dropped; staged learners become learners.
  ConfigurationResult LeaveJoint() const;
  // Changes at most one voter, so that old and new majorities overlap (thesis, section 4.1).
  ConfigurationResult Simple(std::span<const ConfChangeSingle> changes) const;
  // Whichever of the three `change` asks for.
  ConfigurationResult Apply(const ConfChange& change) const;

 private:
  ConfigurationResult Start() const;
  std::string ApplyAll(std::span<const ConfChangeSingle> changes, ConfigurationResult* r) const;
  void MakeVoter(NodeId id, ConfigurationResult* r) const;
  void MakeLearner(NodeId id, ConfigurationResult* r) const;
  void Remove(NodeId id, ConfigurationResult* r) const;
  void Track(NodeId id, bool is_learner, ConfigurationResult* r) const;

  const ProgressTracker& tracker_;
  const Index last_;
  const Index added_at_;
};

// The configuration that `state` describes, built from nothing by changes. `last` and `added_at` as
// for a Changer.
ConfigurationResult RestoreConfiguration(const ConfState& state, InflightLimits limits, Index last,
                                         Index added_at);

// What is wrong with it; empty when invariants (3) and (4) of tracker.h hold.
std::string CheckConfiguration(const Configuration& config, const ProgressMap& progress);

}  // namespace nokv::raft
