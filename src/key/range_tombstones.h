#pragma once

// RangeTombstones: an immutable set of range tombstones, cut into fragments for fast questions.
//
// Overlapping tombstones are split at each other's borders: the fragments are disjoint, in key order, and
// each lists the sequence numbers of all tombstones that cover it, newest first. A question is then
// one binary search over fragments and one over sequence numbers.
//
// Invariants:
//  1. fragments are disjoint and ordered; every begin < end.
//  2. the sequence numbers of a fragment are distinct and descending; none is empty.
//  3. a set built from the fragments of another answers every question alike.
//
// Thread-safe: immutable after Build. Owns its bytes.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "nokv/slice.h"

#include "key/entry.h"

namespace nokv::key {

class RangeTombstones {
 public:
  struct Fragment {
    Slice begin;
    Slice end;
    const SequenceNumber* seqs;  // descending
    size_t seq_count;
  };

  RangeTombstones() = default;
  // Empty ranges are dropped. The slices of `tombstones` need not outlive the call.
  static RangeTombstones Build(std::vector<RangeTombstone> tombstones);

  RangeTombstones(RangeTombstones&&) noexcept = default;
  RangeTombstones& operator=(RangeTombstones&&) noexcept = default;
  RangeTombstones(const RangeTombstones&) = delete;
  RangeTombstones& operator=(const RangeTombstones&) = delete;

  bool empty() const { return fragments_.empty(); }
  size_t size() const { return fragments_.size(); }
  const Fragment& fragment(size_t i) const { return fragments_[i]; }

  // The newest tombstone at or below `snapshot` that covers `key`; 0 if there is none.
  SequenceNumber NewestCovering(Slice key, SequenceNumber snapshot) const;

  // The index of the first fragment whose end is after `key`; size() if there is none. That fragment
  // covers key if its begin is at or before it.
  size_t FirstEndingAfter(Slice key) const;

  // One tombstone per fragment and sequence number, in key order, newest first within a fragment.
  std::vector<RangeTombstone> ToList() const;

 private:
  // vector<char> and not string: moving it never moves the bytes that the fragments point into.
  std::vector<char> bytes_;
  std::vector<SequenceNumber> seqs_;
  std::vector<Fragment> fragments_;
};

}  // namespace nokv::key
