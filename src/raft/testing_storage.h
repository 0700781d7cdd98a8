#pragma once

// MemoryStorage: a durable log that is not durable, for tests, examples and groups without a disk.
//
// Threading: confined to the owner of the group.
//
// Invariants: those of Storage. Position 0 of the entries is not an entry: it holds the id that the
// log continues from, which is that of the snapshot or of what was compacted last.

#include <cstdint>
#include <optional>
#include <vector>

#include "nokv/result.h"
#include "nokv/status.h"
#include "raft/storage.h"

namespace nokv::raft {

class MemoryStorage : public Storage {
 public:
  MemoryStorage();
  // A group that starts at `snapshot`.
  explicit MemoryStorage(SnapshotRef snapshot);

  InitialState LoadInitialState() override;
  bool ReadEntries(Index lo, Index hi, uint64_t size_max, std::vector<Entry>* out) override;
  std::optional<Term> TermAt(Index index) override;
  Index FirstIndex() override { return entries_.front().index + 1; }
  Index LastIndex() override { return entries_.back().index; }
  SnapshotRef GetSnapshot(NodeId receiver, Index at_least) override;

  void SetHardState(const HardState& state) { hard_state_ = state; }
  // Replaces the log. An error when it is not ahead of the snapshot there is.
  Status ApplySnapshot(SnapshotRef snapshot);
  // Cuts off what stands at or after the first of `entries` and appends them; what is compacted
  // already is passed over.
  void Append(std::span<const Entry> entries);
  // Drops what is before `index`, keeping its id to continue from.
  Status Compact(Index index);
  // A snapshot of the state at `index`, which must be in the log. `conf_state` null keeps the last.
  Result<SnapshotRef> CreateSnapshot(Index index, const ConfState* conf_state, Payload data);

  const HardState& hard_state() const { return hard_state_; }
  const SnapshotRef& snapshot() const { return snapshot_; }
  std::span<const Entry> entries() const {
    return std::span<const Entry>(entries_).subspan(1);
  }

 private:
  HardState hard_state_;
  SnapshotRef snapshot_;  // never null
  std::vector<Entry> entries_;
};

}  // namespace nokv::raft
