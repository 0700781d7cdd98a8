#include "lsm/cache_warmer.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <numeric>
#include <string>
#include <utility>

namespace nokv::lsm {

// If the job fails, its blocks stay until they are evicted: no other file will have their number.
class CacheWarmer::Sink final : public sst::BlockSink {
 public:
  Sink(CacheWarmer* warmer, const Version* inputs) : warmer_(warmer), inputs_(inputs) {}

  void Add(const Block& block) override {
    if (bytes_since_look_ >= kLookBytes) {
      has_room_ = warmer_->HasRoom();
      bytes_since_look_ = 0;
    }
    bytes_since_look_ += block.payload.size();
    if (!has_room_ || !IsWanted(block)) return;
    cache::BlockCache::Buffer buffer = warmer_->cache_->Allocate(block.payload.size());
    std::memcpy(buffer.data(), block.payload.data(), block.payload.size());
    (void)warmer_->cache_->Insert({block.file_number, block.offset}, std::move(buffer), cache::BlockCache::Priority::kLow);
  }

 private:
  static constexpr size_t kLookBytes = kBlocksAtOnce * kBlockBytes;

  // What is wanted and has no room now is found by BeforeInstall.
  bool IsWanted(const Block& block) const {
    return inputs_ == nullptr || warmer_->HasAny(*inputs_, {}, block.last_key, block.last_trailer);
  }

  CacheWarmer* const warmer_;
  const Version* const inputs_;
  size_t bytes_since_look_ = kLookBytes;  // of blocks, since the cache was last asked for room
  bool has_room_ = false;
};

std::unique_ptr<sst::BlockSink> CacheWarmer::NewSink(const Version* inputs) {
  return HasReaders() ? std::make_unique<Sink>(this, inputs) : nullptr;
}

std::vector<CacheWarmer::Wanted> CacheWarmer::BeforeInstall(const Version* inputs, const std::vector<TableRef>& outputs) {
  if (inputs == nullptr) {
    const uint64_t lookups = cache_->lookups();
    readers_.store(lookups_.exchange(lookups, std::memory_order_relaxed) != lookups, std::memory_order_relaxed);
  }
  std::vector<Wanted> wanted = inputs == nullptr ? WantedOfFlush(outputs) : WantedOfCompaction(*inputs, outputs);
  LoadForReaders(&wanted);
  return wanted;
}

std::vector<CacheWarmer::Wanted> CacheWarmer::WantedOfFlush(const std::vector<TableRef>& outputs) {
  std::vector<Wanted> wanted;
  for (const TableRef& table : outputs) {
    std::vector<uint32_t> blocks(table->reader().block_count());
    std::iota(blocks.begin(), blocks.end(), 0U);
    wanted.push_back({.table = table, .blocks = std::move(blocks)});
  }
  return wanted;
}

std::vector<CacheWarmer::Wanted> CacheWarmer::WantedOfCompaction(const Version& inputs,
                                                                 const std::vector<TableRef>& outputs) {
  const std::vector<Wanted> obsolete = Take(inputs.Tables());
  std::vector<Wanted> moved;
  for (const TableRef& output : outputs) {
    Wanted wanted{.table = output, .blocks = {}};
    for (uint32_t i = 0; i < output->reader().block_count(); ++i) {
      uint64_t trailer;
      const std::string key = output->reader().BlockBegin(i, &trailer);
      if (HasAny(inputs, obsolete, key, trailer)) wanted.blocks.push_back(i);
    }
    if (!wanted.blocks.empty()) moved.push_back(std::move(wanted));
  }
  return moved;
}

void CacheWarmer::AfterInstall(const Version* inputs, std::vector<Wanted> wanted) {
  if (inputs != nullptr) {
    for (const Table* input : inputs->Tables()) cache_->EraseFile(input->meta().number);
  }
  {
    const base::MutexLock lock(&mu_);
    std::move(wanted.begin(), wanted.end(), std::back_inserter(wanted_));
    DropOldest();
  }
  while (HasReaders() && LoadSome()) {
  }
}

std::vector<CacheWarmer::Wanted> CacheWarmer::Take(const std::vector<const Table*>& tables) {
  const base::MutexLock lock(&mu_);
  const auto first = std::stable_partition(wanted_.begin(), wanted_.end(), [&](const Wanted& wanted) {
    return std::find(tables.begin(), tables.end(), wanted.table.get()) == tables.end();
  });
  std::vector<Wanted> taken(std::make_move_iterator(first), std::make_move_iterator(wanted_.end()));
  wanted_.erase(first, wanted_.end());
  return taken;
}

void CacheWarmer::LoadForReaders(std::vector<Wanted>* wanted) {
  if (!HasReaders()) return;
  for (Wanted& blocks : *wanted) {
    while (blocks.taken < blocks.blocks.size() && HasRoom()) Load(*blocks.table, TakeSome(&blocks));
  }
  std::erase_if(*wanted, [](const Wanted& blocks) { return blocks.taken == blocks.blocks.size(); });
}

bool CacheWarmer::HasAny(const Version& inputs,
                         const std::vector<Wanted>& wanted_blocks,
                         Slice key,
                         uint64_t trailer) const {
  return std::any_of(inputs.runs().begin(), inputs.runs().end(), [&](const Run& run) {
    const Table* table = run.Find(key);
    return table != nullptr && Has(*table, wanted_blocks, key, trailer);
  });
}

bool CacheWarmer::Has(const Table& table,
                      const std::vector<Wanted>& wanted_blocks,
                      Slice key,
                      uint64_t trailer) const {
  if (table.reader().block_count() == 0) return false;
  const uint32_t block = table.reader().FindBlock(key, trailer);
  if (cache_->Contains({table.meta().number, table.reader().BlockOffset(block)})) return true;
  return std::any_of(wanted_blocks.begin(), wanted_blocks.end(), [&](const Wanted& wanted) {
    return wanted.table.get() == &table && std::binary_search(wanted.blocks.begin(), wanted.blocks.end(), block);
  });
}

void CacheWarmer::DropOldest() {
  size_t blocks = 0;
  auto first = wanted_.end();
  while (first != wanted_.begin() && blocks * kBlockBytes <= cache_->capacity()) blocks += (--first)->blocks.size();
  wanted_.erase(wanted_.begin(), first);
}

bool CacheWarmer::LoadSome() {
  if (!HasRoom()) return false;
  TableRef table;
  std::vector<uint32_t> blocks;
  {
    const base::MutexLock lock(&mu_);
    if (wanted_.empty()) return false;
    // Who takes the last of them takes the wish away.
    Wanted& newest = wanted_.back();
    table = newest.table;
    blocks = TakeSome(&newest);
    if (newest.taken == newest.blocks.size()) wanted_.pop_back();
  }
  Load(*table, std::move(blocks));
  return true;
}

bool CacheWarmer::HasRoom() const {
  return cache_->free_bytes() >= cache_->capacity() / kFreeShare;
}

std::vector<uint32_t> CacheWarmer::TakeSome(Wanted* wanted) {
  const size_t end = std::min(wanted->taken + kBlocksAtOnce, wanted->blocks.size());
  const size_t begin = std::exchange(wanted->taken, end);
  return {wanted->blocks.begin() + static_cast<ptrdiff_t>(begin), wanted->blocks.begin() + static_cast<ptrdiff_t>(end)};
}

void CacheWarmer::Load(const Table& table, std::vector<uint32_t> blocks) {
  // Readers have loaded some meanwhile.
  std::erase_if(blocks, [&](uint32_t block) {
    return cache_->Contains({table.meta().number, table.reader().BlockOffset(block)});
  });
  // Whoever needs a block that cannot be read is told.
  table.reader().LoadIntoCache(blocks).IgnoreError();
}

void CacheWarmer::Forget() {
  const base::MutexLock lock(&mu_);
  wanted_.clear();
}

}  // namespace nokv::lsm
