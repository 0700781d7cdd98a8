#pragma once

// Version: the tables that make up the tree at one moment, immutable and ready to be searched.
//
// The tables are arranged in runs. A run is a sequence of tables with disjoint, ascending key ranges, so
// that one binary search finds the only table that can hold a key. Level 0 is cut into sublevels, each a
// run; every deeper level is one run.
//
// Invariants:
//  1. the tables of a run are disjoint and in key order. Create checks it in every build, for a version that
//     breaks it would give wrong answers.
//  2. runs are ordered newest first: of two entries with the same key in different runs, the one in the
//     earlier run has the larger sequence number. Within level 0 it follows from the sublevels: a table
//     lies above every older table that it overlaps.
//
// Thread-safe: immutable. Held by shared_ptr because views, iterators and jobs of different lifetimes
// share it.

#include <array>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <vector>

#include "key/entry.h"
#include "lsm/table.h"
#include "manifest/version_edit.h"
#include "sst/table_reader.h"

namespace nokv::lsm {

// Tables with disjoint ranges in key order, and the first bytes of their ranges for the search.
class Run {
 public:
  Run(int level, std::vector<TableRef> tables);

  int level() const { return level_; }
  std::span<const TableRef> tables() const { return tables_; }
  // The index of the first table whose range ends after `key`; tables().size() if there is none.
  size_t FirstEndingAfter(Slice key) const;
  // The table whose range holds `key`, or null.
  const Table* Find(Slice key) const;

 private:
  int level_;
  std::vector<TableRef> tables_;
  std::vector<uint64_t> end_heads_;  // KeyHead of each table's end
};

class Version {
 public:
  using Levels = std::array<std::vector<TableRef>, manifest::kLevelCount>;

  // Level 0 in any order; deeper levels in any order. kCorruption if the tables of a deeper level overlap.
  static Result<std::shared_ptr<const Version>> Create(Levels levels);

  // Newest first (2).
  std::span<const Run> runs() const { return runs_; }
  size_t level0_runs() const { return level0_runs_; }
  // Level 0 newest first, deeper levels in key order.
  const Levels& levels() const { return levels_; }
  // Of all levels, from 0 down.
  std::vector<const Table*> Tables() const;
  // Null if that level has no table of this number.
  TableRef FindTable(int level, uint64_t number) const;
  uint64_t level_bytes(int level) const { return level_bytes_[static_cast<size_t>(level)]; }
  // Of all levels.
  uint64_t table_bytes() const { return std::accumulate(level_bytes_.begin(), level_bytes_.end(), uint64_t{0}); }
  bool has_range_tombstones() const { return has_range_tombstones_; }

  struct Lookup {
    Slice key;
    uint64_t hash = 0;
    key::SequenceNumber snapshot = 0;
    sst::ReadOptions options;
  };
  // Finds the newest version of the key at or below the snapshot. `covering` is the newest range tombstone
  // that newer sources hold over the key, 0 if none. *found is false if there is no such version, or a
  // range tombstone hides it. A point tombstone is found.
  Status Get(const Lookup& lookup,
             key::SequenceNumber covering,
             sst::GetResult* result,
             bool* found) const;

  // Could a table below `level` hold a key of `range`? With level -1: any table.
  bool AnyBelow(int level, const key::KeyRange& range) const;

 private:
  Version() = default;
  void ArrangeLevel0();

  Levels levels_;
  std::vector<Run> runs_;
  size_t level0_runs_ = 0;
  std::array<uint64_t, manifest::kLevelCount> level_bytes_{};
  bool has_range_tombstones_ = false;
};

}  // namespace nokv::lsm
