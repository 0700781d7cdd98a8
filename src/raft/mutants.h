#pragma once

// The deliberate bugs that the tests must notice (scripts/raft_mutants.sh).
//
// Compiled to the constant `false` unless NOKV_RAFT_MUTANTS is defined; with it, the environment
// variable NOKV_RAFT_MUTANT names the one bug that is active in the process. A mutant changes one
// decision of the protocol; none of them exists in a build that is shipped.

namespace nokv::raft {

// Name and the rule it breaks. The order is the numbering in docs/raft-mutants.md.
#define NOKV_RAFT_MUTANT_LIST(X)                                                        \
  X(kCommitOlderTerm, "a leader commits an entry of an older term by counting")          \
  X(kSecondVoteInTerm, "a second vote is granted in one term")                           \
  X(kTransferVoteHeldByLease, "the vote of a transfer does not override the lease")      \
  X(kApplyUnstable, "entries are applied before they are stable, asynchronous mode")     \
  X(kFollowerCommitNotClamped, "a follower commits beyond the last entry it was sent")   \
  X(kInflightBytesIgnored, "the limit on bytes in flight is ignored")                    \
  X(kSnapshotToInactivePeer, "a snapshot is sent to a peer that is not active")          \
  X(kSnapshotNotFastForwarded, "a snapshot the log already holds replaces the log")      \
  X(kSnapshotWithoutSelf, "a snapshot that does not name its receiver is accepted")      \
  X(kReadBeforeCommitInTerm, "reads are answered before a commit in the term")           \
  X(kReadConfirmedAlone, "a read is confirmed by the leader alone")                      \
  X(kLeaseReadAtApplied, "a lease read is given the applied index")                      \
  X(kTwoPendingConfChanges, "a second configuration change is accepted while one is pending") \
  X(kNewLeaderForgetsPending, "a new leader assumes that no configuration change is pending") \
  X(kCampaignWithUnappliedConf, "a node campaigns with an unapplied configuration change") \
  X(kJointVoteIncomingOnly, "a joint election counts the incoming half only")            \
  X(kUncommittedSizeIgnored, "the limit on uncommitted bytes is ignored")                \
  X(kProposalsDuringTransfer, "proposals are taken while leadership is handed over")     \
  X(kTransferNeverTimesOut, "a transfer of leadership never times out")                  \
  X(kTransferToLearner, "leadership is handed to a learner")                             \
  X(kTimeoutNotRandomised, "election timeouts are not randomised")                       \
  X(kLowerTermPreVoteIgnored, "a pre-vote of a lower term is not answered")              \
  X(kApplyQuotaIgnored, "the quota on entries being applied is ignored")                 \
  X(kEarlierReadReleasesLater, "a quorum for an earlier read releases a later one")      \
  X(kVoteForStaleLog, "a vote is granted to a candidate whose log is behind")            \
  X(kJointCommitIncomingOnly, "a joint commit counts the incoming half only")            \
  X(kStaleTermAccepted, "an append of an older term is accepted")                        \
  X(kHigherTermKeepsRole, "a leader keeps its role on a higher term")                    \
  X(kLearnerRefusesVote, "a learner refuses to vote")                                    \
  X(kLeaseIgnored, "a vote is granted while a leader is alive")                          \
  X(kPreVoteRaisesTerm, "a pre-vote raises the term of its receiver")                    \
  X(kPreVoteRecorded, "a pre-vote counts as the vote of the term")                       \
  X(kNoEntryOnElection, "a new leader appends no entry of its term")                     \
  X(kHeartbeatCommitUnclamped, "a heartbeat carries a commit the follower may not have") \
  X(kLeaderHintIgnoresTerm, "a leader ignores the term of a rejection hint")             \
  X(kFollowerHintIgnoresTerm, "a follower's rejection hint ignores terms")               \
  X(kProbeNotPaused, "a probing leader sends without waiting")                           \
  X(kInflightCountIgnored, "the limit on messages in flight is ignored")                 \
  X(kFullWindowSilent, "a full window is never probed")                                  \
  X(kSnapshotAckMustReachPending, "an answer below the pending snapshot is ignored")     \
  X(kUnreachableKeepsSending, "an unreachable follower is not probed")                   \
  X(kHeartbeatDoesNotResume, "an answered heartbeat does not resume a paused follower")  \
  X(kNoAutoLeave, "a joint configuration is never left by itself")                       \
  X(kLearnersNextLost, "a demoted voter is dropped when a joint configuration is left")  \
  X(kOutgoingProgressKept, "a removed voter is still tracked after a joint configuration") \
  X(kStaleStorageAckAccepted, "a storage answer of an older term makes entries stable")  \
  X(kStorageAckOnlyWithEntries, "only appends with entries report what is stable")       \
  X(kSelfAckBeforeDurable, "a leader counts itself before its entries are durable")      \
  X(kAnswerBeforeDurable, "votes and append answers leave before they are durable")      \
  X(kCheckQuorumKeepsLeader, "a leader without a quorum stays leader")                   \
  X(kRemovedLeaderStays, "a removed leader keeps leading")                               \
  X(kForgetLeaderUnderLease, "a leader is forgotten although leases are in use")         \
  X(kPrevTermNotChecked, "an append is accepted whatever precedes it")                   \
  X(kConflictNotReplaced, "conflicting entries of the follower are kept")                \
  X(kVoteLeavesEarly, "a vote request leaves before its term is durable")                \
  X(kConfChangeBelowSnapshot, "a change below an installed snapshot is applied")         \
  X(kLeaseAfterTimeoutNow, "a leader trusts its lease after a transfer was started")     \
  X(kLeaseNeverExpires, "a lease read does not ask whether the lease is valid")          \
  X(kRestartForgetsLease, "a restarted node votes within the lease it granted")          \
  X(kSingletonStranger, "a removed leader answers reads for a single voter")             \
  X(kOldSnapshotToNewMember, "a new member is sent a snapshot from before it was added") \
  X(kCommitBelowApplied, "a restart does not lift commit to what is applied")            \
  X(kLearnerInQuorumCheck, "equivalent: learners are looked at by the quorum check")     \
  X(kSnapshotAtCommitTaken, "equivalent: a snapshot at the commit index is considered")

enum class Mutant : int {
  kNone = 0,
#define NOKV_RAFT_MUTANT_ENUM(name, text) name,
  NOKV_RAFT_MUTANT_LIST(NOKV_RAFT_MUTANT_ENUM)
#undef NOKV_RAFT_MUTANT_ENUM
};

#ifdef NOKV_RAFT_MUTANTS
bool Mutated(Mutant mutant);
#else
constexpr bool Mutated(Mutant) { return false; }
#endif

}  // namespace nokv::raft
