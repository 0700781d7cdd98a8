// LevelDB with a Bloom filter of 10 bits and a block cache, as doc/index.md recommends. Its write buffers (two: one written, one
// being flushed) are as large as RocksDB's default, 64 MiB; the cache gets the rest of the budget.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>

#include "engine.h"
#include "leveldb_api.h"

namespace nokv::bench {
namespace {

class LevelSession final : public Session {
 public:
  LevelSession(leveldb::DB* db, bool sync) : db_(db) { write_options_.sync = sync; }

  Status Put(std::string_view key, std::string_view value) override {
    return Translated(db_->Put(write_options_, Sliced<leveldb::Slice>(key), Sliced<leveldb::Slice>(value)));
  }
  Status Get(std::string_view key, std::string_view* value) override {
    const leveldb::Status status = db_->Get(leveldb::ReadOptions(), Sliced<leveldb::Slice>(key), &value_);
    *value = value_;
    return Translated(status);
  }
  Status Scan(std::string_view start, size_t count, ScanReader* reader, size_t* entries) override {
    const std::unique_ptr<leveldb::Iterator> it(db_->NewIterator(leveldb::ReadOptions()));
    it->Seek(Sliced<leveldb::Slice>(start));
    Status status = ReadEntries(it.get(), count, reader, entries);
    return status.ok() ? Translated(it->status()) : status;
  }

 private:
  leveldb::DB* const db_;
  leveldb::WriteOptions write_options_;
  std::string value_;
};

// The cache and the filter must outlive the database.
class Level final : public Engine {
 public:
  std::unique_ptr<Session> NewSession() override {
    return std::make_unique<LevelSession>(db_.get(), sync_);
  }
  static Result<std::unique_ptr<Engine>> Open(const EngineOptions& engine_options) {
    auto engine = std::make_unique<Level>();
    leveldb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = std::min<uint64_t>(64ULL << 20, engine_options.memory_bytes / 4);
    engine->cache_.reset(
        leveldb::NewLRUCache(engine_options.memory_bytes - 2 * options.write_buffer_size));
    engine->filter_.reset(leveldb::NewBloomFilterPolicy(10));
    engine->sync_ = engine_options.sync;
    options.block_cache = engine->cache_.get();
    options.filter_policy = engine->filter_.get();
    leveldb::DB* db = nullptr;
    const leveldb::Status status =
        leveldb::DB::Open(options, engine_options.directory.string(), &db);
    engine->db_.reset(db);
    if (!status.ok()) return Translated(status);
    return std::unique_ptr<Engine>(std::move(engine));
  }

 private:
  std::unique_ptr<leveldb::Cache> cache_;
  std::unique_ptr<const leveldb::FilterPolicy> filter_;
  std::unique_ptr<leveldb::DB> db_;
  bool sync_ = false;
};

}  // namespace

EngineKind LevelDbEngine() {
  return {.name = "leveldb",
          .about = "LevelDB " + std::to_string(leveldb::kMajorVersion) + "." +
                   std::to_string(leveldb::kMinorVersion) +
                   "; Bloom filter of 10 bits, 2 write buffers of 64 MiB, block cache of the rest of the budget",
          .scans = true,
          .open = Level::Open};
}

}  // namespace nokv::bench
