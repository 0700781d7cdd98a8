#pragma once

// SkipList: the nodes of a memtable in key order.
//
// The structure is W. Pugh, "Skip lists: a probabilistic alternative to balanced trees" (1990),
// grown only, so that an insert needs one compare-and-swap per level and a search nothing but
// loads. What is not in the paper, all of it to touch fewer cache lines:
//   - a link carries the head of the node it leads to (node.h), so a search touches only the nodes
//   that
//     it moves to and those whose head equals its own;
//   - a node is not compared with again on the level below;
//   - a search starts near its key (fingers.h).
// Heads are learned from the first keys (key_heads.h). Links made before that carry none, and a
// search compares the key instead; Learn fills them in.
//
// Invariants:
//  1. The list of each level is in strictly ascending key order. A node enters level 0, then 1, and
//  so on:
//     so whatever is found on one level is in the levels below.
//  2. A node is in level 0 once, and no other node has its key.
//  3. A link's head is kUnknown or that of the key of the node it leads to.
//
// Thread-safe, lock-free, except that Learn is called once. release in every store of a link pairs
// with acquire in every load.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "nokv/slice.h"

#include "memtable/fingers.h"
#include "memtable/key_heads.h"
#include "memtable/node.h"

namespace nokv::memtable {

class SkipList {
 public:
  // The bytes that the list needs for its beginning, which is a node without key.
  static constexpr size_t kHeadBytes = Node::BytesFor(0, kHeightMax);

  // `base` is what refs count from; `head` has kHeadBytes, aligned to 8; `fingers` has finger_count
  // slots, zeroed. They belong to the owner of this object.
  SkipList(char* base, char* head, char* fingers, size_t finger_count);
  SkipList(const SkipList&) = delete;
  SkipList& operator=(const SkipList&) = delete;

  // Links the node at `ref`, which nobody else knows yet and whose newest version is in place. If
  // its key is there already, the node that has it is returned and the new one stays out; else 0.
  Ref Insert(Ref ref);

  // The first node with a key at or after `key`; nullptr if there is none.
  Node* FindAtOrAfter(Slice key) const;
  // The last node with a key before `key` and a height above `level`; nullptr if there is none.
  Node* FindBefore(Slice key, uint32_t level) const;
  Node* First() const { return Next(head_); }
  Node* Last() const;
  Node* Next(const Node* node) const {
    return At(LinkRef(node->link(0).load(std::memory_order_acquire)));
  }

  // Learns heads from the keys that are there and gives them to the links. REQUIRES: called once,
  // by one thread; others may insert and search meanwhile.
  void Learn();

 private:
  // What a search looks for.
  struct Target {
    Slice key;
    uint32_t head;
  };

  Node* At(Ref ref) const { return ref == 0 ? nullptr : base::Arena::Resolve<Node>(base_, ref); }
  Target TargetFor(Slice key) const {
    // acquire: pairs with the release in Learn.
    const KeyHeads* heads = heads_.load(std::memory_order_acquire);
    return {key, heads == nullptr ? KeyHeads::kUnknown : heads->Of(key)};
  }
  // Negative, zero or positive as the node that `link` leads to is before, at or after the target.
  int Compare(Link link, const Target& target) const;
  // A node before the target on level *height - 1, for a search that needs the levels below
  // `needed`.
  Node* Start(const Target& target, uint32_t needed, uint32_t* height) const;
  // Moves *before along `level` to the last node before the target; *link is that node's link then.
  // Links that lead to `bound` are known not to lead before it. True if the link leads to the
  // target itself.
  bool Advance(const Target& target, uint32_t level, Ref bound, Node** before, Link* link) const;

  char* const base_;
  Node* const head_;
  std::atomic<const KeyHeads*> heads_{nullptr};  // null, then &learned_
  std::atomic<uint32_t> height_{1};              // levels in use; may lag behind
  Fingers fingers_;                              // used by those who found heads_ not null
  KeyHeads learned_;                             // written by Learn before heads_ points to it
};

}  // namespace nokv::memtable
