#pragma once

// Options: how a database is opened, read and written.
//
// The defaults are right for most. Each field says its default, what it costs, and when to change it.
// DB::Open checks all of them and names each wrong one.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "nokv/slice.h"
#include "nokv/status.h"

namespace nokv {

class Snapshot;

enum class CompressionType : unsigned char { kNone = 0, kLz4 = 1, kZstd = 2 };

struct Options {
  // --- Opening -------------------------------------------------------------------------------------

  // Create the directory and an empty database if there is none.
  bool create_if_missing = true;
  // Fail with kInvalidArgument if there is one already.
  bool error_if_exists = false;
  // Open without the lock and without changing a byte: what was committed when the log was last written
  // is readable, writes fail with kReadOnly. For tools and for looking at a running server's data.
  bool read_only = false;

  // --- Memory --------------------------------------------------------------------------------------

  // Bytes for everything the engine holds: memtables, block cache, indexes and filters. At least
  // 16 MiB. The block cache gets what the others leave. Raise it first if reads hit the disk. Where the process may use
  // less than one and a half times as much (the machine's memory, or its control group's limit), blocks are read past
  // the page cache, for which there is hardly any room then.
  size_t memory_budget = 512ULL << 20;
  // Bytes of one memtable; several exist while flushes run. Larger ones fold more overwrites before they
  // reach the disk and make recovery longer. At least 64 KiB and at most a quarter of memory_budget;
  // 0 chooses 128 MiB or an eighth of memory_budget, whichever is less.
  size_t memtable_bytes = 0;
  // Writes wait when this many memtables are full and not yet flushed. At least 1. The memory for them and for the
  // active one is set aside from the beginning, at most half of memory_budget.
  size_t immutable_memtables_max = 1;

  // --- Limits --------------------------------------------------------------------------------------

  // A batch beyond this many encoded bytes is refused with kLimitExceeded. At most 2 GiB.
  size_t max_batch_bytes = (1ULL << 30) + (16ULL << 20);

  // --- Background work -----------------------------------------------------------------------------

  // Threads for compaction. Flushes have a thread of their own.
  size_t compaction_threads = 1;

  // --- Groups --------------------------------------------------------------------------------------

  struct Log {
    // Bytes of one segment of the write-ahead log, preallocated and recycled. At least 64 KiB.
    size_t segment_bytes = 64ULL << 20;
    // Segments kept for reuse: writing over old ones syncs about twice as fast as growing new ones.
    size_t recycled_segments_max = 4;
  } log;

  struct Table {
    // Bytes of a data block before compression; 0 chooses 4 KiB.
    size_t block_bytes = 0;
    // Bits of Bloom filter per key; 10 lets about 1 in 100 absent keys through. 0 for no filter.
    int bloom_bits_per_key = 10;
    // For the upper levels, and for level 2 and below. A block that compression makes hardly smaller is
    // stored plain.
    CompressionType upper_compression = CompressionType::kNone;
    CompressionType lower_compression = CompressionType::kLz4;
    int zstd_level = 1;
    // Bytes at which compaction begins a new table.
    size_t file_bytes = 32ULL << 20;
  } table;

  struct Compaction {
    // Runs in level 0 at which compaction starts.
    size_t level0_runs = 4;
    // The same while no iterator meets the runs and the tables are more than twice memory_budget. Each merge of
    // level 0 rewrites level 1, so that fewer and larger ones write less; a point read asks one filter more
    // for each run, an iterator reads a block of each. Less than level0_runs
    // counts as that.
    size_t level0_runs_unscanned = 16;
    // Runs in level 0 at which the write delay has reached its maximum; twice as many while
    // level0_runs_unscanned applies.
    size_t level0_runs_slow = 40;
    // Levels are as many, and each as many times larger than the one above, as the bytes stored ask for:
    // d levels below level 0 hold up to level1_bytes * level_ratio^d. level1_bytes = 0 chooses half of
    // level0_runs memtables, which writes least. A smaller ratio writes less and in shorter jobs, a larger
    // one needs less space for overwritten data and gives absent keys fewer levels to be looked for in.
    uint64_t level1_bytes = 0;
    double level_ratio = 5.0;
    // Compact by need. Off for tests and bulk loads that call CompactRange themselves.
    bool automatic = true;
  } compaction;

  struct BackPressure {
    // Longest delay of one write, in microseconds; 0 turns delays off (writes still stop at the hard
    // limit of memory).
    uint32_t delay_micros_max = 1000;
  } back_pressure;
};

// What is wrong with `options`, one sentence per field; OK if nothing.
Status ValidateOptions(const Options& options);

struct WriteOptions {
  // Return only when the write survives a loss of power (one fdatasync, shared by all who wait). Without
  // it, the write survives the death of the process.
  bool sync = false;
  // If not zero, what is put is gone that long after the write. Applies to every put of a batch that has
  // no expiry of its own. Millisecond precision.
  std::chrono::milliseconds ttl{0};
};

struct ReadOptions {
  // Read as of this moment; null reads the newest.
  const Snapshot* snapshot = nullptr;
  // Iterators: keys at or after lower_bound and before upper_bound. Empty means no bound. The bytes are
  // copied by NewIterator.
  Slice lower_bound;
  Slice upper_bound;
  // Iterators: only keys that begin with this. Empty means all.
  Slice prefix;
  // Iterators: do not read values.
  bool keys_only = false;
  // Keep what is read in the block cache. Turn off for a scan of everything.
  bool fill_cache = true;
  // Iterators: bytes to read ahead of a forward scan; 0 adapts to what it sees.
  size_t readahead_bytes = 0;
  // Iterators: who this is, for Stats::readers. Copied by NewIterator.
  Slice label;
};

struct FlushOptions {
  // Wait until what was written before the call is in tables.
  bool wait = true;
};

struct CompactRangeOptions {
  // Rewrite the last level too, even where nothing above it overlaps: drops tombstones and expired
  // entries, recompresses.
  bool rewrite_last_level = false;
};

}  // namespace nokv
