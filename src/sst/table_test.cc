// Tables against a model, through every way of reading.

#include <atomic>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/hash.h"
#include "base/random.h"
#include "cache/block_cache.h"
#include "key/range_tombstones.h"
#include "sst/table_builder.h"
#include "sst/table_reader.h"
#include "sst/test_support.h"
#include "vfs/memory_file_system.h"

namespace nokv::sst {
namespace {

using cache::BlockCache;
using testing::Bytes;
using testing::Model;
using testing::Numbered;
using testing::Shape;

constexpr uint64_t kDatabase = 0x1234'5678'9abcULL;
constexpr uint64_t kNumber = 7;

struct Tombstone {
  std::string begin;
  std::string end;
  key::SequenceNumber seq;
};

struct Built {
  Bytes bytes = std::make_shared<std::string>();
  TableProperties properties;
};

Built Build(const Model& model,
            const std::vector<Tombstone>& tombstones,
            const TableOptions& options,
            BlockSink* sink = nullptr) {
  Built built;
  testing::BytesWriter writer(built.bytes, "table");
  TableBuilder builder(options, kNumber, kDatabase, &writer, sink);
  for (const Tombstone& t : tombstones)
    builder.AddRangeTombstone({t.begin, t.end, t.seq});
  for (const auto& item : model) {
    const Status status = builder.Add(testing::EntryOf(item));
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  const uint64_t estimate = builder.EstimatedFileBytes();
  Result<TableProperties> properties = builder.Finish();
  EXPECT_TRUE(properties.ok()) << properties.status().ToString();
  built.properties = *properties;
  EXPECT_EQ(built.properties.file_bytes, built.bytes->size());
  // The last block is estimated as it is before compression.
  EXPECT_LT(estimate, 2 * built.bytes->size() + built.properties.block_bytes_max + 4096);
  return built;
}

std::unique_ptr<TableReader> Open(const Bytes& bytes, const TableReader::Context& context) {
  auto reader =
      TableReader::Open(context, std::make_unique<testing::BytesReader>(bytes, "table"), kNumber);
  EXPECT_TRUE(reader.ok()) << reader.status().ToString();
  return std::move(reader).value();
}

// A cache of its own, or none.
struct Caching {
  explicit Caching(size_t capacity_bytes) {
    if (capacity_bytes == 0) return;
    cache = BlockCache::Create({.capacity_bytes = capacity_bytes,
                                .min_capacity_bytes = capacity_bytes,
                                .shards = 1,
                                .epochs = &epochs});
  }
  TableReader::Context Context(Metrics* metrics = nullptr) const {
    return {.cache = cache.get(), .database_id = kDatabase, .metrics = metrics};
  }
  base::EpochDomain epochs;
  std::unique_ptr<BlockCache> cache;
};

void CompareGet(const TableReader& reader,
                const Model& model,
                const std::string& key,
                key::SequenceNumber snapshot,
                const ReadOptions& options) {
  const uint64_t hash = base::Hash64(key);
  const auto expected = model.lower_bound({key, snapshot << 8 | 0xff});
  const bool present = expected != model.end() && expected->first.key == key;
  const auto any = model.lower_bound({key, UINT64_MAX});
  if (any != model.end() && any->first.key == key) {
    ASSERT_TRUE(reader.MayContain(hash));
  }

  GetResult result;
  const Status status = reader.Get(key, hash, snapshot, options, &result);
  ASSERT_TRUE(status.ok()) << status.ToString();
  ASSERT_EQ(result.found, present);
  if (!present) return;
  ASSERT_EQ(result.trailer, expected->first.trailer);
  ASSERT_EQ(result.expires_at, expected->second.expires_at);
  ASSERT_EQ(result.value, expected->second.value);
}

void ExpectAt(const key::EntryIterator& iterator, const Model& model, Model::const_iterator item) {
  const Status status = iterator.status();
  ASSERT_TRUE(status.ok()) << status.ToString();
  ASSERT_EQ(iterator.Valid(), item != model.end());
  if (item == model.end()) return;
  ASSERT_EQ(iterator.key(), item->first.key);
  ASSERT_EQ(iterator.trailer(), item->first.trailer);
  ASSERT_EQ(iterator.expires_at(), item->second.expires_at);
  ASSERT_EQ(iterator.value(), item->second.value);
}

void CompareScans(const TableReader& reader, const Model& model, const IteratorOptions& options) {
  const std::unique_ptr<key::EntryIterator> iterator = reader.NewIterator(options);
  ASSERT_FALSE(iterator->Valid());
  iterator->SeekToFirst();
  for (auto item = model.begin(); item != model.end(); ++item, iterator->Next()) {
    ASSERT_NO_FATAL_FAILURE(ExpectAt(*iterator, model, item));
  }
  ASSERT_NO_FATAL_FAILURE(ExpectAt(*iterator, model, model.end()));
  iterator->SeekToLast();
  for (auto item = model.end(); item != model.begin(); iterator->Prev()) {
    ASSERT_NO_FATAL_FAILURE(ExpectAt(*iterator, model, --item));
  }
  ASSERT_NO_FATAL_FAILURE(ExpectAt(*iterator, model, model.end()));
}

// Seeks everywhere and walks a little in both directions from there.
void CompareSeeks(const TableReader& reader,
                  const Model& model,
                  const Shape& shape,
                  const IteratorOptions& options,
                  int seeks,
                  base::Random* random) {
  const std::unique_ptr<key::EntryIterator> iterator = reader.NewIterator(options);
  for (int i = 0; i < seeks; ++i) {
    const std::string key = testing::RandomProbe(random, model, shape);
    const uint64_t trailer = testing::RandomTrailer(random, model, key);
    auto item = model.lower_bound({key, trailer});
    if (random->OneIn(2)) {
      iterator->Seek(key, trailer);
    } else {
      iterator->SeekBefore(key, trailer);
      item = item == model.begin() ? model.end() : std::prev(item);
    }
    ASSERT_NO_FATAL_FAILURE(ExpectAt(*iterator, model, item));
    for (uint64_t step = random->Uniform(12); step > 0 && iterator->Valid(); --step) {
      if (random->OneIn(2)) {
        iterator->Next();
        ++item;
      } else {
        iterator->Prev();
        item = item == model.begin() ? model.end() : std::prev(item);
      }
      ASSERT_NO_FATAL_FAILURE(ExpectAt(*iterator, model, item));
    }
  }
}

std::vector<Tombstone> RandomTombstones(base::Random* random,
                                        const Model& model,
                                        const Shape& shape) {
  std::vector<Tombstone> tombstones;
  for (uint64_t i = random->Uniform(6); i > 0; --i) {
    tombstones.push_back({testing::RandomProbe(random, model, shape),
                          testing::RandomProbe(random, model, shape), random->Uniform(1'000'000)});
  }
  return tombstones;
}

void CompareTombstones(const TableReader& reader,
                       const std::vector<Tombstone>& tombstones,
                       const std::string& key,
                       key::SequenceNumber snapshot) {
  key::SequenceNumber newest = 0;
  for (const Tombstone& t : tombstones) {
    if (t.begin <= key && key < t.end && t.seq <= snapshot) newest = std::max(newest, t.seq);
  }
  ASSERT_EQ(reader.NewestCovering(key, snapshot), newest);
}

struct Trial {
  Shape shape;
  int probes;
};

const Trial kTrials[] = {
    {{.keys = 300}, 300},
    {{.keys = 2000, .versions = 1, .key_bytes = 12, .value_bytes = 20}, 300},
    {{.keys = 200, .versions = 6, .key_bytes = 14, .value_bytes = 60, .alphabet = 2}, 300},
    {{.keys = 100,
      .versions = 2,
      .key_bytes = 40,
      .shared_bytes = 300,
      .alphabet = 3,
      .compressible = true},
     300},
    {{.keys = 30, .versions = 2, .key_bytes = 3000, .shared_bytes = 62'000, .alphabet = 3}, 60},
    {{.keys = 60, .value_bytes = 3000, .compressible = true}, 200},
    {{.keys = 30,
      .versions = 1,
      .value_bytes = 500,
      .compressible = true,
      .large_value_one_in = 8,
      .large_value_bytes = 3 << 20},
     60},
    {{.keys = 1, .versions = 400}, 100},
    {{.keys = 1, .versions = 1}, 30},
};

TableOptions RandomTableOptions(base::Random* random) {
  constexpr size_t kBlockBytes[] = {0, 1, 200, 1000, 4096, 100'000};
  TableOptions options;
  options.block_bytes = kBlockBytes[random->Uniform(6)];
  options.compression = static_cast<Compression>(random->Uniform(3));
  options.bloom_bits_per_key = random->OneIn(4) ? 0 : 10;
  options.restart_interval = 1 + random->Uniform(20);
  options.min_compression_saving = random->OneIn(4) ? 0 : 0.125;
  options.creation_time = random->Next() >> 20;
  return options;
}

IteratorOptions RandomIteratorOptions(base::Random* random) {
  IteratorOptions options;
  options.fill_cache = random->OneIn(2);
  options.priority = random->OneIn(2) ? BlockCache::Priority::kLow : BlockCache::Priority::kNormal;
  options.bypass_cache = random->OneIn(3);
  options.readahead_bytes = random->OneIn(2) ? 0 : random->Uniform(100'000);
  return options;
}

void CompareAll(const Trial& trial, size_t cache_bytes, base::Random* random) {
  const Model model = testing::RandomModel(random, trial.shape);
  const std::vector<Tombstone> tombstones = RandomTombstones(random, model, trial.shape);
  const Built built = Build(model, tombstones, RandomTableOptions(random));
  Caching caching(cache_bytes);
  const std::unique_ptr<TableReader> reader = Open(built.bytes, caching.Context());
  ASSERT_EQ(reader->properties(), built.properties);
  ASSERT_EQ(reader->properties().entries, model.size());
  EXPECT_GT(reader->memory_bytes(), sizeof(TableReader));
  const Status verified = reader->VerifyChecksums();
  ASSERT_TRUE(verified.ok()) << verified.ToString();

  for (int i = 0; i < trial.probes; ++i) {
    const std::string key = testing::RandomProbe(random, model, trial.shape);
    const uint64_t trailer = testing::RandomTrailer(random, model, key);
    const key::SequenceNumber snapshot = key::TrailerSequence(trailer);
    const ReadOptions options = {.fill_cache = !random->OneIn(4), .pin_value = random->OneIn(2)};
    std::optional<base::EpochDomain::Guard> guard;
    if (!options.pin_value) guard.emplace(&caching.epochs);
    ASSERT_NO_FATAL_FAILURE(CompareGet(*reader, model, key, snapshot, options));
    ASSERT_NO_FATAL_FAILURE(CompareTombstones(*reader, tombstones, key, snapshot));
  }
  ASSERT_NO_FATAL_FAILURE(CompareScans(*reader, model, RandomIteratorOptions(random)));
  ASSERT_NO_FATAL_FAILURE(CompareSeeks(*reader, model, trial.shape, RandomIteratorOptions(random),
                                       trial.probes / 2, random));
}

TEST(Table, AnswersLikeAMapWithNoTinyAndLargeCache) {
  const uint64_t seed = 20240902;
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Random random(seed);
  for (int round = 0; round < 3; ++round) {
    for (const Trial& trial : kTrials) {
      for (const size_t cache_bytes : {size_t{0}, size_t{16} << 10, size_t{64} << 20}) {
        SCOPED_TRACE(Numbered("trial ", static_cast<size_t>(&trial - kTrials)));
        ASSERT_NO_FATAL_FAILURE(CompareAll(trial, cache_bytes, &random));
      }
    }
  }
}

// Every version, at its own sequence number and next to it, costs one block: the index says which.
TEST(Table, ReadsOneBlockForAnyVersionOfAKeyThatSpansMany) {
  Model model;
  model[{"a", key::PackTrailer(1, key::Kind::kPut)}] = {};
  for (uint64_t seq = 10; seq <= 5000; seq += 10) {
    model[{"key", key::PackTrailer(seq, key::Kind::kPut)}] = {0, Numbered("value", seq)};
  }
  model[{"z", key::PackTrailer(1, key::Kind::kPut)}] = {};
  const Built built = Build(model, {}, {.block_bytes = 256});
  ASSERT_GT(built.properties.data_blocks, 20U);
  Metrics metrics;
  const auto reader = Open(built.bytes, {.database_id = kDatabase, .metrics = &metrics});
  const uint64_t before = metrics.blocks_checked.load();
  uint64_t reads = 0;
  for (key::SequenceNumber snapshot = 0; snapshot <= 5011; ++snapshot, ++reads) {
    ASSERT_NO_FATAL_FAILURE(CompareGet(*reader, model, "key", snapshot, {.pin_value = true}));
  }
  EXPECT_EQ(metrics.blocks_checked.load() - before, reads);
}

TEST(Table, HoldsRangeTombstonesAlone) {
  const Built built = Build({}, {{"b", "d", 5}, {"c", "x", 9}}, {});
  const auto reader = Open(built.bytes, {.database_id = kDatabase});
  EXPECT_EQ(reader->properties().smallest_key, "b");
  EXPECT_EQ(reader->properties().end_key, "x");
  EXPECT_EQ(reader->properties().smallest_seq, 5U);
  EXPECT_EQ(reader->properties().largest_seq, 9U);
  EXPECT_EQ(reader->NewestCovering("c", 100), 9U);
  EXPECT_EQ(reader->NewestCovering("c", 8), 5U);
  EXPECT_TRUE(reader->VerifyChecksums().ok());
  ASSERT_NO_FATAL_FAILURE(CompareGet(*reader, {}, "c", 100, {.pin_value = true}));
  ASSERT_NO_FATAL_FAILURE(CompareScans(*reader, {}, {}));
  const auto iterator = reader->NewIterator({});
  iterator->Seek("c", UINT64_MAX);
  EXPECT_FALSE(iterator->Valid());
  iterator->SeekBefore("c", 0);
  EXPECT_FALSE(iterator->Valid());
  EXPECT_EQ(reader->ApproximateOffsetOf("z"), 0U);
}

TEST(Table, OffsetsGrowWithKeys) {
  Model model;
  for (size_t i = 0; i < 2000; ++i) {
    model[{Numbered("key", 10'000 + i), key::PackTrailer(1, key::Kind::kPut)}] = {
        0, std::string(100, 'v')};
  }
  const Built built = Build(model, {}, {});
  const auto reader = Open(built.bytes, {.database_id = kDatabase});
  uint64_t last = 0;
  for (size_t i = 0; i < 2000; ++i) {
    const uint64_t offset = reader->ApproximateOffsetOf(Numbered("key", 10'000 + i));
    EXPECT_GE(offset, last);
    EXPECT_NEAR(static_cast<double>(offset),
                static_cast<double>(built.properties.data_bytes * i) / 2000.0, 10'000);
    last = offset;
  }
  EXPECT_EQ(reader->ApproximateOffsetOf("a"), 0U);
  EXPECT_EQ(reader->ApproximateOffsetOf("z"), built.properties.data_bytes);
}

TEST(Table, PinnedValueOutlivesEviction) {
  Model model;
  for (size_t i = 0; i < 500; ++i) {
    model[{Numbered("key", 1000 + i), key::PackTrailer(1, key::Kind::kPut)}] = {
        0, std::string(500, static_cast<char>('a' + i % 26))};
  }
  const Built built = Build(model, {}, {.compression = Compression::kLz4});
  Caching caching(16 << 10);
  const auto reader = Open(built.bytes, caching.Context());
  std::vector<GetResult> held(50);
  for (int round = 0; round < 2; ++round) {
    for (size_t i = 0; i < held.size(); ++i) {
      const std::string key = Numbered("key", 1000 + i * 10);
      ASSERT_TRUE(reader->Get(key, base::Hash64(key), 1, {.pin_value = true}, &held[i]).ok());
    }
  }
  ASSERT_NO_FATAL_FAILURE(CompareScans(*reader, model, {}));
  for (size_t i = 0; i < held.size(); ++i) {
    EXPECT_EQ(held[i].value, std::string(500, static_cast<char>('a' + i * 10 % 26)));
    EXPECT_FALSE(held[i].pin.empty());
  }
  // The next question lets go of it.
  ASSERT_TRUE(reader->Get("absent", base::Hash64("absent"), 1, {.pin_value = true}, &held[0]).ok());
  EXPECT_FALSE(held[0].found);
  EXPECT_TRUE(held[0].pin.empty());
}

TEST(Table, HitInTheCacheReadsNothingAndPinsNothingUnderAGuard) {
  Model model;
  for (size_t i = 0; i < 500; ++i) {
    model[{Numbered("key", 1000 + i), key::PackTrailer(1, key::Kind::kPut)}] = {0, "value"};
  }
  const Built built = Build(model, {}, {});
  Caching caching(8 << 20);
  Metrics metrics;
  const auto reader = Open(built.bytes, caching.Context(&metrics));
  ASSERT_NO_FATAL_FAILURE(CompareScans(*reader, model, {}));
  const uint64_t reads = metrics.device_reads.load();
  for (const auto& item : model) {
    const base::EpochDomain::Guard guard(&caching.epochs);
    GetResult result;
    const uint64_t hash = base::Hash64(item.first.key);
    ASSERT_TRUE(reader->Get(item.first.key, hash, 1, {.pin_value = true}, &result).ok());
    EXPECT_FALSE(result.pin.empty());
    ASSERT_TRUE(reader->Get(item.first.key, hash, 1, {}, &result).ok());
    ASSERT_TRUE(result.found);
    EXPECT_TRUE(result.pin.empty());
  }
  EXPECT_EQ(metrics.device_reads.load(), reads);
  EXPECT_EQ(caching.cache->stats().pinned_bytes, 0U);
}

TEST(Table, BypassingIteratorLeavesTheCacheAlone) {
  Model model;
  for (size_t i = 0; i < 500; ++i) {
    model[{Numbered("key", 1000 + i), key::PackTrailer(1, key::Kind::kPut)}] = {0, "value"};
  }
  const Built built = Build(model, {}, {});
  Caching caching(8 << 20);
  const auto reader = Open(built.bytes, caching.Context());
  ASSERT_NO_FATAL_FAILURE(CompareScans(*reader, model, {.bypass_cache = true}));
  ASSERT_NO_FATAL_FAILURE(CompareScans(*reader, model, {.fill_cache = false}));
  EXPECT_EQ(caching.cache->stats().entries, 0U);
  ASSERT_NO_FATAL_FAILURE(CompareScans(*reader, model, {}));
  EXPECT_EQ(caching.cache->stats().entries, built.properties.data_blocks);
}

TEST(Table, ReadaheadReadsTheFileOnceInLargePieces) {
  Model model;
  for (size_t i = 0; i < 20'000; ++i) {
    model[{Numbered("key", 100'000 + i), key::PackTrailer(1, key::Kind::kPut)}] = {
        0, std::string(100, 'v')};
  }
  const Built built = Build(model, {}, {});
  ASSERT_GT(built.properties.data_bytes, 2'000'000U);
  for (const size_t readahead : {size_t{0}, size_t{1} << 20}) {
    Metrics metrics;
    const auto reader = Open(built.bytes, {.database_id = kDatabase, .metrics = &metrics});
    for (const bool forward : {true, false}) {
      const uint64_t reads = metrics.device_reads.load();
      const uint64_t bytes = metrics.device_bytes.load();
      const auto iterator = reader->NewIterator({.readahead_bytes = readahead});
      size_t entries = 0;
      if (forward) {
        for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next())
          ++entries;
      } else {
        for (iterator->SeekToLast(); iterator->Valid(); iterator->Prev())
          ++entries;
      }
      EXPECT_EQ(entries, model.size());
      EXPECT_EQ(metrics.device_bytes.load() - bytes, built.properties.data_bytes);
      EXPECT_LT(metrics.device_reads.load() - reads, 20U);
    }
  }
}

TEST(Table, ReadErrorIsAStatusAndNotTheEnd) {
  Model model;
  for (size_t i = 0; i < 5000; ++i) {
    model[{Numbered("key", 1000 + i), key::PackTrailer(1, key::Kind::kPut)}] = {0, "value"};
  }
  const Built built = Build(model, {}, {.block_bytes = 500});
  auto file = std::make_unique<testing::BytesReader>(built.bytes, "table");
  const std::shared_ptr<bool> fail = file->fail_reads;
  auto reader = TableReader::Open({.database_id = kDatabase}, std::move(file), kNumber);
  ASSERT_TRUE(reader.ok());
  const auto iterator = (*reader)->NewIterator({});
  iterator->SeekToFirst();
  ASSERT_TRUE(iterator->Valid());
  *fail = true;
  while (iterator->Valid())
    iterator->Next();
  EXPECT_EQ(iterator->status().code(), StatusCode::kIOError);
  GetResult result;
  const Status status =
      (*reader)->Get("key1500", base::Hash64("key1500"), 1, {.pin_value = true}, &result);
  EXPECT_EQ(status.code(), StatusCode::kIOError);
  EXPECT_FALSE(result.found);
  EXPECT_EQ((*reader)->VerifyChecksums().code(), StatusCode::kIOError);

  // The iterator recovers with the device.
  *fail = false;
  iterator->Seek("key1500", UINT64_MAX);
  ASSERT_TRUE(iterator->Valid());
  EXPECT_TRUE(iterator->status().ok());
  EXPECT_EQ(iterator->key(), "key1500");
}

TEST(Table, GoesThroughAFileSystem) {
  base::Random random(17);
  const Shape shape = {.keys = 400, .compressible = true};
  const Model model = testing::RandomModel(&random, shape);
  vfs::MemoryFileSystem fs;
  ASSERT_TRUE(fs.CreateDirectory("db").ok());
  {
    auto file = fs.CreateWritable("db/000007.sst", vfs::FileKind::kTable);
    ASSERT_TRUE(file.ok()) << file.status().ToString();
    TableBuilder builder({.compression = Compression::kLz4}, kNumber, kDatabase, file->get());
    for (const auto& item : model)
      ASSERT_TRUE(builder.Add(testing::EntryOf(item)).ok());
    ASSERT_TRUE(builder.Finish().ok());
    ASSERT_TRUE((*file)->Sync().ok());
    ASSERT_TRUE((*file)->Close().ok());
  }
  for (const size_t cache_bytes : {size_t{0}, size_t{1} << 20}) {
    Caching caching(cache_bytes);
    auto file =
        fs.OpenRandomAccess("db/000007.sst", vfs::FileKind::kTable, vfs::AccessPattern::kRandom);
    ASSERT_TRUE(file.ok()) << file.status().ToString();
    auto reader = TableReader::Open(caching.Context(), std::move(file).value(), kNumber);
    ASSERT_TRUE(reader.ok()) << reader.status().ToString();
    const Status verified = (*reader)->VerifyChecksums();
    ASSERT_TRUE(verified.ok()) << verified.ToString();
    ASSERT_NO_FATAL_FAILURE(CompareScans(**reader, model, {}));
    GetResult pinned;
    const std::string& key = model.begin()->first.key;
    ASSERT_TRUE((*reader)
                    ->Get(key, base::Hash64(key), key::kMaxSequence, {.pin_value = true}, &pinned)
                    .ok());
    // The value outlives the reader and its file.
    reader->reset();
    EXPECT_EQ(pinned.value, model.begin()->second.value);
  }
}

TEST(Table, ManyThreadsReadThroughATinyCache) {
  const uint64_t seed = 12;
  base::Random random(seed);
  const Shape shape = {.keys = 400, .value_bytes = 60, .compressible = true};
  const Model model = testing::RandomModel(&random, shape);
  const Built built = Build(model, {}, {.block_bytes = 800, .compression = Compression::kZstd});
  Caching caching(32 << 10);
  const auto reader = Open(built.bytes, caching.Context());
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      base::Random own(seed + t);
      for (int i = 0; i < 300; ++i) {
        const std::string key = testing::RandomProbe(&own, model, shape);
        const uint64_t trailer = testing::RandomTrailer(&own, model, key);
        const base::EpochDomain::Guard guard(&caching.epochs);
        CompareGet(*reader, model, key, key::TrailerSequence(trailer), {.pin_value = own.OneIn(2)});
      }
      CompareSeeks(*reader, model, shape, RandomIteratorOptions(&own), 50, &own);
    });
  }
  for (std::thread& thread : threads)
    thread.join();
}

TEST(TableBuilder, SameEntriesMakeTheSameBytes) {
  base::Random random(15);
  const Model model = testing::RandomModel(&random, {.keys = 300, .compressible = true});
  const TableOptions options = {.compression = Compression::kZstd};
  EXPECT_EQ(*Build(model, {{"a", "b", 3}}, options).bytes,
            *Build(model, {{"a", "b", 3}}, options).bytes);
}

TEST(TableBuilder, FillsBlocksOfAPageWhateverTheValues) {
  constexpr size_t block_bytes = 4096;
  for (const size_t value_bytes : {16UL, 200UL, 400UL, 1000UL, 4000UL}) {
    Model model;
    for (size_t i = 0; i < 500; ++i) {
      model[{Numbered("key", 1000 + i), key::PackTrailer(1, key::Kind::kPut)}] = {
          0, std::string(value_bytes, 'v')};
    }
    const TableProperties p = Build(model, {}, {}).properties;
    const uint64_t average = p.raw_data_bytes / p.data_blocks;
    EXPECT_LE(average, block_bytes + 256) << value_bytes;
    EXPECT_GE(average, block_bytes * 6 / 10) << value_bytes;
    EXPECT_LE(p.block_bytes_max, block_bytes + value_bytes + 256) << value_bytes;
  }
}

TEST(TableBuilder, GivesALargeValueABlockOfItsOwn) {
  Model model;
  for (size_t i = 0; i < 30; ++i) {
    model[{Numbered("key", 100 + i), key::PackTrailer(1, key::Kind::kPut)}] = {
        0, std::string(i == 15 ? 1'000'000 : 50, 'v')};
  }
  const Built built = Build(model, {}, {});
  EXPECT_EQ(built.properties.data_blocks, 3U);
  EXPECT_LT(built.properties.block_bytes_max, 1'000'200U);
}

TEST(TableBuilder, RefusesWhatIsBeyondTheLimits) {
  for (const bool key_too_long : {true, false}) {
    Built built;
    testing::BytesWriter writer(built.bytes, "table");
    TableBuilder builder({}, kNumber, kDatabase, &writer);
    ASSERT_TRUE(builder.Add({"a", key::PackTrailer(1, key::Kind::kPut), 0, ""}).ok());
    const std::string key(kKeyBytesMax + (key_too_long ? 1 : 0), 'k');
    // Only its size is looked at.
    const Slice value = key_too_long ? Slice() : Slice(key.data(), kValueBytesMax + 1);
    const Status status = builder.Add({key, key::PackTrailer(1, key::Kind::kPut), 0, value});
    EXPECT_EQ(status.code(), StatusCode::kLimitExceeded) << status.ToString();
    EXPECT_EQ(builder.Finish().status().code(), StatusCode::kLimitExceeded);
  }
}

TEST(TableBuilder, RefusesToMakeAnEmptyTable) {
  Built built;
  testing::BytesWriter writer(built.bytes, "table");
  TableBuilder builder({}, kNumber, kDatabase, &writer);
  builder.AddRangeTombstone({"b", "a", 5});
  EXPECT_TRUE(builder.empty());
  EXPECT_EQ(builder.Finish().status().code(), StatusCode::kInvalidArgument);
}

TEST(TableBuilder, FailsForGoodWhenTheDiskIsFull) {
  base::Random random(16);
  const Model model = testing::RandomModel(&random, {.keys = 3000, .versions = 1});
  const size_t whole = Build(model, {}, {}).bytes->size();
  for (size_t size_max = 0; size_max < whole; size_max += whole / 7) {
    Built built;
    testing::BytesWriter writer(built.bytes, "table");
    writer.size_max = size_max;
    TableBuilder builder({}, kNumber, kDatabase, &writer);
    Status first;
    for (const auto& item : model) {
      const Status status = builder.Add(testing::EntryOf(item));
      if (first.ok()) first = status;
      EXPECT_EQ(status.code(), first.code());
    }
    writer.size_max = SIZE_MAX;
    if (!first.ok()) {
      EXPECT_TRUE(builder.Finish().status().IsNoSpace());
    }
  }
}

TEST(TableBuilderDeathTest, RefusesEntriesOutOfOrder) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto add = [](const key::Entry& a, const key::Entry& b) {
    Built built;
    testing::BytesWriter writer(built.bytes, "table");
    TableBuilder builder({}, kNumber, kDatabase, &writer);
    (void)builder.Add(a);
    (void)builder.Add(b);
  };
  const uint64_t old = key::PackTrailer(1, key::Kind::kPut);
  const uint64_t newer = key::PackTrailer(2, key::Kind::kPut);
  EXPECT_DEATH(add({"b", old, 0, ""}, {"a", old, 0, ""}), "InOrder");
  EXPECT_DEATH(add({"ab", old, 0, ""}, {"a", old, 0, ""}), "InOrder");
  EXPECT_DEATH(add({"a", old, 0, ""}, {"a", old, 0, ""}), "InOrder");
  EXPECT_DEATH(add({"a", old, 0, ""}, {"a", newer, 0, ""}), "InOrder");
  EXPECT_DEATH(add({"a", old, 0, ""}, {"b", key::PackTrailer(1, key::Kind::kRangeDelete), 0, ""}),
               "IsPointKind");
}

// What readers would get from the device, and a place that the index finds in that block.
TEST(Table, ASinkGetsEveryDataBlock) {
  struct Blocks final : BlockSink {
    struct Owned {
      uint64_t offset;
      std::string last_key;
      uint64_t last_trailer;
      std::string payload;
    };
    void Add(const Block& block) override {
      EXPECT_EQ(block.file_number, kNumber);
      list.push_back({block.offset, std::string(block.last_key), block.last_trailer, std::string(block.payload)});
    }
    std::vector<Owned> list;
  };
  base::Random random(20261122);
  const Model model = testing::RandomModel(
      &random, {.keys = 500, .compressible = true, .large_value_one_in = 50, .large_value_bytes = 400'000});
  for (const Compression compression : {Compression::kNone, Compression::kLz4, Compression::kZstd}) {
    Blocks blocks;
    const Built built = Build(model, {}, {.compression = compression}, &blocks);
    Caching caching(64 << 20);
    const auto reader = Open(built.bytes, caching.Context());
    ASSERT_EQ(blocks.list.size(), reader->block_count());
    for (uint32_t i = 0; i < reader->block_count(); ++i) {
      const Blocks::Owned& block = blocks.list[i];
      EXPECT_EQ(block.offset, reader->BlockOffset(i));
      EXPECT_EQ(reader->FindBlock(block.last_key, block.last_trailer), i);
      ASSERT_TRUE(reader->LoadIntoCache({{i}}).ok());
      const auto loaded = caching.cache->LookupPinned({kNumber, block.offset});
      ASSERT_TRUE(loaded);
      EXPECT_EQ(loaded.block(), Slice(block.payload));
    }
  }
}

}  // namespace
}  // namespace nokv::sst
