#pragma once

// EvictionPolicy: which blocks of a shard stay. W-TinyLFU over queues that a hit does not touch.
//
//                                         admitted                  not used
//   new block --> window --oldest--> [admission] --> probation --oldest------> out
//                 (1 % to 80 %)       |     ^         |      ^
//                                     out   |    used |      | oldest, not used
//                                           |         v      |
//                                      kLow blocks   protected (80 % of what is not window)
//
// Every queue is a FIFO. A hit only counts in the entry (Entry::Touch, at most 3); the policy
// "harvests" that count into the frequency sketch when an entry reaches the old end of its queue,
// and then moves it: a used entry of the window or of protected gets another round, a used one of
// probation is promoted. So queues change only under the shard's mutex when something is inserted,
// and a hit costs no lock. The block that leaves the window is admitted if there is room, or if the
// sketch has seen it more often than the oldest of probation, which then leaves instead.
//
// The window's share adapts: blocks declined lately and asked for again are hits that a larger
// window would have had; promotions from probation are hits that a larger window would cost.
// Whichever is more frequent moves the border by 1/256 of the capacity. Skewed popularity keeps the
// window at its least; recency (blocks read again soon, then never) makes it grow until the shard
// is an LRU.
//
// Invariants:
//  1. after each call window.bytes <= window_max, probation.bytes + protected.bytes <= main_max and
//     protected.bytes <= protected_max; window_max + main_max == capacity().
//  2. an entry is in exactly one queue, named by Entry::queue, from Add until it is handed out as a
//     victim or removed.
//  3. the number of entries a call looks at is bounded, however many threads touch them meanwhile:
//     per victim kStepsMax, and as many again for each of these that is promoted.
//
// Source: G. Einziger, R. Friedman, B. Manes, "TinyLFU: A Highly Efficient Cache Admission Policy",
// ACM Transactions on Storage 13(4), 2017, section 4 (W-TinyLFU). Lazy promotion instead of list
// moves on hits: J. Yang et al., "FIFO can be Better than LRU", HotOS 2023. Ghosts as a signal for
// a border: N. Megiddo, D. Modha, "ARC: A Self-Tuning, Low Overhead Replacement Cache", FAST 2003.
// Different sizes: a candidate must beat each victim it needs, one after the other; this and its
// alternatives are in G. Einziger, O. Eytan, R. Friedman, B. Manes, "Lightweight Robust Size Aware
// Cache Management", ACM Transactions on Storage 18(3), 2022.
//
// Rejected: a fixed window of 1 % (hit ratio 52 % where the adapted one has 73 %, on accesses to
// the blocks of the last 1,500 accesses); hill climbing on the hit ratio (Einziger et al.,
// "Adaptive Software Cache Management", 2018), which needs hits counted per shard.
//
// Externally synchronised (the shard's mutex), except that threads may touch entries meanwhile.

#include <cstddef>
#include <cstdint>

#include "cache/block_cache.h"
#include "cache/entry.h"
#include "cache/frequency_sketch.h"
#include "cache/ghost_table.h"

namespace nokv::cache {

// Entries that have left the queues, linked through queue_next.
class VictimList {
 public:
  void Push(Entry* entry) {
    NOKV_DCHECK(entry->queue == QueueName::kNone);
    entry->queue_next = first_;
    first_ = entry;
  }
  Entry* Pop() {
    Entry* const entry = first_;
    if (entry != nullptr) first_ = entry->queue_next;
    return entry;
  }

 private:
  Entry* first_ = nullptr;
};

class EvictionPolicy {
 public:
  // `key_count` sizes the sketch: how many blocks the shard may hold.
  EvictionPolicy(size_t capacity_bytes, size_t key_count);

  // Takes the entry in and pushes who must leave for it, perhaps the entry itself. Returns how many
  // of them were declined by admission; the others were evicted. REQUIRES: the entry is in no queue
  // and weighs at most weight_max().
  size_t Add(Entry* entry, BlockCache::Priority priority, VictimList* victims);
  // Takes the entry out. REQUIRES: it is in a queue.
  void Remove(Entry* entry);
  // Changes the capacity and pushes who must leave.
  void SetCapacity(size_t bytes, VictimList* victims);

  size_t capacity() const { return window_max_ + main_max_; }
  size_t window_max() const { return window_max_; }
  size_t used_bytes() const { return window_.bytes() + main_bytes(); }
  // Memory of the sketch and the ghosts.
  size_t index_bytes() const { return sketch_.memory_bytes() + declined_.memory_bytes(); }
  size_t count() const { return window_.count() + probation_.count() + protected_.count(); }
  // The heaviest entry that is taken in at all.
  size_t weight_max() const { return capacity() / 8; }

  // Checks (1) and (2) by walking the queues; for tests.
  void CheckInvariants() const;

 private:
  static constexpr int kStepsMax = 32;
  // The window moves after this many signals, or one per so many entries, by a part of the
  // capacity.
  static constexpr size_t kSignalsMin = 16;
  static constexpr size_t kEntriesPerSignal = 64;
  static constexpr size_t kWindowSteps = 256;

  size_t main_bytes() const { return probation_.bytes() + protected_.bytes(); }
  static size_t WindowMin(size_t capacity_bytes);
  void SetSizes(size_t capacity_bytes, size_t window_bytes);
  void AdaptWindow(VictimList* victims);
  uint32_t Harvest(Entry* entry);
  uint32_t FrequencyOf(const Entry* entry) const;
  bool Admit(Entry* candidate, VictimList* victims);
  Entry* OldestOfWindow();
  Entry* OldestUnused();
  void BoundProtected();
  void TrimMain(VictimList* victims);
  size_t TrimWindow(VictimList* victims);

  FrequencySketch sketch_;
  GhostTable declined_;
  size_t window_max_ = 0;
  size_t main_max_ = 0;
  size_t protected_max_ = 0;
  EntryQueue window_{QueueName::kWindow};
  EntryQueue probation_{QueueName::kProbation};
  EntryQueue protected_{QueueName::kProtected};
  // Signals since the window moved last.
  size_t declined_came_back_ = 0;
  size_t promotions_ = 0;
};

}  // namespace nokv::cache
