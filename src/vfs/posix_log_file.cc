#include "vfs/posix_log_file.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mutex.h"
#include "base/round.h"
#include "vfs/error.h"
#include "vfs/posix_io.h"

namespace nokv::vfs::posix {

namespace {

// Of a mapping, what is resident because of us at a time, about. A multiple of every page size.
constexpr uint64_t kWindowBytes = 4 << 20;

// Of a mapping, what is made ready for stores at a time. Larger: fewer stops, and a sync writes more that nobody has
// written yet. A multiple of every page size.
constexpr uint64_t kPopulatedBytes = 64 << 10;

// madvise with an advice that an older kernel may not know, which is no error. Returns 0 or an
// errno: EFAULT where a store or load would have been a signal.
int Populate(char* mapping, size_t size, int advice) {
  while (::madvise(mapping, size, advice) != 0) {
    if (errno == EINTR || errno == EAGAIN) continue;
    return errno == EINVAL ? 0 : errno;
  }
  return 0;
}

// What both kinds share: the descriptor, reading back, and a sync whose failure is remembered.
class PosixLogFile : public LogFile {
 public:
  Status Sync() final {
    // Held over the system call, so that syncs run one after another: the kernel reports a
    // write-back error to one of two syncs at the same time, and the other must not say OK.
    base::MutexLock lock(&sync_mu_);
    if (!sync_error_.ok()) return sync_error_;
    if (!fd_.valid()) return ClosedError("sync");
    if (const int error = DataSync(fd_.get()); error != 0) {
      sync_error_ = ErrorFromErrno(path_, "sync", error);
    }
    return sync_error_;
  }

  Status Read(uint64_t offset, size_t n, char* scratch, Slice* result) const final {
    *result = Slice(scratch, 0);
    if (!fd_.valid()) return ClosedError("read");
    size_t read;
    if (const int error = ReadFullyAt(fd_.get(), offset, n, scratch, &read); error != 0) {
      return ErrorFromErrno(path_, "read at " + std::to_string(offset), error);
    }
    *result = Slice(scratch, read);
    return Status::Ok();
  }

  uint64_t capacity() const final { return capacity_; }
  const std::string& path() const final { return path_; }

 protected:
  PosixLogFile(FileDescriptor fd, std::string path, uint64_t capacity)
      : path_(std::move(path)), capacity_(capacity), fd_(std::move(fd)) {}

  Status ClosedError(const char* operation) const {
    return Status::IOError(path_ + ": " + operation + ": the file is closed");
  }
  void CheckWithin(uint64_t offset, Slice bytes) const {
    NOKV_CHECK(bytes.size() <= capacity_);
    NOKV_CHECK(offset <= capacity_ - bytes.size());
  }

  // Constant after construction, but for Close.
  const std::string path_;
  const uint64_t capacity_;
  FileDescriptor fd_;

 private:
  base::Mutex sync_mu_;
  Status sync_error_ NOKV_GUARDED_BY(sync_mu_);
};

class PwriteLogFile final : public PosixLogFile {
 public:
  PwriteLogFile(FileDescriptor fd, std::string path, uint64_t capacity)
      : PosixLogFile(std::move(fd), std::move(path), capacity) {}

  Status WriteAt(uint64_t offset, Slice bytes) override {
    CheckWithin(offset, bytes);
    if (!fd_.valid()) return ClosedError("write");
    if (const int error = WriteFullyAt(fd_.get(), offset, bytes); error != 0) {
      return ErrorFromErrno(path_, "write at " + std::to_string(offset), error);
    }
    return Status::Ok();
  }

  Status Close() override {
    const int error = fd_.Close();
    return error == 0 ? Status::Ok() : ErrorFromErrno(path_, "close", error);
  }
};

class MappedLogFile final : public PosixLogFile {
 public:
  // REQUIRES: `mapping` is the whole file, shared and writable, and capacity > 0.
  MappedLogFile(FileDescriptor fd, std::string path, uint64_t capacity, char* mapping)
      : PosixLogFile(std::move(fd), std::move(path), capacity), mapping_(mapping) {}
  ~MappedLogFile() override { Unmap(); }

  Status WriteAt(uint64_t offset, Slice bytes) override {
    CheckWithin(offset, bytes);
    if (mapping_ == nullptr) return ClosedError("write");
    const uint64_t end = offset + bytes.size();
    if (end > populated_.load(std::memory_order_relaxed)) NOKV_TRY(PopulateAhead(offset, end));
    std::memcpy(mapping_ + offset, bytes.data(), bytes.size());
    if (offset >= let_go_.load(std::memory_order_relaxed) + 2 * kWindowBytes) LetGoBehind(offset);
    return Status::Ok();
  }

  // In small steps, each announced when it is done: a writer that catches up does the rest itself.
  void PrepareWrites(uint64_t offset, uint64_t bytes) override {
    NOKV_CHECK(offset <= capacity_);
    const uint64_t end = offset + std::min(bytes, capacity_ - offset);
    for (;;) {
      uint64_t done = populated_.load(std::memory_order_relaxed);
      const uint64_t from = std::max(done, offset / kPopulatedBytes * kPopulatedBytes);
      if (from >= end || mapping_ == nullptr) return;
      const uint64_t to = std::min(from + kPopulatedBytes, capacity_);
      if (Populate(mapping_ + from, to - from, MADV_POPULATE_WRITE) != 0) return;
      while (done < to && !populated_.compare_exchange_weak(done, to, std::memory_order_relaxed)) continue;
    }
  }

  Status Close() override {
    Unmap();
    const int error = fd_.Close();
    return error == 0 ? Status::Ok() : ErrorFromErrno(path_, "close", error);
  }

 private:
  // Makes the pages from `offset` to the window's end behind `end` ready for stores, unless another writer is at it: that
  // one's neighbour takes a page fault at worst. In one system call, because a writer that stops at every page makes
  // all others wait that finish after it.
  Status PopulateAhead(uint64_t offset, uint64_t end) {
    const uint64_t to = std::min(base::RoundUp(end, kPopulatedBytes), capacity_);
    uint64_t from = populated_.load(std::memory_order_relaxed);
    if (to <= from || !populated_.compare_exchange_strong(from, to, std::memory_order_relaxed)) return Status::Ok();
    // What lies before `offset` is others' to write, if anybody's.
    from = std::max(from, offset / kPopulatedBytes * kPopulatedBytes);
    if (const int error = Populate(mapping_ + from, to - from, MADV_POPULATE_WRITE); error != 0) {
      return ErrorFromErrno(path_, "write at " + std::to_string(offset), error);
    }
    return Status::Ok();
  }

  // Appends go forward, so that pages behind them need not count as memory of this process. The bytes stay in the page
  // cache; a writer that is still busy there takes a page fault.
  void LetGoBehind(uint64_t offset) {
    uint64_t from = let_go_.load(std::memory_order_relaxed);
    const uint64_t to = (offset - kWindowBytes) / kWindowBytes * kWindowBytes;
    if (to <= from || !let_go_.compare_exchange_strong(from, to, std::memory_order_relaxed)) return;
    // An advice: a refusal costs memory, nothing else.
    (void)::madvise(mapping_ + from, to - from, MADV_DONTNEED);
  }

  void Unmap() {
    if (mapping_ == nullptr) return;
    NOKV_CHECK(::munmap(std::exchange(mapping_, nullptr), capacity_) == 0);
  }

  char* mapping_;
  std::atomic<uint64_t> populated_{0};  // pages before it were made ready, or are others' to touch
  std::atomic<uint64_t> let_go_{0};  // pages before it were let go of
};

int WriteZeros(int fd, uint64_t capacity) {
  const std::vector<char> zeros(1 << 20);
  for (uint64_t offset = 0; offset < capacity;) {
    const auto n = static_cast<size_t>(std::min<uint64_t>(zeros.size(), capacity - offset));
    if (const int error = WriteFullyAt(fd, offset, Slice(zeros.data(), n)); error != 0)
      return error;
    offset += n;
  }
  return 0;
}

// Gives every block in [0, size) that has none a block of zeros; bytes that are there stay. Returns
// 0, or an errno: EOPNOTSUPP where the file system cannot.
int Reserve(int fd, uint64_t size) {
  int outcome;
  do {
    outcome = ::fallocate(fd, 0, 0, static_cast<off_t>(size));
  } while (outcome != 0 && errno == EINTR);
  return outcome == 0 ? 0 : errno;
}

bool CannotReserve(int error) {
  return error == EOPNOTSUPP || error == ENOSYS;
}

Result<char*> Map(int fd, const std::string& path, size_t size, int protection, uint64_t offset = 0) {
  void* mapping =
      ::mmap(nullptr, size, protection, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (mapping == MAP_FAILED) return ErrorFromErrno(path, "map", errno);
  return static_cast<char*>(mapping);
}

// Reads the file into the page cache (3). Through mappings of its own: a page that is mapped for reading makes the first
// store to it slower than one that is not mapped. One window at a time, because mapped pages count as memory of this
// process.
Status ReadIntoCache(int fd, const std::string& path, uint64_t size) {
  for (uint64_t offset = 0; offset < size; offset += kWindowBytes) {
    const auto bytes = static_cast<size_t>(std::min(kWindowBytes, size - offset));
    NOKV_ASSIGN_OR_RETURN(char* const mapping, Map(fd, path, bytes, PROT_READ, offset));
    const int error = Populate(mapping, bytes, MADV_POPULATE_READ);
    NOKV_CHECK(::munmap(mapping, bytes) == 0);
    if (error != 0) return ErrorFromErrno(path, "read for recycling", error);
  }
  return Status::Ok();
}

Result<std::unique_ptr<LogFile>> MakeLogFile(FileDescriptor fd,
                                             const std::string& path,
                                             uint64_t capacity,
                                             LogWrites writes) {
  if (writes == LogWrites::kPwrite) {
    return std::unique_ptr<LogFile>(std::make_unique<PwriteLogFile>(std::move(fd), path, capacity));
  }
  NOKV_ASSIGN_OR_RETURN(char* const mapping, Map(fd.get(), path, capacity, PROT_READ | PROT_WRITE));
  return std::unique_ptr<LogFile>(std::make_unique<MappedLogFile>(std::move(fd), path, capacity, mapping));
}

}  // namespace

Result<std::unique_ptr<LogFile>> CreateLogFile(const std::string& path,
                                               uint64_t capacity,
                                               LogWrites writes) {
  if (capacity == 0) return Status::InvalidArgument(path + ": create log: capacity 0");
  FileDescriptor fd = OpenFile(path, O_RDWR | O_CREAT | O_EXCL);
  if (!fd.valid()) return ErrorFromErrno(path, "create log", errno);
  int error = Reserve(fd.get(), capacity);
  if (CannotReserve(error)) error = WriteZeros(fd.get(), capacity);
  Result<std::unique_ptr<LogFile>> file =
      error == 0 ? MakeLogFile(std::move(fd), path, capacity, writes)
                 : ErrorFromErrno(path, "reserve " + std::to_string(capacity) + " bytes", error);
  // This call made the file and nobody has written to it, so that removing it loses nothing; law 6
  // is about files that may hold data.
  if (!file.ok()) ::unlink(path.c_str());
  return file;
}

Result<std::unique_ptr<LogFile>> OpenLogFile(const std::string& path, LogWrites writes) {
  FileDescriptor fd = OpenFile(path, O_RDWR);
  if (!fd.valid()) return ErrorFromErrno(path, "open log", errno);
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return ErrorFromErrno(path, "stat", errno);
  if (!S_ISREG(info.st_mode)) return Status::IOError(path + ": open log: not a regular file");
  const auto capacity = static_cast<uint64_t>(info.st_size);
  if (capacity == 0) writes = LogWrites::kPwrite;  // There is no empty mapping.
  if (writes != LogWrites::kPwrite) {
    // A copied or restored file may have holes.
    const int error = Reserve(fd.get(), capacity);
    if (CannotReserve(error)) {
      writes = LogWrites::kPwrite;
    } else if (error != 0) {
      return ErrorFromErrno(path, "reserve " + std::to_string(capacity) + " bytes", error);
    }
  }
  if (writes != LogWrites::kPwrite) NOKV_TRY(ReadIntoCache(fd.get(), path, capacity));
  return MakeLogFile(std::move(fd), path, capacity, writes);
}

}  // namespace nokv::vfs::posix
