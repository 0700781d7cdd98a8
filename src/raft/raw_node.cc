#include "raft/raw_node.h"

#include <utility>

#include "base/check.h"
#include "raft/describe.h"
#include "raft/invariants.h"
#include "raft/mutants.h"

namespace nokv::raft {

void AppendTask::Clear() {
  token = 0;
  hard_state.reset();
  entries.clear();
  snapshot.reset();
  responses.Clear();
  must_sync = false;
}

void AppendTask::Swap(AppendTask& other) noexcept {
  std::swap(token, other.token);
  std::swap(hard_state, other.hard_state);
  entries.swap(other.entries);
  snapshot.swap(other.snapshot);
  responses.Swap(other.responses);
  std::swap(must_sync, other.must_sync);
}

bool Ready::empty() const {
  return !soft_state && read_states.empty() && send_now.empty() && append.empty() && apply.empty();
}

void Ready::Clear() {
  soft_state.reset();
  read_states.clear();
  send_now.Clear();
  append.Clear();
  apply.entries.clear();
}

RawNode::RawNode(const Config& config) : raft_(config), async_(config.async_storage_writes) {
  if (config.check_invariants || NOKV_DCHECK_IS_ON) invariants_ = std::make_unique<Invariants>();
}

RawNode::~RawNode() = default;

Result<std::unique_ptr<RawNode>> RawNode::Create(const Config& config) {
  NOKV_TRY(config.Validate());
  std::unique_ptr<RawNode> node(new RawNode(config));
  NOKV_TRY(node->raft_.Load());
  node->soft_state_ = node->raft_.soft_state();
  node->hard_state_ = node->raft_.hard_state();
  node->AfterCall();
  return node;
}

Status RawNode::Bootstrap(std::span<const NodeId> peers) {
  NOKV_TRY(raft_.Bootstrap(peers));
  // Nothing of this is written yet: the first Ready brings all of it.
  hard_state_ = HardState();
  AfterCall();
  return Status::Ok();
}

void RawNode::CheckInvariants() const {
  const std::string broken = invariants_->Check(raft_);
  if (broken.empty()) return;
  raft_.trace().Error(raft_.id(), " broke an invariant: ", broken);
  base::CheckFailed("raft/invariants.cc", 0, broken.c_str());
}

StepResult RawNode::Step(const Message& message) {
  if (IsLocalMessage(message.type) || message.type == MessageType::kForgetLeader ||
      IsStorageQueue(message.from)) {
    return StepResult::kLocalMessage;
  }
  if (IsResponseMessage(message.type) && raft_.tracker().Find(message.from) == nullptr) {
    return StepResult::kPeerNotFound;
  }
  // What this node says to itself goes by way of its storage. Only what is handed on from node to
  // node can come home.
  const bool handed_on = message.type == MessageType::kProp ||
                         message.type == MessageType::kReadIndex ||
                         message.type == MessageType::kTransferLeader;
  if (!handed_on && (message.from == raft_.id() || message.from == kNoNode)) {
    return StepResult::kRefused;
  }
  return AfterCall(raft_.Step(message));
}

StepResult RawNode::StepOwnResponse(const Message& message) {
  NOKV_CHECK(message.to == raft_.id());
  NOKV_CHECK(message.from == raft_.id() || message.from == kAppendThread);
  if (message.from == raft_.id() && raft_.tracker().Find(message.from) == nullptr) {
    return StepResult::kPeerNotFound;
  }
  return AfterCall(raft_.Step(message));
}

void RawNode::Campaign() {
  raft_.Campaign();
  AfterCall();
}

StepResult RawNode::Propose(Payload data) {
  Entry entry;
  entry.data = std::move(data);
  return AfterCall(raft_.Propose({&entry, 1}));
}

StepResult RawNode::ProposeBatch(std::span<const Payload> batch) {
  proposal_.resize(batch.size());
  for (size_t i = 0; i < batch.size(); ++i) proposal_[i].data = batch[i];
  const StepResult result = raft_.Propose(proposal_);
  proposal_.clear();
  return AfterCall(result);
}

StepResult RawNode::ProposeConfChange(const ConfChange& change) {
  const Entry entry = EncodeConfChange(change);
  return AfterCall(raft_.Propose({&entry, 1}));
}

void RawNode::ReadIndex(uint64_t token) {
  raft_.ReadIndex(token);
  AfterCall();
}

void RawNode::TransferLeader(NodeId to) {
  raft_.TransferLeader(to);
  AfterCall();
}

void RawNode::ForgetLeader() {
  raft_.ForgetLeader();
  AfterCall();
}

void RawNode::ReportUnreachable(NodeId id) {
  raft_.ReportUnreachable(id);
  AfterCall();
}

void RawNode::ReportSnapshot(NodeId id, bool arrived) {
  raft_.ReportSnapshot(id, arrived);
  AfterCall();
}

// A snapshot must not overtake an apply: the state machine would be written backwards, and a change
// of configuration that comes out of the old apply would be made on the new configuration. All that
// would be written is held back with it, since the answers attest all of it.
bool RawNode::HoldBackSnapshot() const {
  return async_ && raft_.log().unstable().HasNextSnapshot() && batches_done_ < batches_.size() &&
         !raft_.config().reference_behaviour;
}

bool RawNode::HasReady() const {
  if (raft_.soft_state() != soft_state_) return true;
  const bool held = HoldBackSnapshot();
  const HardState hard_state = raft_.hard_state();
  if (!held && hard_state != HardState() && hard_state != hard_state_) return true;
  const RaftLog& log = raft_.log();
  if (!held && log.unstable().HasNextSnapshot()) return true;
  if (!raft_.messages().empty() || !raft_.read_states().empty()) return true;
  if (!held && (!raft_.after_append().empty() || !log.unstable().NextEntries().empty())) {
    return true;
  }
  return log.HasNextCommitted(!async_);
}

void RawNode::TakeReady(Ready* ready) {
  NOKV_CHECK(!advance_due_);
  ready->Clear();
  if (const SoftState soft_state = raft_.soft_state(); soft_state != soft_state_) {
    ready->soft_state = soft_state;
    soft_state_ = soft_state;
  }
  ready->read_states.swap(raft_.read_states());
  ready->send_now.Swap(raft_.messages());
  const bool held = HoldBackSnapshot();
  const bool gate =
      !raft_.config().reference_behaviour && !Mutated(Mutant::kVoteLeavesEarly);
  if (gate) {
    // Votes wait with the answers: the hard state that carries their term is in this task or in an
    // earlier one.
    bool votes = false;
    for (const Message& m : ready->send_now) votes = votes || m.type == MessageType::kVote;
    if (votes) {
      MessageList& now = raft_.messages();
      for (Message& m : ready->send_now) {
        Message& copy =
            (m.type == MessageType::kVote ? raft_.after_append() : now).Add();
        std::swap(copy, m);
      }
      ready->send_now.Clear();
      ready->send_now.Swap(now);
    }
  }
  FillApply(&ready->apply);
  if (!held) FillAppend(&ready->append);
  if (!ready->apply.empty()) {
    const std::span<const Entry> entries = ready->apply.entries;
    const Batch batch{entries.back().index, EncodedSize(entries), PayloadSize(entries)};
    raft_.log().AcceptApplying(batch.last, batch.encoded_bytes, !async_);
    batches_.push_back(batch);
  }
  advance_due_ = !async_;
}

void RawNode::FillApply(ApplyTask* task) {
  raft_.log().NextCommitted(!async_, &task->entries);
}

void RawNode::FillAppend(AppendTask* task) {
  RaftLog& log = raft_.log();
  const HardState hard_state = raft_.hard_state();
  const std::span<const Entry> entries = log.unstable().NextEntries();
  task->must_sync = !entries.empty() || hard_state.vote != hard_state_.vote ||
                    hard_state.term != hard_state_.term;
  if (hard_state != hard_state_) {
    task->hard_state = hard_state;
    hard_state_ = hard_state;
  }
  task->entries.assign(entries.begin(), entries.end());
  if (log.unstable().HasNextSnapshot()) task->snapshot = log.unstable().snapshot();
  task->responses.Swap(raft_.after_append());
  const bool any = task->hard_state.has_value() || !task->entries.empty() ||
                   task->snapshot != nullptr || !task->responses.empty();
  if (any) task->token = ++tokens_taken_;
  const bool unstable = Mutated(Mutant::kStorageAckOnlyWithEntries) ? !task->entries.empty()
                                                                    : log.unstable().size() > 0;
  if (any && (unstable || task->snapshot != nullptr)) {
    // Last of the responses, so that the leader's own answer finds its entries still in memory.
    Message& m = task->responses.Add();
    m.type = MessageType::kStorageAppendResp;
    m.from = kAppendThread;
    m.to = raft_.id();
    m.term = raft_.term();
    if (unstable) {
      const EntryId last = log.LastId();
      m.index = last.index;
      m.log_term = last.term;
    }
    m.snapshot = task->snapshot;
  }
  log.unstable().AcceptInProgress();
}

void RawNode::Advance(const Ready& ready) {
  NOKV_CHECK(!async_ && advance_due_);
  advance_due_ = false;
  if (!ready.append.empty()) {
    NOKV_CHECK(ready.append.token == tokens_done_ + 1);
    tokens_done_ = ready.append.token;
  }
  // Own answers are neither delayed nor judged in this mode; what they say is refused or obeyed.
  for (const Message& m : ready.append.responses) {
    if (m.to == raft_.id()) static_cast<void>(raft_.Step(m));
  }
  if (!ready.apply.empty()) {
    NOKV_CHECK(batches_done_ < batches_.size() &&
               batches_[batches_done_].last == ready.apply.entries.back().index);
    AppliedFront();
  }
  AfterCall();
}

void RawNode::OnAppended(const AppendTask& task) {
  NOKV_CHECK(async_);
  NOKV_CHECK(task.token == tokens_done_ + 1);
  tokens_done_ = task.token;
  for (const Message& m : task.responses) {
    // A node that was removed meanwhile has no use for its own answers.
    if (m.to == raft_.id()) static_cast<void>(StepOwnResponse(m));
  }
}

void RawNode::OnApplied(Index last) {
  NOKV_CHECK(async_);
  NOKV_CHECK(batches_done_ < batches_.size() && batches_[batches_done_].last == last);
  AppliedFront();
  AfterCall();
}

void RawNode::AppliedFront() {
  const Batch batch = batches_[batches_done_++];
  if (batches_done_ == batches_.size()) {
    batches_.clear();
    batches_done_ = 0;
  } else if (batches_done_ > batches_.size() / 2) {
    batches_.erase(batches_.begin(), batches_.begin() + static_cast<std::ptrdiff_t>(batches_done_));
    batches_done_ = 0;
  }
  raft_.Applied(batch.last, batch.encoded_bytes, batch.payload_bytes);
}

Result<ConfState> RawNode::ApplyConfChange(const Entry& entry) {
  const bool overtaken =
      entry.index < raft_.log().FirstIndex() && !raft_.config().reference_behaviour;
  if (overtaken && !Mutated(Mutant::kConfChangeBelowSnapshot)) {
    return raft_.tracker().config.ToConfState();
  }
  NOKV_CHECK(entry.type != EntryType::kNormal);
  // Only what was handed out to be applied and is not yet reported applied.
  NOKV_CHECK(raft_.config().reference_behaviour || Mutated(Mutant::kConfChangeBelowSnapshot) ||
             (entry.index > raft_.log().applied() && entry.index <= raft_.log().applying()));
  const std::optional<ConfChange> change = DecodeConfChange(entry);
  if (!change) {
    return Status::Corruption(Join("raft: entry ", entry.index, " is not a configuration change"));
  }
  Result<ConfState> result = raft_.ApplyConfChange(*change, entry.index);
  AfterCall();
  return result;
}

BasicStatus RawNode::GetStatus() const {
  return {raft_.id(), raft_.hard_state(), raft_.soft_state(), raft_.log().applied(),
          raft_.transferee()};
}

}  // namespace nokv::raft
