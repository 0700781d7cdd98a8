#include "vfs/fault_file_system.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace nokv::vfs {

std::string_view FaultOperationName(FaultOperation operation) {
  switch (operation) {
    case FaultOperation::kAny:
      return "any";
    case FaultOperation::kOpen:
      return "open";
    case FaultOperation::kCreate:
      return "create";
    case FaultOperation::kRead:
      return "read";
    case FaultOperation::kWrite:
      return "write";
    case FaultOperation::kSync:
      return "sync";
    case FaultOperation::kClose:
      return "close";
    case FaultOperation::kRename:
      return "rename";
    case FaultOperation::kLink:
      return "link";
    case FaultOperation::kRemove:
      return "remove";
    case FaultOperation::kCreateDirectory:
      return "create directory";
    case FaultOperation::kRemoveDirectory:
      return "remove directory";
    case FaultOperation::kSyncDirectory:
      return "sync directory";
    case FaultOperation::kQuestion:
      return "question";
    case FaultOperation::kLock:
      return "lock";
  }
  return "unknown";
}

bool GlobMatches(std::string_view pattern, std::string_view path) {
  // Only the latest star needs to be remembered: an earlier one has nothing to gain from more
  // characters.
  size_t p = 0;
  size_t s = 0;
  size_t after_star = std::string_view::npos;
  size_t star_taken = 0;
  while (s < path.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      after_star = ++p;
      star_taken = s;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == path[s])) {
      ++p;
      ++s;
    } else if (after_star != std::string_view::npos) {
      p = after_star;
      s = ++star_taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

class FaultFileSystem::FaultRandomAccessFile final : public RandomAccessFile {
 public:
  FaultRandomAccessFile(FaultFileSystem* fs, FileKind kind, std::unique_ptr<RandomAccessFile> file)
      : fs_(fs), kind_(kind), file_(std::move(file)) {}

  Status Read(uint64_t offset, size_t n, char* scratch, Slice* result) const override {
    *result = Slice(scratch, 0);
    NOKV_TRY(fs_->Check({FaultOperation::kRead, path(), nullptr, kind_}));
    return file_->Read(offset, n, scratch, result);
  }
  void Prefetch(uint64_t offset, size_t n) const override { file_->Prefetch(offset, n); }
  uint64_t size() const override { return file_->size(); }
  const std::string& path() const override { return file_->path(); }

 private:
  FaultFileSystem* const fs_;
  const FileKind kind_;
  const std::unique_ptr<RandomAccessFile> file_;
};

class FaultFileSystem::FaultWritableFile final : public WritableFile {
 public:
  FaultWritableFile(FaultFileSystem* fs, FileKind kind, std::unique_ptr<WritableFile> file)
      : fs_(fs), kind_(kind), file_(std::move(file)) {}

  Status Append(Slice bytes) override {
    if (!error_.ok()) return error_;
    Verdict verdict = fs_->Decide(CallOf(FaultOperation::kWrite));
    if (verdict.error.ok()) return file_->Append(bytes);
    error_ = std::move(verdict.error);
    // The injected error is the one to report, whatever becomes of the front.
    if (verdict.short_bytes.has_value()) {
      file_->Append(bytes.substr(0, *verdict.short_bytes)).IgnoreError();
    }
    return error_;
  }
  Status Sync() override {
    if (!error_.ok()) return error_;
    error_ = fs_->Sync(CallOf(FaultOperation::kSync), [this] { return file_->Sync(); });
    return error_;
  }
  Status Close() override {
    const Status closed = file_->Close();
    if (!error_.ok()) return error_;
    error_ = fs_->Check(CallOf(FaultOperation::kClose));
    return error_.ok() ? closed : error_;
  }
  uint64_t size() const override { return file_->size(); }
  const std::string& path() const override { return file_->path(); }

 private:
  Call CallOf(FaultOperation operation) const { return {operation, path(), nullptr, kind_}; }

  FaultFileSystem* const fs_;
  const FileKind kind_;
  const std::unique_ptr<WritableFile> file_;
  Status error_;  // the first one
};

class FaultFileSystem::FaultLogFile final : public LogFile {
 public:
  FaultLogFile(FaultFileSystem* fs, std::unique_ptr<LogFile> file)
      : fs_(fs), file_(std::move(file)) {}

  Status WriteAt(uint64_t offset, Slice bytes) override {
    const Verdict verdict = fs_->Decide(CallOf(FaultOperation::kWrite));
    if (verdict.error.ok()) return file_->WriteAt(offset, bytes);
    if (verdict.short_bytes.has_value()) {
      file_->WriteAt(offset, bytes.substr(0, *verdict.short_bytes)).IgnoreError();
    }
    return verdict.error;
  }
  void PrepareWrites(uint64_t offset, uint64_t bytes) override { file_->PrepareWrites(offset, bytes); }
  Status Sync() override {
    base::MutexLock lock(&sync_mu_);
    if (!sync_error_.ok()) return sync_error_;
    sync_error_ = fs_->Sync(CallOf(FaultOperation::kSync), [this] { return file_->Sync(); });
    return sync_error_;
  }
  Status Read(uint64_t offset, size_t n, char* scratch, Slice* result) const override {
    *result = Slice(scratch, 0);
    NOKV_TRY(fs_->Check(CallOf(FaultOperation::kRead)));
    return file_->Read(offset, n, scratch, result);
  }
  Status Close() override {
    const Status closed = file_->Close();
    NOKV_TRY(fs_->Check(CallOf(FaultOperation::kClose)));
    return closed;
  }
  uint64_t capacity() const override { return file_->capacity(); }
  const std::string& path() const override { return file_->path(); }

 private:
  Call CallOf(FaultOperation operation) const {
    return {operation, path(), nullptr, FileKind::kLog};
  }

  FaultFileSystem* const fs_;
  const std::unique_ptr<LogFile> file_;
  base::Mutex sync_mu_;
  Status sync_error_ NOKV_GUARDED_BY(sync_mu_);
};

FaultFileSystem::FaultFileSystem(FileSystem* base, Options options)
    : base_(base), options_(std::move(options)) {}
FaultFileSystem::~FaultFileSystem() = default;

FaultFileSystem::RuleId FaultFileSystem::AddRule(FaultRule rule) {
  using Fault = FaultRule::Fault;
  NOKV_CHECK(rule.nth > 0);
  NOKV_CHECK(rule.error == StatusCode::kIOError || rule.error == StatusCode::kNoSpace);
  // These faults make sense for one operation; saying so for others would never fire.
  NOKV_CHECK(rule.fault != Fault::kShortWrite || rule.operation == FaultOperation::kWrite);
  NOKV_CHECK(rule.fault != Fault::kLostSync || rule.operation == FaultOperation::kSync);
  NOKV_CHECK(rule.fault != Fault::kIgnoredSync || rule.operation == FaultOperation::kSync ||
             rule.operation == FaultOperation::kSyncDirectory);
  base::MutexLock lock(&mu_);
  const base::Random random(rule.seed);
  rules_.push_back({.rule = std::move(rule), .random = random});
  return rules_.size() - 1;
}

void FaultFileSystem::RemoveRule(RuleId id) {
  base::MutexLock lock(&mu_);
  rules_.at(id).active = false;
}

void FaultFileSystem::RemoveAllRules() {
  base::MutexLock lock(&mu_);
  for (RuleState& state : rules_)
    state.active = false;
}

uint64_t FaultFileSystem::matched(RuleId id) const {
  base::MutexLock lock(&mu_);
  return rules_.at(id).matched;
}

uint64_t FaultFileSystem::fired(RuleId id) const {
  base::MutexLock lock(&mu_);
  return rules_.at(id).fired;
}

bool FaultFileSystem::IsAbout(const FaultRule& rule, const Call& call) {
  if (rule.operation != FaultOperation::kAny && rule.operation != call.operation) return false;
  if (rule.kind.has_value() && rule.kind != call.kind) return false;
  return GlobMatches(rule.path, call.path) ||
         (call.other_path != nullptr && GlobMatches(rule.path, *call.other_path));
}

FaultFileSystem::Verdict FaultFileSystem::Decide(const Call& call) {
  using Fault = FaultRule::Fault;
  Verdict verdict;
  uint64_t delay_micros = 0;
  {
    base::MutexLock lock(&mu_);
    bool decided = false;
    for (size_t id = 0; id < rules_.size(); ++id) {
      RuleState& state = rules_[id];
      const FaultRule& rule = state.rule;
      if (!state.active || !IsAbout(rule, call)) continue;
      ++state.matched;
      if (decided || state.matched < rule.nth || (state.matched > rule.nth && !rule.repeat))
        continue;
      if (rule.probability < 1 && state.random.NextDouble() >= rule.probability) continue;
      ++state.fired;
      if (rule.fault == Fault::kDelay) {
        delay_micros += rule.delay_micros;
        continue;
      }
      decided = true;
      verdict.ignore_sync = rule.fault == Fault::kIgnoredSync;
      if (verdict.ignore_sync) continue;
      verdict.lose_unsynced = rule.fault == Fault::kLostSync;
      if (rule.fault == Fault::kShortWrite) verdict.short_bytes = rule.short_bytes;
      verdict.error =
          Status(rule.error, call.path + ": " + std::string(FaultOperationName(call.operation)) +
                                 ": injected by rule " + std::to_string(id));
    }
  }
  if (delay_micros != 0) options_.clock->SleepMicros(delay_micros);
  return verdict;
}

Status FaultFileSystem::Sync(const Call& call, const std::function<Status()>& sync) {
  Verdict verdict = Decide(call);
  if (verdict.ignore_sync) return Status::Ok();
  if (verdict.error.ok()) return sync();
  if (verdict.lose_unsynced && options_.lose_unsynced) options_.lose_unsynced(call.path);
  return std::move(verdict.error);
}

Result<std::unique_ptr<RandomAccessFile>> FaultFileSystem::OpenRandomAccess(const std::string& path,
                                                                            FileKind kind,
                                                                            AccessPattern pattern) {
  NOKV_TRY(Check({FaultOperation::kOpen, path, nullptr, kind}));
  NOKV_ASSIGN_OR_RETURN(auto file, base_->OpenRandomAccess(path, kind, pattern));
  return std::unique_ptr<RandomAccessFile>(
      std::make_unique<FaultRandomAccessFile>(this, kind, std::move(file)));
}

Result<std::unique_ptr<WritableFile>> FaultFileSystem::CreateWritable(const std::string& path,
                                                                      FileKind kind) {
  NOKV_TRY(Check({FaultOperation::kCreate, path, nullptr, kind}));
  NOKV_ASSIGN_OR_RETURN(auto file, base_->CreateWritable(path, kind));
  return std::unique_ptr<WritableFile>(
      std::make_unique<FaultWritableFile>(this, kind, std::move(file)));
}

Result<std::unique_ptr<LogFile>> FaultFileSystem::CreateLog(const std::string& path,
                                                            uint64_t capacity) {
  NOKV_TRY(Check({FaultOperation::kCreate, path, nullptr, FileKind::kLog}));
  NOKV_ASSIGN_OR_RETURN(auto file, base_->CreateLog(path, capacity));
  return std::unique_ptr<LogFile>(std::make_unique<FaultLogFile>(this, std::move(file)));
}

Result<std::unique_ptr<LogFile>> FaultFileSystem::OpenLog(const std::string& path) {
  NOKV_TRY(Check({FaultOperation::kOpen, path, nullptr, FileKind::kLog}));
  NOKV_ASSIGN_OR_RETURN(auto file, base_->OpenLog(path));
  return std::unique_ptr<LogFile>(std::make_unique<FaultLogFile>(this, std::move(file)));
}

Status FaultFileSystem::Rename(const std::string& from, const std::string& to) {
  NOKV_TRY(Check({FaultOperation::kRename, from, &to, {}}));
  return base_->Rename(from, to);
}

Status FaultFileSystem::Link(const std::string& from, const std::string& to) {
  NOKV_TRY(Check({FaultOperation::kLink, from, &to, {}}));
  return base_->Link(from, to);
}

Status FaultFileSystem::Remove(const std::string& path) {
  NOKV_TRY(Check({FaultOperation::kRemove, path, nullptr, {}}));
  return base_->Remove(path);
}

Status FaultFileSystem::CreateDirectory(const std::string& path) {
  NOKV_TRY(Check({FaultOperation::kCreateDirectory, path, nullptr, {}}));
  return base_->CreateDirectory(path);
}

Status FaultFileSystem::RemoveDirectory(const std::string& path) {
  NOKV_TRY(Check({FaultOperation::kRemoveDirectory, path, nullptr, {}}));
  return base_->RemoveDirectory(path);
}

Status FaultFileSystem::SyncDirectory(const std::string& path) {
  return Sync({FaultOperation::kSyncDirectory, path, nullptr, {}},
              [&] { return base_->SyncDirectory(path); });
}

Result<std::vector<std::string>> FaultFileSystem::List(const std::string& path) {
  NOKV_TRY(Check({FaultOperation::kQuestion, path, nullptr, {}}));
  return base_->List(path);
}

bool FaultFileSystem::Exists(const std::string& path) {
  return base_->Exists(path);
}

Result<uint64_t> FaultFileSystem::FileSize(const std::string& path) {
  NOKV_TRY(Check({FaultOperation::kQuestion, path, nullptr, {}}));
  return base_->FileSize(path);
}

Result<uint64_t> FaultFileSystem::FreeSpace(const std::string& path) {
  NOKV_TRY(Check({FaultOperation::kQuestion, path, nullptr, {}}));
  return base_->FreeSpace(path);
}

Result<std::unique_ptr<FileLock>> FaultFileSystem::LockFile(const std::string& path,
                                                            const std::string& holder) {
  NOKV_TRY(Check({FaultOperation::kLock, path, nullptr, FileKind::kLock}));
  return base_->LockFile(path, holder);
}

}  // namespace nokv::vfs
