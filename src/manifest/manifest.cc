#include "manifest/manifest.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace nokv::manifest {

namespace {

// Numbers reserved ahead: more than are handed out between two groups but by the largest
// compactions, few enough that numbers stay short.
constexpr uint64_t kNumbersReserved = 256;

// The snapshot is cut into groups of about this size.
constexpr size_t kSnapshotGroupBytes = 1 << 20;

// A manifest is rewritten when it is larger than both this and kGrowthFactor snapshots: the cost of
// rewriting stays a fraction of that of the edits.
constexpr uint64_t kRewriteBytesMin = 1 << 20;
constexpr uint64_t kGrowthFactor = 4;

Status ClosedError(const std::string& dir) {
  return Status::Closed(dir + ": the manifest is closed");
}

}  // namespace

Manifest::Manifest(Token, vfs::FileSystem* fs, std::string dir, State state)
    : fs_(fs),
      dir_(std::move(dir)),
      state_(std::move(state)),
      next_file_number_(state_.next_file_number) {}

Result<std::unique_ptr<Manifest>> Manifest::Create(vfs::FileSystem* fs,
                                                   std::string dir,
                                                   uint64_t database_id) {
  const Result<CurrentFile> current = ReadCurrent(fs, dir);
  if (current.ok()) return Status::InvalidArgument(dir + ": already holds a database");
  if (!current.status().IsNotFound()) return current.status();

  State state;
  state.database_id = database_id;
  state.format_version = kFormatVersion;
  auto manifest = std::make_unique<Manifest>(Token(), fs, std::move(dir), std::move(state));
  NOKV_TRY(manifest->SurveyDirectory());
  NOKV_TRY(manifest->BeginManifest());
  NOKV_CHECK(manifest->snapshot_bytes_ <= kCreationBytesMax);
  return manifest;
}

Result<std::unique_ptr<Manifest>> Manifest::Open(vfs::FileSystem* fs, std::string dir) {
  NOKV_ASSIGN_OR_RETURN(LoadedState loaded, LoadDirectory(fs, dir));
  auto manifest =
      std::make_unique<Manifest>(Token(), fs, std::move(dir), std::move(loaded.state));
  manifest->stats_.torn_bytes_dropped = loaded.torn_bytes;
  NOKV_TRY(manifest->SurveyDirectory());
  NOKV_TRY(manifest->BeginManifest());
  return manifest;
}

Result<State> Manifest::Load(vfs::FileSystem* fs, const std::string& dir) {
  NOKV_ASSIGN_OR_RETURN(LoadedState loaded, LoadDirectory(fs, dir));
  return std::move(loaded.state);
}

Status Manifest::SurveyDirectory() {
  NOKV_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs_->List(dir_));
  uint64_t next = next_file_number();
  for (const std::string& name : names) {
    FileType type;
    uint64_t number;
    // Log segments count by themselves.
    if (!ParseFileName(name, &type, &number) || type == FileType::kLog) continue;
    next = std::max(next, number + 1);
    if (type == FileType::kManifest) superseded_.push_back(name);
  }
  std::sort(superseded_.begin(), superseded_.end());
  next_file_number_.store(next, std::memory_order_relaxed);
  return Status::Ok();
}

// The protocol of a new manifest (3). A crash between any two steps leaves CURRENT naming the old
// manifest or the new one, both whole and both describing the same state.
Status Manifest::BeginManifest() {
  const FileIdentity identity{state_.database_id, NewFileNumber()};
  const std::string name = ManifestFileName(identity.manifest_number);
  const uint64_t reserved = next_file_number() + kNumbersReserved;
  if (reserved > kFileNumberMax) return Status::LimitExceeded(dir_ + ": no file numbers are left");

  // First the snapshot is durable, under its name. Then CURRENT says so, durably.
  auto file = WriteSnapshot(name, identity, reserved);
  Status begun = file.status();
  CurrentFile current{.identity = identity};
  if (begun.ok()) {
    current.synced = (*file)->size();
    begun = vfs::ReplaceFile(fs_, Path(kCurrentName), vfs::FileKind::kCurrent,
                             EncodeCurrent(current));
  }
  if (!begun.ok()) {
    ++stats_.switches_failed;
    AbandonNewManifest(name, identity);
    return begun;
  }

  // Only then the older ones may go.
  obsolete_.insert(obsolete_.end(), superseded_.begin(), superseded_.end());
  superseded_ = {name};
  identity_ = identity;
  file_ = std::move(file).value();
  snapshot_bytes_ = synced_ = synced_in_current_ = current.synced;
  state_.next_file_number = std::max(state_.next_file_number, reserved);
  ++stats_.manifests_begun;
  return Status::Ok();
}

Result<std::unique_ptr<vfs::WritableFile>> Manifest::WriteSnapshot(const std::string& name,
                                                                   const FileIdentity& identity,
                                                                   uint64_t next_file_number) {
  std::vector<VersionEdit> edits = state_.ToEdits(kSnapshotGroupBytes);
  edits.front().next_file_number = std::max(state_.next_file_number, next_file_number);

  NOKV_ASSIGN_OR_RETURN(std::unique_ptr<vfs::WritableFile> file,
                        fs_->CreateWritable(Path(name), vfs::FileKind::kManifest));
  NOKV_TRY(file->Append(EncodeFileHeader({state_.format_version, identity})));
  for (const VersionEdit& edit : edits) {
    std::string payload;
    AppendEdit(edit, &payload);
    NOKV_TRY(file->Append(EncodeGroup(identity, file->size(), 0, 1, payload)));
  }
  if (file->size() > kManifestBytesMax) {
    return Status::LimitExceeded(Path(name) + ": the state takes more than the limit of " +
                                 std::to_string(kManifestBytesMax) + " bytes");
  }
  NOKV_TRY(file->Sync());
  NOKV_TRY(fs_->SyncDirectory(dir_));
  return file;
}

void Manifest::AbandonNewManifest(const std::string& name, const FileIdentity& identity) {
  const Result<CurrentFile> current = ReadCurrent(fs_, dir_);
  if (current.ok() && current->identity != identity) {
    // CURRENT was not touched, and nothing else can refer to the new file. On a full disk its
    // space is wanted; if it cannot be removed it is in the way of nobody.
    fs_->Remove(Path(name)).IgnoreError();
    return;
  }
  // CURRENT may name either manifest after a crash: appending to the old one could be lost, and
  // neither may be removed.
  superseded_.push_back(name);
  file_.reset();
}

Status Manifest::LogAndApply(std::span<const VersionEdit> group) {
  if (closed_) return ClosedError(dir_);
  if (group.empty()) return Status::Ok();
  if (file_ == nullptr || file_->size() > kManifestBytesMax / 2) NOKV_TRY(BeginManifest());

  StateFold fold(state_);
  NOKV_ASSIGN_OR_RETURN(const std::string record, EncodeChecked(group, &fold));
  if (Status appended = AppendSynced(record); !appended.ok()) {
    ++stats_.appends_failed;
    file_.reset();
    return appended;
  }
  fold.CommitTo(&state_);
  for (const VersionEdit& edit : group) RaiseNextFileNumber(edit.next_file_number.value_or(0));
  ++stats_.groups_appended;
  stats_.edits_appended += group.size();
  AppendSeal();
  return Status::Ok();
}

Result<std::string> Manifest::EncodeChecked(std::span<const VersionEdit> group,
                                            StateFold* fold) const {
  std::string payload;
  auto count = static_cast<uint32_t>(group.size());
  if (next_file_number() + kNumbersReserved / 2 > state_.next_file_number) {
    VersionEdit reservation;
    reservation.next_file_number = next_file_number() + kNumbersReserved;
    NOKV_TRY(fold->Add(reservation));
    AppendEdit(reservation, &payload);
    ++count;
  }
  for (const VersionEdit& edit : group) {
    NOKV_TRY(fold->Add(edit));
    AppendEdit(edit, &payload);
    if (payload.size() > kGroupBytesMax) {
      return Status::LimitExceeded(file_->path() + ": a group of edits is over the limit of " +
                                   std::to_string(kGroupBytesMax) + " bytes");
    }
  }
  return EncodeGroup(identity_, file_->size(), synced_, count, payload);
}

Status Manifest::AppendSynced(Slice bytes) {
  NOKV_TRY(file_->Append(bytes));
  NOKV_TRY(file_->Sync());
  synced_ = file_->size();
  return Status::Ok();
}

// The seal is not synced: it costs no time, and is on the disk a little later, with the next group
// or on Close. The group before it is acknowledged, so its failure is not an error of that group.
void Manifest::AppendSeal() {
  if (!file_->Append(EncodeSeal(identity_, synced_)).ok()) file_.reset();
}

bool Manifest::needs_rewrite() const {
  if (file_ == nullptr) return true;
  return file_->size() > std::max(kRewriteBytesMin, kGrowthFactor * snapshot_bytes_);
}

Status Manifest::Rewrite() { return closed_ ? ClosedError(dir_) : BeginManifest(); }

Status Manifest::RemoveObsoleteFiles() {
  Status first;
  std::erase_if(obsolete_, [&](const std::string& name) {
    Status removed = fs_->Remove(Path(name));
    if (removed.ok() || removed.IsNotFound()) return true;
    if (first.ok()) first = std::move(removed);
    return false;
  });
  return first;
}

Status Manifest::Close() {
  if (closed_) return Status::Ok();
  closed_ = true;
  const std::unique_ptr<vfs::WritableFile> file = std::move(file_);
  if (file == nullptr || file->size() == synced_in_current_) return Status::Ok();
  NOKV_TRY(file->Sync());
  NOKV_TRY(file->Close());
  const CurrentFile current{identity_, file->size()};
  return vfs::ReplaceFile(fs_, Path(kCurrentName), vfs::FileKind::kCurrent,
                          EncodeCurrent(current));
}

void Manifest::RaiseNextFileNumber(uint64_t number) {
  uint64_t next = next_file_number();
  while (next < number && !next_file_number_.compare_exchange_weak(next, number)) {
  }
}

ManifestStats Manifest::stats() const {
  ManifestStats stats = stats_;
  stats.manifest_number = identity_.manifest_number;
  stats.bytes = file_ == nullptr ? 0 : file_->size();
  stats.snapshot_bytes = snapshot_bytes_;
  return stats;
}

}  // namespace nokv::manifest
