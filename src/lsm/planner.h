#pragma once

// The compaction planner: from what the tables are to what should be merged next. Pure: it reads
// metadata, touches no file, and the same input gives the same plan.
//
// What can be a reason; a level that is beyond its target goes before the others, the most urgent first:
//  kLevel0      at least PlannerOptions::level0_trigger sublevels: the oldest table, with everything in level
//               0 that is connected to it by overlaps, goes to level 1.
//  kLevelBytes  a level holds more than its target: the table that costs least to move (bytes of overlap
//               below per own byte, with a bonus for tombstones) goes one level down.
//  kTombstones  at least half of a table's entries are tombstones, or it holds range tombstones, and no
//               snapshot needs what they hide: down one level, or rewritten in place where nothing lies
//               below, so that the space comes back.
//  kExpired     the same for entries whose time has passed.
//
// Targets follow the size of the database. Let `first` be the bytes of level 1 in the smallest database
// (PlannerOptions::first_level_bytes) and `total` the bytes of all levels below 0. In use are the least
// number of levels d with total <= first * level_ratio^d, but never fewer than hold tables. The deepest of
// them has no target and nowhere to go; those above have first * q^i for i = 1..d-1, where
// q = (total / first)^(1/d): each level is as many times larger than the one above as its neighbours are,
// and no more than the size asks for. For a given number of levels equal ratios write least (O'Neil et al.,
// The log-structured merge-tree, 1996, section 3; Dayan et al., Monkey, 2017, section 4). So a small
// database has no level below 1, and one that outgrows its depth begins the next level with moves, which
// write nothing. Tables only ever go down and a level once in use counts until it is empty, so that a
// total that swings around a limit shuffles nothing.
//
// A plan never touches a table that another compaction holds (`busy`), and takes along every table of the
// output level that overlaps its range, so that the runs stay disjoint.
//
// Borders: where the tables of the level below the output begin. Outputs are cut there, so that a later
// compaction of one of them overlaps few tables (about an eighth fewer bytes rewritten).

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "key/entry.h"
#include "manifest/version_edit.h"

namespace nokv::lsm {

struct PlannerOptions {
  size_t level0_runs = 4;
  // The runs at which level 0 goes down, if that is not level0_runs for the moment; 0: it is. The targets of the levels
  // below do not depend on it.
  size_t level0_runs_now = 0;
  uint64_t memtable_bytes = 64ULL << 20;
  // 0 chooses half of level0_bytes().
  uint64_t level1_bytes = 0;
  double level_ratio = 5.0;

  size_t level0_trigger() const { return level0_runs_now != 0 ? level0_runs_now : level0_runs; }
  // What level 0 hands down at a time.
  uint64_t level0_bytes() const {
    uint64_t bytes = 0;
    const bool overflow = __builtin_mul_overflow(level0_runs, memtable_bytes, &bytes);
    return overflow ? UINT64_MAX : bytes;
  }
  // Half of that: level 0 goes down as a whole, so that level 1 is that much beyond its target when its
  // cheapest tables move on, and these overlap fewer bytes below than the ratio of the targets says.
  uint64_t first_level_bytes() const { return level1_bytes != 0 ? level1_bytes : level0_bytes() / 2; }
};

struct PlannerInput {
  // Level 0 newest first, deeper levels in key order.
  std::array<std::vector<const manifest::FileMeta*>, manifest::kLevelCount> levels;
  size_t level0_runs = 0;
  // Is the table held by a running compaction?
  std::function<bool(uint64_t number)> busy;
  // The oldest live snapshot; kMaxSequence if there is none.
  key::SequenceNumber oldest_snapshot = key::kMaxSequence;
  uint64_t now_millis = 0;
};

enum class CompactionReason : unsigned char {
  kLevel0,
  kLevelBytes,
  kTombstones,
  kExpired,
  kManual,
};
const char* CompactionReasonName(CompactionReason reason);

struct CompactionPlan {
  CompactionReason reason = CompactionReason::kLevel0;
  int input_level = 0;
  int output_level = 0;
  std::vector<uint64_t> inputs;       // tables of input_level, newest first in level 0
  std::vector<uint64_t> overlapping;  // tables of output_level; empty for a rewrite in place
  std::string begin, end;             // the range of all of them
  std::vector<std::string> borders;   // ascending
  uint64_t input_bytes = 0;
  // Nothing overlaps and nothing is to be gained by rewriting: only the manifest changes.
  bool trivial_move = false;
  double score = 0;

  // One line for logs and golden files.
  std::string ToString() const;
};

inline constexpr uint64_t kNoTarget = UINT64_MAX;

struct LevelScores {
  // From 1 on a level has work. 0 for levels without a target.
  std::array<double, manifest::kLevelCount> scores{};
  // kNoTarget for level 0, for the deepest level in use, and below it.
  std::array<uint64_t, manifest::kLevelCount> targets{};
  int depth = 1;         // levels below 0 that are in use
  double fan_out = 1.0;  // how many times larger each is than the one above
  // Bytes that must be rewritten until every level is within its target.
  uint64_t debt_bytes = 0;
  // Bytes that level 0, once full, causes to be written on its way to the deepest level: the measure for
  // debt_bytes, of which so much is the normal course of things.
  uint64_t descent_bytes = 0;
  double max_score() const;

  // One line for logs and golden files.
  std::string ToString() const;
};

// REQUIRES: options.first_level_bytes() > 0 and level_ratio > 1.
LevelScores ScoreLevels(const PlannerOptions& options, const PlannerInput& input);

// The most urgent plan that no busy table stands in the way of; nothing if the tree is in good shape.
std::optional<CompactionPlan> PlanCompaction(const PlannerOptions& options,
                                             const PlannerInput& input);

// A step of CompactRange: the tables of `level` that overlap `range` go to `output_level`, which is `level`
// (rewrite in place, level > 0) or level + 1. Nothing if none overlaps, or if one is busy (*blocked).
std::optional<CompactionPlan> PlanManual(const PlannerOptions& options,
                                         const PlannerInput& input,
                                         int level,
                                         int output_level,
                                         const key::KeyRange& range,
                                         bool* blocked);

}  // namespace nokv::lsm
