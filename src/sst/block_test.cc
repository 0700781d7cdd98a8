#include "sst/block.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/random.h"
#include "sst/test_support.h"

namespace nokv::sst {
namespace {

using testing::Model;
using testing::Numbered;
using testing::Shape;

std::string BuildBlock(const Model& model, size_t restart_interval) {
  BlockBuilder builder(restart_interval);
  Slice last;
  for (const auto& item : model) {
    const key::Entry entry = testing::EntryOf(item);
    builder.Add(entry, base::Hash64(entry.key), CommonPrefixLength(last, entry.key));
    last = entry.key;
  }
  std::string payload;
  builder.Finish(&payload);
  EXPECT_TRUE(builder.empty());
  return payload;
}

void ExpectAt(const BlockCursor& cursor, const Model::value_type& item) {
  ASSERT_EQ(cursor.key(), item.first.key);
  ASSERT_EQ(cursor.trailer(), item.first.trailer);
  ASSERT_EQ(cursor.expires_at(), item.second.expires_at);
  ASSERT_EQ(cursor.value(), item.second.value);
}

void CompareScan(const Block& block, const Model& model) {
  ASSERT_EQ(block.entry_count(), model.size());
  BlockCursor cursor;
  cursor.Attach(&block);
  EXPECT_FALSE(cursor.Valid());
  uint32_t index = 0;
  for (const auto& item : model) {
    ASSERT_EQ(cursor.MoveTo(index++), nullptr);
    ASSERT_NO_FATAL_FAILURE(ExpectAt(cursor, item));
  }
  for (auto item = model.rbegin(); item != model.rend(); ++item) {
    ASSERT_EQ(cursor.MoveTo(--index), nullptr);
    ASSERT_NO_FATAL_FAILURE(ExpectAt(cursor, *item));
  }
}

void CompareSearch(const Block& block,
                   const Model& model,
                   const std::string& key,
                   uint64_t trailer) {
  const auto expected = model.lower_bound({key, trailer});
  uint32_t index;
  ASSERT_TRUE(block.LowerBound(key, trailer, &index));
  ASSERT_EQ(index, std::distance(model.begin(), expected));

  BlockEntry entry;
  const Block::Found found = block.Find(key, base::Hash64(key), trailer, &entry);
  if (expected == model.end() || expected->first.key != key) {
    ASSERT_EQ(found, Block::Found::kNo);
    return;
  }
  ASSERT_EQ(found, Block::Found::kYes);
  ASSERT_EQ(entry.trailer, expected->first.trailer);
  ASSERT_EQ(entry.expires_at, expected->second.expires_at);
  ASSERT_EQ(entry.value, expected->second.value);
}

const Shape kShapes[] = {
    {.keys = 40},
    {.keys = 1, .versions = 1},
    {.keys = 1, .versions = 40},
    {.keys = 500, .versions = 1, .key_bytes = 8, .value_bytes = 0},
    {.keys = 60, .versions = 4, .key_bytes = 12, .alphabet = 2},
    {.keys = 60, .versions = 2, .key_bytes = 60, .shared_bytes = 30, .alphabet = 2},
    {.keys = 12, .versions = 2, .key_bytes = 3000, .shared_bytes = 62'000},
    {.keys = 20, .versions = 1, .sequences = 1ULL << 55},
    {.keys = 4, .versions = 1, .value_bytes = 3'000'000},
    {.keys = 30, .versions = 2, .value_bytes = 0, .sequences = 1, .expiring = false},
};

TEST(Block, AnswersLikeAMapOfRandomEntries) {
  const uint64_t seed = 20240901;
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Random random(seed);
  for (int round = 0; round < 12; ++round) {
    for (const Shape& shape : kShapes) {
      const Model model = testing::RandomModel(&random, shape);
      const size_t interval = size_t{1} << random.Uniform(6);
      const std::string payload = BuildBlock(model, interval);
      Block block;
      ASSERT_EQ(block.Parse(payload), nullptr);
      ASSERT_EQ(block.Verify(), nullptr);
      ASSERT_NO_FATAL_FAILURE(CompareScan(block, model));
      for (int i = 0; i < 200; ++i) {
        const std::string key = testing::RandomProbe(&random, model, shape);
        const uint64_t trailer = testing::RandomTrailer(&random, model, key);
        ASSERT_NO_FATAL_FAILURE(CompareSearch(block, model, key, trailer));
      }
    }
  }
}

TEST(Block, FindsEveryEntryAtItsOwnPlace) {
  base::Random random(7);
  for (const size_t keys : {1UL, 7UL, 8UL, 9UL, 127UL, 128UL, 129UL, 900UL}) {
    Model model;
    for (size_t i = 0; i < keys; ++i) {
      model[{Numbered("key", i * 7919 % 100'003), key::PackTrailer(5, key::Kind::kPut)}] = {
          0, std::to_string(i)};
    }
    const std::string payload = BuildBlock(model, 8);
    Block block;
    ASSERT_EQ(block.Parse(payload), nullptr);
    for (const auto& item : model) {
      ASSERT_NO_FATAL_FAILURE(CompareSearch(block, model, item.first.key, UINT64_MAX));
      ASSERT_NO_FATAL_FAILURE(CompareSearch(block, model, item.first.key, item.first.trailer));
      ASSERT_NO_FATAL_FAILURE(CompareSearch(block, model, item.first.key, 4 << 8));
      ASSERT_NO_FATAL_FAILURE(CompareSearch(block, model, item.first.key + '\0', UINT64_MAX));
    }
  }
}

// A view of bytes at the end of their allocation, so that the sanitizer sees every read beyond
// them.
struct ExactCopy {
  explicit ExactCopy(Slice bytes) : copy(bytes.begin(), bytes.end()) { copy.shrink_to_fit(); }
  Slice slice() const { return {copy.data(), copy.size()}; }
  std::vector<char> copy;
};

// Asks for everything and reads every byte of the answers.
uint64_t TouchEverything(const Block& block, const Model& model) {
  uint64_t sum = 0;
  BlockCursor cursor;
  cursor.Attach(&block);
  for (const auto& item : model) {
    BlockEntry entry;
    const uint64_t hash = base::Hash64(item.first.key);
    if (block.Find(item.first.key, hash, item.first.trailer, &entry) == Block::Found::kYes) {
      sum += base::Hash64(entry.value);
    }
    uint32_t index;
    if (!block.LowerBound(item.first.key, item.first.trailer, &index)) continue;
    if (index >= block.entry_count() || cursor.MoveTo(index) != nullptr) continue;
    sum += base::Hash64(cursor.key()) + base::Hash64(cursor.value());
  }
  return sum;
}

// Checksums keep damage from getting here; the decoder must still be safe against it.
TEST(Block, DamagedBytesNeverLeadOutsideTheBlock) {
  base::Random random(99);
  const Shape shapes[] = {{.keys = 20, .value_bytes = 20},
                          {.keys = 20, .versions = 6, .key_bytes = 30, .alphabet = 3}};
  int damaged = 0;
  uint64_t touched = 0;
  for (const Shape& shape : shapes) {
    const Model model = testing::RandomModel(&random, shape);
    const std::string payload = BuildBlock(model, 8);
    for (size_t at = 0; at < payload.size(); ++at) {
      for (int kind = 0; kind < 3; ++kind) {
        ExactCopy copy(payload);
        const auto flip = kind == 0 ? 0xff : kind == 1 ? 1U << random.Uniform(8) : random.Next();
        copy.copy[at] = static_cast<char>(copy.copy[at] ^ static_cast<char>(flip));
        Block block;
        if (block.Parse(copy.slice()) != nullptr) {
          ++damaged;
          continue;
        }
        damaged += block.Verify() != nullptr ? 1 : 0;
        touched += TouchEverything(block, model);
      }
    }
    for (size_t size = 0; size < payload.size(); ++size) {
      const ExactCopy copy(Slice(payload).substr(0, size));
      Block block;
      if (block.Parse(copy.slice()) == nullptr) {
        EXPECT_NE(block.Verify(), nullptr) << size;
      }
    }
  }
  EXPECT_GT(damaged, 0);
  EXPECT_NE(touched, 0U);
}

TEST(Block, RefusesARestartThatSharesBytes) {
  Model model;
  model[{"key", key::PackTrailer(1, key::Kind::kPut)}] = {0, "value"};
  std::string payload = BuildBlock(model, 8);
  // Header, one tag, one head, one restart of two bytes; its rest is empty and lengths have no
  // width.
  ASSERT_EQ(payload[14], 0);
  model[{"other", key::PackTrailer(1, key::Kind::kPut)}] = {0, "value"};
  payload = BuildBlock(model, 8);
  const size_t shared_at = kBlockHeaderBytes + 2 + 8 + 2;
  ASSERT_EQ(payload[shared_at], 0);
  ASSERT_EQ(payload[shared_at + 1], 3);
  payload[shared_at] = 1;
  Block block;
  ASSERT_EQ(block.Parse(payload), nullptr);
  EXPECT_NE(block.Verify(), nullptr);
  BlockEntry entry;
  EXPECT_EQ(block.Find("other", base::Hash64("other"), UINT64_MAX, &entry), Block::Found::kDamaged);
  uint32_t index;
  EXPECT_FALSE(block.LowerBound("other", UINT64_MAX, &index));
}

TEST(Block, RestartIntervalIsRoundedUpToAPowerOfTwo) {
  Model model;
  for (size_t i = 0; i < 100; ++i) {
    model[{Numbered("k", 1000 + i), key::PackTrailer(1, key::Kind::kPut)}] = {};
  }
  for (const auto& [asked, shift] : {std::pair{0, 0}, {1, 0}, {3, 2}, {8, 3}, {9, 4}, {5000, 7}}) {
    EXPECT_EQ(BuildBlock(model, static_cast<size_t>(asked))[13], shift) << asked;
  }
}

TEST(CommonPrefixLength, CountsEqualBytesAtTheBeginning) {
  base::Random random(3);
  for (int i = 0; i < 2000; ++i) {
    const std::string shared = testing::RandomBytes(&random, random.Uniform(40), 4);
    const std::string a = shared + testing::RandomBytes(&random, random.Uniform(10), 2);
    const std::string b = shared + testing::RandomBytes(&random, random.Uniform(10), 2);
    size_t expected = 0;
    while (expected < std::min(a.size(), b.size()) && a[expected] == b[expected])
      ++expected;
    ASSERT_EQ(CommonPrefixLength(a, b), expected);
  }
}

}  // namespace
}  // namespace nokv::sst
