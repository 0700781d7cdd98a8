#pragma once

// GhostTable: which keys were declined lately, without the blocks: eight bytes for each.
//
// A fixed table addressed by the key's hash; a newer key overwrites an older one in its place, and
// a tag of 32 bits tells most others apart. So an answer may be wrong; it is a sample that guides
// the size of the window, nothing depends on a single one.
//
// Externally synchronised (the shard's mutex).

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace nokv::cache {

class GhostTable {
 public:
  explicit GhostTable(size_t key_count)
      : mask_(std::bit_ceil(std::max<size_t>(64, key_count)) - 1),
        ghosts_(std::make_unique<Ghost[]>(mask_ + 1)) {}

  void Add(uint64_t hash) { ghosts_[hash & mask_] = {TagOf(hash), ++count_}; }

  // True if the key is probably among the last `among` added.
  bool Contains(uint64_t hash, size_t among) const {
    const Ghost& ghost = ghosts_[hash & mask_];
    return ghost.tag == TagOf(hash) && ghost.number != 0 && count_ - ghost.number < among;
  }

  size_t memory_bytes() const { return (mask_ + 1) * sizeof(Ghost); }

 private:
  struct Ghost {
    uint32_t tag = 0;
    uint32_t number = 0;  // the value of count_ when it was added; wraps
  };
  static uint32_t TagOf(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }

  const size_t mask_;
  const std::unique_ptr<Ghost[]> ghosts_;
  uint32_t count_ = 0;
};

}  // namespace nokv::cache
