#pragma once

// TableBuilder: writes one table (format.h) from entries that come in order.
//
// The file is written front to back in large pieces; the builder neither syncs nor closes it, and
// nothing of it counts before the caller has synced it and entered it in the manifest. A table of
// the same entries, options and identity is the same bytes.
//
// Invariants:
//  1. after an error every call fails with it; Finish cannot succeed with an entry missing.
//  2. no block is larger than kBlockBytesMax, and none but that of a single large entry is much
//  larger than
//     the block size asked for.
//
// Confined to one thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "nokv/result.h"
#include "nokv/status.h"

#include "key/entry.h"
#include "sst/block.h"
#include "sst/bloom_filter.h"
#include "sst/compression.h"
#include "sst/format.h"
#include "sst/index.h"
#include "sst/properties.h"
#include "vfs/file_system.h"

namespace nokv::sst {

struct TableOptions {
  // Bytes of a data block before compression; 0 chooses 4 KiB.
  // Larger blocks make the index smaller and scans faster, and a read that misses the cache longer.
  size_t block_bytes = 0;
  Compression compression = Compression::kNone;
  int zstd_level = 1;
  // A block that compression shrinks by less than this share is stored plain.
  double min_compression_saving = 0.125;
  // 0: no filter.
  int bloom_bits_per_key = 10;
  // Entries that share a fully written key; rounded up to a power of two. More make the block
  // smaller and searching it slower.
  size_t restart_interval = 8;
  // Milliseconds since the Unix epoch, for the properties.
  uint64_t creation_time = 0;
};

// Gets the data blocks of tables while they are written. Confined to the thread of the builder.
class BlockSink {
 public:
  struct Block {
    uint64_t file_number;
    uint64_t offset;
    // Of its last entry.
    Slice last_key;
    uint64_t last_trailer;
    Slice payload;  // as readers will see it: not compressed
  };
  virtual ~BlockSink() = default;
  virtual void Add(const Block& block) = 0;
};

class TableBuilder {
 public:
  // `sink` may be null. REQUIRES: `file` is empty; both outlive the builder.
  TableBuilder(const TableOptions& options,
               uint64_t file_number,
               uint64_t database_id,
               vfs::WritableFile* file,
               BlockSink* sink = nullptr);
  TableBuilder(const TableBuilder&) = delete;
  TableBuilder& operator=(const TableBuilder&) = delete;

  // kLimitExceeded if the key or the value is beyond its limit. REQUIRES: the entry is after the
  // one before it and not a range tombstone.
  Status Add(const key::Entry& entry);
  // In any order, before Finish. The bytes are copied. A range with begin >= end hides nothing and
  // is left out.
  void AddRangeTombstone(const key::RangeTombstone& tombstone);

  // Bytes the file would have if it were finished now, about.
  uint64_t EstimatedFileBytes() const;
  uint64_t entry_count() const { return properties_.entries; }
  bool empty() const { return entry_count() == 0 && tombstones_.empty(); }

  // Writes what is left; all bytes are appended to the file when it returns. kInvalidArgument if
  // the table is empty. REQUIRES: called once.
  Result<TableProperties> Finish();

 private:
  struct OwnedTombstone {
    std::string begin;
    std::string end;
    key::SequenceNumber seq;
  };

  Status Fail(Status status);
  bool MustCutBefore(const key::Entry& entry) const;
  Status FinishDataBlock();
  // Stores the `payload` as a block; it is left in an unspecified state. Returns the bytes of the
  // block.
  Result<uint64_t> WriteBlock(std::string* payload, Compression compression);
  Status WriteFilter();
  Status WriteTombstones();
  Status Flush();
  uint64_t offset() const { return written_ + pending_.size(); }

  const TableOptions options_;
  const FileIdentity identity_;
  vfs::WritableFile* const file_;
  BlockSink* const sink_;
  const size_t block_target_;

  Status status_;
  bool finished_ = false;
  uint64_t written_ = 0;  // bytes given to the file
  std::string pending_;   // bytes to be given to it

  BlockBuilder block_;
  std::string payload_;
  std::string compressed_;
  Compressor compressor_;
  IndexBuilder index_;
  BloomFilterBuilder filter_;
  std::vector<OwnedTombstone> tombstones_;
  size_t tombstone_bytes_ = 0;

  std::string last_key_;
  uint64_t last_trailer_ = 0;
  uint64_t last_hash_ = 0;
  bool any_ = false;  // an entry has been added
  TableProperties properties_;
  Footer footer_;
};

}  // namespace nokv::sst
