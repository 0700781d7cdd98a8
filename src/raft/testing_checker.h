#pragma once

// ClusterChecker: what must hold of all replicas of a group together, whatever happened.
//
// It lives outside the replicas and survives their crashes, so it remembers what they forget. Each
// check is called at the moment when a promise leaves a replica or a decision becomes visible.
//
// Invariants it enforces (the properties of figure 3 of the paper, and what keeps them true):
// (1) Election safety: one win per term, counting incarnations of a node as different winners.
// (2) A leader's term is durable when it leads.
// (3) Votes: a replica's voice goes to one candidate per term, across restarts.
// (4) Log matching: an index and a term name one entry, and what precedes it.
// (5) Leader completeness: a new leader's log has every entry known to be committed.
// (6) State machine safety: one command per index, applied in order, on every replica.
// (7) An acknowledged append is durable where it is acknowledged, unless a higher term is.
// (8) At most one configuration change lies beyond what has been applied anywhere.
// (9) Linearizability of a register: completed operations are seen by those that start later. The
//     version of a value is the index of its write, so the order of operations needs no search.
//
// Threading: single-threaded.

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "raft/raw_node.h"
#include "raft/testing_storage.h"

namespace nokv::raft {

class ClusterChecker {
 public:
  // The first thing found wrong; empty while nothing is.
  const std::string& violation() const { return violation_; }

  // A replica leads. `incarnation` grows with each restart.
  void Leads(const RawNode& node, uint64_t incarnation, const MemoryStorage& disk);
  // A replica's commit index moved beyond `seen`.
  void Committed(const RawNode& node, Index seen);
  // Entries became durable somewhere.
  void Written(std::span<const Entry> entries, const MemoryStorage& disk);
  // A message leaves its sender for another node.
  void Sent(const Message& m, const MemoryStorage& disk);
  void Applied(NodeId node, Index before, const Entry& entry);
  void Installed(NodeId node, Index before, const Snapshot& snapshot);

  // Operations on the register: a token for each, the version it must see at least.
  uint64_t Begin() const { return completed_version_.value(); }
  // A write that began at `floor` is acknowledged at its index; a read returns `version`.
  void WriteCompleted(uint64_t floor, Index index);
  void ReadCompleted(uint64_t floor, Index version);

  Index applied_max() const { return Index(applied_.size()); }
  uint64_t elections() const { return winners_.size(); }

 private:
  void Fail(std::string what);

  std::string violation_;
  std::map<Term, std::pair<NodeId, uint64_t>> winners_;
  std::map<std::pair<NodeId, Term>, NodeId> voices_;
  struct Identity {
    uint64_t hash = 0;
    Term previous;
  };
  std::map<std::pair<Index, Term>, Identity> entries_;
  std::map<Index, Term> committed_;
  std::vector<uint64_t> applied_;  // hash of the entry at index i + 1
  Index completed_version_;
};

}  // namespace nokv::raft
