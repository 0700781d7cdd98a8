#pragma once

// What a leader knows of its followers, and the configuration they form.
//
// Threading: plain values, externally synchronised.
//
// Invariants:
// (1) Inflights: indexes are strictly increasing; bytes() is the sum over the window.
// (2) Progress: match < next. In kSnapshot nothing is sent, and next is at most max(match, pending
//     snapshot) + 1: a late refusal of the position where the snapshot stands may lower it, which
//     leaving the state makes good.
// (3) Configuration: learners and voters do not overlap; learners_next are outgoing voters; a
//     configuration that is not joint has neither outgoing voters, nor learners_next, nor
//     auto_leave.
// (4) ProgressTracker: exactly the members of the configuration are tracked, sorted by id.
//
// Source: thesis, sections 3.5 (log matching), 4.2.1 (learners), 10.2.1 (pipelining).

#include <cstddef>
#include <cstdint>
#include <vector>

#include "raft/quorum.h"
#include "raft/types.h"

namespace nokv::raft {

// The limits of one follower's window.
struct InflightLimits {
  uint32_t count_max = 256;
  uint64_t bytes_max = kNoLimit;
};

// A ring of the appends sent and not yet answered, by their last index. It grows to what is used.
class Inflights {
 public:
  explicit Inflights(InflightLimits limits) : limits_(limits) {}

  // REQUIRES: !Full(), and `index` above all before.
  void Add(Index index, uint64_t bytes);
  // Forgets what is at or below `index`.
  void FreeUpTo(Index index);
  // The byte limit is soft: the message that reaches it still goes.
  bool Full() const;
  uint32_t count() const { return count_; }
  uint64_t bytes() const { return bytes_; }
  void Reset() {
    start_ = 0;
    count_ = 0;
    bytes_ = 0;
  }
  // Gives the ring back.
  void Release() {
    Reset();
    ring_ = {};
  }

 private:
  struct Sent {
    Index index;
    uint64_t bytes = 0;
  };
  Sent& At(uint32_t i) { return ring_[(start_ + i) % ring_.size()]; }

  std::vector<Sent> ring_;
  InflightLimits limits_;
  uint64_t bytes_ = 0;
  uint32_t start_ = 0;
  uint32_t count_ = 0;
};

enum class ProgressState : uint8_t {
  kProbe,      // where the follower's log ends is unknown: one append at a time
  kReplicate,  // it is known: appends are sent ahead of their answers
  kSnapshot,   // the log no longer reaches back: waits for a snapshot to arrive
};

struct Progress {
  explicit Progress(NodeId node, InflightLimits limits) : inflights(limits), id(node) {}

  // All of match + 1 .. next - 1 is in flight.
  Index match;
  Index next{1};
  // The highest commit index under way to the follower; may fall when a message is presumed lost.
  Index sent_commit;
  // In kSnapshot, the index of the snapshot sent.
  Index pending_snapshot;
  // A snapshot for this follower must reach at least here: the change that added it.
  Index added_at;
  // The latest of the leader's ticks whose heartbeat the follower answered (lease).
  uint64_t acked_tick = 0;
  Inflights inflights;
  NodeId id;
  ProgressState state = ProgressState::kProbe;
  // Heard of since the last quorum check.
  bool recent_active = false;
  // No append until an answer or a heartbeat's answer arrives.
  bool flow_paused = false;
  bool is_learner = false;

  void BecomeProbe();
  void BecomeReplicate();
  void BecomeSnapshot(Index snapshot);
  // An append of `count` entries was sent. REQUIRES: not kSnapshot.
  void SentEntries(size_t count, uint64_t bytes);
  // The follower holds everything up to `index`. False when that is nothing new.
  bool MaybeUpdate(Index index);
  // The follower refused an append at `rejected` and hints at `match_hint`. False when stale.
  bool MaybeDecrease(Index rejected, Index match_hint);
  bool Paused() const { return state == ProgressState::kSnapshot || flow_paused; }
  // Whether telling it `commit` could move its commit index.
  bool CanBumpCommit(Index commit) const {
    return commit > sent_commit && sent_commit + 1 < next;
  }

 private:
  void ResetState(ProgressState new_state);
};

struct Configuration {
  JointConfig voters;
  IdSet learners;
  IdSet learners_next;
  bool auto_leave = false;

  bool Contains(NodeId id) const { return voters.Contains(id) || learners.Contains(id); }
  ConfState ToConfState() const;
  friend bool operator==(const Configuration&, const Configuration&) = default;
};

// Sorted by id: (4).
using ProgressMap = std::vector<Progress>;
Progress* FindProgress(ProgressMap& map, NodeId id);
const Progress* FindProgress(const ProgressMap& map, NodeId id);

struct ProgressTracker {
  explicit ProgressTracker(InflightLimits l) : limits(l) {}

  Configuration config;
  ProgressMap progress;
  InflightLimits limits;

  Progress* Find(NodeId id) { return FindProgress(progress, id); }
  const Progress* Find(NodeId id) const { return FindProgress(progress, id); }
  // The largest index on a quorum (paper, figure 2, "Rules for Servers: Leaders").
  Index Committed() const;
  // Whether a quorum was heard of since the last check.
  bool QuorumActive() const;
  // The latest tick such that a quorum answered a heartbeat of that tick or later; `self` counts as
  // having answered at `now`.
  uint64_t QuorumTick(NodeId self, uint64_t now) const;
};

}  // namespace nokv::raft
