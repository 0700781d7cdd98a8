// The smaller parts of a table: frame, compression, filter, index, properties, tombstones.

#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/random.h"
#include "sst/block.h"
#include "sst/bloom_filter.h"
#include "sst/compression.h"
#include "sst/format.h"
#include "sst/index.h"
#include "sst/properties.h"
#include "sst/test_support.h"
#include "sst/tombstone_block.h"

namespace nokv::sst {
namespace {

using testing::Numbered;

TEST(BlockTrailer, BindsTheBlockToItsPlace) {
  const FileIdentity identity = {77, 5};
  std::string stored = "payload";
  AppendTrailer(&stored, stored.size(), Compression::kNone, identity, 4096);
  Compression compression;
  Slice payload;
  EXPECT_EQ(CheckBlock(stored, identity, 4096, &compression, &payload), nullptr);
  EXPECT_EQ(payload, "payload");
  EXPECT_NE(CheckBlock(stored, identity, 4097, &compression, &payload), nullptr);
  EXPECT_NE(CheckBlock(stored, {77, 6}, 4096, &compression, &payload), nullptr);
  EXPECT_NE(CheckBlock(stored, {78, 5}, 4096, &compression, &payload), nullptr);
  EXPECT_NE(CheckBlock("short", identity, 4096, &compression, &payload), nullptr);
  for (size_t i = 0; i < stored.size() * 8; ++i) {
    std::string flipped = stored;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ 1 << (i % 8));
    EXPECT_NE(CheckBlock(flipped, identity, 4096, &compression, &payload), nullptr) << i;
  }
}

TEST(Footer, SaysWhoseTableItIs) {
  const Footer footer = {.filter_offset = 100,
                         .index_offset = 200,
                         .tombstones_offset = 300,
                         .properties_offset = 300,
                         .file_bytes = 480,
                         .identity = {77, 5}};
  std::string bytes;
  footer.AppendTo(&bytes);
  const Result<Footer> same = Footer::Decode(bytes, 480, {77, 5});
  ASSERT_TRUE(same.ok()) << same.status().ToString();
  EXPECT_TRUE(same->has_filter());
  EXPECT_FALSE(same->has_tombstones());
  EXPECT_EQ(same->filter().payload_bytes, 100 - kTrailerBytes);

  const Result<Footer> other = Footer::Decode(bytes, 480, {77, 6});
  ASSERT_TRUE(other.status().IsCorruption());
  EXPECT_NE(other.status().message().find("table 5 of database 77"), std::string::npos);
  EXPECT_TRUE(Footer::Decode(bytes, 481, {77, 5}).status().IsCorruption());
}

TEST(Footer, RefusesALaterFormatOnlyIfItIsWhole) {
  const Footer footer = {.index_offset = 0,
                         .tombstones_offset = 50,
                         .properties_offset = 50,
                         .file_bytes = 200,
                         .identity = {1, 1}};
  for (const size_t at : {56UL, 60UL}) {  // version, features
    std::string bytes;
    footer.AppendTo(&bytes);
    bytes[at] = static_cast<char>(bytes[at] + 1);
    EXPECT_TRUE(Footer::Decode(bytes, 200, {1, 1}).status().IsCorruption());
    base::EncodeFixed64(bytes.data() + 64,
                        base::Checksum64(Slice(bytes).substr(0, 64), base::PlaceSeed(0, 200)));
    EXPECT_EQ(Footer::Decode(bytes, 200, {1, 1}).status().code(), StatusCode::kNotSupported);
  }
}

TEST(Compressor, StoresPlainWhatDoesNotCompressAndSoonStopsTrying) {
  base::Random random(5);
  for (const Compression compression : {Compression::kLz4, Compression::kZstd}) {
    Compressor compressor(compression, 1, 0.125);
    std::string out;
    for (int i = 0; i < 200; ++i) {
      const std::string noise = testing::RandomBytes(&random, 4096, 256);
      EXPECT_EQ(compressor.Compress(noise, &out), Compression::kNone);
    }
    // Data that does compress is noticed within the longest pause, and from then on compressed.
    const std::string text(4096, 'x');
    int plain = 0;
    while (compressor.Compress(text, &out) == Compression::kNone)
      ++plain;
    EXPECT_LE(plain, 64);
    EXPECT_EQ(compressor.Compress(text, &out), compression);

    size_t raw_bytes;
    ASSERT_TRUE(DecompressedSize(out, 4096, &raw_bytes));
    EXPECT_FALSE(DecompressedSize(out, 4095, &raw_bytes));
    std::string back(4096, '\0');
    ASSERT_EQ(Decompress(compression, out, back.data(), back.size()), nullptr);
    EXPECT_EQ(back, text);
    EXPECT_NE(Decompress(compression, out.substr(0, out.size() - 1), back.data(), back.size()),
              nullptr);
  }
}

TEST(Compressor, AsksForTheSavingItWasTold) {
  base::Random random(6);
  // Two thirds noise, one third zeros.
  std::string third = testing::RandomBytes(&random, 8000, 256) + std::string(4000, '\0');
  std::string out;
  EXPECT_EQ(Compressor(Compression::kLz4, 1, 0.30).Compress(third, &out), Compression::kLz4);
  EXPECT_EQ(Compressor(Compression::kLz4, 1, 0.35).Compress(third, &out), Compression::kNone);
  EXPECT_EQ(Compressor(Compression::kNone, 1, 0.0).Compress(third, &out), Compression::kNone);
}

// Expected rate of false positives: lines hold a Poisson-distributed number of keys.
double ExpectedRate(int bits, int probes) {
  const double mean = 512.0 / bits;
  double probability = std::exp(-mean);
  double rate = 0;
  for (int keys = 0; keys < 2000; ++keys) {
    if (keys > 0) probability *= mean / keys;
    rate += probability * std::pow(1 - std::pow(1 - 1.0 / 512, keys * probes), probes);
  }
  return rate;
}

struct LoadedFilter {
  LoadedFilter(int bits, const std::vector<uint64_t>& hashes) {
    BloomFilterBuilder builder(bits);
    for (const uint64_t hash : hashes)
      builder.Add(hash);
    builder.Finish(&payload);
    char* const to = filter.Allocate(payload.size(), kTrailerBytes);
    payload.copy(to, payload.size());
    EXPECT_EQ(filter.Adopt(payload.size()), nullptr);
  }
  std::string payload;
  BloomFilter filter;
};

TEST(BloomFilter, ForgetsNoKeyAndLetsFewStrangersThrough) {
  for (const int bits : {1, 4, 8, 10, 12, 14, 16, 20, 30}) {
    std::vector<uint64_t> hashes;
    const int keys = 20'000;
    for (int i = 0; i < keys; ++i) {
      hashes.push_back(base::Hash64(Numbered("key", static_cast<size_t>(i))));
    }
    const LoadedFilter loaded(bits, hashes);
    for (const uint64_t hash : hashes)
      ASSERT_TRUE(loaded.filter.MayContain(hash));
    const int strangers = 400'000;
    int passed = 0;
    for (int i = 0; i < strangers; ++i) {
      const uint64_t hash = base::Hash64(Numbered("stranger", static_cast<size_t>(i)));
      passed += loaded.filter.MayContain(hash) ? 1 : 0;
    }
    const double expected = ExpectedRate(bits, FilterProbes(bits)) * strangers;
    EXPECT_NEAR(passed, expected, 0.06 * expected + 5 * std::sqrt(expected) + 3)
        << bits << " bits: " << 100.0 * passed / strangers << " %";
  }
}

TEST(BloomFilter, TenBitsLetOneInAHundredThrough) {
  EXPECT_LT(ExpectedRate(10, FilterProbes(10)), 0.0096);
  EXPECT_LT(ExpectedRate(12, FilterProbes(12)), 0.0041);
  EXPECT_LT(ExpectedRate(16, FilterProbes(16)), 0.0009);
}

TEST(BloomFilter, ContainsEverythingWhenThereIsNone) {
  EXPECT_TRUE(BloomFilter().MayContain(12345));
  BloomFilter().Prefetch(12345);
}

TEST(BloomFilter, RefusesWhatIsNoFilter) {
  BloomFilter filter;
  EXPECT_EQ(filter.Allocate(0, 9), nullptr);
  EXPECT_EQ(filter.Allocate(64, 9), nullptr);
  EXPECT_EQ(filter.Allocate(66, 9), nullptr);
  char* const to = filter.Allocate(65, 9);
  ASSERT_NE(to, nullptr);
  to[64] = 0;
  EXPECT_NE(filter.Adopt(65), nullptr);
  to[64] = kFilterProbesMax + 1;
  EXPECT_NE(filter.Adopt(65), nullptr);
}

// A table's worth of borders without the table: entries cut into blocks at random.
struct IndexModel {
  explicit IndexModel(base::Random* random, const testing::Model& entries) {
    IndexBuilder builder;
    uint64_t end = 0;
    const testing::Place* last = nullptr;
    for (const auto& item : entries) {
      if (last == nullptr || random->OneIn(3)) {
        if (last != nullptr) {
          const size_t shared = CommonPrefixLength(last->key, item.first.key);
          builder.AddBorder({last->key, last->trailer, item.first.key, shared});
        }
        const uint64_t bytes = 10 + random->Uniform(20'000);
        builder.AddBlock(bytes);
        offsets.push_back(end);
        end += bytes;
        firsts.push_back(item.first);
      }
      last = &item.first;
    }
    builder.Finish(&payload);
    data_end = end;
  }

  std::string payload;
  uint64_t data_end = 0;
  std::vector<testing::Place> firsts;  // of each block
  std::vector<uint64_t> offsets;
};

TEST(Index, FindsTheBlockOfEveryEntryAndOfEveryPointRead) {
  const uint64_t seed = 31;
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Random random(seed);
  const testing::Shape shapes[] = {
      {.keys = 300, .versions = 1},
      {.keys = 100, .versions = 8, .key_bytes = 10, .alphabet = 2},
      {.keys = 2000, .versions = 1, .key_bytes = 16, .alphabet = 10},
      {.keys = 50, .key_bytes = 400, .shared_bytes = 50, .alphabet = 2},
      {.keys = 1, .versions = 1},
      {.keys = 1, .versions = 100}};
  for (int round = 0; round < 20; ++round) {
    for (const testing::Shape& shape : shapes) {
      const testing::Model entries = testing::RandomModel(&random, shape);
      const IndexModel model(&random, entries);
      Index index;
      ASSERT_EQ(index.Decode(model.payload, model.data_end), nullptr);
      ASSERT_EQ(index.block_count(), model.firsts.size());
      EXPECT_GT(index.memory_bytes(), 0U);
      for (uint32_t i = 0; i < index.block_count(); ++i) {
        ASSERT_EQ(index.block(i).offset, model.offsets[i]);
      }
      // The last block that begins at or before the place; entries lie in it.
      const auto block_of = [&](const testing::Place& place) {
        const auto after = std::upper_bound(model.firsts.begin(), model.firsts.end(), place);
        return after == model.firsts.begin()
                   ? 0U
                   : static_cast<uint32_t>(after - model.firsts.begin()) - 1;
      };
      for (const auto& item : entries) {
        ASSERT_EQ(index.Find(item.first.key, item.first.trailer), block_of(item.first));
      }
      for (int i = 0; i < 100; ++i) {
        const std::string key = testing::RandomProbe(&random, entries, shape);
        const uint64_t trailer = testing::RandomTrailer(&random, entries, key);
        // The newest visible version of key, if there is one, is in the block that Find names.
        const auto answer = entries.lower_bound({key, trailer});
        if (answer != entries.end() && answer->first.key == key) {
          ASSERT_EQ(index.Find(key, trailer), block_of(answer->first));
        }
        // And the places around any other lie there or at the borders.
        const uint32_t found = index.Find(key, trailer);
        if (answer != entries.end()) {
          const uint32_t next = block_of(answer->first);
          ASSERT_TRUE(found == next || found + 1 == next);
        }
      }
    }
  }
}

TEST(Index, RefusesDamage) {
  base::Random random(32);
  const testing::Model entries = testing::RandomModel(&random, {.keys = 40, .alphabet = 3});
  const IndexModel model(&random, entries);
  for (size_t size = 0; size < model.payload.size(); ++size) {
    Index index;
    EXPECT_NE(index.Decode(Slice(model.payload).substr(0, size), model.data_end), nullptr);
  }
  for (size_t at = 0; at < model.payload.size(); ++at) {
    std::string damaged = model.payload;
    damaged[at] = static_cast<char>(random.Next());
    Index index;
    if (index.Decode(damaged, model.data_end) == nullptr) {
      for (const auto& item : entries)
        (void)index.Find(item.first.key, item.first.trailer);
    }
  }
  Index index;
  EXPECT_NE(index.Decode(model.payload + "x", model.data_end), nullptr);
  Index longer;
  EXPECT_NE(longer.Decode(model.payload, model.data_end + 1), nullptr);
}

TableProperties SomeProperties() {
  TableProperties p;
  p.CountEntry({"a", key::PackTrailer(9, key::Kind::kPut), 50, "value"}, true);
  p.CountEntry({"a", key::PackTrailer(4, key::Kind::kDelete), 0, ""}, false);
  p.CountEntry({"c", key::PackTrailer(7, key::Kind::kPut), 20, "value"}, true);
  p.data_blocks = 1;
  p.creation_time = 1'700'000'000'000;
  return p;
}

TEST(Properties, CountsWhatTheTableHolds) {
  TableProperties p = SomeProperties();
  EXPECT_EQ(p.smallest_key, "a");
  EXPECT_EQ(p.end_key, std::string("c\0", 2));
  EXPECT_EQ(p.smallest_seq, 4U);
  EXPECT_EQ(p.largest_seq, 9U);
  EXPECT_EQ(p.entries, 3U);
  EXPECT_EQ(p.keys, 2U);
  EXPECT_EQ(p.deletes, 1U);
  EXPECT_EQ(p.raw_key_bytes, 3U);
  EXPECT_EQ(p.raw_value_bytes, 10U);
  EXPECT_EQ(p.expiring_entries, 2U);
  EXPECT_EQ(p.min_expires_at, 20U);
  EXPECT_EQ(p.max_expires_at, 50U);
  p.CountTombstones(key::RangeTombstones::Build({{"b", "f", 12}, {"c", "d", 2}}));
  EXPECT_EQ(p.smallest_key, "a");
  EXPECT_EQ(p.end_key, "f");
  EXPECT_EQ(p.range_deletes, 4U);
  EXPECT_EQ(p.smallest_seq, 2U);
  EXPECT_EQ(p.largest_seq, 12U);
}

TEST(Properties, SurvivesCodingAndSkipsUnknownTags) {
  std::string payload;
  SomeProperties().AppendTo(&payload);
  TableProperties same;
  ASSERT_EQ(same.Decode(payload), nullptr);
  EXPECT_EQ(same, SomeProperties());
  base::PutVarint32(&payload, 900);
  base::PutLengthPrefixed(&payload, "from a later version");
  TableProperties later;
  ASSERT_EQ(later.Decode(payload), nullptr);
  EXPECT_EQ(later, SomeProperties());
}

TEST(Properties, RefusesDamage) {
  std::string payload;
  SomeProperties().AppendTo(&payload);
  for (size_t size = 0; size < payload.size(); ++size) {
    TableProperties p;
    EXPECT_NE(p.Decode(Slice(payload).substr(0, size)), nullptr) << size;
  }
  base::Random random(8);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = payload;
    damaged[random.Uniform(damaged.size())] = static_cast<char>(random.Next());
    TableProperties p;
    (void)p.Decode(damaged);
  }
}

TEST(TombstoneBlock, SurvivesCodingAndRefusesDamage) {
  const key::RangeTombstones set = key::RangeTombstones::Build(
      {{"b", "f", 12}, {"c", "d", 2}, {"d", "x", 30}, {"y", std::string(300, 'z'), 1ULL << 50}});
  std::string payload;
  AppendTombstones(set, &payload);
  key::RangeTombstones same;
  ASSERT_EQ(DecodeTombstones(payload, &same), nullptr);
  ASSERT_EQ(same.size(), set.size());
  for (size_t i = 0; i < set.size(); ++i) {
    EXPECT_EQ(same.fragment(i).begin, set.fragment(i).begin);
    EXPECT_EQ(same.fragment(i).end, set.fragment(i).end);
    ASSERT_EQ(same.fragment(i).seq_count, set.fragment(i).seq_count);
    for (size_t s = 0; s < set.fragment(i).seq_count; ++s) {
      EXPECT_EQ(same.fragment(i).seqs[s], set.fragment(i).seqs[s]);
    }
  }
  for (size_t size = 0; size < payload.size(); ++size) {
    EXPECT_NE(DecodeTombstones(Slice(payload).substr(0, size), &same), nullptr) << size;
  }
  base::Random random(9);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = payload;
    damaged[random.Uniform(damaged.size())] = static_cast<char>(random.Next());
    (void)DecodeTombstones(damaged, &same);
  }
}

}  // namespace
}  // namespace nokv::sst
