#pragma once

// CrashScript: a fixed sequence of operations from a seed, run on a disk that may lose its power, and the
// judgement of what is found afterwards.
//
// Every batch also writes its own number under the key "#", so what a recovered database contains says
// which prefix of the commit order it claims to be. The judgement (laws 1 to 6):
//   - the database opens: a loss of power is not damage.
//   - the number k found is at least that of the last batch known to be durable, at most that of the last one
//     attempted.
//   - every family holds exactly what it held after batch k: batches whole, nothing lost, nothing back from
//     the dead, nothing that was never written.
//   - families whose creation was acknowledged exist unless a drop was attempted; dropped ones do not.
//   - the same holds after a second recovery, after background work, and after another crash inside recovery.

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/hash.h"
#include "base/random.h"
#include "db/db_impl.h"
#include "tests/engine_model.h"
#include "vfs/memory_file_system.h"

namespace nokv::tests {

class CrashScript {
 public:
  static constexpr int kOperations = 340;

  explicit CrashScript(uint64_t seed) : seed_(seed) {}

  static Options SmallOptions() {
    Options options;
    options.memory_budget = 16 << 20;
    options.memtable_bytes = 64 << 10;
    options.immutable_memtables_max = 2;
    options.log.segment_bytes = 64 << 10;
    options.log.recycled_segments_max = 1;
    options.table.file_bytes = 16 << 10;
    options.table.block_bytes = 1024;
    options.compaction.level0_runs = 2;
    options.compaction.level0_runs_slow = 8;
    options.compaction.level1_bytes = 16 << 10;
    options.compaction.level_ratio = 2;
    options.back_pressure.delay_micros_max = 0;
    return options;
  }

  // Runs until the end or the first failure on `fs`.
  void Run(vfs::MemoryFileSystem* fs) {
    base::Random random(seed_);
    states_.assign(1, {});
    families_ = {{0, "default"}, {1, "lock"}, {2, "write"}};
    base::ManualExecutor executor;
    if (!Open(fs, &executor)) return;
    for (int i = 0; i < kOperations && Step(&random, fs, &executor); ++i) {
    }
    db_.reset();
    executor.RunAll();
  }

  uint64_t durable() const { return durable_; }
  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t attempted() const { return states_.size() - 1; }
  int batches() const { return batches_; }
  int flushes() const { return flushes_; }
  int reopens() const { return reopens_; }
  int family_changes() const { return family_changes_; }

  // Judges the database on `fs`, where at least batch `lower` must be. Empty if all is well. Leaves the
  // recovered database, used and closed, on `fs`.
  std::string Judge(vfs::MemoryFileSystem* fs, uint64_t lower, bool thorough) {
    uint64_t found = 0;
    if (std::string problem = JudgeOnce(fs, lower, &found, thorough); !problem.empty()) return problem;
    if (!thorough) return {};
    uint64_t again = 0;
    if (std::string problem = JudgeOnce(fs, found, &again, false); !problem.empty()) {
      return "second recovery: " + problem;
    }
    if (again != found) return "two recoveries found " + std::to_string(found) + " and " + std::to_string(again);
    return {};
  }

  // Opens without judging, so that a crash point inside recovery can be hit.
  void RecoverOnly(vfs::MemoryFileSystem* fs) {
    base::ManualExecutor executor;
    auto db = OpenOn(fs, &executor);
    if (db.ok()) executor.RunAll();
    if (db.ok()) db->reset();
    executor.RunAll();
  }

 private:
  Result<std::unique_ptr<db::DbImpl>> OpenOn(vfs::MemoryFileSystem* fs, base::ManualExecutor* executor) {
    return db::DbImpl::Open(SmallOptions(),
                            {.fs = fs, .clock = &clock_, .executor = executor, .random_seed = seed_,
                             .holder = "crash script"},
                            "/db");
  }
  bool Open(vfs::MemoryFileSystem* fs, base::ManualExecutor* executor) {
    auto opened = OpenOn(fs, executor);
    if (!opened.ok()) return false;
    db_ = std::move(*opened);
    return true;
  }

  bool Step(base::Random* random, vfs::MemoryFileSystem* fs, base::ManualExecutor* executor) {
    const uint64_t dice = random->Uniform(100);
    if (dice < 82) return CommitBatch(random);
    if (dice < 86) {
      executor->RunAll();
      return true;
    }
    if (dice < 89) {
      ++flushes_;
      const bool ok = db_->Flush({}).ok();
      if (ok) durable_ = acknowledged_;
      return ok;
    }
    if (dice < 91) {
      ++flushes_;
      const bool ok = db_->CompactRange({.rewrite_last_level = random->OneIn(2)}, nullptr, "", "").ok();
      if (ok) durable_ = acknowledged_;
      return ok;
    }
    if (dice < 94) return CreateFamily();
    if (dice < 96) return DropFamily(random);
    if (dice < 97) {
      const bool ok = db_->SyncLog().ok();
      if (ok) durable_ = acknowledged_;
      return ok;
    }
    if (dice < 98) {
      clock_.Advance(random->Uniform(50'000));
      return true;
    }
    ++reopens_;
    const bool closed = db_->Close().ok();
    db_.reset();
    executor->RunAll();
    if (!closed) return false;
    durable_ = acknowledged_;
    return Open(fs, executor);
  }

  bool CommitBatch(base::Random* random) {
    EngineModel next = states_.back();
    WriteBatch batch;
    const uint64_t number = states_.size();
    const uint64_t count = 1 + random->Uniform(6);
    for (uint64_t i = 0; i < count; ++i) AddOperation(random, &batch, &next);
    batch.Put("#", std::to_string(number));
    next.Put(0, "#", std::to_string(number));
    const bool sync = random->OneIn(4);
    states_.push_back(std::move(next));
    ++batches_;
    if (!db_->Write({.sync = sync}, std::move(batch)).ok()) return false;
    acknowledged_ = number;
    if (sync) durable_ = number;
    return true;
  }

  void AddOperation(base::Random* random, WriteBatch* batch, EngineModel* next) {
    auto family = families_.begin();
    std::advance(family, static_cast<ptrdiff_t>(random->Uniform(families_.size())));
    const ColumnFamily* const handle = db_->FindColumnFamily(family->second);
    const std::string key = "k" + std::to_string(random->Uniform(60));
    const uint64_t dice = random->Uniform(20);
    if (dice < 11) {
      const size_t size = random->OneIn(8) ? 2000 + random->Uniform(6000) : random->Uniform(500);
      std::string value(size, static_cast<char>('a' + random->Uniform(26)));
      if (random->OneIn(6)) {
        const uint64_t expires_at = clock_.WallMillis() + 1 + random->Uniform(60);
        batch->PutExpiring(handle, key, value, expires_at);
        next->Put(family->first, key, std::move(value), expires_at);
      } else {
        batch->Put(handle, key, value);
        next->Put(family->first, key, std::move(value));
      }
    } else if (dice < 17) {
      batch->Delete(handle, key);
      next->Delete(family->first, key);
    } else {
      const std::string end = "k" + std::to_string(random->Uniform(60));
      batch->DeleteRange(handle, key, end);
      next->DeleteRange(family->first, key, end);
    }
  }

  bool CreateFamily() {
    ++family_changes_;
    const std::string name = "family" + std::to_string(family_changes_);
    being_created_ = name;
    auto made = db_->CreateColumnFamily(name);
    if (!made.ok()) return false;
    being_created_.reset();
    families_[(*made)->id()] = name;
    return true;
  }

  bool DropFamily(base::Random* random) {
    if (families_.size() <= 3) return true;
    ++family_changes_;
    auto victim = families_.begin();
    std::advance(victim, static_cast<ptrdiff_t>(3 + random->Uniform(families_.size() - 3)));
    const uint32_t id = victim->first;
    being_dropped_ = victim->second;
    if (!db_->DropColumnFamily(db_->FindColumnFamily(victim->second)).ok()) return false;
    being_dropped_.reset();
    families_.erase(id);
    EngineModel next = states_.back();
    next.DropFamily(id);
    states_.back() = std::move(next);
    return true;
  }

  std::string JudgeOnce(vfs::MemoryFileSystem* fs, uint64_t lower, uint64_t* found, bool background) {
    base::ManualExecutor executor;
    auto opened = OpenOn(fs, &executor);
    if (!opened.ok()) return "open: " + opened.status().ToString();
    db::DbImpl& db = **opened;
    std::string problem = JudgeContents(db, lower, found);
    if (problem.empty() && background) {
      executor.RunAll();
      uint64_t after = 0;
      problem = JudgeContents(db, *found, &after);
      if (problem.empty() && after != *found) problem = "background work changed the contents";
      if (!problem.empty()) problem = "after background work: " + problem;
    }
    const Status closed = db.Close();
    if (problem.empty() && !closed.ok()) problem = "close: " + closed.ToString();
    opened->reset();
    executor.RunAll();
    return problem;
  }

  std::string JudgeContents(db::DbImpl& db, uint64_t lower, uint64_t* found) {
    PinnableValue value;
    const Status read = db.Get({}, nullptr, "#", &value);
    *found = 0;
    if (read.ok()) {
      *found = std::stoull(value.ToString());
    } else if (!read.IsNotFound()) {
      return "get: " + read.ToString();
    }
    value.Reset();
    if (*found < lower) {
      return "batch " + std::to_string(*found) + " is the last one there, " + std::to_string(lower) +
             " was durable";
    }
    if (*found > attempted()) return "batch " + std::to_string(*found) + " was never written";
    const EngineModel& model = states_[*found];
    std::set<std::string> names;
    for (ColumnFamily* family : db.ListColumnFamilies()) {
      names.insert(family->name());
      const auto expected = model.Scan(family->id(), "", "", clock_.WallMillis());
      const auto it = db.NewIterator({}, family);
      size_t i = 0;
      for (it->SeekToFirst(); it->Valid(); it->Next(), ++i) {
        if (i >= expected.size() || it->key() != expected[i].first || it->value() != expected[i].second) {
          return "family " + family->name() + " differs from batch " + std::to_string(*found) + " at key " +
                 std::string(it->key());
        }
      }
      if (!it->status().ok()) return "scan: " + it->status().ToString();
      if (i != expected.size()) {
        return "family " + family->name() + " has " + std::to_string(i) + " keys, batch " +
               std::to_string(*found) + " had " + std::to_string(expected.size());
      }
    }
    for (const auto& [id, name] : families_) {
      if (!names.contains(name) && name != being_dropped_) return "family " + name + " is gone";
      names.erase(name);
    }
    if (being_created_) names.erase(*being_created_);
    if (!names.empty()) return "family " + *names.begin() + " should not be there";
    return {};
  }

  const uint64_t seed_;
  base::ManualClock clock_;
  std::unique_ptr<db::DbImpl> db_;
  std::vector<EngineModel> states_;  // after batch i; the first is the empty database
  std::map<uint32_t, std::string> families_;
  std::optional<std::string> being_created_, being_dropped_;
  uint64_t acknowledged_ = 0;
  uint64_t durable_ = 0;
  int batches_ = 0, flushes_ = 0, reopens_ = 0, family_changes_ = 0;
};

// What is on the disk, as one number: names and bytes of all files.
inline uint64_t DiskDigest(vfs::MemoryFileSystem* fs) {
  uint64_t digest = 0;
  const auto names = fs->List("/db");
  if (!names.ok()) return digest;
  for (const std::string& name : *names) {
    auto file = fs->OpenRandomAccess("/db/" + name, vfs::FileKind::kOther, vfs::AccessPattern::kNormal);
    if (!file.ok()) continue;
    std::string bytes((*file)->size(), '\0');
    Slice read;
    if (!(*file)->Read(0, bytes.size(), bytes.data(), &read).ok()) continue;
    digest += base::Mix64(base::Checksum64(read, base::Hash64(name)));  // in any order of names
  }
  return digest;
}

}  // namespace nokv::tests
