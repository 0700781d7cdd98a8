#pragma once

// The file system as an interface: everything the engine asks of a disk goes through here.
//
// Implementations: PosixFileSystem (posix_file_system.h), MemoryFileSystem (memory_file_system.h: a
// disk in memory with a power-loss model) and FaultFileSystem (fault_file_system.h: injects faults
// by rules into another one).
//
// Rules that every caller relies on and every implementation keeps:
//  1. Nothing is durable until its Sync returns OK: bytes through the file's Sync, names (create,
//     rename, link, remove) through SyncDirectory of the folder that holds them.
//  2. No call truncates: a file is created exclusively or opened as it is (law 6).
//  3. Every error names the file and the operating system's reason. A full disk (ENOSPC, EDQUOT) is
//     Status::NoSpace, a missing file Status::NotFound, the rest Status::IOError.
//  4. A failed Sync is final for that file object: every later Sync of it fails too (law 4).
//  5. No call returns a short count: Read returns fewer bytes only at the end of the file.
//
// Thread safety: FileSystem is thread-safe. Each file class says what it allows. A file system outlives
// the files opened through it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "nokv/result.h"
#include "nokv/slice.h"
#include "nokv/status.h"

namespace nokv::vfs {

// What a file is for. The implementation may choose flags, advice or statistics by it; fault rules
// select by it.
enum class FileKind : unsigned char { kLog, kTable, kManifest, kCurrent, kLock, kOther };

// How a file is going to be read. kRandomDirect: at random by somebody with a cache of his own, while memory is short
// for the page cache; small reads go past it where the file system can do that.
enum class AccessPattern : unsigned char { kNormal, kRandom, kRandomDirect, kSequential };

// Reads at any offset. Thread-safe.
class RandomAccessFile {
 public:
  virtual ~RandomAccessFile() = default;

  // Reads up to `n` bytes at `offset`. *result points into `scratch` or into memory that lives as long
  // as this file. At or beyond the end: OK with fewer or no bytes.
  // REQUIRES: scratch has room for n bytes.
  virtual Status Read(uint64_t offset, size_t n, char* scratch, Slice* result) const = 0;

  // A hint that [offset, offset + n) is wanted soon. May do nothing.
  virtual void Prefetch(uint64_t offset, size_t n) const = 0;

  // The size when the file was opened, in bytes.
  virtual uint64_t size() const = 0;
  virtual const std::string& path() const = 0;
};

// A new file, written from front to back. Confined to one thread at a time.
//
// Bytes given to Append may stay in the process until Sync, Close or the destructor, and die with it
// (buffered_writable_file.h); only those of a FileKind::kManifest are in the kernel's hands at once. The
// first error is final: every later call returns it.
class WritableFile {
 public:
  // Closes without syncing.
  virtual ~WritableFile() = default;

  virtual Status Append(Slice bytes) = 0;
  // All bytes appended so far, and the size, are durable (fdatasync). Not the name: SyncDirectory.
  virtual Status Sync() = 0;
  virtual Status Close() = 0;
  // Bytes appended so far.
  virtual uint64_t size() const = 0;
  virtual const std::string& path() const = 0;
};

// A file of fixed size whose space is reserved, written at chosen offsets: the log's segments.
//
// Bytes given to WriteAt are in the kernel's hands when it returns: they survive the death of the
// process. Thread-safe for writes to disjoint ranges; Sync may run beside writes and covers those that
// returned before it began.
class LogFile {
 public:
  virtual ~LogFile() = default;

  // REQUIRES: offset + bytes.size() <= capacity().
  virtual Status WriteAt(uint64_t offset, Slice bytes) = 0;
  // Advice: the range will be written soon, and somebody else will wait for it. Does now what the first write of a page
  // costs, beside writers; changes no byte. What goes wrong here, the write will find.
  virtual void PrepareWrites(uint64_t offset, uint64_t bytes) { (void)offset, (void)bytes; }
  virtual Status Sync() = 0;
  // Reads back, for replay of a segment that is open. Beyond the capacity: fewer bytes.
  virtual Status Read(uint64_t offset, size_t n, char* scratch, Slice* result) const = 0;
  virtual Status Close() = 0;
  virtual uint64_t capacity() const = 0;
  virtual const std::string& path() const = 0;
};

// Held from LockFile until destruction or the death of the process.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual Result<std::unique_ptr<RandomAccessFile>> OpenRandomAccess(const std::string& path,
                                                                     FileKind kind,
                                                                     AccessPattern pattern) = 0;

  // Fails with kIOError if the file exists.
  virtual Result<std::unique_ptr<WritableFile>> CreateWritable(const std::string& path,
                                                               FileKind kind) = 0;

  // Creates a log file of `capacity` bytes, all zero, its space reserved on the device so that no later
  // write to it can run out of space. Fails if the file exists. Until its first Sync a power loss may
  // leave it shorter, or empty.
  virtual Result<std::unique_ptr<LogFile>> CreateLog(const std::string& path, uint64_t capacity) = 0;

  // Opens an existing log file for writing, with its present size as capacity and its bytes as they are:
  // how a segment is recycled.
  virtual Result<std::unique_ptr<LogFile>> OpenLog(const std::string& path) = 0;

  // Replaces `to` if it exists, atomically.
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  // A second name for the same file; fails if `to` exists.
  virtual Status Link(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;

  // Creates one directory; OK if it exists.
  virtual Status CreateDirectory(const std::string& path) = 0;
  // REQUIRES: empty.
  virtual Status RemoveDirectory(const std::string& path) = 0;
  virtual Status SyncDirectory(const std::string& path) = 0;
  // Names (not paths) of what the directory holds, in no order.
  virtual Result<std::vector<std::string>> List(const std::string& path) = 0;

  // True also when the question cannot be answered: who hears "no" creates something.
  virtual bool Exists(const std::string& path) = 0;
  virtual Result<uint64_t> FileSize(const std::string& path) = 0;
  // Bytes that may still be written to the file system that holds `path`.
  virtual Result<uint64_t> FreeSpace(const std::string& path) = 0;

  // Creates the file if needed and locks it against every other opener, in this process and in others;
  // kBusy if it is held, with what the holder wrote into it ("pid 4711, since ...").
  // `holder` is what to write into it.
  virtual Result<std::unique_ptr<FileLock>> LockFile(const std::string& path,
                                                     const std::string& holder) = 0;
};

// Reads a whole file; kLimitExceeded if it is larger than `size_max` bytes.
Result<std::string> ReadFile(FileSystem* fs, const std::string& path, uint64_t size_max);

// Makes `path` hold exactly `bytes`, atomically and durably: writes `path`.tmp (which it first removes if
// it is left over), syncs it, renames it over `path`, syncs the directory.
Status ReplaceFile(FileSystem* fs, const std::string& path, FileKind kind, Slice bytes);

// "dir" + "/" + "name".
std::string JoinPath(const std::string& directory, const std::string& name);
// The part before the last '/', or ".".
std::string DirectoryOf(const std::string& path);

}  // namespace nokv::vfs
