#pragma once

// The index of a table: which data block holds the place of an entry.
//
//   index block payload := block_count:varint32   data block*
//   data block := stored_bytes:varint64                           of payload and trailer
//                 [shared:varint32   length:varint32   bytes   place]   not for the first one
//   place      := 0:u8  |  1:u8 trailer:fixed64
//
// Data blocks follow each other from offset 0 on, so lengths give the offsets. Between two blocks
// stands a fence, an entry's place that need not be an entry: everything in earlier blocks is
// before it, everything in later ones at or after it. A fence is a key and a trailer, and sorts
// like an entry. Usually the two blocks have different keys at the border: the fence is the
// shortest beginning of the right-hand key that is greater than the left-hand key, and its place is
// 0, before all versions. Where the versions of one key go on in the next block, the fence is that
// key with the trailer of the last entry before it, less 1. The key of a fence is the first
// `shared` bytes of the fence before it (the first one: nothing) followed by `bytes`. The layout is
// permanent.
//
// So the block that a fence search yields for (key, trailer) is the only one that can hold the
// newest version of key at or below that trailer: a point read never looks into two.
//
// In memory a search looks at 8-byte heads, taken after the prefix that all fences share, and at
// key bytes only where heads are equal. The heads form a static B+ tree without pointers, searched
// without a branch. Inner nodes are one cache line; leaves are four, and hold the offsets of the
// blocks next to the heads. The inner nodes, 8 bytes per 16 blocks, stay in the processor's caches
// where the leaves of many tables do not: a cold search waits for memory once. And it is as fast
// for numbers in text, which crowd in small parts of the range of heads, as for random bytes.
//
// Source: S. Slotin, "Algorithms for Modern Hardware" (2022), "Static B-Trees", S+ trees.
//
// IndexBuilder: confined to one thread. Index: thread-safe, immutable.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "nokv/slice.h"

#include "base/page_allocator.h"
#include "key/entry.h"
#include "sst/format.h"

namespace nokv::sst {

class IndexBuilder {
 public:
  // A border between two data blocks: the last entry of the left one, the first entry of the right
  // one and the length of their common prefix.
  struct Border {
    Slice last_key;
    uint64_t last_trailer;
    Slice next_key;
    size_t shared;
  };

  // REQUIRES: called once between any two calls of AddBlock.
  void AddBorder(const Border& border);
  void AddBlock(uint64_t stored_bytes);

  size_t EstimatedBytes() const { return body_.size() + 16; }
  uint32_t block_count() const { return block_count_; }
  // Appends the payload.
  void Finish(std::string* out) const;

 private:
  std::string body_;
  std::string last_fence_;
  std::string border_;  // the coded fence that goes before the next block's
  uint32_t block_count_ = 0;
};

class alignas(64) Index {
 public:
  Index() = default;

  // Decodes a payload; the data blocks must fill [0, data_end). Returns nullptr, or what is wrong.
  const char* Decode(Slice payload, uint64_t data_end);

  uint32_t block_count() const { return block_count_; }
  // REQUIRES: i < block_count().
  BlockHandle block(uint32_t i) const {
    const uint64_t begin = i == 0 ? 0 : Begin(i - 1);
    const uint64_t end = i + 1 == block_count_ ? data_end_ : Begin(i);
    return {begin, end - begin - kTrailerBytes};
  }
  // The block where (key, trailer) has its place. REQUIRES: block_count() > 0.
  uint32_t Find(Slice key, uint64_t trailer) const;
  // The fence in front of block i. REQUIRES: i > 0.
  std::string FenceKey(uint32_t i) const { return prefix_ + std::string(Rest(i - 1)); }
  uint64_t FenceTrailer(uint32_t i) const {
    return trailers_.empty() ? UINT64_MAX : trailers_[i - 1];
  }

  size_t memory_bytes() const;

 private:
  struct Decoded;
  static constexpr size_t kNodeHeads = 8;
  static constexpr size_t kLeafFences = 16;
  static constexpr size_t kLevelsMax = 10;  // of inner nodes; enough for 2^32 blocks
  struct alignas(64) Node {
    uint64_t heads[kNodeHeads];
  };
  struct alignas(64) Leaf {
    uint64_t heads[kLeafFences];
    uint64_t begins[kLeafFences];  // where the blocks behind the fences begin
  };
  static_assert(sizeof(Node) == 64);
  static_assert(sizeof(Leaf) == 256);

  size_t fence_count() const { return block_count_ - 1; }
  uint64_t Head(size_t fence) const {
    return leaves_[fence / kLeafFences].heads[fence % kLeafFences];
  }
  uint64_t Begin(size_t fence) const {
    return leaves_[fence / kLeafFences].begins[fence % kLeafFences];
  }
  Slice Rest(size_t fence) const {
    return {rests_.data() + rest_at_[fence], rest_at_[fence + 1] - rest_at_[fence]};
  }
  void Pin(const Decoded& fences);
  void BuildTree();
  // How many heads are less than `head`.
  size_t HeadsBelow(uint64_t head) const;

  // What every search touches comes first: two cache lines.
  std::string prefix_;  // common to all fences
  // Fence i stands in front of block i + 1. Heads beyond the last are UINT64_MAX, which is below
  // nothing.
  base::PageVector<Leaf> leaves_;
  // The inner nodes, level by level from the root down. Node k of a level has the children 9k to 9k
  // + 8 of the next; its heads are the first heads of all but the first of them.
  base::PageVector<Node> nodes_;
  uint32_t level_begin_[kLevelsMax] = {};  // in nodes_; [0] is the level above the leaves
  uint32_t level_count_ = 0;
  uint32_t block_count_ = 0;

  uint64_t data_end_ = 0;
  base::PageVector<uint32_t> rest_at_;  // where a fence's rest, what follows the prefix, begins in
                                        // rests_; one more for the end
  base::PageVector<char> rests_;
  base::PageVector<uint64_t> trailers_;  // of the fences; empty if all are UINT64_MAX, which is the rule
};

}  // namespace nokv::sst
