// This product with its defaults: only the memory budget and the durability are the benchmark's.

#include <string>
#include <utility>

#include "engine.h"
#include "leveldb_api.h"
#include "nokv/db.h"
#include "nokv/version.h"

namespace nokv::bench {
namespace {

class NokvSession final : public Session {
 public:
  NokvSession(DB* db, bool sync) : db_(db) { write_options_.sync = sync; }

  Status Put(std::string_view key, std::string_view value) override {
    return db_->Put(write_options_, key, value);
  }
  Status Get(std::string_view key, std::string_view* value) override {
    Status status = db_->Get(ReadOptions(), key, &value_);
    *value = value_.value();
    return status;
  }
  Status Scan(std::string_view start, size_t count, ScanReader* reader, size_t* entries) override {
    const std::unique_ptr<Iterator> it = db_->NewIterator(ReadOptions());
    it->Seek(start);
    Status status = ReadEntries(it.get(), count, reader, entries);
    return status.ok() ? it->status() : status;
  }

 private:
  DB* const db_;
  WriteOptions write_options_;
  PinnableValue value_;
};

class Nokv final : public Engine {
 public:
  Nokv(std::unique_ptr<DB> db, bool sync) : db_(std::move(db)), sync_(sync) {}
  std::unique_ptr<Session> NewSession() override {
    return std::make_unique<NokvSession>(db_.get(), sync_);
  }

 private:
  const std::unique_ptr<DB> db_;
  const bool sync_;
};

Result<std::unique_ptr<Engine>> OpenNokv(const EngineOptions& options) {
  Options product;
  product.memory_budget = options.memory_bytes;
  auto db = DB::Open(product, options.directory);
  if (!db.ok()) return db.status();
  return std::unique_ptr<Engine>(std::make_unique<Nokv>(std::move(*db), options.sync));
}

}  // namespace

EngineKind NokvEngine() {
  return {.name = "nokv",
          .about = "NoKV in C++ " + std::string(kVersion) + "; all options at their defaults but memory_budget",
          .scans = true,
          .open = OpenNokv};
}

}  // namespace nokv::bench
