#pragma once

// What must hold of one replica, whatever happened to it.
//
// CheckBasic looks at one state; CheckDelta compares it with the one before. An object of its own,
// so that the simulator and the tests can run it after every step while production pays nothing.
// What needs a view of several replicas (one leader per term, equal logs) is the simulator's.
//
// Threading: as the replica it looks at.

#include <optional>
#include <string>

#include "raft/core.h"

namespace nokv::raft {

class Invariants {
 public:
  // What is broken, or empty. Remembers the state for the next call.
  std::string Check(const Raft& raft);

 private:
  struct Seen {
    Term term;
    NodeId vote;
    Index committed;
    Index applied;
    Index applying;
    Index last;
    Role role = Role::kFollower;
  };
  static std::string CheckBasic(const Raft& raft);
  static std::string CheckTracker(const Raft& raft);
  std::string CheckDelta(const Raft& raft, const Seen& now) const;

  std::optional<Seen> before_;
};

}  // namespace nokv::raft
