#pragma once

// Retention: which entries a flush or a compaction may leave out because no reader can need them.
//
// The live snapshots cut the sequence numbers into stripes: (0, s1], (s1, s2], ..., (sk, infinity). Every
// reader, present or future, looks at the top of one stripe, so of the versions of a key in one stripe
// only the newest can be seen. From that follow all rules:
//  1. a version with a newer one of the same key in its stripe is dropped.
//  2. a version under a range tombstone of its own stripe is dropped.
//  3. an expired put is a point tombstone from then on.
//  4. a point tombstone in the lowest stripe is dropped if no table below the output can hold its key:
//     there is nothing left that it could hide.
//  5. range tombstones: one per stripe and fragment, by (1); none in the lowest stripe where no table
//     below the output overlaps the fragment, by (4).
//
// The snapshots must be taken after the inputs were chosen: a snapshot made later is at least as new as
// everything in the inputs and so looks at the top stripe. Confined to one thread.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "key/entry.h"
#include "key/range_tombstones.h"

namespace nokv::lsm {

class Retention {
 public:
  struct Context {
    std::vector<key::SequenceNumber> snapshots;  // ascending, distinct
    uint64_t now_millis = 0;
    // All range tombstones of the inputs. Outlives this object.
    const key::RangeTombstones* tombstones = nullptr;
    // Could a table below the output hold a key of this range?
    std::function<bool(const key::KeyRange&)> any_below;
  };

  explicit Retention(Context context);

  // Judges the next entry of a stream in the order of entries. Returns false to drop it; may turn it into
  // a point tombstone (3).
  bool Keep(key::Entry* entry);

  // The tombstones to write, by (5), in key order.
  std::vector<key::RangeTombstone> TombstonesToKeep() const;

  // Is this the first entry of a key other than the previous entry's? Tells where an output may be cut.
  bool at_new_key() const { return at_new_key_; }

 private:
  size_t StripeOf(key::SequenceNumber seq) const;
  key::SequenceNumber StripeTop(size_t stripe) const;

  const Context context_;
  std::string key_;
  bool has_key_ = false;
  bool at_new_key_ = true;
  size_t last_stripe_ = 0;
};

}  // namespace nokv::lsm
