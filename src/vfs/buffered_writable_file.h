#pragma once

// BufferedWritableFile: the part of a WritableFile that is the same on every file system: a buffer
// in the process, and an error that stays.
//
//  1. Bytes given to Append wait in the process until 64 KiB are together, or Sync, Close or the
//     destructor sends them on. Until then no other opener sees them and the death of the process
//     loses them. Tables can bear that, for nothing refers to their bytes before their Sync; the
//     log cannot, and has LogFile. A manifest is not buffered: the seal behind a synced group of
//     edits must outlive the process, and is never synced by itself.
//  2. The first error is final: every later call returns it, so that no bytes ever follow a hole.
//
// MemoryFileSystem uses the same class as PosixFileSystem, so that its disk has seen exactly the
// bytes that the kernel would have.
//
// Confined to one thread at a time, as WritableFile says.

#include <cstddef>
#include <cstdint>
#include <string>

#include "vfs/file_system.h"

namespace nokv::vfs {

class BufferedWritableFile : public WritableFile {
 public:
  // Large enough that a table is written in few calls, small enough to stay in the second-level
  // cache.
  static constexpr size_t kBufferBytes = 64 << 10;

  Status Append(Slice bytes) final;
  Status Sync() final;
  Status Close() final;
  uint64_t size() const final { return size_; }
  const std::string& path() const final { return path_; }

 protected:
  // REQUIRES: the destructor of the derived class calls Close.
  BufferedWritableFile(std::string path, FileKind kind);

  // All of them are called until one fails, and none after CloseOut.
  virtual Status WriteOut(Slice bytes) = 0;
  virtual Status SyncOut() = 0;
  virtual Status CloseOut() = 0;

 private:
  Status Flush();

  const std::string path_;
  const size_t buffer_bytes_;
  std::string buffer_;
  uint64_t size_ = 0;
  bool open_ = true;
  Status error_;  // the first one
};

}  // namespace nokv::vfs
