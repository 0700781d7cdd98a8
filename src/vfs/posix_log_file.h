#pragma once

// The kinds of log file that PosixFileSystem offers: stores into a shared mapping, and pwrite.
//
// A mapped log copies a record with plain stores: no system call per append. What it must never do
// is take SIGBUS, which is how a store into a mapping learns that its block cannot be had. So:
//  1. the size of a log never changes while it is open, and no call of this module truncates one;
//  2. a log is mapped only when every block of it is reserved on the device; where the file system
//     cannot reserve for an existing file, pwrite is used instead;
//  3. OpenLogFile reads an existing log into the page cache before it is written, so that a block
//  that
//     the device cannot read is an error there; reads afterwards go through pread.
// What remains is a page that the kernel evicts after that and cannot read back when an append
// needs it: the process dies there, which loses nothing that was acknowledged.
//
// The errors of writing back mapped pages reach Sync: the kernel keeps them for every descriptor
// that was open when they happened, and the descriptor stays open as long as the mapping.
//
// Thread-safe as LogFile says.

#include <cstdint>
#include <memory>
#include <string>

#include "nokv/result.h"

#include "vfs/file_system.h"

namespace nokv::vfs {

// How log files are written. Figures in README.md.
enum class LogWrites : unsigned char {
  // Stores into a mapping, whose pages are made ready 64 KiB at a time.
  kMapped,
  // One system call per append: for file systems whose shared mappings cannot be trusted.
  kPwrite,
};

namespace posix {

// Both refuse as FileSystem::CreateLog and OpenLog say. CreateLogFile leaves no file behind on
// failure.
Result<std::unique_ptr<LogFile>> CreateLogFile(const std::string& path,
                                               uint64_t capacity,
                                               LogWrites writes);
Result<std::unique_ptr<LogFile>> OpenLogFile(const std::string& path, LogWrites writes);

}  // namespace posix
}  // namespace nokv::vfs
