#pragma once

// DbImpl: the engine behind nokv::DB. Puts the parts together and adds no policy of its own.
//
// Which file says what:
//   open.cc             opening and recovery; closing
//   db_impl.cc          writes, reads, families, flush and compaction on request
//   commit_pipeline.h   how a batch becomes part of the database
//   background.h        flush, compaction, errors
//   read_view.h         what a read looks at
//   db_iterator.h       what a user sees of the stream of versions
//
// Destruction order is the reverse of the members: what reads tables goes before the version set, all that
// holds cached blocks before the cache, everything before the lock on the directory.
//
// Thread-safe.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "nokv/db.h"

#include "base/epoch.h"
#include "base/executor.h"
#include "base/mutex.h"
#include "base/page_pool.h"
#include "cache/block_cache.h"
#include "cache/memory_budget.h"
#include "db/back_pressure.h"
#include "db/background.h"
#include "db/call_gate.h"
#include "db/commit_pipeline.h"
#include "db/environment.h"
#include "db/families.h"
#include "db/read_view.h"
#include "db/reader_registry.h"
#include "db/snapshot_list.h"
#include "lsm/purger.h"
#include "lsm/version_set.h"
#include "wal/log.h"

namespace nokv::db {

// How tables are read: through the page cache, as a second cache behind the engine's own, unless there is hardly any
// memory for it beside the budget. Then each page it takes is one that it has just read for somebody else.
// `usable_memory_bytes` is of this process; 0: unknown.
vfs::AccessPattern TableAccess(size_t memory_budget, uint64_t usable_memory_bytes);

class DbImpl final : public DB, private CommitPipeline::Host {
 public:
  // As DB::Open, in the given environment.
  static Result<std::unique_ptr<DbImpl>> Open(const Options& options,
                                              const Environment& environment,
                                              const std::string& directory);
  ~DbImpl() override;

  Status Close() override;
  Status Put(const WriteOptions& options, ColumnFamily* family, Slice key, Slice value) override;
  Status Delete(const WriteOptions& options, ColumnFamily* family, Slice key) override;
  Status DeleteRange(const WriteOptions& options,
                     ColumnFamily* family,
                     Slice begin,
                     Slice end) override;
  Status Write(const WriteOptions& options, WriteBatch&& batch) override;
  Status SyncLog() override;
  Status Get(const ReadOptions& options,
             ColumnFamily* family,
             Slice key,
             PinnableValue* value) override;
  void MultiGet(const ReadOptions& options,
                ColumnFamily* family,
                std::span<const Slice> keys,
                std::span<PinnableValue> values,
                std::span<Status> statuses) override;
  void Prefetch(ColumnFamily* family, std::span<const Slice> keys) override;
  std::unique_ptr<Iterator> NewIterator(const ReadOptions& options, ColumnFamily* family) override;
  Snapshot GetSnapshot() override;
  ColumnFamily* DefaultColumnFamily() override { return families_.FindById(key::kDefaultFamily); }
  Result<ColumnFamily*> CreateColumnFamily(std::string_view name) override;
  Status DropColumnFamily(ColumnFamily* family) override;
  std::vector<ColumnFamily*> ListColumnFamilies() override { return families_.List(); }
  ColumnFamily* FindColumnFamily(std::string_view name) override { return families_.Find(name); }
  Status Flush(const FlushOptions& options) override;
  Status CompactRange(const CompactRangeOptions& options,
                      ColumnFamily* family,
                      Slice begin,
                      Slice end) override;
  Status VerifyChecksums() override;
  Stats GetStats() override;
  bool GetProperty(std::string_view name, std::string* value) override;

 private:
  DbImpl(const Options& options, const Environment& environment, std::string directory);

  // --- Opening (open.cc), in order -------------------------------------------------------------------
  Status OpenForWriting();
  Status OpenReadOnly();
  Status MakeParts();
  Result<std::unique_ptr<manifest::Manifest>> OpenManifest();
  void LoadFamilies(const manifest::State& state);
  Result<wal::ReplayResult> ReplayLog(const manifest::State& state);
  Status ReplayBatch(wal::LogPosition at, key::SequenceNumber first_seq, Slice payload);
  Status FlushOverflow();
  lsm::VersionSet::Environment TableEnvironment() const;
  lsm::JobEnvironment MakeJobEnvironment() const;
  Status OpenLog(wal::ReplayResult replayed);
  void PublishRecovered();
  Status ShedReplayedLog(size_t replayed_segments);
  Status StartWork();
  Status RemoveOrphans();
  Status ClearDroppedFamilies();
  Status ClearFamily(key::FamilyId id);
  Status FinishClose();

  // --- Writing ---------------------------------------------------------------------------------------
  Result<MemtableRef> NewMemtable(size_t capacity_bytes);
  void AccountForMemtables() NOKV_EXCLUDES(memtable_account_mu_);
  Status PrepareBatch(const WriteBatch& batch, PreparedBatch* prepared);
  Status CommitBatch(const WriteOptions& options, const WriteBatch& batch);
  Status MakeMemtableRoom(uint64_t full, size_t bytes, size_t entries) override;
  Status MakeLogRoom() override;
  void LogRotated() override { background_->PrepareLogSegment(); }
  void MemoryUsed() override { background_->PrepareMemory(); }
  void CommitFailed(const Status& cause) override { background_->EnterReadOnly(cause); }
  // Returns the newest sequence number of the memtable that became immutable.
  Result<key::SequenceNumber> SwitchMemtable(size_t capacity_bytes) NOKV_REQUIRES(switch_mu_);

  // --- Reading ---------------------------------------------------------------------------------------
  key::SequenceNumber Visible() const;
  Status CheckFamily(const ColumnFamily* family) const;
  Status GetFromView(const ReadView& view,
                     Slice engine_key,
                     key::SequenceNumber snapshot,
                     const ReadOptions& options,
                     PinnableValue* value);
  static void PrefetchFromView(const ReadView& view, const ColumnFamily* family, std::span<const Slice> keys);

  // Constant after construction.
  const Options options_;
  const Environment environment_;
  const std::string directory_;
  const size_t memtable_bytes_;
  const size_t memtable_reserve_bytes_;  // of the budget; 0 if nothing is written

  std::unique_ptr<vfs::FileLock> directory_lock_;
  std::unique_ptr<base::Executor> own_executor_;  // null if the environment brought one
  base::Executor* executor_ = nullptr;
  base::EpochDomain epochs_;
  std::unique_ptr<cache::MemoryBudget> budget_;
  std::unique_ptr<cache::MemoryBudget::Consumer> memtable_budget_;
  base::Mutex memtable_account_mu_;  // what the budget is told is what the pool has
  std::unique_ptr<cache::MemoryBudget::Consumer> table_budget_;
  std::unique_ptr<base::PagePool> pages_;
  std::unique_ptr<cache::BlockCache> cache_;
  std::unique_ptr<lsm::CacheWarmer> warmer_;
  std::unique_ptr<lsm::FilePurger> purger_;
  std::unique_ptr<lsm::VersionSet> versions_;
  std::unique_ptr<wal::Log> log_;
  Families families_;
  SnapshotList snapshots_;
  ReaderRegistry readers_;
  BackPressure back_pressure_;
  std::unique_ptr<ReadViews> views_;
  std::unique_ptr<Background> background_;
  std::unique_ptr<CommitPipeline> pipeline_;

  // Every call that writes, or looks at more than its view, passes through here.
  CallGate gate_;

  // Memtable switches, one at a time. Before every lock inside the parts.
  base::Mutex switch_mu_;
  uint64_t next_memtable_id_ = 1;  // recovery, then under switch_mu_

  base::Mutex families_mu_;  // creating and dropping families

  // What recovery found; read-only databases read at it for ever.
  key::SequenceNumber recovered_seq_ = 0;
  key::SequenceNumber replayed_through_ = 0;
  std::vector<MemtableRef> recovered_;  // oldest first; only during opening
  std::vector<key::SequenceNumber> recovered_last_seqs_;
  uint64_t replayed_records_ = 0;
  uint64_t dropped_tail_bytes_ = 0;
  bool opened_ = false;  // open far enough that Close has work to do

  base::Mutex close_mu_;
  bool closed_ NOKV_GUARDED_BY(close_mu_) = false;
  Status close_status_ NOKV_GUARDED_BY(close_mu_);

  // Relaxed counters for the statistics, on a line of their own.
  struct alignas(64) ReadCounters {
    std::atomic<uint64_t> iterators{0};
  };
  ReadCounters read_counters_;
};

}  // namespace nokv::db
