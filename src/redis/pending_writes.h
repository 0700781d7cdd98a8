#pragma once

// PendingWrites: the newest change to each key since the last commit, so that a turn's reads see its
// writes before they reach the engine as one batch.
//
// An open-addressing table over entries in order of first change; keys and values are copied into an
// arena that Clear keeps. Confined to one thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "nokv/slice.h"

namespace nokv::redis {

class PendingWrites {
 public:
  // What is known of a key as it was before the first change.
  enum class Before : unsigned char { kUnknown, kAbsent, kPresent };

  struct Entry {
    Slice key;
    Slice value;
    uint64_t expires_at_ms = 0;
    uint64_t before_expires_at_ms = 0;  // meaningful if before is kPresent
    uint64_t hash = 0;
    bool deleted = false;
    bool untouched = false;  // only `before` is known; the key has not changed
    Before before = Before::kUnknown;
  };

  PendingWrites();

  // Null if the key has not changed. Valid until the next Upsert or Clear.
  const Entry* Find(Slice key) const;
  // The entry of the key, made if there is none: its caller sets what the key is now.
  Entry* Upsert(Slice key);
  // Copies bytes to where entries may point.
  Slice Copy(Slice bytes);

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  size_t bytes() const { return bytes_; }
  std::vector<Entry>& entries() { return entries_; }
  void Clear();

 private:
  static constexpr size_t kBlockBytes = 64 * 1024;
  static constexpr size_t kSlotsMin = 256;  // a power of two
  static constexpr uint32_t kFree = 0;

  size_t Slot(Slice key, uint64_t hash) const;
  void Grow();

  std::vector<uint32_t> slots_;  // index in entries_ + 1
  std::vector<Entry> entries_;
  struct Block {
    std::unique_ptr<char[]> data;
    size_t capacity;
  };
  std::vector<Block> blocks_;    // the last is being filled
  size_t block_used_ = 0;
  size_t bytes_ = 0;
};

}  // namespace nokv::redis
