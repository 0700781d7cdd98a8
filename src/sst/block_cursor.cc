#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "sst/block.h"
#include "sst/format.h"

namespace nokv::sst {

namespace {

// Short copies are made in whole chunks: fixed sizes need no call and hardly a branch. The buffer
// has a chunk to spare at its end.
struct Chunk {
  uint64_t words[2];
};
constexpr size_t kChunk = sizeof(Chunk);
constexpr size_t kChunkedMax = 4 * kChunk;

// The bytes may overlap where they are beyond `size`, so a chunk goes through a register.
inline void CopyChunks(char* to, const char* from, size_t size) {
  for (size_t i = 0; i < size; i += kChunk) {
    Chunk chunk;
    std::memcpy(&chunk, from + i, kChunk);
    std::memcpy(to + i, &chunk, kChunk);
  }
}

}  // namespace

// Room for `bytes` bytes of keys, of which the first `used` are kept.
inline void BlockCursor::Reserve(size_t bytes, size_t used) {
  if (bytes + kChunk <= capacity_) [[likely]]
    return;
  const size_t capacity = std::max(2 * capacity_, bytes + kChunk + 496);
  auto grown = std::make_unique<char[]>(capacity);
  if (used > 0) std::memcpy(grown.get(), buffer_.get(), used);
  buffer_ = std::move(grown);
  capacity_ = capacity;
}

// Puts a key at buffer_[used]: `kept` bytes of the key before it, which has `last_bytes` and ends
// there, then `tail`.
inline void BlockCursor::PutKey(size_t used, size_t last_bytes, size_t kept, Slice tail) {
  Reserve(used + kept + tail.size(), used);
  char* const to = buffer_.get() + used;
  if (used == 0) {
    // A restart keeps the prefix of the block.
    if (kept > 0) std::memcpy(to, block_->prefix_.data(), kept);
  } else if (kept <= kChunkedMax) {
    CopyChunks(to, to - last_bytes, kept);
  } else {
    std::memcpy(to, to - last_bytes, kept);
  }
  if (tail.size() <= kChunk && block_->end_ - tail.data() >= static_cast<ptrdiff_t>(kChunk)) {
    std::memcpy(to + kept, tail.data(), kChunk);
  } else if (!tail.empty()) {
    std::memcpy(to + kept, tail.data(), tail.size());
  }
}

const char* BlockCursor::LoadInterval(uint32_t index) {
  const Block& block = *block_;
  NOKV_DCHECK(index < block.entry_count_);
  const uint32_t restart = index >> block.restart_shift_;
  const uint32_t begin = restart << block.restart_shift_;
  const uint32_t end = block.IntervalEnd(restart);
  at_ = begin_ = end_ = 0;
  if (items_.size() < end - begin) items_.resize(size_t{1} << block.restart_shift_);

  const char* slot = block.SlotAt(begin);
  Item* item = items_.data();
  uint64_t key_at = block.RestartKeyAt(restart);
  uint64_t value_at = block.RestartValueAt(restart);
  size_t last_bytes = block.prefix_.size();  // of the key before
  size_t used = 0;
  for (uint32_t i = begin; i < end; ++i, ++item, slot += block.slot_bytes_) {
    const uint64_t kept = block.prefix_.size() + block.Shared(slot);
    const uint64_t added = block.Length(slot);
    const uint64_t value_bytes = block.ValueBytes(slot);
    const uint64_t trailer = block.Trailer(slot);
    if (kept > last_bytes || key_at > block.keys_.size() || added > block.keys_.size() - key_at ||
        kept + added > kKeyBytesMax || value_at > block.values_.size() ||
        value_bytes > block.values_.size() - value_at ||
        !IsPointKind(static_cast<uint8_t>(trailer))) {
      return "a data block with a malformed entry";
    }
    PutKey(used, last_bytes, kept, Slice(block.keys_.data() + key_at, added));
    last_bytes = kept + added;
    item->key_at = static_cast<uint32_t>(used);
    item->key_bytes = static_cast<uint32_t>(last_bytes);
    item->value_at = static_cast<uint32_t>(value_at);
    item->value_bytes = static_cast<uint32_t>(value_bytes);
    item->trailer = trailer;
    item->expires_at = block.ExpiresAt(slot);
    used += last_bytes;
    key_at += added;
    value_at += value_bytes;
  }
  begin_ = begin;
  end_ = end;
  at_ = index;
  return nullptr;
}

}  // namespace nokv::sst
