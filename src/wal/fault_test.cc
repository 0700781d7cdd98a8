// What a log does when its file system refuses something.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vfs/fault_file_system.h"
#include "vfs/memory_file_system.h"
#include "wal/log_harness.h"

namespace nokv::wal {
namespace {

using testing::HasSubstr;
using vfs::CrashPolicy;
using vfs::FaultFileSystem;
using vfs::FaultOperation;
using vfs::FaultRule;
using vfs::MemoryFileSystem;

class WalFault : public testing::Test {
 protected:
  WalFault() { LogHarness::MakeDirectory(&memory_); }

  Log* log() { return harness_.log(); }
  std::vector<TestRecord> RecordsOn(vfs::FileSystem* fs) {
    LogHarness after(fs, harness_.manifest());
    std::vector<TestRecord> records;
    const auto result = after.Replay(&records);
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    return records;
  }
  std::vector<TestRecord> AfterPowerLoss() {
    return RecordsOn(memory_.CrashClone(CrashPolicy::kMinimum, 0).get());
  }

  MemoryFileSystem memory_;
  FaultFileSystem fs_{&memory_, {.lose_unsynced = [this](const std::string& path) {
                        EXPECT_TRUE(memory_.LoseUnsynced(path).ok());
                      }}};
  LogHarness harness_{&fs_};
};

TEST_F(WalFault, FailedSyncIsFinal) {
  ASSERT_TRUE(harness_.Open().ok());
  ASSERT_TRUE(harness_.Append("durable").ok());
  ASSERT_TRUE(harness_.Sync().ok());
  const LogPosition synced = log()->synced();
  ASSERT_TRUE(harness_.Append("lost").ok());
  const auto rule =
      fs_.AddRule({.operation = FaultOperation::kSync, .fault = FaultRule::Fault::kLostSync});
  const Status failed = harness_.Sync();
  EXPECT_FALSE(failed.ok());
  EXPECT_THAT(failed.ToString(), HasSubstr("log/000001.wal"));
  EXPECT_EQ(fs_.fired(rule), 1U);
  fs_.RemoveAllRules();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(harness_.Sync().ToString(), failed.ToString());
    EXPECT_EQ(log()->Rotate(0, 1).ToString(), failed.ToString());
  }
  EXPECT_EQ(log()->synced(), synced);
  EXPECT_EQ(AfterPowerLoss().size(), 1U);

  // The next process finds the record in the page cache, and keeps it only after writing it again.
  harness_.Drop();
  ASSERT_TRUE(harness_.Open().ok());
  EXPECT_EQ(harness_.recovered_records().size(), 2U);
  EXPECT_EQ(AfterPowerLoss(), harness_.appended());
}

TEST_F(WalFault, FailedSyncOfASealedSegmentKeepsNewerOnesFromCounting) {
  ASSERT_TRUE(harness_.Open().ok());
  ASSERT_TRUE(harness_.Append("one").ok());
  ASSERT_TRUE(log()->Rotate(0, 1).ok());
  ASSERT_TRUE(harness_.Append("two").ok());
  const LogPosition synced = log()->synced();
  fs_.AddRule({.operation = FaultOperation::kSync, .path = "*000001.wal"});
  EXPECT_FALSE(harness_.Sync().ok());
  EXPECT_EQ(log()->synced(), synced);
  EXPECT_EQ(log()->stats().syncs, 0U);
}

TEST_F(WalFault, FailedWriteIsFinal) {
  for (const size_t bytes : {100U, 2000U}) {  // in one piece, and in two
    for (const uint64_t nth : {1U, 2U}) {
      if (bytes == 100 && nth == 2) continue;
      MemoryFileSystem memory;
      LogHarness::MakeDirectory(&memory);
      FaultFileSystem fs(&memory, {});
      LogHarness harness(&fs);
      ASSERT_TRUE(harness.Open().ok());
      ASSERT_TRUE(harness.Append("one").ok());
      fs.AddRule({.operation = FaultOperation::kWrite,
                  .nth = nth,
                  .fault = FaultRule::Fault::kShortWrite,
                  .short_bytes = 17});
      const Status failed = harness.Append(std::string(bytes, 'x'));
      EXPECT_FALSE(failed.ok());
      fs.RemoveAllRules();
      EXPECT_EQ(harness.Sync().ToString(), failed.ToString());
      std::vector<TestRecord> records;
      ASSERT_TRUE(harness.Replay(&records).ok());
      EXPECT_EQ(records, harness.appended());
    }
  }
}

TEST_F(WalFault, StartRecordThatFailsToBeWrittenIsFinal) {
  ASSERT_TRUE(harness_.Open().ok());
  ASSERT_TRUE(harness_.Append("one").ok());
  ASSERT_TRUE(log()->PrepareNext().ok());
  fs_.AddRule({.operation = FaultOperation::kWrite});
  const Status failed = log()->Rotate(0, 1);
  EXPECT_FALSE(failed.ok());
  EXPECT_EQ(log()->Rotate(0, 1).ToString(), failed.ToString());
  EXPECT_EQ(harness_.Sync().ToString(), failed.ToString());
  Reservation place;
  EXPECT_FALSE(log()->TryReserve(1, &place)) << "the segment may have ended";
}

TEST_F(WalFault, SegmentThatFailsToBeMadeIsMadeAgainUnderTheSameNumber) {
  struct Case {
    FaultOperation operation;
    StatusCode code;
  };
  for (const Case& c : {Case{FaultOperation::kCreate, StatusCode::kNoSpace},
                        Case{FaultOperation::kCreate, StatusCode::kIOError},
                        Case{FaultOperation::kWrite, StatusCode::kIOError},
                        Case{FaultOperation::kSync, StatusCode::kIOError}}) {
    SCOPED_TRACE(vfs::FaultOperationName(c.operation));
    MemoryFileSystem memory;
    LogHarness::MakeDirectory(&memory);
    FaultFileSystem fs(&memory, {});
    LogHarness harness(&fs);
    ASSERT_TRUE(harness.Open().ok());
    ASSERT_TRUE(harness.Append("one").ok());
    fs.AddRule({.operation = c.operation, .path = "*000002.wal", .repeat = true, .error = c.code});
    // Not even what is left over can be removed.
    fs.AddRule({.operation = FaultOperation::kRemove, .nth = 1});
    EXPECT_EQ(harness.log()->PrepareNext().code(), c.code);
    EXPECT_EQ(harness.log()->Rotate(0, 1).code(), c.code);
    EXPECT_EQ(harness.log()->end().segment, 1U);
    ASSERT_TRUE(harness.Append("two").ok());
    ASSERT_TRUE(harness.Sync().ok());
    fs.RemoveAllRules();
    ASSERT_TRUE(harness.log()->Rotate(0, 1).ok());
    EXPECT_EQ(harness.log()->end().segment, 2U);
    ASSERT_TRUE(harness.Append("three").ok());
    ASSERT_TRUE(harness.Sync().ok());
    const auto clone = memory.CrashClone(CrashPolicy::kMinimum, 0);
    LogHarness after(clone.get(), harness.manifest());
    std::vector<TestRecord> records;
    ASSERT_TRUE(after.Replay(&records).ok());
    EXPECT_EQ(records, harness.appended());
  }
}

TEST_F(WalFault, FailedSyncOfTheDirectoryEndsTheMakingOfSegments) {
  ASSERT_TRUE(harness_.Open().ok());
  fs_.AddRule({.operation = FaultOperation::kSyncDirectory});
  const Status failed = log()->PrepareNext();
  EXPECT_FALSE(failed.ok());
  EXPECT_EQ(log()->PrepareNext().ToString(), failed.ToString());
  EXPECT_EQ(log()->Rotate(0, 1).ToString(), failed.ToString());
  ASSERT_TRUE(harness_.Append("the active segment goes on").ok());
  ASSERT_TRUE(harness_.Sync().ok());
  EXPECT_EQ(AfterPowerLoss(), harness_.appended());
}

TEST_F(WalFault, FileThatCannotBeRecycledIsReplacedByANewOne) {
  for (const FaultOperation operation : {FaultOperation::kRename, FaultOperation::kOpen}) {
    SCOPED_TRACE(vfs::FaultOperationName(operation));
    MemoryFileSystem memory;
    LogHarness::MakeDirectory(&memory);
    FaultFileSystem fs(&memory, {});
    LogHarness harness(&fs);
    ASSERT_TRUE(harness.Open().ok());
    ASSERT_TRUE(harness.Append("one").ok());
    ASSERT_TRUE(harness.log()->Rotate(0, 1).ok());
    ASSERT_TRUE(harness.ReleaseBefore(2).ok());
    fs.AddRule({.operation = operation, .error = StatusCode::kIOError});
    ASSERT_TRUE(harness.log()->PrepareNext().ok());
    EXPECT_EQ(harness.log()->stats().pool.recycled, 0U);
    EXPECT_EQ(harness.log()->stats().pool.created, 3U);
    ASSERT_TRUE(harness.ReleaseBefore(2).ok());
    EXPECT_EQ(fs.List(LogHarness::kDirectory)->size(), 2U) << "the file is not left behind";
  }
}

TEST_F(WalFault, FileThatCannotBeRemovedIsTriedAgain) {
  harness_.options().recycle_max = 0;
  ASSERT_TRUE(harness_.Open().ok());
  ASSERT_TRUE(log()->Rotate(0, 1).ok());
  fs_.AddRule({.operation = FaultOperation::kRemove});
  EXPECT_FALSE(harness_.ReleaseBefore(2).ok());
  EXPECT_EQ(log()->stats().segments, 1U);
  EXPECT_TRUE(fs_.Exists(LogHarness::PathOf(1)));
  ASSERT_TRUE(log()->PrepareNext().ok());
  EXPECT_FALSE(fs_.Exists(LogHarness::PathOf(1)));
}

TEST_F(WalFault, ReadErrorIsNeverTakenForTheEndOfTheLog) {
  ASSERT_TRUE(harness_.Open().ok());
  for (int i = 0; i < 40; ++i)
    ASSERT_TRUE(harness_.Append(std::string(300, 'x')).ok());
  ASSERT_TRUE(log()->PrepareNext().ok());
  for (const FaultOperation operation :
       {FaultOperation::kRead, FaultOperation::kOpen, FaultOperation::kQuestion}) {
    uint64_t nth = 1;
    for (;; ++nth) {
      fs_.RemoveAllRules();
      const auto rule = fs_.AddRule({.operation = operation, .nth = nth});
      std::vector<TestRecord> records;
      const auto result = harness_.Replay(&records);
      if (fs_.fired(rule) == 0) {
        EXPECT_EQ(records, harness_.appended());
        break;
      }
      EXPECT_EQ(result.status().code(), StatusCode::kIOError) << result.status().ToString();
    }
    EXPECT_GT(nth, operation == FaultOperation::kQuestion ? 1U : 10U);
  }
}

TEST_F(WalFault, CleanEndSparesTheSearchBehindIt) {
  LogHarness harness(&fs_, {}, 16 << 20);
  ASSERT_TRUE(harness.Open().ok());
  ASSERT_TRUE(harness.Append("one").ok());
  const auto reads = [&] {
    const auto rule = fs_.AddRule({.operation = FaultOperation::kRead, .probability = 0});
    std::vector<TestRecord> records;
    EXPECT_TRUE(harness.Replay(&records).ok());
    EXPECT_EQ(records, harness.appended());
    return fs_.matched(rule);
  };
  EXPECT_GT(reads(), 64U) << "a record behind the end might prove that there was more";
  ASSERT_TRUE(harness.CloseCleanly().ok());
  EXPECT_LT(reads(), 5U);
}

// A script during which one call fails; whatever that leads to, what was synced is there
// afterwards, and the log can be opened again.
class WalFaultSweep : public testing::TestWithParam<FaultOperation> {
 protected:
  // Goes on after an error as the engine would: with what still works. Returns how many of
  // appended() are durable.
  static size_t Script(LogHarness* harness) {
    size_t durable = 0;
    harness->options().recycle_max = 1;
    const auto append = [&](size_t count, size_t bytes) {
      for (size_t i = 0; i < count; ++i) {
        if (!harness->Append(std::string(bytes, 'x')).ok()) return;
      }
    };
    const auto sync = [&] {
      if (harness->Sync().ok()) durable = harness->appended().size();
    };
    if (!harness->Open().ok()) return durable;
    append(15, 300);
    harness->Drop();
    if (!harness->Open().ok()) return durable;
    if (harness->recovered_records() == harness->appended()) durable = harness->appended().size();
    append(3, 300);
    sync();
    Log* const log = harness->log();
    log->PrepareNext().IgnoreError();
    append(20, 300);
    sync();
    harness->ReleaseBefore(log->synced().segment).IgnoreError();
    append(1, 9000);
    append(5, 1500);
    log->PrepareNext().IgnoreError();
    log->Rotate(0, 1).IgnoreError();
    sync();
    append(5, 1500);
    return durable;
  }
};

TEST_P(WalFaultSweep, WhatWasSyncedIsThereWhateverFailed) {
  uint64_t nth = 1;
  for (;; ++nth) {
    SCOPED_TRACE(testing::Message() << "call " << nth);
    MemoryFileSystem memory;
    LogHarness::MakeDirectory(&memory);
    FaultFileSystem fs(&memory, {.lose_unsynced = [&](const std::string& path) {
      memory.LoseUnsynced(path).IgnoreError();  // a directory loses nothing
    }});
    const bool is_sync = GetParam() == FaultOperation::kSync;
    const auto rule =
        fs.AddRule({.operation = GetParam(),
                    .nth = nth,
                    .fault = is_sync ? FaultRule::Fault::kLostSync : FaultRule::Fault::kFail});
    LogHarness harness(&fs);
    const size_t durable = Script(&harness);
    const bool fired = fs.fired(rule) > 0;
    const uint32_t first = harness.manifest().first_segment;
    std::vector<TestRecord> must(harness.appended().begin(),
                                 harness.appended().begin() + static_cast<ptrdiff_t>(durable));
    std::erase_if(must, [&](const TestRecord& record) { return record.at.segment < first; });

    for (const CrashPolicy policy : vfs::kCrashPolicies) {
      const auto clone = memory.CrashClone(policy, nth);
      LogHarness after(clone.get(), harness.manifest());
      ASSERT_TRUE(after.Open().ok());
      ASSERT_GE(after.recovered_records().size(), must.size());
      ASSERT_TRUE(std::equal(must.begin(), must.end(), after.recovered_records().begin()));
      ASSERT_TRUE(after.Append("goes on").ok());
    }
    if (!fired) {
      EXPECT_EQ(durable, harness.appended().size() - 5);
      break;
    }
  }
  EXPECT_GT(nth, 1U) << "nothing ever failed";
}

INSTANTIATE_TEST_SUITE_P(Calls,
                         WalFaultSweep,
                         testing::Values(FaultOperation::kAny,
                                         FaultOperation::kOpen,
                                         FaultOperation::kCreate,
                                         FaultOperation::kRead,
                                         FaultOperation::kWrite,
                                         FaultOperation::kSync,
                                         FaultOperation::kRename,
                                         FaultOperation::kRemove,
                                         FaultOperation::kSyncDirectory),
                         [](const auto& sweep) {
                           std::string name(vfs::FaultOperationName(sweep.param));
                           std::erase_if(name, [](char c) { return !std::isalnum(c); });
                           return name;
                         });

}  // namespace
}  // namespace nokv::wal
