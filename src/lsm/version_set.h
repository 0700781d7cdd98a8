#pragma once

// VersionSet: the current version of the tree, and the only way to change it.
//
// A change is a group of edits: it goes to the manifest first (atomic and synced), then the next version
// is made from it and installed. Whoever needs something else to change at the same instant (the memtable
// that a flush turned into tables must leave the read path when they enter it) passes a hook that runs
// between the two, with the lock held.
//
// Invariants:
//  1. current() is always what the durable manifest says.
//  2. a table leaves the disk only after the manifest that forgets it is durable and the last version
//     that holds it is gone (law 6).
//  3. no two compactions claim overlapping ranges of the same levels.
//  4. after a failed append the group may be on the disk: no file that it adds or removes goes before a new
//     manifest, which begins with the state without it, is in charge. Then those that it added go.
//
// Thread-safe. Changes are serialised by one lock that is held during the manifest's I/O: the order of
// edits on disk is the order of versions.

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "cache/block_cache.h"
#include "cache/memory_budget.h"
#include "lsm/planner.h"
#include "lsm/purger.h"
#include "lsm/range_guard.h"
#include "lsm/version.h"
#include "manifest/manifest.h"
#include "vfs/file_system.h"

namespace nokv::lsm {

class VersionSet {
 public:
  struct Environment {
    vfs::FileSystem* fs = nullptr;
    std::string directory;
    cache::BlockCache* cache = nullptr;
    FilePurger* purger = nullptr;
    vfs::AccessPattern table_access = vfs::AccessPattern::kRandom;
    cache::MemoryBudget::Consumer* table_budget = nullptr;  // indexes and filters; may be null
  };
  using InstallHook = std::function<void(std::shared_ptr<const Version>)>;

  // Opens every table that the manifest names. kCorruption lists all files that are missing or have the
  // wrong size.
  static Result<std::unique_ptr<VersionSet>> Open(Environment environment,
                                                  std::unique_ptr<manifest::Manifest> manifest);
  // The same for a state that is only read (no writer): LogAndApply fails.
  static Result<std::unique_ptr<VersionSet>> OpenReadOnly(Environment environment,
                                                          manifest::State state);

  std::shared_ptr<const Version> current() const NOKV_EXCLUDES(mu_);
  uint64_t database_id() const { return database_id_; }
  // Opens tables that a job has written and that no version has yet.
  Result<std::vector<TableRef>> OpenTables(std::span<const manifest::FileMeta> files);

  // Makes the group durable and current. `hook` (may be null) gets the new version before anybody else can.
  // *files_taken (may be null) says whether the files that the group adds are this object's, to keep or to
  // remove: true if it is OK, and if the append failed (4). Otherwise nothing came to the manifest, and
  // they are still the caller's. `opened` has all tables that the group adds, but for those that it moves.
  Status LogAndApply(std::span<const manifest::VersionEdit> group,
                     const InstallHook& hook,
                     std::span<const TableRef> opened = {},
                     bool* files_taken = nullptr) NOKV_EXCLUDES(mu_);

  uint64_t NewFileNumber() NOKV_EXCLUDES(mu_);
  // A copy: the families, log marks and counters as of the last durable group.
  manifest::State ManifestState() const NOKV_EXCLUDES(mu_);
  manifest::ManifestStats ManifestStatistics() const NOKV_EXCLUDES(mu_);
  // Rewrites the manifest if it has grown; removes manifests that nothing points to.
  Status MaintainManifest() NOKV_EXCLUDES(mu_);
  // Ends the manifest in order and lets go of the current version. Nothing but the destructor may follow.
  Status Close() NOKV_EXCLUDES(mu_);

  // A plan with its claim. The tables and ranges are this compaction's until Release.
  struct Claimed {
    CompactionPlan plan;
    std::shared_ptr<const Version> version;  // that the plan was made for
    RangeGuard::Ticket ticket;
  };
  struct PlanContext {
    key::SequenceNumber oldest_snapshot = key::kMaxSequence;
    uint64_t now_millis = 0;
  };
  std::optional<Claimed> ClaimCompaction(const PlannerOptions& options, const PlanContext& context)
      NOKV_EXCLUDES(mu_);
  // As PlanManual; *blocked says that a running compaction stands in the way.
  std::optional<Claimed> ClaimManual(const PlannerOptions& options,
                                     const PlanContext& context,
                                     int level,
                                     int output_level,
                                     const key::KeyRange& range,
                                     bool* blocked) NOKV_EXCLUDES(mu_);
  void Release(const Claimed& claimed) NOKV_EXCLUDES(mu_);

  LevelScores Scores(const PlannerOptions& options) const NOKV_EXCLUDES(mu_);
  size_t running_compactions() const NOKV_EXCLUDES(mu_);

 private:
  explicit VersionSet(Environment environment);
  Status LoadState(const manifest::State& state) NOKV_EXCLUDES(mu_);
  Result<TableRef> OpenTable(const manifest::FileMeta& meta);
  PlannerInput InputLocked(const PlanContext& context) const NOKV_REQUIRES(mu_);
  std::optional<Claimed> ClaimLocked(std::optional<CompactionPlan> plan) NOKV_REQUIRES(mu_);
  // Removes the files in doubt if a new manifest has settled their fate.
  void SettleDoubtLocked() NOKV_REQUIRES(mu_);

  const Environment environment_;
  uint64_t database_id_ = 0;

  mutable base::Mutex mu_;
  std::unique_ptr<manifest::Manifest> manifest_ NOKV_GUARDED_BY(mu_);  // null if read-only
  manifest::State read_only_state_ NOKV_GUARDED_BY(mu_);
  std::shared_ptr<const Version> current_ NOKV_GUARDED_BY(mu_);
  // What a group added whose append failed, and the number of that manifest. One group at most: nothing is
  // appended behind a failure, and the next manifest settles it.
  std::vector<uint64_t> in_doubt_ NOKV_GUARDED_BY(mu_);
  uint64_t in_doubt_manifest_ NOKV_GUARDED_BY(mu_) = 0;
  std::set<uint64_t> busy_ NOKV_GUARDED_BY(mu_);
  RangeGuard guard_ NOKV_GUARDED_BY(mu_);
};

}  // namespace nokv::lsm
