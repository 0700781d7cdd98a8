// What PosixFileSystem does beyond the promises of file_system.h: modes, links, locks between
// processes, a full disk, the death of a process.

#include "vfs/posix_file_system.h"

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/random.h"
#include "vfs/buffered_writable_file.h"
#include "vfs/error.h"

namespace nokv::vfs {
namespace {

class Posix : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = JoinPath(testing::TempDir(), "vfs_posix_XXXXXX");
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::string Path(const std::string& name) const { return JoinPath(dir_, name); }
  static mode_t ModeOf(const std::string& path) {
    struct stat info = {};
    EXPECT_EQ(::stat(path.c_str(), &info), 0);
    return info.st_mode & 07777;
  }

  // Runs `body` in a child process; returns its exit code, or -1 if it did not exit.
  template <typename Body>
  static int InChild(const Body& body) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(body());
    int state = 0;
    EXPECT_EQ(::waitpid(child, &state, 0), child);
    return WIFEXITED(state) ? WEXITSTATUS(state) : -1;
  }

  std::string dir_;
  FileSystem* const fs_ = PosixFileSystem::Default();
};

TEST_F(Posix, ModesDoNotDependOnTheUmask) {
  for (const mode_t mask : {mode_t{0}, mode_t{0777}}) {
    const mode_t before = ::umask(mask);
    const std::string suffix = std::to_string(mask);
    EXPECT_TRUE(fs_->CreateWritable(Path("file" + suffix), FileKind::kTable).ok());
    EXPECT_TRUE(fs_->CreateLog(Path("log" + suffix), 4096).ok());
    EXPECT_TRUE(fs_->CreateDirectory(Path("dir" + suffix)).ok());
    ::umask(before);
    EXPECT_EQ(ModeOf(Path("file" + suffix)), 0600U);
    EXPECT_EQ(ModeOf(Path("log" + suffix)), 0600U);
    EXPECT_EQ(ModeOf(Path("dir" + suffix)), 0700U);
  }
}

// Tables go past the page cache in whole pages; what is appended in whatever pieces must arrive all the same.
TEST_F(Posix, TablesHoldEveryByteInWhateverPiecesTheyCame) {
  for (uint64_t round = 0; round < 8; ++round) {
    SCOPED_TRACE("seed " + std::to_string(round));
    base::Random random(round);
    const std::string path = Path("table" + std::to_string(round));
    auto file = fs_->CreateWritable(path, FileKind::kTable);
    ASSERT_TRUE(file.ok()) << file.status().ToString();
    std::string all;
    for (int piece = 0; piece < 40; ++piece) {
      const size_t bytes = random.Uniform(4) == 0 ? 4096 * random.Uniform(600) : random.Uniform(9000);
      const std::string text(bytes, static_cast<char>('a' + random.Uniform(26)));
      ASSERT_TRUE((*file)->Append(text).ok());
      all += text;
      if (random.Uniform(16) == 0) {
        ASSERT_TRUE((*file)->Sync().ok());
      }
      ASSERT_EQ((*file)->size(), all.size());
    }
    ASSERT_TRUE((*file)->Sync().ok());
    ASSERT_TRUE((*file)->Close().ok());
    EXPECT_TRUE(!(*file)->Append("x").ok());
    auto reader = fs_->OpenRandomAccess(path, FileKind::kTable, AccessPattern::kRandom);
    ASSERT_TRUE(reader.ok());
    std::string scratch(all.size(), '\0');
    Slice read;
    ASSERT_TRUE((*reader)->Read(0, all.size(), scratch.data(), &read).ok());
    EXPECT_EQ((*reader)->size(), all.size());
    EXPECT_TRUE(read == all);
  }
}

TEST_F(Posix, SymbolicLinksAreNotFollowed) {
  ASSERT_TRUE(ReplaceFile(fs_, Path("real"), FileKind::kOther, "bytes").ok());
  std::filesystem::create_symlink(Path("real"), Path("link"));
  std::filesystem::create_symlink(Path("nowhere"), Path("dangling"));
  EXPECT_EQ(ReadFile(fs_, Path("link"), 100).status().code(), StatusCode::kIOError);
  EXPECT_EQ(fs_->OpenLog(Path("link")).status().code(), StatusCode::kIOError);
  EXPECT_EQ(fs_->LockFile(Path("link"), "me").status().code(), StatusCode::kIOError);
  EXPECT_EQ(fs_->FileSize(Path("link")).status().code(), StatusCode::kIOError);
  EXPECT_EQ(fs_->CreateWritable(Path("dangling"), FileKind::kTable).status().code(),
            StatusCode::kIOError);
  EXPECT_FALSE(fs_->Exists(Path("nowhere")));
}

TEST_F(Posix, LockExcludesAnotherProcess) {
  auto lock = fs_->LockFile(Path("LOCK"), "the parent");
  ASSERT_TRUE(lock.ok());
  const auto try_lock = [&] {
    const auto second = fs_->LockFile(Path("LOCK"), "the child");
    if (second.ok()) return 1;
    const bool named = second.status().message().find("the parent") != std::string::npos;
    return second.status().code() == StatusCode::kBusy && named ? 0 : 2;
  };
  EXPECT_EQ(InChild(try_lock), 0);
  lock.value().reset();
  EXPECT_EQ(InChild(try_lock), 1);
}

TEST_F(Posix, LockEndsWithItsProcess) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = fs_->LockFile(Path("LOCK"), "the child");
    const char outcome = lock.ok() ? 'y' : 'n';
    if (::write(ready[1], &outcome, 1) == 1) ::pause();
    ::_exit(1);
  }
  char outcome = 0;
  ASSERT_EQ(::read(ready[0], &outcome, 1), 1);
  EXPECT_EQ(outcome, 'y');
  const Status held = fs_->LockFile(Path("LOCK"), "the parent").status();
  EXPECT_EQ(held.code(), StatusCode::kBusy);
  EXPECT_NE(held.message().find("the child"), std::string::npos);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  EXPECT_TRUE(fs_->LockFile(Path("LOCK"), "the parent").ok());
}

TEST_F(Posix, LockHoldsUnderEveryNameOfItsFile) {
  const auto lock = fs_->LockFile(Path("LOCK"), "line\nbreak");
  ASSERT_TRUE(fs_->Link(Path("LOCK"), Path("SAME")).ok());
  PosixFileSystem other({.log_writes = LogWrites::kPwrite});
  const Status status = other.LockFile(Path("SAME"), "me").status();
  EXPECT_EQ(status.code(), StatusCode::kBusy);
  EXPECT_NE(status.message().find("line break"), std::string::npos) << status.ToString();
}

TEST_F(Posix, LogBytesSurviveTheDeathOfTheProcess) {
  for (const LogWrites writes : {LogWrites::kMapped, LogWrites::kPwrite}) {
    const std::string path = Path("log" + std::to_string(static_cast<int>(writes)));
    EXPECT_EQ(InChild([&] {
                PosixFileSystem fs({.log_writes = writes});
                const auto log = fs.CreateLog(path, 10'000);
                return log.ok() && (*log)->WriteAt(5'000, "unsynced").ok() ? 0 : 1;
              }),
              0);
    EXPECT_EQ(ReadFile(fs_, path, 10'000).value().substr(5'000, 8), "unsynced");
  }
}

TEST_F(Posix, HolesOfALogAreReservedWhenItIsOpened) {
  ASSERT_TRUE(ReplaceFile(fs_, Path("log"), FileKind::kLog, "front").ok());
  std::filesystem::resize_file(Path("log"), 1 << 20);
  const auto log = fs_->OpenLog(Path("log"));
  ASSERT_TRUE(log.ok());
  EXPECT_EQ((*log)->capacity(), 1U << 20);
  struct stat info = {};
  ASSERT_EQ(::stat(Path("log").c_str(), &info), 0);
  EXPECT_GE(info.st_blocks * 512, 1 << 20);
  EXPECT_EQ(ReadFile(fs_, Path("log"), 1 << 20).value().substr(0, 5), "front");
}

TEST_F(Posix, ShortWriteIsContinuedAndItsErrorIsFinal) {
  const std::string path = Path("table");
  EXPECT_EQ(InChild([&] {
              // Beyond this size the kernel writes what fits and then refuses.
              const rlimit limit = {10'000, 10'000};
              ::signal(SIGXFSZ, SIG_IGN);
              if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
              const auto file = fs_->CreateWritable(path, FileKind::kTable);
              if (!file.ok() || !(*file)->Append(std::string(15'000, 'x')).ok()) return 2;
              const Status synced = (*file)->Sync();
              if (synced.code() != StatusCode::kIOError) return 3;
              if (synced.message() != path + ": write: File too large") return 4;
              if ((*file)->Append("more").ok() || (*file)->Close().ok()) return 5;
              return fs_->CreateLog(path + ".log", 20'000).ok() ? 6 : 0;
            }),
            0);
  EXPECT_EQ(fs_->FileSize(path).value(), 10'000U);
  EXPECT_FALSE(fs_->Exists(path + ".log"));
}

// Needs the right to mount; elsewhere the mapping of the error codes is all that is tested.
TEST_F(Posix, FullDiskIsNoSpaceAndAReservedLogNeverMeetsIt) {
  constexpr int kCannotMount = 77;
  const int outcome = InChild([&] {
    if (::unshare(CLONE_NEWNS) != 0) return kCannotMount;
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return kCannotMount;
    if (::mount("small", dir_.c_str(), "tmpfs", 0, "size=1m") != 0) return kCannotMount;
    for (const LogWrites writes : {LogWrites::kMapped, LogWrites::kPwrite}) {
      PosixFileSystem fs({.log_writes = writes});
      if (!fs.CreateLog(Path("big"), 2 << 20).status().IsNoSpace()) return 1;
      if (fs.Exists(Path("big"))) return 2;
      const auto log = fs.CreateLog(Path("log"), 300'000);
      if (!log.ok()) return 3;
      const auto file = fs.CreateWritable(Path("table"), FileKind::kTable);
      if (!file.ok()) return 4;
      Status status;
      for (int i = 0; i < 100 && status.ok(); ++i)
        status = (*file)->Append(std::string(30'000, 'x'));
      if (!status.IsNoSpace() || !(*file)->Sync().IsNoSpace()) return 5;
      if (fs.FreeSpace(dir_).value() > 4096) return 6;
      for (uint64_t offset = 0; offset < 300'000; offset += 1000) {
        if (!(*log)->WriteAt(offset, std::string(1000, 'y')).ok()) return 7;
      }
      if (!(*log)->Sync().ok()) return 8;
      if (!fs.Remove(Path("table")).ok() || !fs.Remove(Path("log")).ok()) return 9;
    }
    return 0;
  });
  if (outcome == kCannotMount) GTEST_SKIP() << "no right to mount";
  EXPECT_EQ(outcome, 0);
}

TEST(ErrorFromErrno, ChoosesTheCodeAndSaysWhatAndWhy) {
  EXPECT_EQ(ErrorFromErrno("/a", "write", ENOSPC).ToString(),
            "NoSpace: /a: write: No space left on device");
  EXPECT_TRUE(ErrorFromErrno("/a", "write", EDQUOT).IsNoSpace());
  EXPECT_TRUE(ErrorFromErrno("/a", "open", ENOENT).IsNotFound());
  EXPECT_EQ(ErrorFromErrno("/a", "sync", EIO).ToString(), "IOError: /a: sync: Input/output error");
}

// A kernel that takes bytes until told to fail.
class FakeFile final : public BufferedWritableFile {
 public:
  explicit FakeFile(std::vector<std::string>* calls, FileKind kind = FileKind::kTable)
      : BufferedWritableFile("/fake", kind), calls_(calls) {}
  ~FakeFile() override { Close().IgnoreError(); }
  Status next_sync;
  Status next_write;

 private:
  Status WriteOut(Slice bytes) override {
    calls_->push_back("write " + std::to_string(bytes.size()));
    return next_write;
  }
  Status SyncOut() override {
    calls_->push_back("sync");
    return next_sync;
  }
  Status CloseOut() override {
    calls_->push_back("close");
    return Status::Ok();
  }
  std::vector<std::string>* const calls_;
};
using Calls = std::vector<std::string>;

TEST(BufferedWritableFile, GathersSmallAppendsAndPassesLargeOnes) {
  Calls calls;
  {
    FakeFile file(&calls);
    for (int i = 0; i < 3; ++i)
      EXPECT_TRUE(file.Append(std::string(30'000, 'x')).ok());
    EXPECT_EQ(calls, (Calls{"write 60000"}));
    EXPECT_TRUE(file.Append(std::string(200'000, 'x')).ok());
    EXPECT_EQ(calls, (Calls{"write 60000", "write 30000", "write 200000"}));
    calls.clear();
    EXPECT_TRUE(file.Append("tail").ok());
    EXPECT_TRUE(file.Sync().ok());
    EXPECT_TRUE(file.Sync().ok());
    EXPECT_EQ(calls, (Calls{"write 4", "sync", "sync"}));
    calls.clear();
    EXPECT_TRUE(file.Append("end").ok());
  }
  EXPECT_EQ(calls, (Calls{"write 3", "close"}));
}

TEST(BufferedWritableFile, PassesOnAllBytesOfAManifest) {
  Calls calls;
  FakeFile file(&calls, FileKind::kManifest);
  EXPECT_TRUE(file.Append("edit").ok());
  EXPECT_TRUE(file.Append("").ok());
  EXPECT_TRUE(file.Append("seal").ok());
  EXPECT_EQ(calls, (Calls{"write 4", "write 4"}));
}

TEST(BufferedWritableFile, FirstErrorIsFinal) {
  Calls calls;
  {
    FakeFile file(&calls);
    file.next_sync = Status::IOError("sync failed");
    EXPECT_TRUE(file.Append("a").ok());
    EXPECT_EQ(file.Sync().message(), "sync failed");
    file.next_sync = Status::Ok();
    EXPECT_EQ(file.Sync().message(), "sync failed");
    EXPECT_EQ(file.Append("b").message(), "sync failed");
    EXPECT_EQ(file.Close().message(), "sync failed");
  }
  EXPECT_EQ(calls, (Calls{"write 1", "sync", "close"}));
  calls.clear();
  {
    FakeFile file(&calls);
    file.next_write = Status::NoSpace("full");
    EXPECT_TRUE(file.Append("a").ok());
    EXPECT_TRUE(file.Sync().IsNoSpace());
    file.next_write = Status::Ok();
    EXPECT_TRUE(file.Append("b").IsNoSpace());
  }
  EXPECT_EQ(calls, (Calls{"write 1", "close"}));
}

}  // namespace
}  // namespace nokv::vfs
