#include "vfs/posix_random_access_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/round.h"
#include "vfs/error.h"
#include "vfs/posix_io.h"

namespace nokv::vfs::posix {

namespace {

// Larger reads go through the page cache.
constexpr size_t kDirectBytesMax = 64 << 10;

int AdviceFor(AccessPattern pattern) {
  switch (pattern) {
    case AccessPattern::kNormal:
      return POSIX_FADV_NORMAL;
    case AccessPattern::kRandom:
    case AccessPattern::kRandomDirect:
      return POSIX_FADV_RANDOM;
    case AccessPattern::kSequential:
      return POSIX_FADV_SEQUENTIAL;
  }
  return POSIX_FADV_NORMAL;
}

// What offsets and lengths of direct reads must be multiples of. Kernels before 6.1 do not tell.
uint64_t DirectAlignment(int fd) {
#ifdef STATX_DIOALIGN
  struct statx info = {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &info) == 0 && (info.stx_mask & STATX_DIOALIGN) != 0 &&
      info.stx_dio_offset_align != 0 && info.stx_dio_mem_align <= kDirectAlignment) {
    return info.stx_dio_offset_align;
  }
#endif
  return kDirectAlignment;
}

class PosixRandomAccessFile final : public RandomAccessFile {
 public:
  // `direct_fd` may be invalid; otherwise it is the same file, opened for direct reads.
  PosixRandomAccessFile(FileDescriptor fd, FileDescriptor direct_fd, std::string path, uint64_t size)
      : path_(std::move(path)),
        size_(size),
        fd_(std::move(fd)),
        direct_fd_(std::move(direct_fd)),
        direct_alignment_(direct_fd_.valid() ? DirectAlignment(direct_fd_.get()) : 0) {}

  Status Read(uint64_t offset, size_t n, char* scratch, Slice* result) const override {
    if (direct_fd_.valid() && n <= kDirectBytesMax && ReadDirect(offset, n, scratch)) {
      *result = Slice(scratch, n);
      return Status::Ok();
    }
    *result = Slice(scratch, 0);
    size_t read;
    if (const int error = ReadFullyAt(fd_.get(), offset, n, scratch, &read); error != 0) {
      return ErrorFromErrno(path_, "read " + std::to_string(n) + " bytes at " + std::to_string(offset), error);
    }
    *result = Slice(scratch, read);
    return Status::Ok();
  }

  void Prefetch(uint64_t offset, size_t n) const override {
    // Advice: there is nobody to tell if it fails.
    ::posix_fadvise(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(n), POSIX_FADV_WILLNEED);
  }

  uint64_t size() const override { return size_; }
  const std::string& path() const override { return path_; }

 private:
  // False if anything is unusual: an error, an end of the file. Then the other way finds out, and tells.
  bool ReadDirect(uint64_t offset, size_t n, char* scratch) const {
    const uint64_t begin = offset / direct_alignment_ * direct_alignment_;
    const auto before = static_cast<size_t>(offset - begin);
    const size_t bytes = base::RoundUp(before + n, direct_alignment_);
    const AlignedMemory buffer = AllocateAligned(bytes);
    if (buffer == nullptr) return false;
    ssize_t read;
    do {
      read = ::pread(direct_fd_.get(), buffer.get(), bytes, static_cast<off_t>(begin));
    } while (read < 0 && errno == EINTR);
    if (read < 0 || static_cast<size_t>(read) < before + n) return false;
    std::memcpy(scratch, buffer.get() + before, n);
    return true;
  }

  const std::string path_;
  const uint64_t size_;
  const FileDescriptor fd_;
  const FileDescriptor direct_fd_;
  const uint64_t direct_alignment_;
};

}  // namespace

Result<std::unique_ptr<RandomAccessFile>> OpenRandomAccessFile(const std::string& path, AccessPattern pattern) {
  FileDescriptor fd = OpenFile(path, O_RDONLY);
  if (!fd.valid()) return ErrorFromErrno(path, "open", errno);
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return ErrorFromErrno(path, "stat", errno);
  if (!S_ISREG(info.st_mode)) return Status::IOError(path + ": open: not a regular file");
  if (pattern != AccessPattern::kNormal) ::posix_fadvise(fd.get(), 0, 0, AdviceFor(pattern));
  // Without it every read is as good, only slower.
  FileDescriptor direct_fd;
  if (pattern == AccessPattern::kRandomDirect) direct_fd = OpenFile(path, O_RDONLY | O_DIRECT);
  return std::unique_ptr<RandomAccessFile>(std::make_unique<PosixRandomAccessFile>(
      std::move(fd), std::move(direct_fd), path, static_cast<uint64_t>(info.st_size)));
}

}  // namespace nokv::vfs::posix
