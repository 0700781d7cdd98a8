#pragma once

// For the tests of this module: edits drawn at random that a given State accepts.
// Confined to one thread.

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "key/entry.h"
#include "manifest/state.h"
#include "manifest/version_edit.h"

namespace nokv::manifest {

class EditGenerator {
 public:
  explicit EditGenerator(uint64_t seed) : random_(seed) {}

  base::Random& random() { return random_; }

  // A number of up to 56 bits, small ones as likely as large ones.
  uint64_t Number() { return random_.Next() >> (8 + random_.Uniform(56)); }

  std::string Bytes(size_t size_max) {
    std::string bytes(random_.Uniform(size_max + 1), '\0');
    for (char& c : bytes) c = static_cast<char>(random_.Next());
    return bytes;
  }

  FileMeta File(uint64_t number) {
    FileMeta file;
    file.number = number;
    file.bytes = Number();
    file.begin = Bytes(20);
    file.end = file.begin + static_cast<char>(random_.Uniform(256)) + Bytes(10);
    file.smallest_seq = Number();
    file.largest_seq = file.smallest_seq + random_.Uniform(1000);
    if (file.largest_seq > key::kMaxSequence) file.largest_seq = file.smallest_seq;
    file.entries = Number();
    file.deletes = Number();
    file.range_deletes = Number();
    file.created_at_ms = Number();
    file.raw_bytes = Number();
    if (random_.OneIn(3)) {
      file.min_expires_at = Number();
      file.max_expires_at = file.min_expires_at + Number();
      file.expiring_entries = Number();
    }
    return file;
  }

  // An edit that `state` accepts: files come, go and move, families come and go, counters grow.
  VersionEdit Next(const State& state, const std::function<uint64_t()>& new_number) {
    VersionEdit edit;
    RemoveAndMove(state, &edit);
    for (uint64_t n = random_.Uniform(3); n > 0; --n) {
      edit.added.emplace_back(Level(), File(new_number()));
    }
    ChangeFamilies(state, &edit);
    if (random_.OneIn(2)) edit.flushed_seq = Grown(state.flushed_seq);
    if (random_.OneIn(4)) edit.last_seq = Grown(state.last_seq);
    if (random_.OneIn(4)) edit.log_first_segment = Grown(state.log_first_segment);
    if (random_.OneIn(4)) edit.log_created_through = Grown(state.log_created_through);
    if (random_.OneIn(8)) edit.next_family_id = Grown(state.next_family_id);
    if (random_.OneIn(8)) {
      edit.log_clean_end = CleanEnd{static_cast<uint32_t>(random_.Next()), 0};
    }
    edit.clear_clean_end = random_.OneIn(8);
    return edit;
  }

 private:
  int Level() { return static_cast<int>(random_.Uniform(kLevelCount)); }

  template <typename Integer>
  Integer Grown(Integer from) {
    return static_cast<Integer>(from + random_.Uniform(100));
  }

  void RemoveAndMove(const State& state, VersionEdit* edit) {
    for (int level = 0; level < kLevelCount; ++level) {
      for (const FileMeta& file : state.levels[static_cast<size_t>(level)]) {
        if (!random_.OneIn(4 + state.file_count())) continue;
        edit->removed.emplace_back(level, file.number);
        if (random_.OneIn(2)) edit->added.emplace_back(Level(), file);
      }
    }
  }

  void ChangeFamilies(const State& state, VersionEdit* edit) {
    if (random_.OneIn(6)) {
      std::string name = std::to_string(random_.Next());
      edit->families.push_back({state.next_family_id, std::move(name), false});
    }
    for (const auto& [id, name] : state.families) {
      if (random_.OneIn(20)) edit->families.push_back({id, name, true});
    }
  }

  base::Random random_;
};

}  // namespace nokv::manifest
