#pragma once

// TableReader: point reads and iterators over one table file.
//
// What is needed to find a block is pinned in memory by Open: index, filter, properties, range
// tombstones. A point read that finds its block in the cache allocates nothing, takes no lock and
// writes to no shared memory.
//
// A point read goes: MayContain (the caller asks, so that it can prefetch the filters of several
// tables first), index, cache, block. Get itself does not ask the filter.
//
// Invariants:
//  1. no answer comes from bytes whose checksum was not checked when they were read from the
//  device; cached
//     blocks are not checked again.
//  2. damage is an error that names file and offset, never an answer.
//  3. footer, index, filter, properties and tombstones are whole, or Open fails.
//
// Thread-safe: immutable after Open. Iterators and results do not outlive the reader.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "nokv/result.h"
#include "nokv/slice.h"
#include "nokv/status.h"

#include "cache/block_cache.h"
#include "key/entry.h"
#include "key/range_tombstones.h"
#include "sst/bloom_filter.h"
#include "sst/index.h"
#include "sst/metrics.h"
#include "sst/properties.h"
#include "sst/table_file.h"
#include "vfs/file_system.h"

namespace nokv::sst {

// How a point read treats the cache.
struct ReadOptions {
  // A block read from the device enters the cache.
  bool fill_cache = true;
  // false: the caller holds a guard of the cache's epoch domain during the call, and the value is
  // valid while both that guard and the GetResult live. A hit touches no reference count. true: the
  // value is valid as long as the GetResult, and no guard is needed.
  bool pin_value = false;
};

// The answer to a point read. Confined to one thread. Each Get lets go of what the one before
// pinned, and pins nothing if it finds nothing.
struct GetResult {
  bool found = false;
  uint64_t trailer = 0;
  uint64_t expires_at = 0;  // milliseconds since the Unix epoch; 0: never
  Slice value;              // for how long: see ReadOptions::pin_value
  BlockPin pin;

  key::SequenceNumber seq() const { return key::TrailerSequence(trailer); }
  key::Kind kind() const { return key::TrailerKind(trailer); }
};

struct IteratorOptions {
  // Blocks read from the device enter the cache, with this priority.
  bool fill_cache = true;
  cache::BlockCache::Priority priority = cache::BlockCache::Priority::kNormal;
  // Neither look into the cache nor fill it: every block comes from the device and is checked. For
  // compaction, whose output must not inherit what memory may have done to a cached block.
  bool bypass_cache = false;
  // Bytes to read at once from the first read on; 0 reads single blocks at first, and ahead in
  // growing steps once the reads follow each other.
  size_t readahead_bytes = 0;
};

class TableReader {
 public:
  // All may be null or zero. They outlive the reader.
  struct Context {
    cache::BlockCache* cache = nullptr;  // null: every read goes to the device
    uint64_t database_id = 0;
    Metrics* metrics = nullptr;
  };
  using IteratorOptions = sst::IteratorOptions;

  // kCorruption if the file is damaged, or is not table `file_number` of that database;
  // kNotSupported if its format is of a later version.
  static Result<std::unique_ptr<TableReader>> Open(const Context& context,
                                                   std::unique_ptr<vfs::RandomAccessFile> file,
                                                   uint64_t file_number);
  TableReader(const TableReader&) = delete;
  TableReader& operator=(const TableReader&) = delete;

  // False: the table has no entry for a key with this hash (base::Hash64 of the engine key). Says
  // nothing of range tombstones.
  bool MayContain(uint64_t hash) const { return filter_.MayContain(hash); }
  void PrefetchFilter(uint64_t hash) const { filter_.Prefetch(hash); }

  // The newest entry for `key` with a sequence number of at most `snapshot`; OK with found == false
  // if there is none. `hash` is base::Hash64(key). Range tombstones are not considered.
  Status Get(Slice key,
             uint64_t hash,
             key::SequenceNumber snapshot,
             const ReadOptions& options,
             GetResult* result) const;

  // The newest range tombstone at or below `snapshot` that covers `key`; 0 if there is none.
  key::SequenceNumber NewestCovering(Slice key, key::SequenceNumber snapshot) const {
    return tombstones_.NewestCovering(key, snapshot);
  }
  const key::RangeTombstones& range_tombstones() const { return tombstones_; }

  uint32_t block_count() const { return index_.block_count(); }
  // The place that no entry of data block i precedes; at most its first entry's. REQUIRES: i < block_count().
  std::string BlockBegin(uint32_t i, uint64_t* trailer) const;
  // The data block that holds the place of (key, trailer), and where a block begins. REQUIRES: there is one.
  uint32_t FindBlock(Slice key, uint64_t trailer) const { return index_.Find(key, trailer); }
  uint64_t BlockOffset(uint32_t i) const { return index_.block(i).offset; }
  // Reads data blocks, given by ascending numbers, into the cache, as blocks that nobody has asked for. REQUIRES: there
  // is a cache.
  Status LoadIntoCache(std::span<const uint32_t> blocks) const;

  // Over the points; not at an entry at first.
  std::unique_ptr<key::EntryIterator> NewIterator(const IteratorOptions& options) const;

  const TableProperties& properties() const { return properties_; }
  uint64_t file_number() const { return file_.identity().file_number; }
  const std::string& path() const { return file_.path(); }
  // Bytes held as long as the reader lives, blocks in the cache not among them.
  size_t memory_bytes() const;

  // Reads the whole file from the device and checks everything: checksums, that nothing lies
  // between the blocks, the order of the entries, the filter, the counts in the properties.
  Status VerifyChecksums() const;

  // About how many bytes of the file lie before `key`: the offset of the block where it has its
  // place.
  uint64_t ApproximateOffsetOf(Slice key) const;

 private:
  friend class TableVerifier;

  TableReader(const Context& context,
              std::unique_ptr<vfs::RandomAccessFile> file,
              const FileIdentity& identity)
      : file_(std::move(file), identity, context.cache, context.metrics) {}

  Status Load();
  Status LoadFilter(const BlockHandle& handle);
  Status LoadTombstones(const BlockHandle& handle);
  // Reads a block that is always plain.
  Status ReadMetaBlock(const BlockHandle& handle,
                       std::unique_ptr<char[]>* memory,
                       Slice* payload) const;
  Status FetchBlock(const BlockHandle& block,
                    const ReadOptions& options,
                    BlockPin* pin,
                    Slice* payload) const;

  // Constant after Open.
  TableFile file_;
  Index index_;
  BloomFilter filter_;
  key::RangeTombstones tombstones_;
  TableProperties properties_;
};

}  // namespace nokv::sst
