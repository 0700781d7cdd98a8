#include "memtable/key_heads.h"

#include <algorithm>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "memtable/test_keys.h"

namespace nokv::memtable {
namespace {

std::vector<Slice> Sorted(const std::vector<std::string>& keys) {
  std::vector<Slice> sorted(keys.begin(), keys.end());
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  return sorted;
}

TEST(KeyHeads, KeepTheOrderOfAllKeysWhateverWasLearned) {
  constexpr uint64_t kSeed = 20261121;
  SCOPED_TRACE(kSeed);
  base::Random random(kSeed);
  const std::vector<KeyShape> shapes = KeyShapes();
  for (const KeyShape& learned_from : shapes) {
    for (const size_t sample_size : {2U, 3U, 30U, 300U}) {
      SCOPED_TRACE(learned_from.name);
      std::vector<std::string> sample;
      for (size_t i = 0; i < sample_size; ++i)
        sample.push_back(learned_from.make(&random));
      const KeyHeads heads = KeyHeads::Learn(Sorted(sample));

      // Keys like those, keys of every other shape, and damaged ones that leave at every position.
      std::vector<std::string> keys = sample;
      for (const KeyShape& shape : shapes) {
        for (int i = 0; i < 20; ++i)
          keys.push_back(shape.make(&random));
      }
      for (int i = 0; i < 200; ++i) {
        std::string key = learned_from.make(&random);
        if (!key.empty()) key[random.Uniform(key.size())] = static_cast<char>(random.Next());
        if (random.OneIn(3)) key.resize(random.Uniform(key.size() + 4), '\0');
        keys.push_back(key);
      }
      const std::vector<Slice> sorted = Sorted(keys);
      for (size_t i = 0; i < sorted.size(); ++i) {
        ASSERT_NE(heads.Of(sorted[i]), KeyHeads::kUnknown);
        if (i > 0) {
          ASSERT_LE(heads.Of(sorted[i - 1]), heads.Of(sorted[i]))
              << sorted[i - 1] << "|" << sorted[i];
        }
      }
    }
  }
}

// Learns from `sample`, and says which share of `keys` has a head of its own.
double Distinct(const std::vector<std::string>& sample, const std::vector<std::string>& keys) {
  const KeyHeads heads = KeyHeads::Learn(Sorted(sample));
  std::unordered_map<uint32_t, size_t> counts;
  const std::vector<Slice> distinct = Sorted(keys);
  for (const Slice key : distinct)
    ++counts[heads.Of(key)];
  size_t alone = 0;
  for (const auto& [head, count] : counts)
    alone += count == 1 ? 1 : 0;
  return static_cast<double>(alone) / static_cast<double>(distinct.size());
}

std::vector<std::string> Make(size_t count, const std::function<std::string(uint64_t)>& key) {
  std::vector<std::string> keys;
  for (uint64_t i = 0; i < count; ++i)
    keys.push_back(key(i));
  return keys;
}

TEST(KeyHeads, TellRandomDecimalKeysApart) {
  base::Random random(1);
  const auto key = [&](uint64_t) {
    return std::string("\0user", 5) + Decimal(random.Uniform(10'000'000'000'000'000ULL), 16);
  };
  EXPECT_GT(Distinct(Make(256, key), Make(30'000, key)), 0.999);
}

TEST(KeyHeads, TellKeysApartThatCountUpwardsFromTheSample) {
  const auto decimal = [](uint64_t i) {
    return "order:" + Decimal(i, 12);
  };
  EXPECT_EQ(Distinct(Make(256, decimal), Make(30'000, decimal)), 1.0);
  const auto binary = [](uint64_t i) {
    return BigEndian(i);
  };
  EXPECT_EQ(Distinct(Make(256, binary), Make(30'000, binary)), 1.0);
}

TEST(KeyHeads, TellRandomBinaryAndHexadecimalKeysApart) {
  base::Random random(2);
  const auto binary = [&](uint64_t) {
    return BigEndian(random.Next());
  };
  EXPECT_GT(Distinct(Make(256, binary), Make(30'000, binary)), 0.99);
  const auto hex = [&](uint64_t) {
    return "uuid/" + Hexadecimal(random.Next());
  };
  EXPECT_GT(Distinct(Make(256, hex), Make(30'000, hex)), 0.9);
}

TEST(KeyHeads, TellKeysOfSeveralFamiliesApart) {
  base::Random random(3);
  const auto key = [&](uint64_t i) {
    return std::string(1, static_cast<char>(i % 3)) + "user" +
           Decimal(random.Uniform(10'000'000'000ULL), 10);
  };
  EXPECT_GT(Distinct(Make(256, key), Make(30'000, key)), 0.99);
}

}  // namespace
}  // namespace nokv::memtable
