#include "lsm/cache_warmer.h"

#include <algorithm>
#include <string>
#include <utility>

namespace nokv::lsm {

namespace {

// A part of the cache that warming leaves free, so that it never competes with what readers load.
constexpr size_t kFreeShare = 32;
constexpr size_t kBlocksPerLook = 256;

bool IsCached(const cache::BlockCache& cache, const Table& table, Slice key, uint64_t trailer) {
  if (key < table.meta().begin || key >= table.meta().end) return false;
  uint64_t offset;
  return table.reader().FindBlock(key, trailer, &offset) &&
         cache.Contains({table.meta().number, offset});
}

}  // namespace

std::vector<WarmBlocks> AllBlocks(const std::vector<TableRef>& tables) {
  std::vector<WarmBlocks> all;
  for (const TableRef& table : tables) {
    WarmBlocks& warm = all.emplace_back(WarmBlocks{table, {}});
    for (uint32_t i = 0; i < table->reader().block_count(); ++i) warm.blocks.push_back(i);
  }
  return all;
}

std::vector<WarmBlocks> BlocksOfCachedKeys(const cache::BlockCache& cache,
                                           const std::vector<const Table*>& inputs,
                                           const std::vector<TableRef>& outputs) {
  std::vector<WarmBlocks> found;
  for (const TableRef& output : outputs) {
    std::vector<const Table*> beside;
    for (const Table* input : inputs) {
      if (input->range().Overlaps(output->range())) beside.push_back(input);
    }
    WarmBlocks warm{output, {}};
    for (uint32_t i = 0; i < output->reader().block_count(); ++i) {
      uint64_t trailer;
      const std::string key = output->reader().BlockBegin(i, &trailer);
      const bool cached = std::any_of(beside.begin(), beside.end(), [&](const Table* input) {
        return IsCached(cache, *input, key, trailer);
      });
      if (cached) warm.blocks.push_back(i);
    }
    if (!warm.blocks.empty()) found.push_back(std::move(warm));
  }
  return found;
}

void WarmCache(const cache::BlockCache& cache, const std::vector<WarmBlocks>& wanted) {
  for (const WarmBlocks& warm : wanted) {
    for (size_t at = 0; at < warm.blocks.size(); at += kBlocksPerLook) {
      if (cache.free_bytes() < cache.capacity() / kFreeShare) return;
      const size_t count = std::min(kBlocksPerLook, warm.blocks.size() - at);
      const Status status = warm.table->reader().LoadIntoCache({&warm.blocks[at], count});
      if (!status.ok()) return;  // whoever needs the block is told
    }
  }
}

}  // namespace nokv::lsm
