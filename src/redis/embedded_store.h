#pragma once

// EmbeddedStore: the Store over a nokv::DB in this process.
//
// Encoding. A string is one entry of the default family: the key and the value as they are, its expiry
// the entry's. So `nokv get` and a program that opens the directory see what Redis clients wrote, and the
// other way round. The empty key, which the engine does not have, is the entry kEmptyKey of the family
// "redis". Other types will have families of their own and an entry each in "redis" that names their
// type; while that family holds no such entry, no command looks there (docs/redis.md).
//
// Writes of one turn of the server gather in memory, where reads find them, and reach the engine as one
// batch in Commit: one log record for all clients. Large values and long turns are handed over earlier,
// always between commands. After a Commit failed, writes go to the engine one by one, so that each client
// gets its own answer, until one succeeds.
//
// Counting. Nothing is counted until somebody asks (DBSIZE, INFO): then the keys are counted once, by a
// scan in slices of a millisecond, one per turn, and the count is kept exact by looking up what each
// write replaces, during the scan and after it. When that has cost more look-ups than a scan would, and
// nobody has asked again, the count is forgotten. So asking often and never asking are both cheap, and
// the answer is always exact.
//
// Invariants:
// (1) batch_ holds the changes of pending_ in order, whole commands only.
// (2) While live_.on(), it was told of every change that reached the engine since the scan's state.
// (3) scan_ is there exactly while live_ is scanning.
//
// Confined to one thread, but for Sync.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "nokv/db.h"
#include "redis/expiring_keys.h"
#include "redis/live_count.h"
#include "redis/pending_writes.h"
#include "redis/store.h"

namespace nokv::redis {

class EmbeddedStore final : public Store {
 public:
  // `db` and `clock` outlive the store. Creates the family "redis" if the database does not have it.
  static Result<std::unique_ptr<EmbeddedStore>> Open(DB* db, base::Clock* clock);

  size_t key_bytes_max() const override { return kKeyBytesMax; }
  Status Get(Slice key, PinnableValue* value) override;
  void MultiGet(std::span<const Slice> keys,
                std::span<PinnableValue> values,
                std::span<Status> statuses) override;
  void Prefetch(std::span<const Slice> keys) override { db_->Prefetch(nullptr, keys); }
  Status Write(std::span<const Mutation> mutations) override;
  Status Update(std::span<const Slice> keys, Need need, UpdateFunction function) override;
  Status Clear() override;
  Status VisitKeys(Slice from, KeyVisitor visit) override;
  Status RandomKey(base::Random* random, std::string* key) override;
  Result<KeyCounts> Count() override;
  uint64_t ExpiredKeys() override { return expiring_.Expired(clock_->WallMillis()); }
  Status Commit(Durability durability) override;
  Status Sync() override;

 private:
  static constexpr char kFamilyName[] = "redis";
  static constexpr char kEmptyKey[] = "empty";
  // What may gather before it is handed to the engine in the middle of a turn.
  static constexpr size_t kPendingBytesMax = 4 << 20;
  // A value from here on is not copied into pending_: its batch is handed over at once.
  static constexpr size_t kLargeValueBytes = 64 << 10;
  // Look-ups that keeping the count may cost beyond those of a scan.
  static constexpr uint64_t kLookupsMin = 4096;
  // One slice of counting, and how many keys go by between two looks at the clock.
  static constexpr uint64_t kSliceMicros = 1000;
  static constexpr uint64_t kKeysBetweenLooks = 64;

  struct Place {
    ColumnFamily* family;  // null: the default one
    Slice key;
  };

  EmbeddedStore(DB* db, base::Clock* clock, ColumnFamily* family);

  Place Locate(Slice key) const;
  Status CheckKey(Slice key) const;
  // From the engine alone, without pending_.
  Status Read(Slice key, PinnableValue* value);
  Status FindOne(Slice key, PinnableValue* value, Found* found);
  Status Apply(std::span<const Mutation> mutations,
               std::span<const Slice> keys,
               std::span<const Found> found);
  Status ApplyDirectly(std::span<const Mutation> mutations);
  void NoteBefore(std::span<const Slice> keys, std::span<const Found> found);
  void Append(const Mutation& mutation);
  Status HandOver();
  Status ResolveBefore();
  void CountPending();
  void NoteExpiries();
  Status BeginScan(uint64_t now_ms);
  // One slice. Ends the scan if it is through.
  Status Scan();
  uint64_t ObserveTime();
  void StopCounting();
  static void AddToBatch(WriteBatch* batch, const Place& place, const Mutation& mutation);

  // Constant after construction.
  DB* const db_;
  base::Clock* const clock_;
  ColumnFamily* const family_;

  PendingWrites pending_;
  WriteBatch batch_;
  // Handed over since the last sync began. release: after the write; acquire: before the sync.
  std::atomic<bool> unsynced_{false};
  bool direct_ = false;         // the last batch failed
  Status failure_;              // of a batch handed over since the last Commit

  LiveCount live_;
  std::unique_ptr<Iterator> scan_;
  uint64_t scanned_ = 0;        // keys that scan_ has gone by
  bool scanned_in_turn_ = false;
  uint64_t lookups_ = 0;        // spent on keeping the count since it was last asked for
  uint64_t lookups_max_ = 0;

  ExpiringKeys expiring_;
  bool expiry_in_batch_ = false;

  // Memory of Update, kept from call to call.
  std::vector<std::unique_ptr<PinnableValue>> values_;
  std::vector<Found> found_;
  std::vector<Mutation> mutations_;
};

}  // namespace nokv::redis
