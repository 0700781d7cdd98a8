// The leader's half: replication, commitment, reads, transfer of leadership.

#include <algorithm>

#include "base/check.h"
#include "raft/core.h"
#include "raft/describe.h"
#include "raft/mutants.h"

namespace nokv::raft {

void Raft::TickLeader() {
  Leader& leader = leading();
  ++leader.heartbeat_elapsed;
  if (election_elapsed_ >= config_.election_tick) {
    election_elapsed_ = 0;
    // A target that has not taken over by now is not going to; clients must not wait for it.
    if (!Mutated(Mutant::kTransferNeverTimesOut)) leader.transferee = kNoNode;
    if (config_.check_quorum) CheckQuorum();
    if (role_ != Role::kLeader) return;
  }
  if (leader.heartbeat_elapsed >= config_.heartbeat_tick) {
    leader.heartbeat_elapsed = 0;
    BroadcastHeartbeat();
  }
}

void Raft::CheckQuorum() {
  if (!tracker_.QuorumActive() && !Mutated(Mutant::kCheckQuorumKeepsLeader)) {
    trace_.Warning(id_, " stepped down to follower since quorum is not active");
    BecomeFollower(term_, kNoNode);
    return;
  }
  for (Progress& progress : tracker_.progress) {
    if (progress.id != id_) progress.recent_active = false;
  }
}

StepResult Raft::StepLeader(const Message& m) {
  if (m.type == MessageType::kProp) return LeaderPropose(m.entries);
  if (m.type == MessageType::kReadIndex) {
    LeaderRead({m.from, m.context, Index()});
    return StepResult::kOk;
  }
  Progress* const progress = tracker_.Find(m.from);
  if (progress == nullptr) {
    trace_.Debug(id_, " no progress available for ", m.from);
    return StepResult::kOk;
  }
  switch (m.type) {
    case MessageType::kAppResp:
      return HandleAppendResponse(m, progress);
    case MessageType::kHeartbeatResp:
      return HandleHeartbeatResponse(m, progress);
    case MessageType::kTransferLeader:
      HandleTransfer(m.from, progress);
      return StepResult::kOk;
    default:
      return StepResult::kOk;
  }
}

// Proposals. ------------------------------------------------------------------------------------

std::string Raft::ConfChangeObjection(const ConfChange& change) const {
  const Leader& leader = std::get<Leader>(state_);
  const bool joint = tracker_.config.voters.joint();
  const bool leaves = change.changes.empty();
  if (leader.pending_conf_index > log_.applied() && !Mutated(Mutant::kTwoPendingConfChanges)) {
    return Join("possible unapplied conf change at index ", leader.pending_conf_index,
                " (applied to ", log_.applied(), ")");
  }
  if (joint && !leaves) return "must transition out of joint config first";
  if (!joint && leaves) return "not in joint state; refusing empty conf change";
  return {};
}

StepResult Raft::LeaderPropose(std::span<const Entry> entries) {
  Leader& leader = leading();
  if (tracker_.Find(id_) == nullptr) return StepResult::kProposalDropped;
  if (leader.transferee != kNoNode && !Mutated(Mutant::kProposalsDuringTransfer)) {
    trace_.Debug(id_, " [term ", term_, "] transfer leadership to ", leader.transferee,
                 " is in progress; dropping proposal");
    return StepResult::kProposalDropped;
  }
  const Index pending_before = leader.pending_conf_index;
  const Index last = log_.LastIndex();
  scratch_.assign(entries.begin(), entries.end());
  for (size_t i = 0; i < scratch_.size(); ++i) {
    if (scratch_[i].type == EntryType::kNormal) continue;
    const std::optional<ConfChange> change = DecodeConfChange(scratch_[i]);
    if (!change) {
      leader.pending_conf_index = pending_before;
      return StepResult::kRefused;
    }
    const std::string objection = ConfChangeObjection(*change);
    if (!objection.empty() && !config_.disable_conf_change_validation) {
      trace_.Info(id_, " ignoring conf change ", Describe(*change), " at config ",
                  Describe(tracker_.config), ": ", objection);
      scratch_[i] = Entry();
      scratch_[i].replaces_change = true;
    } else {
      leader.pending_conf_index = last + i + 1;
    }
  }
  const bool appended = AppendOwn(scratch_);
  scratch_.clear();
  if (!appended) {
    leader.pending_conf_index = pending_before;
    return StepResult::kProposalDropped;
  }
  BroadcastAppend();
  return StepResult::kOk;
}

bool Raft::AppendOwn(std::span<Entry> entries) {
  Leader& leader = leading();
  // An empty tail takes a proposal of any size, and what has no bytes is never refused: neither the
  // entry that opens a term nor the one that leaves a joint configuration may be lost.
  const uint64_t bytes = PayloadSize(entries);
  const bool over = leader.uncommitted_bytes > 0 && bytes > 0 &&
                    leader.uncommitted_bytes + bytes > config_.uncommitted_bytes_max;
  if (over && !Mutated(Mutant::kUncommittedSizeIgnored)) {
    trace_.Warning(id_, " appending new entries to log would exceed uncommitted entry size limit; "
                        "dropping proposal");
    return false;
  }
  leader.uncommitted_bytes += bytes;
  Index index = log_.LastIndex();
  for (Entry& entry : entries) {
    index = index + 1;
    entry.term = term_;
    entry.index = index;
  }
  log_.Append(entries, trace_);
  if (Mutated(Mutant::kSelfAckBeforeDurable)) {
    if (Progress* const own = tracker_.Find(id_); own != nullptr && own->MaybeUpdate(index)) {
      MaybeCommit();
    }
  }
  // The leader counts itself only once its own disk has the entries: (4).
  Send(MessageType::kAppResp, id_).index = index;
  return true;
}

// Replication. ----------------------------------------------------------------------------------

void Raft::BroadcastAppend() {
  for (Progress& progress : tracker_.progress) {
    if (progress.id != id_) MaybeSendAppend(&progress, true);
  }
}

bool Raft::MaybeSendAppend(Progress* progress, bool send_if_empty) {
  if (progress->Paused()) return false;
  const Index previous = progress->next - 1;
  const std::optional<Term> previous_term = log_.TermAt(previous);
  if (!previous_term) return MaybeSendSnapshot(progress);
  scratch_.clear();
  // Over a full window goes an append without entries: if all that filled the window was lost, its
  // answer is what opens the window again.
  const bool full = progress->state == ProgressState::kReplicate && progress->inflights.Full();
  if (full && Mutated(Mutant::kFullWindowSilent)) return false;
  if (!full && !log_.ReadFrom(progress->next, config_.size_per_message_max, &scratch_)) {
    return MaybeSendSnapshot(progress);
  }
  if (scratch_.empty() && !send_if_empty) return false;
  Message& m = Send(MessageType::kApp, progress->id);
  m.index = previous;
  m.log_term = *previous_term;
  m.commit = log_.committed();
  m.entries.swap(scratch_);
  progress->SentEntries(m.entries.size(), PayloadSize(m.entries));
  progress->sent_commit = log_.committed();
  return true;
}

bool Raft::MaybeSendSnapshot(Progress* progress) {
  if (!progress->recent_active && !Mutated(Mutant::kSnapshotToInactivePeer)) {
    trace_.Debug("ignore sending snapshot to ", progress->id, " since it is not recently active");
    return false;
  }
  SnapshotRef snapshot = log_.unstable().snapshot();
  if (snapshot == nullptr) {
    snapshot = log_.storage().GetSnapshot(progress->id, progress->added_at);
  }
  // The follower would refuse a snapshot that does not name it, and refuse it for ever. Likewise
  // one that does not reach the log serves nobody.
  const bool any = config_.reference_behaviour || Mutated(Mutant::kOldSnapshotToNewMember);
  const bool useless = snapshot != nullptr && !any &&
                       (snapshot->id.index < progress->added_at ||
                        snapshot->id.index + 1 < log_.FirstIndex());
  if (snapshot == nullptr || useless) {
    trace_.Debug(id_, " failed to send snapshot to ", progress->id,
                 " because snapshot is temporarily unavailable");
    return false;
  }
  const EntryId id = snapshot->id;
  if (trace_.Enabled(LogLevel::kDebug)) {
    trace_.Debug(id_, " [firstindex: ", log_.FirstIndex(), ", commit: ", log_.committed(),
                 "] sent snapshot[index: ", id.index, ", term: ", id.term, "] to ", progress->id,
                 " [", Describe(*progress), "]");
  }
  progress->BecomeSnapshot(id.index);
  if (trace_.Enabled(LogLevel::kDebug)) {
    trace_.Debug(id_, " paused sending replication messages to ", progress->id, " [",
                 Describe(*progress), "]");
  }
  Send(MessageType::kSnap, progress->id).snapshot = std::move(snapshot);
  return true;
}

StepResult Raft::HandleAppendResponse(const Message& m, Progress* progress) {
  if (!m.reject && m.index > log_.LastIndex()) {
    trace_.Warning(id_, " refused MsgAppResp from ", m.from, " for index ", m.index,
                   " beyond the log [lastIndex ", log_.LastIndex(), "]");
    return StepResult::kRefused;
  }
  progress->recent_active = true;
  if (m.reject) {
    HandleRejection(m, progress);
    return StepResult::kOk;
  }
  // An answer that says nothing of match still says that a probed follower is where it should be.
  const bool updated = progress->MaybeUpdate(m.index);
  if (!updated &&
      !(progress->match == m.index && progress->state == ProgressState::kProbe)) {
    return StepResult::kOk;
  }
  switch (progress->state) {
    case ProgressState::kProbe:
      progress->BecomeReplicate();
      break;
    case ProgressState::kSnapshot:
      // Wherever a snapshot came from and whatever its index: once the follower connects to the
      // log again, the log goes on.
      if (progress->match + 1 < log_.FirstIndex()) break;
      if (Mutated(Mutant::kSnapshotAckMustReachPending) &&
          progress->match < progress->pending_snapshot) {
        break;
      }
      if (trace_.Enabled(LogLevel::kDebug)) {
        trace_.Debug(id_, " recovered from needing snapshot, resumed sending replication messages "
                          "to ", m.from, " [", Describe(*progress), "]");
      }
      progress->BecomeProbe();
      progress->BecomeReplicate();
      break;
    case ProgressState::kReplicate:
      progress->inflights.FreeUpTo(m.index);
      break;
  }
  const bool own = m.from == id_;
  if (MaybeCommit()) {
    ReleasePostponedReads();
    BroadcastAppend();
  } else if (!own && progress->CanBumpCommit(log_.committed())) {
    // A heartbeat would tell as well, but later.
    MaybeSendAppend(progress, true);
  }
  if (own) return StepResult::kOk;
  // The window may have opened by more than one message.
  while (MaybeSendAppend(progress, false)) {
  }
  if (m.from == leading().transferee && progress->match == log_.LastIndex()) {
    trace_.Info(id_, " sent MsgTimeoutNow to ", m.from, " after received MsgAppResp");
    SendTimeoutNow(m.from);
  }
  return StepResult::kOk;
}

void Raft::HandleRejection(const Message& m, Progress* progress) {
  trace_.Debug(id_, " received MsgAppResp(rejected, hint: (index ", m.reject_hint, ", term ",
               m.log_term, ")) from ", m.from, " for index ", m.index);
  Index probe = m.reject_hint;
  // Where this log has a term above the follower's hint, the two cannot match: had they matched
  // there, the follower would have had that term at or before its hint.
  if (m.log_term > Term() && !Mutated(Mutant::kLeaderHintIgnoresTerm)) {
    probe = log_.FindConflictByTerm(m.reject_hint, m.log_term).index;
  }
  if (!progress->MaybeDecrease(m.index, probe)) return;
  if (trace_.Enabled(LogLevel::kDebug)) {
    trace_.Debug(id_, " decreased progress of ", m.from, " to [", Describe(*progress), "]");
  }
  if (progress->state == ProgressState::kReplicate) progress->BecomeProbe();
  MaybeSendAppend(progress, true);
}

void Raft::ReportUnreachable(NodeId id) {
  if (role_ != Role::kLeader) return;
  Progress* const progress = tracker_.Find(id);
  if (progress == nullptr) {
    trace_.Debug(id_, " no progress available for ", id);
    return;
  }
  // What was sent ahead is probably lost.
  if (progress->state == ProgressState::kReplicate && !Mutated(Mutant::kUnreachableKeepsSending)) {
    progress->BecomeProbe();
  }
  if (trace_.Enabled(LogLevel::kDebug)) {
    trace_.Debug(id_, " failed to send message to ", id, " because it is unreachable [",
                 Describe(*progress), "]");
  }
}

void Raft::ReportSnapshot(NodeId id, bool arrived) {
  if (role_ != Role::kLeader) return;
  Progress* const progress = tracker_.Find(id);
  if (progress == nullptr) {
    trace_.Debug(id_, " no progress available for ", id);
    return;
  }
  if (progress->state != ProgressState::kSnapshot) return;
  if (!arrived) progress->pending_snapshot = Index();
  progress->BecomeProbe();
  if (trace_.Enabled(LogLevel::kDebug)) {
    trace_.Debug(id_, arrived ? " snapshot succeeded" : " snapshot failed",
                 ", resumed sending replication messages to ", id, " [", Describe(*progress), "]");
  }
  // After success the follower answers by itself; after failure a heartbeat's time is waited.
  progress->flow_paused = true;
}

// Commitment. -----------------------------------------------------------------------------------

// Only an entry of the leader's own term is committed by counting; what precedes it is committed
// with it (paper, section 5.4.2 and figure 8).
bool Raft::MaybeCommit() { return log_.MaybeCommit({term_, tracker_.Committed()}); }

bool Raft::CommittedInTerm() const { return log_.TermOrZero(log_.committed()) == term_; }

// Heartbeats and reads. -------------------------------------------------------------------------

void Raft::BroadcastHeartbeat() {
  const uint64_t position = leading().reads.last_position();
  for (Progress& progress : tracker_.progress) {
    if (progress.id == id_) continue;
    Message& m = Send(MessageType::kHeartbeat, progress.id);
    // The follower commits what it is told, so it is told no more than is known to match.
    m.commit = Mutated(Mutant::kHeartbeatCommitUnclamped)
                   ? log_.committed()
                   : std::min(progress.match, log_.committed());
    m.context = position;
    m.tick = now_;
    progress.sent_commit = m.commit;
  }
}

StepResult Raft::HandleHeartbeatResponse(const Message& m, Progress* progress) {
  Leader& leader = leading();
  if (m.tick > now_ || (m.context != 0 && !leader.reads.Acknowledge(m.from, m.context))) {
    trace_.Warning(id_, " refused MsgHeartbeatResp from ", m.from,
                   " to a heartbeat that was not sent");
    return StepResult::kRefused;
  }
  progress->recent_active = true;
  progress->acked_tick = std::max(progress->acked_tick, m.tick);
  if (!Mutated(Mutant::kHeartbeatDoesNotResume)) progress->flow_paused = false;
  // A probed follower that has everything is sent an empty append: its answer ends the probing.
  if (progress->match < log_.LastIndex() || progress->state == ProgressState::kProbe) {
    MaybeSendAppend(progress, true);
  }
  if (m.context != 0) AnswerConfirmedReads();
  return StepResult::kOk;
}

bool Raft::LeaseValid() const {
  const Leader* const leader = std::get_if<Leader>(&state_);
  if (leader == nullptr || !config_.check_quorum) return false;
  if (config_.reference_behaviour || Mutated(Mutant::kLeaseNeverExpires)) return true;
  // A transfer's election ignores leases, and its message may arrive at any time.
  if (leader->lease_suspended && !Mutated(Mutant::kLeaseAfterTimeoutNow)) return false;
  return now_ - std::min(now_, tracker_.QuorumTick(id_, now_)) < config_.lease_tick;
}

void Raft::LeaderRead(const ReadRequest& request) {
  Leader& leader = leading();
  // Before the first commit of its term a leader does not know how far others have committed.
  if (!CommittedInTerm() && !Mutated(Mutant::kReadBeforeCommitInTerm)) {
    leader.postponed_reads.push_back(request);
    return;
  }
  ReadRequest read = request;
  read.index = log_.committed();
  const JointConfig& voters = tracker_.config.voters;
  const bool alone = voters.incoming.size() == 1 && !voters.joint() &&
                     (voters.incoming.Contains(id_) || Mutated(Mutant::kSingletonStranger));
  if (alone) {
    AnswerRead(read);
    return;
  }
  if (config_.read_only == ReadOnlyOption::kLeaseBased && LeaseValid()) {
    if (Mutated(Mutant::kLeaseReadAtApplied)) read.index = log_.applied();
    AnswerRead(read);
    return;
  }
  leader.reads.Add(read);
  leader.reads.Acknowledge(id_, leader.reads.last_position());
  BroadcastHeartbeat();
  AnswerConfirmedReads();
}

void Raft::AnswerConfirmedReads() {
  confirmed_reads_.clear();
  leading().reads.TakeConfirmed(tracker_.config.voters, id_, &confirmed_reads_);
  for (const ReadRequest& read : confirmed_reads_) AnswerRead(read);
}

void Raft::AnswerRead(const ReadRequest& request) {
  if (request.from == id_ || request.from == kNoNode) {
    read_states_.push_back({request.index, request.token});
    return;
  }
  Message& m = Send(MessageType::kReadIndexResp, request.from);
  m.index = request.index;
  m.context = request.token;
}

void Raft::ReleasePostponedReads() {
  Leader& leader = leading();
  if (leader.postponed_reads.empty() || !CommittedInTerm()) return;
  const std::vector<ReadRequest> reads = std::move(leader.postponed_reads);
  leader.postponed_reads.clear();
  for (const ReadRequest& read : reads) LeaderRead(read);
}

// Transfer of leadership (thesis, section 3.10). --------------------------------------------------

void Raft::HandleTransfer(NodeId target, Progress* progress) {
  Leader& leader = leading();
  if (progress->is_learner && !Mutated(Mutant::kTransferToLearner)) {
    trace_.Debug(id_, " is learner. Ignored transferring leadership");
    return;
  }
  if (leader.transferee != kNoNode) {
    if (leader.transferee == target) {
      trace_.Info(id_, " [term ", term_, "] transfer leadership to ", target,
                  " is in progress, ignores request to same node ", target);
      return;
    }
    trace_.Info(id_, " [term ", term_, "] abort previous transferring leadership to ",
                leader.transferee);
    leader.transferee = kNoNode;
  }
  if (target == id_) {
    trace_.Debug(id_, " is already leader. Ignored transferring leadership to self");
    return;
  }
  trace_.Info(id_, " [term ", term_, "] starts to transfer leadership to ", target);
  // The transfer has one election timeout from here.
  election_elapsed_ = 0;
  leader.transferee = target;
  if (progress->match == log_.LastIndex()) {
    SendTimeoutNow(target);
    trace_.Info(id_, " sends MsgTimeoutNow to ", target, " immediately as ", target,
                " already has up-to-date log");
  } else {
    MaybeSendAppend(progress, true);
  }
}

void Raft::SendTimeoutNow(NodeId to) {
  leading().lease_suspended = true;
  Send(MessageType::kTimeoutNow, to);
}

}  // namespace nokv::raft
