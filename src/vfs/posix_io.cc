#include "vfs/posix_io.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace nokv::vfs::posix {

namespace {

// Linux transfers at most this much per call; asking for less than 2 GiB keeps ssize_t arithmetic
// safe.
constexpr size_t kTransferMax = size_t{1} << 30;

}  // namespace

int FileDescriptor::Close() {
  if (fd_ < 0) return 0;
  // Never retried: Linux has released the descriptor even when it reports EINTR.
  const int outcome = ::close(std::exchange(fd_, -1));
  return outcome == 0 || errno == EINTR ? 0 : errno;
}

FileDescriptor OpenFile(const std::string& path, int flags) {
  constexpr mode_t kMode = S_IRUSR | S_IWUSR;
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, kMode);
  } while (fd < 0 && errno == EINTR);
  FileDescriptor file(fd);
  if (file.valid() && (flags & O_EXCL) != 0 && ::fchmod(fd, kMode) != 0) {
    const int error = errno;
    file.Close();
    errno = error;
  }
  return file;
}

int WriteFully(int fd, Slice bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), std::min(bytes.size(), kTransferMax));
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return 0;
}

int WriteFullyAt(int fd, uint64_t offset, Slice bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), std::min(bytes.size(), kTransferMax),
                               static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    bytes.remove_prefix(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return 0;
}

int ReadFullyAt(int fd, uint64_t offset, size_t n, char* scratch, size_t* read) {
  *read = 0;
  while (*read < n) {
    const ssize_t got = ::pread(fd, scratch + *read, std::min(n - *read, kTransferMax),
                                static_cast<off_t>(offset + *read));
    if (got < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    if (got == 0) break;
    *read += static_cast<size_t>(got);
  }
  return 0;
}

int DataSync(int fd) {
  int outcome;
  do {
    outcome = ::fdatasync(fd);
  } while (outcome != 0 && errno == EINTR);
  return outcome == 0 ? 0 : errno;
}

}  // namespace nokv::vfs::posix
