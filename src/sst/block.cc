#include "sst/block.h"

#include <algorithm>
#include <bit>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/hash.h"
#include "sst/format.h"

namespace nokv::sst {

namespace {

constexpr uint64_t kWidthMask[] = {0,          0xff,         0xffff,         0xffffff,
                                   0xffffffff, 0xffffffffff, 0xffffffffffff, 0xffffffffffffff,
                                   UINT64_MAX};

// How many of the first `size` bytes at a and b are equal. At a, 8 bytes before and after them are
// readable; at b, `before` bytes before them. So the odd bytes at the end are compared by one load
// that reaches back, with what is not ours shifted out.
inline size_t EqualBytes(const char* a, const char* b, size_t size, size_t before) {
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    const uint64_t difference = base::DecodeFixed64(a + i) ^ base::DecodeFixed64(b + i);
    if (difference != 0) return i + static_cast<size_t>(std::countr_zero(difference)) / 8;
  }
  const size_t odd = size - i;
  if (odd == 0) return size;
  if (before + size >= 8) [[likely]] {
    uint64_t difference = base::DecodeFixed64(a + size - 8) ^ base::DecodeFixed64(b + size - 8);
    difference >>= 8 * (8 - odd);
    if (difference == 0) return size;
    return i + static_cast<size_t>(std::countr_zero(difference)) / 8;
  }
  while (i < size && a[i] == b[i])
    ++i;
  return i;
}

// Bit i of the result says whether tags[i] == tag, for i < count. REQUIRES: count <= 64, and 15
// bytes are readable after the tags (a head, a slot and the zeros at the end of the block are never
// less).
inline uint64_t EqualTags(const char* tags, uint32_t count, uint8_t tag) {
  uint64_t equal = 0;
#if defined(__SSE2__)
  const __m128i wanted = _mm_set1_epi8(static_cast<char>(tag));
  for (uint32_t i = 0; i < count; i += 16) {
    const __m128i some = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tags + i));
    const int bits = _mm_movemask_epi8(_mm_cmpeq_epi8(some, wanted));
    equal |= static_cast<uint64_t>(static_cast<uint32_t>(bits)) << i;
  }
#else
  for (uint32_t i = 0; i < count; ++i) {
    equal |= uint64_t{static_cast<uint8_t>(tags[i]) == tag} << i;
  }
#endif
  return count == 64 ? equal : equal & ((1ULL << count) - 1);
}

inline unsigned char Byte(const char* at) {
  return static_cast<unsigned char>(*at);
}

}  // namespace

const char* Block::Parse(Slice payload) {
  if (payload.size() < kBlockHeaderBytes + kBlockSlackBytes || payload.size() > kBlockBytesMax) {
    return "a data block of impossible size";
  }
  const char* at = payload.data();
  entry_count_ = base::DecodeFixed32(at);
  const uint32_t prefix_bytes = base::DecodeFixed32(at + 4);
  const uint32_t key_bytes = base::DecodeFixed32(at + 8);
  const uint8_t flags = Byte(at + 12);
  restart_shift_ = Byte(at + 13);
  length_width_ = Byte(at + 14);
  const uint8_t seq_width = Byte(at + 15);
  const uint8_t expiry_width = Byte(at + 16);
  const uint8_t value_width = Byte(at + 17);
  key_at_width_ = Byte(at + 18);
  const uint8_t value_at_width = Byte(at + 19);
  if (entry_count_ == 0 || flags > kBlockHasTags || restart_shift_ > kRestartShiftMax ||
      length_width_ > 4 || seq_width > 7 || expiry_width > 8 || value_width > 4 ||
      key_at_width_ > 4 || value_at_width > 4 || base::DecodeFixed64(at + 24) > key::kMaxSequence) {
    return "a data block with a malformed header";
  }
  value_base_ = base::DecodeFixed32(at + 20);
  seq_base_ = base::DecodeFixed64(at + 24);
  expiry_base_ = base::DecodeFixed64(at + 32);
  length_mask_ = kWidthMask[length_width_];
  seq_mask_ = kWidthMask[seq_width];
  expiry_mask_ = kWidthMask[expiry_width];
  value_mask_ = kWidthMask[value_width];
  key_at_mask_ = kWidthMask[key_at_width_];
  value_at_mask_ = kWidthMask[value_at_width];
  kind_at_ = static_cast<uint8_t>(2 * length_width_);
  expiry_at_ = static_cast<uint8_t>(kind_at_ + 1 + seq_width);
  value_at_ = static_cast<uint8_t>(expiry_at_ + expiry_width);
  slot_bytes_ = uint32_t{value_at_} + value_width;
  restart_bytes_ = uint32_t{key_at_width_} + value_at_width;
  restart_count_ = ((entry_count_ - 1) >> restart_shift_) + 1;

  // 64-bit sums of products of 32-bit numbers and small widths: they cannot overflow.
  const uint64_t tags_at = kBlockHeaderBytes;
  const uint64_t heads_at = tags_at + (flags == kBlockHasTags ? entry_count_ : 0);
  const uint64_t restarts_at = heads_at + uint64_t{restart_count_} * 8;
  const uint64_t prefix_at = restarts_at + uint64_t{restart_count_} * restart_bytes_;
  const uint64_t slots_at = prefix_at + prefix_bytes;
  const uint64_t keys_at = slots_at + uint64_t{entry_count_} * slot_bytes_;
  const uint64_t values_at = keys_at + key_bytes;
  const uint64_t values_end = payload.size() - kBlockSlackBytes;
  if (values_at > values_end) return "a data block whose sections exceed it";
  tags_ = flags == kBlockHasTags ? at + tags_at : nullptr;
  heads_ = at + heads_at;
  restarts_ = at + restarts_at;
  end_ = at + payload.size();
  prefix_ = Slice(at + prefix_at, prefix_bytes);
  slots_ = at + slots_at;
  keys_ = Slice(at + keys_at, key_bytes);
  values_ = Slice(at + values_at, static_cast<size_t>(values_end - values_at));
  return nullptr;
}

bool Block::RestartRest(uint32_t restart, Slice* rest) const {
  const char* slot = SlotAt(restart << restart_shift_);
  const uint64_t key_at = RestartKeyAt(restart);
  const uint64_t length = Length(slot);
  if (Shared(slot) != 0 || key_at > keys_.size() || length > keys_.size() - key_at) return false;
  *rest = keys_.substr(static_cast<size_t>(key_at), static_cast<size_t>(length));
  return true;
}

uint32_t Block::HeadsBelow(uint64_t head) const {
  // Halving without a branch to mispredict.
  const char* from = heads_;
  for (size_t count = restart_count_; count > 1;) {
    const size_t half = count / 2;
    from += base::DecodeFixed64(from + 8 * (half - 1)) < head ? 8 * half : 0;
    count -= half;
  }
  const uint32_t last = base::DecodeFixed64(from) < head ? 1 : 0;
  return static_cast<uint32_t>((from - heads_) / 8) + last;
}

bool Block::FindRestart(Slice rest, uint64_t trailer, uint32_t* restart) const {
  const uint64_t head = key::KeyHead(rest);
  uint32_t low = HeadsBelow(head);
  uint32_t high = low;
  if (low < restart_count_ && Head(low) == head) [[unlikely]] {
    // Among equal heads the keys decide.
    high = head == UINT64_MAX ? restart_count_ : HeadsBelow(head + 1);
  }
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    Slice middle_rest;
    if (!RestartRest(middle, &middle_rest)) return false;
    const uint64_t middle_trailer = Trailer(SlotAt(middle << restart_shift_));
    if (key::CompareEntries(middle_rest, middle_trailer, rest, trailer) <= 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  *restart = low == 0 ? 0 : low - 1;
  return true;
}

// Scans by what neighbours share, as in a trie: `matched` bytes of rest are those of the entry
// passed last, which is before it. An entry that shares more with that one differs from rest in the
// same byte and is passed unread; one that shares less has grown beyond rest; only for equality are
// bytes compared.
bool Block::ScanInterval(
    uint32_t restart, Slice rest, size_t before, uint64_t trailer, Position* position) const {
  uint32_t index = restart << restart_shift_;
  const uint32_t end = IntervalEnd(restart);
  uint64_t key_at = RestartKeyAt(restart);
  uint64_t value_at = RestartValueAt(restart);
  size_t matched = 0;
  const char* slot = SlotAt(index);
  if (Shared(slot) != 0) return false;
  *position = {};
  for (; index < end; ++index, slot += slot_bytes_) {
    const uint64_t shared = Shared(slot);
    const uint64_t length = Length(slot);
    if (shared < matched) break;
    if (shared == matched) {
      if (key_at > keys_.size() || length > keys_.size() - key_at) return false;
      const char* bytes = keys_.data() + key_at;
      const size_t wanted = rest.size() - matched;
      const size_t size = std::min(static_cast<size_t>(length), wanted);
      const size_t equal = EqualBytes(bytes, rest.data() + matched, size, before + matched);
      if (equal == size) {
        if (length > wanted) break;
        if (length == wanted) {
          position->equal = Trailer(slot) <= trailer;
          if (position->equal) break;
          position->same_key = true;
        }
      } else if (Byte(bytes + equal) > Byte(rest.data() + matched + equal)) {
        break;
      }
      matched += equal;
    }
    key_at += length;
    value_at += ValueBytes(slot);
  }
  // Newer versions are followed by the end of the interval, or by what settles the question.
  position->same_key = position->same_key && index == end;
  position->index = index;
  position->value_at = value_at;
  return true;
}

bool Block::Search(Slice rest, size_t before, uint64_t trailer, Position* position) const {
  uint32_t restart;
  if (!FindRestart(rest, trailer, &restart) ||
      !ScanInterval(restart, rest, before, trailer, position)) {
    return false;
  }
  if (!position->equal && position->index == IntervalEnd(restart) &&
      position->index < entry_count_) {
    // The next restart is the place. It is after the one sought, perhaps an older version of its
    // key.
    Slice next;
    if (!RestartRest(restart + 1, &next)) return false;
    position->equal = next == rest;
  }
  return true;
}

Block::Found Block::Fill(const Position& position, BlockEntry* entry) const {
  const char* slot = SlotAt(position.index);
  const uint64_t value_bytes = ValueBytes(slot);
  const auto kind = static_cast<uint8_t>(slot[kind_at_]);
  if (position.value_at > values_.size() || value_bytes > values_.size() - position.value_at ||
      !IsPointKind(kind)) {
    return Found::kDamaged;
  }
  entry->trailer = Trailer(slot);
  entry->expires_at = ExpiresAt(slot);
  entry->value =
      values_.substr(static_cast<size_t>(position.value_at), static_cast<size_t>(value_bytes));
  return Found::kYes;
}

Block::Found Block::FindByTag(
    Slice rest, size_t before, uint64_t hash, uint64_t trailer, BlockEntry* entry) const {
  const uint8_t tag = TagOf(hash);
  uint32_t scanned = UINT32_MAX;
  for (uint32_t i = 0; i < entry_count_; i += 64) {
    uint64_t matches = EqualTags(tags_ + i, std::min<uint32_t>(entry_count_ - i, 64), tag);
    for (; matches != 0; matches &= matches - 1) {
      const uint32_t index = i + static_cast<uint32_t>(std::countr_zero(matches));
      const uint32_t restart = index >> restart_shift_;
      if (restart == scanned) continue;
      scanned = restart;
      Position position;
      if (!ScanInterval(restart, rest, before, trailer, &position)) return Found::kDamaged;
      if (position.same_key) {
        // Its versions go on in the next interval.
        if (!Search(rest, before, trailer, &position)) return Found::kDamaged;
        return position.equal ? Fill(position, entry) : Found::kNo;
      }
      if (position.equal) return Fill(position, entry);
    }
  }
  return Found::kNo;
}

Block::Found Block::Find(Slice key, uint64_t hash, uint64_t trailer, BlockEntry* entry) const {
  if (!key.starts_with(prefix_)) return Found::kNo;
  const size_t before = prefix_.size();
  const Slice rest = key.substr(before);
  if (tags_ != nullptr) return FindByTag(rest, before, hash, trailer, entry);
  Position position;
  if (!Search(rest, before, trailer, &position)) return Found::kDamaged;
  return position.equal ? Fill(position, entry) : Found::kNo;
}

bool Block::LowerBound(Slice key, uint64_t trailer, uint32_t* index) const {
  if (!key.starts_with(prefix_)) {
    *index = key < prefix_ ? 0 : entry_count_;
    return true;
  }
  Position position;
  if (!Search(key.substr(prefix_.size()), prefix_.size(), trailer, &position)) return false;
  *index = position.index;
  return true;
}

const char* Block::Verify() const {
  for (size_t i = 0; i < kBlockSlackBytes; ++i) {
    if (values_.data()[values_.size() + i] != 0) return "a data block with bytes after its values";
  }
  BlockCursor cursor;
  cursor.Attach(this);
  std::string last;
  uint64_t last_trailer = 0;
  uint64_t key_at = 0;
  uint64_t value_at = 0;
  for (uint32_t i = 0; i < entry_count_; ++i) {
    if (const char* wrong = cursor.MoveTo(i)) return wrong;
    const Slice key = cursor.key();
    if (i > 0 && key::CompareEntries(last, last_trailer, key, cursor.trailer()) >= 0) {
      return "a data block with entries out of order";
    }
    if ((i & ((1U << restart_shift_) - 1)) == 0) {
      const uint32_t restart = i >> restart_shift_;
      if (RestartKeyAt(restart) != key_at || RestartValueAt(restart) != value_at ||
          Head(restart) != key::KeyHead(key.substr(prefix_.size()))) {
        return "a data block with wrong restarts";
      }
    }
    if (tags_ != nullptr) {
      const uint8_t tag = i > 0 && key == last ? uint8_t{0} : TagOf(base::Hash64(key));
      if (Byte(tags_ + i) != tag) return "a data block with wrong tags";
    }
    if (seq_base_ + Load(SlotAt(i) + kind_at_ + 1, seq_mask_) > key::kMaxSequence) {
      return "a data block with a sequence number beyond the limit";
    }
    key_at += Length(SlotAt(i));
    value_at += cursor.value().size();
    last = key;
    last_trailer = cursor.trailer();
  }
  if (key_at != keys_.size() || value_at != values_.size()) {
    return "a data block with sections longer than its entries";
  }
  return nullptr;
}

}  // namespace nokv::sst
