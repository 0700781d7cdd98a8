#pragma once

// Fingers: shortcuts into the skip list, by head.
//
// The range of heads is cut into equal buckets, and each bucket remembers one node in it: the last
// tall one. A search starts from the bucket before its key's, a few nodes away, and not at the top
// of the list: the upper levels are many small steps, and the middle ones a cache miss each. Heads
// of keys like those that were learned from spread evenly; where they do not, buckets are crowded
// or empty, and the search starts at the top after all.
//
// Invariants:
//  1. A finger is 0 or leads to a node that is linked on all levels below kHeight and whose head
//  falls
//     into its bucket.
//  2. So it stands before every key whose head falls into a later bucket.
//
// Thread-safe, lock-free, once Scale has been called and what it wrote published. release in Enter
// pairs with acquire in Before.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/arena.h"

namespace nokv::memtable {

class Fingers {
 public:
  using Ref = base::Arena::Ref;
  static constexpr size_t kSlotBytes = sizeof(Ref);
  // Only nodes of this height or more are remembered, one in four: lower ones would be closer, but
  // more inserts would write, and taller new nodes, which need the levels above, could not start
  // here.
  static constexpr uint32_t kHeight = 3;

  // `slots` are zeroed and belong to the owner of this object.
  Fingers(char* slots, size_t count)
      : slots_(reinterpret_cast<std::atomic<Ref>*>(slots)), count_(count) {}

  // Spreads the buckets over the heads below `head_bound`; larger ones fall into the last bucket.
  void Scale(uint32_t head_bound) {
    head_bound_ = head_bound;
    scale_ = (uint64_t{count_} << 32) / head_bound;
  }

  // A node before every key with this head, and near it; 0 if none is known.
  Ref Before(uint32_t head) const {
    size_t bucket = Bucket(head);
    for (int tried = 0; tried < kBucketsTried && bucket > 0; ++tried) {
      const Ref ref = slots_[--bucket].load(std::memory_order_acquire);
      if (ref != 0) return ref;
    }
    return 0;
  }

  // Remembers the node at `ref`, which has this head, unless is_before(ref, remembered).
  template <typename IsBefore>
  void Enter(uint32_t head, Ref ref, const IsBefore& is_before) {
    std::atomic<Ref>& slot = slots_[Bucket(head)];
    Ref remembered = slot.load(std::memory_order_acquire);
    while (remembered == 0 || !is_before(ref, remembered)) {
      if (slot.compare_exchange_weak(remembered, ref, std::memory_order_release,
                                     std::memory_order_acquire)) {
        return;
      }
    }
  }

 private:
  static constexpr int kBucketsTried = 8;

  size_t Bucket(uint32_t head) const {
    return static_cast<size_t>((std::min(head, head_bound_ - 1) * scale_) >> 32);
  }

  std::atomic<Ref>* const slots_;
  const size_t count_;
  uint32_t head_bound_ = 1;
  uint64_t scale_ = 0;
};

}  // namespace nokv::memtable
