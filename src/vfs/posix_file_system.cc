#include "vfs/posix_file_system.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mutex.h"
#include "vfs/buffered_writable_file.h"
#include "vfs/error.h"
#include "vfs/posix_direct_file.h"
#include "vfs/posix_io.h"
#include "vfs/posix_random_access_file.h"

namespace nokv::vfs {

namespace {

using posix::FileDescriptor;
using posix::OpenFile;

// More of a lock file than this is not shown.
constexpr size_t kHolderBytesMax = 256;

class PosixWritableFile final : public BufferedWritableFile {
 public:
  PosixWritableFile(FileDescriptor fd, std::string path, FileKind kind)
      : BufferedWritableFile(std::move(path), kind), fd_(std::move(fd)) {}
  // Who needs to know whether the bytes arrived has called Sync.
  ~PosixWritableFile() override { Close().IgnoreError(); }

 private:
  Status WriteOut(Slice bytes) override {
    return Outcome("write", posix::WriteFully(fd_.get(), bytes));
  }
  Status SyncOut() override { return Outcome("sync", posix::DataSync(fd_.get())); }
  Status CloseOut() override { return Outcome("close", fd_.Close()); }
  Status Outcome(const char* operation, int error) const {
    return error == 0 ? Status::Ok() : ErrorFromErrno(path(), operation, error);
  }

  FileDescriptor fd_;
};

// The lock files this process holds, by device and inode. The kernel's lock refuses a second opener
// in the same process too; this table does it on file systems whose locks are only pretended.
class HeldLocks {
 public:
  using Id = std::pair<dev_t, ino_t>;

  // False if it is held.
  bool Insert(Id id) {
    base::MutexLock lock(&mu_);
    return held_.insert(id).second;
  }
  void Erase(Id id) {
    base::MutexLock lock(&mu_);
    held_.erase(id);
  }
  // Never destroyed: locks may be released while the process ends.
  static HeldLocks* Instance() {
    static auto* const instance = std::make_unique<HeldLocks>().release();
    return instance;
  }

 private:
  base::Mutex mu_;
  std::set<Id> held_ NOKV_GUARDED_BY(mu_);
};

class PosixFileLock final : public FileLock {
 public:
  PosixFileLock(FileDescriptor fd, HeldLocks::Id id) : fd_(std::move(fd)), id_(id) {}

  // The text is for people who meet a held lock; a full disk must not keep a database from being
  // opened, so failing to write it changes nothing.
  void WriteHolder(Slice holder) {
    if (::ftruncate(fd_.get(), 0) == 0) (void)posix::WriteFully(fd_.get(), holder);
  }

  ~PosixFileLock() override {
    // The text is of no use without its holder. If it stays, the next holder replaces it.
    WriteHolder({});
    // Released in the reverse order of acquisition: the kernel's lock first.
    fd_.Close();
    HeldLocks::Instance()->Erase(id_);
  }

 private:
  FileDescriptor fd_;
  const HeldLocks::Id id_;
};

Status BusyError(const std::string& path, int fd) {
  char text[kHolderBytesMax];
  size_t n = 0;
  if (posix::ReadFullyAt(fd, 0, sizeof text, text, &n) != 0) n = 0;
  std::string holder;
  for (const char c : Slice(text, n))
    holder += c >= 0x20 && c < 0x7f ? c : ' ';
  return Status::Busy(path + ": lock: held by " + (holder.empty() ? "another opener" : holder));
}

}  // namespace

FileSystem* PosixFileSystem::Default() {
  static FileSystem* const instance = std::make_unique<PosixFileSystem>(Options{}).release();
  return instance;
}

Result<std::unique_ptr<RandomAccessFile>> PosixFileSystem::OpenRandomAccess(const std::string& path,
                                                                            FileKind /*kind*/,
                                                                            AccessPattern pattern) {
  return posix::OpenRandomAccessFile(path, pattern);
}

Result<std::unique_ptr<WritableFile>> PosixFileSystem::CreateWritable(const std::string& path,
                                                                      FileKind kind) {
  if (kind == FileKind::kTable && options_.direct_tables) {
    NOKV_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file, posix::CreateDirectFile(path));
    if (file != nullptr) return file;
  }
  FileDescriptor fd = OpenFile(path, O_WRONLY | O_CREAT | O_EXCL);
  if (!fd.valid()) return ErrorFromErrno(path, "create", errno);
  return std::unique_ptr<WritableFile>(
      std::make_unique<PosixWritableFile>(std::move(fd), path, kind));
}

Result<std::unique_ptr<LogFile>> PosixFileSystem::CreateLog(const std::string& path,
                                                            uint64_t capacity) {
  return posix::CreateLogFile(path, capacity, options_.log_writes);
}

Result<std::unique_ptr<LogFile>> PosixFileSystem::OpenLog(const std::string& path) {
  return posix::OpenLogFile(path, options_.log_writes);
}

Status PosixFileSystem::Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return Status::Ok();
  return ErrorFromErrno(from, "rename to " + to, errno);
}

Status PosixFileSystem::Link(const std::string& from, const std::string& to) {
  if (::link(from.c_str(), to.c_str()) == 0) return Status::Ok();
  return ErrorFromErrno(from, "link as " + to, errno);
}

Status PosixFileSystem::Remove(const std::string& path) {
  return ::unlink(path.c_str()) == 0 ? Status::Ok() : ErrorFromErrno(path, "remove", errno);
}

Status PosixFileSystem::CreateDirectory(const std::string& path) {
  if (::mkdir(path.c_str(), S_IRWXU) == 0) {
    // The umask may have taken bits away.
    if (::chmod(path.c_str(), S_IRWXU) == 0) return Status::Ok();
    return ErrorFromErrno(path, "set the mode", errno);
  }
  const int error = errno;
  struct stat info;
  if (error == EEXIST && ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    return Status::Ok();
  }
  return ErrorFromErrno(path, "create directory", error);
}

Status PosixFileSystem::RemoveDirectory(const std::string& path) {
  return ::rmdir(path.c_str()) == 0 ? Status::Ok()
                                    : ErrorFromErrno(path, "remove directory", errno);
}

Status PosixFileSystem::SyncDirectory(const std::string& path) {
  int fd;
  do {
    fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return ErrorFromErrno(path, "open directory", errno);
  const FileDescriptor directory(fd);
  int outcome;
  do {
    outcome = ::fsync(fd);
  } while (outcome != 0 && errno == EINTR);
  return outcome == 0 ? Status::Ok() : ErrorFromErrno(path, "sync directory", errno);
}

Result<std::vector<std::string>> PosixFileSystem::List(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), &::closedir);
  if (directory == nullptr) return ErrorFromErrno(path, "list", errno);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
    names.emplace_back(entry->d_name);
  }
  if (errno != 0) return ErrorFromErrno(path, "list", errno);
  return names;
}

bool PosixFileSystem::Exists(const std::string& path) {
  struct stat info;
  return ::lstat(path.c_str(), &info) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

Result<uint64_t> PosixFileSystem::FileSize(const std::string& path) {
  struct stat info;
  if (::lstat(path.c_str(), &info) != 0) return ErrorFromErrno(path, "stat", errno);
  if (!S_ISREG(info.st_mode)) return Status::IOError(path + ": stat: not a regular file");
  return static_cast<uint64_t>(info.st_size);
}

Result<uint64_t> PosixFileSystem::FreeSpace(const std::string& path) {
  struct statvfs info;
  if (::statvfs(path.c_str(), &info) != 0) return ErrorFromErrno(path, "free space", errno);
  return static_cast<uint64_t>(info.f_bavail) * static_cast<uint64_t>(info.f_frsize);
}

Result<std::unique_ptr<FileLock>> PosixFileSystem::LockFile(const std::string& path,
                                                            const std::string& holder) {
  FileDescriptor fd = OpenFile(path, O_RDWR | O_CREAT);
  if (!fd.valid()) return ErrorFromErrno(path, "lock", errno);
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return ErrorFromErrno(path, "stat", errno);
  const HeldLocks::Id id(info.st_dev, info.st_ino);
  if (!HeldLocks::Instance()->Insert(id)) return BusyError(path, fd.get());

  struct flock request = {};
  request.l_type = F_WRLCK;
  request.l_whence = SEEK_SET;
  if (::fcntl(fd.get(), F_OFD_SETLK, &request) != 0) {
    const int error = errno;
    HeldLocks::Instance()->Erase(id);
    if (error == EAGAIN || error == EACCES) return BusyError(path, fd.get());
    return ErrorFromErrno(path, "lock", error);
  }
  auto lock = std::make_unique<PosixFileLock>(std::move(fd), id);
  lock->WriteHolder(holder);
  return std::unique_ptr<FileLock>(std::move(lock));
}

}  // namespace nokv::vfs
