#include <algorithm>
#include <cstring>

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

void BlockCursor::Reserve(size_t bytes, size_t used) {
  if (bytes + kChunk <= capacity_) [[likely]]
    return;
  const size_t capacity = std::max(2 * capacity_, bytes + kChunk + 496);
  auto grown = std::make_unique<char[]>(capacity);
  if (used > 0) std::memcpy(grown.get(), buffer_.get(), used);
  buffer_ = std::move(grown);
  capacity_ = capacity;
}

const char* BlockCursor::LoadInterval(uint32_t index) {
  const Block& block = *block_;
  NOKV_DCHECK(index < block.entry_count_);
  const uint32_t restart = index >> block.restart_shift_;
  const uint32_t begin = restart << block.restart_shift_;
  const uint32_t end = block.IntervalEnd(restart);
  at_ = begin_ = end_ = 0;
  if (items_.size() < end - begin) items_.resize(size_t{1} << block.restart_shift_);

  const size_t prefix_bytes = block.prefix_.size();
  const char* const readable_end = block.values_.data() + block.values_.size() + kBlockSlackBytes;
  const char* slot = block.SlotAt(begin);
  uint64_t key_at = block.RestartKeyAt(restart);
  uint64_t value_at = block.RestartValueAt(restart);
  size_t last_bytes = prefix_bytes;  // of the key before
  size_t used = 0;
  for (uint32_t i = begin; i < end; ++i, slot += block.slot_bytes_) {
    const uint64_t shared = block.Shared(slot);
    const uint64_t length = block.Length(slot);
    const uint64_t value_bytes = block.ValueBytes(slot);
    const uint64_t trailer = block.Trailer(slot);
    if (prefix_bytes + shared > last_bytes || key_at > block.keys_.size() ||
        length > block.keys_.size() - key_at || prefix_bytes + shared + length > kKeyBytesMax ||
        value_at > block.values_.size() || value_bytes > block.values_.size() - value_at ||
        !IsPointKind(static_cast<uint8_t>(trailer))) {
      return "a data block with a malformed entry";
    }
    const size_t kept = prefix_bytes + static_cast<size_t>(shared);
    const auto added = static_cast<size_t>(length);
    Reserve(used + kept + added, used);
    char* const to = buffer_.get() + used;
    if (i == begin) {
      if (kept > 0) std::memcpy(to, block.prefix_.data(), kept);
    } else if (const char* last = to - last_bytes; kept <= kChunkedMax) {
      CopyChunks(to, last, kept);
    } else {
      std::memcpy(to, last, kept);
    }
    const char* const tail = block.keys_.data() + key_at;
    if (added <= kChunk && readable_end - tail >= static_cast<ptrdiff_t>(kChunk)) {
      std::memcpy(to + kept, tail, kChunk);
    } else if (added > 0) {
      std::memcpy(to + kept, tail, added);
    }
    Item& item = items_[i - begin];
    item.key_at = static_cast<uint32_t>(used);
    item.key_bytes = static_cast<uint32_t>(kept + added);
    item.value_at = static_cast<uint32_t>(value_at);
    item.value_bytes = static_cast<uint32_t>(value_bytes);
    item.trailer = trailer;
    item.expires_at = block.ExpiresAt(slot);
    used += kept + added;
    key_at += length;
    value_at += value_bytes;
    last_bytes = kept + added;
  }
  begin_ = begin;
  end_ = end;
  at_ = index;
  return nullptr;
}

}  // namespace nokv::sst
