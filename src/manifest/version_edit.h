#pragma once

// VersionEdit: one atomic change to what the database consists of, and its encoding.
//
// An edit is plain data: it says what changes and checks nothing; State (state.h) knows whether a
// change makes sense. The encoding is docs/format/manifest.md, section "Edits"; it is permanent.
// Thread-safe like the standard containers it is made of.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nokv/slice.h"
#include "nokv/status.h"

#include "key/entry.h"

namespace nokv::manifest {

// 0 is where flushes arrive, kLevelCount - 1 the bottom.
inline constexpr int kLevelCount = 7;

// One table, as the manifest knows it. Immutable once added: to change a file's facts is to remove
// it and add it again in one edit.
struct FileMeta {
  uint64_t number = 0;
  uint64_t bytes = 0;  // size of the file
  // Every point and every range tombstone in it lies in [begin, end), in engine keys.
  std::string begin;
  std::string end;
  uint64_t smallest_seq = 0;
  uint64_t largest_seq = 0;
  uint64_t entries = 0;        // points, of every kind
  uint64_t deletes = 0;        // of these, tombstones
  uint64_t range_deletes = 0;  // not counted in entries
  // Over the entries that expire, in milliseconds since the Unix epoch; 0 if there are none.
  uint64_t min_expires_at = 0;
  uint64_t max_expires_at = 0;
  uint64_t expiring_entries = 0;
  uint64_t created_at_ms = 0;
  uint64_t raw_bytes = 0;  // keys and values, uncompressed

  // Borrows from this.
  key::KeyRange range() const { return {begin, end}; }
  bool operator==(const FileMeta&) const = default;
};

// A column family comes into being or goes. A dropped family's id is never given to another.
struct FamilyEdit {
  uint32_t id = 0;
  std::string name;  // not needed to drop
  bool dropped = false;
  bool operator==(const FamilyEdit&) const = default;
};

// Where the log ended when the database was closed in order: nothing follows, and less is a loss.
struct CleanEnd {
  uint32_t segment = 0;
  uint32_t offset = 0;
  bool operator==(const CleanEnd&) const = default;
};

// Fields take effect in the order in which they stand here.
struct VersionEdit {
  // At least this; file numbers below may be in use. The writer keeps it ahead by itself.
  std::optional<uint64_t> next_file_number;
  std::vector<std::pair<int, uint64_t>> removed;  // level and number
  std::vector<std::pair<int, FileMeta>> added;    // level and file
  std::vector<FamilyEdit> families;
  std::optional<uint32_t> next_family_id;  // at least this
  std::optional<uint64_t> flushed_seq;     // every write up to and with this one is in tables
  std::optional<uint64_t> last_seq;        // no table holds a greater one; at least this
  std::optional<uint32_t> log_first_segment;    // the oldest that recovery needs
  std::optional<uint32_t> log_created_through;  // the newest that ever existed
  bool clear_clean_end = false;
  std::optional<CleanEnd> log_clean_end;

  bool operator==(const VersionEdit&) const = default;

  void EncodeTo(std::string* to) const;
  // kCorruption: malformed. kNotSupported: holds a field that must be understood and is not known
  // here. *edit is unspecified then. Never trusts its input.
  static Status Decode(Slice bytes, VersionEdit* edit);

  // One line for people: "+L0 #7 [\"a\", \"b\") 4096 B; -L1 #3; flushed seq 9".
  std::string DebugString() const;
  // One JSON object, absent fields left out. Bytes of keys and names above 0x7e stand as \u00XX.
  std::string ToJson() const;
};

}  // namespace nokv::manifest
