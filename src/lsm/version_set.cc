#include "lsm/version_set.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/check.h"
#include "manifest/file_names.h"

namespace nokv::lsm {

VersionSet::VersionSet(Environment environment) : environment_(std::move(environment)) {}

Result<std::unique_ptr<VersionSet>> VersionSet::Open(Environment environment,
                                                     std::unique_ptr<manifest::Manifest> manifest) {
  std::unique_ptr<VersionSet> set(new VersionSet(std::move(environment)));
  NOKV_TRY(set->LoadState(manifest->state()));
  base::MutexLock lock(&set->mu_);
  set->manifest_ = std::move(manifest);
  return set;
}

Result<std::unique_ptr<VersionSet>> VersionSet::OpenReadOnly(Environment environment,
                                                             manifest::State state) {
  std::unique_ptr<VersionSet> set(new VersionSet(std::move(environment)));
  NOKV_TRY(set->LoadState(state));
  base::MutexLock lock(&set->mu_);
  set->read_only_state_ = std::move(state);
  return set;
}

Status VersionSet::LoadState(const manifest::State& state) {
  database_id_ = state.database_id;
  std::string wrong;
  for (const auto& level : state.levels) {
    for (const manifest::FileMeta& meta : level) {
      const std::string path =
          vfs::JoinPath(environment_.directory, manifest::TableFileName(meta.number));
      const Result<uint64_t> size = environment_.fs->FileSize(path);
      if (!size.ok()) {
        wrong += (wrong.empty() ? "" : "; ") + path + ": " + std::string(size.status().message());
      } else if (*size != meta.bytes) {
        wrong += (wrong.empty() ? "" : "; ") + path + ": has " + std::to_string(*size) +
                 " bytes, the manifest says " + std::to_string(meta.bytes);
      }
    }
  }
  if (!wrong.empty()) return Status::Corruption("tables are missing or have the wrong size: " + wrong);

  Version::Levels levels;
  for (size_t level = 0; level < levels.size(); ++level) {
    for (const manifest::FileMeta& meta : state.levels[level]) {
      NOKV_ASSIGN_OR_RETURN(TableRef table, OpenTable(meta));
      levels[level].push_back(std::move(table));
    }
  }
  NOKV_ASSIGN_OR_RETURN(auto version, Version::Create(std::move(levels)));
  base::MutexLock lock(&mu_);
  current_ = std::move(version);
  return Status::Ok();
}

Result<TableRef> VersionSet::OpenTable(const manifest::FileMeta& meta) {
  const std::string path =
      vfs::JoinPath(environment_.directory, manifest::TableFileName(meta.number));
  NOKV_ASSIGN_OR_RETURN(auto file,
                        environment_.fs->OpenRandomAccess(path, vfs::FileKind::kTable,
                                                          environment_.table_access));
  const sst::TableReader::Context context{.cache = environment_.cache, .database_id = database_id_};
  NOKV_ASSIGN_OR_RETURN(auto reader,
                        sst::TableReader::Open(context, std::move(file), meta.number));
  // The manifest and the table must tell the same story: a table of another age under this number, were
  // its identity to pass, would give wrong answers.
  const sst::TableProperties& properties = reader->properties();
  if (properties.smallest_key != meta.begin || properties.end_key != meta.end ||
      properties.entries != meta.entries || properties.largest_seq != meta.largest_seq) {
    return Status::Corruption(path + ": the table is not the one that the manifest describes");
  }
  return std::make_shared<Table>(meta, std::move(reader), environment_.purger,
                                 environment_.table_budget);
}

Result<std::vector<TableRef>> VersionSet::OpenTables(std::span<const manifest::FileMeta> files) {
  std::vector<TableRef> tables;
  for (const manifest::FileMeta& file : files) {
    NOKV_ASSIGN_OR_RETURN(TableRef table, OpenTable(file));
    tables.push_back(std::move(table));
  }
  return tables;
}

std::shared_ptr<const Version> VersionSet::current() const {
  base::MutexLock lock(&mu_);
  return current_;
}

Status VersionSet::LogAndApply(std::span<const manifest::VersionEdit> group,
                               const InstallHook& hook,
                               std::span<const TableRef> opened,
                               bool* files_taken) {
  if (files_taken != nullptr) *files_taken = false;
  std::map<uint64_t, TableRef> known;
  std::vector<uint64_t> new_files;
  for (const TableRef& table : opened) {
    known.emplace(table->meta().number, table);
    new_files.push_back(table->meta().number);
  }

  base::MutexLock lock(&mu_);
  if (manifest_ == nullptr) return Status::ReadOnly("the database was opened read-only");
  Version::Levels levels = current_->levels();
  std::vector<TableRef> removed;
  std::set<uint64_t> added;
  for (const auto& edit : group) {
    for (const auto& [level, number] : edit.removed) {
      auto& tables = levels[static_cast<size_t>(level)];
      const auto found =
          std::find_if(tables.begin(), tables.end(), [number = number](const TableRef& table) {
            return table->meta().number == number;
          });
      NOKV_CHECK(found != tables.end());
      known.emplace(number, *found);
      removed.push_back(*found);
      tables.erase(found);
    }
    for (const auto& [level, meta] : edit.added) {
      levels[static_cast<size_t>(level)].push_back(known.at(meta.number));
      added.insert(meta.number);
    }
  }
  // Made before it is logged: a group that would break the shape of the tree never reaches the disk.
  NOKV_ASSIGN_OR_RETURN(auto version, Version::Create(std::move(levels)));
  const uint64_t appends_failed = manifest_->stats().appends_failed;
  const Status logged = manifest_->LogAndApply(group);
  SettleDoubtLocked();
  const bool in_doubt = manifest_->stats().appends_failed != appends_failed;
  NOKV_CHECK(!logged.ok() || !in_doubt);
  if (files_taken != nullptr) *files_taken = logged.ok() || in_doubt;
  if (in_doubt) {
    NOKV_CHECK(in_doubt_.empty());
    in_doubt_ = std::move(new_files);
    in_doubt_manifest_ = manifest_->manifest_number();
  }
  NOKV_TRY(logged);
  for (const TableRef& table : removed) {
    if (!added.contains(table->meta().number)) table->MarkObsolete();
  }
  current_ = version;
  if (hook) hook(std::move(version));
  return Status::Ok();
}

void VersionSet::SettleDoubtLocked() {
  if (manifest_->manifest_number() == in_doubt_manifest_) return;
  for (const uint64_t number : in_doubt_) environment_.purger->Purge(number);
  in_doubt_.clear();
}

uint64_t VersionSet::NewFileNumber() {
  base::MutexLock lock(&mu_);
  return manifest_->NewFileNumber();
}

manifest::State VersionSet::ManifestState() const {
  base::MutexLock lock(&mu_);
  return manifest_ ? manifest_->state() : read_only_state_;
}

manifest::ManifestStats VersionSet::ManifestStatistics() const {
  base::MutexLock lock(&mu_);
  return manifest_ ? manifest_->stats() : manifest::ManifestStats{};
}

Status VersionSet::MaintainManifest() {
  base::MutexLock lock(&mu_);
  if (manifest_ == nullptr) return Status::Ok();
  if (manifest_->needs_rewrite()) NOKV_TRY(manifest_->Rewrite());
  SettleDoubtLocked();
  return manifest_->RemoveObsoleteFiles();
}

Status VersionSet::Close() {
  base::MutexLock lock(&mu_);
  current_.reset();
  return manifest_ != nullptr ? manifest_->Close() : Status::Ok();
}

PlannerInput VersionSet::InputLocked(const PlanContext& context) const {
  PlannerInput input;
  for (size_t level = 0; level < input.levels.size(); ++level) {
    for (const TableRef& table : current_->levels()[level]) {
      input.levels[level].push_back(&table->meta());
    }
  }
  input.level0_runs = current_->level0_runs();
  input.busy = [this](uint64_t number) NOKV_NO_THREAD_SAFETY_ANALYSIS {
    return busy_.contains(number);
  };
  input.oldest_snapshot = context.oldest_snapshot;
  input.now_millis = context.now_millis;
  return input;
}

std::optional<VersionSet::Claimed> VersionSet::ClaimLocked(std::optional<CompactionPlan> plan) {
  if (!plan) return std::nullopt;
  const key::KeyRange range{plan->begin, plan->end};
  if (!guard_.IsFree(plan->input_level, plan->output_level, range)) return std::nullopt;
  for (const uint64_t number : plan->inputs) busy_.insert(number);
  for (const uint64_t number : plan->overlapping) busy_.insert(number);
  Claimed claimed;
  claimed.ticket = guard_.Take(plan->input_level, plan->output_level, range);
  claimed.plan = *std::move(plan);
  claimed.version = current_;
  return claimed;
}

std::optional<VersionSet::Claimed> VersionSet::ClaimCompaction(const PlannerOptions& options,
                                                               const PlanContext& context) {
  base::MutexLock lock(&mu_);
  return ClaimLocked(PlanCompaction(options, InputLocked(context)));
}

std::optional<VersionSet::Claimed> VersionSet::ClaimManual(const PlannerOptions& options,
                                                           const PlanContext& context,
                                                           int level,
                                                           int output_level,
                                                           const key::KeyRange& range,
                                                           bool* blocked) {
  base::MutexLock lock(&mu_);
  auto plan = PlanManual(options, InputLocked(context), level, output_level, range, blocked);
  if (!plan) return std::nullopt;
  auto claimed = ClaimLocked(std::move(plan));
  if (!claimed) *blocked = true;
  return claimed;
}

void VersionSet::Release(const Claimed& claimed) {
  base::MutexLock lock(&mu_);
  for (const uint64_t number : claimed.plan.inputs) busy_.erase(number);
  for (const uint64_t number : claimed.plan.overlapping) busy_.erase(number);
  guard_.Release(claimed.ticket);
}

LevelScores VersionSet::Scores(const PlannerOptions& options) const {
  base::MutexLock lock(&mu_);
  return ScoreLevels(options, InputLocked({}));
}

size_t VersionSet::running_compactions() const {
  base::MutexLock lock(&mu_);
  return guard_.size();
}

}  // namespace nokv::lsm
