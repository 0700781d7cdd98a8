#include "raft/testing_group.h"

#include "base/check.h"

namespace nokv::raft {

namespace {

std::vector<NodeId> Ids(const std::vector<uint64_t>& numbers) {
  std::vector<NodeId> ids;
  for (const uint64_t number : numbers) ids.emplace_back(number);
  return ids;
}

class AnySnapshotStorage final : public MemoryStorage {
 public:
  SnapshotRef GetSnapshot(NodeId, Index) override { return snapshot(); }
};

}  // namespace

Message MakeMessage(MessageType type, uint64_t from, uint64_t to, uint64_t term) {
  Message m;
  m.type = type;
  m.from = NodeId(from);
  m.to = NodeId(to);
  m.term = Term(term);
  return m;
}

std::vector<Entry> MakeEntries(uint64_t first, std::initializer_list<uint64_t> terms) {
  std::vector<Entry> entries;
  for (const uint64_t term : terms) {
    Entry entry;
    entry.index = Index(first + entries.size());
    entry.term = Term(term);
    entries.push_back(entry);
  }
  return entries;
}

TestNode::TestNode(uint64_t id, const Start& start, const Tweak& tweak)
    : disk_(start.any_snapshot ? std::make_unique<AnySnapshotStorage>()
                               : std::make_unique<MemoryStorage>()) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->conf_state.voters = Ids(start.voters);
  snapshot->conf_state.learners = Ids(start.learners);
  conf_state = snapshot->conf_state;
  NOKV_CHECK(disk_->ApplySnapshot(snapshot).ok());
  std::vector<Entry> entries;
  for (const uint64_t term : start.terms) {
    Entry entry;
    entry.index = Index(entries.size() + 1);
    entry.term = Term(term);
    entries.push_back(entry);
  }
  disk_->Append(entries);
  disk_->SetHardState(start.hard_state);
  config_.id = NodeId(id);
  config_.check_quorum = false;
  config_.pre_vote = false;
  config_.check_invariants = true;
  config_.size_per_message_max = kNoLimit;
  if (tweak) tweak(config_);
  config_.storage = disk_.get();
  Create(Index());
}

void TestNode::Create(Index applied) {
  config_.applied = applied;
  Result<std::unique_ptr<RawNode>> node = RawNode::Create(config_);
  NOKV_CHECK(node.ok());
  node_ = std::move(*node);
}

void TestNode::Restart(Index applied) {
  node_.reset();
  Create(applied);
}

std::vector<Message> TestNode::Take() {
  std::vector<Message> sent;
  Ready ready;
  while (node_->HasReady()) {
    node_->TakeReady(&ready);
    if (ready.append.hard_state) disk_->SetHardState(*ready.append.hard_state);
    if (ready.append.snapshot != nullptr) {
      NOKV_CHECK(disk_->ApplySnapshot(ready.append.snapshot).ok());
      conf_state = ready.append.snapshot->conf_state;
    }
    disk_->Append(ready.append.entries);
    for (const Message& m : ready.send_now) sent.push_back(m);
    for (const Message& m : ready.append.responses) {
      if (m.to != config_.id) sent.push_back(m);
    }
    for (const Entry& entry : ready.apply.entries) {
      if (entry.type != EntryType::kNormal) {
        Result<ConfState> state = node_->ApplyConfChange(entry);
        if (state.ok()) conf_state = *state;
      } else if (!entry.data.empty()) {
        applied_.emplace_back(entry.data.bytes());
      }
    }
    reads_.insert(reads_.end(), ready.read_states.begin(), ready.read_states.end());
    if (!config_.async_storage_writes) {
      node_->Advance(ready);
      continue;
    }
    if (!ready.append.empty()) node_->OnAppended(ready.append);
    if (!ready.apply.empty()) node_->OnApplied(ready.apply.entries.back().index);
  }
  return sent;
}

std::vector<Message> TestNode::Take(MessageType type) {
  std::vector<Message> some;
  for (Message& m : Take()) {
    if (m.type == type) some.push_back(std::move(m));
  }
  return some;
}

void TestNode::Lead() {
  node_->Campaign();
  Take();
  for (const MessageType type : {MessageType::kPreVoteResp, MessageType::kVoteResp}) {
    for (const NodeId id : raft().tracker().config.voters.Union()) {
      if (id == config_.id || raft().role() == Role::kLeader) continue;
      const uint64_t term = raft().term().value() + (type == MessageType::kPreVoteResp ? 1 : 0);
      const bool asked = type == MessageType::kPreVoteResp ? raft().role() == Role::kPreCandidate
                                                           : raft().role() == Role::kCandidate;
      if (asked) {
        static_cast<void>(node_->Step(MakeMessage(type, id.value(), config_.id.value(), term)));
      }
      Take();
    }
  }
  NOKV_CHECK(raft().role() == Role::kLeader);
  Take();
}

void TestNode::Tick(uint32_t times) {
  for (uint32_t i = 0; i < times; ++i) node_->Tick();
}

StepResult TestNode::Step(MessageType type, uint64_t from, uint64_t term) {
  return node_->Step(MakeMessage(type, from, config_.id.value(), term));
}

const std::vector<uint64_t> TestNode::terms() const {
  std::vector<Entry> entries;
  raft().log().ReadFrom(raft().log().FirstIndex(), kNoLimit, &entries);
  std::vector<uint64_t> terms;
  for (const Entry& entry : entries) terms.push_back(entry.term.value());
  return terms;
}

TestGroup::TestGroup(size_t count, const Tweak& tweak) {
  TestNode::Start start;
  start.voters.clear();
  for (size_t id = 1; id <= count; ++id) start.voters.push_back(id);
  for (size_t id = 1; id <= count; ++id) {
    nodes_.push_back(std::make_unique<TestNode>(id, start, tweak));
  }
}

void TestGroup::Settle() {
  for (bool quiet = false; !quiet;) {
    quiet = true;
    std::vector<Message> sent;
    for (auto& node : nodes_) {
      for (Message& m : node->Take()) sent.push_back(std::move(m));
    }
    for (const Message& m : sent) {
      quiet = false;
      if (m.to.value() > nodes_.size() || m.to == kNoNode || ignored_.count(m.type) != 0 ||
          cut_.count({m.from.value(), m.to.value()}) != 0) {
        continue;
      }
      static_cast<void>(nodes_[m.to.value() - 1]->Step(m));
    }
  }
}

void TestGroup::Elect(uint64_t id) {
  (*this)[id]->Campaign();
  Settle();
}

void TestGroup::Propose(uint64_t id, std::string_view text) {
  static_cast<void>((*this)[id]->Propose(Payload(text)));
  Settle();
}

void TestGroup::Isolate(uint64_t id) {
  for (uint64_t other = 1; other <= nodes_.size(); ++other) {
    Cut(id, other);
    Cut(other, id);
  }
}

uint64_t TestGroup::leader() const {
  for (const auto& node : nodes_) {
    if (node->raft().role() == Role::kLeader) return node->raft().id().value();
  }
  return 0;
}

}  // namespace nokv::raft
