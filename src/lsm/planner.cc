#include "lsm/planner.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/check.h"

namespace nokv::lsm {

namespace {

using manifest::FileMeta;
using manifest::kLevelCount;
using FileList = std::vector<const FileMeta*>;

constexpr double kDenseShare = 0.5;  // of tombstones or expired entries, from which a table is rewritten

key::KeyRange RangeOf(const FileMeta& file) { return {file.begin, file.end}; }

const FileList& Level(const PlannerInput& input, int level) {
  return input.levels[static_cast<size_t>(level)];
}

uint64_t BytesOf(const FileList& files) {
  uint64_t bytes = 0;
  for (const FileMeta* file : files) bytes += file->bytes;
  return bytes;
}

FileList Overlapping(const FileList& files, const key::KeyRange& range) {
  FileList found;
  for (const FileMeta* file : files) {
    if (RangeOf(*file).Overlaps(range)) found.push_back(file);
  }
  return found;
}

// Grows [begin, end) to cover `files`; true if it grew.
bool Cover(const FileList& files, Slice* begin, Slice* end) {
  bool grew = false;
  for (const FileMeta* file : files) {
    if (begin->empty() || file->begin < *begin) {
      *begin = file->begin;
      grew = true;
    }
    if (file->end > *end) {
      *end = file->end;
      grew = true;
    }
  }
  return grew;
}

bool AnyBusy(const PlannerInput& input, const FileList& files) {
  return std::any_of(files.begin(), files.end(),
                     [&](const FileMeta* file) { return input.busy && input.busy(file->number); });
}

bool AnyOverlapBelow(const PlannerInput& input, int level, const key::KeyRange& range) {
  for (int below = level + 1; below < kLevelCount; ++below) {
    if (!Overlapping(Level(input, below), range).empty()) return true;
  }
  return false;
}

// Turns a choice of input tables into a plan; nothing if a busy table stands in the way.
std::optional<CompactionPlan> Complete(const PlannerInput& input,
                                       CompactionReason reason,
                                       int input_level,
                                       int output_level,
                                       FileList inputs,
                                       bool* blocked) {
  Slice begin;
  Slice end;
  Cover(inputs, &begin, &end);
  if (input_level == 0) {
    // Newer tables of a key must never sink below older ones: take all of level 0 that is connected.
    for (;;) {
      FileList connected = Overlapping(Level(input, 0), {begin, end});
      const bool grew = connected.size() > inputs.size();
      inputs = std::move(connected);
      if (!Cover(inputs, &begin, &end) && !grew) break;
    }
  }
  FileList overlapping;
  if (output_level != input_level) {
    overlapping = Overlapping(Level(input, output_level), {begin, end});
  }
  if (AnyBusy(input, inputs) || AnyBusy(input, overlapping)) {
    if (blocked != nullptr) *blocked = true;
    return std::nullopt;
  }
  const bool single_run =
      input_level > 0 || inputs.size() == 1 ||
      [&] {  // tables of level 0 that do not overlap each other may move together
        FileList sorted = inputs;
        std::sort(sorted.begin(), sorted.end(),
                  [](const FileMeta* a, const FileMeta* b) { return a->begin < b->begin; });
        for (size_t i = 1; i < sorted.size(); ++i) {
          if (sorted[i - 1]->end > sorted[i]->begin) return false;
        }
        return true;
      }();
  Cover(overlapping, &begin, &end);

  CompactionPlan plan;
  plan.reason = reason;
  plan.input_level = input_level;
  plan.output_level = output_level;
  for (const FileMeta* file : inputs) plan.inputs.push_back(file->number);
  for (const FileMeta* file : overlapping) plan.overlapping.push_back(file->number);
  plan.begin = begin;
  plan.end = end;
  plan.input_bytes = BytesOf(inputs) + BytesOf(overlapping);
  plan.trivial_move = overlapping.empty() && single_run && output_level != input_level &&
                      (reason == CompactionReason::kLevel0 ||
                       reason == CompactionReason::kLevelBytes || reason == CompactionReason::kManual);
  if (output_level + 1 < kLevelCount) {
    for (const FileMeta* file : Overlapping(Level(input, output_level + 1), {begin, end})) {
      plan.borders.push_back(file->begin);
    }
  }
  return plan;
}

std::optional<CompactionPlan> PlanLevel0(const PlannerInput& input) {
  const FileList& level0 = Level(input, 0);
  if (level0.empty()) return std::nullopt;
  return Complete(input, CompactionReason::kLevel0, 0, 1, {level0.back()}, nullptr);
}

double TombstoneShare(const FileMeta& file) {
  if (file.entries == 0) return file.range_deletes > 0 ? 1.0 : 0.0;
  return static_cast<double>(file.deletes) / static_cast<double>(file.entries);
}

// Of all entries of the file, the share whose time has passed, taking expiry times as evenly spread.
double ExpiredShare(const FileMeta& file, uint64_t now_millis) {
  if (file.expiring_entries == 0 || file.entries == 0 || now_millis < file.min_expires_at) return 0;
  double passed = 1.0;
  if (now_millis < file.max_expires_at) {
    passed = static_cast<double>(now_millis - file.min_expires_at) /
             static_cast<double>(file.max_expires_at - file.min_expires_at);
  }
  return passed * static_cast<double>(file.expiring_entries) / static_cast<double>(file.entries);
}

std::optional<CompactionPlan> PlanLevelBytes(const PlannerInput& input, int level) {
  struct Candidate {
    double cost;
    const FileMeta* file;
  };
  std::vector<Candidate> candidates;
  for (const FileMeta* file : Level(input, level)) {
    const uint64_t below = BytesOf(Overlapping(Level(input, level + 1), RangeOf(*file)));
    const double cost = static_cast<double>(below) / static_cast<double>(std::max<uint64_t>(file->bytes, 1));
    candidates.push_back({cost - TombstoneShare(*file), file});
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.cost < b.cost; });
  for (const Candidate& candidate : candidates) {
    auto plan = Complete(input, CompactionReason::kLevelBytes, level, level + 1, {candidate.file}, nullptr);
    if (plan) return plan;
  }
  return std::nullopt;
}

// Tables worth rewriting for what they hold rather than for where they are.
std::optional<CompactionPlan> PlanReclaim(const PlannerInput& input) {
  for (int level = 0; level < kLevelCount; ++level) {
    for (const FileMeta* file : Level(input, level)) {
      const bool expired = ExpiredShare(*file, input.now_millis) >= kDenseShare;
      const bool dense = TombstoneShare(*file) >= kDenseShare || file->range_deletes > 0;
      // A snapshot that is older than a tombstone keeps both it and what it hides.
      if (!expired && (!dense || file->largest_seq > input.oldest_snapshot)) continue;
      const auto reason = expired ? CompactionReason::kExpired : CompactionReason::kTombstones;
      const bool in_place = level > 0 && !AnyOverlapBelow(input, level, RangeOf(*file));
      if (expired && in_place && file->largest_seq > input.oldest_snapshot) continue;
      const int output = in_place || level + 1 == kLevelCount ? level : level + 1;
      if (auto plan = Complete(input, reason, level, output, {file}, nullptr)) return plan;
    }
  }
  return std::nullopt;
}

}  // namespace

const char* CompactionReasonName(CompactionReason reason) {
  switch (reason) {
    case CompactionReason::kLevel0: return "level0";
    case CompactionReason::kLevelBytes: return "level_bytes";
    case CompactionReason::kTombstones: return "tombstones";
    case CompactionReason::kExpired: return "expired";
    case CompactionReason::kManual: return "manual";
  }
  return "unknown";
}

std::string CompactionPlan::ToString() const {
  std::string text = CompactionReasonName(reason);
  text += " L" + std::to_string(input_level) + "[";
  for (size_t i = 0; i < inputs.size(); ++i) {
    text += (i > 0 ? " " : "") + std::to_string(inputs[i]);
  }
  text += "] -> L" + std::to_string(output_level) + "[";
  for (size_t i = 0; i < overlapping.size(); ++i) {
    text += (i > 0 ? " " : "") + std::to_string(overlapping[i]);
  }
  text += "] " + begin + ".." + end;
  if (trivial_move) text += " move";
  if (!borders.empty()) {
    text += " cut at";
    for (const std::string& border : borders) text += " " + border;
  }
  return text;
}

double LevelScores::max_score() const { return *std::max_element(scores.begin(), scores.end()); }

std::string LevelScores::ToString() const {
  char text[64];
  std::snprintf(text, sizeof text, "depth %d fan-out %.2f", depth, fan_out);
  std::string line = text;
  for (size_t level = 0; level < scores.size(); ++level) {
    if (scores[level] == 0 && targets[level] == kNoTarget) continue;
    std::snprintf(text, sizeof text, " L%zu %.2f", level, scores[level]);
    line += text;
    if (targets[level] != kNoTarget) line += " of " + std::to_string(targets[level]);
  }
  return line + " debt " + std::to_string(debt_bytes);
}

LevelScores ScoreLevels(const PlannerOptions& options, const PlannerInput& input) {
  NOKV_CHECK(options.first_level_bytes() > 0 && options.level_ratio > 1);
  LevelScores result;
  std::array<double, kLevelCount> bytes{};
  double total = 0;
  int deepest = 1;
  for (int level = 0; level < kLevelCount; ++level) {
    const FileList& files = Level(input, level);
    bytes[static_cast<size_t>(level)] = static_cast<double>(BytesOf(files));
    if (level == 0) continue;
    total += bytes[static_cast<size_t>(level)];
    if (!files.empty()) deepest = level;
  }

  const auto first = static_cast<double>(options.first_level_bytes());
  double room = first * options.level_ratio;  // of `depth` levels
  while (result.depth < deepest || (total > room && result.depth + 1 < kLevelCount)) {
    ++result.depth;
    room *= options.level_ratio;
  }
  result.fan_out = std::max(1.0, std::pow(total / first, 1.0 / result.depth));

  result.targets.fill(kNoTarget);
  result.scores[0] = static_cast<double>(input.level0_runs) / static_cast<double>(options.level0_trigger());
  double arriving = 0;  // what is on its way into the next level
  double debt = 0;
  if (input.level0_runs >= options.level0_trigger()) {
    arriving = bytes[0];
    debt = bytes[0] + bytes[1];
  }
  double target = first;
  for (int level = 1; level < result.depth; ++level) {
    const auto i = static_cast<size_t>(level);
    target *= result.fan_out;
    result.targets[i] = target < 1e19 ? static_cast<uint64_t>(target) : kNoTarget;
    result.scores[i] = bytes[i] / target;
    // Moving a share of a level down rewrites the same share of the level below; over nothing it is free.
    const double held = bytes[i] + arriving;
    arriving = std::max(0.0, held - target);
    if (arriving > 0 && bytes[i + 1] > 0) debt += arriving * (1.0 + bytes[i + 1] / held);
  }
  result.debt_bytes = static_cast<uint64_t>(debt);

  // Level 0 rewrites level 1 as a whole, the levels between their share.
  const auto level0 = static_cast<double>(options.level0_bytes());
  const double descent =
      level0 * result.depth + first * result.fan_out + level0 * result.fan_out * (result.depth - 1);
  result.descent_bytes = descent < 1e19 ? static_cast<uint64_t>(descent) : UINT64_MAX;
  return result;
}

std::optional<CompactionPlan> PlanCompaction(const PlannerOptions& options,
                                             const PlannerInput& input) {
  const LevelScores scores = ScoreLevels(options, input);
  std::vector<int> order;
  for (int level = 0; level + 1 < kLevelCount; ++level) {
    if (scores.scores[static_cast<size_t>(level)] >= 1.0) order.push_back(level);
  }
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return scores.scores[static_cast<size_t>(a)] > scores.scores[static_cast<size_t>(b)];
  });
  for (const int level : order) {
    auto plan = level == 0 ? PlanLevel0(input) : PlanLevelBytes(input, level);
    if (!plan) continue;
    plan->score = scores.scores[static_cast<size_t>(level)];
    return plan;
  }
  return PlanReclaim(input);
}

std::optional<CompactionPlan> PlanManual(const PlannerOptions&,
                                         const PlannerInput& input,
                                         int level,
                                         int output_level,
                                         const key::KeyRange& range,
                                         bool* blocked) {
  NOKV_CHECK(output_level == level + 1 || (output_level == level && level > 0));
  *blocked = false;
  FileList inputs = Overlapping(Level(input, level), range);
  if (inputs.empty()) return std::nullopt;
  return Complete(input, CompactionReason::kManual, level, output_level, std::move(inputs), blocked);
}

}  // namespace nokv::lsm
