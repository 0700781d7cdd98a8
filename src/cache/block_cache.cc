#include "cache/block_cache.h"

#include <algorithm>
#include <array>
#include <bit>

#include <unistd.h>

#include "base/check.h"
#include "cache/block_table.h"
#include "cache/entry.h"
#include "cache/eviction_policy.h"
#include "cache/frame_pool.h"
#include "cache/shard.h"

namespace nokv::cache {

namespace {

constexpr size_t kShardBytesMin = size_t{4} << 20;
constexpr size_t kShardsMax = 256;
// Retired weight between two attempts to reclaim, where the number of blocks alone would not ask
// for it.
constexpr size_t kReclaimStep = size_t{256} << 10;

size_t ChooseShards(const BlockCache::Options& options) {
  if (options.shards != 0) {
    NOKV_CHECK(std::has_single_bit(options.shards) && options.shards <= kShardsMax);
    return options.shards;
  }
  const auto processors = static_cast<size_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  const size_t wanted = std::min(kShardsMax, std::bit_ceil(4 * processors));
  return std::clamp<size_t>(std::bit_floor(options.capacity_bytes / kShardBytesMin), 1, wanted);
}

}  // namespace

// Counters that change with every lookup. Each thread has its own line, so that counting is a load
// and a store; threads beyond the first kOwn share one and count with atomic additions.
struct BlockCache::Counters {
  struct alignas(64) Line {
    std::atomic<uint64_t> hits{0};
    std::atomic<uint64_t> misses{0};
    std::atomic<uint64_t> pinned_bytes{0};  // wraps: one thread pins, another releases
  };
  static constexpr size_t kOwn = 64;

  void Add(base::EpochDomain* epochs, std::atomic<uint64_t> Line::*counter, uint64_t n) {
    const size_t index = epochs->ThreadIndex();
    if (index < kOwn) [[likely]] {
      std::atomic<uint64_t>& own = lines[index].*counter;
      own.store(own.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    } else {
      (lines[kOwn].*counter).fetch_add(n, std::memory_order_relaxed);
    }
  }
  uint64_t Sum(std::atomic<uint64_t> Line::*counter) const {
    uint64_t sum = 0;
    for (const Line& line : lines)
      sum += (line.*counter).load(std::memory_order_relaxed);
    return sum;
  }

  std::array<Line, kOwn + 1> lines;
};

void BlockCache::Buffer::Shrink(size_t bytes) {
  NOKV_CHECK(bytes <= size_);
  size_ = bytes;
}

void BlockCache::Buffer::Reset() {
  if (entry_ == nullptr) return;
  cache_->pools_->Free(entry_);
  entry_ = nullptr;
  data_ = nullptr;
  size_ = 0;
}

void BlockCache::Handle::Reset() {
  if (entry_ == nullptr) return;
  cache_->Unpin(entry_);
  entry_ = nullptr;
  block_ = {};
}

std::unique_ptr<BlockCache> BlockCache::Create(const Options& options) {
  NOKV_CHECK(options.epochs != nullptr);
  std::unique_ptr<BlockCache> cache(new BlockCache(options, ChooseShards(options)));
  if (options.budget != nullptr) {
    options.budget->SetElastic(
        "block cache", cache.get(),
        {.floor_bytes = cache->capacity_min_, .ceiling_bytes = options.capacity_bytes});
  }
  return cache;
}

BlockCache::BlockCache(const Options& options, size_t shard_count)
    : epochs_(options.epochs),
      budget_(options.budget),
      capacity_min_(std::min(options.min_capacity_bytes, options.capacity_bytes)),
      shard_shift_(63 - static_cast<unsigned>(std::countr_zero(shard_count))),
      on_miss_(options.on_miss),
      pools_(std::make_unique<FramePools>(options.capacity_bytes)),
      counters_(std::make_unique<Counters>()),
      capacity_(options.capacity_bytes) {
  for (size_t i = 0; i < shard_count; ++i) {
    shards_.push_back(std::make_unique<Shard>(this, epochs_, options.capacity_bytes / shard_count));
  }
}

BlockCache::~BlockCache() {
  if (budget_ != nullptr) budget_->RemoveElastic();
  VictimList victims;
  for (const auto& shard : shards_)
    shard->Clear(&victims);
  RetireAll(&victims, true);
  // The frames are this cache's: wait for those who still read them.
  epochs_->Drain();
}

bool BlockCache::Lookup(const BlockKey& key, Slice* block) {
  Entry* const entry = Find(key);
  if (entry == nullptr) return false;
  *block = entry->block();
  return true;
}

BlockCache::Handle BlockCache::LookupPinned(const BlockKey& key) {
  base::EpochDomain::Guard guard(epochs_);
  Entry* const entry = Find(key);
  if (entry == nullptr) return {};
  // The cache's share of `refs` is not given up while the guard lives, so this never revives the
  // dead.
  return Pinned(entry, entry->refs.fetch_add(Entry::kPinRef, std::memory_order_relaxed));
}

Entry* BlockCache::Find(const BlockKey& key) {
  NOKV_DCHECK(epochs_->InGuard());
  const uint64_t hash = HashOf(key);
  Entry* const entry = ShardOf(hash).Find(key, hash);
  if (entry == nullptr) {
    counters_->Add(epochs_, &Counters::Line::misses, 1);
    if (on_miss_) on_miss_();
    return nullptr;
  }
  entry->Touch();
  counters_->Add(epochs_, &Counters::Line::hits, 1);
  return entry;
}

bool BlockCache::Contains(const BlockKey& key) const {
  const base::EpochDomain::Guard guard(epochs_);
  const uint64_t hash = HashOf(key);
  return ShardOf(hash).Find(key, hash) != nullptr;
}

// A handle for an entry whose count a pin was just added to.
BlockCache::Handle BlockCache::Pinned(Entry* entry, uint32_t refs_before) {
  if (refs_before < Entry::kPinRef) {
    counters_->Add(epochs_, &Counters::Line::pinned_bytes, entry->weight());
  }
  return {this, entry, entry->block()};
}

void BlockCache::Unpin(Entry* entry) {
  const size_t weight = entry->weight();
  // acq_rel: what every holder read happens before the frame is used again.
  const uint32_t before = entry->refs.fetch_sub(Entry::kPinRef, std::memory_order_acq_rel);
  NOKV_DCHECK(before >= Entry::kPinRef);
  if (before < 2 * Entry::kPinRef) {
    counters_->Add(epochs_, &Counters::Line::pinned_bytes, uint64_t{0} - weight);
  }
  if (before == Entry::kPinRef) pools_->Free(entry);
}

// Runs when no guard can see the entry any more: the cache's share ends.
void BlockCache::GiveUp(void* object) {
  Entry* const entry = static_cast<Entry*>(object);
  BlockCache* const cache = entry->owner;
  cache->retired_bytes_.fetch_sub(entry->weight(), std::memory_order_relaxed);
  const uint32_t before = entry->refs.fetch_sub(Entry::kCacheRef, std::memory_order_acq_rel);
  if (before == Entry::kCacheRef) cache->pools_->Free(entry);
}

// REQUIRES: no shard's mutex is held.
void BlockCache::RetireAll(VictimList* victims, bool may_reclaim) {
  bool large = false;
  while (Entry* const victim = victims->Pop()) {
    const size_t weight = victim->weight();
    const size_t before = retired_bytes_.fetch_add(weight, std::memory_order_relaxed);
    large |= before / kReclaimStep != (before + weight) / kReclaimStep;
    if (may_reclaim) {
      epochs_->Retire(victim, &GiveUp);
    } else {
      epochs_->RetireLater(victim, &GiveUp);
    }
  }
  if (may_reclaim && large) epochs_->Reclaim();
}

BlockCache::Buffer BlockCache::Allocate(size_t bytes) {
  NOKV_CHECK(bytes > 0 && bytes <= kBlockBytesMax);
  Entry* const entry = pools_->Allocate(bytes, epochs_->ThreadIndex());
  return {this, entry, entry->data(), bytes};
}

BlockCache::Handle BlockCache::Insert(const BlockKey& key, Buffer&& buffer, Priority priority) {
  NOKV_CHECK(buffer.entry_ != nullptr && buffer.cache_ == this);
  Entry* const offered = buffer.entry_;
  offered->key = key;
  offered->size = static_cast<uint32_t>(buffer.size_);
  offered->refs.store(Entry::kPinRef, std::memory_order_relaxed);
  const uint64_t hash = HashOf(key);
  VictimList victims;
  const Shard::Standing standing = ShardOf(hash).Insert(offered, hash, priority, &victims);
  Handle handle = Pinned(standing.entry, standing.refs_before);
  if (standing.entry == offered) buffer.entry_ = nullptr;
  buffer.Reset();
  RetireAll(&victims, true);
  return handle;
}

void BlockCache::EraseFile(uint64_t file) {
  for (const auto& shard : shards_) {
    VictimList victims;
    while (shard->EraseSome(file, &victims))
      RetireAll(&victims, true);
  }
}

void BlockCache::SetCapacity(size_t bytes) {
  if (budget_ != nullptr) {
    budget_->SetElasticBounds(
        {.floor_bytes = std::min(capacity_min_, bytes), .ceiling_bytes = bytes});
  } else {
    Resize(bytes);
  }
}

// Runs in whichever thread changed the budget, under locks unknown here, so it reclaims nothing
// itself.
void BlockCache::Resize(size_t bytes) {
  base::MutexLock lock(&resize_mu_);
  capacity_.store(bytes, std::memory_order_relaxed);
  pools_->Keep(bytes);
  for (const auto& shard : shards_) {
    VictimList victims;
    while (shard->MoveCapacity(bytes / shards_.size(), &victims))
      RetireAll(&victims, false);
  }
}

size_t BlockCache::used_bytes() const {
  return pools_->mapped_bytes();
}

size_t BlockCache::free_bytes() const {
  return capacity() - std::min(capacity(), stats().bytes);
}

uint64_t BlockCache::lookups() const {
  return counters_->Sum(&Counters::Line::hits) + counters_->Sum(&Counters::Line::misses);
}

CacheStats BlockCache::stats() const {
  CacheStats stats;
  for (const auto& shard : shards_)
    shard->AddTo(&stats);
  stats.hits = counters_->Sum(&Counters::Line::hits);
  stats.misses = counters_->Sum(&Counters::Line::misses);
  stats.pinned_bytes = counters_->Sum(&Counters::Line::pinned_bytes);
  stats.capacity_bytes = capacity();
  const size_t used = pools_->used_bytes();
  stats.detached_bytes = used - std::min(used, stats.bytes);
  stats.mapped_bytes = pools_->mapped_bytes();
  return stats;
}

void BlockCache::CheckInvariants() const {
  for (const auto& shard : shards_)
    shard->CheckInvariants();
}

}  // namespace nokv::cache
