// RocksDB as its documentation recommends (the wiki's pages "Setup Options and Basic Tuning", "RocksDB Bloom Filter",
// "Data Block Hash Index"): level style with dynamic level sizes, two background jobs, Bloom filters of 10 bits, the
// hash index in data blocks, and a block cache. Two write buffers of 64 MiB, its default, are taken from the budget,
// the cache gets the rest. Index and filter blocks stay in memory outside the cache (the default), which is the faster way.
// The second entry gives half of the cache to RocksDB's row cache.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/version.h>

#include "engine.h"
#include "leveldb_api.h"

namespace nokv::bench {
namespace {

class RocksSession final : public Session {
 public:
  RocksSession(rocksdb::DB* db, bool sync) : db_(db) { write_options_.sync = sync; }

  Status Put(std::string_view key, std::string_view value) override {
    return Translated(db_->Put(write_options_, Sliced<rocksdb::Slice>(key), Sliced<rocksdb::Slice>(value)));
  }
  Status Get(std::string_view key, std::string_view* value) override {
    value_.Reset();
    const rocksdb::Status status =
        db_->Get(read_options_, db_->DefaultColumnFamily(), Sliced<rocksdb::Slice>(key), &value_);
    *value = {value_.data(), value_.size()};
    return Translated(status);
  }
  Status Scan(std::string_view start, size_t count, ScanReader* reader, size_t* entries) override {
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(read_options_));
    it->Seek(Sliced<rocksdb::Slice>(start));
    Status status = ReadEntries(it.get(), count, reader, entries);
    return status.ok() ? Translated(it->status()) : status;
  }

 private:
  rocksdb::DB* const db_;
  rocksdb::WriteOptions write_options_;
  const rocksdb::ReadOptions read_options_;
  rocksdb::PinnableSlice value_;
};

class Rocks final : public Engine {
 public:
  Rocks(std::unique_ptr<rocksdb::DB> db, bool sync) : db_(std::move(db)), sync_(sync) {}
  std::unique_ptr<Session> NewSession() override {
    return std::make_unique<RocksSession>(db_.get(), sync_);
  }

 private:
  const std::unique_ptr<rocksdb::DB> db_;
  const bool sync_;
};

Result<std::unique_ptr<Engine>> OpenRocks(const EngineOptions& engine_options, bool row_cache) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.IncreaseParallelism(2);
  options.max_background_jobs = 2;
  options.level_compaction_dynamic_level_bytes = true;
  options.bytes_per_sync = 1 << 20;
  options.compaction_pri = rocksdb::kMinOverlappingRatio;
  options.write_buffer_size = std::min<uint64_t>(64ULL << 20, engine_options.memory_bytes / 4);
  const uint64_t cache_bytes =
      engine_options.memory_bytes -
      options.write_buffer_size * static_cast<uint64_t>(options.max_write_buffer_number);

  rocksdb::BlockBasedTableOptions table;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  table.format_version = 5;
  table.block_cache = rocksdb::NewLRUCache(row_cache ? cache_bytes / 2 : cache_bytes);
  if (row_cache) options.row_cache = rocksdb::NewLRUCache(cache_bytes / 2);
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));

  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options, engine_options.directory.string(), &db);
  if (!status.ok()) return Translated(status);
  return std::unique_ptr<Engine>(
      std::make_unique<Rocks>(std::unique_ptr<rocksdb::DB>(db), engine_options.sync));
}

std::string VersionText() {
  return "RocksDB " + std::to_string(ROCKSDB_MAJOR) + "." + std::to_string(ROCKSDB_MINOR) + "." +
         std::to_string(ROCKSDB_PATCH);
}

}  // namespace

EngineKind RocksDbEngine() {
  return {.name = "rocksdb",
          .about = VersionText() +
                   "; level style with dynamic level sizes, 2 background jobs, Bloom filter of 10 bits, hash index "
                   "in data blocks, 2 write buffers of 64 MiB, block cache of the rest of the budget",
          .scans = true,
          .open = [](const EngineOptions& options) { return OpenRocks(options, false); }};
}

EngineKind RocksDbRowCacheEngine() {
  return {.name = "rocksdb-rowcache",
          .about = VersionText() + "; as rocksdb, with half of the cache as row cache",
          .scans = true,
          .open = [](const EngineOptions& options) { return OpenRocks(options, true); }};
}

}  // namespace nokv::bench
