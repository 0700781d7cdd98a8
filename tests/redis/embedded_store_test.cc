// EmbeddedStore over a real database: against MemoryStore as the model, across commits and reopening.

#include "redis/embedded_store.h"

#include <gtest/gtest.h>

#include <algorithm>
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
    OpenStore(base::Clock::System());
  }
  void OpenStore(base::Clock* clock) {
    store_.reset();
    auto store = EmbeddedStore::Open(db_.get(), clock);
    ASSERT_TRUE(store.ok()) << store.status().ToString();
    store_ = std::move(*store);
  }
  // Asks until there is an answer, turn by turn.
  static KeyCounts Count(Store& store, int* turns = nullptr) {
    for (;;) {
      const Result<KeyCounts> counts = store.Count();
      if (counts.ok()) return *counts;
      EXPECT_EQ(counts.status().code(), StatusCode::kBusy) << counts.status().ToString();
      EXPECT_TRUE(store.Commit(Durability::kProcess).ok());
      if (turns != nullptr) ++*turns;
    }
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
  EXPECT_EQ(Count(*store_).keys, 1U);
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
      ASSERT_EQ(Count(*store_).keys, model.Count()->keys) << "step " << step;
      ASSERT_EQ(Count(*store_).expiring, model.Count()->expiring) << "step " << step;
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
  EXPECT_LE(Count(*store_).keys, 2U);
  while (base::Clock::System()->WallMillis() <= soon) base::Clock::System()->SleepMicros(1000);
  EXPECT_EQ(Count(*store_).keys, 1U);
  EXPECT_EQ(Count(*store_).expiring, 0U);
  EXPECT_EQ(GetOrNone(*store_, "b"), "(none)");
}

// The wall clock of the system, and a monotonic one that makes every slice of work a short one.
class HurryingClock final : public base::Clock {
 public:
  uint64_t NowMicros() override { return now_ += 100'000; }
  uint64_t WallMillis() override { return base::Clock::System()->WallMillis(); }
  void SleepMicros(uint64_t micros) override { base::Clock::System()->SleepMicros(micros); }

 private:
  uint64_t now_ = 0;
};

TEST_F(EmbeddedStoreTest, CountsInSlicesAmongWrites) {
  HurryingClock clock;
  OpenStore(&clock);
  const auto seed = static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed());
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Random random(seed);
  std::map<std::string, uint64_t> model;  // to the moment of expiry; 0: never
  const auto change = [&] {
    std::string key = "k" + std::to_string(random.Uniform(3000));
    if (random.OneIn(1000)) key.clear();
    const bool gone = random.OneIn(3);
    const uint64_t now = clock.WallMillis();
    const uint64_t at = random.OneIn(2) ? 0 : now + 1 + random.Uniform(random.OneIn(2) ? 20 : 100'000);
    const Mutation mutation = gone ? Mutation::Delete(key) : Mutation::Put(key, "v", at);
    ASSERT_TRUE(store_->Write({&mutation, 1}).ok());
    if (gone) {
      model.erase(key);
    } else {
      model[key] = at;
    }
  };
  const auto live = [&](uint64_t now) {
    uint64_t count = 0;
    for (const auto& [key, at] : model) count += at == 0 || at > now ? 1U : 0U;
    return count;
  };
  int slices = 0;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 2000; ++i) change();
    Result<KeyCounts> counts = Status::Busy("");
    uint64_t before = 0;
    do {
      const uint64_t writes = random.Uniform(40);
      for (uint64_t i = 0; i < writes; ++i) change();
      before = clock.WallMillis();
      counts = store_->Count();
      ++slices;
      ASSERT_TRUE(store_->Commit(Durability::kProcess).ok());
    } while (!counts.ok() && counts.status().code() == StatusCode::kBusy);
    ASSERT_TRUE(counts.ok());
    // Exact for a moment between the two.
    EXPECT_LE(counts->keys, live(before)) << "round " << round;
    EXPECT_GE(counts->keys, live(clock.WallMillis())) << "round " << round;
    if (random.OneIn(5)) {
      ASSERT_TRUE(store_->Clear().ok());
      model.clear();
      EXPECT_EQ(Count(*store_).keys, 0U);
    }
    // More writes than keeping the count is worth: it is forgotten and made anew.
    for (int i = 0; i < 8000; ++i) {
      change();
      if (random.OneIn(20)) {
        ASSERT_TRUE(store_->Commit(Durability::kProcess).ok());
      }
    }
  }
  EXPECT_GT(slices, 100);
}

TEST_F(EmbeddedStoreTest, ACountNobodyWaitsForIsGivenUp) {
  HurryingClock clock;
  OpenStore(&clock);
  for (int i = 0; i < 1000; ++i) {
    const std::string key = "k" + std::to_string(i);
    const Mutation put = Mutation::Put(key, "v");
    ASSERT_TRUE(store_->Write({&put, 1}).ok());
  }
  ASSERT_EQ(store_->Count().status().code(), StatusCode::kBusy);
  const auto counting = [&] {
    const Stats stats = db_->GetStats();
    return std::any_of(stats.readers.begin(), stats.readers.end(),
                       [](const auto& reader) { return reader.label == "redis count"; });
  };
  EXPECT_TRUE(counting());
  ASSERT_TRUE(store_->Commit(Durability::kProcess).ok());
  EXPECT_TRUE(counting());
  ASSERT_TRUE(store_->Commit(Durability::kProcess).ok());
  EXPECT_FALSE(counting());
  int turns = 0;
  EXPECT_EQ(Count(*store_, &turns).keys, 1000U);
  EXPECT_GT(turns, 5);
}

TEST_F(EmbeddedStoreTest, CountsWhatExpires) {
  const uint64_t soon = base::Clock::System()->WallMillis() + 30;
  const Mutation puts[] = {Mutation::Put("a", "1", soon), Mutation::Put("b", "2", soon),
                           Mutation::Put("c", "3", soon), Mutation::Put("d", "4", soon + 100'000),
                           Mutation::Put("e", "5")};
  ASSERT_TRUE(store_->Write(puts).ok());
  ASSERT_TRUE(store_->Commit(Durability::kProcess).ok());
  const Mutation changes[] = {Mutation::Put("a", "kept"), Mutation::Delete("b")};
  ASSERT_TRUE(store_->Write(changes).ok());
  ASSERT_TRUE(store_->Commit(Durability::kProcess).ok());
  while (base::Clock::System()->WallMillis() <= soon) base::Clock::System()->SleepMicros(1000);
  EXPECT_EQ(store_->ExpiredKeys(), 1U);
  EXPECT_EQ(store_->ExpiredKeys(), 1U);
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
