// LMDB. Its cache is the page cache, so its budget is the limit of the memory group. Not synced: a writable map without
// any sync (MDB_WRITEMAP, MDB_NOSYNC), its fastest way that still survives the death of the process. Synced: the
// defaults, one transaction a write. No read-ahead, as its documentation advises for data larger than memory and random
// reads. A session keeps one read transaction and renews it for each read.

#include <lmdb.h>

#include <memory>
#include <string>
#include <utility>

#include "engine.h"

namespace nokv::bench {
namespace {

constexpr size_t kMapBytes = 64ULL << 30;

Status Translated(int code) {
  if (code == MDB_SUCCESS) return {};
  if (code == MDB_NOTFOUND) return Status::NotFound("no such key");
  return Status::IOError(std::string("LMDB: ") + mdb_strerror(code));
}
// LMDB takes pointers to what it does not change.
MDB_val Wrapped(std::string_view text) { return {text.size(), const_cast<char*>(text.data())}; }
std::string_view Viewed(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

class LmdbSession final : public Session {
 public:
  LmdbSession(MDB_env* env, MDB_dbi dbi) : env_(env), dbi_(dbi) {}
  ~LmdbSession() override {
    if (reading_ != nullptr) mdb_txn_abort(reading_);
  }
  LmdbSession(const LmdbSession&) = delete;
  LmdbSession& operator=(const LmdbSession&) = delete;

  Status Put(std::string_view key, std::string_view value) override {
    EndRead();
    MDB_txn* txn = nullptr;
    int code = mdb_txn_begin(env_, nullptr, 0, &txn);
    if (code != MDB_SUCCESS) return Translated(code);
    MDB_val key_value = Wrapped(key), data = Wrapped(value);
    code = mdb_put(txn, dbi_, &key_value, &data, 0);
    if (code != MDB_SUCCESS) {
      mdb_txn_abort(txn);
      return Translated(code);
    }
    return Translated(mdb_txn_commit(txn));
  }
  Status Get(std::string_view key, std::string_view* value) override {
    if (const int code = BeginRead(); code != MDB_SUCCESS) return Translated(code);
    MDB_val key_value = Wrapped(key), data = {};
    const int code = mdb_get(reading_, dbi_, &key_value, &data);
    *value = Viewed(data);
    return Translated(code);
  }
  Status Scan(std::string_view start, size_t count, ScanReader* reader, size_t* entries) override {
    *entries = 0;
    if (const int code = BeginRead(); code != MDB_SUCCESS) return Translated(code);
    MDB_cursor* cursor = nullptr;
    int code = mdb_cursor_open(reading_, dbi_, &cursor);
    if (code != MDB_SUCCESS) return Translated(code);
    MDB_val key = Wrapped(start), value = {};
    Status status;
    for (code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE); code == MDB_SUCCESS;
         code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
      status = reader->Entry(Viewed(key), Viewed(value));
      if (!status.ok() || ++*entries == count) break;
    }
    mdb_cursor_close(cursor);
    if (!status.ok()) return status;
    return code == MDB_NOTFOUND ? Status() : Translated(code);
  }

 private:
  int BeginRead() {
    EndRead();
    if (reading_ == nullptr) return mdb_txn_begin(env_, nullptr, MDB_RDONLY, &reading_);
    return mdb_txn_renew(reading_);
  }
  void EndRead() {
    if (reading_ != nullptr) mdb_txn_reset(reading_);
  }

  MDB_env* const env_;
  const MDB_dbi dbi_;
  MDB_txn* reading_ = nullptr;
};

class Lmdb final : public Engine {
 public:
  Lmdb() = default;
  ~Lmdb() override {
    if (env_ != nullptr) mdb_env_close(env_);
  }
  Lmdb(const Lmdb&) = delete;
  Lmdb& operator=(const Lmdb&) = delete;

  std::unique_ptr<Session> NewSession() override {
    return std::make_unique<LmdbSession>(env_, dbi_);
  }
  static Result<std::unique_ptr<Engine>> Open(const EngineOptions& options) {
    auto engine = std::make_unique<Lmdb>();
    const int code = engine->TryOpen(options);
    if (code != MDB_SUCCESS) return Translated(code);
    return std::unique_ptr<Engine>(std::move(engine));
  }

 private:
  int TryOpen(const EngineOptions& options) {
    int code = mdb_env_create(&env_);
    if (code == MDB_SUCCESS) code = mdb_env_set_mapsize(env_, kMapBytes);
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD;
    if (!options.sync) flags |= MDB_WRITEMAP | MDB_NOSYNC;
    if (code == MDB_SUCCESS) code = mdb_env_open(env_, options.directory.c_str(), flags, 0644);
    MDB_txn* txn = nullptr;
    if (code == MDB_SUCCESS) code = mdb_txn_begin(env_, nullptr, 0, &txn);
    if (code == MDB_SUCCESS) {
      code = mdb_dbi_open(txn, nullptr, 0, &dbi_);
      if (code == MDB_SUCCESS) code = mdb_txn_commit(txn);
      else mdb_txn_abort(txn);
    }
    return code;
  }

  MDB_env* env_ = nullptr;
  MDB_dbi dbi_ = 0;
};

}  // namespace

EngineKind LmdbEngine() {
  return {.name = "lmdb",
          .about = std::string("LMDB ") + std::to_string(MDB_VERSION_MAJOR) + "." +
                   std::to_string(MDB_VERSION_MINOR) + "." + std::to_string(MDB_VERSION_PATCH) +
                   "; no read-ahead; a writable map without syncs where none are asked for",
          .scans = true,
          .open = Lmdb::Open};
}

}  // namespace nokv::bench
