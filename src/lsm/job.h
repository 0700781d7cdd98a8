#pragma once

// What a flush and a compaction have in common: what they work with, how they write tables, and how these come into the tree.

#include <string>
#include <vector>

#include "base/clock.h"
#include "lsm/cache_warmer.h"
#include "lsm/table_output.h"
#include "lsm/version_set.h"

namespace nokv::lsm {

struct JobEnvironment {
  vfs::FileSystem* fs = nullptr;
  std::string directory;
  VersionSet* versions = nullptr;
  base::Clock* clock = nullptr;
  CacheWarmer* warmer = nullptr;  // null: jobs leave the cache alone
  sst::TableOptions upper_table;  // for levels 0 and 1
  sst::TableOptions lower_table;  // for the levels below
  uint64_t file_bytes = 32ULL << 20;
};

// For tables of `level` that replace `inputs` (null: a flush). These, `tombstones` and what `environment` points to outlive the
// output.
TableOutput::Options OutputOptions(const JobEnvironment& environment,
                                   int level,
                                   const Version* inputs,
                                   const key::RangeTombstones* tombstones);

// Makes `edit` durable and current, with the finished `files` of `output` added at `level`. What readers have in the cache of
// `inputs`, the tables that the edit removes (null: a flush), they have of the new ones afterwards.
Status InstallTables(const JobEnvironment& environment,
                     TableOutput* output,
                     const std::vector<manifest::FileMeta>& files,
                     int level,
                     const Version* inputs,
                     manifest::VersionEdit edit,
                     const VersionSet::InstallHook& hook);

}  // namespace nokv::lsm
