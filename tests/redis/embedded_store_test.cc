// EmbeddedStore over a real database: against MemoryStore as the model, across commits and reopening.

#include "redis/embedded_store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "redis/memory_store.h"

namespace nokv::redis {
namespace {

class EmbeddedStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    directory_ = std::filesystem::temp_directory_path() /
                 ("nokv-embedded-store-" + std::to_string(::getpid()) + "-" + name);
    Reopen();
  }
  void TearDown() override {
    store_.reset();
    db_.reset();
    std::filesystem::remove_all(directory_);
  }
  void Reopen() {
    store_.reset();
    db_.reset();
    Options options;
    options.memory_budget = 32 << 20;
    auto db = DB::Open(options, directory_);
    ASSERT_TRUE(db.ok()) << db.status().ToString();
    db_ = std::move(*db);
    auto store = EmbeddedStore::Open(db_.get(), base::Clock::System());
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(*store);
  }
  std::string GetOrNone(Store& store, Slice key) {
    PinnableValue value;
    return store.Get(key, &value).ok() ? value.ToString() : "(none)";
  }

  std::filesystem::path directory_;
  std::unique_ptr<DB> db_;
  std::unique_ptr<EmbeddedStore> store_;
};

TEST_F(EmbeddedStoreTest, ReadsSeeTheWritesOfTheirTurn) {
  const Mutation puts[] = {Mutation::Put("a", "1"), Mutation::Put("", "empty")};
  ASSERT_TRUE(store_->Write(puts).ok());
  EXPECT_EQ(GetOrNone(*store_, "a"), "1");
  EXPECT_EQ(GetOrNone(*store_, ""), "empty");
  const Mutation gone = Mutation::Delete("a");
  ASSERT_TRUE(store_->Write({&gone, 1}).ok());
  EXPECT_EQ(GetOrNone(*store_, "a"), "(none)");
  ASSERT_TRUE(store_->Commit(Durability::kPower).ok());
  Reopen();
  EXPECT_EQ(GetOrNone(*store_, "a"), "(none)");
  EXPECT_EQ(GetOrNone(*store_, ""), "empty");
  EXPECT_EQ(store_->Count()->keys, 1U);
}

TEST_F(EmbeddedStoreTest, StringsAreEntriesOfTheDefaultFamilyAsTheyAre) {
  const Mutation put = Mutation::Put("hello", "world");
  ASSERT_TRUE(store_->Write({&put, 1}).ok());
  ASSERT_TRUE(store_->Commit(Durability::kProcess).ok());
  std::string value;
  ASSERT_TRUE(db_->Get({}, "hello", &value).ok());
  EXPECT_EQ(value, "world");
}

TEST_F(EmbeddedStoreTest, LargeValuesAreReadableInTheirTurn) {
  const std::string large(3 << 20, 'x');
  const Mutation put = Mutation::Put("large", large);
  ASSERT_TRUE(store_->Write({&put, 1}).ok());
  EXPECT_EQ(GetOrNone(*store_, "large"), large);
}

TEST_F(EmbeddedStoreTest, AgreesWithTheModel) {
  const auto seed = static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed());
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Random random(seed);
  testing::MemoryStore model(base::Clock::System());
  const uint64_t far = base::Clock::System()->WallMillis() + 100'000'000;
  for (int step = 0; step < 6000; ++step) {
    const std::string key = random.OneIn(50) ? "" : "k" + std::to_string(random.Uniform(200));
    const uint64_t choice = random.Uniform(100);
    if (choice < 45) {
      const std::string value(random.OneIn(200) ? 70'000 : random.Uniform(50), 'v');
      const Mutation put =
          Mutation::Put(key, value, random.OneIn(3) ? far + random.Uniform(100'000) : 0);
      ASSERT_TRUE(store_->Write({&put, 1}).ok());
      ASSERT_TRUE(model.Write({&put, 1}).ok());
    } else if (choice < 75) {
      const auto toggle = [&](std::span<const Found> found, std::vector<Mutation>* mutations) {
        mutations->push_back(found[0].exists ? Mutation::Delete(key) : Mutation::Put(key, "t"));
      };
      ASSERT_TRUE(store_->Update(std::vector<Slice>{key}, Need::kPresence, toggle).ok());
      ASSERT_TRUE(model.Update(std::vector<Slice>{key}, Need::kPresence, toggle).ok());
    } else if (choice < 90) {
      ASSERT_TRUE(store_->Commit(Durability::kProcess).ok());
    } else if (choice < 97) {
      ASSERT_EQ(store_->Count()->keys, model.Count()->keys) << "step " << step;
      ASSERT_EQ(store_->Count()->expiring, model.Count()->expiring) << "step " << step;
    } else if (random.OneIn(20)) {
      ASSERT_TRUE(store_->Clear().ok());
      ASSERT_TRUE(model.Clear().ok());
    } else if (random.OneIn(20)) {
      ASSERT_TRUE(store_->Commit(Durability::kProcess).ok());
      Reopen();
    }
    ASSERT_EQ(GetOrNone(*store_, key), GetOrNone(model, key)) << "step " << step;
  }
  std::map<std::string, uint64_t> ours;
  std::map<std::string, uint64_t> theirs;
  ASSERT_TRUE(store_->VisitKeys("", [&](Slice key, uint64_t at) {
    ours.emplace(key, at);
    return true;
  }).ok());
  ASSERT_TRUE(model.VisitKeys("", [&](Slice key, uint64_t at) {
    theirs.emplace(key, at);
    return true;
  }).ok());
  EXPECT_EQ(ours, theirs);
}

TEST_F(EmbeddedStoreTest, CountFollowsExpiry) {
  const uint64_t soon = base::Clock::System()->WallMillis() + 30;
  const Mutation puts[] = {Mutation::Put("a", "1"), Mutation::Put("b", "2", soon)};
  ASSERT_TRUE(store_->Write(puts).ok());
  EXPECT_LE(store_->Count()->keys, 2U);
  while (base::Clock::System()->WallMillis() <= soon) base::Clock::System()->SleepMicros(1000);
  EXPECT_EQ(store_->Count()->keys, 1U);
  EXPECT_EQ(store_->Count()->expiring, 0U);
  EXPECT_EQ(GetOrNone(*store_, "b"), "(none)");
}

TEST_F(EmbeddedStoreTest, RandomKeyIsAKey) {
  base::Random random(3);
  std::string key;
  EXPECT_TRUE(store_->RandomKey(&random, &key).IsNotFound());
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) names.push_back("key" + std::to_string(i));
  for (const std::string& name : names) {
    const Mutation put = Mutation::Put(name, "v");
    ASSERT_TRUE(store_->Write({&put, 1}).ok());
  }
  std::map<std::string, int> seen;
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(store_->RandomKey(&random, &key).ok());
    ASSERT_NE(GetOrNone(*store_, key), "(none)");
    ++seen[key];
  }
  EXPECT_GT(seen.size(), 100U);
}

}  // namespace
}  // namespace nokv::redis
