#pragma once

// DB: an ordered, durable map from byte strings to byte strings, in one directory.
//
//   nokv::Options options;
//   auto db = nokv::DB::Open(options, "/var/lib/app");
//   if (!db.ok()) ...
//   nokv::Status s = (*db)->Put({}, "key", "value");
//   std::string value;
//   s = (*db)->Get({}, "key", &value);
//
// What it promises:
//  - A write that returned OK survives the death of the process; with WriteOptions::sync, the loss of
//    power. After a loss of power the surviving writes are a prefix of the commit order.
//  - A batch is visible and durable as a whole or not at all.
//  - A read returns what was written, or an error: never a wrong or silently missing value.
//  - An error from a write means that it did not happen, or (kIOError after a failed sync, kReadOnly with
//    that cause) that its fate is known only after the next open. The message says which.
//
// Keys are 1 B to 64 KiB, values 0 B to 1 GiB. Where a ColumnFamily* is asked for, null means "default".
// No exception crosses this interface. Thread-safe: any number of threads may use one DB.

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "nokv/column_family.h"
#include "nokv/iterator.h"
#include "nokv/options.h"
#include "nokv/pinnable_value.h"
#include "nokv/result.h"
#include "nokv/slice.h"
#include "nokv/snapshot.h"
#include "nokv/stats.h"
#include "nokv/status.h"
#include "nokv/write_batch.h"

namespace nokv {

inline constexpr size_t kKeyBytesMax = 64ULL << 10;
inline constexpr size_t kValueBytesMax = 1ULL << 30;

class DB {
 public:
  // Opens the database in `directory`, creating it if Options say so. kBusy if another opener holds it
  // (the message names the process), kCorruption with file and offset if it is damaged.
  static Result<std::unique_ptr<DB>> Open(const Options& options,
                                          const std::filesystem::path& directory);

  // Removes a database: every file that is one of its own, then the directory if nothing else is left.
  // kBusy if it is open.
  static Status Destroy(const std::filesystem::path& directory);

  // Closes if Close was not called; the error is lost then.
  virtual ~DB() = default;
  DB(const DB&) = delete;
  DB& operator=(const DB&) = delete;

  // Waits for running calls and background work, makes the log durable, releases the directory. Iterators,
  // snapshots and pinned values must be gone. Idempotent: later calls return the first outcome. Every
  // other call fails with kClosed afterwards.
  virtual Status Close() = 0;

  virtual Status Put(const WriteOptions& options, ColumnFamily* family, Slice key, Slice value) = 0;
  virtual Status Delete(const WriteOptions& options, ColumnFamily* family, Slice key) = 0;
  // Deletes every key in [begin, end), at the cost of one small record. begin > end is refused.
  virtual Status DeleteRange(const WriteOptions& options, ColumnFamily* family, Slice begin,
                             Slice end) = 0;
  // Applies all of `batch`, atomically, across column families. An empty batch is OK; with options.sync it
  // still waits for what was written before.
  virtual Status Write(const WriteOptions& options, WriteBatch&& batch) = 0;
  // Returns when every write that returned before the call survives a loss of power.
  virtual Status SyncLog() = 0;

  // kNotFound if the key is absent, deleted or expired.
  virtual Status Get(const ReadOptions& options, ColumnFamily* family, Slice key,
                     PinnableValue* value) = 0;
  // values[i] and statuses[i] answer keys[i]; all from one moment.
  // REQUIRES: the three spans have the same size.
  virtual void MultiGet(const ReadOptions& options, ColumnFamily* family, std::span<const Slice> keys,
                        std::span<PinnableValue> values, std::span<Status> statuses) = 0;

  // A hint that these keys are about to be read or written: what memory holds of the newest of them starts
  // its way to the processor. Nothing is read from files, and nothing is waited for.
  virtual void Prefetch(ColumnFamily* family, std::span<const Slice> keys) = 0;

  // Never null: an iterator that could not be made is not valid and has the error as its status.
  virtual std::unique_ptr<Iterator> NewIterator(const ReadOptions& options, ColumnFamily* family) = 0;
  // Empty (false) if the database is closed.
  virtual Snapshot GetSnapshot() = 0;

  // "default", "lock" and "write" always exist and cannot be dropped.
  virtual ColumnFamily* DefaultColumnFamily() = 0;
  // Durable on return. A name is 1 to 255 bytes; kInvalidArgument if it exists.
  virtual Result<ColumnFamily*> CreateColumnFamily(std::string_view name) = 0;
  // Durable on return: the family and all it holds are gone; space is given back by compaction.
  virtual Status DropColumnFamily(ColumnFamily* family) = 0;
  virtual std::vector<ColumnFamily*> ListColumnFamilies() = 0;
  // Null if there is none of that name.
  virtual ColumnFamily* FindColumnFamily(std::string_view name) = 0;

  // Moves what is in memory into tables.
  virtual Status Flush(const FlushOptions& options) = 0;
  // Merges all tables that overlap [begin, end) of the family down to the last level that holds such keys.
  // An empty `end` means no upper end.
  virtual Status CompactRange(const CompactRangeOptions& options, ColumnFamily* family, Slice begin,
                              Slice end) = 0;
  // Reads every byte of every table and checks it. The first damage found is the error.
  virtual Status VerifyChecksums() = 0;

  virtual Stats GetStats() = 0;
  // One value by name ("nokv.stats", "nokv.levels", "nokv.state"...); false if there is no such name.
  virtual bool GetProperty(std::string_view name, std::string* value) = 0;

  // --- The same for the default family and with plain strings ---------------------------------------

  Status Put(const WriteOptions& options, Slice key, Slice value) {
    return Put(options, nullptr, key, value);
  }
  Status Delete(const WriteOptions& options, Slice key) { return Delete(options, nullptr, key); }
  Status DeleteRange(const WriteOptions& options, Slice begin, Slice end) {
    return DeleteRange(options, nullptr, begin, end);
  }
  Status Get(const ReadOptions& options, Slice key, PinnableValue* value) {
    return Get(options, nullptr, key, value);
  }
  Status Get(const ReadOptions& options, ColumnFamily* family, Slice key, std::string* value);
  Status Get(const ReadOptions& options, Slice key, std::string* value) {
    return Get(options, nullptr, key, value);
  }
  std::unique_ptr<Iterator> NewIterator(const ReadOptions& options) {
    return NewIterator(options, nullptr);
  }

 protected:
  DB() = default;
};

}  // namespace nokv
