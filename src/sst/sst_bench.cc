// What the pieces of a table cost when everything is in memory. Budgets in README.md.

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/epoch.h"
#include "base/hash.h"
#include "base/random.h"
#include "cache/block_cache.h"
#include "sst/block.h"
#include "sst/bloom_filter.h"
#include "sst/table_builder.h"
#include "sst/table_reader.h"
#include "sst/test_support.h"

namespace nokv::sst {
namespace {

// 20-byte keys in order, as from a loader that numbers its users.
std::string KeyOf(uint64_t number) {
  char key[32];
  std::snprintf(key, sizeof key, "%cuser%015llu", 0, static_cast<unsigned long long>(number));
  return std::string(key, 20);
}

// A block of `block_bytes`, with every second number, and the keys that are in it.
struct BlockFixture {
  BlockFixture(size_t block_bytes, size_t value_bytes) {
    base::Random random(1);
    BlockBuilder builder(8);
    const std::string value(value_bytes, 'v');
    std::string last;
    for (uint64_t i = 0; builder.EstimatedBytes() < block_bytes; ++i) {
      keys.push_back(KeyOf(500'000 + 2 * i));
      const uint64_t trailer =
          key::PackTrailer(1'000'000 + random.Uniform(100'000), key::Kind::kPut);
      builder.Add({keys.back(), trailer, 0, value}, base::Hash64(keys.back()),
                  CommonPrefixLength(last, keys.back()));
      last = keys.back();
    }
    builder.Finish(&payload);
    for (size_t i = 0; i < 4096; ++i)
      order.push_back(random.Uniform(keys.size()));
  }

  std::string payload;
  std::vector<std::string> keys;
  std::vector<size_t> order;
};

void BM_BlockFind(benchmark::State& state) {
  const BlockFixture fixture(static_cast<size_t>(state.range(0)),
                             static_cast<size_t>(state.range(1)));
  std::vector<uint64_t> hashes;
  for (const std::string& key : fixture.keys)
    hashes.push_back(base::Hash64(key));
  size_t i = 0;
  for (auto _ : state) {
    const size_t at = fixture.order[i++ % fixture.order.size()];
    Block block;
    BlockEntry entry;
    if (block.Parse(fixture.payload) != nullptr) std::abort();
    benchmark::DoNotOptimize(block.Find(fixture.keys[at], hashes[at], UINT64_MAX, &entry));
    benchmark::DoNotOptimize(entry);
  }
  state.counters["entries"] = static_cast<double>(fixture.keys.size());
}
BENCHMARK(BM_BlockFind)
    ->Args({4096, 100})
    ->Args({4096, 16})
    ->Args({16384, 1000})
    ->Args({16384, 16});

void BM_BlockSeek(benchmark::State& state) {
  const BlockFixture fixture(static_cast<size_t>(state.range(0)),
                             static_cast<size_t>(state.range(1)));
  Block block;
  if (block.Parse(fixture.payload) != nullptr) std::abort();
  size_t i = 0;
  for (auto _ : state) {
    const size_t at = fixture.order[i++ % fixture.order.size()];
    uint32_t index;
    benchmark::DoNotOptimize(block.LowerBound(fixture.keys[at], UINT64_MAX, &index));
    benchmark::DoNotOptimize(index);
  }
}
BENCHMARK(BM_BlockSeek)->Args({4096, 100})->Args({16384, 1000})->Args({16384, 16});

void BM_BlockSeekAndDecode(benchmark::State& state) {
  const BlockFixture fixture(4096, 100);
  Block block;
  if (block.Parse(fixture.payload) != nullptr) std::abort();
  BlockCursor cursor;
  size_t i = 0;
  for (auto _ : state) {
    const size_t at = fixture.order[i++ % fixture.order.size()];
    uint32_t index;
    cursor.Attach(&block);
    benchmark::DoNotOptimize(block.LowerBound(fixture.keys[at], UINT64_MAX, &index));
    benchmark::DoNotOptimize(cursor.MoveTo(index));
    benchmark::DoNotOptimize(cursor.key());
  }
}
BENCHMARK(BM_BlockSeekAndDecode);

// range(0): forward or backward.
void BM_BlockScan(benchmark::State& state) {
  const BlockFixture fixture(4096, 100);
  Block block;
  if (block.Parse(fixture.payload) != nullptr) std::abort();
  BlockCursor cursor;
  const uint32_t count = block.entry_count();
  uint64_t entries = 0;
  for (auto _ : state) {
    cursor.Attach(&block);
    for (uint32_t i = 0; i < count; ++i) {
      benchmark::DoNotOptimize(cursor.MoveTo(state.range(0) == 0 ? i : count - 1 - i));
      benchmark::DoNotOptimize(cursor.key());
      benchmark::DoNotOptimize(cursor.value());
    }
    entries += count;
  }
  state.SetItemsProcessed(static_cast<int64_t>(entries));
}
BENCHMARK(BM_BlockScan)->Arg(0)->Arg(1);

void BM_FilterProbe(benchmark::State& state) {
  BloomFilterBuilder builder(static_cast<int>(state.range(1)));
  const auto keys = static_cast<uint64_t>(state.range(0));
  for (uint64_t i = 0; i < keys; ++i)
    builder.Add(base::Mix64(i));
  std::string payload;
  builder.Finish(&payload);
  BloomFilter filter;
  char* const to = filter.Allocate(payload.size(), 0);
  payload.copy(to, payload.size());
  if (filter.Adopt(payload.size()) != nullptr) std::abort();
  uint64_t i = 0;
  for (auto _ : state) {
    const uint64_t hash = base::Mix64(i++ % (2 * keys));
    benchmark::DoNotOptimize(filter.MayContain(hash));
  }
}
// 10'000 keys fit the second-level cache; 10'000'000 do not fit any.
BENCHMARK(BM_FilterProbe)->Args({10'000, 10})->Args({10'000, 16})->Args({10'000'000, 10});

void BM_FilterBuild(benchmark::State& state) {
  for (auto _ : state) {
    BloomFilterBuilder builder(10);
    for (uint64_t i = 0; i < 500'000; ++i)
      builder.Add(base::Mix64(i));
    std::string payload;
    builder.Finish(&payload);
    benchmark::DoNotOptimize(payload);
  }
  state.SetItemsProcessed(state.iterations() * 500'000);
}
BENCHMARK(BM_FilterBuild)->Unit(benchmark::kMillisecond);

// A table of a million keys of 20 bytes with values of 100, and a cache that holds all of it.
struct TableFixture {
  static constexpr uint64_t kKeys = 1'000'000;
  static constexpr uint64_t kDatabase = 1;
  static constexpr uint64_t kNumber = 1;

  static TableFixture& Get() {
    static TableFixture fixture;
    return fixture;
  }

  TableFixture() {
    cache = cache::BlockCache::Create({.capacity_bytes = 512 << 20, .epochs = &epochs});
    testing::BytesWriter writer(bytes, "table");
    TableBuilder builder({}, kNumber, kDatabase, &writer);
    base::Random random(1);
    const std::string value(100, 'v');
    for (uint64_t i = 0; i < kKeys; ++i) {
      const uint64_t trailer = key::PackTrailer(1 + random.Uniform(kKeys), key::Kind::kPut);
      if (!builder.Add({KeyOf(i), trailer, 0, value}).ok()) std::abort();
    }
    if (!builder.Finish().ok()) std::abort();
    auto opened =
        TableReader::Open({.cache = cache.get(), .database_id = kDatabase},
                          std::make_unique<testing::BytesReader>(bytes, "table"), kNumber);
    reader = std::move(opened).value();
    const auto iterator = reader->NewIterator({});
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
    }
    for (size_t i = 0; i < 1 << 20; ++i)
      order.push_back(random.Uniform(kKeys));
  }

  base::EpochDomain epochs;
  std::unique_ptr<cache::BlockCache> cache;
  testing::Bytes bytes = std::make_shared<std::string>();
  std::unique_ptr<TableReader> reader;
  std::vector<uint64_t> order;
};

// range(0): how many different keys are asked for. 1000 stay in the processor's caches.
void BM_TableGetCached(benchmark::State& state) {
  TableFixture& fixture = TableFixture::Get();
  const auto keys = static_cast<uint64_t>(state.range(0));
  size_t i = 0;
  for (auto _ : state) {
    const uint64_t number = fixture.order[i++ % fixture.order.size()] % keys;
    const std::string key = KeyOf(number * (TableFixture::kKeys / keys));
    const uint64_t hash = base::Hash64(key);
    const base::EpochDomain::Guard guard(&fixture.epochs);
    GetResult result;
    if (!fixture.reader->MayContain(hash)) std::abort();
    if (!fixture.reader->Get(key, hash, key::kMaxSequence, {}, &result).ok()) std::abort();
    if (!result.found) std::abort();
    benchmark::DoNotOptimize(result.value.data());
  }
}
BENCHMARK(BM_TableGetCached)->Arg(1000)->Arg(1'000'000);

// What the loop above costs without the table: making and hashing the key.
void BM_TableGetBaseline(benchmark::State& state) {
  TableFixture& fixture = TableFixture::Get();
  size_t i = 0;
  for (auto _ : state) {
    const std::string key = KeyOf(fixture.order[i++ % fixture.order.size()]);
    benchmark::DoNotOptimize(base::Hash64(key));
  }
}
BENCHMARK(BM_TableGetBaseline);

void BM_TableSeek(benchmark::State& state) {
  TableFixture& fixture = TableFixture::Get();
  const auto iterator = fixture.reader->NewIterator({});
  size_t i = 0;
  for (auto _ : state) {
    iterator->Seek(KeyOf(fixture.order[i++ % fixture.order.size()]), UINT64_MAX);
    benchmark::DoNotOptimize(iterator->key());
  }
}
BENCHMARK(BM_TableSeek);

// Per entry. range(0): 0 forward, 1 backward; range(1): 0 through the cache, 1 from the device.
void BM_TableScan(benchmark::State& state) {
  TableFixture& fixture = TableFixture::Get();
  const auto iterator = fixture.reader->NewIterator({.bypass_cache = state.range(1) == 1});
  uint64_t entries = 0;
  for (auto _ : state) {
    if (!iterator->Valid()) {
      if (state.range(0) == 0) {
        iterator->SeekToFirst();
      } else {
        iterator->SeekToLast();
      }
    }
    benchmark::DoNotOptimize(iterator->key());
    benchmark::DoNotOptimize(iterator->value().data());
    if (state.range(0) == 0) {
      iterator->Next();
    } else {
      iterator->Prev();
    }
    ++entries;
  }
  state.SetItemsProcessed(static_cast<int64_t>(entries));
}
BENCHMARK(BM_TableScan)->Args({0, 0})->Args({1, 0})->Args({0, 1})->Args({1, 1});

// range(0): compression; range(1): bytes of a value, half of them noise.
void BM_TableBuild(benchmark::State& state) {
  const auto value_bytes = static_cast<size_t>(state.range(1));
  base::Random random(1);
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < 100'000; ++i)
    keys.push_back(KeyOf(i));
  std::string noise = testing::RandomBytes(&random, 1 << 16, 256);
  for (size_t i = 0; i < noise.size(); ++i) {
    if (i % 64 < 32) noise[i] = 'x';
  }
  uint64_t raw_bytes = 0;
  for (auto _ : state) {
    const testing::Bytes bytes = std::make_shared<std::string>();
    testing::BytesWriter writer(bytes, "table");
    const TableOptions options = {.compression = static_cast<Compression>(state.range(0))};
    TableBuilder builder(options, 1, 1, &writer);
    for (size_t i = 0; i < keys.size(); ++i) {
      const Slice value = Slice(noise).substr(i * 61 % (noise.size() - value_bytes), value_bytes);
      if (!builder.Add({keys[i], key::PackTrailer(i + 1, key::Kind::kPut), 0, value}).ok()) {
        std::abort();
      }
    }
    const Result<TableProperties> properties = builder.Finish();
    if (!properties.ok()) std::abort();
    raw_bytes += properties->raw_key_bytes + properties->raw_value_bytes;
    state.counters["file_bytes_per_entry"] =
        static_cast<double>(properties->file_bytes) / static_cast<double>(keys.size());
  }
  state.SetItemsProcessed(state.iterations() * 100'000);
  state.SetBytesProcessed(static_cast<int64_t>(raw_bytes));
}
BENCHMARK(BM_TableBuild)
    ->Args({0, 100})
    ->Args({1, 100})
    ->Args({2, 100})
    ->Args({0, 1000})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace nokv::sst
