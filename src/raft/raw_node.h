#pragma once

// RawNode: one replica as its driver sees it. Calls go in; what must be done comes out as a Ready.
//
// Threading: confined to the owner of the group. A Ready, and the tasks moved out of it, may be
// read by other threads while the owner goes on.
//
// What a driver owes (README.md says it at length):
// (1) A message leaves when its list says so: send_now at once, the responses of an AppendTask when
//     that task is durable, never before. A request for votes is among the latter: were it to leave
//     earlier, a crash could let one node win one term twice.
// (2) AppendTasks are written in order, each as a whole: hard state, then entries or snapshot.
//     Entries replace whatever storage holds at or after the first of them.
// (3) ApplyTasks are applied in order. A change of configuration goes through ApplyConfChange.
// (4) A snapshot is installed with no apply under way. RawNode hands none out before.
// (5) After a restart `applied` says what the state machine holds, and storage what is durable.
// (6) A write that failed is never reported; the process ends or the replica stops for good.
//
// Order within a synchronous driver, per Ready: write, send, apply, Advance.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nokv/result.h"
#include "raft/core.h"

namespace nokv::raft {

// What is to be written, and what follows from its being durable.
struct AppendTask {
  // Counts up from 1; 0 says that there is nothing to do.
  uint64_t token = 0;
  std::optional<HardState> hard_state;
  std::vector<Entry> entries;
  SnapshotRef snapshot;
  // To others: may leave once this is durable. To this node: stepped by OnAppended or Advance.
  MessageList responses;
  // False when losing the write in a crash would do no harm: only the commit index moved.
  bool must_sync = false;

  bool empty() const { return token == 0; }
  void Clear();
  void Swap(AppendTask& other) noexcept;
};

// Committed entries to apply, in order. The last one identifies the task.
struct ApplyTask {
  std::vector<Entry> entries;
  bool empty() const { return entries.empty(); }
};

// Filled by TakeReady. The driver owns it and brings it back: in steady state nothing is allocated.
struct Ready {
  std::optional<SoftState> soft_state;  // when it changed
  std::vector<ReadState> read_states;
  MessageList send_now;
  AppendTask append;
  ApplyTask apply;

  bool empty() const;
  void Clear();
};

struct BasicStatus {
  NodeId id;
  HardState hard_state;
  SoftState soft_state;
  Index applied;
  NodeId transferee;
};

class Invariants;

class RawNode {
 public:
  // InvalidArgument for a configuration that cannot work, Corruption for a stored state that
  // contradicts itself.
  static Result<std::unique_ptr<RawNode>> Create(const Config& config);
  ~RawNode();

  // Starts a group from nothing: this node's log begins with the changes that add `peers`. Better
  // is a Storage that starts at index 1 or later with the members in its configuration.
  Status Bootstrap(std::span<const NodeId> peers);

  void Tick() {
    raft_.Tick();
    if (invariants_ != nullptr) CheckInvariants();
  }
  // A message from another node.
  StepResult Step(const Message& message);
  // Asks for an election now. In lease mode it waits for the lease this node has granted.
  void Campaign();
  StepResult Propose(Payload data);
  // Several at once: one append message and one write instead of many.
  StepResult ProposeBatch(std::span<const Payload> batch);
  StepResult ProposeConfChange(const ConfChange& change);
  // The answer comes as a ReadState with the same token, or never: ask again after a while.
  void ReadIndex(uint64_t token);
  void TransferLeader(NodeId to);
  void ForgetLeader();
  // What was sent to `id` last did not arrive.
  void ReportUnreachable(NodeId id);
  void ReportSnapshot(NodeId id, bool arrived);

  bool HasReady() const;
  // Takes all outstanding work. REQUIRES, in synchronous mode: Advance after the one before.
  void TakeReady(Ready* ready);
  // Synchronous mode: all of `ready` is written, sent and applied.
  void Advance(const Ready& ready);
  // Asynchronous mode: `task` is durable. REQUIRES: in the order of the tokens. Call it before any
  // of the task's responses leaves this node.
  void OnAppended(const AppendTask& task);
  // Asynchronous mode: the task that ends with `last` is applied, or was overtaken by a snapshot.
  // REQUIRES: in order.
  void OnApplied(Index last);

  // Applies the change that a committed entry carries and returns the configuration to store with
  // the state machine at that entry. An entry that a snapshot has overtaken changes nothing. An
  // error means that the change cannot be: every replica comes to the same conclusion, and goes on.
  Result<ConfState> ApplyConfChange(const Entry& entry);

  // One response of an AppendTask to this node itself, for drivers that deliver them one by one;
  // OnAppended does all. Its order among the others is theirs to keep.
  StepResult StepOwnResponse(const Message& message);

  BasicStatus GetStatus() const;
  NodeId id() const { return raft_.id(); }
  Role role() const { return raft_.role(); }
  NodeId leader() const { return raft_.leader(); }
  const Raft& raft() const { return raft_; }
  const ProgressTracker& tracker() const { return raft_.tracker(); }
  // Until the next change of role or term.
  void set_election_timeout(uint32_t ticks) { raft_.set_election_timeout(ticks); }

 private:
  struct Batch {
    Index last;
    uint64_t encoded_bytes = 0;
    uint64_t payload_bytes = 0;
  };

  explicit RawNode(const Config& config);
  void CheckInvariants() const;
  void AfterCall() {
    if (invariants_ != nullptr) CheckInvariants();
  }
  StepResult AfterCall(StepResult result) {
    AfterCall();
    return result;
  }
  bool HoldBackSnapshot() const;
  void FillAppend(AppendTask* task);
  void FillApply(ApplyTask* task);
  void AppliedFront();

  Raft raft_;
  SoftState soft_state_;  // as of the last Ready
  HardState hard_state_;
  const bool async_;
  bool advance_due_ = false;
  uint64_t tokens_taken_ = 0;
  uint64_t tokens_done_ = 0;
  // Handed out to be applied and not reported back; the first batches_done_ are done.
  std::vector<Batch> batches_;
  size_t batches_done_ = 0;
  std::vector<Entry> proposal_;
  std::unique_ptr<Invariants> invariants_;
};

}  // namespace nokv::raft
