// Every driver makes the same keys, values and operations: testdata/generator.json is what README.md defines, computed by a
// third program (testdata/generator.py).

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "generator.h"
#include "workload.h"

namespace nokv::bench {
namespace {

using Json = nlohmann::json;

const Json& Golden() {
  static const Json golden = Json::parse(std::ifstream("bench/testdata/generator.json"));
  return golden;
}
uint64_t Word(const Json& text) { return std::stoull(text.get<std::string>(), nullptr, 16); }

uint64_t Fnv1a(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

TEST(Generator, MixIsThatOfTheDefinitionAndCanBeUndone) {
  for (const Json& pair : Golden()["mix"]) {
    EXPECT_EQ(Mix(Word(pair["x"])), Word(pair["mix"]));
    EXPECT_EQ(Unmix(Word(pair["mix"])), Word(pair["x"]));
  }
}

TEST(Generator, ChanceIsThatOfTheDefinition) {
  const Json& golden = Golden()["random"];
  Random random(golden["seed"].get<uint64_t>());
  for (const Json& next : golden["next"]) EXPECT_EQ(random.Next(), Word(next));
  for (const Json& below : golden["then_uniform_100"]) EXPECT_EQ(random.Uniform(100), below);
  for (const Json& below : golden["then_uniform_1000000"]) EXPECT_EQ(random.Uniform(1'000'000), below);
  for (const Json& unit : golden["then_unit"]) EXPECT_EQ(random.Unit(), unit.get<double>());
  for (const Json& seed : Golden()["thread_seeds"]) {
    EXPECT_EQ(ThreadSeed(seed["seed"], seed["workload"].get<std::string>(), seed["run"], seed["thread"]),
              Word(seed["value"]));
  }
}

TEST(Generator, KeysAreThoseOfTheDefinitionAndLeadBack) {
  Record record = 0;
  for (const Json& key : Golden()["keys"]) {
    EXPECT_EQ(Key(record).view(), key.get<std::string>());
    Record parsed;
    ASSERT_TRUE(Key::Parse(Key(record).view(), &parsed));
    EXPECT_EQ(parsed, record++);
  }
  Record parsed;
  EXPECT_FALSE(Key::Parse("user0123456789abcde", &parsed));
  EXPECT_FALSE(Key::Parse("User0123456789abcdef", &parsed));
  EXPECT_FALSE(Key::Parse("user0123456789ABCDEF", &parsed));
  EXPECT_FALSE(Key::Parse("user0123456789abcdeg", &parsed));
  EXPECT_FALSE(Key::Parse("user0123456789abcd f", &parsed));
}

TEST(Generator, ValuesAreThoseOfTheDefinition) {
  for (const Json& golden : Golden()["values"]) {
    const Record record = golden["record"];
    const Values values(golden["bytes"].get<size_t>());
    std::string value(values.value_bytes(), '\0');
    values.Fill(record, golden["version"], value.data());
    EXPECT_EQ(Fnv1a(value), Word(golden["fnv1a"]));
    Version version;
    ASSERT_TRUE(values.Check(record, value, &version));
    EXPECT_EQ(version, golden["version"]);
  }
}

TEST(Generator, NoByteOfAValueMayDiffer) {
  const Values values(100);
  std::string value(100, '\0');
  values.Fill(77, 3, value.data());
  Version version;
  EXPECT_FALSE(values.Check(78, value, &version));
  EXPECT_FALSE(values.Check(77, std::string_view(value).substr(1), &version));
  for (size_t i = 0; i < value.size(); ++i) {
    value[i] = static_cast<char>(value[i] ^ 1);
    EXPECT_FALSE(values.Check(77, value, &version)) << "byte " << i;
    value[i] = static_cast<char>(value[i] ^ 1);
  }
}

TEST(Generator, HotRecordsAreThoseOfTheDefinition) {
  const Json& golden = Golden()["zipfian"];
  const Zipfian zipfian(golden["n"]);
  Random ranks(golden["seed"].get<uint64_t>());
  for (const Json& rank : golden["ranks"]) EXPECT_EQ(zipfian.Rank(&ranks), rank);
  Random records(golden["seed"].get<uint64_t>());
  for (const Json& record : golden["records"]) EXPECT_EQ(zipfian.Scrambled(&records), record);
}

TEST(Generator, OperationsAreThoseOfTheDefinition) {
  const auto name = [](Kind kind) -> std::string {
    switch (kind) {
      case Kind::kRead: return "read";
      case Kind::kUpdate: return "update";
      case Kind::kInsert: return "insert";
      case Kind::kScan: return "scan";
      case Kind::kReadModifyWrite: return "rmw";
      case Kind::kAbsentRead: return "absent";
    }
    return "?";
  };
  for (const Json& golden : Golden()["operations"]) {
    const auto stream = golden["workload"].get<std::string>();
    SCOPED_TRACE(stream);
    // A warm-up draws the same kinds of operations from another chance.
    const auto workload = FindWorkload(stream.substr(0, stream.find('+')), Distribution::kZipfian);
    ASSERT_TRUE(workload.ok());
    const uint64_t seed = ThreadSeed(golden["seed"], stream, golden["run"], golden["thread"]);
    const auto operations = DrawOperations(*workload, golden["n"], golden["first"].size(), seed);
    for (size_t i = 0; i < operations.size(); ++i) {
      const Json& expected = golden["first"][i];
      EXPECT_EQ(name(operations[i].kind()), expected[0].get<std::string>());
      if (operations[i].kind() != Kind::kInsert) {
        EXPECT_EQ(operations[i].subject(), expected[1]);
      }
      EXPECT_EQ(operations[i].scan_entries(), expected[2]);
    }
  }
}

}  // namespace
}  // namespace nokv::bench
