#pragma once

// Stats: what a database is doing and has done, as plain numbers at one moment.
//
// Counters grow from 0 at open; gauges say what is now. Groups and field names follow the statistics of
// the original NoKV where it has them.

#include <cstdint>
#include <string>
#include <vector>

namespace nokv {

struct Stats {
  uint64_t entries = 0;            // versions in memtables and tables, before folding
  uint64_t last_sequence = 0;      // of the newest visible write
  uint64_t database_id = 0;
  std::string state = "open";      // open | no_space | read_only | closed
  std::string background_error;    // why it is read-only or waits for space; empty if well

  struct Write {
    uint64_t commits = 0, operations = 0, bytes = 0;
    uint64_t synced_commits = 0, syncs = 0;
    uint64_t delayed = 0, delay_micros = 0;
    uint64_t stopped = 0, stop_micros = 0;
    std::string pressure_reason;   // memtables | level0 | compaction_debt; empty
    double pressure = 0;           // 0 none .. 1 the longest delay
  } write;

  struct Read {
    uint64_t iterators = 0;        // made so far
    uint64_t snapshots = 0, oldest_snapshot_sequence = 0, oldest_snapshot_age_ms = 0;
    uint64_t pinned_views = 0;     // held by iterators and pinned values
  } read;

  // Who holds on to an old state of the database, and what that costs. The oldest first.
  struct Reader {
    std::string kind;         // iterator | snapshot
    std::string label;        // ReadOptions::label
    uint64_t sequence = 0;    // reads as of this one
    uint64_t age_ms = 0;
    uint64_t held_bytes = 0;  // tables and memtables that would be gone without it; iterators only
  };
  std::vector<Reader> readers;

  struct Memtables {
    uint64_t active_bytes = 0, immutable_count = 0, immutable_bytes = 0;
  } memtables;

  struct Flush {
    uint64_t pending = 0, completed = 0, failed = 0, bytes_written = 0;
    uint64_t prepare_micros = 0, build_micros = 0, install_micros = 0, release_micros = 0;
    uint64_t entries_in = 0, entries_out = 0;
  } flush;

  struct Compaction {
    uint64_t backlog = 0, running = 0, runs = 0, moves = 0, failed = 0;
    double max_score = 0;
    uint64_t debt_bytes = 0, bytes_read = 0, bytes_written = 0, micros = 0;
    uint64_t entries_in = 0, entries_out = 0;
  } compaction;

  struct Level {
    int level = 0;
    uint64_t tables = 0, size_bytes = 0, entries = 0, deletes = 0, range_deletes = 0;
    double score = 0;
  };
  std::vector<Level> levels;

  struct Log {
    uint64_t active_segment = 0, segment_count = 0, bytes = 0, recycled = 0, syncs = 0;
    uint64_t replayed_records = 0, dropped_tail_bytes = 0;
  } wal;

  struct Manifest {
    uint64_t number = 0, bytes = 0, edits = 0, rewrites = 0;
  } manifest;

  struct Cache {
    uint64_t capacity_bytes = 0, used_bytes = 0, pinned_bytes = 0;
    uint64_t hits = 0, misses = 0, inserts = 0, rejections = 0, evictions = 0;
  } cache;

  struct Memory {
    uint64_t budget_bytes = 0, memtable_bytes = 0, cache_bytes = 0, table_bytes = 0;
  } memory;

  struct Family {
    std::string name;
    uint32_t id = 0;
  };
  std::vector<Family> column_families;

  // One JSON object; groups as nested objects with the names above.
  std::string ToJson() const;
};

}  // namespace nokv
