// What damaged files do: an error that names the file, or the right answer; never a wrong one.

#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/epoch.h"
#include "base/hash.h"
#include "base/random.h"
#include "cache/block_cache.h"
#include "sst/compression.h"
#include "sst/format.h"
#include "sst/table_builder.h"
#include "sst/table_reader.h"
#include "sst/test_support.h"

namespace nokv::sst {
namespace {

using testing::Bytes;
using testing::Model;
using testing::Numbered;

constexpr uint64_t kDatabase = 99;
constexpr uint64_t kNumber = 7;
constexpr key::SequenceNumber kTombstoneSeq = 3;

Result<std::unique_ptr<TableReader>> TryOpen(const Bytes& bytes,
                                             uint64_t number = kNumber,
                                             uint64_t database = kDatabase) {
  return TableReader::Open({.database_id = database},
                           std::make_unique<testing::BytesReader>(bytes, "db/000007.sst"), number);
}

// All kinds of blocks: data, filter, index, tombstones, properties.
std::string BuildTable(const Model& model,
                       const TableOptions& options,
                       uint64_t number = kNumber,
                       uint64_t database = kDatabase) {
  const Bytes bytes = std::make_shared<std::string>();
  testing::BytesWriter writer(bytes, "db/000007.sst");
  TableBuilder builder(options, number, database, &writer);
  for (const auto& item : model)
    EXPECT_TRUE(builder.Add(testing::EntryOf(item)).ok());
  builder.AddRangeTombstone({"b", "d", kTombstoneSeq});
  EXPECT_TRUE(builder.Finish().ok());
  return *bytes;
}

Footer FooterOf(const std::string& table) {
  const Result<Footer> footer = Footer::Decode(Slice(table).substr(table.size() - kFooterBytes),
                                               table.size(), {kDatabase, kNumber});
  EXPECT_TRUE(footer.ok());
  return *footer;
}

void ExpectNamesTheFile(const Status& status, const std::string& what) {
  ASSERT_TRUE(status.IsCorruption()) << what << ": " << status.ToString();
  ASSERT_NE(status.message().find("db/000007.sst: offset "), std::string::npos)
      << what << ": " << status.ToString();
}

// Asks for everything: each answer is right or an error. Returns the number of errors.
void ExpectRightOrDamaged(const TableReader& reader,
                          const Model& model,
                          const std::string& what,
                          int* errors) {
  for (const auto& item : model) {
    GetResult result;
    const key::SequenceNumber seq = key::TrailerSequence(item.first.trailer);
    const uint64_t hash = base::Hash64(item.first.key);
    ASSERT_TRUE(reader.MayContain(hash)) << what;
    const Status status = reader.Get(item.first.key, hash, seq, {.pin_value = true}, &result);
    if (!status.ok()) {
      ++*errors;
      ASSERT_NO_FATAL_FAILURE(ExpectNamesTheFile(status, what));
      continue;
    }
    ASSERT_TRUE(result.found) << what;
    ASSERT_EQ(result.trailer, item.first.trailer) << what;
    ASSERT_EQ(result.value, item.second.value) << what;
    ASSERT_EQ(result.expires_at, item.second.expires_at) << what;
  }
  ASSERT_EQ(reader.NewestCovering("c", key::kMaxSequence), kTombstoneSeq) << what;

  const auto iterator = reader.NewIterator({});
  auto item = model.begin();
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next(), ++item) {
    ASSERT_NE(item, model.end()) << what;
    ASSERT_EQ(iterator->key(), item->first.key) << what;
    ASSERT_EQ(iterator->trailer(), item->first.trailer) << what;
    ASSERT_EQ(iterator->value(), item->second.value) << what;
  }
  if (iterator->status().ok()) {
    ASSERT_EQ(item, model.end()) << what;
  } else {
    ++*errors;
    ASSERT_NO_FATAL_FAILURE(ExpectNamesTheFile(iterator->status(), what));
  }
  auto back = model.rbegin();
  for (iterator->SeekToLast(); iterator->Valid(); iterator->Prev(), ++back) {
    ASSERT_NE(back, model.rend()) << what;
    ASSERT_EQ(iterator->key(), back->first.key) << what;
    ASSERT_EQ(iterator->trailer(), back->first.trailer) << what;
  }
  if (iterator->status().ok()) {
    ASSERT_EQ(back, model.rend()) << what;
  }
}

// The file is not what was written: Open or VerifyChecksums must say so, and no read may lie.
void ExpectDamageIsFound(const std::string& damaged, const Model& model, const std::string& what) {
  const auto reader = TryOpen(std::make_shared<std::string>(damaged));
  if (!reader.ok()) {
    ASSERT_NO_FATAL_FAILURE(ExpectNamesTheFile(reader.status(), what));
    return;
  }
  ASSERT_NO_FATAL_FAILURE(ExpectNamesTheFile((*reader)->VerifyChecksums(), what));
  int errors = 0;
  ASSERT_NO_FATAL_FAILURE(ExpectRightOrDamaged(**reader, model, what, &errors));
}

const TableOptions kOptions[] = {
    {.block_bytes = 300, .compression = Compression::kNone},
    {.block_bytes = 300, .compression = Compression::kLz4},
    {.block_bytes = 300, .compression = Compression::kZstd, .restart_interval = 2},
};

Model SmallModel(base::Random* random) {
  return testing::RandomModel(random, {.keys = 24,
                                       .versions = 2,
                                       .key_bytes = 12,
                                       .value_bytes = 40,
                                       .alphabet = 5,
                                       .compressible = true});
}

TEST(Damage, EveryFlippedByteOfASmallTableIsFound) {
  const uint64_t seed = 41;
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Random random(seed);
  for (const TableOptions& options : kOptions) {
    const Model model = SmallModel(&random);
    const std::string table = BuildTable(model, options);
    ASSERT_GT(FooterOf(table).data_end(), 300U);
    for (size_t at = 0; at < table.size(); ++at) {
      for (const uint64_t flip : {uint64_t{0xff}, uint64_t{1} << random.Uniform(8)}) {
        std::string damaged = table;
        damaged[at] = static_cast<char>(damaged[at] ^ static_cast<char>(flip));
        ASSERT_NO_FATAL_FAILURE(ExpectDamageIsFound(damaged, model, "byte " + std::to_string(at)));
      }
    }
  }
}

TEST(Damage, FlippedBytesOfALargeTableAreFoundAndTheRestIsReadable) {
  const uint64_t seed = 42;
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Random random(seed);
  const Model model = testing::RandomModel(&random, {.keys = 1500, .compressible = true});
  const std::string table = BuildTable(model, {.compression = Compression::kLz4});
  const Footer footer = FooterOf(table);
  for (int i = 0; i < 40; ++i) {
    std::string damaged = table;
    const size_t at = random.Uniform(footer.data_end());
    damaged[at] = static_cast<char>(damaged[at] ^ 1 << random.Uniform(8));
    const auto reader = TryOpen(std::make_shared<std::string>(damaged));
    ASSERT_TRUE(reader.ok());
    ASSERT_NO_FATAL_FAILURE(ExpectNamesTheFile((*reader)->VerifyChecksums(), "verify"));
    int errors = 0;
    ASSERT_NO_FATAL_FAILURE(ExpectRightOrDamaged(**reader, model, "large", &errors));
    EXPECT_GT(errors, 1);
    EXPECT_LT(errors, static_cast<int>(model.size() / 4));
  }
}

TEST(Damage, AFileOfAnyOtherLengthIsRefused) {
  base::Random random(43);
  const Model model = SmallModel(&random);
  const std::string table = BuildTable(model, kOptions[1]);
  for (size_t size = 0; size < table.size(); ++size) {
    const auto reader = TryOpen(std::make_shared<std::string>(table.substr(0, size)));
    ASSERT_NO_FATAL_FAILURE(ExpectNamesTheFile(reader.status(), std::to_string(size)));
  }
  for (const std::string& more : {std::string(1, '\0'), std::string(4096, '\0'), table,
                                  table.substr(table.size() - kFooterBytes)}) {
    const auto reader = TryOpen(std::make_shared<std::string>(table + more));
    ASSERT_NO_FATAL_FAILURE(ExpectNamesTheFile(reader.status(), "extended"));
  }
  // Bytes cut out of the middle.
  for (size_t at = 0; at < table.size(); at += 7) {
    std::string cut = table;
    cut.erase(at, 1 + random.Uniform(20));
    ASSERT_NO_FATAL_FAILURE(ExpectDamageIsFound(cut, model, "cut at " + std::to_string(at)));
  }
}

TEST(Damage, AFileThatShrinksAfterItWasOpenedIsAnError) {
  base::Random random(44);
  const Model model = SmallModel(&random);
  const Bytes bytes = std::make_shared<std::string>(BuildTable(model, kOptions[0]));
  const auto reader = TryOpen(bytes);
  ASSERT_TRUE(reader.ok());
  bytes->resize(bytes->size() / 4);
  int errors = 0;
  ASSERT_NO_FATAL_FAILURE(ExpectRightOrDamaged(**reader, model, "shrunk", &errors));
  EXPECT_GT(errors, 0);
  ExpectNamesTheFile((*reader)->VerifyChecksums(), "shrunk");
}

// Blocks of equal size: entries that differ only in digits.
Model UniformModel(char fill) {
  Model model;
  for (size_t i = 0; i < 400; ++i) {
    model[{Numbered("key", 1000 + i), key::PackTrailer(5, key::Kind::kPut)}] = {
        0, std::string(50, fill)};
  }
  return model;
}

std::vector<BlockHandle> DataBlocks(const std::string& table, const Footer& footer) {
  std::vector<BlockHandle> blocks;
  Index index;
  const BlockHandle handle = footer.index();
  EXPECT_EQ(
      index.Decode(Slice(table).substr(handle.offset, handle.payload_bytes), footer.data_end()),
      nullptr);
  for (uint32_t i = 0; i < index.block_count(); ++i)
    blocks.push_back(index.block(i));
  return blocks;
}

TEST(Damage, SwappedAndForeignBlocksAreFound) {
  base::Random random(45);
  const TableOptions options = {.block_bytes = 600};
  const Model model = UniformModel('v');
  const std::string table = BuildTable(model, options);
  const std::string other_number = BuildTable(UniformModel('w'), options, kNumber + 1);
  const std::string other_database = BuildTable(UniformModel('w'), options, kNumber, kDatabase + 1);
  ASSERT_EQ(table.size(), other_number.size());
  const std::vector<BlockHandle> blocks = DataBlocks(table, FooterOf(table));
  int swaps = 0;
  for (int i = 0; i < 100; ++i) {
    const BlockHandle& a = blocks[random.Uniform(blocks.size())];
    const BlockHandle& b = blocks[random.Uniform(blocks.size())];
    const auto size = static_cast<size_t>(a.stored_bytes());
    for (const std::string* foreign : {&other_number, &other_database}) {
      std::string damaged = table;
      damaged.replace(a.offset, size, foreign->substr(a.offset, size));
      ASSERT_NO_FATAL_FAILURE(ExpectDamageIsFound(damaged, model, "foreign block"));
    }
    if (a.offset == b.offset || a.stored_bytes() != b.stored_bytes()) continue;
    std::string damaged = table;
    damaged.replace(a.offset, size, table.substr(b.offset, size));
    damaged.replace(b.offset, size, table.substr(a.offset, size));
    ASSERT_NO_FATAL_FAILURE(ExpectDamageIsFound(damaged, model, "swapped blocks"));
    ++swaps;
  }
  EXPECT_GT(swaps, 20);
}

TEST(Damage, AnotherTableUnderThisNumberIsRefused) {
  base::Random random(46);
  const std::string table = BuildTable(SmallModel(&random), kOptions[0]);
  const auto other_number = TryOpen(std::make_shared<std::string>(table), kNumber + 1);
  ExpectNamesTheFile(other_number.status(), "number");
  EXPECT_NE(other_number.status().message().find("this is table 7 of database 99"),
            std::string::npos);
  const auto other_database = TryOpen(std::make_shared<std::string>(table), kNumber, kDatabase + 1);
  ExpectNamesTheFile(other_database.status(), "database");
}

// Puts `payload` in the place of a block's, with a checksum that fits.
void Forge(std::string* table, const BlockHandle& handle, Slice payload, Compression compression) {
  ASSERT_EQ(payload.size(), handle.payload_bytes);
  std::string stored(payload);
  AppendTrailer(&stored, payload.size(), compression, {kDatabase, kNumber}, handle.offset);
  table->replace(handle.offset, stored.size(), stored);
}

// As a faulty writer would do, or memory that flips a bit before the checksum is made: nothing can
// promise the right answer, but no read may leave the block, crash or hang.
TEST(Damage, BytesThatPassTheChecksumAreStillNotTrusted) {
  const uint64_t seed = 47;
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Random random(seed);
  int refused = 0;
  for (const TableOptions& options : kOptions) {
    const Model model = SmallModel(&random);
    const std::string table = BuildTable(model, options);
    const Footer footer = FooterOf(table);
    std::vector<BlockHandle> blocks = DataBlocks(table, footer);
    for (const BlockHandle& handle :
         {footer.filter(), footer.index(), footer.tombstones(), footer.properties()}) {
      blocks.insert(blocks.end(), blocks.size() / 4 + 1, handle);
    }
    for (int i = 0; i < 3000; ++i) {
      const BlockHandle& handle = blocks[random.Uniform(blocks.size())];
      std::string payload = table.substr(handle.offset, handle.payload_bytes);
      for (uint64_t changes = 1 + random.Uniform(3); changes > 0; --changes) {
        payload[random.Uniform(payload.size())] =
            static_cast<char>(random.OneIn(3) ? 0xff : random.Next());
      }
      std::string forged = table;
      const auto compression =
          static_cast<Compression>(table[handle.offset + handle.payload_bytes]);
      ASSERT_NO_FATAL_FAILURE(Forge(&forged, handle, payload, compression));
      const auto reader = TryOpen(std::make_shared<std::string>(forged));
      if (!reader.ok()) {
        ++refused;
        ASSERT_NO_FATAL_FAILURE(ExpectNamesTheFile(reader.status(), "open"));
        continue;
      }
      refused += (*reader)->VerifyChecksums().ok() ? 0 : 1;
      const auto iterator = (*reader)->NewIterator({});
      for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
      }
      for (iterator->SeekToLast(); iterator->Valid(); iterator->Prev()) {
      }
      for (const auto& item : model) {
        GetResult result;
        const Status status = (*reader)->Get(item.first.key, base::Hash64(item.first.key),
                                             key::kMaxSequence, {.pin_value = true}, &result);
        if (!status.ok()) {
          ASSERT_NO_FATAL_FAILURE(ExpectNamesTheFile(status, "get"));
        }
        iterator->Seek(item.first.key, item.first.trailer);
        iterator->SeekBefore(item.first.key, item.first.trailer);
      }
    }
  }
  EXPECT_GT(refused, 2000);
}

TEST(Damage, FootersThatPassTheChecksumAreStillNotTrusted) {
  const uint64_t seed = 48;
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Random random(seed);
  const Model model = SmallModel(&random);
  const std::string table = BuildTable(model, kOptions[0]);
  const Footer truth = FooterOf(table);
  for (int i = 0; i < 2000; ++i) {
    Footer footer = truth;
    uint64_t* const offsets[] = {&footer.filter_offset, &footer.index_offset,
                                 &footer.tombstones_offset, &footer.properties_offset};
    for (uint64_t changes = 1 + random.Uniform(4); changes > 0; --changes) {
      uint64_t* const offset = offsets[random.Uniform(4)];
      *offset = random.OneIn(4)   ? random.Next()
                : random.OneIn(2) ? random.Uniform(table.size() + 10)
                                  : *offsets[random.Uniform(4)];
    }
    std::string forged = table.substr(0, table.size() - kFooterBytes);
    footer.AppendTo(&forged);
    if (forged == table) continue;
    const auto reader = TryOpen(std::make_shared<std::string>(forged));
    ASSERT_NO_FATAL_FAILURE(ExpectNamesTheFile(reader.status(), "footer"));
  }
}

TEST(Damage, DecompressionBombsAreRefusedBeforeMemoryIsTaken) {
  Model model;
  model[{"key", key::PackTrailer(1, key::Kind::kPut)}] = {0, std::string(100'000, 'z')};
  for (const Compression compression : {Compression::kLz4, Compression::kZstd}) {
    const std::string table = BuildTable(model, {.compression = compression});
    const BlockHandle handle = DataBlocks(table, FooterOf(table))[0];
    const std::string payload = table.substr(handle.offset, handle.payload_bytes);
    // The raw size takes three bytes; others of that length, larger and smaller than the truth.
    for (const uint64_t claim : {0x1fffffULL, 0x1ffffULL, 0x4001ULL}) {
      std::string bomb = payload;
      ASSERT_EQ(base::VarintLength(claim), 3U);
      base::EncodeVarint64(bomb.data(), claim);
      std::string forged = table;
      ASSERT_NO_FATAL_FAILURE(Forge(&forged, handle, bomb, compression));
      const auto reader = TryOpen(std::make_shared<std::string>(forged));
      ASSERT_TRUE(reader.ok());
      GetResult result;
      const Status status =
          (*reader)->Get("key", base::Hash64("key"), 1, {.pin_value = true}, &result);
      ExpectNamesTheFile(status, "bomb");
      const bool over = claim > (*reader)->properties().block_bytes_max;
      EXPECT_EQ(status.message().find("beyond the limit") != std::string::npos, over);
      const auto iterator = (*reader)->NewIterator({});
      iterator->SeekToFirst();
      EXPECT_FALSE(iterator->Valid());
      ExpectNamesTheFile(iterator->status(), "bomb");
    }
  }
  // Nothing at all, in a number longer than it need be.
  const std::string table = BuildTable(model, {.compression = Compression::kLz4});
  const BlockHandle handle = DataBlocks(table, FooterOf(table))[0];
  std::string empty = table.substr(handle.offset, handle.payload_bytes);
  empty.replace(0, 3, std::string("\x80\x80\0", 3));
  std::string forged = table;
  ASSERT_NO_FATAL_FAILURE(Forge(&forged, handle, empty, Compression::kLz4));
  base::EpochDomain epochs;
  const auto cache = cache::BlockCache::Create(
      {.capacity_bytes = 4 << 20, .min_capacity_bytes = 1 << 20, .shards = 1, .epochs = &epochs});
  const auto reader = TableReader::Open(
      {.cache = cache.get(), .database_id = kDatabase},
      std::make_unique<testing::BytesReader>(std::make_shared<std::string>(forged),
                                             "db/000007.sst"),
      kNumber);
  ASSERT_TRUE(reader.ok());
  GetResult result;
  ExpectNamesTheFile((*reader)->Get("key", base::Hash64("key"), 1, {.pin_value = true}, &result),
                     "empty");
  size_t raw_bytes;
  std::string huge;
  base::PutVarint64(&huge, UINT64_MAX);
  EXPECT_FALSE(DecompressedSize(huge, kBlockBytesMax, &raw_bytes));
}

// A damaged block must not enter the cache, through whichever door.
TEST(Damage, DamagedBlocksStayOutOfTheCache) {
  const Model model = UniformModel('v');
  std::string table = BuildTable(model, {.block_bytes = 600});
  table[FooterOf(table).data_end() / 2] ^= 1;
  base::EpochDomain epochs;
  const auto cache = cache::BlockCache::Create(
      {.capacity_bytes = 4 << 20, .min_capacity_bytes = 1 << 20, .shards = 1, .epochs = &epochs});
  auto reader = TableReader::Open(
      {.cache = cache.get(), .database_id = kDatabase},
      std::make_unique<testing::BytesReader>(std::make_shared<std::string>(table), "db/000007.sst"),
      kNumber);
  ASSERT_TRUE(reader.ok());
  for (int round = 0; round < 3; ++round) {
    int errors = 0;
    ASSERT_NO_FATAL_FAILURE(ExpectRightOrDamaged(**reader, model, "cached", &errors));
    EXPECT_GT(errors, 1);
  }
  EXPECT_EQ(cache->stats().entries, (*reader)->properties().data_blocks - 1);
}

}  // namespace
}  // namespace nokv::sst
