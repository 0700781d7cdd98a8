#include "manifest/state.h"

#include <algorithm>

#include "base/check.h"
#include "key/entry.h"
#include "manifest/file_names.h"

namespace nokv::manifest {

namespace {

bool NumberBefore(const FileMeta& a, const FileMeta& b) { return a.number < b.number; }

std::string Named(uint64_t number) { return "file " + std::to_string(number); }

Status CheckFile(int level, const FileMeta& file, uint64_t next_file_number) {
  const auto refuse = [&](const std::string& problem) {
    return Status::InvalidArgument(Named(file.number) + ": " + problem);
  };
  if (level < 0 || level >= kLevelCount) {
    return refuse("there is no level " + std::to_string(level));
  }
  if (file.number == 0 || file.number >= next_file_number) {
    return refuse("its number is not below next_file_number " + std::to_string(next_file_number));
  }
  if (file.begin >= file.end) return refuse("its key range is empty");
  if (file.smallest_seq > file.largest_seq || file.largest_seq > key::kMaxSequence) {
    return refuse("its sequence range " + std::to_string(file.smallest_seq) + ".." +
                  std::to_string(file.largest_seq) + " is impossible");
  }
  return Status::Ok();
}

// Counters that only grow, and where a step back is a sign of lost order.
template <typename Integer>
Status Advance(const char* name, const std::optional<Integer>& to, Integer* counter) {
  if (!to) return Status::Ok();
  if (*to < *counter) {
    return Status::InvalidArgument(std::string(name) + " goes back from " +
                                   std::to_string(*counter) + " to " + std::to_string(*to));
  }
  *counter = *to;
  return Status::Ok();
}

// About what an edit takes to encode this file.
size_t EncodedBytes(const FileMeta& file) { return 128 + file.begin.size() + file.end.size(); }

}  // namespace

Status State::Apply(const VersionEdit& edit) {
  StateFold fold(*this);
  NOKV_TRY(fold.Add(edit));
  fold.CommitTo(this);
  return Status::Ok();
}

const FileMeta* State::Find(uint64_t number, int* level) const {
  for (int l = 0; l < kLevelCount; ++l) {
    const std::vector<FileMeta>& files = levels[static_cast<size_t>(l)];
    const auto it = std::lower_bound(files.begin(), files.end(), number,
                                     [](const FileMeta& f, uint64_t n) { return f.number < n; });
    if (it == files.end() || it->number != number) continue;
    *level = l;
    return &*it;
  }
  return nullptr;
}

size_t State::file_count() const {
  size_t count = 0;
  for (const auto& files : levels) count += files.size();
  return count;
}

std::vector<VersionEdit> State::ToEdits(size_t bytes_max) const {
  std::vector<VersionEdit> edits(1);
  VersionEdit& counters = edits.front();
  counters.next_file_number = next_file_number;
  counters.next_family_id = next_family_id;
  counters.flushed_seq = flushed_seq;
  counters.last_seq = last_seq;
  counters.log_first_segment = log_first_segment;
  counters.log_created_through = log_created_through;
  counters.log_clean_end = log_clean_end;
  for (const auto& [id, name] : families) counters.families.push_back({id, name, false});

  size_t bytes = 0;
  for (int level = 0; level < kLevelCount; ++level) {
    for (const FileMeta& file : levels[static_cast<size_t>(level)]) {
      if (bytes > 0 && bytes + EncodedBytes(file) > bytes_max) {
        edits.emplace_back();
        bytes = 0;
      }
      edits.back().added.emplace_back(level, file);
      bytes += EncodedBytes(file);
    }
  }
  return edits;
}

StateFold::StateFold(const State& base) : base_(base) {
  next_.database_id = base.database_id;
  next_.format_version = base.format_version;
  next_.families = base.families;
  next_.next_file_number = base.next_file_number;
  next_.next_family_id = base.next_family_id;
  next_.flushed_seq = base.flushed_seq;
  next_.last_seq = base.last_seq;
  next_.log_first_segment = base.log_first_segment;
  next_.log_created_through = base.log_created_through;
  next_.log_clean_end = base.log_clean_end;
}

Status StateFold::Add(const VersionEdit& edit) {
  if (edit.next_file_number) {
    if (*edit.next_file_number > kFileNumberMax) {
      return Status::InvalidArgument("next_file_number is over the limit of " +
                                     std::to_string(kFileNumberMax));
    }
    next_.next_file_number = std::max(next_.next_file_number, *edit.next_file_number);
  }
  for (const auto& [level, number] : edit.removed) NOKV_TRY(Remove(level, number));
  for (const auto& [level, file] : edit.added) NOKV_TRY(AddFile(level, file));
  for (const FamilyEdit& family : edit.families) NOKV_TRY(ChangeFamily(family));
  return ChangeCounters(edit);
}

Status StateFold::Remove(int level, uint64_t number) {
  if (level < 0 || LevelOf(number) != level) {
    return Status::InvalidArgument(Named(number) + ": removed from level " +
                                   std::to_string(level) + ", which does not hold it");
  }
  Placed* placed = Touch(number);
  placed->level = -1;
  placed->file = FileMeta();
  return Status::Ok();
}

Status StateFold::AddFile(int level, const FileMeta& file) {
  NOKV_TRY(CheckFile(level, file, next_.next_file_number));
  if (const int held = LevelOf(file.number); held >= 0) {
    return Status::InvalidArgument(Named(file.number) + ": added to level " +
                                   std::to_string(level) + ", but level " + std::to_string(held) +
                                   " holds it");
  }
  Placed* placed = Touch(file.number);
  placed->level = level;
  placed->file = file;
  next_.last_seq = std::max(next_.last_seq, file.largest_seq);
  return Status::Ok();
}

Status StateFold::ChangeFamily(const FamilyEdit& edit) {
  const auto refuse = [&](const std::string& problem) {
    return Status::InvalidArgument("family " + std::to_string(edit.id) + ": " + problem);
  };
  const auto it = next_.families.find(edit.id);
  if (edit.dropped) {
    if (it == next_.families.end()) return refuse("dropped, but there is none");
    next_.families.erase(it);
    return Status::Ok();
  }
  if (it != next_.families.end()) return refuse("added, but it exists");
  if (edit.name.empty()) return refuse("it has no name");
  if (edit.id == UINT32_MAX) return refuse("the limit of family ids is reached");
  if (edit.id >= key::kFirstUserFamily && edit.id < next_.next_family_id) {
    return refuse("the id was given out before");
  }
  for (const auto& [id, name] : next_.families) {
    if (name == edit.name) return refuse("its name is that of family " + std::to_string(id));
  }
  next_.families.emplace(edit.id, edit.name);
  next_.next_family_id = std::max(next_.next_family_id, edit.id + 1);
  return Status::Ok();
}

Status StateFold::ChangeCounters(const VersionEdit& edit) {
  if (edit.next_family_id) {
    next_.next_family_id = std::max(next_.next_family_id, *edit.next_family_id);
  }
  for (const auto& seq : {edit.flushed_seq, edit.last_seq}) {
    if (seq.value_or(0) > key::kMaxSequence) {
      return Status::InvalidArgument("sequence number " + std::to_string(*seq) +
                                     " is over the limit");
    }
  }
  if (edit.last_seq) next_.last_seq = std::max(next_.last_seq, *edit.last_seq);
  NOKV_TRY(Advance("flushed_seq", edit.flushed_seq, &next_.flushed_seq));
  NOKV_TRY(Advance("log_first_segment", edit.log_first_segment, &next_.log_first_segment));
  NOKV_TRY(Advance("log_created_through", edit.log_created_through, &next_.log_created_through));
  if (edit.clear_clean_end) next_.log_clean_end.reset();
  if (edit.log_clean_end) next_.log_clean_end = edit.log_clean_end;
  return Status::Ok();
}

int StateFold::LevelOf(uint64_t number) const {
  if (const auto it = touched_.find(number); it != touched_.end()) return it->second.level;
  int level = -1;
  base_.Find(number, &level);
  return level;
}

StateFold::Placed* StateFold::Touch(uint64_t number) {
  const auto [it, inserted] = touched_.try_emplace(number);
  if (inserted) base_.Find(number, &it->second.base_level);
  return &it->second;
}

void StateFold::CommitTo(State* base) {
  NOKV_CHECK(base == &base_);
  std::array<std::vector<uint64_t>, kLevelCount> gone;  // ascending, as touched_ is
  for (const auto& [number, placed] : touched_) {
    if (placed.base_level >= 0) gone[static_cast<size_t>(placed.base_level)].push_back(number);
  }
  for (size_t level = 0; level < kLevelCount; ++level) {
    if (gone[level].empty()) continue;
    std::erase_if(base->levels[level], [&](const FileMeta& file) {
      return std::binary_search(gone[level].begin(), gone[level].end(), file.number);
    });
  }
  std::array<size_t, kLevelCount> kept;
  for (size_t level = 0; level < kLevelCount; ++level) kept[level] = base->levels[level].size();
  for (auto& [number, placed] : touched_) {
    if (placed.level < 0) continue;
    base->levels[static_cast<size_t>(placed.level)].push_back(std::move(placed.file));
  }
  for (size_t level = 0; level < kLevelCount; ++level) {
    std::vector<FileMeta>& files = base->levels[level];
    const auto middle = files.begin() + static_cast<std::ptrdiff_t>(kept[level]);
    std::inplace_merge(files.begin(), middle, files.end(), NumberBefore);
  }
  next_.levels = std::move(base->levels);
  *base = std::move(next_);
}

}  // namespace nokv::manifest
