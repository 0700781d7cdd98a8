#pragma once

// PosixFileSystem: the file system of this machine.
//
// Beyond the rules of file_system.h:
//  1. No symbolic link is followed in the last part of a path; files have mode 0600 and directories
//     0700 whatever the umask is; no descriptor survives an exec.
//  2. A WritableFile keeps up to 64 KiB in the process, unless it is a manifest
//     (buffered_writable_file.h).
//  3. A lock (LockFile) belongs to the open file: a child made by fork shares it until it execs or
//     exits. The lock file is never removed, for a process that waits for the old file and one that
//     creates a new one would both hold "the" lock.
//
// Thread-safe.

#include <memory>
#include <string>
#include <vector>

#include "vfs/file_system.h"
#include "vfs/posix_log_file.h"

namespace nokv::vfs {

class PosixFileSystem final : public FileSystem {
 public:
  struct Options {
    LogWrites log_writes = LogWrites::kMapped;
    // Tables are written past the page cache where the file system can do that (posix_direct_file.h).
    bool direct_tables = true;
  };

  explicit PosixFileSystem(const Options& options) : options_(options) {}

  // One with the default options. Never destroyed.
  static FileSystem* Default();

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
  const Options options_;
};

}  // namespace nokv::vfs
