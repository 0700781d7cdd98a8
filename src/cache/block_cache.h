#pragma once

// BlockCache: blocks of table files in memory, shared by all readers of a database.
//
// A hit takes no lock, counts no reference and writes at most a byte that says "used": readers are
// protected by their epoch guard. Which blocks stay is decided by W-TinyLFU (eviction_policy.h), so
// that one scan of everything does not push out what is read often. Block memory comes from frames
// of the cache's own regions (frame_pool.h) and is recycled, so that a read needs no malloc.
//
// Invariants:
//  1. the blocks in the cache never weigh more than capacity(); a block weighs its frame, header
//     and rounding included.
//  2. the bytes of a block never change between Insert and the return of its frame, and the frame
//     is not reused while a handle or a guard from before its eviction lives.
//  3. a key leads to the bytes inserted under it, or to nothing. Who inserts the same key twice
//     inserts the same bytes: a block of a file never changes, and file numbers are never reused.
//  4. after EraseFile has returned, a Lookup that begins later finds no block of that file, unless
//     one is inserted later.
//
// Memory beyond the capacity, visible in the statistics: buffers not yet inserted, blocks evicted
// or declined while a handle pins them, and blocks evicted since the oldest living guard began. So
// keep guards short (one operation) and pin what must live longer.
//
// Thread-safe. A Buffer or a Handle belongs to one thread at a time. All of them end before the
// cache does, and the epoch domain and the budget outlive it.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "nokv/slice.h"

#include "base/epoch.h"
#include "base/mutex.h"
#include "cache/memory_budget.h"

namespace nokv::cache {

struct Entry;
class FramePools;
class Shard;
class VictimList;

// Where a block begins: the number of its file, and its offset there.
struct BlockKey {
  uint64_t file;
  uint64_t offset;
  bool operator==(const BlockKey&) const = default;
};

struct CacheStats {
  uint64_t hits = 0;        // lookups that found their block
  uint64_t misses = 0;      // lookups that did not
  uint64_t inserts = 0;     // blocks offered
  uint64_t rejections = 0;  // blocks declined by admission, at once or on leaving the window
  uint64_t evictions = 0;   // blocks that made room for others
  uint64_t erasures = 0;    // blocks of erased files
  size_t entries = 0;       // blocks in the cache
  size_t bytes = 0;         // what they weigh
  size_t capacity_bytes = 0;
  size_t pinned_bytes = 0;    // weight of all blocks that handles pin, in the cache or not
  size_t detached_bytes = 0;  // frames in use by anything but the blocks in the cache
  size_t mapped_bytes = 0;    // memory taken from the system for frames, free ones included
  size_t index_bytes = 0;     // tables, sketches and ghosts; not part of the capacity
};

class BlockCache final : private MemoryBudget::Elastic {
 public:
  struct Options {
    // The most the cache may hold. With a budget, it holds what the budget leaves, up to this.
    size_t capacity_bytes = 64 << 20;
    // What a budget never takes away. At most capacity_bytes.
    size_t min_capacity_bytes = 1 << 20;
    // A power of two; 0 chooses four per processor, fewer when a shard would be under 4 MiB.
    size_t shards = 0;
    base::EpochDomain* epochs = nullptr;
    MemoryBudget* budget = nullptr;  // may be null
    // Called by every look-up that finds nothing, in its thread and guard, without locks; may be empty.
    std::function<void()> on_miss = {};
  };

  // Who asks for the block. kLow is for scans and compaction: such a block does not count as used,
  // and enters the probation queue at most.
  enum class Priority : unsigned char { kNormal, kLow };

  // Memory for one block while it is being filled. Move-only; gives its frame back.
  class Buffer {
   public:
    Buffer() = default;
    Buffer(Buffer&& other) noexcept
        : cache_(other.cache_),
          entry_(std::exchange(other.entry_, nullptr)),
          data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)) {}
    Buffer& operator=(Buffer&& other) noexcept {
      if (this != &other) {
        Reset();
        cache_ = other.cache_;
        entry_ = std::exchange(other.entry_, nullptr);
        data_ = std::exchange(other.data_, nullptr);
        size_ = std::exchange(other.size_, 0);
      }
      return *this;
    }
    ~Buffer() { Reset(); }

    char* data() { return data_; }
    const char* data() const { return data_; }
    size_t size() const { return size_; }
    Slice slice() const { return {data_, size_}; }
    // Keeps the first `bytes` bytes: drops a trailer read along with the block.
    // REQUIRES: bytes <= size().
    void Shrink(size_t bytes);
    // Gives the frame back.
    void Reset();

   private:
    friend class BlockCache;
    Buffer(BlockCache* cache, Entry* entry, char* data, size_t size)
        : cache_(cache), entry_(entry), data_(data), size_(size) {}

    BlockCache* cache_ = nullptr;
    Entry* entry_ = nullptr;
    char* data_ = nullptr;
    size_t size_ = 0;
  };

  // Keeps one block alive, in the cache or not. Move-only; empty if there is no block.
  class Handle {
   public:
    Handle() = default;
    Handle(Handle&& other) noexcept
        : cache_(other.cache_),
          entry_(std::exchange(other.entry_, nullptr)),
          block_(std::exchange(other.block_, {})) {}
    Handle& operator=(Handle&& other) noexcept {
      if (this != &other) {
        Reset();
        cache_ = other.cache_;
        entry_ = std::exchange(other.entry_, nullptr);
        block_ = std::exchange(other.block_, {});
      }
      return *this;
    }
    ~Handle() { Reset(); }

    explicit operator bool() const { return entry_ != nullptr; }
    // The bytes of the block, at the same address until the handle is reset.
    Slice block() const { return block_; }
    void Reset();

   private:
    friend class BlockCache;
    Handle(BlockCache* cache, Entry* entry, Slice block)
        : cache_(cache), entry_(entry), block_(block) {}

    BlockCache* cache_ = nullptr;
    Entry* entry_ = nullptr;
    Slice block_;
  };

  static std::unique_ptr<BlockCache> Create(const Options& options);
  // REQUIRES: no buffer or handle is left, and the calling thread holds no guard of the domain.
  ~BlockCache() override;
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  // False if the block is not here; otherwise `*block` is valid as long as the caller's guard.
  // REQUIRES: the caller holds a guard of the epoch domain.
  [[nodiscard]] bool Lookup(const BlockKey& key, Slice* block);
  // Like Lookup, but keeps the block alive beyond any guard, and needs none.
  [[nodiscard]] Handle LookupPinned(const BlockKey& key);

  // Whether the block is here; counts as no use of it. Needs no guard.
  [[nodiscard]] bool Contains(const BlockKey& key) const;

  // Memory for a block of `bytes` bytes, which Insert takes. The bytes are not initialised; the
  // first is aligned to 64. REQUIRES: 0 < bytes <= kBlockBytesMax.
  [[nodiscard]] Buffer Allocate(size_t bytes);
  static constexpr size_t kBlockBytesMax = size_t{3} << 30;

  // Offers a block read from the device, or about to be written to it. The handle is always
  // usable, even if the cache declines to keep the block. If the key is here already, the handle is
  // for the block that is here.
  // REQUIRES: `buffer` is not empty and comes from this cache; the caller holds no lock that a
  // deleter of the epoch domain takes.
  Handle Insert(const BlockKey& key, Buffer&& buffer, Priority priority);

  // The file is gone: forgets its blocks. Takes time in proportion to their number.
  void EraseFile(uint64_t file);

  // Changes the most the cache may hold; evicts before it returns.
  void SetCapacity(size_t bytes);
  // What the cache may hold now: all shards together.
  size_t capacity() const { return capacity_.load(std::memory_order_relaxed); }
  size_t shard_count() const { return shards_.size(); }
  // What the blocks here leave of it. Takes the lock of every shard.
  size_t free_bytes() const;
  // Look-ups so far, found or not.
  uint64_t lookups() const;

  CacheStats stats() const;

  // Checks the invariants of every part; for tests. REQUIRES: nobody else uses the cache.
  void CheckInvariants() const;

 private:
  struct Counters;

  BlockCache(const Options& options, size_t shard_count);

  // MemoryBudget::Elastic.
  void Resize(size_t bytes) override;
  size_t used_bytes() const override;

  Entry* Find(const BlockKey& key);
  Handle Pinned(Entry* entry, uint32_t refs_before);
  void Unpin(Entry* entry);
  void RetireAll(VictimList* victims, bool may_reclaim);
  static void GiveUp(void* entry);
  // The high bits choose. Two shifts, because with one shard it would be one by 64.
  Shard& ShardOf(uint64_t hash) const { return *shards_[(hash >> 1) >> shard_shift_]; }

  // Constant after construction.
  base::EpochDomain* const epochs_;
  MemoryBudget* const budget_;
  const size_t capacity_min_;
  const unsigned shard_shift_;
  const std::function<void()> on_miss_;
  const std::unique_ptr<FramePools> pools_;
  const std::unique_ptr<Counters> counters_;
  std::vector<std::unique_ptr<Shard>> shards_;

  base::Mutex resize_mu_;  // serialises Resize
  std::atomic<size_t> capacity_;
  // Weight of entries that were retired and not yet given up by the cache.
  std::atomic<size_t> retired_bytes_{0};
};

}  // namespace nokv::cache
