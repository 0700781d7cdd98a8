// Random operations against a model: every operation of the public interface, several configurations with tiny
// limits, snapshots and iterators alive across flushes and compactions.
//
// One thread, a disk in memory, background work run at random moments: a failing run repeats from its seed
// (NOKV_MODEL_SEED). NOKV_MODEL_OPERATIONS changes how long it runs.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "db/db_impl.h"
#include "tests/engine_model.h"
#include "vfs/memory_file_system.h"

namespace nokv::tests {
namespace {

struct Configuration {
  const char* name;
  size_t memtable_bytes;
  size_t segment_bytes;
  size_t file_bytes;
  size_t block_bytes;
  size_t level0_runs;
  CompressionType compression;
  int bloom_bits;
  uint64_t keys;        // size of the key space
  size_t value_bytes;   // most values are below
};

constexpr Configuration kConfigurations[] = {
    {"Tiny", 64 << 10, 64 << 10, 16 << 10, 256, 2, CompressionType::kNone, 10, 300, 60},
    {"Compressed", 128 << 10, 128 << 10, 32 << 10, 1024, 3, CompressionType::kZstd, 12, 2000, 120},
    {"NoFilterBigBlocks", 96 << 10, 64 << 10, 64 << 10, 16 << 10, 4, CompressionType::kLz4, 0, 1000, 200},
    {"LargeValues", 256 << 10, 64 << 10, 64 << 10, 4096, 2, CompressionType::kNone, 10, 60, 3000},
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kOperations = 20'000;
#else
constexpr uint64_t kOperations = 520'000;
#endif

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

class RandomModel : public testing::TestWithParam<Configuration> {
 protected:
  struct LiveSnapshot {
    Snapshot snapshot;
    EngineModel model;
  };
  struct LiveIterator {
    std::unique_ptr<Iterator> iterator;
    uint32_t family;
    EngineModel model;
  };

  void SetUp() override {
    const Configuration& c = GetParam();
    options_.memory_budget = 16 << 20;
    options_.memtable_bytes = c.memtable_bytes;
    options_.immutable_memtables_max = 2;
    options_.log.segment_bytes = c.segment_bytes;
    options_.log.recycled_segments_max = 2;
    options_.table.file_bytes = c.file_bytes;
    options_.table.block_bytes = c.block_bytes;
    options_.table.bloom_bits_per_key = c.bloom_bits;
    options_.table.upper_compression = c.compression;
    options_.table.lower_compression = c.compression;
    options_.compaction.level0_runs = c.level0_runs;
    options_.compaction.level0_runs_slow = c.level0_runs + 6;
    options_.compaction.level1_bytes = c.file_bytes;
    options_.compaction.level_ratio = 2;
    Open();
  }
  void TearDown() override {
    iterators_.clear();
    snapshots_.clear();
    db_.reset();
    executor_.RunAll();
  }

  void Open() {
    auto opened = db::DbImpl::Open(options_,
                                   {.fs = &fs_, .clock = &clock_, .executor = &executor_,
                                    .random_seed = 1, .holder = "model"},
                                   "/db");
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    db_ = std::move(*opened);
  }

  std::string RandomKey() {
    const uint64_t n = random_.Uniform(GetParam().keys);
    // Long shared prefixes, and keys that are prefixes of others.
    std::string key = n % 7 == 0 ? std::string(n % 50, 'x') : "key";
    return key.append(std::to_string(n));
  }
  std::string RandomValue() {
    size_t size = random_.Uniform(GetParam().value_bytes);
    if (random_.OneIn(50)) size = 0;
    if (random_.OneIn(400)) size = 20'000 + random_.Uniform(80'000);
    std::string value(size, static_cast<char>('a' + random_.Uniform(26)));
    for (size_t i = 0; i < size; i += 16) value[i] = static_cast<char>(random_.Next());
    return value;
  }
  ColumnFamily* RandomFamily() {
    const auto families = db_->ListColumnFamilies();
    return families[random_.Uniform(families.size())];
  }

  void Write() {
    ColumnFamily* const family = RandomFamily();
    const uint64_t dice = random_.Uniform(100);
    const std::string key = RandomKey();
    if (dice < 55) {
      const std::string value = RandomValue();
      ASSERT_TRUE(db_->Put({.sync = random_.OneIn(50)}, family, key, value).ok());
      model_.Put(family->id(), key, value);
    } else if (dice < 60) {
      const std::string value = RandomValue();
      WriteOptions options;
      options.ttl = std::chrono::milliseconds(1 + random_.Uniform(2000));
      const uint64_t now = clock_.WallMillis();  // before back-pressure sleeps
      ASSERT_TRUE(db_->Put(options, family, key, value).ok());
      model_.Put(family->id(), key, value, now + static_cast<uint64_t>(options.ttl.count()));
    } else if (dice < 78) {
      ASSERT_TRUE(db_->Delete({}, family, key).ok());
      model_.Delete(family->id(), key);
    } else if (dice < 80) {
      std::string begin = RandomKey();
      std::string end = RandomKey();
      if (begin > end) std::swap(begin, end);
      // Mostly short ranges, so that the database does not stay empty.
      if (!random_.OneIn(10)) end = std::min(end, std::string(begin).append("5"));
      ASSERT_TRUE(db_->DeleteRange({}, family, begin, end).ok());
      model_.DeleteRange(family->id(), begin, end);
    } else {
      WriteBatch batch;
      const uint64_t count = random_.Uniform(8);
      for (uint64_t i = 0; i < count; ++i) {
        ColumnFamily* const one = RandomFamily();
        const std::string batch_key = RandomKey();
        if (random_.OneIn(3)) {
          batch.Delete(one, batch_key);
          model_.Delete(one->id(), batch_key);
        } else {
          const std::string value = RandomValue();
          batch.Put(one, batch_key, value);
          model_.Put(one->id(), batch_key, value);
        }
      }
      ASSERT_TRUE(db_->Write({}, std::move(batch)).ok());
    }
  }

  void CheckGet(ColumnFamily* family, const std::string& key, const Snapshot* at, const EngineModel& model) {
    PinnableValue value;
    ReadOptions options;
    options.snapshot = at;
    options.fill_cache = !random_.OneIn(4);
    const Status status = db_->Get(options, family, key, &value);
    const auto expected = model.Get(family->id(), key, clock_.WallMillis());
    if (expected) {
      ASSERT_TRUE(status.ok()) << family->name() << " " << key << ": " << status.ToString();
      ASSERT_EQ(value.value(), *expected) << family->name() << " " << key;
    } else {
      ASSERT_TRUE(status.IsNotFound()) << family->name() << " " << key << ": " << status.ToString();
    }
  }

  void Read() {
    ColumnFamily* const family = RandomFamily();
    const uint64_t dice = random_.Uniform(10);
    if (dice < 6 || snapshots_.empty()) {
      CheckGet(family, RandomKey(), nullptr, model_);
    } else if (dice < 8) {
      auto it = snapshots_.begin();
      std::advance(it, static_cast<ptrdiff_t>(random_.Uniform(snapshots_.size())));
      CheckGet(family, RandomKey(), &it->snapshot, it->model);
    } else {
      std::vector<std::string> keys;
      for (int i = 0; i < 8; ++i) keys.push_back(RandomKey());
      const std::vector<Slice> slices(keys.begin(), keys.end());
      std::vector<PinnableValue> values(keys.size());
      std::vector<Status> statuses(keys.size());
      db_->MultiGet({}, family, slices, values, statuses);
      for (size_t i = 0; i < keys.size(); ++i) {
        const auto expected = model_.Get(family->id(), keys[i], clock_.WallMillis());
        ASSERT_EQ(statuses[i].ok(), expected.has_value()) << keys[i] << statuses[i].ToString();
        if (expected) {
          ASSERT_EQ(values[i].value(), *expected);
        }
      }
    }
  }

  // A few moves in random directions, each compared with the model's rows.
  void CheckIterator(Iterator* it, uint32_t family, const EngineModel& model, const std::string& begin,
                     const std::string& end) {
    const auto rows = model.Scan(family, begin, end, clock_.WallMillis());
    const auto size = static_cast<int64_t>(rows.size());
    int64_t at = 0;
    const std::string target = RandomKey();
    switch (random_.Uniform(4)) {
      case 0:
        it->SeekToFirst();
        at = 0;
        break;
      case 1:
        it->SeekToLast();
        at = size - 1;
        break;
      case 2:
        it->Seek(target);
        at = std::lower_bound(rows.begin(), rows.end(), std::make_pair(target, std::string())) - rows.begin();
        break;
      default:
        it->SeekForPrev(target);
        at = (std::lower_bound(rows.begin(), rows.end(), std::make_pair(std::string(target).append(1, '\0'), std::string())) -
              rows.begin()) - 1;
    }
    for (int move = 0; move < 12; ++move) {
      ASSERT_TRUE(it->status().ok()) << it->status().ToString();
      const bool expected = at >= 0 && at < size;
      ASSERT_EQ(it->Valid(), expected) << "at row " << at << " of " << size << ", target " << target;
      if (!expected) return;
      ASSERT_EQ(it->key(), rows[static_cast<size_t>(at)].first);
      ASSERT_EQ(it->value(), rows[static_cast<size_t>(at)].second);
      if (random_.OneIn(3)) {
        it->Prev();
        --at;
      } else {
        it->Next();
        ++at;
      }
    }
  }

  void Iterate() {
    const uint64_t dice = random_.Uniform(4);
    if (dice == 0 && !iterators_.empty()) {
      LiveIterator& live = iterators_.front();
      CheckIterator(live.iterator.get(), live.family, live.model, "", "");
      if (random_.OneIn(6)) iterators_.pop_front();
      return;
    }
    ColumnFamily* const family = RandomFamily();
    if (dice == 1 && iterators_.size() < 3) {
      iterators_.push_back({db_->NewIterator({}, family), family->id(), model_});
      return;
    }
    ReadOptions options;
    std::string begin;
    std::string end;
    if (random_.OneIn(2)) {
      begin = RandomKey();
      end = RandomKey();
      if (begin > end) std::swap(begin, end);
      if (begin == end) end += "x";
      options.lower_bound = begin;
      options.upper_bound = end;
    } else if (random_.OneIn(2)) {
      begin = RandomKey().substr(0, 5);
      end = begin;
      ++end.back();
      options.prefix = begin;
    }
    if (dice == 2 && !snapshots_.empty()) {
      options.snapshot = &snapshots_.back().snapshot;
      const auto it = db_->NewIterator(options, family);
      CheckIterator(it.get(), family->id(), snapshots_.back().model, begin, end);
    } else {
      const auto it = db_->NewIterator(options, family);
      CheckIterator(it.get(), family->id(), model_, begin, end);
    }
  }

  void Administrate() {
    const uint64_t dice = random_.Uniform(100);
    if (dice < 30) {
      if (snapshots_.size() < 4) snapshots_.push_back({db_->GetSnapshot(), model_});
    } else if (dice < 58) {
      if (!snapshots_.empty()) {
        auto it = snapshots_.begin();
        std::advance(it, static_cast<ptrdiff_t>(random_.Uniform(snapshots_.size())));
        snapshots_.erase(it);
      }
    } else if (dice < 70) {
      executor_.RunOne();
    } else if (dice < 80) {
      executor_.RunAll();
    } else if (dice < 86) {
      ASSERT_TRUE(db_->Flush({}).ok());
      ++flushes_;
    } else if (dice < 88) {
      ASSERT_TRUE(db_->CompactRange({.rewrite_last_level = random_.OneIn(3)}, RandomFamily(), "",
                                    random_.OneIn(2) ? "" : RandomKey())
                      .ok());
    } else if (dice < 89) {
      ASSERT_TRUE(db_->SyncLog().ok());
    } else if (dice < 92) {
      clock_.Advance(random_.Uniform(200'000));
    } else if (dice < 95) {
      const std::string name = "f" + std::to_string(++families_made_);
      if (db_->ListColumnFamilies().size() < 7) {
        ASSERT_TRUE(db_->CreateColumnFamily(name).ok());
      }
    } else if (dice < 97) {
      ColumnFamily* const family = RandomFamily();
      for (const LiveIterator& live : iterators_) {
        if (live.family == family->id()) return;
      }
      if (family->id() >= 3) {
        ASSERT_TRUE(db_->DropColumnFamily(family).ok());
        model_.DropFamily(family->id());
      }
    } else if (dice < 98) {
      iterators_.clear();
      snapshots_.clear();
      ASSERT_TRUE(db_->Close().ok());
      db_.reset();
      executor_.RunAll();
      Open();
      ++reopens_;
    } else if (random_.OneIn(10)) {
      ASSERT_TRUE(db_->VerifyChecksums().ok());
    }
  }

  Options options_;
  vfs::MemoryFileSystem fs_;
  base::ManualClock clock_;
  base::ManualExecutor executor_;
  base::Random random_{1};
  std::unique_ptr<db::DbImpl> db_;
  EngineModel model_;
  std::list<LiveSnapshot> snapshots_;
  std::list<LiveIterator> iterators_;
  int flushes_ = 0, reopens_ = 0, families_made_ = 0;
};

TEST_P(RandomModel, AnswersLikeTheModel) {
  const uint64_t seed = FromEnvironment("NOKV_MODEL_SEED", 20261121);
  const uint64_t operations = FromEnvironment("NOKV_MODEL_OPERATIONS", kOperations);
  random_ = base::Random(seed);
  std::printf("seed %llu, %llu operations\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(operations));
  for (uint64_t i = 0; i < operations; ++i) {
    const uint64_t dice = random_.Uniform(1000);
    if (dice < 450) {
      Write();
    } else if (dice < 950) {
      Read();
    } else if (dice < 985) {
      Iterate();
    } else if (random_.OneIn(4)) {
      Administrate();
    }
    if (HasFatalFailure()) {
      FAIL() << "at operation " << i << " of seed " << seed;
    }
  }
  const Stats stats = db_->GetStats();
  EXPECT_EQ(stats.background_error, "");
  if (operations >= 200'000) {  // a short run may not come to it
    EXPECT_GT(flushes_, 0);
    EXPECT_GT(reopens_, 0);
  }
  int deepest = 0;
  for (const Stats::Level& level : stats.levels) deepest = level.tables > 0 ? level.level : deepest;
  std::printf("%d flushes asked for, %d reopens; since the last open: %llu flushes, %llu compactions, %llu moves; "
              "deepest level %d\n",
              flushes_, reopens_, static_cast<unsigned long long>(stats.flush.completed),
              static_cast<unsigned long long>(stats.compaction.runs),
              static_cast<unsigned long long>(stats.compaction.moves), deepest);
}

// Names the parameter in the output of a failing test.
void PrintTo(const Configuration& configuration, std::ostream* out) { *out << configuration.name; }

INSTANTIATE_TEST_SUITE_P(Configurations, RandomModel, testing::ValuesIn(kConfigurations),
                         [](const testing::TestParamInfo<Configuration>& parameter) {
                           return parameter.param.name;
                         });

}  // namespace
}  // namespace nokv::tests
