#include "raft/confchange.h"

#include <algorithm>
#include <vector>

#include "raft/mutants.h"

namespace nokv::raft {

namespace {

ConfigurationResult Refused(std::string why) {
  ConfigurationResult result;
  result.error = std::move(why);
  return result;
}

ConfigurationResult Checked(ConfigurationResult result) {
  std::string why = CheckConfiguration(result.config, result.progress);
  if (!why.empty()) return Refused(std::move(why));
  return result;
}

void Untrack(NodeId id, ProgressMap* map) {
  std::erase_if(*map, [id](const Progress& p) { return p.id == id; });
}

// How many ids are in one set and not in the other.
size_t Difference(const IdSet& a, const IdSet& b) {
  const auto missing = [](const IdSet& from, const IdSet& in) {
    return std::count_if(from.begin(), from.end(), [&](NodeId id) { return !in.Contains(id); });
  };
  return static_cast<size_t>(missing(a, b) + missing(b, a));
}

std::string Name(NodeId id) { return std::to_string(id.value()); }

}  // namespace

std::string CheckConfiguration(const Configuration& config, const ProgressMap& progress) {
  const IdSet voters = config.voters.Union();
  for (const IdSet* set : {&voters, &config.learners, &config.learners_next}) {
    for (const NodeId id : *set) {
      if (FindProgress(progress, id) == nullptr) return "no progress for " + Name(id);
    }
  }
  for (const NodeId id : config.learners_next) {
    if (!config.voters.outgoing.Contains(id)) {
      return Name(id) + " is in LearnersNext, but not Voters[1]";
    }
    if (FindProgress(progress, id)->is_learner) {
      return Name(id) + " is in LearnersNext, but is already marked as learner";
    }
  }
  for (const NodeId id : config.learners) {
    if (config.voters.outgoing.Contains(id)) return Name(id) + " is in Learners and Voters[1]";
    if (config.voters.incoming.Contains(id)) return Name(id) + " is in Learners and Voters[0]";
    if (!FindProgress(progress, id)->is_learner) {
      return Name(id) + " is in Learners, but is not marked as learner";
    }
  }
  if (!config.voters.joint()) {
    if (!config.learners_next.empty()) return "cfg.LearnersNext must be nil when not joint";
    if (config.auto_leave) return "AutoLeave must be false when not joint";
  }
  for (size_t i = 0; i < progress.size(); ++i) {
    const NodeId id = progress[i].id;
    if (i > 0 && !(progress[i - 1].id < id)) return "progress is not sorted at " + Name(id);
    if (!config.Contains(id)) return "progress for " + Name(id) + ", which is not a member";
    if (progress[i].is_learner != config.learners.Contains(id)) {
      return Name(id) + " is marked as learner and is not in Learners, or the reverse";
    }
  }
  return {};
}

ConfigurationResult Changer::Start() const {
  ConfigurationResult result;
  result.config = tracker_.config;
  result.progress = tracker_.progress;
  return result;
}

ConfigurationResult Changer::EnterJoint(bool auto_leave,
                                        std::span<const ConfChangeSingle> changes) const {
  ConfigurationResult result = Start();
  JointConfig& voters = result.config.voters;
  if (voters.joint()) return Refused("config is already joint");
  // Adding to an empty configuration serves bootstrap; making it joint serves nothing.
  if (voters.incoming.empty()) return Refused("can't make a zero-voter config joint");
  voters.outgoing = voters.incoming;
  std::string why = ApplyAll(changes, &result);
  if (!why.empty()) return Refused(std::move(why));
  result.config.auto_leave = auto_leave;
  return Checked(std::move(result));
}

ConfigurationResult Changer::LeaveJoint() const {
  ConfigurationResult result = Start();
  Configuration& config = result.config;
  if (!config.voters.joint()) return Refused("can't leave a non-joint config");
  if (!Mutated(Mutant::kLearnersNextLost)) {
    for (const NodeId id : config.learners_next) {
      config.learners.Insert(id);
      FindProgress(result.progress, id)->is_learner = true;
    }
  }
  config.learners_next.Clear();
  for (const NodeId id : config.voters.outgoing) {
    const bool stays = config.voters.incoming.Contains(id) || config.learners.Contains(id);
    if (!stays && !Mutated(Mutant::kOutgoingProgressKept)) Untrack(id, &result.progress);
  }
  config.voters.outgoing.Clear();
  config.auto_leave = false;
  if (Mutated(Mutant::kOutgoingProgressKept)) return result;
  return Checked(std::move(result));
}

ConfigurationResult Changer::Simple(std::span<const ConfChangeSingle> changes) const {
  ConfigurationResult result = Start();
  if (result.config.voters.joint()) {
    return Refused("can't apply simple config change in joint config");
  }
  std::string why = ApplyAll(changes, &result);
  if (!why.empty()) return Refused(std::move(why));
  if (Difference(tracker_.config.voters.incoming, result.config.voters.incoming) > 1) {
    return Refused("more than one voter changed without entering joint config");
  }
  return Checked(std::move(result));
}

ConfigurationResult Changer::Apply(const ConfChange& change) const {
  if (change.LeavesJoint()) return LeaveJoint();
  const ConfChange::Joint joint = change.EntersJoint();
  return joint.enter ? EnterJoint(joint.auto_leave, change.changes) : Simple(change.changes);
}

std::string Changer::ApplyAll(std::span<const ConfChangeSingle> changes,
                              ConfigurationResult* r) const {
  for (const ConfChangeSingle& change : changes) {
    // Node zero is how a state machine above says that it took a change back.
    if (change.node == kNoNode) continue;
    switch (change.type) {
      case ConfChangeType::kAddNode:
        MakeVoter(change.node, r);
        break;
      case ConfChangeType::kAddLearnerNode:
        MakeLearner(change.node, r);
        break;
      case ConfChangeType::kRemoveNode:
        Remove(change.node, r);
        break;
      case ConfChangeType::kUpdateNode:
        break;
    }
  }
  if (r->config.voters.incoming.empty()) return "removed all voters";
  return {};
}

void Changer::MakeVoter(NodeId id, ConfigurationResult* r) const {
  Progress* const progress = FindProgress(r->progress, id);
  if (progress == nullptr) {
    Track(id, false, r);
    return;
  }
  progress->is_learner = false;
  r->config.learners.Erase(id);
  r->config.learners_next.Erase(id);
  r->config.voters.incoming.Insert(id);
}

void Changer::MakeLearner(NodeId id, ConfigurationResult* r) const {
  Progress* const progress = FindProgress(r->progress, id);
  if (progress == nullptr) {
    Track(id, true, r);
    return;
  }
  if (progress->is_learner) return;
  r->config.voters.incoming.Erase(id);
  r->config.learners_next.Erase(id);
  // An outgoing voter stays a voter until the joint configuration is left; the wish is noted.
  if (r->config.voters.outgoing.Contains(id)) {
    r->config.learners_next.Insert(id);
  } else {
    progress->is_learner = true;
    r->config.learners.Insert(id);
  }
}

void Changer::Remove(NodeId id, ConfigurationResult* r) const {
  if (FindProgress(r->progress, id) == nullptr) return;
  r->config.voters.incoming.Erase(id);
  r->config.learners.Erase(id);
  r->config.learners_next.Erase(id);
  if (!r->config.voters.outgoing.Contains(id)) Untrack(id, &r->progress);
}

void Changer::Track(NodeId id, bool is_learner, ConfigurationResult* r) const {
  if (is_learner) {
    r->config.learners.Insert(id);
  } else {
    r->config.voters.incoming.Insert(id);
  }
  Progress progress(id, tracker_.limits);
  progress.next = std::max(last_, Index(1));
  progress.added_at = added_at_;
  progress.is_learner = is_learner;
  // A member that had no chance to speak yet must not count against the leader's quorum.
  progress.recent_active = true;
  const auto at = std::lower_bound(r->progress.begin(), r->progress.end(), id,
                                   [](const Progress& p, NodeId key) { return p.id < key; });
  r->progress.insert(at, std::move(progress));
}

ConfigurationResult RestoreConfiguration(const ConfState& state, InflightLimits limits, Index last,
                                         Index added_at) {
  ProgressTracker tracker(limits);
  const auto take = [&](ConfigurationResult result) {
    if (!result.ok()) return result.error;
    tracker.config = std::move(result.config);
    tracker.progress = std::move(result.progress);
    return std::string();
  };
  const auto add = [](std::vector<ConfChangeSingle>* to, ConfChangeType type,
                      const std::vector<NodeId>& ids) {
    for (const NodeId id : ids) to->push_back({type, id});
  };
  // A joint configuration is reached the way it came about: first the outgoing voters one by one,
  // then one joint step that removes them and adds what is incoming.
  std::vector<ConfChangeSingle> outgoing;
  std::vector<ConfChangeSingle> incoming;
  add(&outgoing, ConfChangeType::kAddNode, state.voters_outgoing);
  add(&incoming, ConfChangeType::kRemoveNode, state.voters_outgoing);
  add(&incoming, ConfChangeType::kAddNode, state.voters);
  add(&incoming, ConfChangeType::kAddLearnerNode, state.learners);
  add(&incoming, ConfChangeType::kAddLearnerNode, state.learners_next);
  const std::vector<ConfChangeSingle>& one_by_one = outgoing.empty() ? incoming : outgoing;
  for (const ConfChangeSingle& change : one_by_one) {
    std::string why = take(Changer(tracker, last, added_at).Simple({&change, 1}));
    if (!why.empty()) return Refused(std::move(why));
  }
  if (!outgoing.empty()) {
    std::string why = take(Changer(tracker, last, added_at).EnterJoint(state.auto_leave, incoming));
    if (!why.empty()) return Refused(std::move(why));
  }
  ConfigurationResult result;
  result.config = std::move(tracker.config);
  result.progress = std::move(tracker.progress);
  return result;
}

}  // namespace nokv::raft
