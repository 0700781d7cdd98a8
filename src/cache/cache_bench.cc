// What the block cache costs per operation. Budget: a hot hit about 20 ns, guard included.

#include <memory>

#include <benchmark/benchmark.h>

#include "base/epoch.h"
#include "base/random.h"
#include "cache/block_cache.h"
#include "cache/memory_budget.h"

namespace nokv::cache {
namespace {

constexpr size_t kBlockBytes = 4096;
constexpr uint64_t kBlocksPerFile = 16'384;

BlockKey KeyOf(uint64_t number) {
  return {1 + number / kBlocksPerFile, number % kBlocksPerFile * kBlockBytes};
}

constexpr size_t kTight = 4352;  // what a block weighs
constexpr size_t kRoomy = 6000;  // no shard is ever full

// A cache of `block_count` times `bytes_each`, filled with as many blocks. Its members end in
// reverse order.
struct Filled {
  Filled(uint64_t block_count, size_t bytes_each)
      : cache(BlockCache::Create({.capacity_bytes = block_count * bytes_each, .epochs = &epochs})) {
    for (uint64_t i = 0; i < block_count; ++i) {
      BlockCache::Buffer buffer = cache->Allocate(kBlockBytes);
      buffer.data()[0] = 'b';
      cache->Insert(KeyOf(i), std::move(buffer), BlockCache::Priority::kLow);
    }
  }
  base::EpochDomain epochs;
  std::unique_ptr<BlockCache> cache;
};

Filled* Hot() {
  static Filled filled(1000, kRoomy);
  return &filled;
}
// 100,000 blocks: their table lines and headers (13 MB) and bytes (410 MB) are in no processor
// cache.
Filled* Cold() {
  static Filled filled(100'000, kRoomy);
  return &filled;
}

void Hit(benchmark::State& state, Filled* filled, uint64_t block_count) {
  base::Random random(static_cast<uint64_t>(state.thread_index()) + 1);
  uint64_t misses = 0;
  for (auto _ : state) {
    const BlockKey key = KeyOf(random.Uniform(block_count));
    base::EpochDomain::Guard guard(&filled->epochs);
    Slice block;
    if (!filled->cache->Lookup(key, &block)) {
      ++misses;
      continue;
    }
    benchmark::DoNotOptimize(block);
  }
  state.counters["missed"] = static_cast<double>(misses);
}

void BM_HitHot(benchmark::State& state) {
  Hit(state, Hot(), 1000);
}
BENCHMARK(BM_HitHot)->Threads(1)->Threads(2);
void BM_HitOneBlock(benchmark::State& state) {
  Hit(state, Hot(), 1);
}
BENCHMARK(BM_HitOneBlock)->Threads(1)->Threads(2);
void BM_HitCold(benchmark::State& state) {
  Hit(state, Cold(), 100'000);
}
BENCHMARK(BM_HitCold)->Threads(1)->Threads(2);

void BM_HitPinned(benchmark::State& state) {
  base::Random random(static_cast<uint64_t>(state.thread_index()) + 1);
  for (auto _ : state) {
    BlockCache::Handle handle = Hot()->cache->LookupPinned(KeyOf(random.Uniform(1000)));
    benchmark::DoNotOptimize(handle);
  }
}
BENCHMARK(BM_HitPinned)->Threads(1)->Threads(2);

void BM_MissHot(benchmark::State& state) {
  base::Random random(static_cast<uint64_t>(state.thread_index()) + 1);
  for (auto _ : state) {
    base::EpochDomain::Guard guard(&Hot()->epochs);
    Slice block;
    benchmark::DoNotOptimize(Hot()->cache->Lookup({999, random.Uniform(1000)}, &block));
  }
}
BENCHMARK(BM_MissHot)->Threads(1)->Threads(2);

void BM_AllocateAndReset(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(Hot()->cache->Allocate(kBlockBytes).data());
}
BENCHMARK(BM_AllocateAndReset)->Threads(1)->Threads(2);

// What a miss adds to the read from the device: allocate a frame, insert, and evict another block
// or be declined. The bytes are not written.
void InsertAndEvict(benchmark::State& state, Filled* filled) {
  base::Random random(static_cast<uint64_t>(state.thread_index()) + 1);
  for (auto _ : state) {
    BlockCache::Buffer buffer = filled->cache->Allocate(kBlockBytes);
    // From a few more keys than fit, so that a part of the candidates is admitted.
    const BlockKey key = {1000 + random.Uniform(1000), random.Uniform(200) * kBlockBytes};
    benchmark::DoNotOptimize(
        filled->cache->Insert(key, std::move(buffer), BlockCache::Priority::kNormal));
  }
}
void BM_InsertAndEvictSmall(benchmark::State& state) {
  static Filled filled(1000, kTight);
  InsertAndEvict(state, &filled);
}
BENCHMARK(BM_InsertAndEvictSmall)->Threads(1)->Threads(2);
void BM_InsertAndEvictLarge(benchmark::State& state) {
  static Filled filled(100'000, kTight);
  InsertAndEvict(state, &filled);
}
BENCHMARK(BM_InsertAndEvictLarge)->Threads(1)->Threads(2);

void BM_EraseFile(benchmark::State& state) {
  Filled filled(20'000, kRoomy);
  uint64_t file = 100'000;
  for (auto _ : state) {
    state.PauseTiming();
    ++file;
    for (uint64_t i = 0; i < 1000; ++i) {
      filled.cache->Insert({file, i}, filled.cache->Allocate(kBlockBytes),
                           BlockCache::Priority::kNormal);
    }
    state.ResumeTiming();
    filled.cache->EraseFile(file);
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(BM_EraseFile)->Iterations(100);

void BM_BudgetReserveAndRelease(benchmark::State& state) {
  static MemoryBudget budget(size_t{1} << 30);
  const auto consumer = budget.Register("consumer");
  for (auto _ : state) {
    consumer->Reserve(4096);
    consumer->Release(4096);
  }
}
BENCHMARK(BM_BudgetReserveAndRelease)->Threads(1)->Threads(2);

}  // namespace
}  // namespace nokv::cache
