#pragma once

// Shard: one part of the cache's keys, with its own table, eviction policy and mutex.
//
// Invariants:
//  1. under mu_: an entry is in table_ exactly if it is in a queue of policy_ and in the list of
//     its file in files_.
//  2. an entry in the table holds the cache's share of its count (Entry::kCacheRef), with its whole
//     weight in bytes().
//  3. an entry that has left is handed out once, in a VictimList, with its owner set.
//
// Thread-safe.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "base/epoch.h"
#include "base/mutex.h"
#include "base/thread_annotations.h"
#include "cache/block_cache.h"
#include "cache/block_table.h"
#include "cache/eviction_policy.h"

namespace nokv::cache {

class Shard {
 public:
  Shard(BlockCache* owner, base::EpochDomain* epochs, size_t capacity_bytes);

  // REQUIRES: the caller holds an epoch guard.
  Entry* Find(const BlockKey& key, uint64_t hash) const { return table_.Find(key, hash); }

  // Who stands for a key after an insertion, and its count before the caller's pin was added.
  struct Standing {
    Entry* entry;
    uint32_t refs_before;
  };
  // Offers a complete entry that nobody else knows, with a pin for the caller. The entry offered
  // stands for the key, in the cache or declined, unless there is one already: then that one gets a
  // pin and the one offered is still the caller's alone.
  Standing Insert(Entry* entry, uint64_t hash, BlockCache::Priority priority, VictimList* victims)
      NOKV_EXCLUDES(mu_);

  // Takes out some blocks of the file. False if there was none left.
  bool EraseSome(uint64_t file, VictimList* victims) NOKV_EXCLUDES(mu_);

  // Moves the capacity towards `bytes`, evicting a bounded number of bytes. False if it is there
  // already.
  bool MoveCapacity(size_t bytes, VictimList* victims) NOKV_EXCLUDES(mu_);

  // Takes out everything.
  void Clear(VictimList* victims) NOKV_EXCLUDES(mu_);

  // Adds this shard's part: what the mutex guards.
  void AddTo(CacheStats* stats) const NOKV_EXCLUDES(mu_);

  // Checks (1) and the invariants of the parts; for tests.
  void CheckInvariants() const NOKV_EXCLUDES(mu_);

 private:
  void Leave(Entry* entry, VictimList* victims) NOKV_REQUIRES(mu_);
  void LinkFile(Entry* entry) NOKV_REQUIRES(mu_);
  void UnlinkFile(Entry* entry) NOKV_REQUIRES(mu_);

  BlockCache* const owner_;
  // Read under guards, written under mu_.
  BlockTable table_;

  mutable base::Mutex mu_;
  EvictionPolicy policy_ NOKV_GUARDED_BY(mu_);
  // The newest entry of each file that has any.
  std::unordered_map<uint64_t, Entry*> files_ NOKV_GUARDED_BY(mu_);
  uint64_t inserts_ NOKV_GUARDED_BY(mu_) = 0;
  uint64_t rejections_ NOKV_GUARDED_BY(mu_) = 0;
  uint64_t evictions_ NOKV_GUARDED_BY(mu_) = 0;
  uint64_t erasures_ NOKV_GUARDED_BY(mu_) = 0;
};

}  // namespace nokv::cache
