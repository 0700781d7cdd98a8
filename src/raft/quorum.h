#pragma once

// Majorities, and pairs of majorities that must agree (joint consensus, thesis section 4.3).
//
// Threading: plain values, externally synchronised.
//
// Invariants:
// (1) An IdSet is sorted and free of repetitions.
// (2) An empty majority agrees with everything: its committed index is infinite and its vote is
//     won. So a joint configuration with one empty half decides like the other half.
// (3) A joint configuration decides what both halves decide, never less.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <vector>

#include "raft/types.h"

namespace nokv::raft {

class IdSet {
 public:
  IdSet() = default;
  IdSet(std::initializer_list<NodeId> ids) {
    for (const NodeId id : ids) Insert(id);
  }
  explicit IdSet(const std::vector<NodeId>& ids) {
    for (const NodeId id : ids) Insert(id);
  }

  bool Contains(NodeId id) const { return std::binary_search(ids_.begin(), ids_.end(), id); }
  void Insert(NodeId id) {
    const auto at = std::lower_bound(ids_.begin(), ids_.end(), id);
    if (at == ids_.end() || *at != id) ids_.insert(at, id);
  }
  void Erase(NodeId id) {
    const auto at = std::lower_bound(ids_.begin(), ids_.end(), id);
    if (at != ids_.end() && *at == id) ids_.erase(at);
  }
  void Clear() { ids_.clear(); }
  size_t size() const { return ids_.size(); }
  bool empty() const { return ids_.empty(); }
  auto begin() const { return ids_.begin(); }
  auto end() const { return ids_.end(); }
  const std::vector<NodeId>& ids() const { return ids_; }
  friend bool operator==(const IdSet&, const IdSet&) = default;

 private:
  std::vector<NodeId> ids_;
};

// What an empty majority has committed; prints as infinity.
inline constexpr Index kInfiniteIndex{UINT64_MAX};

enum class VoteResult : uint8_t { kPending, kLost, kWon };

// The largest index that a majority of `voters` has acknowledged. `acked(id)` yields
// std::optional<Index>; a voter not heard of counts as zero.
template <typename Acked>
Index MajorityCommitted(const IdSet& voters, const Acked& acked) {
  const size_t n = voters.size();
  if (n == 0) return kInfiniteIndex;
  constexpr size_t kUsual = 7;  // larger groups exist, but may allocate
  std::array<Index, kUsual> few;
  std::vector<Index> many;
  if (n > kUsual) many.resize(n);
  Index* const sorted = n > kUsual ? many.data() : few.data();
  size_t count = 0;
  for (const NodeId id : voters) {
    const Index index = acked(id).value_or(Index());
    size_t at = count++;
    for (; at > 0 && index < sorted[at - 1]; --at) sorted[at] = sorted[at - 1];
    sorted[at] = index;
  }
  return sorted[n - (n / 2 + 1)];
}

// The outcome of a vote among `voters`. `vote(id)` yields std::optional<bool>.
template <typename Vote>
VoteResult MajorityVote(const IdSet& voters, const Vote& vote) {
  if (voters.empty()) return VoteResult::kWon;
  size_t yes = 0;
  size_t open = 0;
  for (const NodeId id : voters) {
    const std::optional<bool> answer = vote(id);
    if (!answer) {
      ++open;
    } else if (*answer) {
      ++yes;
    }
  }
  const size_t needed = voters.size() / 2 + 1;
  if (yes >= needed) return VoteResult::kWon;
  return yes + open >= needed ? VoteResult::kPending : VoteResult::kLost;
}

// Lost if either half lost, won if both won.
VoteResult Combine(VoteResult incoming, VoteResult outgoing);

struct JointConfig {
  IdSet incoming;
  IdSet outgoing;  // empty unless the configuration is joint

  bool joint() const { return !outgoing.empty(); }
  bool Contains(NodeId id) const { return incoming.Contains(id) || outgoing.Contains(id); }
  // All voters of both halves.
  IdSet Union() const;

  template <typename Acked>
  Index Committed(const Acked& acked) const {
    return std::min(MajorityCommitted(incoming, acked), MajorityCommitted(outgoing, acked));
  }
  template <typename Vote>
  VoteResult Result(const Vote& vote) const {
    return Combine(MajorityVote(incoming, vote), MajorityVote(outgoing, vote));
  }
  friend bool operator==(const JointConfig&, const JointConfig&) = default;
};

}  // namespace nokv::raft
