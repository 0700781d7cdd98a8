#pragma once

// The data block: some entries in order, made for point reads, seeks and scans in both directions
// without decoding what is not asked for.
//
//   data block payload (offsets in bytes; every number little-endian; PERMANENT)
//    0  entry_count     fixed32   n, at least 1
//    4  prefix_bytes    fixed32   of the prefix that all keys share
//    8  key_bytes       fixed32   of the keys section
//   12  flags           u8        bit 0: the tags section exists; the others 0
//   13  restart_shift   u8        a restart every 1 << restart_shift entries, at most 7
//   14  length_width    u8        this and the next five: widths in bytes of the fields of the
//   15  seq_width       u8        same names below; a field of width 0 is 0. At most 4, but for
//   16  expiry_width    u8        seq (7) and expiry (8).
//   17  value_width     u8
//   18  key_at_width    u8
//   19  value_at_width  u8
//   20  value_base      fixed32   the shortest value
//   24  seq_base        fixed64   the smallest sequence number
//   32  expiry_base     fixed64   the earliest expiry, less 1; 0 if nothing expires
//   40  tags            u8[n]                only if the flag says so
//       heads           fixed64[restarts]    restarts = ceil(n / (1 << restart_shift))
//       restarts        { key_at, value_at }[restarts]
//       prefix          prefix_bytes
//       slots           slot[n]
//       keys            key_bytes
//       values          up to 8 bytes before the end
//       zeros           8 bytes, so that a load of 8 bytes at any field stays in the block
//
//   slot := shared:length_width  length:length_width  kind:u8  seq:seq_width  expiry:expiry_width
//           value:value_width
//
//   prefix    Every key begins with it; what follows it is the key's rest. All of the below
//             speak of rests.
//   slot i    The rest of entry i is the first `shared` bytes of the rest of entry i - 1,
//             followed by the next `length` bytes of the keys section. At a restart `shared` is
//             0. The sequence number is seq_base + seq; the length of the value value_base +
//             value; the expiry expiry_base + expiry or, if that field is 0, never. kind is a
//             key::Kind. The values section holds the values one after the other.
//   restarts  key_at and value_at say where the bytes of the restart's entry begin in their
//             sections. Its head is the first 8 bytes of its rest as a big-endian number, padded
//             with zeros (key::KeyHead): unequal heads decide an order without touching the
//             keys.
//   tags      The hash index. The tag of an entry is TagOf(Hash64 of the whole key), never 0; or
//             0 if the entry before it in the block has the same key. A point read compares its
//             tag with all of them, 16 at a time, and looks only into the intervals where one is
//             equal: in a block of 40 entries that is the right interval at once in 6 of 7
//             reads, and nothing at all for 6 of 7 absent keys. Blocks of many entries have no
//             tags: there the binary search over heads is cheaper than looking through them.
//
// Slots have one size within a block: fields are read by one load and a mask, without a loop and
// without a branch, and slots of entries that a search passes by are the only bytes of theirs it
// touches.
//
// Invariants (the builder keeps them; readers check whatever memory safety or an answer depends
// on):
//  1. entries are strictly ascending in the order of entries (key/entry.h).
//  2. sections lie in the order above and fill the payload exactly.
//  3. readers return "what is wrong" on bytes that break a rule, and never touch a byte outside.
//
// BlockBuilder and BlockCursor: confined to one thread. Block: thread-safe, a view of borrowed
// bytes.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "nokv/slice.h"

#include "base/coding.h"
#include "key/entry.h"

namespace nokv::sst {

inline constexpr size_t kBlockHeaderBytes = 40;
inline constexpr size_t kBlockSlackBytes = 8;
inline constexpr uint8_t kBlockHasTags = 1;
inline constexpr uint8_t kRestartShiftMax = 7;
// Blocks of more entries are built without tags.
inline constexpr size_t kTaggedEntriesMax = 128;

inline uint8_t TagOf(uint64_t hash) {
  const auto low = static_cast<uint8_t>(hash);
  return low == 0 ? 0xff : low;
}

// What the kind of an entry in a data block may be.
inline bool IsPointKind(uint8_t kind) {
  return kind <= key::kKindMax && kind != static_cast<uint8_t>(key::Kind::kRangeDelete);
}

// Bytes at the beginning that a and b have in common.
size_t CommonPrefixLength(Slice a, Slice b);

class BlockBuilder {
 public:
  // `restart_interval` is rounded up to a power of two, at most 1 << kRestartShiftMax.
  explicit BlockBuilder(size_t restart_interval);

  // `shared` is the length of the common prefix of entry.key and the key added before it, which may
  // be in an earlier block. REQUIRES: entry is after the one before it.
  void Add(const key::Entry& entry, uint64_t hash, size_t shared);

  bool empty() const { return slots_.empty(); }
  size_t entry_count() const { return slots_.size(); }
  // About what Finish will give.
  size_t EstimatedBytes() const {
    return kBlockHeaderBytes + keys_.size() + values_.size() + slots_.size() * kSlotEstimate +
           kBlockSlackBytes;
  }
  // Replaces *payload by the finished block, and begins the next one. REQUIRES: !empty().
  void Finish(std::string* payload);

 private:
  struct Slot {
    uint32_t shared;  // of the whole key; 0 at a restart, whose whole key is kept
    uint32_t length;
    uint32_t value_bytes;
    uint8_t tag;
    uint64_t trailer;
    uint64_t expires_at;
  };
  struct Layout;

  // A tag, a share of a restart, and a slot with one-byte lengths and a few bytes of sequence
  // number.
  static constexpr size_t kSlotEstimate = 9;

  bool IsRestart(size_t i) const { return (i & ((size_t{1} << restart_shift_) - 1)) == 0; }
  Layout PlanLayout() const;
  void AppendHeader(const Layout& layout, std::string* out) const;
  void AppendRestarts(const Layout& layout, std::string* out) const;
  void AppendSlots(const Layout& layout, std::string* out) const;
  void AppendKeys(const Layout& layout, std::string* out) const;

  const uint8_t restart_shift_;
  std::vector<Slot> slots_;
  std::string keys_;  // of every slot: `length` bytes
  std::string values_;
  size_t prefix_bytes_ = 0;  // common to all keys so far
  size_t last_key_bytes_ = 0;
};

// What a search or a cursor says of an entry. The slices point into the block.
struct BlockEntry {
  uint64_t trailer = 0;
  uint64_t expires_at = 0;
  Slice value;
};

class Block {
 public:
  enum class Found : uint8_t { kNo, kYes, kDamaged };

  // Views nothing; only Parse may follow.
  Block() = default;

  // Views `payload`, which must outlive the view. Returns nullptr, or what is wrong.
  const char* Parse(Slice payload);

  // Fetches the part of a block that a search reads before it knows where the entry is: for small
  // entries all that stands before the values. Overlaps misses that would follow each other.
  static void Prefetch(Slice payload) {
    constexpr size_t kSearchedBytes = 448;
    for (size_t at = 0; at < kSearchedBytes; at += 64)
      __builtin_prefetch(payload.data() + at);
  }

  uint32_t entry_count() const { return entry_count_; }

  // The first entry with this key and a trailer of at most `trailer`. `hash` is Hash64(key).
  Found Find(Slice key, uint64_t hash, uint64_t trailer, BlockEntry* entry) const;

  // The index of the first entry at or after (key, trailer); entry_count() if there is none. False
  // if damage is met.
  bool LowerBound(Slice key, uint64_t trailer, uint32_t* index) const;

  // Looks at every byte: decodes all entries and checks what the format promises and readers do not
  // ask for. Returns nullptr, or what is wrong.
  const char* Verify() const;

 private:
  friend class BlockCursor;

  // A place in the block that a scan arrived at.
  struct Position {
    uint32_t index = 0;
    bool equal = false;     // the entry there has the key sought
    bool same_key = false;  // not arrived: the interval ended with newer versions of the key sought
    uint64_t value_at = 0;  // where its value begins
  };

  static uint64_t Load(const char* at, uint64_t mask) { return base::DecodeFixed64(at) & mask; }
  const char* SlotAt(uint32_t index) const {
    return slots_ + static_cast<size_t>(index) * slot_bytes_;
  }
  uint64_t Shared(const char* slot) const { return Load(slot, length_mask_); }
  uint64_t Length(const char* slot) const { return Load(slot + length_width_, length_mask_); }
  uint64_t Trailer(const char* slot) const {
    const auto kind = static_cast<uint8_t>(slot[kind_at_]);
    return (seq_base_ + Load(slot + kind_at_ + 1, seq_mask_)) << 8 | kind;
  }
  uint64_t ExpiresAt(const char* slot) const {
    const uint64_t expiry = Load(slot + expiry_at_, expiry_mask_);
    return expiry == 0 ? 0 : expiry_base_ + expiry;
  }
  uint64_t ValueBytes(const char* slot) const {
    return value_base_ + Load(slot + value_at_, value_mask_);
  }
  uint64_t Head(uint32_t restart) const { return base::DecodeFixed64(heads_ + 8UL * restart); }
  // How many heads are less than `head`.
  uint32_t HeadsBelow(uint64_t head) const;
  uint64_t RestartKeyAt(uint32_t restart) const {
    return Load(restarts_ + restart * restart_bytes_, key_at_mask_);
  }
  uint64_t RestartValueAt(uint32_t restart) const {
    return Load(restarts_ + restart * restart_bytes_ + key_at_width_, value_at_mask_);
  }
  uint32_t IntervalEnd(uint32_t restart) const {
    const uint64_t end = (uint64_t{restart} + 1) << restart_shift_;
    return end < entry_count_ ? static_cast<uint32_t>(end) : entry_count_;
  }

  // The rest of a restart's key; false if damaged.
  bool RestartRest(uint32_t restart, Slice* rest) const;
  // The last restart at or before (rest, trailer), or the first one. False if damaged.
  bool FindRestart(Slice rest, uint64_t trailer, uint32_t* restart) const;
  // The first entry of the interval at or after (rest, trailer), or the interval's end. `before` is
  // how many readable bytes stand before rest. False if damaged.
  bool ScanInterval(
      uint32_t restart, Slice rest, size_t before, uint64_t trailer, Position* position) const;
  bool Search(Slice rest, size_t before, uint64_t trailer, Position* position) const;
  Found Fill(const Position& position, BlockEntry* entry) const;
  Found FindByTag(
      Slice rest, size_t before, uint64_t hash, uint64_t trailer, BlockEntry* entry) const;

  // Set by Parse. Without initialisers: zeroing them first takes longer than parsing.
  uint32_t entry_count_;
  uint32_t restart_count_;
  uint8_t restart_shift_;
  uint8_t length_width_;
  uint8_t key_at_width_;
  uint8_t kind_at_;
  uint8_t expiry_at_;
  uint8_t value_at_;
  uint32_t slot_bytes_;
  uint32_t restart_bytes_;
  uint64_t length_mask_;
  uint64_t seq_mask_;
  uint64_t expiry_mask_;
  uint64_t value_mask_;
  uint64_t key_at_mask_;
  uint64_t value_at_mask_;
  uint64_t seq_base_;
  uint64_t expiry_base_;
  uint64_t value_base_;
  const char* tags_;  // null if the block has none
  const char* heads_;
  const char* restarts_;
  const char* slots_;
  const char* end_;  // of the payload
  Slice prefix_;
  Slice keys_;
  Slice values_;
};

// Walks a block. Keys are put together one restart interval at a time, so a step in either
// direction is an increment most of the time and costs the same on average.
class BlockCursor {
 public:
  // Not at an entry afterwards. `block` must outlive its use here.
  void Attach(const Block* block) {
    block_ = block;
    at_ = begin_ = end_ = 0;
  }
  bool Valid() const { return at_ < end_; }

  // To an entry. Returns nullptr, or what is wrong; then not at an entry. REQUIRES: index <
  // entry_count().
  const char* MoveTo(uint32_t index) {
    if (index >= begin_ && index < end_) [[likely]] {
      at_ = index;
      return nullptr;
    }
    return LoadInterval(index);
  }

  // REQUIRES for the rest: Valid().
  uint32_t index() const { return at_; }
  Slice key() const { return {buffer_.get() + item().key_at, item().key_bytes}; }
  uint64_t trailer() const { return item().trailer; }
  uint64_t expires_at() const { return item().expires_at; }
  Slice value() const { return {block_->values_.data() + item().value_at, item().value_bytes}; }

 private:
  struct Item {
    uint32_t key_at;  // in buffer_
    uint32_t key_bytes;
    uint32_t value_at;  // in the values section
    uint32_t value_bytes;
    uint64_t trailer;
    uint64_t expires_at;
  };
  static_assert(sizeof(Item) == 32);

  const Item& item() const { return items_[at_ - begin_]; }
  const char* LoadInterval(uint32_t index);
  void Reserve(size_t bytes, size_t used);
  void PutKey(size_t used, size_t last_bytes, size_t kept, Slice tail);

  const Block* block_ = nullptr;
  uint32_t at_ = 0;
  uint32_t begin_ = 0;  // the interval whose entries are in items_
  uint32_t end_ = 0;
  std::vector<Item> items_;
  std::unique_ptr<char[]> buffer_;  // the keys of the items, one after the other
  size_t capacity_ = 0;
};

}  // namespace nokv::sst
