#pragma once

// The entries of a run: its tables one after the other, each opened when the stream reaches it.

#include <memory>

#include "key/entry.h"
#include "lsm/version.h"
#include "sst/table_reader.h"

namespace nokv::lsm {

// `run` and its tables must outlive the iterator: whoever makes it holds the version. Confined to one
// thread.
std::unique_ptr<key::EntryIterator> NewRunIterator(const Run& run,
                                                   const sst::IteratorOptions& options);

}  // namespace nokv::lsm
