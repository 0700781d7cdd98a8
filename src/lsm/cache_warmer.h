#pragma once

// CacheWarmer: what a job wrote replaces in the block cache what it made obsolete.
//
// A flush or a compaction gives keys new blocks. Without this, every key that was answered from memory before would be
// read from the device once more, each by a reader that waits for it. So after a version with new tables is installed:
//  1. blocks of tables that left the tree are forgotten (readers of older versions load them again if they need them);
//  2. of a compaction's output, those blocks are wanted whose keys were in cached or wanted blocks of its input; of a
//     flush, all;
//  3. what is wanted is loaded at once if blocks were looked up between the last two flushes; otherwise it waits for the
//     first reader who misses one (LoadSome). So a database that is only written, as when it is filled, spends neither
//     processor nor memory on it, and a table that is gone before anybody reads costs nothing;
//  4. only as far as there is room: nothing is evicted for a block that nobody has asked for. A later job may make room.
// Tables are written past the page cache, so the bytes come from the device, in large pieces.
//
// An error on the way is left to the reader that needs the block.
//
// Thread-safe.

#include <atomic>
#include <cstdint>
#include <vector>

#include "base/mutex.h"
#include "cache/block_cache.h"
#include "lsm/table.h"

namespace nokv::lsm {

class CacheWarmer {
 public:
  // `cache` outlives the warmer.
  explicit CacheWarmer(cache::BlockCache* cache) : cache_(cache) {}
  CacheWarmer(const CacheWarmer&) = delete;
  CacheWarmer& operator=(const CacheWarmer&) = delete;

  // The job's outputs are installed, and its inputs are in no current version any more.
  void AfterFlush(const std::vector<TableRef>& outputs) NOKV_EXCLUDES(mu_);
  void AfterCompaction(const std::vector<const Table*>& inputs, const std::vector<TableRef>& outputs)
      NOKV_EXCLUDES(mu_);

  // Loads some of what is wanted. False if nothing is, or nothing more has room.
  bool LoadSome() NOKV_EXCLUDES(mu_);
  void Forget() NOKV_EXCLUDES(mu_);

 private:
  // A part of the cache that warming leaves free, so that it never competes with what readers load.
  static constexpr size_t kFreeShare = 32;
  static constexpr size_t kBlockBytes = 4096;  // about
  // A megabyte at a time.
  static constexpr size_t kBlocksAtOnce = 256;

  struct Wanted {
    TableRef table;
    std::vector<uint32_t> blocks;  // ascending
    size_t taken = 0;              // of these, from the front, by LoadSome
  };

  // Is the block of `table` that holds this place cached, or among `wanted_blocks`?
  bool Has(const Table& table, const std::vector<Wanted>& wanted_blocks, Slice key, uint64_t trailer) const;
  // Takes what is wanted of these tables away, to be looked at without the lock: that takes a while, and flushes need it.
  std::vector<Wanted> Take(const std::vector<const Table*>& tables) NOKV_EXCLUDES(mu_);
  void LoadForReaders() NOKV_EXCLUDES(mu_);
  // More than the cache can hold is not worth remembering.
  void DropOldest() NOKV_REQUIRES(mu_);

  cache::BlockCache* const cache_;
  std::atomic<uint64_t> lookups_{0};  // in the cache, until the last flush ended
  std::atomic<bool> readers_{false};  // there were some between the last two flushes
  base::Mutex mu_;
  std::vector<Wanted> wanted_ NOKV_GUARDED_BY(mu_);  // the newest last
};

}  // namespace nokv::lsm
