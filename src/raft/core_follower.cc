// The receiving half of replication: appends, heartbeats, snapshots.

#include <algorithm>

#include "base/check.h"
#include "raft/core.h"
#include "raft/describe.h"
#include "raft/mutants.h"

namespace nokv::raft {

StepResult Raft::HandleAppend(const Message& m) {
  const AppendSlice slice{{m.log_term, m.index}, m.entries};
  if (slice.previous.index < log_.committed() && !Mutated(Mutant::kPrevTermNotChecked)) {
    // All of the prefix is known to match; the answer says how far.
    Send(MessageType::kAppResp, m.from).index = log_.committed();
    return StepResult::kOk;
  }
  switch (log_.MaybeAppend(slice, m.commit, trace_)) {
    case RaftLog::AppendResult::kAppended:
      Send(MessageType::kAppResp, m.from).index = slice.last();
      return StepResult::kOk;
    case RaftLog::AppendResult::kConflictsWithCommitted:
      trace_.Error(id_, " refused an append from ", m.from, " at term ", m.term,
                   " that conflicts with committed entries [committed: ", log_.committed(), "]");
      return StepResult::kRefused;
    case RaftLog::AppendResult::kMismatch:
      break;
  }
  trace_.Debug(id_, " [logterm: ", log_.TermOrZero(m.index), ", index: ", m.index,
               "] rejected MsgApp [logterm: ", m.log_term, ", index: ", m.index, "] from ",
               m.from);
  // Nothing here of a term above the one refused can match, so the hint skips all of it: one round
  // per term instead of one per entry (thesis, section 3.5, the optimisation at its end).
  const Index last = std::min(m.index, log_.LastIndex());
  const EntryId hint = Mutated(Mutant::kFollowerHintIgnoresTerm)
                           ? EntryId{log_.TermOrZero(last), last}
                           : log_.FindConflictByTerm(last, m.log_term);
  Message& response = Send(MessageType::kAppResp, m.from);
  response.index = m.index;
  response.reject = true;
  response.reject_hint = hint.index;
  response.log_term = hint.term;
  return StepResult::kOk;
}

StepResult Raft::HandleHeartbeat(const Message& m) {
  if (m.commit > log_.LastIndex()) {
    // The leader counts on entries that are not here: either it lies, or this log has been lost.
    // Not answering keeps this node out of the leader's quorum; the line below is for an operator.
    trace_.Error(id_, " refused a heartbeat from ", m.from, ": commit ", m.commit,
                 " is out of range [lastIndex ", log_.LastIndex(),
                 "]. Was the raft log corrupted, truncated, or lost?");
    return StepResult::kRefused;
  }
  log_.CommitTo(m.commit);
  Message& response = Send(MessageType::kHeartbeatResp, m.from);
  response.context = m.context;
  response.tick = m.tick;
  return StepResult::kOk;
}

void Raft::HandleSnapshot(const Message& m) {
  const EntryId id = m.snapshot->id;
  const bool restored = RestoreSnapshot(m.snapshot);
  trace_.Info(id_, " [commit: ", log_.committed(), restored ? "] restored" : "] ignored",
              " snapshot [index: ", id.index, ", term: ", id.term, "]");
  Send(MessageType::kAppResp, m.from).index = restored ? log_.LastIndex() : log_.committed();
}

bool Raft::RestoreSnapshot(const SnapshotRef& snapshot) {
  const EntryId id = snapshot->id;
  const bool behind = Mutated(Mutant::kSnapshotAtCommitTaken) ? id.index < log_.committed()
                                                              : id.index <= log_.committed();
  if (behind) return false;
  NOKV_CHECK(role_ == Role::kFollower);
  if (!snapshot->conf_state.Contains(id_) && !Mutated(Mutant::kSnapshotWithoutSelf)) {
    trace_.Warning(id_, " attempted to restore snapshot but it is not in the ConfState ",
                   DescribeFields(snapshot->conf_state), "; should never happen");
    return false;
  }
  if (log_.Matches(id) && !Mutated(Mutant::kSnapshotNotFastForwarded)) {
    // The log holds everything the snapshot stands for (log matching), so it stays.
    const EntryId last = log_.LastId();
    trace_.Info(id_, " [commit: ", log_.committed(), ", lastindex: ", last.index,
                ", lastterm: ", last.term, "] fast-forwarded commit to snapshot [index: ",
                id.index, ", term: ", id.term, "]");
    log_.CommitTo(id.index);
    return false;
  }
  if (trace_.Enabled(LogLevel::kInfo)) {
    trace_.Info("log [", Describe(log_), "] starts to restore snapshot [index: ", id.index,
                ", term: ", id.term, "]");
  }
  log_.Restore(snapshot);
  ConfigurationResult restored =
      RestoreConfiguration(snapshot->conf_state, tracker_.limits, id.index, id.index);
  // Judged before the message was let in.
  NOKV_CHECK(restored.ok());
  SwitchTo(std::move(restored));
  const EntryId last = log_.LastId();
  trace_.Info(id_, " [commit: ", log_.committed(), ", lastindex: ", last.index, ", lastterm: ",
              last.term, "] restored snapshot [index: ", id.index, ", term: ", id.term, "]");
  return true;
}

}  // namespace nokv::raft
