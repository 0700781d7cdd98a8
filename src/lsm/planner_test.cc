// The planner's decisions as text: testdata/planner.txt draws trees and says what should be done.
//
//   case <name>
//   L<level>: <number>:<begin>-<end>[:<bytes>][:seq=<n>][:del=<n>/<entries>][:rdel=<n>][:exp=<n>/<entries>@<ms>]
//   ...
//   option <name> <value> | snapshot <seq> | now <ms> | busy <number>... | manual <level> <output> <begin> <end>
//   shape                asks for LevelScores::ToString instead of a plan
//   => <plan>            the expected answer: CompactionPlan::ToString, "nothing" or "blocked"
//
// Level 0 is given newest first. NOKV_REWRITE=1 writes the answers into the file.

#include "lsm/planner.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"

namespace nokv::lsm {
namespace {

constexpr char kFile[] = "src/lsm/testdata/planner.txt";

class Tree {
 public:
  std::string Handle(const std::string& line) {
    std::istringstream words(line);
    std::string first;
    words >> first;
    if (first.size() == 3 && first[0] == 'L' && first[2] == ':') {
      std::string file;
      while (words >> file) AddFile(first[1] - '0', file);
    } else if (first == "option") {
      std::string name;
      double value;
      words >> name >> value;
      if (name == "level0_runs") options_.level0_runs = static_cast<size_t>(value);
      if (name == "memtable_bytes") options_.memtable_bytes = static_cast<uint64_t>(value);
      if (name == "level1_bytes") options_.level1_bytes = static_cast<uint64_t>(value);
      if (name == "level_ratio") options_.level_ratio = value;
    } else if (first == "snapshot") {
      words >> input_.oldest_snapshot;
    } else if (first == "now") {
      words >> input_.now_millis;
    } else if (first == "busy") {
      uint64_t number;
      while (words >> number) busy_.insert(number);
    } else if (first == "shape") {
      shape_ = true;
    } else if (first == "manual") {
      words >> manual_level_ >> manual_output_ >> manual_begin_ >> manual_end_;
      manual_ = true;
    }
    return {};
  }

  std::string Answer() {
    input_.busy = [this](uint64_t number) { return busy_.contains(number); };
    if (input_.level0_runs == 0) input_.level0_runs = input_.levels[0].size();
    if (shape_) return ScoreLevels(options_, input_).ToString();
    if (manual_) {
      bool blocked = false;
      const auto plan = PlanManual(options_, input_, manual_level_, manual_output_,
                                   {manual_begin_, manual_end_}, &blocked);
      return plan ? plan->ToString() : blocked ? "blocked" : "nothing";
    }
    const auto plan = PlanCompaction(options_, input_);
    return plan ? plan->ToString() : "nothing";
  }

 private:
  void AddFile(int level, const std::string& text) {
    auto meta = std::make_unique<manifest::FileMeta>();
    std::istringstream parts(text);
    std::string part;
    std::getline(parts, part, ':');
    meta->number = std::stoull(part);
    std::getline(parts, part, ':');
    meta->begin = part.substr(0, part.find('-'));
    meta->end = part.substr(part.find('-') + 1);
    meta->bytes = 100;
    meta->entries = 100;
    meta->largest_seq = meta->number;
    while (std::getline(parts, part, ':')) {
      const std::string value = part.substr(part.find('=') + 1);
      if (part.starts_with("seq=")) {
        meta->largest_seq = std::stoull(value);
      } else if (part.starts_with("del=")) {
        meta->deletes = std::stoull(value);
        meta->entries = std::stoull(value.substr(value.find('/') + 1));
      } else if (part.starts_with("rdel=")) {
        meta->range_deletes = std::stoull(value);
      } else if (part.starts_with("exp=")) {
        meta->expiring_entries = std::stoull(value);
        meta->entries = std::stoull(value.substr(value.find('/') + 1));
        meta->min_expires_at = meta->max_expires_at = std::stoull(value.substr(value.find('@') + 1));
      } else {
        meta->bytes = std::stoull(part);
      }
    }
    input_.levels[static_cast<size_t>(level)].push_back(meta.get());
    files_.push_back(std::move(meta));
  }

  PlannerOptions options_{.level0_runs = 4, .memtable_bytes = 500, .level1_bytes = 1000, .level_ratio = 10};
  PlannerInput input_;
  std::set<uint64_t> busy_;
  std::vector<std::unique_ptr<manifest::FileMeta>> files_;
  bool shape_ = false;
  bool manual_ = false;
  int manual_level_ = 0, manual_output_ = 0;
  std::string manual_begin_, manual_end_;
};

TEST(Planner, DecidesAsWritten) {
  std::ifstream file(kFile);
  ASSERT_TRUE(file.good()) << kFile;
  std::string rewritten;
  std::string name;
  auto tree = std::make_unique<Tree>();
  int cases = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("case ")) {
      name = line.substr(5);
      tree = std::make_unique<Tree>();
    } else if (line.starts_with("=>")) {
      const std::string answer = tree->Answer();
      const std::string expected = line.size() > 3 ? line.substr(3) : "";
      if (std::getenv("NOKV_REWRITE") == nullptr) {
        EXPECT_EQ(answer, expected) << "case " << name;
      }
      line = "=> " + answer;
      ++cases;
    } else if (!line.empty() && line[0] != '#') {
      tree->Handle(line);
    }
    rewritten += line + "\n";
  }
  EXPECT_GE(cases, 35);
  if (std::getenv("NOKV_REWRITE") != nullptr) std::ofstream(kFile) << rewritten;
}

// A total on both sides of what one level may hold, many times over. Level 2 begins once; then nothing moves.
TEST(Planner, ATotalThatSwingsAroundALimitShufflesNothing) {
  const PlannerOptions options{.level0_runs = 4, .memtable_bytes = 500, .level1_bytes = 1000, .level_ratio = 10};
  std::array<std::vector<manifest::FileMeta>, manifest::kLevelCount> levels;
  for (uint64_t i = 0; i < 40; ++i) {
    manifest::FileMeta meta;
    meta.number = i + 1;
    meta.begin = std::string(1, static_cast<char>('A' + i));
    meta.end = std::string(1, static_cast<char>('A' + i + 1));
    meta.bytes = 300;
    meta.entries = 100;
    levels[1].push_back(meta);
  }
  // Carries out all plans, which must be moves from level 1 to level 2, and counts them.
  const auto settle = [&] {
    int moves = 0;
    for (;; ++moves) {
      PlannerInput input;
      for (size_t level = 0; level < levels.size(); ++level) {
        for (const auto& meta : levels[level]) input.levels[level].push_back(&meta);
      }
      const auto plan = PlanCompaction(options, input);
      if (!plan) return moves;
      EXPECT_TRUE(plan->trivial_move && plan->input_level == 1 && plan->output_level == 2) << plan->ToString();
      const auto moved = std::find_if(levels[1].begin(), levels[1].end(), [&](const auto& meta) {
        return meta.number == plan->inputs.at(0);
      });
      levels[2].push_back(*moved);
      levels[1].erase(moved);
    }
  };
  EXPECT_GT(settle(), 20);
  int moves = 0;
  for (int round = 0; round < 50; ++round) {
    const std::vector<manifest::FileMeta> gone(levels[2].end() - 10, levels[2].end());
    levels[2].resize(levels[2].size() - gone.size());
    moves += settle();
    levels[2].insert(levels[2].end(), gone.begin(), gone.end());
    moves += settle();
  }
  EXPECT_LE(moves, 2);  // the first time that it shrinks, the target of level 1 does too
}

// Whatever the tree looks like: a plan takes every table of the output level that overlaps it, and of level 0
// everything that is connected, so that no older version can come to lie above a newer one.
TEST(Planner, PlansAreClosedUnderOverlap) {
  constexpr uint64_t kSeed = 20261121;
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  base::Random random(kSeed);
  int plans = 0;
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::unique_ptr<manifest::FileMeta>> files;
    PlannerInput input;
    uint64_t number = 1000;
    for (int level = 0; level < 4; ++level) {
      int at = 0;
      const auto count = static_cast<int>(random.Uniform(7));
      for (int i = 0; i < count; ++i) {
        auto meta = std::make_unique<manifest::FileMeta>();
        int begin = level == 0 ? static_cast<int>(random.Uniform(20)) : at + static_cast<int>(random.Uniform(3));
        int end = begin + 1 + static_cast<int>(random.Uniform(5));
        at = end;
        meta->number = number--;
        meta->begin = std::string(1, static_cast<char>('A' + begin));
        meta->end = std::string(1, static_cast<char>('A' + end));
        meta->bytes = 50 + random.Uniform(400);
        meta->entries = 100;
        meta->deletes = random.OneIn(5) ? 80 : 0;
        meta->largest_seq = meta->number;
        input.levels[static_cast<size_t>(level)].push_back(meta.get());
        files.push_back(std::move(meta));
      }
    }
    input.level0_runs = input.levels[0].size();
    const uint64_t busy = 1000 - random.Uniform(12);
    input.busy = [&](uint64_t n) { return n == busy; };
    const auto plan = PlanCompaction({.level0_runs = 3, .level1_bytes = 150, .level_ratio = 3}, input);
    if (!plan) continue;
    ++plans;
    const std::set<uint64_t> inputs(plan->inputs.begin(), plan->inputs.end());
    const std::set<uint64_t> overlapping(plan->overlapping.begin(), plan->overlapping.end());
    ASSERT_FALSE(inputs.contains(busy) || overlapping.contains(busy)) << plan->ToString();
    for (size_t level = 0; level < input.levels.size(); ++level) {
      for (const auto* file : input.levels[level]) {
        const bool in_range = file->range().Overlaps({plan->begin, plan->end});
        if (static_cast<int>(level) == plan->output_level && plan->output_level != plan->input_level) {
          // The range covers inputs and overlapping tables; tables that only the latter reach out to share
          // no key with an input.
          bool touches_input = false;
          for (const auto* other : input.levels[static_cast<size_t>(plan->input_level)]) {
            touches_input |= inputs.contains(other->number) && other->range().Overlaps(file->range());
          }
          if (touches_input) {
            ASSERT_TRUE(overlapping.contains(file->number)) << plan->ToString();
          }
          ASSERT_TRUE(!overlapping.contains(file->number) || in_range);
        }
        if (level == 0 && plan->input_level == 0 && !inputs.contains(file->number)) {
          for (const auto* other : input.levels[0]) {
            ASSERT_FALSE(inputs.contains(other->number) && other->range().Overlaps(file->range()))
                << plan->ToString();
          }
        }
      }
    }
  }
  EXPECT_GT(plans, 500);
}

}  // namespace
}  // namespace nokv::lsm
