#include "vfs/posix_direct_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "base/check.h"
#include "vfs/error.h"
#include "vfs/posix_io.h"

namespace nokv::vfs::posix {

namespace {

// Large enough that the device is busy and not the calls.
constexpr size_t kBufferBytes = 1 << 20;

class PosixDirectFile final : public WritableFile {
 public:
  PosixDirectFile(FileDescriptor fd, std::string path)
      : path_(std::move(path)),
        fd_(std::move(fd)),
        buffer_(AllocateAligned(kBufferBytes)) {
    NOKV_CHECK(buffer_ != nullptr);
  }
  // Who needs to know whether the bytes arrived has called Sync.
  ~PosixDirectFile() override { Close().IgnoreError(); }

  Status Append(Slice bytes) override {
    NOKV_TRY(CheckOpen("append"));
    size_ += bytes.size();
    while (!bytes.empty()) {
      const size_t n = std::min(bytes.size(), kBufferBytes - buffered_);
      std::memcpy(buffer_.get() + buffered_, bytes.data(), n);
      buffered_ += n;
      bytes.remove_prefix(n);
      if (buffered_ == kBufferBytes) NOKV_TRY(WriteOut(kBufferBytes));
    }
    return Status::Ok();
  }

  Status Sync() override {
    NOKV_TRY(CheckOpen("sync"));
    NOKV_TRY(Drain());
    return Keep("sync", DataSync(fd_.get()));
  }

  Status Close() override {
    if (!fd_.valid()) return error_;
    if (error_.ok()) Drain().IgnoreError();  // kept in error_
    const int error = fd_.Close();
    return error_.ok() ? Keep("close", error) : error_;
  }

  uint64_t size() const override { return size_; }
  const std::string& path() const override { return path_; }

 private:
  Status CheckOpen(const char* operation) const {
    if (!error_.ok()) return error_;
    if (!fd_.valid()) return Status::IOError(path_ + ": " + operation + ": the file is closed");
    return Status::Ok();
  }
  Status Keep(const char* operation, int error) {
    if (error != 0) error_ = ErrorFromErrno(path_, operation, error);
    return error_;
  }

  // Writes all that is buffered.
  Status Drain() {
    const size_t whole = buffered_ / kDirectAlignment * kDirectAlignment;
    const size_t rest = buffered_ - whole;
    if (whole > 0) NOKV_TRY(WriteOut(whole));
    if (rest == 0) return Status::Ok();
    NOKV_TRY(LeaveDirect());
    return WriteOut(rest);
  }

  // Writes the first n buffered bytes.
  Status WriteOut(size_t n) {
    int error = WriteFullyAt(fd_.get(), written_, {buffer_.get(), n});
    // Some file systems take the flag at open and refuse the write.
    if (error == EINVAL && direct_) {
      NOKV_TRY(LeaveDirect());
      error = WriteFullyAt(fd_.get(), written_, {buffer_.get(), n});
    }
    NOKV_TRY(Keep("write", error));
    written_ += n;
    std::memmove(buffer_.get(), buffer_.get() + n, buffered_ - n);
    buffered_ -= n;
    return Status::Ok();
  }

  Status LeaveDirect() {
    if (!std::exchange(direct_, false)) return Status::Ok();
    const int flags = ::fcntl(fd_.get(), F_GETFL);
    const bool left = flags >= 0 && ::fcntl(fd_.get(), F_SETFL, flags & ~O_DIRECT) == 0;
    return Keep("leave direct writes", left ? 0 : errno);
  }

  const std::string path_;
  FileDescriptor fd_;
  const AlignedMemory buffer_;
  size_t buffered_ = 0;
  uint64_t written_ = 0;  // bytes that the file has
  bool direct_ = true;
  uint64_t size_ = 0;
  Status error_;  // the first one
};

}  // namespace

Result<std::unique_ptr<WritableFile>> CreateDirectFile(const std::string& path) {
  FileDescriptor fd = OpenFile(path, O_WRONLY | O_CREAT | O_EXCL | O_DIRECT);
  if (fd.valid()) {
    return std::unique_ptr<WritableFile>(std::make_unique<PosixDirectFile>(std::move(fd), path));
  }
  // Linux may have created the file before it refused the flag.
  if (errno == EINVAL) {
    ::unlink(path.c_str());
    return std::unique_ptr<WritableFile>();
  }
  return ErrorFromErrno(path, "create", errno);
}

}  // namespace nokv::vfs::posix
