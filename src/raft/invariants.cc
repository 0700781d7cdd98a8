#include "raft/invariants.h"

#include <algorithm>

namespace nokv::raft {

std::string Invariants::Check(const Raft& raft) {
  std::string broken = CheckBasic(raft);
  if (broken.empty()) broken = CheckTracker(raft);
  const RaftLog& log = raft.log();
  const Seen now{raft.term(), raft.vote(),     log.committed(), log.applied(),
                 log.applying(), log.LastIndex(), raft.role()};
  if (broken.empty() && before_) broken = CheckDelta(raft, now);
  before_ = now;
  return broken;
}

std::string Invariants::CheckBasic(const Raft& raft) {
  const RaftLog& log = raft.log();
  const Index last = log.LastIndex();
  if (log.applied() > log.applying()) return "applied is ahead of applying";
  if (log.applying() > log.committed()) return "applying is ahead of committed";
  if (log.committed() > last) return "committed is ahead of the log";
  const Unstable& unstable = log.unstable();
  if (unstable.offset() > unstable.in_progress()) return "in-progress offset before the offset";
  if (unstable.in_progress() > unstable.end()) return "in-progress offset beyond the end";
  // Only the two ends: the middle was checked when it was appended.
  const std::span<const Entry> entries = unstable.entries();
  if (!entries.empty()) {
    if (entries.front().index != unstable.offset()) return "unstable entries are misplaced";
    if (entries.back().index + 1 != unstable.end()) return "unstable entries have a gap";
    if (entries.front().term > entries.back().term) return "terms fall within the log";
    if (entries.back().term > raft.term()) return "an entry has a term that is still to come";
  }
  if (raft.role() == Role::kLeader) {
    if (raft.leader() != raft.id()) return "a leader does not follow itself";
    if (raft.term() == Term()) return "a leader of term zero";
  }
  if (raft.role() == Role::kCandidate && raft.vote() != raft.id()) {
    return "a candidate did not vote for itself";
  }
  const bool campaigns = raft.role() == Role::kCandidate || raft.role() == Role::kPreCandidate;
  if (campaigns && raft.leader() != kNoNode) return "a candidate has a leader";
  const uint32_t timeout = raft.config().election_tick;
  if (raft.role() == Role::kLeader && raft.election_elapsed() > timeout) {
    return "a leader missed its quorum check";
  }
  for (const Message& m : raft.messages()) {
    if (m.to == raft.id()) return "a message to itself does not wait for the disk";
  }
  return {};
}

std::string Invariants::CheckTracker(const Raft& raft) {
  const ProgressTracker& tracker = raft.tracker();
  std::string broken = CheckConfiguration(tracker.config, tracker.progress);
  if (!broken.empty()) return broken;
  if (raft.role() != Role::kLeader) return {};
  const Index last = raft.log().LastIndex();
  for (const Progress& p : tracker.progress) {
    if (p.match >= p.next) return "match is not below next";
    if (p.match > last) return "a follower matches beyond the leader's log";
    if (p.state == ProgressState::kSnapshot &&
        p.next > std::max(p.match, p.pending_snapshot) + 1) {
      return "next is beyond the pending snapshot";
    }
    if (p.state != ProgressState::kSnapshot && p.pending_snapshot != Index()) {
      return "a snapshot is pending outside the snapshot state";
    }
    if (p.state != ProgressState::kReplicate && p.inflights.count() > 0) {
      return "messages in flight outside the replicate state";
    }
  }
  return {};
}

std::string Invariants::CheckDelta(const Raft& raft, const Seen& now) const {
  const Seen& was = *before_;
  if (now.term < was.term) return "the term fell";
  if (now.term == was.term && was.vote != kNoNode && now.vote != was.vote) {
    return "a vote was changed within its term";
  }
  if (now.committed < was.committed) return "committed fell";
  if (now.applied < was.applied) return "applied fell";
  if (now.applying < was.applying) return "applying fell";
  if (now.last < was.committed) return "committed entries were cut off";
  const bool led = was.role == Role::kLeader && now.role == Role::kLeader;
  if (led && now.term == was.term && now.last < was.last) return "a leader cut off its own log";
  if (led && now.term != was.term) return "a leader changed its term";
  if (now.role == Role::kLeader && was.role == Role::kFollower) {
    // Possible within one call only for a group of one; then vote and win are one step.
    if (raft.vote() != raft.id()) return "a follower became leader without a vote";
  }
  return {};
}

}  // namespace nokv::raft
