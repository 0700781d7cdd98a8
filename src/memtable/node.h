#pragma once

// What lies in a memtable's arena: one Node per distinct key, and its versions.
//
//   Node    := newest:u32 express:u32 key_size:u32 height:u32 | link:u64 * height | key | pad to 8
//   Version := trailer:u64 older:u32 value_size:u31,expires:u1 | [expires_at:u64] | [jump:u64] |
//   value | pad to 8
//
// A key's first version lies right behind its node, in the same block. A link is the head of the
// node it leads to (key_heads.h) in its upper half and that node's ref in the lower, so that a
// search decides most of its steps without touching the node that it compares with; 0 ends a list.
//
// Invariants:
//  1. Node::key, key_size, height and everything in a Version but `older` and `jump` are written
//  before
//     the first store that makes the block reachable, and never again. That store has release
//     order; whoever loads the word that it wrote, with acquire, sees them.
//  2. The chain newest -> older -> ... has strictly descending trailers, grows only, and is never
//  empty.
//  3. The express lane (express -> jump -> ...) leads through a part of the chain's versions, in
//  the chain's
//     order: about one in kExpressInterval, so that a reader of an old snapshot passes the versions
//     of a hot key in strides. A version enters it after it has entered the chain.
//
// Nothing here is ever unlinked or moved.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "nokv/slice.h"

#include "base/arena.h"
#include "base/hash.h"

namespace nokv::memtable {

using Ref = base::Arena::Ref;
using Link = uint64_t;

inline constexpr uint32_t kHeightMax = 20;
inline constexpr uint64_t kExpressInterval = 64;

inline Link MakeLink(uint32_t head, Ref ref) {
  return uint64_t{head} << 32 | ref;
}
inline uint32_t LinkHead(Link link) {
  return static_cast<uint32_t>(link >> 32);
}
inline Ref LinkRef(Link link) {
  return static_cast<Ref>(link);
}

struct Version {
  static constexpr uint32_t kExpires = 1U << 31;
  static constexpr size_t kValueBytesMax = kExpires - 1;

  uint64_t trailer;
  std::atomic<Ref> older;
  uint32_t value_size_and_expires;

  // Whether a version with this trailer has a jump: decided from the trailer alone.
  static bool HasJump(uint64_t trailer) { return base::Mix64(trailer) % kExpressInterval == 0; }
  static size_t BytesFor(uint64_t trailer, bool expires, size_t value_size) {
    return sizeof(Version) + (expires ? 8 : 0) + (HasJump(trailer) ? 8 : 0) + value_size;
  }

  bool expires() const { return (value_size_and_expires & kExpires) != 0; }
  size_t value_size() const { return value_size_and_expires & ~kExpires; }
  char* tail() { return reinterpret_cast<char*>(this + 1); }
  const char* tail() const { return reinterpret_cast<const char*>(this + 1); }

  uint64_t expires_at() const {
    if (!expires()) return 0;
    return *reinterpret_cast<const uint64_t*>(tail());
  }
  // REQUIRES: HasJump(trailer). Guarded by the express lane: plain before the version enters it.
  Ref* jump() { return reinterpret_cast<Ref*>(tail() + (expires() ? 8 : 0)); }
  Slice value() const {
    return {tail() + (expires() ? 8 : 0) + (HasJump(trailer) ? 8 : 0), value_size()};
  }
};
static_assert(sizeof(Version) == 16);

struct Node {
  std::atomic<Ref> newest;
  std::atomic<Ref> express;
  uint32_t key_size;
  uint32_t height;

  // Heights are geometric with p = 1/2, taken from the key's hash: no state, the same in every run.
  // The usual 1/4 saves memory; 1/2 makes a search stop at fewer nodes on the low levels, where
  // each one is a cache miss, and comparisons that do not move are free here.
  static uint32_t HeightFor(uint64_t hash) {
    return 1 + static_cast<uint32_t>(__builtin_ctzll(hash | uint64_t{1} << (kHeightMax - 1)));
  }
  // Up to where the first version begins.
  static constexpr size_t BytesFor(size_t key_size, uint32_t height) {
    return (sizeof(Node) + height * sizeof(Link) + key_size + 7) / 8 * 8;
  }

  std::atomic<Link>& link(uint32_t level) {
    return reinterpret_cast<std::atomic<Link>*>(this + 1)[level];
  }
  const std::atomic<Link>& link(uint32_t level) const {
    return reinterpret_cast<const std::atomic<Link>*>(this + 1)[level];
  }
  char* key_data() { return reinterpret_cast<char*>(this + 1) + height * sizeof(Link); }
  Slice key() const {
    return {reinterpret_cast<const char*>(this + 1) + height * sizeof(Link), key_size};
  }
};
static_assert(sizeof(Node) == 16 && sizeof(std::atomic<Link>) == 8);
static_assert(std::atomic<Link>::is_always_lock_free && std::atomic<Ref>::is_always_lock_free);

}  // namespace nokv::memtable
