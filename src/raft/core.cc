#include "raft/core.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "base/hash.h"
#include "raft/describe.h"
#include "raft/mutants.h"

namespace nokv::raft {

Status Config::Validate() const {
  if (id == kNoNode) return Status::InvalidArgument("cannot use none as id");
  if (IsStorageQueue(id)) return Status::InvalidArgument("cannot use local target as id");
  if (heartbeat_tick == 0) {
    return Status::InvalidArgument("heartbeat tick must be greater than 0");
  }
  if (election_tick <= heartbeat_tick) {
    return Status::InvalidArgument("election tick must be greater than heartbeat tick");
  }
  if (election_tick > std::numeric_limits<uint32_t>::max() / 2) {
    return Status::InvalidArgument("election tick must be below 2^31");
  }
  if (storage == nullptr) return Status::InvalidArgument("storage cannot be nil");
  if (inflight_count_max == 0) {
    return Status::InvalidArgument("max inflight messages must be greater than 0");
  }
  if (inflight_bytes_max != 0 && inflight_bytes_max < size_per_message_max) {
    return Status::InvalidArgument("max inflight bytes must be >= max message size");
  }
  if (read_only == ReadOnlyOption::kLeaseBased && !check_quorum) {
    return Status::InvalidArgument(
        "CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased");
  }
  if (lease_tick >= election_tick) {
    return Status::InvalidArgument("lease tick must be less than election tick");
  }
  return Status::Ok();
}

Raft::Raft(const Config& config)
    : id_(config.id),
      log_(config.storage,
           std::max<uint64_t>(1, config.applying_bytes_max != 0 ? config.applying_bytes_max
                                                                : config.size_per_message_max)),
      tracker_({config.inflight_count_max,
                config.inflight_bytes_max == 0 ? kNoLimit : config.inflight_bytes_max}),
      random_(base::Mix64(config.seed) ^ config.id.value()),
      trace_(config.logger),
      config_(config) {
  if (config_.lease_tick == 0) config_.lease_tick = (config_.election_tick - 1) * 3 / 4;
  if (config_.uncommitted_bytes_max == 0) config_.uncommitted_bytes_max = kNoLimit;
}

Status Raft::Load() {
  const Storage::InitialState state = config_.storage->LoadInitialState();
  const EntryId last = log_.LastId();
  const Index known_applied = std::max(config_.applied, log_.applied());
  ConfigurationResult restored =
      RestoreConfiguration(state.conf_state, tracker_.limits, last.index, known_applied);
  if (!restored.ok()) return Status::Corruption("raft: stored configuration: " + restored.error);
  if (!SwitchTo(std::move(restored)).Equivalent(state.conf_state)) {
    return Status::Corruption("raft: stored configuration is not one: " +
                              Describe(state.conf_state));
  }
  const HardState& hard = state.hard_state;
  if (hard != HardState()) {
    // A commit below the first entry is what a crash between a snapshot and its hard state leaves.
    if (hard.commit > last.index || (config_.reference_behaviour && hard.commit < log_.committed())) {
      return Status::Corruption(Join("raft: stored commit ", hard.commit, " is out of range [",
                                     log_.committed(), ", ", last.index, "]"));
    }
    log_.set_committed(std::max(log_.committed(), hard.commit));
    term_ = hard.term;
    vote_ = hard.vote;
    lease_from_before_ = config_.read_only == ReadOnlyOption::kLeaseBased &&
                         !config_.reference_behaviour && !Mutated(Mutant::kRestartForgetsLease);
  }
  if (config_.applied > Index()) {
    if (config_.applied > last.index || config_.applied < log_.applied()) {
      return Status::InvalidArgument(Join("raft: applied ", config_.applied,
                                          " is out of range [", log_.applied(), ", ", last.index,
                                          "]"));
    }
    // A commit alone is not synced, so what is applied may be ahead of the commit on disk; what is
    // applied was committed.
    if (!Mutated(Mutant::kCommitBelowApplied)) {
      log_.set_committed(std::max(log_.committed(), config_.applied));
    }
    log_.AppliedTo(config_.applied, 0);
  }
  BecomeFollower(term_, kNoNode);
  if (trace_.Enabled(LogLevel::kInfo)) {
    std::string peers;
    for (const NodeId id : tracker_.config.voters.Union()) {
      if (!peers.empty()) peers += ',';
      AppendText(&peers, id);
    }
    trace_.Info("newRaft ", id_, " [peers: [", peers, "], term: ", term_, ", commit: ",
                log_.committed(), ", applied: ", log_.applied(), ", lastindex: ", last.index,
                ", lastterm: ", last.term, "]");
  }
  return Status::Ok();
}

Status Raft::Bootstrap(std::span<const NodeId> peers) {
  if (peers.empty()) {
    return Status::InvalidArgument("must provide at least one peer to Bootstrap");
  }
  if (log_.LastIndex() != Index()) {
    return Status::InvalidArgument("can't bootstrap a nonempty Storage");
  }
  BecomeFollower(Term(1), kNoNode);
  std::vector<Entry> entries;
  for (const NodeId id : peers) {
    Entry entry = EncodeConfChange({true, ConfChangeTransition::kAuto,
                                    {{ConfChangeType::kAddNode, id}}, Payload()});
    entry.term = Term(1);
    entry.index = Index(entries.size() + 1);
    entries.push_back(std::move(entry));
  }
  log_.Append(entries, trace_);
  log_.CommitTo(entries.back().index);
  // Taken into account at once, so that the node can campaign; when the entries are applied, the
  // same changes change nothing.
  for (const Entry& entry : entries) {
    const Result<ConfState> applied = ApplyConfChange(*DecodeConfChange(entry), entry.index);
    if (!applied.ok()) return applied.status();
  }
  return Status::Ok();
}

// Roles. ----------------------------------------------------------------------------------------

void Raft::Reset(Term term) {
  if (term_ != term) {
    NOKV_CHECK(term > term_);
    term_ = term;
    vote_ = kNoNode;
  }
  leader_ = kNoNode;
  election_elapsed_ = 0;
  election_timeout_ = config_.election_tick;
  if (!Mutated(Mutant::kTimeoutNotRandomised)) {
    election_timeout_ += static_cast<uint32_t>(random_.Uniform(config_.election_tick));
  }
  const Index last = log_.LastIndex();
  for (Progress& progress : tracker_.progress) {
    progress.match = progress.id == id_ ? last : Index();
    progress.next = last + 1;
    progress.sent_commit = Index();
    progress.pending_snapshot = Index();
    progress.acked_tick = 0;
    progress.inflights.Release();
    progress.state = ProgressState::kProbe;
    progress.recent_active = false;
    progress.flow_paused = false;
  }
}

void Raft::BecomeFollower(Term term, NodeId leader) {
  Reset(term);
  state_.emplace<Follower>();
  role_ = Role::kFollower;
  leader_ = leader;
  trace_.Info(id_, " became follower at term ", term_);
}

void Raft::BecomePreCandidate() {
  NOKV_CHECK(role_ != Role::kLeader);
  // Neither term nor vote changes: a pre-vote disturbs nobody (thesis, section 9.6).
  state_.emplace<PreCandidate>();
  role_ = Role::kPreCandidate;
  leader_ = kNoNode;
  trace_.Info(id_, " became pre-candidate at term ", term_);
}

void Raft::BecomeCandidate() {
  NOKV_CHECK(role_ != Role::kLeader);
  Reset(term_ + 1);
  state_.emplace<Candidate>();
  role_ = Role::kCandidate;
  vote_ = id_;
  trace_.Info(id_, " became candidate at term ", term_);
}

void Raft::BecomeLeader() {
  NOKV_CHECK(role_ != Role::kFollower);
  Reset(term_);
  Leader& leader = state_.emplace<Leader>();
  role_ = Role::kLeader;
  leader_ = id_;
  if (Progress* const own = tracker_.Find(id_)) {
    own->BecomeReplicate();
    own->recent_active = true;
  }
  // The tail may hold a change of configuration; looking would cost a scan, waiting costs little.
  if (!Mutated(Mutant::kNewLeaderForgetsPending)) leader.pending_conf_index = log_.LastIndex();
  // An entry of its own term lets a leader commit, and learn what is committed (thesis, 3.6.2,
  // 6.4). Without payload it passes every limit.
  if (!Mutated(Mutant::kNoEntryOnElection)) {
    Entry empty;
    NOKV_CHECK(AppendOwn({&empty, 1}));
  }
  trace_.Info(id_, " became leader at term ", term_);
}

// Elections. ------------------------------------------------------------------------------------

bool Raft::Promotable() const {
  const Progress* const own = tracker_.Find(id_);
  return own != nullptr && !own->is_learner && log_.unstable().snapshot() == nullptr;
}

void Raft::ElectionTimedOut() {
  if (!Promotable()) return;
  election_elapsed_ = 0;
  StartElection(config_.pre_vote ? CampaignKind::kPreElection : CampaignKind::kElection);
}

void Raft::Campaign() {
  // A lease that this node has granted binds it against itself as well.
  if (config_.read_only == ReadOnlyOption::kLeaseBased && !config_.reference_behaviour &&
      role_ == Role::kFollower && InLease()) {
    trace_.Warning(id_, " does not campaign at term ", term_, " within the lease of a leader");
    return;
  }
  StartElection(config_.pre_vote ? CampaignKind::kPreElection : CampaignKind::kElection);
}

void Raft::StartElection(CampaignKind kind) {
  if (role_ == Role::kLeader) {
    trace_.Debug(id_, " ignoring MsgHup because already leader");
    return;
  }
  if (!Promotable()) {
    trace_.Warning(id_, " is unpromotable and can not campaign");
    return;
  }
  // A configuration that is committed and not applied is one that others may count by already.
  if (HasUnappliedConfChange() && !Mutated(Mutant::kCampaignWithUnappliedConf)) {
    trace_.Warning(id_, " cannot campaign at term ", term_,
                   " since there are still pending configuration changes to apply");
    return;
  }
  trace_.Info(id_, " is starting a new election at term ", term_);
  RunCampaign(kind);
}

bool Raft::HasUnappliedConfChange() const {
  std::vector<Entry> page;
  for (Index lo = log_.applied() + 1; lo <= log_.committed(); lo = lo + page.size()) {
    page.clear();
    NOKV_CHECK(log_.Read(lo, log_.committed() + 1, log_.applying_bytes_max(), &page));
    for (const Entry& entry : page) {
      if (entry.type != EntryType::kNormal) return true;
    }
  }
  return false;
}

void Raft::RunCampaign(CampaignKind kind) {
  const bool pre = kind == CampaignKind::kPreElection;
  if (pre) {
    BecomePreCandidate();
  } else {
    BecomeCandidate();
  }
  const MessageType request = pre ? MessageType::kPreVote : MessageType::kVote;
  // A pre-vote names the term that would be fought for.
  const Term term = pre ? term_ + 1 : term_;
  const EntryId last = log_.LastId();
  for (const NodeId to : tracker_.config.voters.Union()) {
    if (to == id_) {
      // Its own vote waits for the disk like everybody's: (4).
      Send(pre ? MessageType::kPreVoteResp : MessageType::kVoteResp, id_).term = term;
      continue;
    }
    trace_.Info(id_, " [logterm: ", last.term, ", index: ", last.index, "] sent ", Name(request),
                " request to ", to, " at term ", term_);
    Message& m = Send(request, to);
    m.term = term;
    m.index = last.index;
    m.log_term = last.term;
    m.force = kind == CampaignKind::kTransfer;
  }
}

std::optional<bool> Raft::Ballot::Of(NodeId id) const {
  for (const auto& [node, granted] : votes) {
    if (node == id) return granted;
  }
  return std::nullopt;
}

void Raft::CountVote(const Message& m) {
  Ballot& ballot = role_ == Role::kCandidate ? static_cast<Ballot&>(std::get<Candidate>(state_))
                                             : std::get<PreCandidate>(state_);
  trace_.Info(id_, " received ", Name(m.type), m.reject ? " rejection from " : " from ", m.from,
              " at term ", term_);
  if (!ballot.Of(m.from)) ballot.votes.emplace_back(m.from, !m.reject);
  size_t granted = 0;
  size_t rejected = 0;
  for (const Progress& progress : tracker_.progress) {
    const std::optional<bool> vote = ballot.Of(progress.id);
    if (progress.is_learner || !vote) continue;
    ++(*vote ? granted : rejected);
  }
  trace_.Info(id_, " has received ", granted, " ", Name(m.type), " votes and ", rejected,
              " vote rejections");
  const auto vote = [&ballot](NodeId id) { return ballot.Of(id); };
  const JointConfig& voters = tracker_.config.voters;
  const VoteResult result = Mutated(Mutant::kJointVoteIncomingOnly)
                                ? MajorityVote(voters.incoming, vote)
                                : voters.Result(vote);
  if (result == VoteResult::kLost) {
    BecomeFollower(term_, kNoNode);
  } else if (result == VoteResult::kWon && role_ == Role::kPreCandidate) {
    RunCampaign(CampaignKind::kElection);
  } else if (result == VoteResult::kWon) {
    BecomeLeader();
    BroadcastAppend();
  }
}

// Messages. -------------------------------------------------------------------------------------

Message& Raft::Send(MessageType type, NodeId to) {
  const bool attests = type == MessageType::kAppResp || type == MessageType::kVoteResp ||
                       type == MessageType::kPreVoteResp;
  // What attests durable state waits for it, rejections included: they may rest on state that is
  // not durable either, and are rare.
  const bool early = attests && to != id_ && Mutated(Mutant::kAnswerBeforeDurable);
  Message& m = attests && !early ? after_append_.Add() : messages_.Add();
  m.type = type;
  m.from = id_;
  m.to = to;
  // Proposals and read requests belong to no term: they are handed on until a leader takes them.
  if (type != MessageType::kProp && type != MessageType::kReadIndex) m.term = term_;
  return m;
}

bool Raft::WellFormed(const Message& m) const {
  if (m.term > kTermMax || m.log_term > kTermMax || m.index > kIndexMax || m.commit > kIndexMax ||
      m.reject_hint > kIndexMax || m.entries.size() > kIndexMax.value()) {
    return false;
  }
  // Without a term a message is obeyed whatever the term of its sender, so only those pass that
  // mean it: what is handed on to a leader, and the report of this node's own storage.
  const bool termless = m.type == MessageType::kProp || m.type == MessageType::kReadIndex;
  const bool checked = m.type != MessageType::kStorageAppendResp && !config_.reference_behaviour;
  if (checked && termless != (m.term == Term())) return false;
  switch (m.type) {
    case MessageType::kProp:
      for (const Entry& entry : m.entries) {
        if (entry.type > EntryType::kConfChangeV2) return false;
        if (entry.type != EntryType::kNormal && !DecodeConfChange(entry)) return false;
      }
      return !m.entries.empty();
    case MessageType::kApp:
      return AppendSlice{{m.log_term, m.index}, m.entries}.Valid(m.term);
    case MessageType::kSnap: {
      if (m.snapshot == nullptr) return false;
      const Snapshot& s = *m.snapshot;
      if (s.id.index > kIndexMax || s.id.term > kTermMax) return false;
      const ConfigurationResult r =
          RestoreConfiguration(s.conf_state, tracker_.limits, s.id.index, s.id.index);
      return r.ok() && r.config.ToConfState().Equivalent(s.conf_state);
    }
    default:
      return true;
  }
}

// Whether a leader may rely on this node not to help elect another one (thesis, section 6.2).
bool Raft::InLease() const {
  if (!config_.check_quorum) return false;
  if (lease_from_before_ && now_ < config_.election_tick) return true;
  return leader_ != kNoNode && election_elapsed_ < config_.election_tick;
}

void Raft::LogVote(std::string_view verb, std::string_view preposition, const Message& m,
                   std::string_view rest) const {
  if (!trace_.Enabled(LogLevel::kInfo)) return;
  const EntryId last = log_.LastId();
  trace_.Info(id_, " [logterm: ", last.term, ", index: ", last.index, ", vote: ", vote_, "] ",
              verb, " ", Name(m.type), " ", preposition, " ", m.from, " [logterm: ", m.log_term,
              ", index: ", m.index, "] at term ", term_, rest);
}

StepResult Raft::Step(const Message& m) {
  if (!WellFormed(m)) {
    trace_.Warning(id_, " refused a malformed ", Name(m.type), " from ", m.from);
    return StepResult::kRefused;
  }
  if (!StepTerm(m)) return StepResult::kOk;
  switch (m.type) {
    case MessageType::kStorageAppendResp:
      StorageAppended(m);
      return StepResult::kOk;
    case MessageType::kVote:
    case MessageType::kPreVote:
      StepVote(m);
      return StepResult::kOk;
    default:
      break;
  }
  switch (role_) {
    case Role::kLeader:
      return StepLeader(m);
    case Role::kFollower:
      return StepFollower(m);
    case Role::kCandidate:
    case Role::kPreCandidate:
      return StepCandidate(m);
  }
  return StepResult::kOk;
}

bool Raft::StepTerm(const Message& m) {
  if (m.term == Term() || m.term == term_) return true;
  if (m.term > term_) {
    const bool asks = m.type == MessageType::kVote || m.type == MessageType::kPreVote;
    const bool forced = m.force && !Mutated(Mutant::kTransferVoteHeldByLease);
    if (asks && !forced && InLease() && !Mutated(Mutant::kLeaseIgnored)) {
      LogVote("ignored", "from", m,
              Join(": lease is not expired (remaining ticks: ",
                   static_cast<int64_t>(config_.election_tick) - election_elapsed_, ")"));
      return false;
    }
    // A pre-vote asks about a term that nobody is in; its grant comes back with that term.
    const bool about_future =
        m.type == MessageType::kPreVote || (m.type == MessageType::kPreVoteResp && !m.reject);
    if (about_future && !Mutated(Mutant::kPreVoteRaisesTerm)) return true;
    if (role_ == Role::kLeader && Mutated(Mutant::kHigherTermKeepsRole)) return false;
    trace_.Info(id_, " [term: ", term_, "] received a ", Name(m.type),
                " message with higher term from ", m.from, " [term: ", m.term, "]");
    const bool from_leader = m.type == MessageType::kApp || m.type == MessageType::kHeartbeat ||
                             m.type == MessageType::kSnap;
    BecomeFollower(m.term, from_leader ? m.from : kNoNode);
    return true;
  }
  // An older term.
  const bool guarded = config_.check_quorum || config_.pre_vote;
  if (Mutated(Mutant::kStaleTermAccepted) && m.type == MessageType::kApp) return true;
  if (guarded && (m.type == MessageType::kHeartbeat || m.type == MessageType::kApp)) {
    // A leader that this node left behind. Votes do not reach it where leases or pre-votes guard
    // it, so it learns of the newer term by this answer; otherwise neither side would ever move.
    Send(MessageType::kAppResp, m.from);
  } else if (m.type == MessageType::kPreVote) {
    // A candidate with a shorter log and an older term must learn of the term, or two kinds of
    // candidates wait for each other for ever.
    if (Mutated(Mutant::kLowerTermPreVoteIgnored)) return false;
    LogVote("rejected", "from", m, "");
    Send(MessageType::kPreVoteResp, m.from).reject = true;
  } else if (m.type == MessageType::kStorageAppendResp) {
    if (Mutated(Mutant::kStaleStorageAckAccepted)) return true;
    if (m.index != Index()) {
      trace_.Info(id_, " [term: ", term_, "] ignored entry appends from a ", Name(m.type),
                  " message with lower term [term: ", m.term, "]");
    }
    // A snapshot is committed state, whatever the term in which it was written.
    if (m.snapshot != nullptr) {
      log_.unstable().StableSnapshotTo(m.snapshot->id.index);
      Applied(m.snapshot->id.index, 0, 0);
    }
  } else {
    trace_.Info(id_, " [term: ", term_, "] ignored a ", Name(m.type),
                " message with lower term from ", m.from, " [term: ", m.term, "]");
  }
  return false;
}

// Entries reported durable under the current term: no write under way can replace them, since
// whoever could have replaced them would have raised the term. That is why the report carries the
// term of its sending, and why it names the end of the log even when its own append had no entries:
// the report for those entries may have been dropped with an older term.
void Raft::StorageAppended(const Message& m) {
  if (m.index != Index()) log_.unstable().StableTo({m.log_term, m.index}, trace_);
  if (m.snapshot != nullptr) {
    log_.unstable().StableSnapshotTo(m.snapshot->id.index);
    Applied(m.snapshot->id.index, 0, 0);
  }
}

void Raft::Applied(Index last, uint64_t encoded_bytes, uint64_t payload_bytes) {
  const Index applied = std::max(last, log_.applied());
  log_.AppliedTo(applied, encoded_bytes);
  if (role_ != Role::kLeader) return;
  Leader& leader = leading();
  if (tracker_.config.auto_leave && applied >= leader.pending_conf_index &&
      !Mutated(Mutant::kNoAutoLeave)) {
    // No bytes at all stand for the empty change, so that no limit can refuse it. A transfer of
    // leadership can; then the next application tries again, here or at the next leader.
    Entry leave;
    leave.type = EntryType::kConfChangeV2;
    const StepResult result = LeaderPropose({&leave, 1});
    if (result == StepResult::kOk) {
      trace_.Info("initiating automatic transition out of joint configuration ",
                  Describe(tracker_.config));
    } else {
      trace_.Debug("not initiating automatic transition out of joint configuration ",
                   Describe(tracker_.config), ": ", Name(result));
    }
  }
  // Saturates: the counter starts at zero with each leader, so it may be short of inherited bytes.
  if (role_ != Role::kLeader) return;
  leader.uncommitted_bytes -= std::min(leader.uncommitted_bytes, payload_bytes);
}

void Raft::StepVote(const Message& m) {
  const bool pre = m.type == MessageType::kPreVote;
  // The same vote again, a vote not cast and no leader in sight, or a question about a term to come.
  const bool can = vote_ == m.from || (vote_ == kNoNode && leader_ == kNoNode) ||
                   (pre && m.term > term_) || Mutated(Mutant::kSecondVoteInTerm);
  const bool learner_refuses = is_learner_ && Mutated(Mutant::kLearnerRefusesVote);
  // A learner votes when asked: whoever asks may know of its promotion before it does.
  if (can && log_.IsUpToDate({m.log_term, m.index}) && !learner_refuses) {
    LogVote("cast", "for", m, "");
    // The answer names the term asked about: the asker of a pre-vote is not in it yet.
    Send(pre ? MessageType::kPreVoteResp : MessageType::kVoteResp, m.from).term = m.term;
    if (!pre || Mutated(Mutant::kPreVoteRecorded)) {
      election_elapsed_ = 0;
      vote_ = m.from;
    }
  } else {
    LogVote("rejected", "from", m, "");
    Send(pre ? MessageType::kPreVoteResp : MessageType::kVoteResp, m.from).reject = true;
  }
}

StepResult Raft::StepCandidate(const Message& m) {
  const MessageType mine =
      role_ == Role::kPreCandidate ? MessageType::kPreVoteResp : MessageType::kVoteResp;
  switch (m.type) {
    case MessageType::kProp:
      trace_.Info(id_, " no leader at term ", term_, "; dropping proposal");
      return StepResult::kProposalDropped;
    case MessageType::kApp:
      BecomeFollower(term_, m.from);
      return HandleAppend(m);
    case MessageType::kHeartbeat:
      BecomeFollower(term_, m.from);
      return HandleHeartbeat(m);
    case MessageType::kSnap:
      BecomeFollower(term_, m.from);
      HandleSnapshot(m);
      return StepResult::kOk;
    case MessageType::kTimeoutNow:
      trace_.Debug(id_, " [term ", term_, " state ", Name(role_), "] ignored MsgTimeoutNow from ",
                   m.from);
      return StepResult::kOk;
    default:
      if (m.type == mine) CountVote(m);
      return StepResult::kOk;
  }
}

StepResult Raft::StepFollower(const Message& m) {
  switch (m.type) {
    case MessageType::kProp:
      return ForwardProposal(m.from, m.entries);
    case MessageType::kApp:
      election_elapsed_ = 0;
      leader_ = m.from;
      return HandleAppend(m);
    case MessageType::kHeartbeat:
      election_elapsed_ = 0;
      leader_ = m.from;
      return HandleHeartbeat(m);
    case MessageType::kSnap:
      election_elapsed_ = 0;
      leader_ = m.from;
      HandleSnapshot(m);
      return StepResult::kOk;
    case MessageType::kTransferLeader: {
      if (leader_ == kNoNode) {
        trace_.Info(id_, " no leader at term ", term_, "; dropping leader transfer msg");
        return StepResult::kOk;
      }
      Send(MessageType::kTransferLeader, leader_).from = m.from;
      return StepResult::kOk;
    }
    case MessageType::kTimeoutNow:
      trace_.Info(id_, " [term ", term_, "] received MsgTimeoutNow from ", m.from,
                  " and starts an election to get leadership.");
      // No pre-vote: the leader itself asks, so nobody comes back from a partition here.
      StartElection(CampaignKind::kTransfer);
      return StepResult::kOk;
    case MessageType::kReadIndex: {
      if (leader_ == kNoNode) {
        trace_.Info(id_, " no leader at term ", term_, "; dropping index reading msg");
        return StepResult::kOk;
      }
      Message& forward = Send(MessageType::kReadIndex, leader_);
      forward.from = m.from == kNoNode ? id_ : m.from;
      forward.context = m.context;
      return StepResult::kOk;
    }
    case MessageType::kReadIndexResp:
      read_states_.push_back({m.index, m.context});
      return StepResult::kOk;
    default:
      return StepResult::kOk;
  }
}

StepResult Raft::ForwardProposal(NodeId from, std::span<const Entry> entries) {
  if (leader_ == kNoNode) {
    trace_.Info(id_, " no leader at term ", term_, "; dropping proposal");
    return StepResult::kProposalDropped;
  }
  if (config_.disable_proposal_forwarding) {
    trace_.Info(id_, " not forwarding to leader ", leader_, " at term ", term_,
                "; dropping proposal");
    return StepResult::kProposalDropped;
  }
  Message& m = Send(MessageType::kProp, leader_);
  m.from = from;
  m.entries.assign(entries.begin(), entries.end());
  return StepResult::kOk;
}

// Calls from this node's own driver. ------------------------------------------------------------

StepResult Raft::Propose(std::span<const Entry> entries) {
  if (entries.empty()) return StepResult::kRefused;
  switch (role_) {
    case Role::kLeader:
      return LeaderPropose(entries);
    case Role::kFollower:
      return ForwardProposal(id_, entries);
    case Role::kCandidate:
    case Role::kPreCandidate:
      break;
  }
  trace_.Info(id_, " no leader at term ", term_, "; dropping proposal");
  return StepResult::kProposalDropped;
}

void Raft::ReadIndex(uint64_t token) {
  if (role_ == Role::kLeader) {
    LeaderRead({id_, token, Index()});
  } else if (role_ != Role::kFollower || leader_ == kNoNode) {
    trace_.Info(id_, " no leader at term ", term_, "; dropping index reading msg");
  } else {
    Send(MessageType::kReadIndex, leader_).context = token;
  }
}

void Raft::TransferLeader(NodeId to) {
  if (role_ == Role::kLeader) {
    Progress* const progress = tracker_.Find(to);
    if (progress == nullptr) {
      trace_.Debug(id_, " no progress available for ", to);
    } else {
      HandleTransfer(to, progress);
    }
  } else if (role_ == Role::kFollower) {
    if (leader_ == kNoNode) {
      trace_.Info(id_, " no leader at term ", term_, "; dropping leader transfer msg");
    } else {
      Send(MessageType::kTransferLeader, leader_).from = to;
    }
  }
}

void Raft::ForgetLeader() {
  if (role_ != Role::kFollower) return;
  // A follower that forgets could vote, and a lease counts on it not to.
  if (config_.read_only == ReadOnlyOption::kLeaseBased &&
      !Mutated(Mutant::kForgetLeaderUnderLease)) {
    trace_.Error("ignoring MsgForgetLeader due to ReadOnlyLeaseBased");
    return;
  }
  if (leader_ == kNoNode) return;
  trace_.Info(id_, " forgetting leader ", leader_, " at term ", term_);
  leader_ = kNoNode;
}

Result<ConfState> Raft::ApplyConfChange(const ConfChange& change, Index index) {
  ConfigurationResult result = Changer(tracker_, log_.LastIndex(), index).Apply(change);
  if (!result.ok()) return Status::InvalidArgument("raft: configuration change: " + result.error);
  return SwitchTo(std::move(result));
}

ConfState Raft::SwitchTo(ConfigurationResult result) {
  tracker_.config = std::move(result.config);
  tracker_.progress = std::move(result.progress);
  trace_.Info(id_, " switched to configuration ", Describe(tracker_.config));
  ConfState conf_state = tracker_.config.ToConfState();
  const Progress* const own = tracker_.Find(id_);
  is_learner_ = own != nullptr && own->is_learner;
  if (role_ != Role::kLeader) return conf_state;
  if (own == nullptr || is_learner_) {
    if (config_.step_down_on_removal && !Mutated(Mutant::kRemovedLeaderStays)) {
      BecomeFollower(term_, kNoNode);
    }
    return conf_state;
  }
  if (MaybeCommit()) {
    // A smaller quorum may have committed what a larger one had not.
    BroadcastAppend();
  } else {
    for (Progress& progress : tracker_.progress) {
      if (progress.id != id_) MaybeSendAppend(&progress, false);
    }
  }
  Leader& leader = leading();
  if (leader.transferee != kNoNode && !tracker_.config.voters.Contains(leader.transferee)) {
    leader.transferee = kNoNode;
  }
  return conf_state;
}

NodeId Raft::transferee() const {
  const Leader* const leader = std::get_if<Leader>(&state_);
  return leader == nullptr ? kNoNode : leader->transferee;
}

Index Raft::pending_conf_index() const {
  const Leader* const leader = std::get_if<Leader>(&state_);
  return leader == nullptr ? Index() : leader->pending_conf_index;
}

uint64_t Raft::uncommitted_bytes() const {
  const Leader* const leader = std::get_if<Leader>(&state_);
  return leader == nullptr ? 0 : leader->uncommitted_bytes;
}

}  // namespace nokv::raft
