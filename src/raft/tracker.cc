#include "raft/tracker.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/mutants.h"

namespace nokv::raft {

void Inflights::Add(Index index, uint64_t bytes) {
  NOKV_CHECK(!Full());
  NOKV_DCHECK(count_ == 0 || At(count_ - 1).index < index);
  if (count_ == ring_.size()) {
    std::vector<Sent> larger(std::max<size_t>(ring_.size() * 2, 1));
    for (uint32_t i = 0; i < count_; ++i) larger[i] = At(i);
    ring_ = std::move(larger);
    start_ = 0;
  }
  At(count_) = {index, bytes};
  ++count_;
  bytes_ += bytes;
}

void Inflights::FreeUpTo(Index index) {
  while (count_ > 0 && At(0).index <= index) {
    bytes_ -= At(0).bytes;
    start_ = static_cast<uint32_t>((start_ + 1) % ring_.size());
    --count_;
  }
}

bool Inflights::Full() const {
  if (count_ >= limits_.count_max && !Mutated(Mutant::kInflightCountIgnored)) return true;
  return bytes_ >= limits_.bytes_max && !Mutated(Mutant::kInflightBytesIgnored);
}

void Progress::ResetState(ProgressState new_state) {
  flow_paused = false;
  pending_snapshot = Index();
  state = new_state;
  inflights.Reset();
}

void Progress::BecomeProbe() {
  // A snapshot that was sent is taken to have arrived; if it was not, the probe is refused.
  const Index sent =
      state == ProgressState::kSnapshot ? std::max(match, pending_snapshot) : match;
  ResetState(ProgressState::kProbe);
  next = sent + 1;
  sent_commit = std::min(sent_commit, next - 1);
}

void Progress::BecomeReplicate() {
  ResetState(ProgressState::kReplicate);
  next = match + 1;
}

void Progress::BecomeSnapshot(Index snapshot) {
  ResetState(ProgressState::kSnapshot);
  pending_snapshot = snapshot;
  next = snapshot + 1;
  sent_commit = snapshot;
}

void Progress::SentEntries(size_t count, uint64_t bytes) {
  NOKV_CHECK(state != ProgressState::kSnapshot);
  if (state == ProgressState::kReplicate) {
    if (count > 0) {
      next = next + count;
      inflights.Add(next - 1, bytes);
    }
    // Whatever goes over a full window is a probe, and probes wait for an answer.
    flow_paused = inflights.Full();
  } else if (count > 0) {
    flow_paused = !Mutated(Mutant::kProbeNotPaused);
  }
}

bool Progress::MaybeUpdate(Index index) {
  if (index <= match) return false;
  match = index;
  next = std::max(next, index + 1);
  flow_paused = false;
  return true;
}

bool Progress::MaybeDecrease(Index rejected, Index match_hint) {
  if (state == ProgressState::kReplicate) {
    // What was acknowledged cannot be refused by anything but an older message.
    if (rejected <= match) return false;
    next = match + 1;
  } else {
    // A probe has one append under way; an answer about another one is old.
    if (next - 1 != rejected) return false;
    next = std::max(std::min(rejected, match_hint + 1), match + 1);
    flow_paused = false;
  }
  sent_commit = std::min(sent_commit, next - 1);
  return true;
}

ConfState Configuration::ToConfState() const {
  return {voters.incoming.ids(), voters.outgoing.ids(), learners.ids(), learners_next.ids(),
          auto_leave};
}

Progress* FindProgress(ProgressMap& map, NodeId id) {
  return const_cast<Progress*>(FindProgress(std::as_const(map), id));
}

const Progress* FindProgress(const ProgressMap& map, NodeId id) {
  // Groups are small: a straight walk beats a search.
  for (const Progress& progress : map) {
    if (progress.id == id) return &progress;
  }
  return nullptr;
}

Index ProgressTracker::Committed() const {
  const auto acked = [this](NodeId id) -> std::optional<Index> {
    const Progress* const p = Find(id);
    return p == nullptr ? std::nullopt : std::optional<Index>(p->match);
  };
  if (Mutated(Mutant::kJointCommitIncomingOnly)) {
    return MajorityCommitted(config.voters.incoming, acked);
  }
  return config.voters.Committed(acked);
}

bool ProgressTracker::QuorumActive() const {
  const auto vote = [this](NodeId id) -> std::optional<bool> {
    const Progress* const p = Find(id);
    if (p == nullptr || (p->is_learner && !Mutated(Mutant::kLearnerInQuorumCheck))) {
      return std::nullopt;
    }
    return p->recent_active;
  };
  return config.voters.Result(vote) == VoteResult::kWon;
}

uint64_t ProgressTracker::QuorumTick(NodeId self, uint64_t now) const {
  return config.voters
      .Committed([&](NodeId id) -> std::optional<Index> {
        if (id == self) return Index(now);
        const Progress* const p = Find(id);
        return p == nullptr ? std::nullopt : std::optional<Index>(Index(p->acked_tick));
      })
      .value();
}

}  // namespace nokv::raft
