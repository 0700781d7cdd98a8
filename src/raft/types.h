#pragma once

// The vocabulary of the consensus core: terms, log positions, node ids, entries, messages.
//
// Threading: plain values, externally synchronised, with one exception: a Payload may be shared and
// released by several threads at once (the log writer and the transport hold entries that the owner
// of the group still has in its log).
//
// Invariants:
// (1) Terms, log positions, node ids and byte counts are different types or named units; none
//     converts silently into another.
// (2) The bytes of a Payload never change after it is made; copying an Entry copies a reference.
// (3) The numbers of EntryType, ConfChangeType and ConfChangeTransition and the bytes made by
//     EncodeConfChange are part of the replicated log: they are permanent.
//
// Source: Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm", figure 2;
// Ongaro, "Consensus: Bridging Theory and Practice" (the thesis), chapters 3 and 4.

#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "nokv/slice.h"

namespace nokv::raft {

// A number that mixes only with its own kind.
template <typename Tag>
class Number {
 public:
  constexpr Number() = default;
  explicit constexpr Number(uint64_t value) : value_(value) {}
  constexpr uint64_t value() const { return value_; }
  friend constexpr auto operator<=>(Number, Number) = default;

 private:
  uint64_t value_ = 0;
};

using Term = Number<struct TermTag>;
using Index = Number<struct IndexTag>;
// Unique within a group for ever: a removed id never comes back for another replica.
using NodeId = Number<struct NodeIdTag>;

constexpr Index operator+(Index i, uint64_t n) { return Index(i.value() + n); }
constexpr Index operator-(Index i, uint64_t n) { return Index(i.value() - n); }
constexpr uint64_t operator-(Index a, Index b) { return a.value() - b.value(); }
constexpr Term operator+(Term t, uint64_t n) { return Term(t.value() + n); }

inline constexpr NodeId kNoNode{0};
// Not nodes: the two storage queues of a node, as they appear in transcripts.
inline constexpr NodeId kAppendThread{UINT64_MAX};
inline constexpr NodeId kApplyThread{UINT64_MAX - 1};
inline constexpr uint64_t kNoLimit = UINT64_MAX;
// A message beyond this is refused: nobody reaches it honestly, and a term must never wrap.
inline constexpr Term kTermMax{UINT64_MAX >> 1};
// Likewise for positions: sums of a position and a count stay far from wrapping.
inline constexpr Index kIndexMax{UINT64_MAX >> 1};

constexpr bool IsStorageQueue(NodeId id) { return id == kAppendThread || id == kApplyThread; }

// A position and the term of what stands there. Two logs that agree on it agree up to it
// (log matching, paper section 5.3).
struct EntryId {
  Term term;
  Index index;
  friend bool operator==(const EntryId&, const EntryId&) = default;
};

// An immutable, counted run of bytes: one allocation per proposal, shared by log, messages and apply.
// shared_ptr would cost a second word in every entry and a second block per proposal.
class Payload {
 public:
  Payload() = default;
  // Copies `bytes`; empty bytes allocate nothing. REQUIRES: fewer than 4 GiB.
  explicit Payload(Slice bytes);
  Payload(const Payload& other) noexcept : block_(other.block_) {
    // Relaxed: whoever copies already holds a reference, so the block cannot vanish meanwhile.
    if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
  }
  Payload(Payload&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  Payload& operator=(const Payload& other) noexcept {
    Payload copy(other);
    std::swap(block_, copy.block_);
    return *this;
  }
  Payload& operator=(Payload&& other) noexcept {
    if (this != &other) {
      Release();
      block_ = std::exchange(other.block_, nullptr);
    }
    return *this;
  }
  ~Payload() { Release(); }

  Slice bytes() const {
    return block_ == nullptr ? Slice() : Slice(block_->data(), block_->size);
  }
  size_t size() const { return block_ == nullptr ? 0 : block_->size; }
  bool empty() const { return size() == 0; }
  // True when both are the same block, not merely equal bytes.
  bool SharesBlockWith(const Payload& other) const { return block_ == other.block_; }
  friend bool operator==(const Payload& a, const Payload& b) { return a.bytes() == b.bytes(); }

 private:
  struct Block {
    std::atomic<uint32_t> references;
    uint32_t size;
    char* data() { return reinterpret_cast<char*>(this + 1); }
  };
  void Release() {
    if (block_ == nullptr) return;
    // Release and acquire pair with each other: the last owner sees what the others did before.
    if (block_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) Free(block_);
    block_ = nullptr;
  }
  static void Free(Block* block);
  Block* block_ = nullptr;
};

enum class EntryType : uint8_t { kNormal = 0, kConfChange = 1, kConfChangeV2 = 2 };

struct Entry {
  Term term;
  Index index;
  Payload data;
  EntryType type = EntryType::kNormal;
  // Stands where a configuration change was proposed and refused. Counts in EncodedSize only, where
  // the reference spells out the type of such an entry.
  bool replaces_change = false;

  EntryId id() const { return {term, index}; }
  friend bool operator==(const Entry&, const Entry&) = default;
};

// The size by which messages and apply batches are limited: that of the entry's protocol-buffer
// form in the reference implementation, so that limits cut where its do.
uint64_t EncodedSize(const Entry& entry);
uint64_t EncodedSize(std::span<const Entry> entries);
// The bytes proposed; zero for the empty entries that must never be refused.
uint64_t PayloadSize(std::span<const Entry> entries);
// How many entries from the front fit into `size_max` bytes: at least one, if there are any.
size_t CountWithin(std::span<const Entry> entries, uint64_t size_max);

// What must be durable before an answer that depends on it leaves (paper, figure 2, "State").
// `commit` may lag behind on disk; term and vote may not.
struct HardState {
  Term term;
  NodeId vote;
  Index commit;
  friend bool operator==(const HardState&, const HardState&) = default;
};

enum class Role : uint8_t { kFollower, kCandidate, kLeader, kPreCandidate };

struct SoftState {
  NodeId leader;
  Role role = Role::kFollower;
  friend bool operator==(const SoftState&, const SoftState&) = default;
};

// A configuration as it is stored with a snapshot.
struct ConfState {
  std::vector<NodeId> voters;
  std::vector<NodeId> voters_outgoing;
  std::vector<NodeId> learners;
  std::vector<NodeId> learners_next;
  bool auto_leave = false;

  // True when `id` has a part in it (learners_next are outgoing voters as well).
  bool Contains(NodeId id) const;
  // The same configuration, whatever the order of the ids.
  bool Equivalent(const ConfState& other) const;
  friend bool operator==(const ConfState&, const ConfState&) = default;
};

// The state up to and including `id.index`. The core never looks into `data`.
struct Snapshot {
  EntryId id;
  ConfState conf_state;
  Payload data;
};
// Shared because one snapshot stands in the log, in a Ready and in a message at the same time.
using SnapshotRef = std::shared_ptr<const Snapshot>;

enum class ConfChangeType : uint8_t {
  kAddNode = 0,
  kRemoveNode = 1,
  kUpdateNode = 2,
  kAddLearnerNode = 3
};
enum class ConfChangeTransition : uint8_t { kAuto = 0, kJointImplicit = 1, kJointExplicit = 2 };

struct ConfChangeSingle {
  ConfChangeType type = ConfChangeType::kAddNode;
  NodeId node;
  friend bool operator==(const ConfChangeSingle&, const ConfChangeSingle&) = default;
};

// A change of membership (thesis, section 4.3; single changes: section 4.1).
struct ConfChange {
  // Written in the older form, which holds exactly one change and no transition.
  bool v1 = false;
  ConfChangeTransition transition = ConfChangeTransition::kAuto;
  std::vector<ConfChangeSingle> changes;
  Payload context;

  // No changes and no explicit transition: the request to leave a joint configuration.
  bool LeavesJoint() const {
    return transition == ConfChangeTransition::kAuto && changes.empty();
  }
  // Whether it goes through a joint configuration, and if so whether that is left by itself.
  struct Joint {
    bool enter = false;
    bool auto_leave = false;
  };
  Joint EntersJoint() const;
};

// The entry (without term and index) that carries `change`.
Entry EncodeConfChange(const ConfChange& change);
// Nothing when the entry is not a configuration change or its bytes are not one: bytes come from
// elsewhere, so this is never a check.
std::optional<ConfChange> DecodeConfChange(const Entry& entry);

enum class MessageType : uint8_t {
  kHup,
  kBeat,
  kProp,
  kApp,
  kAppResp,
  kVote,
  kVoteResp,
  kSnap,
  kHeartbeat,
  kHeartbeatResp,
  kUnreachable,
  kSnapStatus,
  kCheckQuorum,
  kTransferLeader,
  kTimeoutNow,
  kReadIndex,
  kReadIndexResp,
  kPreVote,
  kPreVoteResp,
  kStorageAppend,
  kStorageAppendResp,
  kStorageApply,
  kStorageApplyResp,
  kForgetLeader,
};
inline constexpr int kMessageTypeCount = 24;

// Never travels between nodes.
bool IsLocalMessage(MessageType type);
// Answers to something the receiver sent, so the sender must be known to it.
bool IsResponseMessage(MessageType type);

// One message between nodes, flat: a transport encodes the fields its type uses.
//
//   type          index, log_term          commit            context        more
//   Prop                                                                    entries
//   App           entry before `entries`   leader's commit                  entries
//   AppResp       last matching / refused                                   reject, reject_hint
//   Vote, PreVote candidate's last entry                                    force
//   Heartbeat                              what is safe      read position  tick
//   HeartbeatResp                                            read position  tick
//   Snap                                                                    snapshot
//   ReadIndex                                                request token
//   ReadIndexResp index that may be read                     request token
struct Message {
  MessageType type = MessageType::kHup;
  bool reject = false;
  // The vote is part of a leadership transfer and overrides the lease (thesis, section 3.10).
  bool force = false;
  NodeId from;
  NodeId to;
  Term term;
  Term log_term;
  Index index;
  Index commit;
  Index reject_hint;
  uint64_t context = 0;
  // The leader's own count of ticks when it sent the heartbeat; the answer echoes it (lease).
  uint64_t tick = 0;
  std::vector<Entry> entries;
  SnapshotRef snapshot;

  // Empty again, keeping the room of `entries`.
  void Reset();
};

// A list of messages that keeps its messages, and their room for entries, when it is cleared: a
// list that goes round between the core and its driver stops allocating.
class MessageList {
 public:
  // An empty message at the end. Valid until the next Add or Clear.
  Message& Add();
  void Clear();
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  Message& operator[](size_t i) { return slots_[i]; }
  const Message& operator[](size_t i) const { return slots_[i]; }
  std::span<Message> span() { return {slots_.data(), size_}; }
  Message* begin() { return slots_.data(); }
  Message* end() { return slots_.data() + size_; }
  const Message* begin() const { return slots_.data(); }
  const Message* end() const { return slots_.data() + size_; }
  void Swap(MessageList& other) noexcept {
    slots_.swap(other.slots_);
    std::swap(size_, other.size_);
  }

 private:
  std::vector<Message> slots_;
  size_t size_ = 0;
};

// The answer to a read request: once `index` is applied, state read is linearizable.
struct ReadState {
  Index index;
  uint64_t token = 0;
  friend bool operator==(const ReadState&, const ReadState&) = default;
};

// Why a call did nothing. None of these is fatal.
enum class [[nodiscard]] StepResult : uint8_t {
  kOk,
  kProposalDropped,  // no leader, over a limit, or leadership is being handed over
  kPeerNotFound,     // an answer from a node that is not in the configuration
  kLocalMessage,     // a type that never travels came from outside
  kRefused,          // the message contradicts itself or what is known; nothing was changed
};

}  // namespace nokv::raft
