// Bytes become calls and messages for one node, in either storage mode. Whatever they say, the node
// refuses or obeys, keeps its invariants, and lives. Only a driver's own mistakes may end the
// process, and this driver makes none.

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "base/check.h"
#include "raft/describe.h"
#include "raft/raw_node.h"
#include "raft/testing_storage.h"

namespace {

using namespace nokv::raft;

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  bool empty() const { return left_ == 0; }
  uint8_t Byte() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  // Small most of the time, anything now and then.
  uint64_t Number() {
    const uint8_t first = Byte();
    if (first < 0xf0) return first % 32;
    uint64_t value = 0;
    for (int i = 0; i < first - 0xef; ++i) value = value << 8 | Byte();
    return value;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

class Driver {
 public:
  explicit Driver(uint8_t flags) {
    start_->id = {Term(1), Index(1)};
    start_->conf_state.voters = {NodeId(1), NodeId(2), NodeId(3)};
    NOKV_CHECK(disk_.ApplySnapshot(start_).ok());
    config_.id = NodeId(1);
    config_.storage = &disk_;
    config_.applied = Index(1);
    config_.election_tick = 4;
    config_.async_storage_writes = (flags & 1) != 0;
    config_.pre_vote = (flags & 2) != 0;
    config_.check_quorum = (flags & 4) != 0;
    if (config_.check_quorum && (flags & 8) != 0) config_.read_only = ReadOnlyOption::kLeaseBased;
    if ((flags & 16) != 0) config_.size_per_message_max = 40;
    if ((flags & 32) != 0) config_.inflight_count_max = 2;
    if ((flags & 64) != 0) config_.uncommitted_bytes_max = 50;
    config_.check_invariants = true;
    nokv::Result<std::unique_ptr<RawNode>> node = RawNode::Create(config_);
    NOKV_CHECK(node.ok());
    node_ = std::move(*node);
  }

  void Call(Input* in) {
    switch (in->Byte() % 16) {
      case 0:
        node_->Tick();
        break;
      case 1:
        node_->Campaign();
        break;
      case 2:
        static_cast<void>(node_->Propose(Payload(std::string(in->Byte() % 50, 'p'))));
        break;
      case 3:
        static_cast<void>(node_->ProposeConfChange(MakeChange(in)));
        break;
      case 4:
        node_->ReadIndex(in->Number());
        break;
      case 5:
        node_->TransferLeader(NodeId(in->Number()));
        break;
      case 6:
        node_->ForgetLeader();
        node_->ReportUnreachable(NodeId(in->Number()));
        node_->ReportSnapshot(NodeId(in->Number()), (in->Byte() & 1) != 0);
        break;
      case 7:
        Compact(in);
        break;
      case 8:
        FinishAppend();
        break;
      case 9:
        FinishApply();
        break;
      default:
        static_cast<void>(node_->Step(MakeMessage(in)));
        break;
    }
    if ((in->Byte() & 3) != 0) Handle();
  }

 private:
  ConfChange MakeChange(Input* in) {
    ConfChange change;
    change.transition = static_cast<ConfChangeTransition>(in->Byte() % 3);
    for (int n = in->Byte() % 4; n > 0; --n) {
      change.changes.push_back(
          {static_cast<ConfChangeType>(in->Byte() % 4), NodeId(in->Number() % 6)});
    }
    return change;
  }

  Message MakeMessage(Input* in) {
    Message m;
    m.type = static_cast<MessageType>(in->Byte() % kMessageTypeCount);
    const uint8_t flags = in->Byte();
    m.reject = (flags & 1) != 0;
    m.force = (flags & 2) != 0;
    m.from = NodeId(in->Number() % 8 == 7 ? in->Number() : 1 + in->Number() % 5);
    m.to = NodeId(1);
    m.term = (flags & 4) != 0 ? node_->raft().term() : Term(in->Number());
    m.index = (flags & 8) != 0 ? node_->raft().log().LastIndex() : Index(in->Number());
    m.log_term = (flags & 16) != 0 ? node_->raft().log().LastId().term : Term(in->Number());
    m.commit = Index(in->Number());
    m.reject_hint = Index(in->Number());
    m.context = in->Number();
    m.tick = in->Number();
    Term term = m.log_term;
    for (int n = in->Byte() % 5; n > 0; --n) {
      Entry entry;
      if ((in->Byte() & 7) == 0) {
        entry = EncodeConfChange(MakeChange(in));
      } else if ((flags & 32) != 0) {
        entry.type = static_cast<EntryType>(in->Byte() % 4);
        entry.data = Payload(std::string(1, static_cast<char>(in->Byte())));
      }
      if ((in->Byte() & 7) == 0) term = Term(in->Number());
      entry.term = term;
      entry.index = m.index + m.entries.size() + 1;
      if ((in->Byte() & 31) == 0) entry.index = Index(in->Number());
      m.entries.push_back(entry);
    }
    if (m.type == MessageType::kSnap && (flags & 64) == 0) {
      auto snapshot = std::make_shared<Snapshot>();
      snapshot->id = {Term(in->Number()), Index(in->Number())};
      for (auto* ids : {&snapshot->conf_state.voters, &snapshot->conf_state.voters_outgoing,
                        &snapshot->conf_state.learners, &snapshot->conf_state.learners_next}) {
        for (int n = in->Byte() % 4; n > 0; --n) ids->emplace_back(in->Number() % 6);
      }
      snapshot->conf_state.auto_leave = (flags & 128) != 0;
      m.snapshot = snapshot;
    }
    return m;
  }

  void Compact(Input* in) {
    const Index applied = std::min(node_->raft().log().applied(), disk_.LastIndex());
    const Index first = disk_.FirstIndex();
    if (applied < first) return;
    static_cast<void>(disk_.Compact(first + in->Number() % (applied - first + 1)).ok());
  }

  void Write(const AppendTask& task) {
    if (task.hard_state) disk_.SetHardState(*task.hard_state);
    if (task.snapshot != nullptr) NOKV_CHECK(disk_.ApplySnapshot(task.snapshot).ok());
    disk_.Append(task.entries);
  }
  void Apply(const ApplyTask& task) {
    for (const Entry& entry : task.entries) {
      // What cannot be applied is refused by every replica alike.
      if (entry.type != EntryType::kNormal) static_cast<void>(node_->ApplyConfChange(entry).ok());
    }
  }
  void Handle() {
    for (int i = 0; i < 100 && node_->HasReady(); ++i) {
      node_->TakeReady(&ready_);
      static_cast<void>(Describe(ready_, config_.id, config_.async_storage_writes));
      if (!config_.async_storage_writes) {
        Write(ready_.append);
        Apply(ready_.apply);
        node_->Advance(ready_);
        continue;
      }
      if (!ready_.append.empty()) appends_.push_back(ready_.append);
      if (!ready_.apply.empty()) applies_.push_back(ready_.apply);
    }
  }
  void FinishAppend() {
    if (appends_.empty()) return;
    Write(appends_.front());
    node_->OnAppended(appends_.front());
    appends_.pop_front();
  }
  void FinishApply() {
    if (applies_.empty()) return;
    Apply(applies_.front());
    node_->OnApplied(applies_.front().entries.back().index);
    applies_.pop_front();
  }

  std::shared_ptr<Snapshot> start_ = std::make_shared<Snapshot>();
  MemoryStorage disk_;
  Config config_;
  std::unique_ptr<RawNode> node_;
  Ready ready_;
  std::deque<AppendTask> appends_;
  std::deque<ApplyTask> applies_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in(data, size);
  Driver driver(in.Byte());
  while (!in.empty()) driver.Call(&in);
  return 0;
}
