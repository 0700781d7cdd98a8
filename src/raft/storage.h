#pragma once

// Storage: what the core may ask of the durable log. It only reads; the driver writes what a Ready
// hands out.
//
// Threading: called by the owner of the group only.
//
// Invariants an implementation keeps:
// (1) Entries [FirstIndex, LastIndex] are present and contiguous; LastIndex >= FirstIndex - 1.
// (2) TermAt answers for [FirstIndex - 1, LastIndex]: the position before the first entry is known
//     by its term, because log matching needs it (paper, section 7).
// (3) What an append of a Ready wrote is visible before that append is reported back.
// (4) Compaction drops entries from the front only, never beyond what is applied.
//
// A read that fails for any other reason than compaction ends the process inside the
// implementation: a replica that cannot read its log must not go on voting.

#include <cstdint>
#include <optional>
#include <vector>

#include "raft/types.h"

namespace nokv::raft {

class Storage {
 public:
  struct InitialState {
    HardState hard_state;
    ConfState conf_state;
  };

  virtual ~Storage() = default;

  // What was durable when the process started. Called once, by RawNode::Create.
  virtual InitialState LoadInitialState() = 0;

  // Appends to `out` entries of [lo, hi) in order, as many as fit into `size_max` bytes by
  // EncodedSize and at least one. False, with `out` untouched, when `lo` is compacted.
  // REQUIRES: lo < hi <= LastIndex + 1.
  virtual bool ReadEntries(Index lo, Index hi, uint64_t size_max, std::vector<Entry>* out) = 0;

  // The term at `index`, or nothing outside [FirstIndex - 1, LastIndex].
  virtual std::optional<Term> TermAt(Index index) = 0;

  virtual Index FirstIndex() = 0;
  virtual Index LastIndex() = 0;

  // A snapshot for `receiver`, at `at_least` or later; null when there is none yet (the core asks
  // again). An older one would lack the change that added the receiver, who would have to refuse
  // it for ever, so the core drops such an answer.
  virtual SnapshotRef GetSnapshot(NodeId receiver, Index at_least) = 0;
};

}  // namespace nokv::raft
