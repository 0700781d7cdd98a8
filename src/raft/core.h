#pragma once

// Raft: the protocol of one replica, as a state machine without a world.
//
// What happens comes in by calls: Tick, Step, Propose, the reports of storage. What shall be done
// piles up in messages(), after_append(), read_states() and the log; RawNode hands it to a driver.
// The same calls in the same order, with the same seed, give the same outcome.
//
// Threading: confined to the owner of the group. No lock, clock, thread, socket or file.
//
// Invariants (checked by invariants.h after every step in tests):
// (1) The term never falls. The vote of a term, once cast, stands (election safety, figure 3).
// (2) A leader only appends to its log (leader append-only, figure 3).
// (3) Commit moves over an entry of the current term on a quorum, or on a leader's word about
//     entries known to match (thesis, section 3.6.2).
// (4) Answers to votes and appends, the candidate's and the leader's own included, pass through
//     after_append(): they count only when what they attest is durable (thesis, section 3.8).
// (5) A configuration takes effect when its entry is applied, and a leader has at most one between
//     proposal and application. (The paper activates at append; with a check before campaigning,
//     both are safe. Transcripts of the reference assume application.)
// (6) A message from outside is refused or obeyed, never fatal.
//
// Differences from the reference, each for safety, and each off under Config::reference_behaviour:
// a lease is measured by answered heartbeats (LeaseValid); a restarted node keeps the lease it may
// have granted; messages without a term that need one are refused.

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/random.h"
#include "nokv/result.h"
#include "nokv/status.h"
#include "raft/confchange.h"
#include "raft/log.h"
#include "raft/read_index.h"
#include "raft/trace.h"
#include "raft/tracker.h"
#include "raft/types.h"

namespace nokv::raft {

enum class ReadOnlyOption : uint8_t {
  kSafe,        // every read is confirmed by a quorum
  kLeaseBased,  // while a quorum has answered recently, reads need no message; needs check_quorum
};

struct Config {
  // This replica. Not zero, not a storage queue, never used before in the group.
  NodeId id;
  // Ticks without a leader before an election; the actual timeout is drawn from [n, 2n).
  uint32_t election_tick = 10;
  // Ticks between heartbeats. REQUIRES: 0 < heartbeat_tick < election_tick.
  uint32_t heartbeat_tick = 1;
  // Borrowed for the life of the node.
  Storage* storage = nullptr;
  // What the state machine has applied; entries up to here are not handed out again.
  Index applied;
  // Whether the driver reports appends and applies when they are done (OnAppended, OnApplied)
  // instead of calling Advance after each Ready.
  bool async_storage_writes = false;
  // Bytes of entries in one append message; at least one entry always goes.
  uint64_t size_per_message_max = 1 << 20;
  // Bytes of entries handed out to be applied and not reported back. 0: size_per_message_max.
  uint64_t applying_bytes_max = 0;
  // Bytes of proposals not yet committed, beyond which more are dropped. An estimate, never a bound
  // on memory: it starts from zero with each leader. 0: unlimited.
  uint64_t uncommitted_bytes_max = 0;
  // Append messages under way to one follower, by number and by bytes (0: unlimited).
  uint32_t inflight_count_max = 256;
  uint64_t inflight_bytes_max = 0;
  // A leader that has not heard of a quorum for election_tick steps down, and a node that hears of
  // a leader refuses votes (thesis, section 6.2).
  bool check_quorum = true;
  // Ask before disturbing: an election is announced without raising the term (thesis, section 9.6).
  bool pre_vote = true;
  ReadOnlyOption read_only = ReadOnlyOption::kSafe;
  // How many ticks after a quorum's answer a lease holds. Clocks of leader and followers may differ
  // by a factor below (election_tick - 1) / lease_tick. 0: three quarters of election_tick - 1.
  uint32_t lease_tick = 0;
  bool disable_proposal_forwarding = false;
  bool disable_conf_change_validation = false;
  // A removed leader that does not step down drops every proposal for ever.
  bool step_down_on_removal = true;
  // Draws the election timeouts, together with the id.
  uint64_t seed = 0;
  // Checks invariants.h after every call; always on where NOKV_DCHECK is.
  bool check_invariants = false;
  // Does what the reference does where this core is stricter: for transcripts and for tests that
  // show what the rules are good for. Not safe.
  bool reference_behaviour = false;
  // Borrowed; null is silent.
  Logger* logger = nullptr;

  Status Validate() const;
};

class Raft {
 public:
  // REQUIRES: config.Validate() is OK. Load comes before anything else.
  explicit Raft(const Config& config);
  Raft(const Raft&) = delete;
  Raft& operator=(const Raft&) = delete;

  // Takes up the durable state. Corruption when it contradicts itself.
  Status Load();

  void Tick() {
    ++now_;
    ++election_elapsed_;
    if (role_ == Role::kLeader) {
      TickLeader();
    } else if (election_elapsed_ >= election_timeout_) {
      ElectionTimedOut();
    }
  }
  // The one door for messages: from other nodes, and from this node by way of its own storage.
  StepResult Step(const Message& message);
  void Campaign();
  // Entries without term and index; data and type are taken over by reference.
  StepResult Propose(std::span<const Entry> entries);
  void ReadIndex(uint64_t token);
  void TransferLeader(NodeId to);
  void ForgetLeader();
  void ReportUnreachable(NodeId id);
  void ReportSnapshot(NodeId id, bool arrived);
  // `index` is that of the entry that carries the change.
  Result<ConfState> ApplyConfChange(const ConfChange& change, Index index);
  // Starts a group from nothing: entries that add `peers`, committed.
  Status Bootstrap(std::span<const NodeId> peers);
  // The apply work up to `last` is done.
  void Applied(Index last, uint64_t encoded_bytes, uint64_t payload_bytes);

  NodeId id() const { return id_; }
  Term term() const { return term_; }
  NodeId vote() const { return vote_; }
  Role role() const { return role_; }
  NodeId leader() const { return leader_; }
  bool is_learner() const { return is_learner_; }
  HardState hard_state() const { return {term_, vote_, log_.committed()}; }
  SoftState soft_state() const { return {leader_, role_}; }
  const RaftLog& log() const { return log_; }
  RaftLog& log() { return log_; }
  const ProgressTracker& tracker() const { return tracker_; }
  const Config& config() const { return config_; }
  const Trace& trace() const { return trace_; }
  NodeId transferee() const;
  Index pending_conf_index() const;
  uint64_t uncommitted_bytes() const;
  uint32_t election_timeout() const { return election_timeout_; }
  uint32_t election_elapsed() const { return election_elapsed_; }
  // Until the next change of role or term.
  void set_election_timeout(uint32_t ticks) { election_timeout_ = ticks; }
  bool Promotable() const;
  // Whether a read may be answered on the strength of a lease at this tick.
  bool LeaseValid() const;

  // What may be sent as soon as the driver likes (votes excepted, see RawNode).
  MessageList& messages() { return messages_; }
  const MessageList& messages() const { return messages_; }
  // What may be sent, or counted, once everything handed out up to here is durable.
  MessageList& after_append() { return after_append_; }
  const MessageList& after_append() const { return after_append_; }
  std::vector<ReadState>& read_states() { return read_states_; }
  const std::vector<ReadState>& read_states() const { return read_states_; }

 private:
  // What only a role needs. Becoming another role is the end of it.
  struct Follower {};
  struct Ballot {
    std::vector<std::pair<NodeId, bool>> votes;  // the first answer of each node counts
    std::optional<bool> Of(NodeId id) const;
  };
  struct PreCandidate : Ballot {};
  struct Candidate : Ballot {};
  struct Leader {
    NodeId transferee;
    // No change of configuration is proposed until this position is applied.
    Index pending_conf_index;
    uint64_t uncommitted_bytes = 0;
    uint32_t heartbeat_elapsed = 0;
    // A TimeoutNow is under way or was: its election overrides leases, whenever it arrives.
    bool lease_suspended = false;
    ReadIndexQueue reads;
    // Wait for the first commit of the term.
    std::vector<ReadRequest> postponed_reads;
  };
  enum class CampaignKind : uint8_t { kPreElection, kElection, kTransfer };

  // core.cc
  void Reset(Term term);
  void BecomeFollower(Term term, NodeId leader);
  void BecomePreCandidate();
  void BecomeCandidate();
  void BecomeLeader();
  void ElectionTimedOut();
  void StartElection(CampaignKind kind);
  void RunCampaign(CampaignKind kind);
  bool HasUnappliedConfChange() const;
  bool WellFormed(const Message& m) const;
  bool InLease() const;
  // True when the message is to be handled further.
  bool StepTerm(const Message& m);
  void StepVote(const Message& m);
  void StorageAppended(const Message& m);
  StepResult StepFollower(const Message& m);
  StepResult StepCandidate(const Message& m);
  void CountVote(const Message& m);
  Message& Send(MessageType type, NodeId to);
  StepResult ForwardProposal(NodeId from, std::span<const Entry> entries);
  void LogVote(std::string_view verb, std::string_view preposition, const Message& m,
               std::string_view rest) const;
  ConfState SwitchTo(ConfigurationResult result);

  // core_follower.cc
  StepResult HandleAppend(const Message& m);
  StepResult HandleHeartbeat(const Message& m);
  void HandleSnapshot(const Message& m);
  bool RestoreSnapshot(const SnapshotRef& snapshot);

  // core_leader.cc
  Leader& leading() { return std::get<Leader>(state_); }
  void TickLeader();
  void CheckQuorum();
  StepResult StepLeader(const Message& m);
  StepResult LeaderPropose(std::span<const Entry> entries);
  // Why the change must not be proposed; empty when it may.
  std::string ConfChangeObjection(const ConfChange& change) const;
  bool AppendOwn(std::span<Entry> entries);
  StepResult HandleAppendResponse(const Message& m, Progress* progress);
  void HandleRejection(const Message& m, Progress* progress);
  StepResult HandleHeartbeatResponse(const Message& m, Progress* progress);
  void HandleTransfer(NodeId target, Progress* progress);
  bool MaybeCommit();
  void BroadcastAppend();
  void BroadcastHeartbeat();
  bool MaybeSendAppend(Progress* progress, bool send_if_empty);
  bool MaybeSendSnapshot(Progress* progress);
  void SendTimeoutNow(NodeId to);
  bool CommittedInTerm() const;
  void LeaderRead(const ReadRequest& request);
  void ReleasePostponedReads();
  void AnswerRead(const ReadRequest& request);
  void AnswerConfirmedReads();

  // First, because every tick reads them and nothing else.
  uint64_t now_ = 0;  // ticks since the start
  uint32_t election_elapsed_ = 0;
  uint32_t election_timeout_ = 0;
  Role role_ = Role::kFollower;
  bool is_learner_ = false;
  // A lease may have been granted before a restart; until now_ reaches election_tick it holds.
  bool lease_from_before_ = false;

  NodeId id_;
  Term term_;
  NodeId vote_;
  NodeId leader_;
  RaftLog log_;
  ProgressTracker tracker_;
  std::variant<Follower, PreCandidate, Candidate, Leader> state_;
  MessageList messages_;
  MessageList after_append_;
  std::vector<ReadState> read_states_;
  // Scratch, kept for its room.
  std::vector<Entry> scratch_;
  std::vector<ReadRequest> confirmed_reads_;
  base::Random random_;
  Trace trace_;
  Config config_;
};

}  // namespace nokv::raft
