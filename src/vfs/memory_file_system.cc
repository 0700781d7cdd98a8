#include "vfs/memory_file_system.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "base/random.h"
#include "vfs/buffered_writable_file.h"
#include "vfs/error.h"
#include "vfs/memory_namespace.h"

namespace nokv::vfs {

using memory::AllocatedBytes;
using memory::Inode;
using memory::InodePtr;
using memory::Namespace;
using memory::Survivors;

std::string_view CrashPolicyName(CrashPolicy policy) {
  switch (policy) {
    case CrashPolicy::kMinimum:
      return "minimum";
    case CrashPolicy::kMaximum:
      return "maximum";
    case CrashPolicy::kDataLost:
      return "data lost";
    case CrashPolicy::kNamesLost:
      return "names lost";
    case CrashPolicy::kRandom:
      return "random";
  }
  return "unknown";
}

// The state behind the lock.
class MemoryFileSystem::Disk {
 public:
  static constexpr uint64_t kNever = UINT64_MAX;
  static constexpr uint64_t kDefaultCapacity = uint64_t{1} << 40;

  Disk(Namespace tree, uint64_t disk_capacity)
      : names(std::move(tree)), capacity(disk_capacity), allocated(names.AllocatedBytes()) {}

  // Every call begins with one of these two: a question, or an operation that changes the state.
  Status Ask(const std::string& path, const char* what) NOKV_REQUIRES(mu) {
    return crashed ? SimulatedCrash(path, what) : Status::Ok();
  }
  Status Begin(const std::string& path, const char* what) NOKV_REQUIRES(mu) {
    if (crashed) {
      torn_seed.reset();  // The crash hit something else.
      return SimulatedCrash(path, what);
    }
    crashed = ++operations >= crash_point;
    return crashed ? SimulatedCrash(path, what) : Status::Ok();
  }

  // Finds what `path` names. NotFound if nothing.
  Status Find(const std::string& path, const char* what, Namespace::Place* place)
      NOKV_REQUIRES(mu) {
    int error = names.Locate(path, place);
    if (error == 0 && place->inode == nullptr) error = ENOENT;
    return error == 0 ? Status::Ok() : ErrorFromErrno(path, what, error);
  }
  Status FindFile(const std::string& path, const char* what, Namespace::Place* place)
      NOKV_REQUIRES(mu) {
    NOKV_TRY(Find(path, what, place));
    if (!place->inode->is_directory) return Status::Ok();
    return ErrorFromErrno(path, what, EISDIR);
  }
  Status FindDirectory(const std::string& path, const char* what, Namespace::Place* place)
      NOKV_REQUIRES(mu) {
    NOKV_TRY(Find(path, what, place));
    if (place->inode->is_directory) return Status::Ok();
    return ErrorFromErrno(path, what, ENOTDIR);
  }
  // Finds where a new name goes. IOError if it is taken.
  Status FindVacant(const std::string& path, const char* what, Namespace::Place* place)
      NOKV_REQUIRES(mu) {
    int error = names.Locate(path, place);
    if (error == 0 && place->inode != nullptr) error = EEXIST;
    return error == 0 ? Status::Ok() : ErrorFromErrno(path, what, error);
  }

  uint64_t free() const NOKV_REQUIRES(mu) {
    return capacity > allocated ? capacity - allocated : 0;
  }

  // Writes what has room.
  Status Write(const std::string& path, Inode* inode, uint64_t offset, Slice bytes)
      NOKV_REQUIRES(mu) {
    if (Status begun = Begin(path, "write"); !begun.ok()) {
      if (torn_seed.has_value()) {
        base::Random random(*std::exchange(torn_seed, std::nullopt));
        WriteFront(inode, offset, bytes.substr(0, random.Uniform(bytes.size() + 1)));
      }
      return begun;
    }
    if (WriteFront(inode, offset, bytes)) return Status::Ok();
    return ErrorFromErrno(path, "write at " + std::to_string(offset), ENOSPC);
  }

  // Gives back the space of a file that has neither names nor openers left.
  void ReleaseIfUnused(const Inode& inode) NOKV_REQUIRES(mu) {
    if (inode.link_count == 0 && inode.open_count == 0) {
      allocated -= AllocatedBytes(inode.data.size());
    }
  }

  mutable base::Mutex mu;
  Namespace names NOKV_GUARDED_BY(mu);
  uint64_t capacity NOKV_GUARDED_BY(mu);
  uint64_t allocated NOKV_GUARDED_BY(mu);
  uint64_t operations NOKV_GUARDED_BY(mu) = 0;
  uint64_t crash_point NOKV_GUARDED_BY(mu) = kNever;
  std::optional<uint64_t> torn_seed NOKV_GUARDED_BY(mu);
  bool crashed NOKV_GUARDED_BY(mu) = false;

 private:
  static Status SimulatedCrash(const std::string& path, const char* what) {
    return Status::IOError(path + ": " + what + ": simulated crash");
  }

  bool WriteFront(Inode* inode, uint64_t offset, Slice bytes) NOKV_REQUIRES(mu) {
    const uint64_t before = AllocatedBytes(inode->data.size());
    const uint64_t room = before + free() / memory::kBlockBytes * memory::kBlockBytes;
    const bool fits = offset + bytes.size() <= room;
    if (!fits) bytes = bytes.substr(0, room > offset ? static_cast<size_t>(room - offset) : 0);
    inode->data.Write(offset, bytes);
    allocated += AllocatedBytes(inode->data.size()) - before;
    return fits;
  }
};

// An opener's share of an inode.
class MemoryFileSystem::OpenInode {
 public:
  OpenInode(std::shared_ptr<Disk> disk, InodePtr inode) NOKV_REQUIRES(disk->mu)
      : disk_(std::move(disk)), inode_(std::move(inode)) {
    ++inode_->open_count;
  }
  ~OpenInode() {
    base::MutexLock lock(&disk_->mu);
    --inode_->open_count;
    disk_->ReleaseIfUnused(*inode_);
  }
  OpenInode(const OpenInode&) = delete;
  OpenInode& operator=(const OpenInode&) = delete;

  Disk* disk() const { return disk_.get(); }
  // Guarded by disk()->mu.
  Inode* inode() const { return inode_.get(); }

  Status Sync(const std::string& path) {
    base::MutexLock lock(&disk_->mu);
    NOKV_TRY(disk_->Begin(path, "sync"));
    inode_->data.Sync();
    return Status::Ok();
  }
  Status Read(
      const std::string& path, uint64_t offset, size_t n, char* scratch, Slice* result) const {
    base::MutexLock lock(&disk_->mu);
    *result = Slice(scratch, 0);
    NOKV_TRY(disk_->Ask(path, "read"));
    *result = Slice(scratch, inode_->data.Read(offset, n, scratch));
    return Status::Ok();
  }

 private:
  const std::shared_ptr<Disk> disk_;
  const InodePtr inode_;
};

class MemoryFileSystem::MemoryRandomAccessFile final : public RandomAccessFile {
 public:
  MemoryRandomAccessFile(std::unique_ptr<OpenInode> open, std::string path, uint64_t size)
      : path_(std::move(path)), size_(size), open_(std::move(open)) {}

  Status Read(uint64_t offset, size_t n, char* scratch, Slice* result) const override {
    return open_->Read(path_, offset, n, scratch, result);
  }
  void Prefetch(uint64_t /*offset*/, size_t /*n*/) const override {}
  uint64_t size() const override { return size_; }
  const std::string& path() const override { return path_; }

 private:
  const std::string path_;
  const uint64_t size_;
  const std::unique_ptr<OpenInode> open_;
};

class MemoryFileSystem::MemoryWritableFile final : public BufferedWritableFile {
 public:
  MemoryWritableFile(std::unique_ptr<OpenInode> open, std::string path, FileKind kind)
      : BufferedWritableFile(std::move(path), kind), open_(std::move(open)) {}
  ~MemoryWritableFile() override { Close().IgnoreError(); }

 private:
  Status WriteOut(Slice bytes) override {
    base::MutexLock lock(&open_->disk()->mu);
    Inode* const inode = open_->inode();
    return open_->disk()->Write(path(), inode, inode->data.size(), bytes);
  }
  Status SyncOut() override { return open_->Sync(path()); }
  Status CloseOut() override {
    open_.reset();
    return Status::Ok();
  }

  std::unique_ptr<OpenInode> open_;
};

class MemoryFileSystem::MemoryLogFile final : public LogFile {
 public:
  MemoryLogFile(std::unique_ptr<OpenInode> open, std::string path, uint64_t capacity)
      : path_(std::move(path)), capacity_(capacity), open_(std::move(open)) {}

  Status WriteAt(uint64_t offset, Slice bytes) override {
    NOKV_CHECK(bytes.size() <= capacity_);
    NOKV_CHECK(offset <= capacity_ - bytes.size());
    if (open_ == nullptr) return ClosedError("write");
    base::MutexLock lock(&open_->disk()->mu);
    return open_->disk()->Write(path_, open_->inode(), offset, bytes);
  }
  Status Sync() override {
    base::MutexLock lock(&sync_mu_);
    if (!sync_error_.ok()) return sync_error_;
    if (open_ == nullptr) return ClosedError("sync");
    sync_error_ = open_->Sync(path_);
    return sync_error_;
  }
  Status Read(uint64_t offset, size_t n, char* scratch, Slice* result) const override {
    *result = Slice(scratch, 0);
    return open_ == nullptr ? ClosedError("read") : open_->Read(path_, offset, n, scratch, result);
  }
  Status Close() override {
    open_.reset();
    return Status::Ok();
  }
  uint64_t capacity() const override { return capacity_; }
  const std::string& path() const override { return path_; }

 private:
  Status ClosedError(const char* operation) const {
    return Status::IOError(path_ + ": " + operation + ": the file is closed");
  }

  const std::string path_;
  const uint64_t capacity_;
  std::unique_ptr<OpenInode> open_;
  base::Mutex sync_mu_;
  Status sync_error_ NOKV_GUARDED_BY(sync_mu_);
};

class MemoryFileSystem::MemoryFileLock final : public FileLock {
 public:
  explicit MemoryFileLock(std::unique_ptr<OpenInode> open) : open_(std::move(open)) {}
  ~MemoryFileLock() override {
    base::MutexLock lock(&open_->disk()->mu);
    open_->inode()->locked = false;
  }

 private:
  const std::unique_ptr<OpenInode> open_;
};

MemoryFileSystem::MemoryFileSystem()
    : MemoryFileSystem(std::make_shared<Disk>(Namespace(), Disk::kDefaultCapacity)) {}
MemoryFileSystem::MemoryFileSystem(std::shared_ptr<Disk> disk) : disk_(std::move(disk)) {}
MemoryFileSystem::~MemoryFileSystem() = default;

std::unique_ptr<MemoryFileSystem> MemoryFileSystem::CrashClone(CrashPolicy policy,
                                                               uint64_t seed) const {
  base::Random random(seed);
  Survivors names = Survivors::kRandom;
  Survivors data = Survivors::kRandom;
  switch (policy) {
    case CrashPolicy::kMinimum:
      names = data = Survivors::kDurable;
      break;
    case CrashPolicy::kMaximum:
      names = data = Survivors::kAll;
      break;
    case CrashPolicy::kDataLost:
      names = Survivors::kAll, data = Survivors::kDurable;
      break;
    case CrashPolicy::kNamesLost:
      names = Survivors::kDurable, data = Survivors::kAll;
      break;
    case CrashPolicy::kRandom:
      break;
  }
  base::MutexLock lock(&disk_->mu);
  return std::make_unique<MemoryFileSystem>(
      std::make_shared<Disk>(disk_->names.Survivor(names, data, &random), disk_->capacity));
}

std::unique_ptr<MemoryFileSystem> MemoryFileSystem::CloneAfterProcessDeath() const {
  base::MutexLock lock(&disk_->mu);
  return std::make_unique<MemoryFileSystem>(
      std::make_shared<Disk>(disk_->names.Duplicate(), disk_->capacity));
}

uint64_t MemoryFileSystem::operation_count() const {
  base::MutexLock lock(&disk_->mu);
  return disk_->operations;
}

void MemoryFileSystem::SetCrashPoint(uint64_t operation, std::optional<uint64_t> torn_seed) {
  base::MutexLock lock(&disk_->mu);
  disk_->crash_point = operation;
  disk_->torn_seed = torn_seed;
}

bool MemoryFileSystem::crashed() const {
  base::MutexLock lock(&disk_->mu);
  return disk_->crashed;
}

void MemoryFileSystem::SetCapacity(uint64_t bytes) {
  base::MutexLock lock(&disk_->mu);
  disk_->capacity = bytes;
}

Status MemoryFileSystem::LoseUnsynced(const std::string& path) {
  base::MutexLock lock(&disk_->mu);
  Namespace::Place place;
  NOKV_TRY(disk_->FindFile(path, "lose unsynced bytes", &place));
  place.inode->data.LoseDirty();
  return Status::Ok();
}

Result<std::unique_ptr<RandomAccessFile>> MemoryFileSystem::OpenRandomAccess(
    const std::string& path, FileKind /*kind*/, AccessPattern /*pattern*/) {
  base::MutexLock lock(&disk_->mu);
  NOKV_TRY(disk_->Ask(path, "open"));
  Namespace::Place place;
  NOKV_TRY(disk_->FindFile(path, "open", &place));
  return std::unique_ptr<RandomAccessFile>(std::make_unique<MemoryRandomAccessFile>(
      std::make_unique<OpenInode>(disk_, place.inode), path, place.inode->data.size()));
}

Result<std::unique_ptr<WritableFile>> MemoryFileSystem::CreateWritable(const std::string& path,
                                                                       FileKind kind) {
  base::MutexLock lock(&disk_->mu);
  NOKV_TRY(disk_->Begin(path, "create"));
  Namespace::Place place;
  NOKV_TRY(disk_->FindVacant(path, "create", &place));
  return std::unique_ptr<WritableFile>(std::make_unique<MemoryWritableFile>(
      std::make_unique<OpenInode>(disk_, disk_->names.AddFile(place)), path, kind));
}

Result<std::unique_ptr<LogFile>> MemoryFileSystem::CreateLog(const std::string& path,
                                                             uint64_t capacity) {
  if (capacity == 0) return Status::InvalidArgument(path + ": create log: capacity 0");
  base::MutexLock lock(&disk_->mu);
  NOKV_TRY(disk_->Begin(path, "create log"));
  Namespace::Place place;
  NOKV_TRY(disk_->FindVacant(path, "create log", &place));
  if (AllocatedBytes(capacity) > disk_->free()) {
    return ErrorFromErrno(path, "reserve " + std::to_string(capacity) + " bytes", ENOSPC);
  }
  const InodePtr inode = disk_->names.AddFile(place);
  inode->data.Reserve(capacity);
  disk_->allocated += AllocatedBytes(capacity);
  return std::unique_ptr<LogFile>(
      std::make_unique<MemoryLogFile>(std::make_unique<OpenInode>(disk_, inode), path, capacity));
}

Result<std::unique_ptr<LogFile>> MemoryFileSystem::OpenLog(const std::string& path) {
  base::MutexLock lock(&disk_->mu);
  NOKV_TRY(disk_->Ask(path, "open log"));
  Namespace::Place place;
  NOKV_TRY(disk_->FindFile(path, "open log", &place));
  return std::unique_ptr<LogFile>(std::make_unique<MemoryLogFile>(
      std::make_unique<OpenInode>(disk_, place.inode), path, place.inode->data.size()));
}

Status MemoryFileSystem::Rename(const std::string& from, const std::string& to) {
  const std::string what = "rename to " + to;
  base::MutexLock lock(&disk_->mu);
  NOKV_TRY(disk_->Begin(from, what.c_str()));
  Namespace::Place source;
  Namespace::Place target;
  NOKV_TRY(disk_->Find(from, what.c_str(), &source));
  int error = disk_->names.Locate(to, &target);
  InodePtr displaced;
  if (error == 0) error = disk_->names.Rename(source, target, &displaced);
  if (displaced != nullptr) disk_->ReleaseIfUnused(*displaced);
  return error == 0 ? Status::Ok() : ErrorFromErrno(from, what, error);
}

Status MemoryFileSystem::Link(const std::string& from, const std::string& to) {
  const std::string what = "link as " + to;
  base::MutexLock lock(&disk_->mu);
  NOKV_TRY(disk_->Begin(from, what.c_str()));
  Namespace::Place source;
  Namespace::Place target;
  NOKV_TRY(disk_->FindFile(from, what.c_str(), &source));
  NOKV_TRY(disk_->FindVacant(to, what.c_str(), &target));
  disk_->names.AddLink(target, source.inode);
  return Status::Ok();
}

Status MemoryFileSystem::Remove(const std::string& path) {
  base::MutexLock lock(&disk_->mu);
  NOKV_TRY(disk_->Begin(path, "remove"));
  Namespace::Place place;
  NOKV_TRY(disk_->FindFile(path, "remove", &place));
  disk_->names.Remove(place);
  disk_->ReleaseIfUnused(*place.inode);
  return Status::Ok();
}

Status MemoryFileSystem::CreateDirectory(const std::string& path) {
  base::MutexLock lock(&disk_->mu);
  NOKV_TRY(disk_->Begin(path, "create directory"));
  Namespace::Place place;
  int error = disk_->names.Locate(path, &place);
  if (error == 0 && place.inode == nullptr) {
    disk_->names.AddDirectory(place);
  } else if (error == 0 && !place.inode->is_directory) {
    error = EEXIST;
  }
  return error == 0 ? Status::Ok() : ErrorFromErrno(path, "create directory", error);
}

Status MemoryFileSystem::RemoveDirectory(const std::string& path) {
  base::MutexLock lock(&disk_->mu);
  NOKV_TRY(disk_->Begin(path, "remove directory"));
  Namespace::Place place;
  NOKV_TRY(disk_->FindDirectory(path, "remove directory", &place));
  if (place.name.empty()) return ErrorFromErrno(path, "remove directory", EBUSY);
  if (!place.inode->entries.empty()) return ErrorFromErrno(path, "remove directory", ENOTEMPTY);
  disk_->names.Remove(place);
  return Status::Ok();
}

Status MemoryFileSystem::SyncDirectory(const std::string& path) {
  base::MutexLock lock(&disk_->mu);
  NOKV_TRY(disk_->Begin(path, "sync directory"));
  Namespace::Place place;
  NOKV_TRY(disk_->FindDirectory(path, "sync directory", &place));
  disk_->names.SyncDirectory(place.inode.get());
  return Status::Ok();
}

Result<std::vector<std::string>> MemoryFileSystem::List(const std::string& path) {
  base::MutexLock lock(&disk_->mu);
  NOKV_TRY(disk_->Ask(path, "list"));
  Namespace::Place place;
  NOKV_TRY(disk_->FindDirectory(path, "list", &place));
  std::vector<std::string> names;
  for (const auto& [name, inode] : place.inode->entries)
    names.push_back(name);
  return names;
}

bool MemoryFileSystem::Exists(const std::string& path) {
  base::MutexLock lock(&disk_->mu);
  Namespace::Place place;
  return disk_->names.Locate(path, &place) == 0 && place.inode != nullptr;
}

Result<uint64_t> MemoryFileSystem::FileSize(const std::string& path) {
  base::MutexLock lock(&disk_->mu);
  NOKV_TRY(disk_->Ask(path, "stat"));
  Namespace::Place place;
  NOKV_TRY(disk_->FindFile(path, "stat", &place));
  return place.inode->data.size();
}

Result<uint64_t> MemoryFileSystem::FreeSpace(const std::string& path) {
  base::MutexLock lock(&disk_->mu);
  NOKV_TRY(disk_->Ask(path, "free space"));
  return disk_->free();
}

Result<std::unique_ptr<FileLock>> MemoryFileSystem::LockFile(const std::string& path,
                                                             const std::string& holder) {
  base::MutexLock lock(&disk_->mu);
  NOKV_TRY(disk_->Begin(path, "lock"));
  Namespace::Place place;
  if (const int error = disk_->names.Locate(path, &place); error != 0) {
    return ErrorFromErrno(path, "lock", error);
  }
  if (place.inode == nullptr) place.inode = disk_->names.AddFile(place);
  Inode* const inode = place.inode.get();
  if (inode->is_directory) return ErrorFromErrno(path, "lock", EISDIR);
  if (inode->locked) return Status::Busy(path + ": lock: held by " + inode->lock_holder);
  inode->locked = true;
  inode->lock_holder = holder;
  return std::unique_ptr<FileLock>(
      std::make_unique<MemoryFileLock>(std::make_unique<OpenInode>(disk_, place.inode)));
}

}  // namespace nokv::vfs
