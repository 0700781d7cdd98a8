// A point read that finds its block in the cache allocates nothing, and neither does a step of an
// iterator within the cache. Replaces operator new in this test program; the sanitizers have their
// own, and the test is not built with them.

#include <gtest/gtest.h>

#include "base/test_allocations.h"

#if NOKV_COUNTS_ALLOCATIONS

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/epoch.h"
#include "base/hash.h"
#include "cache/block_cache.h"
#include "sst/table_builder.h"
#include "sst/table_reader.h"
#include "sst/test_support.h"

namespace nokv::sst {
namespace {

TEST(TableAllocation, ReadingFromTheCacheAllocatesNothing) {
  const auto bytes = std::make_shared<std::string>();
  testing::BytesWriter writer(bytes, "table");
  TableBuilder builder({}, 1, 1, &writer);
  std::vector<std::string> keys;
  for (size_t i = 0; i < 5000; ++i)
    keys.push_back(testing::Numbered("key", 10'000 + i));
  for (const std::string& key : keys) {
    ASSERT_TRUE(builder.Add({key, key::PackTrailer(1, key::Kind::kPut), 0, key}).ok());
  }
  ASSERT_TRUE(builder.Finish().ok());

  base::EpochDomain epochs;
  const auto cache = cache::BlockCache::Create({.capacity_bytes = 8 << 20, .epochs = &epochs});
  auto reader = TableReader::Open({.cache = cache.get(), .database_id = 1},
                                  std::make_unique<testing::BytesReader>(bytes, "table"), 1);
  ASSERT_TRUE(reader.ok());
  const auto iterator = (*reader)->NewIterator({});
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
  }
  const base::EpochDomain::Guard guard(&epochs);

  const uint64_t before = base::test_allocations;
  int wrong = 0;
  for (const std::string& key : keys) {
    for (const bool pin : {false, true}) {
      GetResult result;
      const uint64_t hash = base::Hash64(key);
      const Status status =
          (*reader)->Get(key, hash, key::kMaxSequence, {.pin_value = pin}, &result);
      wrong += status.ok() && result.found && result.value == key ? 0 : 1;
    }
    iterator->Seek(key, UINT64_MAX);
    wrong += iterator->Valid() && iterator->value() == key ? 0 : 1;
  }
  for (iterator->SeekToLast(); iterator->Valid(); iterator->Prev()) {
  }
  EXPECT_EQ(base::test_allocations - before, 0U);
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace nokv::sst

#endif
