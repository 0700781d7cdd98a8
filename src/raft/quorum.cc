#include "raft/quorum.h"

namespace nokv::raft {

VoteResult Combine(VoteResult incoming, VoteResult outgoing) {
  if (incoming == outgoing) return incoming;
  if (incoming == VoteResult::kLost || outgoing == VoteResult::kLost) return VoteResult::kLost;
  return VoteResult::kPending;
}

IdSet JointConfig::Union() const {
  IdSet all = incoming;
  for (const NodeId id : outgoing) all.Insert(id);
  return all;
}

}  // namespace nokv::raft
