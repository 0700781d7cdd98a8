#include "vfs/file_system.h"

namespace nokv::vfs {

namespace {

// Writes a new file `path` with `bytes` in it and makes the bytes, not yet the name, durable.
Status WriteSynced(FileSystem* fs, const std::string& path, FileKind kind, Slice bytes) {
  NOKV_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file, fs->CreateWritable(path, kind));
  NOKV_TRY(file->Append(bytes));
  NOKV_TRY(file->Sync());
  return file->Close();
}

}  // namespace

Result<std::string> ReadFile(FileSystem* fs, const std::string& path, uint64_t size_max) {
  NOKV_ASSIGN_OR_RETURN(const std::unique_ptr<RandomAccessFile> file,
                        fs->OpenRandomAccess(path, FileKind::kOther, AccessPattern::kSequential));
  if (file->size() > size_max) {
    return Status::LimitExceeded(path + ": read: size " + std::to_string(file->size()) +
                                 " is over the limit of " + std::to_string(size_max) + " bytes");
  }
  std::string bytes(static_cast<size_t>(file->size()), '\0');
  Slice result;
  NOKV_TRY(file->Read(0, bytes.size(), bytes.data(), &result));
  if (result.data() != bytes.data()) return std::string(result);
  bytes.resize(result.size());
  return bytes;
}

Status ReplaceFile(FileSystem* fs, const std::string& path, FileKind kind, Slice bytes) {
  const std::string temporary = path + ".tmp";
  // A leftover was never renamed, so nothing refers to it.
  if (Status removed = fs->Remove(temporary); !removed.ok() && !removed.IsNotFound()) {
    return removed;
  }
  // The order is the whole point: bytes durable, then the name switched, then the name durable. A
  // crash in between leaves the old file or the new one under `path`, whole in both cases.
  Status written = WriteSynced(fs, temporary, kind, bytes);
  if (written.ok()) written = fs->Rename(temporary, path);
  if (!written.ok()) {
    // The next ReplaceFile removes what this one cannot.
    fs->Remove(temporary).IgnoreError();
    return written;
  }
  return fs->SyncDirectory(DirectoryOf(path));
}

std::string JoinPath(const std::string& directory, const std::string& name) {
  std::string path;
  path.reserve(directory.size() + 1 + name.size());
  path += directory;
  if (path.empty() || path.back() != '/') path += '/';
  path += name;
  return path;
}

std::string DirectoryOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace nokv::vfs
