// What every file system promises, run against each of them.

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "vfs/fault_file_system.h"
#include "vfs/file_system.h"
#include "vfs/memory_file_system.h"
#include "vfs/posix_file_system.h"

namespace nokv::vfs {
namespace {

// A file system under test and an empty directory in it.
struct Subject {
  virtual ~Subject() = default;
  virtual FileSystem* fs() = 0;
  virtual std::string directory() = 0;
};

class PosixSubject final : public Subject {
 public:
  explicit PosixSubject(LogWrites log_writes) : fs_({.log_writes = log_writes}) {
    std::string pattern = JoinPath(testing::TempDir(), "vfs_conformance_XXXXXX");
    if (::mkdtemp(pattern.data()) != nullptr) directory_ = pattern;
  }
  ~PosixSubject() override { std::filesystem::remove_all(directory_); }
  FileSystem* fs() override { return &fs_; }
  std::string directory() override { return directory_; }

 private:
  PosixFileSystem fs_;
  std::string directory_;
};

class MemorySubject final : public Subject {
 public:
  FileSystem* fs() override { return &fs_; }
  std::string directory() override {
    EXPECT_TRUE(fs_.CreateDirectory("/conformance").ok());
    return "/conformance";
  }

 private:
  MemoryFileSystem fs_;
};

class FaultSubject final : public Subject {
 public:
  FileSystem* fs() override { return &fs_; }
  std::string directory() override { return base_.directory(); }

 private:
  MemorySubject base_;
  FaultFileSystem fs_{base_.fs(), {}};
};

struct SubjectMaker {
  const char* name;
  std::unique_ptr<Subject> (*make)();
};

using NameList = std::vector<std::string>;

class FileSystemConformance : public testing::TestWithParam<SubjectMaker> {
 protected:
  void SetUp() override {
    subject_ = GetParam().make();
    fs_ = subject_->fs();
    dir_ = subject_->directory();
  }
  std::string Path(const std::string& name) { return JoinPath(dir_, name); }
  std::unique_ptr<WritableFile> Create(const std::string& name) {
    auto file = fs_->CreateWritable(Path(name), FileKind::kTable);
    EXPECT_TRUE(file.ok()) << file.status().ToString();
    return std::move(file).value();
  }
  void Write(const std::string& name, Slice bytes) {
    const auto file = Create(name);
    ASSERT_TRUE(file->Append(bytes).ok());
    ASSERT_TRUE(file->Close().ok());
  }
  std::string Contents(const std::string& name) {
    auto bytes = ReadFile(fs_, Path(name), 1 << 30);
    return bytes.ok() ? *bytes : bytes.status().ToString();
  }
  NameList Names(const std::string& path) {
    auto names = fs_->List(path);
    EXPECT_TRUE(names.ok()) << names.status().ToString();
    std::sort(names->begin(), names->end());
    return *names;
  }

  std::unique_ptr<Subject> subject_;
  FileSystem* fs_ = nullptr;
  std::string dir_;
};

TEST_P(FileSystemConformance, ReadsBackWhatWasAppended) {
  const auto file = Create("a");
  EXPECT_TRUE(file->Append("hello ").ok());
  EXPECT_TRUE(file->Append("").ok());
  EXPECT_TRUE(file->Append("world").ok());
  EXPECT_EQ(file->size(), 11U);
  EXPECT_EQ(file->path(), Path("a"));
  EXPECT_TRUE(file->Sync().ok());
  EXPECT_EQ(Contents("a"), "hello world");
  EXPECT_TRUE(file->Append("!").ok());
  EXPECT_TRUE(file->Close().ok());
  EXPECT_EQ(Contents("a"), "hello world!");
  EXPECT_EQ(fs_->FileSize(Path("a")).value(), 12U);
}

TEST_P(FileSystemConformance, AppendsOfEverySizeArriveInOrder) {
  const uint64_t seed = 20;
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Random random(seed);
  std::string expected;
  const auto file = Create("a");
  for (const size_t limit : {1U, 100U, 70'000U, 300'000U, 5'000U}) {
    for (int i = 0; i < 10; ++i) {
      std::string bytes(random.Uniform(limit + 1), '\0');
      for (char& c : bytes)
        c = static_cast<char>(random.Next());
      ASSERT_TRUE(file->Append(bytes).ok());
      expected += bytes;
      if (random.OneIn(8)) {
        ASSERT_TRUE(file->Sync().ok());
      }
    }
  }
  EXPECT_EQ(file->size(), expected.size());
  ASSERT_TRUE(file->Close().ok());
  EXPECT_TRUE(Contents("a") == expected);

  const auto reader =
      fs_->OpenRandomAccess(Path("a"), FileKind::kTable, AccessPattern::kRandom).value();
  EXPECT_EQ(reader->size(), expected.size());
  std::string scratch(20'000, '\0');
  for (int i = 0; i < 200; ++i) {
    const uint64_t offset = random.Uniform(expected.size() + 100);
    const size_t n = random.Uniform(scratch.size());
    reader->Prefetch(offset, n);
    Slice result;
    ASSERT_TRUE(reader->Read(offset, n, scratch.data(), &result).ok());
    const Slice all = expected;
    EXPECT_EQ(result, offset < all.size() ? all.substr(offset, n) : Slice());
  }
}

TEST_P(FileSystemConformance, ReadsAreTheSameWhateverTheAccessPattern) {
  std::string contents(100'003, ' ');
  for (size_t i = 0; i < contents.size(); ++i) contents[i] = static_cast<char>(i * 131 >> 5);
  Write("file", contents);
  for (const AccessPattern pattern :
       {AccessPattern::kNormal, AccessPattern::kRandom, AccessPattern::kRandomDirect, AccessPattern::kSequential}) {
    const auto file = fs_->OpenRandomAccess(Path("file"), FileKind::kTable, pattern).value();
    EXPECT_EQ(file->size(), contents.size());
    std::string scratch(contents.size() + 10, '\0');
    const auto expect = [&](size_t offset, size_t n) {
      Slice result;
      ASSERT_TRUE(file->Read(offset, n, scratch.data(), &result).ok());
      EXPECT_TRUE(result == Slice(contents).substr(std::min(offset, contents.size()), n)) << offset << ", " << n;
    };
    for (const size_t n : {0U, 1U, 511U, 512U, 513U, 4096U, 4097U, 8192U, 32768U, 32769U, 100003U}) {
      for (const size_t offset : {0U, 1U, 511U, 512U, 4095U, 4096U, 4097U, 8191U, 65536U, 99500U, 100002U, 100003U, 200000U}) {
        expect(offset, n);
      }
    }
  }
}

TEST_P(FileSystemConformance, DestructorKeepsWhatWasAppended) {
  { EXPECT_TRUE(Create("a")->Append("kept").ok()); }
  EXPECT_EQ(Contents("a"), "kept");
}

TEST_P(FileSystemConformance, ClosedFileRefusesWork) {
  const auto file = Create("a");
  EXPECT_TRUE(file->Close().ok());
  EXPECT_TRUE(file->Close().ok());
  EXPECT_EQ(file->Append("x").code(), StatusCode::kIOError);
  EXPECT_EQ(file->Sync().code(), StatusCode::kIOError);
  const auto log = fs_->CreateLog(Path("log"), 4096).value();
  EXPECT_TRUE(log->Close().ok());
  EXPECT_TRUE(log->Close().ok());
  EXPECT_EQ(log->WriteAt(0, "x").code(), StatusCode::kIOError);
  EXPECT_EQ(log->Sync().code(), StatusCode::kIOError);
}

TEST_P(FileSystemConformance, CreateNeverTruncates) {
  Write("a", "first");
  EXPECT_EQ(fs_->CreateWritable(Path("a"), FileKind::kTable).status().code(), StatusCode::kIOError);
  EXPECT_EQ(fs_->CreateLog(Path("a"), 4096).status().code(), StatusCode::kIOError);
  EXPECT_EQ(Contents("a"), "first");
}

TEST_P(FileSystemConformance, MissingFilesAreNotFoundAndNamed) {
  const std::string path = Path("missing");
  std::vector<Status> outcomes = {
      fs_->OpenRandomAccess(path, FileKind::kTable, AccessPattern::kNormal).status(),
      fs_->OpenLog(path).status(),
      fs_->Remove(path),
      fs_->Rename(path, Path("b")),
      fs_->Link(path, Path("b")),
      fs_->RemoveDirectory(path),
      fs_->SyncDirectory(path),
      fs_->List(path).status(),
      fs_->FileSize(path).status(),
      fs_->CreateWritable(path + "/a", FileKind::kTable).status(),
      fs_->CreateDirectory(path + "/a"),
  };
  for (const Status& status : outcomes) {
    EXPECT_TRUE(status.IsNotFound()) << status.ToString();
    EXPECT_NE(status.message().find(path), std::string::npos) << status.ToString();
  }
  EXPECT_FALSE(fs_->Exists(path));
}

TEST_P(FileSystemConformance, RenameReplacesItsTarget) {
  Write("a", "new");
  Write("b", "old");
  EXPECT_TRUE(fs_->Rename(Path("a"), Path("b")).ok());
  EXPECT_EQ(Contents("b"), "new");
  EXPECT_EQ(Names(dir_), NameList{"b"});
}

TEST_P(FileSystemConformance, OpenFilesOutliveTheirNames) {
  Write("a", "still here");
  const auto reader =
      fs_->OpenRandomAccess(Path("a"), FileKind::kTable, AccessPattern::kNormal).value();
  Write("b", "other");
  EXPECT_TRUE(fs_->Rename(Path("b"), Path("a")).ok());
  char scratch[32];
  Slice result;
  EXPECT_TRUE(reader->Read(0, sizeof scratch, scratch, &result).ok());
  EXPECT_EQ(result, "still here");
  EXPECT_TRUE(fs_->Remove(Path("a")).ok());
  EXPECT_TRUE(reader->Read(6, sizeof scratch, scratch, &result).ok());
  EXPECT_EQ(result, "here");
}

TEST_P(FileSystemConformance, LinkIsASecondName) {
  Write("a", "shared");
  EXPECT_TRUE(fs_->Link(Path("a"), Path("b")).ok());
  EXPECT_EQ(fs_->Link(Path("a"), Path("b")).code(), StatusCode::kIOError);
  EXPECT_TRUE(fs_->Remove(Path("a")).ok());
  EXPECT_FALSE(fs_->Exists(Path("a")));
  EXPECT_EQ(Contents("b"), "shared");
}

TEST_P(FileSystemConformance, DirectoriesHoldFiles) {
  EXPECT_TRUE(fs_->CreateDirectory(Path("d")).ok());
  EXPECT_TRUE(fs_->CreateDirectory(Path("d")).ok());
  EXPECT_TRUE(fs_->Exists(Path("d")));
  Write("d/x", "1");
  Write("y", "2");
  EXPECT_EQ(Names(dir_), (NameList{"d", "y"}));
  EXPECT_EQ(Names(Path("d")), NameList{"x"});
  EXPECT_TRUE(fs_->SyncDirectory(Path("d")).ok());
  EXPECT_TRUE(fs_->SyncDirectory(dir_).ok());
  EXPECT_TRUE(fs_->Rename(Path("d/x"), Path("z")).ok());
  EXPECT_EQ(Contents("z"), "1");
  Write("d/x", "3");
  EXPECT_EQ(fs_->RemoveDirectory(Path("d")).code(), StatusCode::kIOError);
  EXPECT_TRUE(fs_->Remove(Path("d/x")).ok());
  EXPECT_TRUE(fs_->RemoveDirectory(Path("d")).ok());
  EXPECT_FALSE(fs_->Exists(Path("d")));
}

TEST_P(FileSystemConformance, FilesAndDirectoriesAreToldApart) {
  Write("a", "file");
  EXPECT_TRUE(fs_->CreateDirectory(Path("d")).ok());
  EXPECT_EQ(fs_->CreateDirectory(Path("a")).code(), StatusCode::kIOError);
  EXPECT_EQ(fs_->Remove(Path("d")).code(), StatusCode::kIOError);
  EXPECT_EQ(fs_->RemoveDirectory(Path("a")).code(), StatusCode::kIOError);
  EXPECT_EQ(fs_->List(Path("a")).status().code(), StatusCode::kIOError);
  EXPECT_EQ(fs_->SyncDirectory(Path("a")).code(), StatusCode::kIOError);
  EXPECT_EQ(fs_->FileSize(Path("d")).status().code(), StatusCode::kIOError);
  EXPECT_EQ(fs_->OpenLog(Path("d")).status().code(), StatusCode::kIOError);
  EXPECT_EQ(fs_->CreateWritable(Path("a/b"), FileKind::kTable).status().code(),
            StatusCode::kIOError);
  EXPECT_FALSE(fs_->Exists(Path("a/b")));
  EXPECT_EQ(
      fs_->OpenRandomAccess(Path("d"), FileKind::kTable, AccessPattern::kNormal).status().code(),
      StatusCode::kIOError);
}

TEST_P(FileSystemConformance, NewLogIsZeroAndOfItsCapacity) {
  const auto log = fs_->CreateLog(Path("log"), 100'000).value();
  EXPECT_EQ(log->capacity(), 100'000U);
  EXPECT_EQ(log->path(), Path("log"));
  EXPECT_EQ(Contents("log"), std::string(100'000, '\0'));
  EXPECT_EQ(fs_->FileSize(Path("log")).value(), 100'000U);
}

TEST_P(FileSystemConformance, LogKeepsWritesAtAnyOffset) {
  std::string expected(100'000, '\0');
  const auto log = fs_->CreateLog(Path("log"), expected.size()).value();
  const auto write = [&](size_t offset, const std::string& bytes) {
    expected.replace(offset, bytes.size(), bytes);
    EXPECT_TRUE(log->WriteAt(offset, bytes).ok());
  };
  write(4090, std::string(5000, 'x'));
  write(0, "front");
  write(99'997, "end");
  write(4095, "yy");
  EXPECT_TRUE(log->WriteAt(100'000, "").ok());
  // In the kernel's hands without a sync: other openers see it.
  EXPECT_TRUE(Contents("log") == expected);
  EXPECT_TRUE(log->Sync().ok());
  std::string scratch(200'000, '\0');
  Slice result;
  EXPECT_TRUE(log->Read(0, scratch.size(), scratch.data(), &result).ok());
  EXPECT_TRUE(result == expected);
  EXPECT_TRUE(log->Read(99'999, 10, scratch.data(), &result).ok());
  EXPECT_EQ(result, "d");
  EXPECT_TRUE(log->Read(100'000, 10, scratch.data(), &result).ok());
  EXPECT_EQ(result, "");
  EXPECT_TRUE(log->Close().ok());
  EXPECT_TRUE(Contents("log") == expected);
}

TEST_P(FileSystemConformance, ThreadsWriteALogAtDisjointPlacesBesideSyncs) {
  constexpr size_t kThreads = 3;
  constexpr size_t kWrites = 300;
  constexpr size_t kBytes = 100;
  const auto log = fs_->CreateLog(Path("log"), kThreads * kWrites * kBytes).value();
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const std::string bytes(kBytes, static_cast<char>('a' + t));
      for (size_t i = 0; i < kWrites; ++i) {
        EXPECT_TRUE(log->WriteAt((i * kThreads + t) * kBytes, bytes).ok());
        if (i % 100 == 99) {
          EXPECT_TRUE(log->Sync().ok());
        }
      }
    });
  }
  for (auto& thread : threads)
    thread.join();
  std::string expected;
  for (size_t i = 0; i < kWrites * kThreads; ++i) {
    expected.append(kBytes, static_cast<char>('a' + i % kThreads));
  }
  EXPECT_TRUE(Contents("log") == expected);
}

TEST_P(FileSystemConformance, PreparingALogForWritesChangesNothing) {
  constexpr size_t kBytes = 1000;
  constexpr size_t kWrites = 2000;
  const auto log = fs_->CreateLog(Path("log"), kBytes * kWrites).value();
  std::thread ahead([&] {
    for (uint64_t offset = 0; offset <= log->capacity(); offset += 50'000) log->PrepareWrites(offset, 90'000);
    log->PrepareWrites(log->capacity(), 1);
    log->PrepareWrites(0, UINT64_MAX);
  });
  std::string expected;
  for (size_t i = 0; i < kWrites; ++i) {
    const std::string bytes(kBytes, static_cast<char>('a' + i % 26));
    EXPECT_TRUE(log->WriteAt(i * kBytes, bytes).ok());
    expected += bytes;
  }
  ahead.join();
  EXPECT_TRUE(log->Close().ok());
  EXPECT_TRUE(Contents("log") == expected);
}

TEST_P(FileSystemConformance, RecycledLogKeepsItsBytesAndCapacity) {
  {
    const auto log = fs_->CreateLog(Path("old"), 20'000).value();
    EXPECT_TRUE(log->WriteAt(10, "first life").ok());
    EXPECT_TRUE(log->WriteAt(15'000, "tail").ok());
  }
  EXPECT_TRUE(fs_->Rename(Path("old"), Path("new")).ok());
  const auto log = fs_->OpenLog(Path("new")).value();
  EXPECT_EQ(log->capacity(), 20'000U);
  EXPECT_TRUE(log->WriteAt(16, "LIFE").ok());
  EXPECT_TRUE(log->Sync().ok());
  const std::string contents = Contents("new");
  EXPECT_EQ(contents.size(), 20'000U);
  EXPECT_EQ(contents.substr(10, 10), "first LIFE");
  EXPECT_EQ(contents.substr(15'000, 4), "tail");
}

TEST_P(FileSystemConformance, LogWithoutCapacityIsRefused) {
  EXPECT_EQ(fs_->CreateLog(Path("log"), 0).status().code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(fs_->Exists(Path("log")));
  Write("empty", "");
  EXPECT_EQ(fs_->OpenLog(Path("empty")).value()->capacity(), 0U);
}

TEST_P(FileSystemConformance, ReplaceFileSwitchesContentsAndLeavesNothingElse) {
  EXPECT_TRUE(ReplaceFile(fs_, Path("CURRENT"), FileKind::kCurrent, "one").ok());
  EXPECT_EQ(Contents("CURRENT"), "one");
  Write("CURRENT.tmp", "left over by a crash");
  EXPECT_TRUE(ReplaceFile(fs_, Path("CURRENT"), FileKind::kCurrent, "two").ok());
  EXPECT_EQ(Contents("CURRENT"), "two");
  EXPECT_EQ(Names(dir_), NameList{"CURRENT"});
}

TEST_P(FileSystemConformance, ReadFileRefusesWhatIsTooLarge) {
  Write("a", "12345");
  EXPECT_EQ(ReadFile(fs_, Path("a"), 5).value(), "12345");
  const Status status = ReadFile(fs_, Path("a"), 4).status();
  EXPECT_EQ(status.code(), StatusCode::kLimitExceeded);
  EXPECT_NE(status.message().find("limit of 4"), std::string::npos) << status.ToString();
}

TEST_P(FileSystemConformance, LockExcludesASecondOpenerAndNamesTheHolder) {
  const std::string path = Path("LOCK");
  auto lock = fs_->LockFile(path, "pid 4711, since noon");
  ASSERT_TRUE(lock.ok()) << lock.status().ToString();
  const auto second = fs_->LockFile(path, "pid 4712");
  EXPECT_EQ(second.status().code(), StatusCode::kBusy);
  EXPECT_NE(second.status().message().find("pid 4711, since noon"), std::string::npos)
      << second.status().ToString();
  lock.value().reset();
  EXPECT_TRUE(fs_->Exists(path));
  EXPECT_TRUE(fs_->LockFile(path, "pid 4712").ok());
}

TEST_P(FileSystemConformance, FreeSpaceIsKnown) {
  EXPECT_GT(fs_->FreeSpace(dir_).value(), 0U);
}

template <LogWrites kWrites>
std::unique_ptr<Subject> MakePosix() {
  return std::make_unique<PosixSubject>(kWrites);
}
template <typename T>
std::unique_ptr<Subject> Make() {
  return std::make_unique<T>();
}

INSTANTIATE_TEST_SUITE_P(
    All,
    FileSystemConformance,
    testing::Values(SubjectMaker{"PosixMapped", &MakePosix<LogWrites::kMapped>},
                    SubjectMaker{"PosixPwrite", &MakePosix<LogWrites::kPwrite>},
                    SubjectMaker{"Memory", &Make<MemorySubject>},
                    SubjectMaker{"FaultWithoutRules", &Make<FaultSubject>}),
    [](const auto& made) { return std::string(made.param.name); });

TEST(Paths, JoinAndTakeApart) {
  EXPECT_EQ(JoinPath("d", "x"), "d/x");
  EXPECT_EQ(JoinPath("d/", "x"), "d/x");
  EXPECT_EQ(JoinPath("/", "x"), "/x");
  EXPECT_EQ(DirectoryOf("a/b/c"), "a/b");
  EXPECT_EQ(DirectoryOf("/c"), "/");
  EXPECT_EQ(DirectoryOf("c"), ".");
}

}  // namespace
}  // namespace nokv::vfs
