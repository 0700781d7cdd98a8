#pragma once

// State: what the database consists of; the fold of every edit of its manifest.
//
// Invariants, kept by Apply whatever it is given:
//  1. a file is in one level only; within a level files stand in ascending order of number.
//  2. every file number is in (0, next_file_number); every range is non-empty and every
//     largest_seq <= last_seq.
//  3. no counter ever decreases.
//  4. family names are distinct; a family's id is below next_family_id and was never another's.
// Whether files of one level may overlap is the levels' business (lsm), not the manifest's.
//
// Confined to one thread at a time; a const State may be read by many.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "nokv/status.h"

#include "key/family.h"
#include "manifest/version_edit.h"

namespace nokv::manifest {

struct State {
  uint64_t database_id = 0;
  uint32_t format_version = 0;

  std::array<std::vector<FileMeta>, kLevelCount> levels;
  std::map<key::FamilyId, std::string> families;
  // Numbers below may be in use: the durable reservation, ahead of what Manifest has handed out.
  uint64_t next_file_number = 1;
  // Ids below kFirstUserFamily belong to the built-in families; who opens the database adds those.
  key::FamilyId next_family_id = key::kFirstUserFamily;
  uint64_t flushed_seq = 0;
  uint64_t last_seq = 0;
  uint32_t log_first_segment = 0;
  uint32_t log_created_through = 0;
  std::optional<CleanEnd> log_clean_end;

  bool operator==(const State&) const = default;

  // kInvalidArgument, and nothing changed, if the edit breaks an invariant.
  Status Apply(const VersionEdit& edit);

  // The file and its level; nullptr if there is none.
  const FileMeta* Find(uint64_t number, int* level) const;
  size_t file_count() const;

  // The edits that make this out of an empty State, none much larger than `bytes_max`.
  std::vector<VersionEdit> ToEdits(size_t bytes_max) const;

  // One JSON object, in the manner of VersionEdit::ToJson.
  std::string ToJson() const;
};

// Edits applied one after the other beside a State, which changes only at the end, in one pass.
// This is how a group is checked before it is written, and how a long manifest is folded in linear
// time. Confined to one thread.
class StateFold {
 public:
  // REQUIRES: *base outlives this and does not change meanwhile.
  explicit StateFold(const State& base);

  // kInvalidArgument if the edit breaks an invariant; the fold is of no use then.
  Status Add(const VersionEdit& edit);

  // Applies everything. REQUIRES: *base is the one given to the constructor; every Add was OK.
  // This is of no use afterwards.
  void CommitTo(State* base);

 private:
  struct Placed {
    int base_level = -1;  // where the file is in the base, -1 for nowhere
    int level = -1;       // where it is after the edits
    FileMeta file;        // if level >= 0
  };

  // The level of a file after the edits so far, -1 for nowhere.
  int LevelOf(uint64_t number) const;
  Placed* Touch(uint64_t number);
  Status Remove(int level, uint64_t number);
  Status AddFile(int level, const FileMeta& file);
  Status ChangeFamily(const FamilyEdit& edit);
  Status ChangeCounters(const VersionEdit& edit);

  const State& base_;
  std::map<uint64_t, Placed> touched_;
  State next_;  // without levels
};

}  // namespace nokv::manifest
