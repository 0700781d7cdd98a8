// The bytes of one small table, so that no change of the format goes unnoticed. docs/format/sst.md
// explains them one by one. If the format changes on purpose, it needs a new version, and a table
// of its own here: NOKV_REWRITE=1 in the environment writes the files anew.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "sst/table_builder.h"
#include "sst/table_reader.h"
#include "sst/test_support.h"

namespace nokv::sst {
namespace {

using testing::Bytes;
using testing::Model;

constexpr uint64_t kDatabase = 0x0102030405060708;
constexpr uint64_t kNumber = 42;

// Two data blocks: versions, a tombstone, an expiry, an empty value; then a value of its own.
Model GoldenModel() {
  Model model;
  const auto add = [&](Slice key, key::SequenceNumber seq, key::Kind kind, uint64_t expires_at,
                       Slice value) {
    model[{std::string(key), key::PackTrailer(seq, kind)}] = {expires_at, std::string(value)};
  };
  add("user:anna", 21, key::Kind::kPut, 0, "Berlin");
  add("user:anna", 14, key::Kind::kPut, 0, "Bonn");
  add("user:ben", 17, key::Kind::kDelete, 0, "");
  add("user:clara", 15, key::Kind::kPut, 1'700'000'000'000, "Chemnitz");
  add("user:dora", 16, key::Kind::kPut, 0, "");
  add("user:emil", 23, key::Kind::kPut, 0, std::string(100, 'e'));
  return model;
}

Bytes GoldenTable() {
  const Bytes bytes = std::make_shared<std::string>();
  testing::BytesWriter writer(bytes, "golden");
  TableBuilder builder(
      {.block_bytes = 200, .restart_interval = 4, .creation_time = 1'600'000'000'000}, kNumber,
      kDatabase, &writer);
  for (const auto& item : GoldenModel())
    EXPECT_TRUE(builder.Add(testing::EntryOf(item)).ok());
  builder.AddRangeTombstone({"user:x", "user:z", 19});
  builder.AddRangeTombstone({"user:a", "user:c", 12});
  EXPECT_TRUE(builder.Finish().ok());
  return bytes;
}

std::filesystem::path TestData(const char* name) {
  return std::filesystem::path(__FILE__).parent_path() / "testdata" / name;
}

// As `hexdump -C` shows it.
std::string HexDump(Slice bytes) {
  std::string dump;
  char text[24];
  for (size_t line = 0; line < bytes.size(); line += 16) {
    std::snprintf(text, sizeof text, "%04zx ", line);
    dump += text;
    std::string printable;
    for (size_t i = line; i < line + 16; ++i) {
      if (i < bytes.size()) {
        const auto byte = static_cast<unsigned char>(bytes[i]);
        std::snprintf(text, sizeof text, " %02x", byte);
        dump += text;
        printable += byte >= 0x20 && byte < 0x7f ? bytes[i] : '.';
      } else {
        dump += "   ";
      }
    }
    dump += "  |" + printable + "|\n";
  }
  return dump;
}

TEST(Golden, TheBytesOfATableAreWhatTheyAlwaysWere) {
  const std::string dump = HexDump(*GoldenTable());
  const std::filesystem::path path = TestData("golden_table_v1.txt");
  if (std::getenv("NOKV_REWRITE") != nullptr) std::ofstream(path) << dump;
  std::ifstream file(path);
  ASSERT_TRUE(file.good()) << path;
  std::stringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(dump, expected.str());
}

TEST(Golden, TheTableReadsBack) {
  auto reader =
      TableReader::Open({.database_id = kDatabase},
                        std::make_unique<testing::BytesReader>(GoldenTable(), "golden"), kNumber);
  ASSERT_TRUE(reader.ok()) << reader.status().ToString();
  EXPECT_EQ((*reader)->properties().data_blocks, 2U);
  EXPECT_EQ((*reader)->properties().creation_time, 1'600'000'000'000U);
  ASSERT_TRUE((*reader)->VerifyChecksums().ok());
  const Model model = GoldenModel();
  const auto iterator = (*reader)->NewIterator({});
  iterator->SeekToFirst();
  for (const auto& item : model) {
    ASSERT_TRUE(iterator->Valid());
    EXPECT_EQ(iterator->key(), item.first.key);
    EXPECT_EQ(iterator->trailer(), item.first.trailer);
    EXPECT_EQ(iterator->expires_at(), item.second.expires_at);
    EXPECT_EQ(iterator->value(), item.second.value);
    iterator->Next();
  }
  EXPECT_FALSE(iterator->Valid());
}

}  // namespace
}  // namespace nokv::sst
