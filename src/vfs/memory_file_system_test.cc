// What the disk in memory does beyond the promises of file_system.h: which states a power loss
// leaves, and the controls of a test.

#include "vfs/memory_file_system.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "vfs/buffered_writable_file.h"
#include "vfs/memory_file_data.h"

namespace nokv::vfs {
namespace {

using memory::FileData;
using memory::kBlockBytes;

std::string Bytes(const FileData& data) {
  std::string bytes(static_cast<size_t>(data.size()), '\0');
  EXPECT_EQ(data.Read(0, bytes.size(), bytes.data()), bytes.size());
  return bytes;
}

// A FileData beside two strings: what is current and what is durable.
class FileDataModel {
 public:
  void Step(base::Random* random) {
    switch (random->Uniform(8)) {
      case 0:
        Sync();
        break;
      case 1:
        Grow(current_.size() + random->Uniform(20'000));
        break;
      default: {
        const size_t offset = random->Uniform(current_.size() + 1);
        std::string bytes(1 + random->Uniform(random->OneIn(3) ? 9000 : 200), '\0');
        for (char& c : bytes)
          c = static_cast<char>(random->Next());
        data_.Write(offset, bytes);
        Grow(std::max(current_.size(), offset + bytes.size()));
        current_.replace(offset, bytes.size(), bytes);
      }
    }
    ASSERT_TRUE(Bytes(data_) == current_);
  }

  // Rules (1) to (3) of memory_file_data.h for a survivor by chance.
  void CheckRandomSurvivor(base::Random* random) const {
    const FileData survivor = data_.SurvivorRandom(random);
    ASSERT_GE(survivor.size(), durable_.size());
    ASSERT_LE(survivor.size(), current_.size());
    const std::string left = Bytes(survivor);
    for (size_t i = 0; i < left.size(); ++i) {
      const char before = i < durable_.size() ? durable_[i] : '\0';
      if (current_[i] != before) continue;
      ASSERT_EQ(left[i], before) << "byte " << i << " was the same in both states";
    }
    ASSERT_TRUE(Bytes(survivor.SurvivorDurable()) == left) << "a survivor is durable";
  }
  void CheckOtherSurvivors() const {
    ASSERT_TRUE(Bytes(data_.SurvivorAll()) == current_);
    ASSERT_TRUE(Bytes(data_.SurvivorDurable()) == durable_);
    ASSERT_TRUE(Bytes(data_.Duplicate()) == current_);
    ASSERT_TRUE(Bytes(data_.Duplicate().SurvivorDurable()) == durable_);
  }

 private:
  void Sync() {
    data_.Sync();
    durable_ = current_;
  }
  void Grow(size_t size) {
    if (size > data_.size()) data_.Reserve(size);
    current_.resize(size);
  }

  FileData data_;
  std::string current_;
  std::string durable_;
};

TEST(FileData, SurvivorsAreMixturesOfTheDurableAndTheCurrentState) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    base::Random random(seed);
    FileDataModel model;
    for (int step = 0; step < 40; ++step) {
      model.Step(&random);
      model.CheckOtherSurvivors();
      for (int i = 0; i < 3; ++i)
        model.CheckRandomSurvivor(&random);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(FileData, TailIsTornAtEveryByte) {
  FileData data;
  data.Write(0, std::string(100, 'a'));
  data.Sync();
  data.Write(100, std::string(50, 'b'));
  std::set<size_t> fronts;
  for (uint64_t seed = 0; seed < 5000; ++seed) {
    base::Random random(seed);
    const std::string left = Bytes(data.SurvivorRandom(&random));
    ASSERT_EQ(left.substr(0, 100), std::string(100, 'a'));
    fronts.insert(left.find_last_of('b') == std::string::npos ? 0 : left.find_last_of('b') - 99);
  }
  EXPECT_EQ(fronts.size(), 51U);
}

TEST(FileData, BlocksSurviveInAnySubset) {
  FileData data;
  data.Reserve(3 * kBlockBytes);
  data.Sync();
  for (uint64_t i = 0; i < 3; ++i)
    data.Write(i * kBlockBytes, std::string(kBlockBytes, 'x'));
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    base::Random random(seed);
    const std::string left = Bytes(data.SurvivorRandom(&random));
    std::string kept;
    for (size_t i = 0; i < 3; ++i) {
      const std::string block = left.substr(i * kBlockBytes, kBlockBytes);
      kept += block == std::string(kBlockBytes, 'x')    ? '1'
              : block == std::string(kBlockBytes, '\0') ? '0'
                                                        : 't';
    }
    seen.insert(kept);
  }
  for (const char* subset : {"000", "001", "010", "011", "100", "101", "110", "111"}) {
    EXPECT_TRUE(seen.contains(subset)) << subset;
  }
}

TEST(FileData, LostBytesAreSeenUntilThePowerFailsAndNoLaterSyncSavesThem) {
  FileData data;
  data.Write(0, std::string(2 * kBlockBytes, 'a'));
  data.Sync();
  data.Write(0, "lost");
  data.LoseDirty();
  data.Write(kBlockBytes, "kept");
  data.Sync();
  EXPECT_EQ(Bytes(data).substr(0, 4), "lost");
  EXPECT_EQ(Bytes(data.SurvivorDurable()).substr(0, 4), "aaaa");
  EXPECT_EQ(Bytes(data.SurvivorAll()).substr(0, 4), "aaaa");
  EXPECT_EQ(Bytes(data.SurvivorDurable()).substr(kBlockBytes, 4), "kept");
  // The block is written again as a whole once it is dirty again.
  data.Write(10, "x");
  data.Sync();
  EXPECT_EQ(Bytes(data.SurvivorDurable()).substr(0, 4), "lost");
}

class MemoryDisk : public testing::Test {
 protected:
  void Write(FileSystem* fs, const std::string& path, Slice bytes, bool sync = true) {
    const auto file = fs->CreateWritable(path, FileKind::kOther).value();
    ASSERT_TRUE(file->Append(bytes).ok());
    if (sync) {
      ASSERT_TRUE(file->Sync().ok());
    }
    ASSERT_TRUE(file->Close().ok());
  }
  // "name=contents name=contents", in the order of names.
  static std::string Describe(FileSystem* fs, const std::string& directory) {
    std::string text;
    auto names = fs->List(directory);
    if (!names.ok()) return names.status().ToString();
    std::sort(names->begin(), names->end());
    for (const std::string& name : *names) {
      const auto bytes = ReadFile(fs, JoinPath(directory, name), 1 << 20);
      if (!text.empty()) text += ' ';
      text += name + (bytes.ok() ? "=" + *bytes : "/");
    }
    return text;
  }
  std::set<std::string> StatesAfterCrash(const std::string& directory, uint64_t seeds = 400) {
    std::set<std::string> states;
    for (uint64_t seed = 0; seed < seeds; ++seed) {
      states.insert(Describe(fs_.CrashClone(CrashPolicy::kRandom, seed).get(), directory));
    }
    return states;
  }
  std::string After(CrashPolicy policy) { return Describe(fs_.CrashClone(policy, 1).get(), "/"); }

  MemoryFileSystem fs_;
};
using States = std::set<std::string>;

TEST_F(MemoryDisk, PoliciesKeepBytesAndNamesAsTheySay) {
  Write(&fs_, "/old", "1");
  ASSERT_TRUE(fs_.SyncDirectory("/").ok());
  Write(&fs_, "/synced", "2");
  Write(&fs_, "/unsynced", "3", false);
  ASSERT_TRUE(fs_.Rename("/old", "/renamed").ok());
  EXPECT_EQ(After(CrashPolicy::kMinimum), "old=1");
  EXPECT_EQ(After(CrashPolicy::kMaximum), "renamed=1 synced=2 unsynced=3");
  EXPECT_EQ(After(CrashPolicy::kDataLost), "renamed=1 synced=2 unsynced=");
  EXPECT_EQ(After(CrashPolicy::kNamesLost), "old=1");
  ASSERT_TRUE(fs_.SyncDirectory("/").ok());
  EXPECT_EQ(After(CrashPolicy::kMinimum), "renamed=1 synced=2 unsynced=");
  EXPECT_EQ(After(CrashPolicy::kNamesLost), "renamed=1 synced=2 unsynced=3");
  EXPECT_EQ(Describe(&fs_, "/"), "renamed=1 synced=2 unsynced=3");
}

TEST_F(MemoryDisk, DirectoryOperationsSurviveInAnySubset) {
  Write(&fs_, "/gone", "g");
  ASSERT_TRUE(fs_.SyncDirectory("/").ok());
  Write(&fs_, "/a", "a");
  ASSERT_TRUE(fs_.Remove("/gone").ok());
  Write(&fs_, "/b", "b");
  EXPECT_EQ(StatesAfterCrash("/"), (States{"gone=g", "a=a gone=g", "a=a", "", "b=b gone=g",
                                           "a=a b=b gone=g", "a=a b=b", "b=b"}));
}

TEST_F(MemoryDisk, RenameIsAtomicAndNoFileIsLostThatNobodyRemoved) {
  Write(&fs_, "/current", "1");
  ASSERT_TRUE(fs_.SyncDirectory("/").ok());
  Write(&fs_, "/tmp", "2");
  ASSERT_TRUE(fs_.Rename("/tmp", "/current").ok());
  EXPECT_EQ(StatesAfterCrash("/"), (States{"current=1", "current=1 tmp=2", "current=2"}));
  // One file moves away, another takes its name: the second move never comes without the first.
  ASSERT_TRUE(fs_.SyncDirectory("/").ok());
  Write(&fs_, "/next", "3");
  ASSERT_TRUE(fs_.SyncDirectory("/").ok());
  ASSERT_TRUE(fs_.Rename("/current", "/kept").ok());
  ASSERT_TRUE(fs_.Rename("/next", "/current").ok());
  EXPECT_EQ(StatesAfterCrash("/"),
            (States{"current=2 next=3", "kept=2 next=3", "current=3 kept=2"}));
}

TEST_F(MemoryDisk, MoveBetweenDirectoriesMayBeFoundTwiceButNotLost) {
  ASSERT_TRUE(fs_.CreateDirectory("/d").ok());
  Write(&fs_, "/a", "1");
  ASSERT_TRUE(fs_.SyncDirectory("/").ok());
  ASSERT_TRUE(fs_.Rename("/a", "/d/a").ok());
  const auto states = [&] {
    States both;
    for (uint64_t seed = 0; seed < 200; ++seed) {
      const auto left = fs_.CrashClone(CrashPolicy::kRandom, seed);
      both.insert(Describe(left.get(), "/") + " | " + Describe(left.get(), "/d"));
    }
    return both;
  };
  EXPECT_EQ(states(), (States{"a=1 d/ | ", "a=1 d/ | a=1", "d/ | a=1"}));
  const auto source_synced = fs_.CloneAfterProcessDeath();
  ASSERT_TRUE(source_synced->SyncDirectory("/").ok());
  EXPECT_EQ(Describe(source_synced->CrashClone(CrashPolicy::kMinimum, 0).get(), "/d"), "a=1");
  ASSERT_TRUE(fs_.SyncDirectory("/d").ok());
  EXPECT_EQ(states(), (States{"a=1 d/ | a=1", "d/ | a=1"}));
  // A directory does not move out of its parent.
  ASSERT_TRUE(fs_.CreateDirectory("/e").ok());
  EXPECT_EQ(fs_.Rename("/e", "/d/e").code(), StatusCode::kIOError);
  EXPECT_TRUE(fs_.Rename("/e", "/f").ok());
}

TEST_F(MemoryDisk, UnnamedDirectoryTakesItsFilesWithIt) {
  ASSERT_TRUE(fs_.CreateDirectory("/d").ok());
  Write(&fs_, "/d/a", "1");
  ASSERT_TRUE(fs_.SyncDirectory("/d").ok());
  EXPECT_EQ(After(CrashPolicy::kMinimum), "");
  ASSERT_TRUE(fs_.SyncDirectory("/").ok());
  EXPECT_EQ(Describe(fs_.CrashClone(CrashPolicy::kMinimum, 0).get(), "/d"), "a=1");
}

TEST_F(MemoryDisk, LinkedNamesShareOneFileAfterACrash) {
  Write(&fs_, "/a", "1");
  ASSERT_TRUE(fs_.Link("/a", "/b").ok());
  const auto left = fs_.CrashClone(CrashPolicy::kMaximum, 0);
  const auto log = left->OpenLog("/a").value();
  ASSERT_TRUE(log->WriteAt(0, "2").ok());
  EXPECT_EQ(Describe(left.get(), "/"), "a=2 b=2");
}

TEST_F(MemoryDisk, ProcessDeathLosesWhatTheKernelHasNotSeen) {
  const auto table = fs_.CreateWritable("/table", FileKind::kTable).value();
  ASSERT_TRUE(table->Append("in the process").ok());
  const auto log = fs_.CreateLog("/log", 10).value();
  ASSERT_TRUE(log->WriteAt(0, "in the ker").ok());
  const auto dead = fs_.CloneAfterProcessDeath();
  EXPECT_EQ(Describe(dead.get(), "/"), "log=in the ker table=");
  // The kernel has not written it to the disk yet.
  EXPECT_EQ(Describe(dead->CrashClone(CrashPolicy::kMinimum, 0).get(), "/"), "");
  ASSERT_TRUE(dead->SyncDirectory("/").ok());
  EXPECT_EQ(Describe(dead->CrashClone(CrashPolicy::kMinimum, 0).get(), "/"), "log= table=");
  ASSERT_TRUE(table->Close().ok());
  EXPECT_EQ(Describe(&fs_, "/"), "log=in the ker table=in the process");
}

TEST_F(MemoryDisk, LargeAppendsGoToTheKernelAtOnce) {
  const auto table = fs_.CreateWritable("/table", FileKind::kTable).value();
  ASSERT_TRUE(table->Append(std::string(10, 'a')).ok());
  ASSERT_TRUE(table->Append(std::string(BufferedWritableFile::kBufferBytes, 'b')).ok());
  EXPECT_EQ(fs_.CloneAfterProcessDeath()->FileSize("/table").value(),
            10 + BufferedWritableFile::kBufferBytes);
}

TEST_F(MemoryDisk, ClonesAndOriginalDoNotTouchEachOther) {
  const auto log = fs_.CreateLog("/log", 3).value();
  ASSERT_TRUE(log->WriteAt(0, "abc").ok());
  const auto crashed = fs_.CrashClone(CrashPolicy::kMaximum, 0);
  const auto dead = fs_.CloneAfterProcessDeath();
  ASSERT_TRUE(log->WriteAt(0, "x").ok());
  const auto crashed_log = crashed->OpenLog("/log").value();
  ASSERT_TRUE(crashed_log->WriteAt(1, "y").ok());
  const auto dead_log = dead->OpenLog("/log").value();
  ASSERT_TRUE(dead_log->WriteAt(2, "z").ok());
  Write(dead.get(), "/new", "");
  EXPECT_EQ(Describe(&fs_, "/"), "log=xbc");
  EXPECT_EQ(Describe(crashed.get(), "/"), "log=ayc");
  EXPECT_EQ(Describe(dead.get(), "/"), "log=abz new=");
}

TEST_F(MemoryDisk, ClonesCanBeUsedByOtherThreads) {
  const auto log = fs_.CreateLog("/log", 20'000).value();
  std::vector<std::thread> threads;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    ASSERT_TRUE(log->WriteAt(seed * 1000, std::string(1000, 'o')).ok());
    if (seed % 4 == 0) {
      ASSERT_TRUE(log->Sync().ok());
    }
    threads.emplace_back([clone = fs_.CloneAfterProcessDeath(), seed] {
      const auto copy = clone->OpenLog("/log").value();
      for (uint64_t i = 0; i < 20; ++i) {
        EXPECT_TRUE(copy->WriteAt(i * 1000, std::string(1000, 'c')).ok());
        const auto left = clone->CrashClone(CrashPolicy::kRandom, seed);
        EXPECT_TRUE(!left->Exists("/log") || left->FileSize("/log").value() <= 20'000U);
      }
    });
  }
  for (auto& thread : threads)
    thread.join();
  EXPECT_EQ(Describe(&fs_, "/"), "log=" + std::string(8000, 'o') + std::string(12'000, '\0'));
}

TEST_F(MemoryDisk, SameSeedLeavesTheSameDisk) {
  for (int i = 0; i < 10; ++i) {
    Write(&fs_, JoinPath("/", std::to_string(i)), std::string(5000, static_cast<char>('a' + i)),
          i % 2 == 0);
  }
  ASSERT_TRUE(fs_.Rename("/3", "/4").ok());
  States different;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const std::string once = Describe(fs_.CrashClone(CrashPolicy::kRandom, seed).get(), "/");
    EXPECT_TRUE(once == Describe(fs_.CrashClone(CrashPolicy::kRandom, seed).get(), "/"));
    different.insert(once);
  }
  EXPECT_GT(different.size(), 40U);
}

// Six operations: create, write and sync of a file, sync of the directory, rename, removal.
Status RunScript(FileSystem* fs) {
  NOKV_ASSIGN_OR_RETURN(const auto file, fs->CreateWritable("/a", FileKind::kOther));
  NOKV_TRY(file->Append("hello"));
  NOKV_TRY(file->Sync());
  NOKV_TRY(fs->SyncDirectory("/"));
  NOKV_TRY(fs->Rename("/a", "/b"));
  return fs->Remove("/b");
}

TEST_F(MemoryDisk, CrashPointStopsEverythingFromThatOperationOn) {
  ASSERT_TRUE(RunScript(fs_.CloneAfterProcessDeath().get()).ok());
  const char* const found[] = {"", "a=", "a=hello", "a=hello", "a=hello", "b=hello"};
  for (uint64_t at = 1; at <= 6; ++at) {
    MemoryFileSystem fs;
    fs.SetCrashPoint(at);
    const Status status = RunScript(&fs);
    EXPECT_EQ(status.code(), StatusCode::kIOError);
    EXPECT_NE(status.message().find("simulated crash"), std::string::npos) << status.ToString();
    EXPECT_TRUE(fs.crashed());
    EXPECT_EQ(fs.operation_count(), at);
    EXPECT_FALSE(fs.CreateDirectory("/d").ok());
    EXPECT_FALSE(fs.List("/").ok());
    EXPECT_EQ(fs.operation_count(), at);
    EXPECT_EQ(Describe(fs.CrashClone(CrashPolicy::kMaximum, 0).get(), "/"), found[at - 1]);
  }
  MemoryFileSystem fs;
  fs.SetCrashPoint(7);
  EXPECT_TRUE(RunScript(&fs).ok());
  EXPECT_FALSE(fs.crashed());
}

TEST_F(MemoryDisk, CrashPointCanTearTheWriteItHits) {
  States fronts;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    MemoryFileSystem fs;
    fs.SetCrashPoint(2, seed);
    EXPECT_FALSE(RunScript(&fs).ok());
    fronts.insert(Describe(fs.CrashClone(CrashPolicy::kMaximum, 0).get(), "/"));
  }
  EXPECT_EQ(fronts, (States{"a=", "a=h", "a=he", "a=hel", "a=hell", "a=hello"}));
  // Not a later write when the crash hits something else.
  MemoryFileSystem fs;
  const auto log = fs.CreateLog("/log", 5).value();
  fs.SetCrashPoint(2, 3);
  EXPECT_FALSE(fs.SyncDirectory("/").ok());
  EXPECT_FALSE(log->WriteAt(0, "hello").ok());
  EXPECT_EQ(Describe(fs.CrashClone(CrashPolicy::kMaximum, 0).get(), "/"),
            "log=" + std::string(5, '\0'));
}

TEST_F(MemoryDisk, CapacityIsEnforcedInBlocks) {
  fs_.SetCapacity(10 * kBlockBytes);
  EXPECT_EQ(fs_.FreeSpace("/").value(), 10 * kBlockBytes);
  EXPECT_TRUE(fs_.CreateLog("/big", 11 * kBlockBytes).status().IsNoSpace());
  EXPECT_FALSE(fs_.Exists("/big"));
  auto log = fs_.CreateLog("/log", 5 * kBlockBytes + 1).value();
  EXPECT_EQ(fs_.FreeSpace("/").value(), 4 * kBlockBytes);
  // A write leaves the front that had room, and the file takes no more.
  auto file = fs_.CreateWritable("/file", FileKind::kTable).value();
  EXPECT_TRUE(file->Append(std::string(20'000, 'x')).ok());
  const Status full = file->Sync();
  EXPECT_TRUE(full.IsNoSpace());
  EXPECT_NE(full.message().find("/file"), std::string::npos);
  EXPECT_TRUE(file->Append("y").IsNoSpace());
  EXPECT_EQ(fs_.FileSize("/file").value(), 4 * kBlockBytes);
  EXPECT_EQ(fs_.FreeSpace("/").value(), 0U);
  // What is reserved can be written on a full disk.
  EXPECT_TRUE(log->WriteAt(5 * kBlockBytes, "z").ok());
  // Space comes back with the last name and the last opener.
  EXPECT_TRUE(fs_.Remove("/file").ok());
  EXPECT_EQ(fs_.FreeSpace("/").value(), 0U);
  file.reset();
  EXPECT_EQ(fs_.FreeSpace("/").value(), 4 * kBlockBytes);
  EXPECT_TRUE(fs_.Link("/log", "/link").ok());
  EXPECT_TRUE(fs_.Remove("/log").ok());
  log.reset();
  EXPECT_EQ(fs_.FreeSpace("/").value(), 4 * kBlockBytes);
  Write(&fs_, "/other", "o");
  EXPECT_TRUE(fs_.Rename("/other", "/link").ok());
  EXPECT_EQ(fs_.FreeSpace("/").value(), 9 * kBlockBytes);
  EXPECT_EQ(fs_.CrashClone(CrashPolicy::kMaximum, 0)->FreeSpace("/").value(), 9 * kBlockBytes);
  fs_.SetCapacity(0);
  EXPECT_EQ(fs_.FreeSpace("/").value(), 0U);
}

TEST_F(MemoryDisk, ReservedLogsCostNoMemoryAndManyClonesAreCheap) {
  // Sixty-four gigabytes of logs.
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(fs_.CreateLog(JoinPath("/", std::to_string(i)), 64 << 20).ok());
  }
  MemoryFileSystem small;
  const auto log = small.CreateLog("/log", 64 << 20).value();
  for (uint64_t i = 0; i < 10'000; ++i) {
    ASSERT_TRUE(log->WriteAt(i * 30, "a record of thirty bytes, here").ok());
    const auto left = small.CrashClone(CrashPolicy::kRandom, i);
    if (i % 100 == 0) {
      ASSERT_TRUE(log->Sync().ok());
    }
  }
}

TEST_F(MemoryDisk, OpenFilesOutliveTheFileSystem) {
  auto fs = std::make_unique<MemoryFileSystem>();
  const auto file = fs->CreateWritable("/a", FileKind::kTable).value();
  const auto lock = fs->LockFile("/LOCK", "test").value();
  fs.reset();
  EXPECT_TRUE(file->Append("x").ok());
  EXPECT_TRUE(file->Sync().ok());
}

TEST_F(MemoryDisk, LocksAreFreeOnAClone) {
  const auto lock = fs_.LockFile("/LOCK", "test").value();
  EXPECT_TRUE(fs_.CloneAfterProcessDeath()->LockFile("/LOCK", "next").ok());
  EXPECT_TRUE(fs_.CrashClone(CrashPolicy::kMaximum, 0)->LockFile("/LOCK", "next").ok());
}

}  // namespace
}  // namespace nokv::vfs
