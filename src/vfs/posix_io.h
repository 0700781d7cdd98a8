#pragma once

// The few system calls behind PosixFileSystem, with their traps taken care of: interrupted calls,
// short transfers.
//
// Thread-safe: functions over file descriptors; FileDescriptor is confined to its owner.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "nokv/slice.h"

#include "base/round.h"

namespace nokv::vfs::posix {

// Owns a file descriptor; closes it without looking at the outcome. A caller that cares closes
// first.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() { Close(); }
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
      Close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

  // Returns 0 or the errno of close(). The descriptor is gone in both cases.
  int Close();

 private:
  int fd_ = -1;
};

// open() with O_CLOEXEC and O_NOFOLLOW added and interruptions retried. A file created
// with O_EXCL gets mode 0600 whatever the umask is. On failure the descriptor is invalid and errno
// says why.
FileDescriptor OpenFile(const std::string& path, int flags);

// Memory for transfers past the page cache. Memory, offsets and lengths that are multiples of this serve every device whose
// blocks are not larger than a page.
inline constexpr size_t kDirectAlignment = 4096;
struct FreeAligned {
  void operator()(char* memory) const { std::free(memory); }
};
using AlignedMemory = std::unique_ptr<char, FreeAligned>;
// At least `bytes`; null if there is no memory.
inline AlignedMemory AllocateAligned(size_t bytes) {
  return AlignedMemory(static_cast<char*>(std::aligned_alloc(kDirectAlignment, base::RoundUp(bytes, kDirectAlignment))));
}

// All of them return 0 or an errno.
int WriteFully(int fd, Slice bytes);
int WriteFullyAt(int fd, uint64_t offset, Slice bytes);
// Stops early only at the end of the file; *read is the count.
int ReadFullyAt(int fd, uint64_t offset, size_t n, char* scratch, size_t* read);
int DataSync(int fd);

}  // namespace nokv::vfs::posix
