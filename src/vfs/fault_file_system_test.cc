#include "vfs/fault_file_system.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "vfs/memory_file_system.h"

namespace nokv::vfs {
namespace {

using Fault = FaultRule::Fault;

class FaultRules : public testing::Test {
 protected:
  std::unique_ptr<WritableFile> Create(const std::string& path, FileKind kind = FileKind::kTable) {
    return fs_.CreateWritable(path, kind).value();
  }
  static std::string Contents(FileSystem* fs, const std::string& path) {
    const auto bytes = ReadFile(fs, path, 1 << 20);
    return bytes.ok() ? *bytes : bytes.status().ToString();
  }
  // What a power loss would leave.
  std::string Durable(const std::string& path) {
    EXPECT_TRUE(memory_.SyncDirectory("/").ok());
    return Contents(memory_.CrashClone(CrashPolicy::kMinimum, 0).get(), path);
  }

  MemoryFileSystem memory_;
  base::ManualClock clock_;
  FaultFileSystem fs_{&memory_,
                      {.clock = &clock_, .lose_unsynced = [this](const std::string& path) {
                         EXPECT_TRUE(memory_.LoseUnsynced(path).ok());
                       }}};
};

TEST(Glob, MatchesStarsAndQuestionMarks) {
  EXPECT_TRUE(GlobMatches("*", ""));
  EXPECT_TRUE(GlobMatches("*", "/db/1.log"));
  EXPECT_TRUE(GlobMatches("*.log", "/db/1.log"));
  EXPECT_TRUE(GlobMatches("/db/?.log", "/db/1.log"));
  EXPECT_TRUE(GlobMatches("*b/*.l*g", "/db/b/b.l.log"));
  EXPECT_TRUE(GlobMatches("/db/CURRENT", "/db/CURRENT"));
  EXPECT_TRUE(GlobMatches("a**b", "ab"));
  EXPECT_FALSE(GlobMatches("", "a"));
  EXPECT_FALSE(GlobMatches("?", ""));
  EXPECT_FALSE(GlobMatches("*.log", "/db/1.log.tmp"));
  EXPECT_FALSE(GlobMatches("/db/?.log", "/db/10.log"));
  EXPECT_FALSE(GlobMatches("/db/CURRENT", "/db/CURRENT.tmp"));
}

TEST_F(FaultRules, HitTheNthMatchingCallAndCount) {
  const auto rule = fs_.AddRule({.operation = FaultOperation::kRemove, .path = "*.log", .nth = 2});
  for (const char* name : {"/1.log", "/2.log", "/3.log", "/x"})
    Create(name);
  EXPECT_TRUE(fs_.Remove("/1.log").ok());
  EXPECT_TRUE(fs_.Remove("/x").ok());
  const Status status = fs_.Remove("/2.log");
  EXPECT_EQ(status.ToString(), "IOError: /2.log: remove: injected by rule 0");
  EXPECT_TRUE(fs_.Remove("/3.log").ok());
  EXPECT_TRUE(memory_.Exists("/2.log"));
  EXPECT_EQ(fs_.matched(rule), 3U);
  EXPECT_EQ(fs_.fired(rule), 1U);
}

TEST_F(FaultRules, RepeatFromTheNthUntilRemoved) {
  const auto rule = fs_.AddRule({.operation = FaultOperation::kCreate,
                                 .nth = 2,
                                 .repeat = true,
                                 .error = StatusCode::kNoSpace});
  Create("/1");
  EXPECT_TRUE(fs_.CreateWritable("/2", FileKind::kTable).status().IsNoSpace());
  EXPECT_TRUE(fs_.CreateLog("/3", 10).status().IsNoSpace());
  EXPECT_EQ(fs_.fired(rule), 2U);
  fs_.RemoveRule(rule);
  Create("/2");
  EXPECT_EQ(fs_.fired(rule), 2U);
}

TEST_F(FaultRules, FireByChanceRepeatably) {
  const auto run = [](uint64_t seed) {
    MemoryFileSystem memory;
    FaultFileSystem fs(&memory, {});
    fs.AddRule(
        {.operation = FaultOperation::kQuestion, .repeat = true, .probability = 0.3, .seed = seed});
    std::string outcomes;
    for (int i = 0; i < 1000; ++i)
      outcomes += fs.List("/").ok() ? '.' : 'x';
    return outcomes;
  };
  const std::string once = run(5);
  EXPECT_EQ(once, run(5));
  EXPECT_NE(once, run(6));
  const auto faults = std::count(once.begin(), once.end(), 'x');
  EXPECT_GT(faults, 200);
  EXPECT_LT(faults, 400);
}

TEST_F(FaultRules, ReachEveryOperation) {
  Create("/a")->Append("bytes").IgnoreError();
  EXPECT_TRUE(memory_.CreateDirectory("/d").ok());
  const auto reader = fs_.OpenRandomAccess("/a", FileKind::kTable, AccessPattern::kRandom).value();
  const auto writer = Create("/b");
  const auto log = fs_.CreateLog("/log", 100).value();
  char scratch[10];
  Slice result;
  const std::vector<std::pair<FaultOperation, std::function<Status()>>> calls = {
      {FaultOperation::kOpen,
       [&] {
         return fs_.OpenRandomAccess("/a", FileKind::kTable, AccessPattern::kRandom).status();
       }},
      {FaultOperation::kOpen,
       [&] {
         return fs_.OpenLog("/log").status();
       }},
      {FaultOperation::kCreate,
       [&] {
         return fs_.CreateWritable("/c", FileKind::kTable).status();
       }},
      {FaultOperation::kCreate,
       [&] {
         return fs_.CreateLog("/c", 10).status();
       }},
      {FaultOperation::kRead,
       [&] {
         return reader->Read(0, 5, scratch, &result);
       }},
      {FaultOperation::kRead,
       [&] {
         return log->Read(0, 5, scratch, &result);
       }},
      {FaultOperation::kWrite,
       [&] {
         return log->WriteAt(0, "x");
       }},
      {FaultOperation::kRename,
       [&] {
         return fs_.Rename("/a", "/c");
       }},
      {FaultOperation::kLink,
       [&] {
         return fs_.Link("/a", "/c");
       }},
      {FaultOperation::kRemove,
       [&] {
         return fs_.Remove("/a");
       }},
      {FaultOperation::kCreateDirectory,
       [&] {
         return fs_.CreateDirectory("/e");
       }},
      {FaultOperation::kRemoveDirectory,
       [&] {
         return fs_.RemoveDirectory("/d");
       }},
      {FaultOperation::kSyncDirectory,
       [&] {
         return fs_.SyncDirectory("/");
       }},
      {FaultOperation::kQuestion,
       [&] {
         return fs_.List("/").status();
       }},
      {FaultOperation::kQuestion,
       [&] {
         return fs_.FileSize("/a").status();
       }},
      {FaultOperation::kQuestion,
       [&] {
         return fs_.FreeSpace("/").status();
       }},
      {FaultOperation::kLock,
       [&] {
         return fs_.LockFile("/LOCK", "").status();
       }},
      {FaultOperation::kSync,
       [&] {
         return log->Sync();
       }},
      {FaultOperation::kClose,
       [&] {
         return log->Close();
       }},
      {FaultOperation::kSync,
       [&] {
         return writer->Sync();
       }},
      {FaultOperation::kClose,
       [&] {
         return Create("/f")->Close();
       }},
      {FaultOperation::kWrite,
       [&] {
         return Create("/g")->Append("x");
       }},
  };
  const uint64_t before = memory_.operation_count();
  for (size_t i = 0; i < calls.size(); ++i) {
    SCOPED_TRACE("call " + std::to_string(i));
    const auto rule = fs_.AddRule({.operation = calls[i].first});
    EXPECT_EQ(calls[i].second().code(), StatusCode::kIOError);
    EXPECT_EQ(fs_.fired(rule), 1U);
    fs_.RemoveRule(rule);
  }
  EXPECT_EQ(memory_.operation_count(), before + 2) << "only /f and /g were created";
  const auto any = fs_.AddRule({});
  EXPECT_FALSE(fs_.List("/").ok());
  EXPECT_EQ(fs_.fired(any), 1U);
}

TEST_F(FaultRules, SelectByKindOfFile) {
  fs_.AddRule({.operation = FaultOperation::kSync, .kind = FileKind::kManifest, .repeat = true});
  EXPECT_TRUE(Create("/table")->Sync().ok());
  EXPECT_FALSE(Create("/manifest", FileKind::kManifest)->Sync().ok());
  EXPECT_TRUE(fs_.CreateLog("/log", 10).value()->Sync().ok());
}

TEST_F(FaultRules, MatchRenamesByEitherPath) {
  const auto rule =
      fs_.AddRule({.operation = FaultOperation::kRename, .path = "*/CURRENT", .repeat = true});
  Create("/CURRENT.tmp");
  Create("/CURRENT");
  EXPECT_FALSE(fs_.Rename("/CURRENT.tmp", "/CURRENT").ok());
  EXPECT_FALSE(fs_.Rename("/CURRENT", "/old").ok());
  EXPECT_TRUE(fs_.Rename("/CURRENT.tmp", "/other").ok());
  EXPECT_EQ(fs_.fired(rule), 2U);
}

TEST_F(FaultRules, ShortWriteLeavesAFrontAndIsFinal) {
  fs_.AddRule({.operation = FaultOperation::kWrite,
               .path = "/table",
               .nth = 2,
               .fault = Fault::kShortWrite,
               .error = StatusCode::kNoSpace,
               .short_bytes = 3});
  {
    const auto file = Create("/table");
    EXPECT_TRUE(file->Append("first ").ok());
    EXPECT_TRUE(file->Append("second").IsNoSpace());
    EXPECT_TRUE(file->Append("third").IsNoSpace());
    EXPECT_TRUE(file->Sync().IsNoSpace());
    EXPECT_TRUE(file->Close().IsNoSpace());
  }
  EXPECT_EQ(Contents(&memory_, "/table"), "first sec");

  fs_.AddRule({.operation = FaultOperation::kWrite,
               .path = "/log",
               .fault = Fault::kShortWrite,
               .short_bytes = 2});
  const auto log = fs_.CreateLog("/log", 6).value();
  EXPECT_FALSE(log->WriteAt(1, "abcd").ok());
  EXPECT_EQ(Contents(&memory_, "/log"), std::string("\0ab\0\0\0", 6));
}

TEST_F(FaultRules, FailedSyncIsFinalForItsFile) {
  fs_.AddRule({.operation = FaultOperation::kSync, .path = "/log"});
  const auto log = fs_.CreateLog("/log", 5).value();
  EXPECT_TRUE(log->WriteAt(0, "hello").ok());
  const Status first = log->Sync();
  EXPECT_FALSE(first.ok());
  EXPECT_EQ(log->Sync().ToString(), first.ToString());
  EXPECT_TRUE(fs_.OpenLog("/log").value()->Sync().ok());
}

TEST_F(FaultRules, LostSyncDropsTheBytesEvenFromLaterSyncs) {
  fs_.AddRule(
      {.operation = FaultOperation::kSync, .path = "/log", .nth = 2, .fault = Fault::kLostSync});
  const auto log = fs_.CreateLog("/log", 10'000).value();
  EXPECT_TRUE(log->WriteAt(0, "one").ok());
  EXPECT_TRUE(log->Sync().ok());
  EXPECT_TRUE(log->WriteAt(0, "two").ok());
  EXPECT_FALSE(log->Sync().ok());
  EXPECT_EQ(Contents(&memory_, "/log").substr(0, 3), "two");
  EXPECT_TRUE(fs_.OpenLog("/log").value()->Sync().ok());
  EXPECT_EQ(Durable("/log").substr(0, 3), "one");
}

TEST_F(FaultRules, LyingDiskSaysOk) {
  const auto file_rule = fs_.AddRule({.operation = FaultOperation::kSync,
                                      .path = "/log",
                                      .repeat = true,
                                      .fault = Fault::kIgnoredSync});
  const auto log = fs_.CreateLog("/log", 3).value();
  EXPECT_TRUE(log->WriteAt(0, "abc").ok());
  EXPECT_TRUE(log->Sync().ok());
  EXPECT_EQ(Durable("/log"), "");
  fs_.RemoveRule(file_rule);
  EXPECT_TRUE(log->Sync().ok());
  EXPECT_EQ(Durable("/log"), "abc");

  fs_.AddRule({.operation = FaultOperation::kSyncDirectory, .fault = Fault::kIgnoredSync});
  Create("/new");
  EXPECT_TRUE(fs_.SyncDirectory("/").ok());
  EXPECT_FALSE(memory_.CrashClone(CrashPolicy::kMinimum, 0)->Exists("/new"));
}

TEST_F(FaultRules, DelaysTakeTheClockAndLeaveTheCallToOtherRules) {
  fs_.AddRule({.operation = FaultOperation::kSync,
               .repeat = true,
               .fault = Fault::kDelay,
               .delay_micros = 500});
  const auto second = fs_.AddRule({.operation = FaultOperation::kSync, .nth = 2});
  const uint64_t start = clock_.NowMicros();
  EXPECT_TRUE(Create("/a")->Sync().ok());
  EXPECT_EQ(clock_.NowMicros(), start + 500);
  EXPECT_FALSE(Create("/b")->Sync().ok());
  EXPECT_EQ(clock_.NowMicros(), start + 1000);
  EXPECT_EQ(fs_.fired(second), 1U);
}

// The way a sweep over fault points is written: raise n until nothing fires.
TEST_F(FaultRules, SweepOfReplaceFileLeavesTheOldOrTheNewFile) {
  uint64_t n = 0;
  for (bool fired = true; fired;) {
    MemoryFileSystem memory;
    ASSERT_TRUE(ReplaceFile(&memory, "/CURRENT", FileKind::kCurrent, "old").ok());
    FaultFileSystem fs(&memory, {});
    const auto rule = fs.AddRule({.nth = ++n});
    const Status status = ReplaceFile(&fs, "/CURRENT", FileKind::kCurrent, "new");
    fired = fs.fired(rule) == 1;
    EXPECT_EQ(status.ok(), !fired) << n;
    const std::string contents = Contents(&memory, "/CURRENT");
    EXPECT_TRUE(contents == "new" || (fired && contents == "old")) << n << ": " << contents;
  }
  EXPECT_EQ(n, 8U) << "remove, create, write, sync, close, rename, sync of the directory";
}

}  // namespace
}  // namespace nokv::vfs
