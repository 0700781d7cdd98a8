#pragma once

// FaultFileSystem: another file system with faults by rules.
//
// A rule says which calls it is about (operation, path, kind of file), which of those it hits (the
// nth, all from the nth, or some by chance) and what happens then. Every rule counts the calls it
// is about and the faults it fired, so that a test can raise n until nothing fires and can prove
// that its fault happened.
//
//   FaultFileSystem fs(&memory, {});
//   const auto rule = fs.AddRule({.operation = FaultOperation::kSync, .path = "*.log", .nth = 3});
//   ... // the third sync of a log fails
//   EXPECT_EQ(fs.fired(rule), 1U);
//
// Rules are asked in the order in which they were added. Each counts the call; the first that fires
// decides, but delays go on to the next rule. What rule 4 of file_system.h and
// buffered_writable_file.h say of errors that are final holds for injected ones.
//
// Thread-safe. Outlives its files; `base` outlives both.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/random.h"
#include "vfs/file_system.h"

namespace nokv::vfs {

enum class FaultOperation : unsigned char {
  kAny,
  kOpen,    // OpenRandomAccess, OpenLog
  kCreate,  // CreateWritable, CreateLog
  kRead,    // of both kinds of file
  kWrite,   // Append, WriteAt
  kSync,
  kClose,
  kRename,
  kLink,
  kRemove,
  kCreateDirectory,
  kRemoveDirectory,
  kSyncDirectory,
  kQuestion,  // List, FileSize, FreeSpace; Exists has no way to fail
  kLock,
};
std::string_view FaultOperationName(FaultOperation operation);

// Whether `path` has the form of `pattern`: '*' stands for any characters, '/' included, and '?'
// for one.
bool GlobMatches(std::string_view pattern, std::string_view path);

struct FaultRule {
  enum class Fault : unsigned char {
    kFail,         // `error`, and nothing happens
    kShortWrite,   // the first `short_bytes` of a write are written, then `error`
    kLostSync,     // `error`, and what was not synced is lost: Options::lose_unsynced
    kIgnoredSync,  // OK, and nothing is synced: a disk that lies
    kDelay,        // `delay_micros` on the clock, then the call goes on
  };

  // Which calls it is about.
  FaultOperation operation = FaultOperation::kAny;
  std::string path = "*";  // a glob; of Rename and Link either path counts
  std::optional<FileKind> kind =
      std::nullopt;  // files opened or created as this kind; logs are kLog
  // Which of those it hits: the nth (from 1), or with `repeat` every one from the nth.
  // `probability`, if not 1, lets each of these off by chance.
  uint64_t nth = 1;
  bool repeat = false;
  double probability = 1;
  uint64_t seed = 0;
  // What happens.
  Fault fault = Fault::kFail;
  StatusCode error = StatusCode::kIOError;  // or kNoSpace
  size_t short_bytes = 0;
  uint64_t delay_micros = 0;
};

class FaultFileSystem final : public FileSystem {
 public:
  struct Options {
    // For delays.
    base::Clock* clock = base::Clock::System();
    // Called for a lost sync, to drop what was not synced: MemoryFileSystem::LoseUnsynced. Without
    // it a lost sync only fails.
    std::function<void(const std::string& path)> lose_unsynced = nullptr;
  };
  using RuleId = size_t;

  FaultFileSystem(FileSystem* base, Options options);
  ~FaultFileSystem() override;

  RuleId AddRule(FaultRule rule);
  // The rule counts and fires no more; its counters stay.
  void RemoveRule(RuleId id);
  void RemoveAllRules();
  // Calls the rule was about.
  uint64_t matched(RuleId id) const;
  // Faults it caused.
  uint64_t fired(RuleId id) const;

  Result<std::unique_ptr<RandomAccessFile>> OpenRandomAccess(const std::string& path,
                                                             FileKind kind,
                                                             AccessPattern pattern) override;
  Result<std::unique_ptr<WritableFile>> CreateWritable(const std::string& path,
                                                       FileKind kind) override;
  Result<std::unique_ptr<LogFile>> CreateLog(const std::string& path, uint64_t capacity) override;
  Result<std::unique_ptr<LogFile>> OpenLog(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Link(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status CreateDirectory(const std::string& path) override;
  Status RemoveDirectory(const std::string& path) override;
  Status SyncDirectory(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& path) override;
  bool Exists(const std::string& path) override;
  Result<uint64_t> FileSize(const std::string& path) override;
  Result<uint64_t> FreeSpace(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> LockFile(const std::string& path,
                                             const std::string& holder) override;

 private:
  class FaultRandomAccessFile;
  class FaultWritableFile;
  class FaultLogFile;

  struct RuleState {
    FaultRule rule;
    base::Random random;
    bool active = true;
    uint64_t matched = 0;
    uint64_t fired = 0;
  };
  struct Call {
    FaultOperation operation;
    const std::string& path;
    const std::string* other_path = nullptr;
    std::optional<FileKind> kind;
  };
  // What a call has to do instead of what was asked; nothing of it if no rule fires.
  struct Verdict {
    Status error;                       // OK: go on
    std::optional<size_t> short_bytes;  // write these before failing
    bool ignore_sync = false;           // do nothing and say OK
    bool lose_unsynced = false;         // before failing
  };

  // Asks the rules; sleeps.
  Verdict Decide(const Call& call);
  // For calls that can only fail or go on.
  Status Check(const Call& call) { return Decide(call).error; }
  // Sync of a file or a directory.
  Status Sync(const Call& call, const std::function<Status()>& sync);
  static bool IsAbout(const FaultRule& rule, const Call& call);

  FileSystem* const base_;
  const Options options_;
  mutable base::Mutex mu_;
  std::vector<RuleState> rules_ NOKV_GUARDED_BY(mu_);  // by RuleId
};

}  // namespace nokv::vfs
