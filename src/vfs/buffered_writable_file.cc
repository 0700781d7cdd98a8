#include "vfs/buffered_writable_file.h"

#include <utility>

namespace nokv::vfs {

BufferedWritableFile::BufferedWritableFile(std::string path, FileKind kind)
    : path_(std::move(path)), buffer_bytes_(kind == FileKind::kManifest ? 0 : kBufferBytes) {}

Status BufferedWritableFile::Append(Slice bytes) {
  if (!error_.ok()) return error_;
  if (!open_) return Status::IOError(path_ + ": append: the file is closed");
  if (bytes.empty()) return Status::Ok();
  size_ += bytes.size();
  if (buffer_.size() + bytes.size() > buffer_bytes_) NOKV_TRY(Flush());
  if (bytes.size() >= buffer_bytes_) {
    error_ = WriteOut(bytes);
    return error_;
  }
  if (buffer_.capacity() < buffer_bytes_) buffer_.reserve(buffer_bytes_);
  buffer_.append(bytes);
  return Status::Ok();
}

Status BufferedWritableFile::Sync() {
  if (!error_.ok()) return error_;
  if (!open_) return Status::IOError(path_ + ": sync: the file is closed");
  NOKV_TRY(Flush());
  error_ = SyncOut();
  return error_;
}

Status BufferedWritableFile::Close() {
  if (!open_) return error_;
  Flush().IgnoreError();  // Kept in error_.
  open_ = false;
  Status closed = CloseOut();
  if (error_.ok()) error_ = std::move(closed);
  return error_;
}

Status BufferedWritableFile::Flush() {
  if (!error_.ok() || buffer_.empty()) return error_;
  error_ = WriteOut(buffer_);
  buffer_.clear();
  return error_;
}

}  // namespace nokv::vfs
