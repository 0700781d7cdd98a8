#include "raft/read_index.h"

#include <algorithm>
#include <optional>

#include "raft/mutants.h"

namespace nokv::raft {

bool ReadIndexQueue::Acknowledge(NodeId from, uint64_t position) {
  if (position > confirmed_ + waiting()) return false;
  for (auto& [id, acknowledged] : acknowledged_) {
    if (id == from) {
      acknowledged = std::max(acknowledged, position);
      return true;
    }
  }
  acknowledged_.emplace_back(from, position);
  return true;
}

void ReadIndexQueue::TakeConfirmed(const JointConfig& voters, NodeId self,
                                   std::vector<ReadRequest>* out) {
  const auto acknowledged = [this](NodeId id) -> std::optional<Index> {
    for (const auto& [node, position] : acknowledged_) {
      if (node == id) return Index(position);
    }
    return std::nullopt;
  };
  uint64_t position = voters.Committed(acknowledged).value();
  if (Mutated(Mutant::kReadConfirmedAlone)) position = acknowledged(self).value_or(Index()).value();
  if (position > confirmed_ && Mutated(Mutant::kEarlierReadReleasesLater)) {
    position = confirmed_ + waiting();
  }
  if (position <= confirmed_ || position > confirmed_ + waiting()) return;
  for (; confirmed_ < position; ++confirmed_) out->push_back(requests_[first_++]);
  if (empty()) {
    requests_.clear();
    first_ = 0;
  } else if (first_ > requests_.size() / 2) {
    requests_.erase(requests_.begin(), requests_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

}  // namespace nokv::raft
