// How much the planner writes: real plans over tables that hold nothing but keys.
//
// Every key stands for a kilobyte. A memtable of random keys becomes tables of level 0, and the planner's plans
// are carried out, one after the other, until it wants nothing more. What is counted are bytes written per byte
// put: the flush and every merge; moves are free. The size of the database is given as a multiple of what level 0
// hands down at a time, four memtables, since only this ratio matters: with memtables of 64 MiB, 4 is a
// gigabyte. The figures go to standard output; docs/performance.md has them for other choices too.

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "lsm/planner.h"

namespace nokv::lsm {
namespace {

constexpr uint64_t kKeyBytes = 1024;
constexpr uint64_t kMemtableKeys = 512;
constexpr uint64_t kTableKeys = kMemtableKeys / 2;
constexpr uint64_t kLevel0Keys = 4 * kMemtableKeys;

using Keys = std::vector<uint64_t>;  // ascending, each once

std::string KeyText(uint64_t key) {
  std::string text(8, '\0');
  for (size_t i = 0; i < 8; ++i) text[i] = static_cast<char>(key >> (56 - 8 * i));
  return text;
}

class Simulation {
 public:
  struct Figures {
    double write_amplification = 0;
    double space = 0;             // bytes stored per byte of distinct keys, at the end
    uint64_t largest_job_bytes = 0;
    int levels = 0;               // below level 0 that hold tables, at the end
  };

  explicit Simulation(const PlannerOptions& options) : options_(options) {}

  void Put(uint64_t key) {
    memtable_.push_back(key);
    if (memtable_.size() < kMemtableKeys) return;
    written_to_ += memtable_.size();
    Flush();
    while (const auto plan = PlanCompaction(options_, Input())) CarryOut(*plan);
  }
  void StartCounting() { written_to_ = written_by_ = largest_job_ = 0; }

  Figures Count() const {
    Keys all = memtable_;
    uint64_t stored = all.size();
    Figures figures;
    for (const auto& level : levels_) {
      for (const TableRef& table : level) {
        stored += table->keys.size();
        all.insert(all.end(), table->keys.begin(), table->keys.end());
      }
      figures.levels += &level != &levels_[0] && !level.empty();
    }
    Sort(&all);
    distinct_ = all.size();
    figures.write_amplification = static_cast<double>(written_by_) / static_cast<double>(written_to_);
    figures.space = static_cast<double>(stored) / static_cast<double>(distinct_);
    figures.largest_job_bytes = largest_job_ * kKeyBytes;
    return figures;
  }
  uint64_t distinct() const { return distinct_; }  // as of the last Count

 private:
  struct Table {
    manifest::FileMeta meta;
    Keys keys;
  };
  using TableRef = std::shared_ptr<Table>;

  static void Sort(Keys* keys) {
    std::sort(keys->begin(), keys->end());
    keys->erase(std::unique(keys->begin(), keys->end()), keys->end());
  }

  // As TableOutput cuts them.
  std::vector<TableRef> Write(Keys keys, const std::vector<std::string>& borders) {
    Sort(&keys);
    written_by_ += keys.size();
    std::vector<TableRef> tables;
    size_t border = 0;
    bool open = false;
    for (const uint64_t key : keys) {
      bool at_border = false;
      for (; border < borders.size() && borders[border] <= KeyText(key); ++border) at_border = true;
      const size_t held = open ? tables.back()->keys.size() : 0;
      if (!open || held >= kTableKeys || (at_border && held >= kTableKeys / 2)) {
        tables.push_back(std::make_shared<Table>());
        open = true;
      }
      tables.back()->keys.push_back(key);
    }
    for (const TableRef& table : tables) {
      table->meta.number = ++last_number_;
      table->meta.entries = table->keys.size();
      table->meta.bytes = table->keys.size() * kKeyBytes;
      table->meta.begin = KeyText(table->keys.front());
      table->meta.end = KeyText(table->keys.back() + 1);
    }
    return tables;
  }

  void Flush() {
    const auto tables = Write(std::exchange(memtable_, {}), {});
    levels_[0].insert(levels_[0].begin(), tables.begin(), tables.end());
    ++level0_runs_;  // random keys: what is flushed overlaps all that was flushed before
  }

  PlannerInput Input() const {
    PlannerInput input;
    for (size_t level = 0; level < levels_.size(); ++level) {
      for (const TableRef& table : levels_[level]) input.levels[level].push_back(&table->meta);
    }
    input.level0_runs = level0_runs_;
    return input;
  }

  void CarryOut(const CompactionPlan& plan) {
    std::vector<TableRef> inputs;
    const auto take = [&](int level, const std::vector<uint64_t>& numbers) {
      std::erase_if(levels_[static_cast<size_t>(level)], [&](const TableRef& table) {
        const bool taken = std::count(numbers.begin(), numbers.end(), table->meta.number) > 0;
        if (taken) inputs.push_back(table);
        return taken;
      });
    };
    take(plan.input_level, plan.inputs);
    take(plan.output_level, plan.overlapping);
    ASSERT_EQ(inputs.size(), plan.inputs.size() + plan.overlapping.size());
    if (plan.input_level == 0) {
      ASSERT_TRUE(levels_[0].empty());
      level0_runs_ = 0;
    }
    if (!plan.trivial_move) {
      Keys merged;
      for (const TableRef& table : inputs) {
        merged.insert(merged.end(), table->keys.begin(), table->keys.end());
      }
      const uint64_t before = written_by_;
      inputs = Write(std::move(merged), plan.borders);
      largest_job_ = std::max(largest_job_, written_by_ - before);
    }
    auto& output = levels_[static_cast<size_t>(plan.output_level)];
    output.insert(output.end(), inputs.begin(), inputs.end());
    std::sort(output.begin(), output.end(), [](const TableRef& a, const TableRef& b) {
      return a->meta.begin < b->meta.begin;
    });
    for (size_t i = 1; i < output.size(); ++i) {
      ASSERT_LE(output[i - 1]->meta.end, output[i]->meta.begin) << plan.ToString();
    }
  }

  const PlannerOptions options_;
  std::array<std::vector<TableRef>, manifest::kLevelCount> levels_;
  Keys memtable_;  // in the order of writing
  size_t level0_runs_ = 0;
  uint64_t last_number_ = 0;
  uint64_t written_to_ = 0, written_by_ = 0, largest_job_ = 0;  // in keys
  mutable uint64_t distinct_ = 0;
};

struct Size {
  const char* name;
  double multiple;
  // Bounds a little above what was measured.
  double load_max, overwrite_max, space_max;
  int levels;
};

class WriteAmplification : public testing::TestWithParam<Size> {};

TEST_P(WriteAmplification, StaysWithinItsBound) {
  const Size& size = GetParam();
  Simulation simulation({.memtable_bytes = kMemtableKeys * kKeyBytes});
  base::Random random(20261122);
  Keys keys(static_cast<size_t>(size.multiple * kLevel0Keys));
  for (uint64_t& key : keys) {
    key = random.Next() >> 1;
    simulation.Put(key);
  }
  const auto load = simulation.Count();
  EXPECT_EQ(simulation.distinct(), keys.size());
  simulation.StartCounting();
  for (size_t i = 0; i < 2 * keys.size(); ++i) simulation.Put(keys[random.Uniform(keys.size())]);
  const auto overwrite = simulation.Count();
  EXPECT_EQ(simulation.distinct(), keys.size());
  std::printf("%5.1f x level 0: load %.2f, overwrites %.2f, space %.2f, largest job %.1f x, levels %d\n",
              size.multiple, load.write_amplification, overwrite.write_amplification, overwrite.space,
              static_cast<double>(overwrite.largest_job_bytes) / (kLevel0Keys * kKeyBytes), overwrite.levels);
  EXPECT_LT(load.write_amplification, size.load_max);
  EXPECT_LT(overwrite.write_amplification, size.overwrite_max);
  EXPECT_LT(overwrite.space, size.space_max);
  EXPECT_EQ(overwrite.levels, size.levels);
}

INSTANTIATE_TEST_SUITE_P(Sizes,
                         WriteAmplification,
                         testing::Values(Size{"LittleMoreThanLevel0", 1.2, 2.1, 2.0, 1.7, 1},
                                         Size{"FourTimesLevel0", 4, 3.2, 4.0, 1.5, 2},
                                         Size{"SixteenTimes", 16, 5.1, 6.5, 1.6, 3},
                                         Size{"SixtyFourTimesLevel0", 64, 7.8, 9.1, 1.65, 4}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace nokv::lsm
