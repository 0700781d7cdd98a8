#include "db/db_impl.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"
#include "db/db_iterator.h"
#include "key/batch.h"
#include "key/family.h"
#include "wal/format.h"

namespace nokv {

Status DB::Get(const ReadOptions& options, ColumnFamily* family, Slice key, std::string* value) {
  PinnableValue pinned;
  NOKV_TRY(Get(options, family, key, &pinned));
  value->assign(pinned.value());
  return Status::Ok();
}

}  // namespace nokv

namespace nokv::db {

namespace {

// Values at least this large are lent and not copied.
constexpr size_t kPinBytes = 2048;

// A family's prefix and a user's key as one engine key, without allocation for usual keys.
class EngineKeyBuffer {
 public:
  EngineKeyBuffer(const ColumnFamily* family, Slice user_key) {
    const key::FamilyId id = family == nullptr ? key::kDefaultFamily : family->id();
    char* to = inline_;
    if (user_key.size() + key::kFamilyPrefixBytesMax > sizeof inline_) {
      heap_.resize(user_key.size() + key::kFamilyPrefixBytesMax);
      to = heap_.data();
    }
    const size_t prefix = key::EncodeFamily(to, id);
    std::memcpy(to + prefix, user_key.data(), user_key.size());
    key_ = {to, prefix + user_key.size()};
  }
  EngineKeyBuffer(const EngineKeyBuffer&) = delete;
  EngineKeyBuffer& operator=(const EngineKeyBuffer&) = delete;
  Slice get() const { return key_; }

 private:
  char inline_[192];
  std::string heap_;
  Slice key_;
};

key::FamilyId IdOf(const ColumnFamily* family) {
  return family == nullptr ? key::kDefaultFamily : family->id();
}

Status ClosedStatus() { return Status::Closed("the database is closed"); }

// Reading at a snapshot that was released would show an empty database.
Status CheckSnapshot(const ReadOptions& options) {
  if (options.snapshot == nullptr || *options.snapshot) return Status::Ok();
  return Status::InvalidArgument("ReadOptions::snapshot was released or never taken");
}

Status CheckKeyLength(Slice key) {
  if (key.size() > kKeyBytesMax + key::kFamilyPrefixBytesMax) {
    return Status::LimitExceeded("a key of " + std::to_string(key.size()) +
                                 " bytes is longer than the limit of 65536");
  }
  return Status::Ok();
}

Status CheckKey(Slice key) {
  if (key.empty()) return Status::InvalidArgument("a key is at least 1 byte long");
  if (key.size() > kKeyBytesMax) {
    return Status::LimitExceeded("a key of " + std::to_string(key.size()) +
                                 " bytes is longer than the limit of 65536");
  }
  return Status::Ok();
}

// One batch per thread is reused, so that a single put allocates nothing.
WriteBatch& ScratchBatch() {
  constexpr size_t kKeptBytesMax = 1 << 20;
  static thread_local WriteBatch batch;
  if (batch.rep().capacity() > kKeptBytesMax) batch = WriteBatch();
  batch.Clear();
  return batch;
}

// Keeps a view alive for a value that points into one of its memtables.
class ViewValuePin final : public PinnableValue::Pin {
 public:
  explicit ViewValuePin(ViewPin view) : view_(std::move(view)) {}

 private:
  const ViewPin view_;
};

// Keeps a block alive for a value that points into it.
class BlockValuePin final : public PinnableValue::Pin {
 public:
  explicit BlockValuePin(sst::BlockPin block) : block_(std::move(block)) {}

 private:
  const sst::BlockPin block_;
};

}  // namespace

DbImpl::DbImpl(const Options& options, const Environment& environment, std::string directory)
    : options_(options),
      environment_(environment),
      directory_(std::move(directory)),
      memtable_bytes_(options.memtable_bytes != 0
                          ? options.memtable_bytes
                          : std::min<size_t>(128ULL << 20, options.memory_budget / 8)),
      memtable_reserve_bytes_(
          options.read_only
              ? 0
              : std::min(options.memory_budget / 2,
                         (options.immutable_memtables_max + 1) * base::PagePool::SizeClass(memtable_bytes_))),
      snapshots_(environment.clock),
      readers_(environment.clock),
      back_pressure_(options.back_pressure.delay_micros_max) {}

DbImpl::~DbImpl() {
  Close().IgnoreError();
  NOKV_CHECK(views_ == nullptr || views_->pins() == 0);  // an iterator or pinned value outlives its DB
}

// --- Writing -------------------------------------------------------------------------------------------------

Status DbImpl::Put(const WriteOptions& options, ColumnFamily* family, Slice key, Slice value) {
  WriteBatch& batch = ScratchBatch();
  batch.Put(family, key, value);
  return CommitBatch(options, batch);
}

Status DbImpl::Delete(const WriteOptions& options, ColumnFamily* family, Slice key) {
  WriteBatch& batch = ScratchBatch();
  batch.Delete(family, key);
  return CommitBatch(options, batch);
}

Status DbImpl::DeleteRange(const WriteOptions& options,
                           ColumnFamily* family,
                           Slice begin,
                           Slice end) {
  if (begin > end) return Status::InvalidArgument("DeleteRange: begin is after end");
  WriteBatch& batch = ScratchBatch();
  batch.DeleteRange(family, begin, end);
  return CommitBatch(options, batch);
}

Status DbImpl::Write(const WriteOptions& options, WriteBatch&& batch) {
  const Status status = CommitBatch(options, batch);
  if (status.ok()) batch.Clear();
  return status;
}

Status DbImpl::SyncLog() {
  const CallGate::Pass pass(&gate_);
  if (!pass) return ClosedStatus();
  if (background_ == nullptr) return Status::ReadOnly("the database was opened read-only");
  NOKV_TRY(background_->CheckWritable());
  return pipeline_->Commit(PreparedBatch{}, /*sync=*/true);
}

Status DbImpl::CommitBatch(const WriteOptions& options, const WriteBatch& batch) {
  const CallGate::Pass pass(&gate_);
  if (!pass) return ClosedStatus();
  if (background_ == nullptr) return Status::ReadOnly("the database was opened read-only");
  NOKV_TRY(background_->CheckWritable());
  const WriteBatch* to_commit = &batch;
  WriteBatch expiring;
  if (options.ttl.count() != 0) {
    if (options.ttl.count() < 0) return Status::InvalidArgument("the ttl is negative");
    NOKV_TRY(key::WithExpiry(batch, environment_.clock->WallMillis() +
                                        static_cast<uint64_t>(options.ttl.count()),
                             &expiring));
    to_commit = &expiring;
  }
  if (const uint32_t delay = back_pressure_.delay_micros(); delay > 0) [[unlikely]] {
    environment_.clock->SleepMicros(delay);
    back_pressure_.CountDelay(delay);
  }
  for (;;) {
    PreparedBatch prepared;
    NOKV_TRY(PrepareBatch(*to_commit, &prepared));
    if (prepared.count == 0 && !options.sync) return Status::Ok();
    const Status status = pipeline_->Commit(prepared, options.sync);
    if (status.code() != StatusCode::kAborted) return status;
  }
}

Status DbImpl::PrepareBatch(const WriteBatch& batch, PreparedBatch* prepared) {
  if (batch.size_bytes() > options_.max_batch_bytes) {
    return Status::LimitExceeded("a batch of " + std::to_string(batch.size_bytes()) +
                                 " bytes is beyond max_batch_bytes = " +
                                 std::to_string(options_.max_batch_bytes));
  }
  prepared->rep = batch.rep();
  prepared->families_epoch = pipeline_->families_epoch();
  key::BatchReader reader(prepared->rep);
  key::Entry entry;
  key::FamilyId last_checked = key::kDefaultFamily;
  while (reader.Next(&entry)) {
    key::FamilyId id;
    Slice user_key;
    if (!key::ParseEngineKey(entry.key, &id, &user_key)) {
      return Status::InvalidArgument("the batch holds a malformed key");
    }
    if (id != last_checked) {
      NOKV_TRY(families_.CheckAlive(id));
      prepared->checks_families = true;
      last_checked = id;
    }
    ++prepared->count;
    if (entry.kind() == key::Kind::kRangeDelete) {
      // The bounds need not be keys: an empty begin is the beginning.
      NOKV_TRY(CheckKeyLength(user_key));
      NOKV_TRY(CheckKeyLength(entry.value));
      continue;
    }
    NOKV_TRY(CheckKey(user_key));
    if (entry.value.size() > kValueBytesMax) {
      return Status::LimitExceeded("a value of " + std::to_string(entry.value.size()) +
                                   " bytes is larger than the limit of 1073741824");
    }
    prepared->memtable_bytes += memtable::Memtable::ChargeFor(entry.key.size(), entry.value.size());
    ++prepared->memtable_entries;
  }
  NOKV_TRY(reader.status());
  NOKV_CHECK(prepared->count == batch.count());
  prepared->payload_hash = wal::PayloadHash(prepared->rep);
  return Status::Ok();
}

Result<MemtableRef> DbImpl::NewMemtable(size_t capacity_bytes) {
  memtable::MemtableOptions options;
  options.capacity_bytes = capacity_bytes;
  options.pages = pages_.get();
  NOKV_ASSIGN_OR_RETURN(auto memtable, memtable::Memtable::Create(next_memtable_id_++, options));
  // A third region, taken when a reader held the last but one for a moment, is worth less than what the cache does with it.
  const size_t in_use = pages_->stats().in_use_bytes;
  if (in_use <= memtable_reserve_bytes_) pages_->Trim(memtable_reserve_bytes_ - in_use);
  AccountForMemtables();
  return MemtableRef(memtable.release(), [this](memtable::Memtable* last) {
    std::unique_ptr<memtable::Memtable>(last).reset();
    AccountForMemtables();
  });
}

// Regions that wait in the pool for the next memtable are as resident as those in use. And what the active memtable and
// those that wait for a flush need is set aside from the beginning: a cache that shrinks by a memtable whenever one
// fills up would throw out what it needs again a moment later, and its memory has holes then.
void DbImpl::AccountForMemtables() {
  const base::MutexLock lock(&memtable_account_mu_);
  const base::PagePool::Stats pages = pages_->stats();
  const size_t bytes = std::max(memtable_reserve_bytes_, pages.in_use_bytes + pages.idle_bytes);
  const size_t accounted = memtable_budget_->bytes();
  if (bytes > accounted) memtable_budget_->Reserve(bytes - accounted);
  if (bytes < accounted) memtable_budget_->Release(accounted - bytes);
}

Status DbImpl::MakeMemtableRoom(uint64_t full, size_t bytes, size_t entries) {
  const base::MutexLock lock(&switch_mu_);
  if (pipeline_->active_memtable_id() != full) return Status::Ok();
  NOKV_TRY(background_->WaitForImmutableRoom());
  return SwitchMemtable(std::max(memtable_bytes_, memtable::Memtable::CapacityFor(bytes, entries)))
      .status();
}

Result<key::SequenceNumber> DbImpl::SwitchMemtable(size_t capacity_bytes) {
  NOKV_ASSIGN_OR_RETURN(MemtableRef next, NewMemtable(capacity_bytes));
  // The view first: a write in the new memtable must be visible to whoever reads after it returned.
  MemtableRef old;
  views_->Update([&](ReadView* view) {
    old = view->memtables.front();
    view->memtables.insert(view->memtables.begin(), next);
  });
  const key::SequenceNumber last_seq = pipeline_->SwitchMemtable(std::move(next));
  background_->AddImmutable(std::move(old), last_seq);
  return last_seq;
}

Status DbImpl::MakeLogRoom() { return log_->PrepareNext(); }

// --- Reading -------------------------------------------------------------------------------------------------

key::SequenceNumber DbImpl::Visible() const {
  return pipeline_ != nullptr ? pipeline_->visible() : recovered_seq_;
}

Status DbImpl::CheckFamily(const ColumnFamily* family) const {
  return families_.CheckAlive(IdOf(family));
}

Status DbImpl::Get(const ReadOptions& options,
                   ColumnFamily* family,
                   Slice key,
                   PinnableValue* value) {
  value->Reset();
  NOKV_TRY(CheckKey(key));
  NOKV_TRY(CheckFamily(family));
  NOKV_TRY(CheckSnapshot(options));
  const EngineKeyBuffer engine_key(family, key);
  const base::EpochDomain::Guard guard(&epochs_);
  const ReadView* const view = views_->Borrow();
  if (view == nullptr) return Status::Closed("the database is closed");
  // After the view: what became visible since then is in its newest memtable, or it belongs to a memtable
  // that came later, and then this read sees the moment of the switch.
  const key::SequenceNumber snapshot =
      options.snapshot != nullptr ? options.snapshot->sequence() : Visible();
  return GetFromView(*view, engine_key.get(), snapshot, options, value);
}

Status DbImpl::GetFromView(const ReadView& view,
                           Slice engine_key,
                           key::SequenceNumber snapshot,
                           const ReadOptions& options,
                           PinnableValue* value) {
  const uint64_t hash = base::Hash64(engine_key);
  key::Entry entry;
  key::SequenceNumber covering = 0;
  bool found = false;
  bool in_memtable = false;
  sst::GetResult result;
  for (const MemtableRef& memtable : view.memtables) {
    covering = std::max(covering, memtable->NewestCovering(engine_key, snapshot));
    if (memtable->Get(engine_key, hash, snapshot, &entry)) {
      found = entry.seq() > covering;
      in_memtable = true;
      break;
    }
    if (covering != 0) break;
  }
  if (!in_memtable && covering == 0) {
    const lsm::Version::Lookup lookup{.key = engine_key,
                                      .hash = hash,
                                      .snapshot = snapshot,
                                      .options = {.fill_cache = options.fill_cache}};
    NOKV_TRY(view.version->Get(lookup, covering, &result, &found));
    entry = {engine_key, result.trailer, result.expires_at, result.value};
  }
  if (!found || entry.kind() == key::Kind::kDelete) return Status::NotFound("no such key");
  if (entry.expires_at != 0 && entry.ExpiredAt(environment_.clock->WallMillis())) {
    return Status::NotFound("the key has expired");
  }
  if (entry.value.size() < kPinBytes) {
    value->SetCopy(entry.value, entry.expires_at);
  } else if (in_memtable) {
    value->SetPinned(entry.value, entry.expires_at,
                     std::make_unique<ViewValuePin>(views_->PinBorrowed(&view)));
  } else if (!result.pin.empty()) {
    value->SetPinned(entry.value, entry.expires_at,
                     std::make_unique<BlockValuePin>(std::move(result.pin)));
  } else {
    value->SetCopy(entry.value, entry.expires_at);
  }
  return Status::Ok();
}

void DbImpl::MultiGet(const ReadOptions& options,
                      ColumnFamily* family,
                      std::span<const Slice> keys,
                      std::span<PinnableValue> values,
                      std::span<Status> statuses) {
  NOKV_CHECK(keys.size() == values.size() && keys.size() == statuses.size());
  Status family_status = CheckFamily(family);
  if (family_status.ok()) family_status = CheckSnapshot(options);
  const base::EpochDomain::Guard guard(&epochs_);
  const ReadView* const view = views_->Borrow();
  const key::SequenceNumber snapshot =
      options.snapshot != nullptr ? options.snapshot->sequence() : Visible();
  constexpr size_t kGroup = memtable::Memtable::kPrefetchGroup;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i % kGroup == 0 && family_status.ok() && view != nullptr) {
      PrefetchFromView(*view, family, keys.subspan(i, std::min(kGroup, keys.size() - i)));
    }
    values[i].Reset();
    statuses[i] = family_status;
    if (view == nullptr) statuses[i] = Status::Closed("the database is closed");
    if (statuses[i].ok()) statuses[i] = CheckKey(keys[i]);
    if (!statuses[i].ok()) continue;
    const EngineKeyBuffer engine_key(family, keys[i]);
    statuses[i] = GetFromView(*view, engine_key.get(), snapshot, options, &values[i]);
  }
}

void DbImpl::Prefetch(ColumnFamily* family, std::span<const Slice> keys) {
  if (!CheckFamily(family).ok()) return;
  const base::EpochDomain::Guard guard(&epochs_);
  if (const ReadView* const view = views_->Borrow()) PrefetchFromView(*view, family, keys);
}

void DbImpl::PrefetchFromView(const ReadView& view,
                              const ColumnFamily* family,
                              std::span<const Slice> keys) {
  uint64_t hashes[memtable::Memtable::kPrefetchGroup];
  while (!keys.empty()) {
    const size_t count = std::min(keys.size(), std::size(hashes));
    for (size_t i = 0; i < count; ++i) {
      // One that is too long is refused by whoever uses it.
      const size_t bytes = std::min(keys[i].size(), kKeyBytesMax);
      hashes[i] = base::Hash64(EngineKeyBuffer(family, keys[i].substr(0, bytes)).get());
    }
    for (const MemtableRef& memtable : view.memtables) memtable->Prefetch({hashes, count});
    keys = keys.subspan(count);
  }
}

std::unique_ptr<Iterator> DbImpl::NewIterator(const ReadOptions& options, ColumnFamily* family) {
  if (Status alive = CheckFamily(family); !alive.ok()) return NewErrorIterator(std::move(alive));
  if (Status good = CheckSnapshot(options); !good.ok()) return NewErrorIterator(std::move(good));
  ViewPin view = views_->Pin();
  if (!view) return NewErrorIterator(Status::Closed("the database is closed"));
  const key::SequenceNumber snapshot =
      options.snapshot != nullptr ? options.snapshot->sequence() : Visible();

  const key::FamilyId id = IdOf(family);
  DbIterator::Range range{key::FamilyBegin(id), key::FamilyEnd(id), key::FamilyPrefixLength(id)};
  const auto narrow = [&](const std::string& begin, const std::string& end) {
    range.begin = std::max(range.begin, begin);
    range.end = std::min(range.end, end);
  };
  if (!options.lower_bound.empty()) narrow(key::EngineKey(id, options.lower_bound), range.end);
  if (!options.upper_bound.empty()) narrow(range.begin, key::EngineKey(id, options.upper_bound));
  if (!options.prefix.empty()) {
    std::string begin = key::EngineKey(id, options.prefix);
    // The first key that does not have the prefix: the last byte below 0xff, raised by one.
    std::string end = begin;
    while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
    if (end.size() > range.prefix_length) {
      end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
    } else {
      end = range.end;
    }
    narrow(begin, end);
  }
  if (range.begin > range.end) range.end = range.begin;
  read_counters_.iterators.fetch_add(1, std::memory_order_relaxed);
  if (background_ != nullptr) background_->NoteIterator();
  return std::make_unique<DbIterator>(std::move(view), std::move(range), snapshot, options,
                                      environment_.clock, &readers_);
}

Snapshot DbImpl::GetSnapshot() {
  {
    const base::MutexLock lock(&close_mu_);
    if (closed_) return {};
  }
  return snapshots_.Take([this] { return Visible(); });
}

// --- Families --------------------------------------------------------------------------------------------------

Result<ColumnFamily*> DbImpl::CreateColumnFamily(std::string_view name) {
  const CallGate::Pass pass(&gate_);
  if (!pass) return ClosedStatus();
  if (background_ == nullptr) return Status::ReadOnly("the database was opened read-only");
  if (name.empty() || name.size() > 255) {
    return Status::InvalidArgument("a column family's name is 1 to 255 bytes long");
  }
  NOKV_TRY(background_->CheckWritable());
  const base::MutexLock lock(&families_mu_);
  if (families_.Find(name) != nullptr) {
    return Status::InvalidArgument("column family '" + std::string(name) + "' exists");
  }
  const key::FamilyId id = versions_->ManifestState().next_family_id;
  if (id == UINT32_MAX) return Status::LimitExceeded("the ids of column families are used up");
  manifest::VersionEdit edit;
  edit.next_family_id = id + 1;
  edit.families.push_back({.id = id, .name = std::string(name), .dropped = false});
  NOKV_TRY(versions_->LogAndApply({&edit, 1}, nullptr));
  return families_.Add(std::string(name), id);
}

Status DbImpl::DropColumnFamily(ColumnFamily* family) {
  const CallGate::Pass pass(&gate_);
  if (!pass) return ClosedStatus();
  if (background_ == nullptr) return Status::ReadOnly("the database was opened read-only");
  const key::FamilyId id = IdOf(family);
  if (id < key::kFirstUserFamily) {
    return Status::InvalidArgument("a built-in column family cannot be dropped");
  }
  NOKV_TRY(background_->CheckWritable());
  const base::MutexLock lock(&families_mu_);
  NOKV_TRY(families_.CheckAlive(id));
  manifest::VersionEdit edit;
  edit.families.push_back({.id = id, .name = family->name(), .dropped = true});
  if (const Status logged = versions_->LogAndApply({&edit, 1}, nullptr); !logged.ok()) {
    // The edit may be on the disk all the same, and the next open would then take the family, with all that is
    // written to it from here on. A new manifest settles that it was not dropped.
    const Status settled = versions_->MaintainManifest();
    if (!settled.ok()) background_->EnterReadOnly(settled.WithContext("drop of a column family"));
    return logged;
  }
  // The family is gone, durably and for good: its id is never used again. What follows gives its space
  // back; should it not come to that, the next open does it (ClearDroppedFamilies).
  families_.Remove(id);
  pipeline_->InvalidateFamilies();
  ClearFamily(id).IgnoreError();
  return Status::Ok();
}

Status DbImpl::ClearFamily(key::FamilyId id) {
  std::string rep(1, static_cast<char>(key::Kind::kRangeDelete));
  base::PutLengthPrefixed(&rep, key::FamilyBegin(id));
  base::PutLengthPrefixed(&rep, key::FamilyEnd(id));
  PreparedBatch prepared;
  prepared.rep = rep;
  prepared.count = 1;
  prepared.payload_hash = wal::PayloadHash(prepared.rep);
  return pipeline_->Commit(prepared, /*sync=*/false);
}

// --- On request --------------------------------------------------------------------------------------------------

Status DbImpl::Flush(const FlushOptions& options) {
  const CallGate::Pass pass(&gate_);
  if (!pass) return ClosedStatus();
  if (background_ == nullptr) return Status::ReadOnly("the database was opened read-only");
  NOKV_TRY(background_->CheckWritable());
  key::SequenceNumber through;
  {
    const base::MutexLock lock(&switch_mu_);
    NOKV_TRY(background_->CheckWritable());  // a close may have come first
    through = pipeline_->next_seq() - 1;
    // Writes that were reserved before this call count even if their threads have not come further yet.
    NOKV_TRY(pipeline_->WaitVisible(through));
    if (!views_->Pin()->memtables.front()->empty()) {
      NOKV_TRY(background_->WaitForImmutableRoom());
      NOKV_ASSIGN_OR_RETURN(through, SwitchMemtable(memtable_bytes_));
    }
  }
  return options.wait ? background_->WaitFlushed(through) : Status::Ok();
}

Status DbImpl::CompactRange(const CompactRangeOptions& options,
                            ColumnFamily* family,
                            Slice begin,
                            Slice end) {
  const CallGate::Pass pass(&gate_);
  if (!pass) return ClosedStatus();
  if (background_ == nullptr) return Status::ReadOnly("the database was opened read-only");
  NOKV_TRY(CheckFamily(family));
  NOKV_TRY(Flush({.wait = true}));
  const key::FamilyId id = IdOf(family);
  const std::string range_begin = key::EngineKey(id, begin);
  const std::string range_end = end.empty() ? key::FamilyEnd(id) : key::EngineKey(id, end);
  if (range_begin >= range_end) return Status::Ok();
  return background_->CompactRange({range_begin, range_end}, options.rewrite_last_level);
}

Status DbImpl::VerifyChecksums() {
  const CallGate::Pass pass(&gate_);
  if (!pass) return ClosedStatus();
  const ViewPin view = views_->Pin();
  for (const lsm::Table* table : view->version->Tables()) NOKV_TRY(table->reader().VerifyChecksums());
  return Status::Ok();
}

Stats DbImpl::GetStats() {
  Stats stats;
  const CallGate::Pass pass(&gate_);
  if (!pass) {
    stats.state = "closed";
    return stats;
  }
  const ViewPin view = views_->Pin();
  stats.database_id = versions_->database_id();
  stats.last_sequence = Visible();
  if (background_ != nullptr) {
    background_->FillStats(&stats);
    const CommitPipeline::Counters counters = pipeline_->counters();
    stats.write.commits = counters.commits;
    stats.write.operations = counters.operations;
    stats.write.bytes = counters.bytes;
    stats.write.synced_commits = counters.synced_commits;
    stats.write.syncs = counters.syncs;
    const BackPressure::Report pressure = back_pressure_.report();
    stats.write.pressure = pressure.pressure;
    stats.write.pressure_reason = pressure.reason;
    stats.write.delayed = pressure.delayed;
    stats.write.delay_micros = pressure.delayed_micros;
    stats.write.stopped = pressure.stopped;
    stats.write.stop_micros = pressure.stopped_micros;
    const wal::LogStats log = log_->stats();
    stats.wal.active_segment = log_->end().segment;
    stats.wal.segment_count = log.segments;
    stats.wal.bytes = log.segment_bytes;
    stats.wal.recycled = log.pool.recycled;
    stats.wal.syncs = log.syncs;
  } else {
    stats.state = "read_only";
    AddLevelStats(*view->version, &stats);
  }
  stats.wal.replayed_records = replayed_records_;
  stats.wal.dropped_tail_bytes = dropped_tail_bytes_;
  for (const MemtableRef& memtable : view->memtables) stats.entries += memtable->entry_count();
  stats.memtables.active_bytes = view->memtables.front()->memory_bytes();
  const SnapshotList::Summary snapshots = snapshots_.Summarise();
  stats.read.snapshots = snapshots.count;
  stats.read.oldest_snapshot_sequence = snapshots.oldest;
  stats.read.oldest_snapshot_age_ms = snapshots.oldest_age_ms;
  stats.readers = readers_.List(*view);
  for (const Stats::Reader& snapshot : snapshots_.List()) stats.readers.push_back(snapshot);
  std::stable_sort(stats.readers.begin(), stats.readers.end(),
                   [](const Stats::Reader& a, const Stats::Reader& b) { return a.age_ms > b.age_ms; });
  stats.read.pinned_views = views_->pins() - 1;  // but for the one above
  stats.read.iterators = read_counters_.iterators.load(std::memory_order_relaxed);
  const manifest::ManifestStats manifest = versions_->ManifestStatistics();
  stats.manifest.number = manifest.manifest_number;
  stats.manifest.bytes = manifest.bytes;
  stats.manifest.edits = manifest.edits_appended;
  stats.manifest.rewrites = manifest.manifests_begun;
  const cache::CacheStats cache = cache_->stats();
  stats.cache.capacity_bytes = cache.capacity_bytes;
  stats.cache.used_bytes = cache.bytes;
  stats.cache.pinned_bytes = cache.pinned_bytes;
  stats.cache.hits = cache.hits;
  stats.cache.misses = cache.misses;
  stats.cache.inserts = cache.inserts;
  stats.cache.rejections = cache.rejections;
  stats.cache.evictions = cache.evictions;
  stats.memory.budget_bytes = budget_->limit();
  stats.memory.memtable_bytes = memtable_budget_->bytes();
  stats.memory.table_bytes = table_budget_->bytes();
  stats.memory.cache_bytes = cache.bytes;
  for (ColumnFamily* family : families_.List()) {
    stats.column_families.push_back({family->name(), family->id()});
  }
  return stats;
}

bool DbImpl::GetProperty(std::string_view name, std::string* value) {
  if (name == "nokv.stats") {
    *value = GetStats().ToJson();
  } else if (name == "nokv.state") {
    *value = GetStats().state;
  } else if (name == "nokv.background_error") {
    *value = GetStats().background_error;
  } else if (name == "nokv.levels") {
    value->clear();
    for (const Stats::Level& level : GetStats().levels) {
      *value += "L" + std::to_string(level.level) + " tables " + std::to_string(level.tables) +
                " bytes " + std::to_string(level.size_bytes) + "\n";
    }
  } else {
    return false;
  }
  return true;
}

}  // namespace nokv::db
