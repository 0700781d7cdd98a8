#pragma once

// Directory: from a key's hash to its node, by open addressing over 64-bit slots.
//
// A slot is tag << 32 | ref, 0 if empty. The home of a hash is given by its upper half, the tag is
// its lower half; collisions go to the next slot. A lookup mostly reads one cache line, and another
// one only if the tag matches, which for an absent key it does once in four billion slots.
//
// Invariants:
//  1. A slot, once filled, never changes.
//  2. Insert fills the first empty slot of the key's probe sequence: so a key that is present
//  stands before
//     any empty slot, and two inserts of one ref leave one slot.
//  3. At least one slot is empty: the owner counts keys and stays below slot_count * kLoadMax.
//
// Thread-safe, lock-free. release in Insert pairs with acquire in Find: whoever finds a ref sees
// the node.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/arena.h"
#include "base/check.h"

namespace nokv::memtable {

class Directory {
 public:
  using Ref = base::Arena::Ref;
  static constexpr size_t kSlotBytes = 8;

  // How many keys may be kept: three quarters of the slots. Beyond, probes reach a second cache
  // line.
  static constexpr size_t KeysMax(size_t slot_count) { return slot_count / 4 * 3; }

  // `slots` are zeroed, aligned to a cache line, and belong to the owner of this object.
  Directory(char* slots, size_t slot_count)
      : slots_(reinterpret_cast<std::atomic<uint64_t>*>(slots)), slot_count_(slot_count) {}

  void Prefetch(uint64_t hash) const { __builtin_prefetch(&slots_[Home(hash)]); }

  // The ref whose tag matches and for which matches(ref) is true; kNull if there is none, and *slot
  // is where the search ended: a hint for Insert.
  template <typename Matches>
  Ref Find(uint64_t hash, size_t* slot, const Matches& matches) const {
    const auto tag = static_cast<uint32_t>(hash);
    for (size_t at = Home(hash);; at = at + 1 == slot_count_ ? 0 : at + 1) {
      const uint64_t word = slots_[at].load(std::memory_order_acquire);
      if (word == 0) {
        *slot = at;
        return base::Arena::kNull;
      }
      if (word >> 32 == tag && matches(static_cast<Ref>(word))) return static_cast<Ref>(word);
    }
  }

  // Makes `ref` findable, if it is not yet. `slot` is from a Find of the same key that failed.
  void Insert(uint64_t hash, size_t slot, Ref ref) {
    const uint64_t desired = hash << 32 | ref;
    for (size_t tried = 0; tried < slot_count_; ++tried) {
      uint64_t word = 0;
      if (slots_[slot].compare_exchange_strong(word, desired, std::memory_order_release,
                                               std::memory_order_relaxed) ||
          word == desired) {
        return;
      }
      slot = slot + 1 == slot_count_ ? 0 : slot + 1;
    }
    NOKV_CHECK(false);  // (3)
  }

 private:
  size_t Home(uint64_t hash) const {
    return static_cast<size_t>(((hash >> 32) * slot_count_) >> 32);
  }

  std::atomic<uint64_t>* const slots_;
  const size_t slot_count_;
};

}  // namespace nokv::memtable
