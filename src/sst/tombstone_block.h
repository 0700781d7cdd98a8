#pragma once

// The range tombstones of a table, as disjoint fragments in key order.
//
//   tombstone block payload := fragment_count:varint64   fragment*
//   fragment := begin:length-prefixed   end:length-prefixed   seq_count:varint64   seq:varint64 *
//
// begin < end; a fragment begins at or after the end of the one before it; the sequence numbers are
// descending, at least one. The layout is permanent. Pure functions.

#include <string>

#include "nokv/slice.h"

#include "key/range_tombstones.h"

namespace nokv::sst {

void AppendTombstones(const key::RangeTombstones& tombstones, std::string* out);

// Returns nullptr, or what is wrong.
const char* DecodeTombstones(Slice payload, key::RangeTombstones* tombstones);

}  // namespace nokv::sst
