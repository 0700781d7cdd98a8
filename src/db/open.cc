// Opening, recovering and closing a database.
//
// Recovery goes from what is durable to what may be younger: CURRENT, manifest, tables, log. What it writes
// on the way, in this order:
//   1. the manifest's state, in a new manifest file: what was read may be in the page cache only, and
//      acting on it needs it to be durable                                  (Manifest::Open)
//   2. tables for memtables that the log overfilled, each with its edit     (FlushOverflow)
//   3. the log: replayed segments synced, a new segment begun and recorded  (OpenLog)
//   4. files that nothing refers to are removed                             (RemoveOrphans)
//   5. log segments that hold nothing any more are let go                   (ShedReplayedLog)
// A crash at any point leaves a directory that recovers to the same contents.

#include <unistd.h>

#include <algorithm>
#include <random>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "db/db_impl.h"
#include "key/batch.h"
#include "manifest/file_names.h"
#include "vfs/posix_file_system.h"
#include "vfs/system_memory.h"

namespace nokv {

Result<std::unique_ptr<DB>> DB::Open(const Options& options, const std::filesystem::path& directory) {
  db::Environment environment;
  environment.fs = vfs::PosixFileSystem::Default();
  environment.clock = base::Clock::System();
  environment.random_seed = (uint64_t{std::random_device{}()} << 32) ^ std::random_device{}();
  environment.usable_memory_bytes = vfs::UsableMemoryBytes();
  environment.holder = "pid " + std::to_string(::getpid());
  NOKV_ASSIGN_OR_RETURN(auto opened, db::DbImpl::Open(options, environment, directory.string()));
  return std::unique_ptr<DB>(std::move(opened));
}

Status DB::Destroy(const std::filesystem::path& directory) {
  vfs::FileSystem* const fs = vfs::PosixFileSystem::Default();
  const std::string path = directory.string();
  if (!fs->Exists(path)) return Status::Ok();
  NOKV_ASSIGN_OR_RETURN(const auto lock,
                        fs->LockFile(vfs::JoinPath(path, manifest::kLockName), "destroying"));
  NOKV_ASSIGN_OR_RETURN(const auto names, fs->List(path));
  // CURRENT first: from then on the directory is not taken for a database that lost files.
  if (fs->Exists(vfs::JoinPath(path, manifest::kCurrentName))) {
    NOKV_TRY(fs->Remove(vfs::JoinPath(path, manifest::kCurrentName)));
    NOKV_TRY(fs->SyncDirectory(path));
  }
  size_t foreign = 0;
  for (const std::string& name : names) {
    manifest::FileType type;
    uint64_t number;
    if (!manifest::ParseFileName(name, &type, &number)) {
      ++foreign;
    } else if (type != manifest::FileType::kCurrent) {
      NOKV_TRY(fs->Remove(vfs::JoinPath(path, name)));
    }
  }
  if (foreign == 0) return fs->RemoveDirectory(path);
  return fs->SyncDirectory(path);
}

}  // namespace nokv

namespace nokv::db {

namespace {

constexpr int kReadOnlyAttempts = 50;
constexpr uint64_t kReadOnlyPauseMicros = 5'000;
constexpr size_t kCacheFloorBytes = 1 << 20;
constexpr size_t kReplayedSegmentsMax = 2;

Status CreateDirectories(vfs::FileSystem* fs, const std::string& path) {
  if (path.empty() || path == "/" || path == "." || fs->Exists(path)) return Status::Ok();
  const std::string parent = vfs::DirectoryOf(path);
  if (parent != path) NOKV_TRY(CreateDirectories(fs, parent));
  NOKV_TRY(fs->CreateDirectory(path));
  return fs->SyncDirectory(parent);
}

sst::TableOptions TableOptionsFor(const Options& options, CompressionType compression) {
  sst::TableOptions table;
  table.block_bytes = options.table.block_bytes;
  table.bloom_bits_per_key = options.table.bloom_bits_per_key;
  table.compression = static_cast<sst::Compression>(compression);
  table.zstd_level = options.table.zstd_level;
  return table;
}
static_assert(static_cast<int>(sst::Compression::kZstd) == static_cast<int>(CompressionType::kZstd) &&
              static_cast<int>(sst::Compression::kLz4) == static_cast<int>(CompressionType::kLz4));

}  // namespace

Result<std::unique_ptr<DbImpl>> DbImpl::Open(const Options& options,
                                             const Environment& environment,
                                             const std::string& directory) {
  NOKV_TRY(ValidateOptions(options));
  if (directory.empty()) return Status::InvalidArgument("the directory's path is empty");
  if (!options.read_only) {
    std::unique_ptr<DbImpl> impl(new DbImpl(options, environment, directory));
    NOKV_TRY(impl->OpenForWriting());
    return impl;
  }
  // A writer may replace and remove files between our reading of the manifest and of what it names: then
  // the manifest is asked again.
  Status last;
  for (int attempt = 0; attempt < kReadOnlyAttempts; ++attempt) {
    std::unique_ptr<DbImpl> impl(new DbImpl(options, environment, directory));
    last = impl->OpenReadOnly();
    if (last.ok()) return impl;
    if (!last.IsCorruption() && !last.IsNotFound()) break;
    if (!environment.fs->Exists(vfs::JoinPath(directory, manifest::kCurrentName))) break;
    environment.clock->SleepMicros(kReadOnlyPauseMicros);
  }
  return last;
}

Status DbImpl::MakeParts() {
  if (environment_.executor != nullptr) {
    executor_ = environment_.executor;
  } else {
    own_executor_ = std::make_unique<base::ThreadPool>(
        base::ThreadPool::Options{.flush_threads = 1,
                                  .compaction_threads = options_.compaction_threads,
                                  .maintenance_threads = 1});
    executor_ = own_executor_.get();
  }
  budget_ = std::make_unique<cache::MemoryBudget>(options_.memory_budget);
  memtable_budget_ = budget_->Register("memtables");
  table_budget_ = budget_->Register("tables");
  pages_ = std::make_unique<base::PagePool>(
      base::PagePool::Options{.idle_bytes_max = memtable_reserve_bytes_});
  cache_ = cache::BlockCache::Create({.capacity_bytes = options_.memory_budget,
                                      .min_capacity_bytes = kCacheFloorBytes,
                                      .epochs = &epochs_,
                                      .budget = budget_.get(),
                                      .on_miss = [this] {
                                        if (background_ != nullptr) background_->NoteMiss();
                                      }});
  warmer_ = std::make_unique<lsm::CacheWarmer>(cache_.get());
  purger_ = std::make_unique<lsm::FilePurger>(environment_.fs, directory_, executor_,
                                              [this](uint64_t number) { cache_->EraseFile(number); });
  views_ = std::make_unique<ReadViews>(&epochs_);
  return Status::Ok();
}

vfs::AccessPattern TableAccess(size_t memory_budget, uint64_t usable_memory_bytes) {
  const bool room = usable_memory_bytes == 0 || usable_memory_bytes >= memory_budget + memory_budget / 2;
  return room ? vfs::AccessPattern::kRandom : vfs::AccessPattern::kRandomDirect;
}

lsm::VersionSet::Environment DbImpl::TableEnvironment() const {
  return {.fs = environment_.fs,
          .directory = directory_,
          .cache = cache_.get(),
          .purger = purger_.get(),
          .table_access = TableAccess(options_.memory_budget, environment_.usable_memory_bytes),
          .table_budget = table_budget_.get()};
}

Result<std::unique_ptr<manifest::Manifest>> DbImpl::OpenManifest() {
  if (environment_.fs->Exists(vfs::JoinPath(directory_, manifest::kCurrentName))) {
    if (options_.error_if_exists) {
      return Status::InvalidArgument(directory_ + ": there is a database, and error_if_exists is set");
    }
    return manifest::Manifest::Open(environment_.fs, directory_);
  }
  if (!options_.create_if_missing) {
    return Status::NotFound(directory_ + ": there is no database, and create_if_missing is not set");
  }
  const uint64_t database_id = base::Mix64(environment_.random_seed + 1);
  return manifest::Manifest::Create(environment_.fs, directory_, database_id);
}

Status DbImpl::OpenForWriting() {
  vfs::FileSystem* const fs = environment_.fs;
  if (options_.create_if_missing) {
    NOKV_TRY(CreateDirectories(fs, directory_));
  } else if (!fs->Exists(directory_)) {
    return Status::NotFound(directory_ + ": no such directory, and create_if_missing is not set");
  }
  NOKV_ASSIGN_OR_RETURN(directory_lock_, fs->LockFile(vfs::JoinPath(directory_, manifest::kLockName),
                                                      environment_.holder));
  NOKV_TRY(MakeParts());
  NOKV_ASSIGN_OR_RETURN(auto manifest, OpenManifest());
  NOKV_ASSIGN_OR_RETURN(
      versions_,
      lsm::VersionSet::Open(TableEnvironment(), std::move(manifest)));
  const manifest::State state = versions_->ManifestState();
  LoadFamilies(state);
  NOKV_ASSIGN_OR_RETURN(wal::ReplayResult replayed, ReplayLog(state));
  const size_t replayed_segments = replayed.segments.size();
  NOKV_TRY(OpenLog(std::move(replayed)));
  NOKV_TRY(RemoveOrphans());
  NOKV_TRY(ShedReplayedLog(replayed_segments));
  NOKV_TRY(StartWork());
  opened_ = true;
  return ClearDroppedFamilies();
}

Status DbImpl::OpenReadOnly() {
  NOKV_TRY(MakeParts());
  NOKV_ASSIGN_OR_RETURN(manifest::State state, manifest::Manifest::Load(environment_.fs, directory_));
  NOKV_ASSIGN_OR_RETURN(
      versions_,
      lsm::VersionSet::OpenReadOnly(TableEnvironment(), state));
  LoadFamilies(state);
  NOKV_TRY(ReplayLog(state).status());
  PublishRecovered();
  recovered_.clear();
  opened_ = true;
  return Status::Ok();
}

void DbImpl::PublishRecovered() {
  // Asked before the views are locked: installing a version takes the two locks in the other order.
  const std::shared_ptr<const lsm::Version> version = versions_->current();
  views_->Update([&](ReadView* view) {
    view->memtables.assign(recovered_.rbegin(), recovered_.rend());
    view->version = version;
  });
}

void DbImpl::LoadFamilies(const manifest::State& state) {
  for (const auto& [id, name] : state.families) families_.Add(name, id);
}

Result<wal::ReplayResult> DbImpl::ReplayLog(const manifest::State& state) {
  recovered_seq_ = std::max(state.flushed_seq, state.last_seq);
  replayed_through_ = state.flushed_seq;
  NOKV_ASSIGN_OR_RETURN(MemtableRef memtable, NewMemtable(memtable_bytes_));
  recovered_.push_back(std::move(memtable));
  recovered_last_seqs_.push_back(replayed_through_);

  wal::ReplayOptions replay;
  replay.first_segment = std::max<uint32_t>(1, state.log_first_segment);
  replay.created_through = state.log_created_through;
  if (state.log_clean_end) {
    replay.clean_end =
        wal::LogPosition{state.log_clean_end->segment, state.log_clean_end->offset};
  }
  NOKV_ASSIGN_OR_RETURN(
      wal::ReplayResult replayed,
      wal::ReplayLog(environment_.fs, directory_, state.database_id, replay,
                     [this](wal::LogPosition at, wal::RecordType type, uint32_t stream, uint64_t word,
                            Slice payload) -> Status {
                       if (type != wal::RecordType::kBatch || stream != 0) {
                         return Status::NotSupported(
                             "the log holds a record of type " +
                             std::to_string(static_cast<int>(type)) + " in stream " +
                             std::to_string(stream) + ", which this version does not know");
                       }
                       return ReplayBatch(at, word, payload);
                     }));
  recovered_seq_ = std::max(recovered_seq_, replayed_through_);
  recovered_last_seqs_.back() = recovered_seq_;
  replayed.next_word = recovered_seq_ + 1;
  replayed_records_ = replayed.records;
  dropped_tail_bytes_ = replayed.dropped_bytes;
  return replayed;
}

Status DbImpl::ReplayBatch(wal::LogPosition at, key::SequenceNumber first_seq, Slice payload) {
  uint64_t count;
  NOKV_TRY(key::ValidateBatch(payload, &count));
  const key::SequenceNumber last_seq = first_seq + count - 1;
  if (count == 0) return Status::Corruption("a batch without operations");
  if (last_seq <= replayed_through_) return Status::Ok();  // in tables already
  if (first_seq != replayed_through_ + 1) {
    return Status::Corruption("log " + at.ToString() + ": the batch begins at sequence number " +
                              std::to_string(first_seq) + ", after " +
                              std::to_string(replayed_through_));
  }
  size_t bytes = 0;
  size_t entries = 0;
  key::Entry entry;
  for (key::BatchReader reader(payload); reader.Next(&entry);) {
    if (entry.kind() == key::Kind::kRangeDelete) continue;
    bytes += memtable::Memtable::ChargeFor(entry.key.size(), entry.value.size());
    ++entries;
  }
  if (!recovered_.back()->TryReserve(bytes, entries)) {
    recovered_last_seqs_.back() = replayed_through_;
    NOKV_TRY(FlushOverflow());
    NOKV_ASSIGN_OR_RETURN(
        MemtableRef next,
        NewMemtable(std::max(memtable_bytes_, memtable::Memtable::CapacityFor(bytes, entries))));
    recovered_.push_back(std::move(next));
    recovered_last_seqs_.push_back(replayed_through_);
    NOKV_CHECK(recovered_.back()->TryReserve(bytes, entries));
  }
  key::SequenceNumber seq = first_seq;
  for (key::BatchReader reader(payload); reader.Next(&entry); ++seq) {
    if (entry.kind() == key::Kind::kRangeDelete) {
      recovered_.back()->AddRangeTombstone(entry.key, entry.value, seq);
    } else {
      entry.trailer = key::PackTrailer(seq, entry.kind());
      recovered_.back()->Add(entry, base::Hash64(entry.key));
    }
  }
  replayed_through_ = last_seq;
  return Status::Ok();
}

// Keeps the memory of a long replay bounded. The tables hold only what replay has proven to be a prefix of
// the commit order, and flushed_seq tells the next recovery to skip that part of the log.
Status DbImpl::FlushOverflow() {
  if (options_.read_only || recovered_.size() < options_.immutable_memtables_max) return Status::Ok();
  manifest::VersionEdit edit;
  edit.flushed_seq = recovered_last_seqs_.front();
  NOKV_TRY(lsm::RunFlush(MakeJobEnvironment(), {recovered_.front().get()}, {}, edit, nullptr).status());
  recovered_.erase(recovered_.begin());
  recovered_last_seqs_.erase(recovered_last_seqs_.begin());
  return Status::Ok();
}

lsm::JobEnvironment DbImpl::MakeJobEnvironment() const {
  return {.fs = environment_.fs,
          .directory = directory_,
          .versions = versions_.get(),
          .clock = environment_.clock,
          .warmer = warmer_.get(),
          .upper_table = TableOptionsFor(options_, options_.table.upper_compression),
          .lower_table = TableOptionsFor(options_, options_.table.lower_compression),
          .file_bytes = options_.table.file_bytes};
}

Status DbImpl::OpenLog(wal::ReplayResult replayed) {
  wal::LogOptions log_options;
  log_options.segment_bytes = options_.log.segment_bytes;
  log_options.recycle_max = options_.log.recycled_segments_max;
  log_options.on_segment_created = [this](uint32_t segment) {
    manifest::VersionEdit edit;
    edit.log_created_through = segment;
    edit.clear_clean_end = true;  // what the last close said of the log's end is true no longer
    return versions_->LogAndApply({&edit, 1}, nullptr);
  };
  NOKV_ASSIGN_OR_RETURN(log_, wal::Log::Open(environment_.fs, directory_, versions_->database_id(),
                                             log_options, replayed));
  return Status::Ok();
}

Status DbImpl::RemoveOrphans() {
  const manifest::State state = versions_->ManifestState();
  std::set<uint64_t> tables;
  for (const auto& level : state.levels) {
    for (const manifest::FileMeta& file : level) tables.insert(file.number);
  }
  NOKV_ASSIGN_OR_RETURN(const auto names, environment_.fs->List(directory_));
  for (const std::string& name : names) {
    manifest::FileType type;
    uint64_t number;
    if (!manifest::ParseFileName(name, &type, &number)) continue;
    const bool orphan = (type == manifest::FileType::kTable && !tables.contains(number)) ||
                        type == manifest::FileType::kTemporary;
    if (orphan) NOKV_TRY(environment_.fs->Remove(vfs::JoinPath(directory_, name)));
  }
  return versions_->MaintainManifest();
}

// Every open begins a new log segment. A database that is opened often and written little would collect
// them, so what was replayed is let go of at once if it is all in tables, and flushed if it lies in many.
Status DbImpl::ShedReplayedLog(size_t replayed_segments) {
  if (recovered_.size() == 1 && recovered_.front()->empty()) {
    const uint32_t active = log_->end().segment;
    manifest::VersionEdit edit;
    edit.flushed_seq = recovered_seq_;
    edit.log_first_segment = active;
    NOKV_TRY(versions_->LogAndApply({&edit, 1}, nullptr));
    log_->ReleaseBefore(active).IgnoreError();  // what cannot be removed now goes at the next open
  } else if (replayed_segments > kReplayedSegmentsMax) {
    NOKV_ASSIGN_OR_RETURN(MemtableRef empty, NewMemtable(memtable_bytes_));
    recovered_.push_back(std::move(empty));
    recovered_last_seqs_.push_back(recovered_seq_);
  }
  return Status::Ok();
}

Status DbImpl::StartWork() {
  Background::Parts parts;
  parts.job = MakeJobEnvironment();
  parts.planner = {.level0_runs = options_.compaction.level0_runs,
                   .memtable_bytes = memtable_bytes_,
                   .level1_bytes = options_.compaction.level1_bytes,
                   .level_ratio = options_.compaction.level_ratio};
  parts.executor = executor_;
  parts.views = views_.get();
  parts.snapshots = &snapshots_;
  parts.back_pressure = &back_pressure_;
  parts.log = log_.get();
  parts.automatic_compaction = options_.compaction.automatic;
  parts.compaction_threads = options_.compaction_threads;
  parts.immutable_memtables_max = options_.immutable_memtables_max;
  parts.memtable_bytes = memtable_bytes_;
  parts.level0_runs_slow = options_.compaction.level0_runs_slow;
  parts.level0_runs_unscanned =
      std::max(options_.compaction.level0_runs, options_.compaction.level0_runs_unscanned);
  parts.memory_budget = options_.memory_budget;
  background_ = std::make_unique<Background>(std::move(parts));
  CommitPipeline::Host* const host = this;
  pipeline_ = std::make_unique<CommitPipeline>(host, log_.get(), recovered_.back(), recovered_seq_);
  background_->Attach(pipeline_.get());
  PublishRecovered();
  for (size_t i = 0; i + 1 < recovered_.size(); ++i) {
    background_->AddImmutable(recovered_[i], recovered_last_seqs_[i]);
  }
  recovered_.clear();
  background_->PrepareLogSegment();
  background_->ScheduleCompaction();
  return Status::Ok();
}

Status DbImpl::ClearDroppedFamilies() {
  const manifest::State state = versions_->ManifestState();
  const ViewPin view = views_->Pin();
  for (key::FamilyId id = key::kFirstUserFamily; id < state.next_family_id; ++id) {
    if (state.families.contains(id)) continue;
    const std::string begin = key::FamilyBegin(id);
    const std::string end = key::FamilyEnd(id);
    bool leftovers = view->version->AnyBelow(-1, {begin, end});
    for (const MemtableRef& memtable : view->memtables) {
      const auto entries = memtable->NewIterator();
      entries->Seek(begin, UINT64_MAX);
      leftovers |= entries->Valid() && entries->key() < end;
    }
    if (leftovers) NOKV_TRY(ClearFamily(id));
  }
  return Status::Ok();
}

// --- Closing ---------------------------------------------------------------------------------------------------

Status DbImpl::Close() {
  const base::MutexLock lock(&close_mu_);
  if (closed_) return close_status_;
  closed_ = true;
  close_status_ = FinishClose();
  return close_status_;
}

Status DbImpl::FinishClose() {
  Status status;
  const auto note = [&](Status outcome) {
    if (status.ok()) status = std::move(outcome);
  };
  gate_.Close();
  if (background_ != nullptr) background_->CancelCompactions();
  gate_.WaitUntilEmpty();
  if (pipeline_ != nullptr) {
    pipeline_->Close();
    background_->Stop();
    // Whoever was switching memtables has seen the closed pipeline or the stopped background by now.
    const base::MutexLock lock(&switch_mu_);
    const Status error = background_->error();
    if (error.ok()) {
      const wal::LogPosition end = log_->end();
      Status synced = log_->SyncThrough(end);
      if (synced.ok() && opened_) {
        manifest::VersionEdit edit;
        edit.log_clean_end = manifest::CleanEnd{end.segment, end.offset};
        synced = versions_->LogAndApply({&edit, 1}, nullptr);
      }
      note(std::move(synced));
    } else {
      note(error);
    }
    note(log_->Close());
  }
  if (views_ != nullptr) views_->Clear();
  if (versions_ != nullptr) {
    note(versions_->Close());
    purger_->Drain();
  }
  own_executor_.reset();
  directory_lock_.reset();
  return status;
}

}  // namespace nokv::db
