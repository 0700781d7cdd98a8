#pragma once

// CacheWarmer: what a job wrote replaces in the block cache what it made obsolete.
//
// A flush or a compaction gives keys new blocks. Without this, every key that was answered from memory before would be
// read from the device once more, each by a reader that waits for it. So:
//  1. of a compaction's output, those blocks are wanted whose keys were in cached or wanted blocks of its input; of a
//     flush, all;
//  2. if blocks were looked up between the last two flushes, what is wanted comes into the cache before the new tables are
//     installed, so that no reader sees the change: most of it as it is written, so that nothing is read from the device;
//  3. after that, blocks of tables that left the tree are forgotten (readers of older versions load them again if they
//     need them), and what had no room before is loaded into theirs;
//  4. without readers it waits for the first one who misses a block (LoadSome). So a database that is only written, as
//     when it is filled, spends neither processor nor memory on it, and a table that is gone before anybody reads costs
//     nothing;
//  5. all this only as far as there is room: nothing is evicted for a block that nobody has asked for. A later job may
//     make room.
// Tables are written past the page cache, so what is loaded later comes from the device, in large pieces.
//
// An error on the way is left to the reader that needs the block.
//
// Thread-safe.

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "cache/block_cache.h"
#include "lsm/table.h"
#include "lsm/version.h"
#include "sst/table_builder.h"

namespace nokv::lsm {

class CacheWarmer {
 public:
  // `cache` outlives the warmer.
  explicit CacheWarmer(cache::BlockCache* cache) : cache_(cache) {}
  CacheWarmer(const CacheWarmer&) = delete;
  CacheWarmer& operator=(const CacheWarmer&) = delete;

  // Blocks of a table that are to be loaded.
  struct Wanted {
    TableRef table;
    std::vector<uint32_t> blocks;  // ascending
    size_t taken = 0;              // of these, from the front: loaded, or being loaded
  };

  // `inputs`: the tables that a compaction replaces; null for a flush.

  // For the tables that a job is about to write: puts what is wanted of them into the cache. Null if nobody reads. `inputs`
  // outlives the sink.
  std::unique_ptr<sst::BlockSink> NewSink(const Version* inputs);
  // The job has written `outputs` and is about to install them. Returns what is wanted of them, for AfterInstall.
  std::vector<Wanted> BeforeInstall(const Version* inputs, const std::vector<TableRef>& outputs) NOKV_EXCLUDES(mu_);
  // They are installed, and the job's inputs are in no current version any more.
  void AfterInstall(const Version* inputs, std::vector<Wanted> wanted) NOKV_EXCLUDES(mu_);

  // Loads some of what is wanted. False if nothing is, or nothing more has room.
  bool LoadSome() NOKV_EXCLUDES(mu_);
  void Forget() NOKV_EXCLUDES(mu_);

 private:
  class Sink;
  // A part of the cache that warming leaves free, so that it never competes with what readers load.
  static constexpr size_t kFreeShare = 32;
  static constexpr size_t kBlockBytes = 4096;  // about
  // A megabyte at a time.
  static constexpr size_t kBlocksAtOnce = 256;

  static std::vector<Wanted> WantedOfFlush(const std::vector<TableRef>& outputs);
  std::vector<Wanted> WantedOfCompaction(const Version& inputs, const std::vector<TableRef>& outputs) NOKV_EXCLUDES(mu_);
  // Is a block of `inputs` that holds this place cached, or among `wanted_blocks`?
  bool HasAny(const Version& inputs, const std::vector<Wanted>& wanted_blocks, Slice key, uint64_t trailer) const;
  bool Has(const Table& table, const std::vector<Wanted>& wanted_blocks, Slice key, uint64_t trailer) const;
  // Takes what is wanted of these tables away, to be looked at without the lock: that takes a while, and flushes need it.
  std::vector<Wanted> Take(const std::vector<const Table*>& tables) NOKV_EXCLUDES(mu_);
  bool HasReaders() const { return readers_.load(std::memory_order_relaxed); }
  bool HasRoom() const;
  // The next of these blocks.
  static std::vector<uint32_t> TakeSome(Wanted* wanted);
  void Load(const Table& table, std::vector<uint32_t> blocks);
  // As far as there is room; what is done is taken out.
  void LoadForReaders(std::vector<Wanted>* wanted);
  // More than the cache can hold is not worth remembering.
  void DropOldest() NOKV_REQUIRES(mu_);

  cache::BlockCache* const cache_;
  std::atomic<uint64_t> lookups_{0};  // in the cache, until the last flush ended
  std::atomic<bool> readers_{false};  // there were some between the last two flushes
  base::Mutex mu_;
  std::vector<Wanted> wanted_ NOKV_GUARDED_BY(mu_);  // the newest last
};

}  // namespace nokv::lsm
