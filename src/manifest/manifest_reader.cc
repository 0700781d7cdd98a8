#include "manifest/manifest_reader.h"

#include <algorithm>
#include <utility>

#include "base/coding.h"
#include "manifest/file_names.h"

namespace nokv::manifest {

namespace {

// How often a reader starts over when the writer has moved on to another manifest meanwhile.
constexpr int kLoadAttempts = 10;

Status AtOffset(const std::string& path, uint64_t offset, const Status& status) {
  return status.WithContext(path + ", offset " + std::to_string(offset));
}

// CURRENT is not there: says whether a database is missing or damaged.
Status WithoutCurrent(vfs::FileSystem* fs, const std::string& dir) {
  NOKV_ASSIGN_OR_RETURN(std::vector<std::string> names, fs->List(dir));
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    FileType type;
    uint64_t number;
    if (!ParseFileName(name, &type, &number)) continue;
    // Creation begins with a manifest and ends with CURRENT; everything else comes later.
    if (type == FileType::kLock || type == FileType::kTemporary) continue;
    if (type == FileType::kManifest) {
      NOKV_ASSIGN_OR_RETURN(const uint64_t bytes, fs->FileSize(vfs::JoinPath(dir, name)));
      if (bytes <= kCreationBytesMax) continue;
    }
    return Status::Corruption(vfs::JoinPath(dir, kCurrentName) + " is missing but " + name +
                              " exists");
  }
  return Status::NotFound(dir + ": holds no database");
}

Result<LoadedState> FoldManifest(Slice bytes, const std::string& path, const CurrentFile& current) {
  LoadedState loaded;
  loaded.current = current;
  loaded.manifest_bytes = bytes.size();
  ManifestReader reader(bytes, path, current.synced);
  NOKV_TRY(reader.ReadFileHeader());
  const FileHeader& header = reader.file_header();
  if (header.identity != current.identity) {
    return Status::Corruption(path + ": belongs to another place: it says it is " +
                              ManifestFileName(header.identity.manifest_number) +
                              " of database " + std::to_string(header.identity.database_id) +
                              ", CURRENT asks for database " +
                              std::to_string(current.identity.database_id));
  }
  loaded.state.database_id = header.identity.database_id;
  loaded.state.format_version = header.format_version;

  StateFold fold(loaded.state);
  LoggedGroup group;
  while (reader.Next(&group)) {
    for (const VersionEdit& edit : group.edits) {
      if (Status added = fold.Add(edit); !added.ok()) {
        return AtOffset(path, group.offset, Status::Corruption(added.message()));
      }
    }
    ++loaded.groups;
  }
  NOKV_TRY(reader.status());
  fold.CommitTo(&loaded.state);
  loaded.torn_bytes = reader.torn_bytes();
  return loaded;
}

}  // namespace

ManifestReader::ManifestReader(Slice file, std::string path, uint64_t synced)
    : file_(file), path_(std::move(path)), synced_(synced) {}

Status ManifestReader::ReadFileHeader() {
  status_ = AtOffset(path_, 0, DecodeFileHeader(file_, &file_header_));
  offset_ = kFileHeaderBytes;
  return status_;
}

bool ManifestReader::Next(LoggedGroup* group) {
  while (status_.ok() && offset_ < file_.size()) {
    Record record;
    Status problem = ReadRecord(offset_, &record);
    if (!problem.ok()) {
      if (!IsTornTail(problem)) return false;
      // A seal goes to the disk with the group behind it. If only the group arrived, it counts:
      // it may have been acknowledged.
      const uint64_t behind_seal = offset_ + kRecordHeaderBytes;
      if (!ReadRecord(behind_seal, &record).ok() || record.header.kind != RecordKind::kGroup ||
          record.header.synced_through != offset_) {
        torn_bytes_ = file_.size() - offset_;
        return false;
      }
      offset_ = behind_seal;
    }
    if (record.header.synced_through > offset_) {
      return Stop(Status::Corruption("a record vouches for bytes behind itself"));
    }
    synced_ = std::max(synced_, record.header.synced_through);
    if (record.header.flags != 0) {
      return Stop(Status::NotSupported("a record has flags this build does not know: written by a "
                                       "newer version"));
    }
    if (record.header.kind == RecordKind::kGroup && !DecodeGroup(record, group)) return false;
    offset_ += kRecordHeaderBytes + record.payload.size();
    if (record.header.kind == RecordKind::kGroup) return true;
  }
  if (status_.ok() && offset_ < synced_) {
    return Stop(Status::Corruption("the file ends, but " + std::to_string(synced_) +
                                   " bytes of it were durable"));
  }
  return false;
}

Status ManifestReader::ReadRecord(uint64_t offset, Record* record) const {
  if (!DecodeRecordHeader(file_header_.identity, file_, offset, &record->header)) {
    return Status::Corruption("there is no valid record header");
  }
  const uint64_t begin = offset + kRecordHeaderBytes;
  if (record->header.payload_bytes > file_.size() - begin) {
    return Status::Corruption("the record is cut short");
  }
  record->payload = file_.substr(begin, record->header.payload_bytes);
  if (PayloadChecksum(file_header_.identity, begin, record->payload) !=
      record->header.payload_checksum) {
    return Status::Corruption("the checksum of the record does not match");
  }
  return Status::Ok();
}

bool ManifestReader::IsTornTail(const Status& problem) {
  synced_ = std::max(synced_, SyncedMarkBehind(offset_));
  if (offset_ >= synced_) return true;
  return Stop(problem.WithContext("damaged below the " + std::to_string(synced_) +
                                  " bytes known to have been durable"));
}

uint64_t ManifestReader::SyncedMarkBehind(uint64_t offset) const {
  uint64_t mark = 0;
  RecordHeader header;
  for (; offset < file_.size(); ++offset) {
    if (DecodeRecordHeader(file_header_.identity, file_, offset, &header)) {
      mark = std::max(mark, header.synced_through);
    }
  }
  return mark;
}

bool ManifestReader::DecodeGroup(const Record& record, LoggedGroup* group) {
  group->offset = offset_;
  group->bytes = kRecordHeaderBytes + record.payload.size();
  group->edits.clear();
  Slice rest = record.payload;
  while (!rest.empty()) {
    Slice bytes;
    if (!base::GetLengthPrefixed(&rest, &bytes)) {
      return Stop(Status::Corruption("an edit is cut short"));
    }
    if (Status decoded = VersionEdit::Decode(bytes, &group->edits.emplace_back());
        !decoded.ok()) {
      return Stop(decoded);
    }
  }
  if (group->edits.size() != record.header.edit_count) {
    return Stop(Status::Corruption("the group has another number of edits than it says"));
  }
  return true;
}

bool ManifestReader::Stop(const Status& status) {
  status_ = AtOffset(path_, offset_, status);
  return false;
}

Result<CurrentFile> ReadCurrent(vfs::FileSystem* fs, const std::string& dir) {
  const std::string path = vfs::JoinPath(dir, kCurrentName);
  Result<std::string> text = vfs::ReadFile(fs, path, kCurrentBytesMax);
  if (text.status().IsNotFound()) return WithoutCurrent(fs, dir);
  if (text.status().code() == StatusCode::kLimitExceeded) {
    return Status::Corruption(text.status().message());
  }
  NOKV_TRY(text.status());
  CurrentFile current;
  NOKV_TRY(DecodeCurrent(*text, &current).WithContext(path));
  return current;
}

Result<LoadedState> LoadDirectory(vfs::FileSystem* fs, const std::string& dir) {
  NOKV_ASSIGN_OR_RETURN(CurrentFile current, ReadCurrent(fs, dir));
  for (int attempt = 1;; ++attempt) {
    const std::string path = vfs::JoinPath(dir, current.manifest_name());
    const Result<std::string> bytes = vfs::ReadFile(fs, path, kManifestBytesMax);
    if (bytes.ok()) return FoldManifest(*bytes, path, current);
    if (!bytes.status().IsNotFound()) return bytes.status();
    // A writer removes a manifest after CURRENT names the next one.
    NOKV_ASSIGN_OR_RETURN(const CurrentFile again, ReadCurrent(fs, dir));
    if (again == current || attempt == kLoadAttempts) {
      return Status::Corruption(path + " is missing but CURRENT names it");
    }
    current = again;
  }
}

Result<ManifestSummary> EnumerateManifest(vfs::FileSystem* fs,
                                          const std::string& path,
                                          const std::function<void(const LoggedGroup&)>& visit) {
  NOKV_ASSIGN_OR_RETURN(const std::string bytes, vfs::ReadFile(fs, path, kManifestBytesMax));
  ManifestReader reader(bytes, path, 0);
  NOKV_TRY(reader.ReadFileHeader());
  ManifestSummary summary;
  LoggedGroup group;
  while (reader.Next(&group)) {
    ++summary.groups;
    visit(group);
  }
  NOKV_TRY(reader.status());
  summary.header = reader.file_header();
  summary.file_bytes = bytes.size();
  summary.torn_bytes = reader.torn_bytes();
  return summary;
}

}  // namespace nokv::manifest
