#pragma once

// Entry: the header of a frame, in front of the block's bytes; and EntryQueue, a list of entries.
//
// Who may touch what: readers under a guard read key, size and data (constant once the entry is
// published in the table), mark `hits`, and count pins. The rest belongs to the shard's mutex while
// the entry is in the cache, and to the one who holds the entry before and after.
//
// `refs` is 2 per handle plus 1 for the cache. The cache's share is given back only after the grace
// period that follows the eviction, so a reader under a guard may always add a pin to what it
// found. Whoever brings `refs` to 0 returns the frame.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "cache/block_cache.h"

namespace nokv::cache {

// Which queue of the eviction policy an entry is in.
enum class QueueName : uint8_t { kNone = 0, kWindow = 1, kProbation = 2, kProtected = 3 };

struct alignas(64) Entry {
  static constexpr uint32_t kCacheRef = 1;
  static constexpr uint32_t kPinRef = 2;
  // Hits that count between two looks of the policy: enough to tell warm from hot, and few enough
  // that hot blocks are soon read without a store.
  static constexpr uint8_t kHitsMax = 3;

  BlockKey key;
  uint32_t size;          // of the block's bytes
  uint32_t weight_units;  // of the frame, in kFrameUnit
  std::atomic<uint32_t> refs;
  std::atomic<uint8_t> hits;  // since the policy last looked, at most kHitsMax
  QueueName queue;
  uint16_t pool;  // where the frame came from
  Entry* queue_prev;
  Entry* queue_next;  // once it has left the cache: the next in a list of victims
  union {
    Entry* file_prev;   // the shard's blocks of the same file
    BlockCache* owner;  // once it has left the cache
  };
  Entry* file_next;

  static constexpr size_t kFrameUnit = 256;

  char* data() { return reinterpret_cast<char*>(this + 1); }
  const char* data() const { return reinterpret_cast<const char*>(this + 1); }
  Slice block() const { return {data(), size}; }
  size_t weight() const { return size_t{weight_units} * kFrameUnit; }
  bool pinned() const { return refs.load(std::memory_order_relaxed) >= kPinRef; }

  // Two threads may both store the same count: a hit lost, no harm.
  void Touch() {
    const uint8_t count = hits.load(std::memory_order_relaxed);
    if (count < kHitsMax) hits.store(static_cast<uint8_t>(count + 1), std::memory_order_relaxed);
  }
};
static_assert(sizeof(Entry) == 64, "a header is one cache line, and the data behind it aligned");

// A double-linked list through queue_prev and queue_next, oldest first. Externally synchronised.
class EntryQueue {
 public:
  explicit EntryQueue(QueueName name) : name_(name) {}

  QueueName name() const { return name_; }
  Entry* oldest() const { return head_; }
  size_t bytes() const { return bytes_; }
  size_t count() const { return count_; }

  void Append(Entry* entry) {
    NOKV_DCHECK(entry->queue == QueueName::kNone);
    entry->queue = name_;
    entry->queue_prev = tail_;
    entry->queue_next = nullptr;
    (tail_ != nullptr ? tail_->queue_next : head_) = entry;
    tail_ = entry;
    bytes_ += entry->weight();
    ++count_;
  }

  void Remove(Entry* entry) {
    NOKV_DCHECK(entry->queue == name_);
    (entry->queue_prev != nullptr ? entry->queue_prev->queue_next : head_) = entry->queue_next;
    (entry->queue_next != nullptr ? entry->queue_next->queue_prev : tail_) = entry->queue_prev;
    entry->queue = QueueName::kNone;
    bytes_ -= entry->weight();
    --count_;
  }

  void MoveToNewest(Entry* entry) {
    Remove(entry);
    Append(entry);
  }

 private:
  const QueueName name_;
  Entry* head_ = nullptr;
  Entry* tail_ = nullptr;
  size_t bytes_ = 0;
  size_t count_ = 0;
};

}  // namespace nokv::cache
