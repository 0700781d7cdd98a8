#pragma once

// MergingIterator: several streams of entries as one, in the order of entries.
//
// A binary heap over the sources with each source's key head kept in the heap's array, so that most
// comparisons touch no key. When the source on top stays on top after a move, which is the rule where
// one run holds most of the data, two comparisons settle it.
//
// No two sources hold the same (key, trailer): sequence numbers are unique (law 1). An error in any
// source ends the stream: Valid() is false and status() says why; an entry is never skipped silently.
// Confined to one thread.

#include <memory>
#include <vector>

#include "key/entry.h"

namespace nokv::lsm {

// With one source this is that source; with none, an empty stream.
std::unique_ptr<key::EntryIterator> NewMergingIterator(
    std::vector<std::unique_ptr<key::EntryIterator>> sources);

}  // namespace nokv::lsm
