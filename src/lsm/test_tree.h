#pragma once

// For this module's tests: a tree without a database around it.
//
// Confined to one thread.

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/epoch.h"
#include "base/executor.h"
#include "base/hash.h"
#include "cache/block_cache.h"
#include "lsm/cache_warmer.h"
#include "lsm/compaction_job.h"
#include "lsm/flush_job.h"
#include "lsm/purger.h"
#include "lsm/version_set.h"
#include "manifest/file_names.h"
#include "memtable/memtable.h"
#include "vfs/file_system.h"

namespace nokv::lsm {

// A tree without a database around it.
class TreeOnDisk {
 public:
  static constexpr char kDirectory[] = "/db";

  // Of an empty directory, or of what is there.
  TreeOnDisk(vfs::FileSystem* fs, bool create)
      : fs_(fs),
        cache_(cache::BlockCache::Create({.capacity_bytes = 4 << 20, .shards = 1, .epochs = &epochs_})),
        warmer_(cache_.get()),
        purger_(fs, kDirectory, &executor_, [](uint64_t) {}) {
    auto manifest = create ? manifest::Manifest::Create(fs, kDirectory, 7) : manifest::Manifest::Open(fs, kDirectory);
    EXPECT_TRUE(manifest.ok()) << manifest.status().ToString();
    auto versions = VersionSet::Open({.fs = fs, .directory = kDirectory, .cache = cache_.get(), .purger = &purger_},
                                     std::move(*manifest));
    EXPECT_TRUE(versions.ok()) << versions.status().ToString();
    versions_ = std::move(*versions);
    job_.fs = fs;
    job_.directory = kDirectory;
    job_.versions = versions_.get();
    job_.clock = &clock_;
    job_.warmer = &warmer_;
  }
  ~TreeOnDisk() {
    versions_.reset();
    purger_.Drain();
  }

  // One key as one table of level 0.
  Status Flush(Slice key, const VersionSet::InstallHook& hook = nullptr) {
    auto memtable = memtable::Memtable::Create(1, {.capacity_bytes = 64 << 10, .resident_bytes = 0});
    EXPECT_TRUE((*memtable)->TryReserve(memtable::Memtable::ChargeFor(key.size(), 1), 1));
    (*memtable)->Add({.key = key, .trailer = key::PackTrailer(++seq_, key::Kind::kPut), .value = "v"},
                     base::Hash64(key));
    return RunFlush(job_, {memtable->get()}, {}, {}, hook).status();
  }
  // Level 0 into level 1.
  Status Compact(const VersionSet::InstallHook& hook = nullptr) {
    bool blocked = false;
    const auto claimed = versions_->ClaimManual({}, {}, 0, 1, {"", "~"}, &blocked);
    EXPECT_TRUE(claimed);
    const std::atomic<bool> cancelled{false};
    const Status status = RunCompaction(job_, *claimed, {}, cancelled, hook).status();
    versions_->Release(*claimed);
    return status;
  }
  // As a reader does.
  bool Get(Slice key) {
    const base::EpochDomain::Guard guard(&epochs_);
    const auto version = versions_->current();
    for (const Table* table : version->Tables()) {
      sst::GetResult result;
      EXPECT_TRUE(table->reader().Get(key, base::Hash64(key), key::kMaxSequence, {}, &result).ok());
      if (result.found) return true;
    }
    return false;
  }
  cache::BlockCache* cache() { return cache_.get(); }
  Status MaintainManifest() { return versions_->MaintainManifest(); }

  std::vector<uint64_t> TablesInVersion() const {
    std::vector<uint64_t> numbers;
    const auto version = versions_->current();
    for (const Table* table : version->Tables()) numbers.push_back(table->meta().number);
    std::sort(numbers.begin(), numbers.end());
    return numbers;
  }
  // Finished or not, after the purger's work is done.
  std::vector<uint64_t> TablesOnDisk() {
    executor_.RunAll();
    std::vector<uint64_t> numbers;
    const auto names = fs_->List(kDirectory);
    EXPECT_TRUE(names.ok());
    for (const std::string& name : *names) {
      manifest::FileType type;
      uint64_t number = 0;
      if (name.ends_with(".tmp") && name.find(".sst") != std::string::npos) numbers.push_back(0);
      if (manifest::ParseFileName(name, &type, &number) && type == manifest::FileType::kTable) {
        numbers.push_back(number);
      }
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
  }

 private:
  vfs::FileSystem* const fs_;
  base::ManualClock clock_;
  base::ManualExecutor executor_;
  base::EpochDomain epochs_;
  const std::unique_ptr<cache::BlockCache> cache_;
  CacheWarmer warmer_;
  FilePurger purger_;
  std::unique_ptr<VersionSet> versions_;
  JobEnvironment job_;
  key::SequenceNumber seq_ = 0;
};

}  // namespace nokv::lsm
