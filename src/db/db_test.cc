// The engine as a user sees it, on a disk in memory unless a test says otherwise.

#include "nokv/db.h"

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/executor.h"
#include "db/db_impl.h"
#include "vfs/fault_file_system.h"
#include "vfs/memory_file_system.h"

namespace nokv::db {
namespace {

class DbTest : public testing::Test {
 protected:
  DbTest() : fs_(std::make_unique<vfs::MemoryFileSystem>()) {
    options_.memory_budget = 16 << 20;
    options_.memtable_bytes = 256 << 10;
    options_.log.segment_bytes = 128 << 10;
    options_.table.file_bytes = 64 << 10;
    options_.compaction.level1_bytes = 256 << 10;
  }
  ~DbTest() override {
    db_.reset();
    executor_.RunAll();
  }

  void Open() {
    auto opened = TryOpen();
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    db_ = std::move(*opened);
  }
  Result<std::unique_ptr<DbImpl>> TryOpen() {
    const Environment environment{.fs = fs_.get(),
                                  .clock = &clock_,
                                  .executor = &executor_,
                                  .random_seed = 7,
                                  .holder = "the test"};
    return DbImpl::Open(options_, environment, "/db");
  }
  void Reopen() {
    ASSERT_TRUE(db_->Close().ok());
    db_.reset();
    Open();
  }
  // The process dies: what it had given to the kernel is all there.
  void Kill() {
    auto survivor = fs_->CloneAfterProcessDeath();
    db_.reset();
    executor_.RunAll();
    fs_ = std::move(survivor);
    Open();
  }
  std::string Get(Slice key, const ReadOptions& options = {}) {
    std::string value;
    const Status status = static_cast<DB*>(db_.get())->Get(options, key, &value);
    if (status.IsNotFound()) return "(none)";
    return status.ok() ? value : status.ToString();
  }
  Status Put(Slice key, Slice value) { return static_cast<DB*>(db_.get())->Put({}, key, value); }
  // "a=1 b=2": all of the default family.
  std::string Scan(const ReadOptions& options = {}) {
    std::string text;
    const auto it = db_->NewIterator(options, nullptr);
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      text += (text.empty() ? "" : " ") + std::string(it->key()) + "=" + std::string(it->value());
    }
    EXPECT_TRUE(it->status().ok()) << it->status().ToString();
    std::string backward;
    for (it->SeekToLast(); it->Valid(); it->Prev()) {
      backward = std::string(it->key()) + "=" + std::string(it->value()) +
                 (backward.empty() ? "" : " ") + backward;
    }
    EXPECT_EQ(text, backward);
    return text;
  }

  Options options_;
  std::unique_ptr<vfs::MemoryFileSystem> fs_;
  base::ManualClock clock_;
  base::ManualExecutor executor_;
  std::unique_ptr<DbImpl> db_;
};

TEST_F(DbTest, WhatWasPutIsReadAlsoAfterFlushAndReopen) {
  Open();
  ASSERT_TRUE(Put("a", "1").ok());
  ASSERT_TRUE(Put("b", "").ok());
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("b"), "");
  EXPECT_EQ(Get("c"), "(none)");
  ASSERT_TRUE(db_->Flush({}).ok());
  EXPECT_EQ(Get("a"), "1");
  ASSERT_TRUE(Put("a", "2").ok());
  EXPECT_EQ(Scan(), "a=2 b=");
  Reopen();
  EXPECT_EQ(Scan(), "a=2 b=");
  Kill();
  EXPECT_EQ(Scan(), "a=2 b=");
}

TEST_F(DbTest, DeletesAndRangeDeletesHideWhatIsOlder) {
  Open();
  for (const char* key : {"a", "b", "c", "d", "e"}) ASSERT_TRUE(Put(key, key).ok());
  ASSERT_TRUE(db_->Flush({}).ok());
  ASSERT_TRUE(db_->Delete({}, nullptr, "a").ok());
  ASSERT_TRUE(db_->DeleteRange({}, nullptr, "b", "d").ok());
  ASSERT_TRUE(Put("c", "new").ok());
  EXPECT_EQ(Scan(), "c=new d=d e=e");
  ASSERT_TRUE(db_->Flush({}).ok());
  EXPECT_EQ(Scan(), "c=new d=d e=e");
  EXPECT_EQ(Get("b"), "(none)");
  ASSERT_TRUE(db_->CompactRange({.rewrite_last_level = true}, nullptr, "", "").ok());
  EXPECT_EQ(Scan(), "c=new d=d e=e");
  EXPECT_EQ(db_->GetStats().entries, 3U);
  Reopen();
  EXPECT_EQ(Scan(), "c=new d=d e=e");
}

TEST_F(DbTest, SnapshotsAndIteratorsStayWhatTheyWere) {
  Open();
  ASSERT_TRUE(Put("a", "1").ok());
  Snapshot snapshot = db_->GetSnapshot();
  const auto it = db_->NewIterator({}, nullptr);
  ASSERT_TRUE(Put("a", "2").ok());
  ASSERT_TRUE(Put("b", "2").ok());
  ASSERT_TRUE(db_->Flush({}).ok());
  ASSERT_TRUE(db_->CompactRange({.rewrite_last_level = true}, nullptr, "", "").ok());
  executor_.RunAll();
  ReadOptions at;
  at.snapshot = &snapshot;
  EXPECT_EQ(Get("a", at), "1");
  EXPECT_EQ(Scan(at), "a=1");
  it->SeekToFirst();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->value(), "1");
  it->Next();
  EXPECT_FALSE(it->Valid());
  EXPECT_EQ(Scan(), "a=2 b=2");
}

TEST_F(DbTest, ALongLivedReaderIsNamedWithWhatItHoldsBack) {
  Open();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Put("key" + std::to_string(i), std::string(100, 'v')).ok());
  ASSERT_TRUE(db_->Flush({}).ok());
  ReadOptions options;
  options.label = "backup";
  auto it = db_->NewIterator(options, nullptr);
  Snapshot snapshot = db_->GetSnapshot();
  clock_.Advance(5'000'000);
  ASSERT_TRUE(db_->CompactRange({.rewrite_last_level = true}, nullptr, "", "").ok());
  const Stats stats = db_->GetStats();
  ASSERT_EQ(stats.readers.size(), 2U);
  EXPECT_EQ(stats.readers[0].kind, "iterator");
  EXPECT_EQ(stats.readers[0].label, "backup");
  EXPECT_EQ(stats.readers[0].age_ms, 5000U);
  EXPECT_GT(stats.readers[0].held_bytes, 5000U);
  EXPECT_EQ(stats.readers[1].kind, "snapshot");
  EXPECT_EQ(stats.readers[1].sequence, 100U);
  it.reset();
  snapshot.Release();
  EXPECT_TRUE(db_->GetStats().readers.empty());
}

TEST_F(DbTest, ExpiredKeysVanishAtTheirMillisecond) {
  Open();
  WriteOptions ttl;
  ttl.ttl = std::chrono::milliseconds(10);
  ASSERT_TRUE(Put("t", "older").ok());
  ASSERT_TRUE(db_->Put(ttl, nullptr, "t", "v").ok());
  clock_.Advance(9'000);
  EXPECT_EQ(Get("t"), "v");
  clock_.Advance(1'000);
  EXPECT_EQ(Get("t"), "(none)");
  EXPECT_EQ(Scan(), "");
  ASSERT_TRUE(db_->CompactRange({.rewrite_last_level = true}, nullptr, "", "").ok());
  EXPECT_EQ(Get("t"), "(none)");
  EXPECT_EQ(db_->GetStats().entries, 0U);
}

TEST_F(DbTest, FamiliesAreSeparateAndDropTakesEverything) {
  Open();
  auto made = db_->CreateColumnFamily("mine");
  ASSERT_TRUE(made.ok());
  ColumnFamily* mine = *made;
  ASSERT_TRUE(Put("k", "default").ok());
  ASSERT_TRUE(db_->Put({}, mine, "k", "mine").ok());
  WriteBatch batch;
  batch.Put(db_->FindColumnFamily("lock"), "l", "1");
  batch.Put(mine, "l", "2");
  ASSERT_TRUE(db_->Write({}, std::move(batch)).ok());
  Reopen();
  mine = db_->FindColumnFamily("mine");
  ASSERT_NE(mine, nullptr);
  PinnableValue value;
  ASSERT_TRUE(db_->Get({}, mine, "k", &value).ok());
  EXPECT_EQ(value.value(), "mine");
  EXPECT_EQ(Scan(), "k=default");
  ASSERT_TRUE(db_->DropColumnFamily(mine).ok());
  EXPECT_EQ(db_->Get({}, mine, "k", &value).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(db_->Put({}, mine, "k", "x").code(), StatusCode::kInvalidArgument);
  auto again = db_->CreateColumnFamily("mine");
  ASSERT_TRUE(again.ok());
  EXPECT_NE((*again)->id(), mine->id());
  EXPECT_TRUE(db_->Get({}, *again, "k", &value).IsNotFound());
  EXPECT_FALSE(db_->DropColumnFamily(db_->DefaultColumnFamily()).ok());
}

TEST_F(DbTest, OpeningOftenCollectsNoLogSegments) {
  Open();
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(Put("key" + std::to_string(i), "value").ok());
    executor_.RunAll();
    Reopen();
  }
  executor_.RunAll();
  EXPECT_LE(db_->GetStats().wal.segment_count, 4U);
  EXPECT_EQ(Get("key0"), "value");
  EXPECT_EQ(Get("key11"), "value");
}

TEST_F(DbTest, LimitsAreRefusedWithTheirName) {
  Open();
  EXPECT_EQ(Put("", "v").code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(Put(std::string(65536, 'k'), "v").ok());
  const Status too_long = Put(std::string(65537, 'k'), "v");
  EXPECT_EQ(too_long.code(), StatusCode::kLimitExceeded);
  EXPECT_NE(too_long.message().find("65536"), Slice::npos);
  options_.max_batch_bytes = 1024;
  Reopen();
  EXPECT_EQ(Put("k", std::string(2000, 'v')).code(), StatusCode::kLimitExceeded);
  EXPECT_TRUE(Put("k", "v").ok());
}

TEST_F(DbTest, ManyWritesFlowThroughAllLevels) {
  options_.compaction.level1_bytes = 64 << 10;
  options_.compaction.level_ratio = 2;
  Open();
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 3000; ++i) {
      const std::string key = "key" + std::to_string((i * 7919) % 3000);
      ASSERT_TRUE(Put(key, std::string(200, static_cast<char>('a' + round)) + key).ok());
    }
  }
  executor_.RunAll();
  const Stats stats = db_->GetStats();
  EXPECT_GT(stats.flush.completed, 4U);
  EXPECT_GT(stats.compaction.runs + stats.compaction.moves, 1U);
  EXPECT_GT(stats.levels.at(3).tables, 0U);
  EXPECT_EQ(stats.background_error, "");
  for (int i = 0; i < 3000; ++i) {
    const std::string key = "key" + std::to_string(i);
    ASSERT_EQ(Get(key), std::string(200, 'd') + key);
  }
  Reopen();
  for (int i = 0; i < 3000; ++i) {
    const std::string key = "key" + std::to_string(i);
    ASSERT_EQ(Get(key), std::string(200, 'd') + key);
  }
  EXPECT_TRUE(db_->VerifyChecksums().ok());
}

// What was answered from memory before a flush or a compaction is answered from memory after it; while nobody reads,
// nothing is loaded.
TEST_F(DbTest, FlushAndCompactionLeaveTheCacheWarm) {
  Open();
  const auto key = [](int i) { return "key" + std::to_string(10'000 + i); };
  const auto write_all = [&](bool with_readers) {
    for (int i = 0; i < 2'000; ++i) {
      ASSERT_TRUE(Put(key(i), std::string(100, 'v')).ok());
      if (with_readers) {
        executor_.RunAll();
        EXPECT_EQ(Get(key(1'999)), std::string(100, 'v'));
      }
    }
    ASSERT_TRUE(db_->Flush({}).ok());
    executor_.RunAll();
  };
  const auto compact = [&] {
    ASSERT_TRUE(db_->CompactRange({.rewrite_last_level = true}, nullptr, "", "").ok());
    executor_.RunAll();
    EXPECT_GT(db_->GetStats().compaction.bytes_written, 0U);
  };
  const auto misses = [&] { return db_->GetStats().cache.misses; };
  const auto read_all = [&] {
    for (int i = 0; i < 2'000; ++i) EXPECT_EQ(Get(key(i)), std::string(100, 'v'));
    return misses();
  };
  write_all(false);
  compact();
  EXPECT_EQ(db_->GetStats().cache.inserts, 0U);

  // The first block that is missed calls the others in.
  EXPECT_EQ(Get(key(0)), std::string(100, 'v'));
  EXPECT_EQ(misses(), 1U);
  executor_.RunAll();
  EXPECT_EQ(read_all(), 1U);

  // There are readers: what jobs write is there when they are done.
  write_all(true);
  EXPECT_EQ(read_all(), 1U);
  compact();
  EXPECT_EQ(read_all(), 1U);

  // What nobody had in memory stays on the disk.
  Reopen();
  ASSERT_TRUE(db_->CompactRange({.rewrite_last_level = true}, nullptr, "", "").ok());
  executor_.RunAll();
  EXPECT_EQ(db_->GetStats().cache.used_bytes, 0U);
}

// Of a database much larger than its memory, level 0 goes down late, and at once when somebody scans.
TEST_F(DbTest, LevelZeroGrowsWhileNobodyScans) {
  Open();
  base::Random random(20261121);
  std::string value(4000, 'v');
  const auto fill = [&](uint64_t bytes) {
    for (uint64_t written = 0; written < bytes; written += value.size()) {
      for (char& c : value) c = static_cast<char>(random.Next());  // nothing to compress
      ASSERT_TRUE(Put(std::to_string(random.Next()), value).ok());
      executor_.RunAll();
    }
  };
  const auto level0_bytes = [&] { return db_->GetStats().levels[0].size_bytes; };
  const uint64_t usual = options_.compaction.level0_runs * options_.memtable_bytes;
  uint64_t most = 0;
  for (int i = 0; i < 16; ++i) {
    fill(options_.memtable_bytes);
    most = std::max(most, level0_bytes());
  }
  EXPECT_LE(most, usual);

  fill(2 * options_.memory_budget);
  for (int i = 0; i < 32 && level0_bytes() <= 2 * usual; ++i) fill(options_.memtable_bytes);
  EXPECT_GT(level0_bytes(), 2 * usual);
  const auto iterator = db_->NewIterator({}, nullptr);
  executor_.RunAll();
  EXPECT_EQ(level0_bytes(), 0U);
}

TEST_F(DbTest, ASecondOpenerIsToldWhoHoldsTheDirectory) {
  Open();
  const auto second = TryOpen();
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), StatusCode::kBusy);
  EXPECT_NE(second.status().message().find("the test"), Slice::npos);
}

TEST(TableAccess, GoesPastThePageCacheOnlyWhereThatHasNoRoom) {
  constexpr size_t kBudget = 512 << 20;
  EXPECT_EQ(TableAccess(kBudget, 0), vfs::AccessPattern::kRandom);  // nobody knows
  EXPECT_EQ(TableAccess(kBudget, kBudget * 3 / 2), vfs::AccessPattern::kRandom);
  EXPECT_EQ(TableAccess(kBudget, kBudget * 3 / 2 - 1), vfs::AccessPattern::kRandomDirect);
  EXPECT_EQ(TableAccess(kBudget, kBudget / 2), vfs::AccessPattern::kRandomDirect);
}

TEST_F(DbTest, ReadOnlySeesEverythingAndChangesNothing) {
  Open();
  ASSERT_TRUE(Put("a", "1").ok());
  ASSERT_TRUE(db_->Flush({}).ok());
  ASSERT_TRUE(Put("b", "2").ok());
  Options options = options_;
  options.read_only = true;
  const uint64_t operations = fs_->operation_count();
  {
    auto reader = DbImpl::Open(options, {.fs = fs_.get(), .clock = &clock_, .executor = &executor_, .random_seed = 0, .holder = ""},
                               "/db");
    ASSERT_TRUE(reader.ok()) << reader.status().ToString();
    DB& db = **reader;
    std::string value;
    EXPECT_TRUE(db.Get({}, "a", &value).ok());
    EXPECT_TRUE(db.Get({}, "b", &value).ok());
    EXPECT_TRUE(db.Put({}, "c", "3").IsReadOnly());
    EXPECT_EQ(db.GetStats().state, "read_only");
  }
  EXPECT_EQ(fs_->operation_count(), operations);
}

TEST_F(DbTest, EverythingFailsWithClosedAfterClose) {
  Open();
  ASSERT_TRUE(Put("a", "1").ok());
  ASSERT_TRUE(db_->Close().ok());
  ASSERT_TRUE(db_->Close().ok());
  EXPECT_TRUE(Put("a", "2").IsClosed());
  std::string value;
  EXPECT_TRUE(static_cast<DB*>(db_.get())->Get({}, "a", &value).IsClosed());
  EXPECT_TRUE(db_->NewIterator({}, nullptr)->status().IsClosed());
  EXPECT_FALSE(db_->GetSnapshot());
  EXPECT_TRUE(db_->Flush({}).IsClosed());
}

TEST_F(DbTest, FullDiskStopsWritesAndSpaceResumesThem) {
  Open();
  ASSERT_TRUE(Put("before", "1").ok());
  constexpr uint64_t kPlenty = 1ULL << 40;
  fs_->SetCapacity(kPlenty);
  const uint64_t used = kPlenty - fs_->FreeSpace("/").value();
  fs_->SetCapacity(used + (200 << 10));
  Status status;
  int written = 0;
  for (int i = 0; i < 5000 && status.ok(); ++i) {
    status = Put("key" + std::to_string(i), std::string(500, 'x'));
    written += status.ok() ? 1 : 0;
  }
  ASSERT_TRUE(status.IsNoSpace()) << status.ToString();
  EXPECT_EQ(Get("before"), "1");
  for (int i = 0; i < written; ++i) ASSERT_NE(Get("key" + std::to_string(i)), "(none)") << i;
  fs_->SetCapacity(UINT64_MAX);
  clock_.Advance(1'000'000);
  ASSERT_TRUE(Put("after", "2").ok());
  EXPECT_EQ(Get("after"), "2");
  EXPECT_EQ(db_->GetStats().state, "open");
  Reopen();
  for (int i = 0; i < written; ++i) ASSERT_NE(Get("key" + std::to_string(i)), "(none)") << i;
}

// --- Faults through the whole engine -----------------------------------------------------------------------

class DbFaultTest : public DbTest {
 protected:
  DbFaultTest()
      : faults_(fs_.get(), {.clock = &clock_, .lose_unsynced = [this](const std::string& path) {
                              fs_->LoseUnsynced(path).IgnoreError();
                            }}) {}
  ~DbFaultTest() override { db_.reset(); }  // before the file system that it uses
  void OpenWithFaults() {
    auto opened = DbImpl::Open(options_,
                               {.fs = &faults_, .clock = &clock_, .executor = &executor_,
                                .random_seed = 7, .holder = "the test"},
                               "/db");
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    db_ = std::move(*opened);
  }
  void Fail(vfs::FaultOperation operation, const char* path, vfs::FaultRule::Fault fault) {
    vfs::FaultRule rule;
    rule.operation = operation;
    rule.path = path;
    rule.fault = fault;
    faults_.AddRule(rule);
  }

  vfs::FaultFileSystem faults_;
};

TEST_F(DbFaultTest, AFailedLogSyncMakesTheDatabaseReadOnlyForGood) {
  OpenWithFaults();
  ASSERT_TRUE(db_->Put({.sync = true}, nullptr, "kept", "1").ok());
  Fail(vfs::FaultOperation::kSync, "*.wal", vfs::FaultRule::Fault::kLostSync);
  const Status failed = db_->Put({.sync = true}, nullptr, "lost", "2");
  ASSERT_FALSE(failed.ok());
  EXPECT_NE(failed.message().find("next open"), Slice::npos) << failed.ToString();
  faults_.RemoveAllRules();
  // The disk would take it now; the engine does not (law 4).
  EXPECT_TRUE(Put("later", "3").IsReadOnly());
  EXPECT_TRUE(db_->SyncLog().IsReadOnly());
  EXPECT_TRUE(db_->Flush({}).IsReadOnly());
  EXPECT_EQ(Get("kept"), "1");
  EXPECT_EQ(Get("lost"), "(none)");
  EXPECT_EQ(db_->GetStats().state, "read_only");
  EXPECT_NE(db_->GetStats().background_error, "");
  EXPECT_FALSE(db_->Close().ok());
  db_.reset();
  executor_.RunAll();
  auto survivor = fs_->CrashClone(vfs::CrashPolicy::kMaximum, 1);
  fs_.swap(survivor);
  Open();
  EXPECT_EQ(Get("kept"), "1");
  db_.reset();
  executor_.RunAll();
  fs_.swap(survivor);
}

TEST_F(DbFaultTest, AFlushThatFailsOnceIsRepeatedAndForgetsNothing) {
  OpenWithFaults();
  ASSERT_TRUE(Put("a", "1").ok());
  Fail(vfs::FaultOperation::kSync, "*.sst.tmp", vfs::FaultRule::Fault::kFail);
  ASSERT_TRUE(db_->Flush({}).ok());
  EXPECT_EQ(db_->GetStats().flush.failed, 1U);
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(db_->GetStats().state, "open");
}

TEST_F(DbFaultTest, AFailedManifestSyncLosesNeitherTheOldNorTheNew) {
  OpenWithFaults();
  ASSERT_TRUE(Put("a", "1").ok());
  Fail(vfs::FaultOperation::kSync, "*MANIFEST*", vfs::FaultRule::Fault::kLostSync);
  ASSERT_TRUE(db_->Flush({}).ok());
  EXPECT_GE(db_->GetStats().flush.failed, 1U);
  ASSERT_TRUE(Put("b", "2").ok());
  ASSERT_TRUE(db_->Close().ok());
  db_.reset();
  executor_.RunAll();
  Open();
  EXPECT_EQ(Scan(), "a=1 b=2");
}

TEST_F(DbFaultTest, RetriesOfAFlushCollectNoTables) {
  OpenWithFaults();
  const auto tables = [&] {
    executor_.RunAll();
    size_t count = 0;
    const auto names = fs_->List("/db");
    for (const std::string& name : *names) count += name.find(".sst") != std::string::npos ? 1U : 0U;
    return count;
  };
  ASSERT_TRUE(Put("a", "1").ok());
  vfs::FaultRule rule;
  rule.operation = vfs::FaultOperation::kWrite;
  rule.path = "*MANIFEST*";
  rule.repeat = true;
  rule.error = StatusCode::kNoSpace;
  const auto full = faults_.AddRule(rule);
  ASSERT_TRUE(db_->Flush({}).IsNoSpace());
  for (int retry = 0; retry < 10; ++retry) {
    clock_.Advance(1'000'000);
    ASSERT_TRUE(Put("b", "2").IsNoSpace());
    EXPECT_EQ(tables(), 1U);  // that of the first attempt, which the manifest may name
  }
  EXPECT_GT(faults_.fired(full), 10U);
  faults_.RemoveAllRules();
  clock_.Advance(1'000'000);
  ASSERT_TRUE(Put("b", "2").ok());
  ASSERT_TRUE(db_->Flush({}).ok());
  size_t in_use = 0;
  for (const Stats::Level& level : db_->GetStats().levels) in_use += level.tables;
  EXPECT_EQ(tables(), in_use);
  EXPECT_EQ(Scan(), "a=1 b=2");
}

TEST_F(DbFaultTest, EveryFailingCallLeavesADatabaseThatOpensAndHoldsWhatWasAcknowledged) {
  // The k-th call fails, for every k until a run is not touched by it.
  uint64_t k = 1;
  for (;; ++k) {
    db_.reset();
    executor_.RunAll();
    vfs::MemoryFileSystem disk;
    vfs::FaultFileSystem faults(&disk, {.clock = &clock_, .lose_unsynced = nullptr});
    vfs::FaultRule rule;
    rule.operation = vfs::FaultOperation::kAny;
    rule.nth = k;
    const auto id = faults.AddRule(rule);
    std::vector<std::string> acknowledged;
    {
      auto opened = DbImpl::Open(options_,
                                 {.fs = &faults, .clock = &clock_, .executor = &executor_,
                                  .random_seed = 7, .holder = "the test"},
                                 "/db");
      if (opened.ok()) {
        for (int i = 0; i < 30; ++i) {
          const std::string key = "key" + std::to_string(i);
          if ((*opened)->Put({.sync = i % 5 == 0}, nullptr, key, std::string(300, 'v')).ok()) {
            acknowledged.push_back(key);
          }
          if (i % 12 == 11) (*opened)->Flush({}).IgnoreError();
          if (i == 20) (*opened)->CompactRange({}, nullptr, "", "").IgnoreError();
          executor_.RunAll();
        }
        (*opened)->Close().IgnoreError();
      }
    }
    executor_.RunAll();
    auto opened = DbImpl::Open(options_,
                               {.fs = &disk, .clock = &clock_, .executor = &executor_, .random_seed = 7,
                                .holder = "the test"},
                               "/db");
    ASSERT_TRUE(opened.ok()) << "call " << k << ": " << opened.status().ToString();
    for (const std::string& key : acknowledged) {
      PinnableValue value;
      ASSERT_TRUE((*opened)->Get({}, nullptr, key, &value).ok()) << "call " << k << ": " << key;
    }
    const bool touched = faults.fired(id) > 0;
    opened->reset();
    executor_.RunAll();
    if (!touched) break;
  }
  EXPECT_GT(k, 60U);
}

TEST(DbOnDisk, CloseWaitsForCallsAndRefusesLaterOnes) {
  const auto directory = std::filesystem::temp_directory_path() / "nokv-db-close-test";
  for (int round = 0; round < 10; ++round) {
    std::filesystem::remove_all(directory);
    Options options;
    options.memory_budget = 16 << 20;
    options.memtable_bytes = 128 << 10;
    options.log.segment_bytes = 128 << 10;
    auto opened = DB::Open(options, directory);
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    DB& db = **opened;
    std::vector<std::thread> threads;
    std::atomic<int> acknowledged{0};
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0;; ++i) {
          const std::string key = std::to_string(t) + "/" + std::to_string(i);
          Status status = db.Put({.sync = i % 40 == 0}, key, std::string(200, 'v'));
          if (status.ok() && i % 100 == 50) status = db.Flush({});
          if (!status.ok()) {
            ASSERT_TRUE(status.IsClosed()) << status.ToString();
            return;
          }
          acknowledged.fetch_add(1);
        }
      });
    }
    threads.emplace_back([&] {
      while (db.GetStats().state != "closed") {
        std::string value;
        const Status status = db.Get({}, "0/0", &value);
        ASSERT_TRUE(status.ok() || status.IsNotFound() || status.IsClosed()) << status.ToString();
      }
    });
    while (acknowledged.load() < 300) std::this_thread::yield();
    ASSERT_TRUE(db.Close().ok());
    for (auto& thread : threads) thread.join();
    opened->reset();
    auto again = DB::Open(options, directory);
    ASSERT_TRUE(again.ok()) << again.status().ToString();
    int count = 0;
    const auto it = (*again)->NewIterator({});
    for (it->SeekToFirst(); it->Valid(); it->Next()) ++count;
    ASSERT_GE(count, acknowledged.load());
  }
  std::filesystem::remove_all(directory);
}

TEST(DbOnDisk, ThreadsWriteReadAndSyncTogether) {
  const auto directory = std::filesystem::temp_directory_path() /
                         ("nokv-db-test-" + std::to_string(std::hash<std::thread::id>{}(
                                                std::this_thread::get_id())));
  std::filesystem::remove_all(directory);
  Options options;
  options.memory_budget = 32 << 20;
  options.memtable_bytes = 512 << 10;
  options.log.segment_bytes = 1 << 20;
  options.table.file_bytes = 128 << 10;
  options.compaction.level1_bytes = 512 << 10;
  constexpr int kThreads = 4;
  constexpr int kWrites = 4000;
  {
    auto opened = DB::Open(options, directory);
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    DB& db = **opened;
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kWrites; ++i) {
          const std::string key = std::to_string(t) + "/" + std::to_string(i);
          WriteOptions write;
          write.sync = i % 500 == 0;
          ASSERT_TRUE(db.Put(write, key, std::string(100, 'v') + key).ok());
          std::string value;
          const Status read = db.Get({}, key, &value);
          ASSERT_TRUE(read.ok()) << key << ": " << read.ToString();
          ASSERT_EQ(value, std::string(100, 'v') + key);
        }
      });
    }
    for (auto& thread : threads) thread.join();
    ASSERT_TRUE(db.Close().ok());
  }
  auto opened = DB::Open(options, directory);
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  int count = 0;
  const auto it = (*opened)->NewIterator({});
  for (it->SeekToFirst(); it->Valid(); it->Next()) ++count;
  EXPECT_EQ(count, kThreads * kWrites);
}

}  // namespace
}  // namespace nokv::db
