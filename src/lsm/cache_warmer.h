#pragma once

// Cache warming: what a job wrote replaces in the block cache what it made obsolete.
//
// A flush or a compaction gives keys new blocks. Without this, every key that was answered from memory before would be
// read from the device once more, each by a reader that waits for it. So after a version with new tables is installed:
//  1. blocks of tables that left the tree are forgotten (readers of older versions load them again if they need them);
//  2. of a compaction's output, those blocks are loaded whose keys were in cached blocks of its input; of a flush, all;
//  3. only as far as there is room: nothing is evicted for a block that nobody has asked for.
// Tables are written past the page cache, so the bytes come from the device, in large pieces.
//
// An error on the way is left to the reader that needs the block.
//
// Thread-safe.

#include <cstdint>
#include <vector>

#include "cache/block_cache.h"
#include "lsm/table.h"

namespace nokv::lsm {

// Blocks of one table, in order.
struct WarmBlocks {
  TableRef table;
  std::vector<uint32_t> blocks;
};

// All blocks of the tables.
std::vector<WarmBlocks> AllBlocks(const std::vector<TableRef>& tables);

// Of the blocks of `outputs`, those whose first key lies in a cached block of one of `inputs`.
std::vector<WarmBlocks> BlocksOfCachedKeys(const cache::BlockCache& cache,
                                           const std::vector<const Table*>& inputs,
                                           const std::vector<TableRef>& outputs);

// Loads them while the cache has room.
void WarmCache(const cache::BlockCache& cache, const std::vector<WarmBlocks>& wanted);

}  // namespace nokv::lsm
