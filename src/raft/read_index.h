#pragma once

// ReadIndexQueue: reads that wait until a quorum confirms that the leader still leads.
//
// Threading: confined to the owner of the group.
//
// A read is linearizable once the leader, after taking the request, hears from a quorum that it is
// still their leader, and the state machine has applied what was committed when the request came
// (thesis, section 6.4). Each request has a position, counted from 1 for the life of the queue.
// Heartbeats carry the position of the last request; an answer confirms every position up to it.
// The position that a quorum has confirmed is found exactly as a commit index is.
//
// Invariants:
// (1) A confirmation covers the requests at or before its position and no other.
// (2) Positions beyond the last request were never sent; an answer with one is not believed.

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "raft/quorum.h"
#include "raft/types.h"

namespace nokv::raft {

struct ReadRequest {
  NodeId from;
  uint64_t token = 0;
  Index index;  // committed when the request came
};

class ReadIndexQueue {
 public:
  void Add(const ReadRequest& request) { requests_.push_back(request); }
  bool empty() const { return first_ == requests_.size(); }
  // The position of the last request, or zero when none waits.
  uint64_t last_position() const { return empty() ? 0 : confirmed_ + waiting(); }
  // False, with nothing noted, when no heartbeat can have carried `position`.
  bool Acknowledge(NodeId from, uint64_t position);
  // Moves what a quorum of `voters` has confirmed to `out`.
  void TakeConfirmed(const JointConfig& voters, NodeId self, std::vector<ReadRequest>* out);

 private:
  uint64_t waiting() const { return requests_.size() - first_; }

  std::vector<ReadRequest> requests_;
  size_t first_ = 0;         // requests before it have been answered
  uint64_t confirmed_ = 0;   // how many were answered
  std::vector<std::pair<NodeId, uint64_t>> acknowledged_;
};

}  // namespace nokv::raft
