#pragma once

// What RocksDB kept of LevelDB's interface: statuses, slices and iterators of the same shape. nokv::Iterator has it, too.

#include <cstddef>
#include <string_view>

#include "engine.h"

namespace nokv::bench {

template <typename PeerStatus>
Status Translated(const PeerStatus& status) {
  if (status.ok()) return {};
  if (status.IsNotFound()) return Status::NotFound("no such key");
  return Status::IOError(status.ToString());
}

template <typename PeerSlice>
PeerSlice Sliced(std::string_view text) {
  return {text.data(), text.size()};
}

// Reads up to `count` entries from where `it` stands; sets how many there were. The iterator's own status is the caller's.
template <typename Iterator>
Status ReadEntries(Iterator* it, size_t count, ScanReader* reader, size_t* entries) {
  for (*entries = 0; it->Valid(); it->Next()) {
    const auto key = it->key();
    const auto value = it->value();
    Status status = reader->Entry({key.data(), key.size()}, {value.data(), value.size()});
    if (!status.ok()) return status;
    if (++*entries == count) break;
  }
  return {};
}

}  // namespace nokv::bench
