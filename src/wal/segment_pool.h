#pragma once

// SegmentPool: the files of segments before their first use and after their last.
//
// A segment is made in an order that a crash may interrupt anywhere: the file exists under its name
// (a recycled file by renaming it), its header is durable, its name is durable. Only then may the
// caller announce it, and only after that write to it. What a crash leaves before the announcement
// is a file that replay sets aside as unused.
//
//  1. A file is recycled only if nothing in it is needed and its capacity is the standard one.
//  2. No file is ever truncated, and the bytes of a recycled file are left as they are: records are
//     bound to their segment's id, so that none of them can pass for one of the new segment.
//  3. A failed sync of the directory is final: no segment can be made any more.
//
// Thread-safe, except that Make runs once at a time.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nokv/result.h"
#include "nokv/slice.h"
#include "nokv/status.h"

#include "base/mutex.h"
#include "vfs/file_system.h"
#include "wal/format.h"

namespace nokv::wal {

// A segment that can be written. Constant after construction, thread-safe for disjoint records.
struct Segment {
  Segment(uint32_t segment_id, uint64_t database_id, std::unique_ptr<vfs::LogFile> log_file)
      : id(segment_id),
        capacity(static_cast<uint32_t>(log_file->capacity())),
        seed(SegmentSeed(database_id, segment_id)),
        file(std::move(log_file)) {}

  const uint32_t id;
  const uint32_t capacity;
  const uint64_t seed;
  const std::unique_ptr<vfs::LogFile> file;

  // REQUIRES: header.length == payload.size(), and the record fits at `offset`.
  Status WriteRecord(uint32_t offset,
                     const RecordHeader& header,
                     Slice payload,
                     uint64_t payload_hash) const;
};

struct SegmentPoolStats {
  uint64_t created = 0;   // files made anew
  uint64_t recycled = 0;  // files that became a segment again
  uint64_t removed = 0;
  uint64_t free = 0;  // files kept for recycling
};

class SegmentPool {
 public:
  struct Options {
    uint64_t segment_bytes = 0;  // the standard capacity
    size_t recycle_max = 0;      // files kept
  };
  // A file whose segment is not needed any more.
  struct Released {
    uint32_t id = 0;
    uint64_t capacity = 0;
  };
  // A start record to be written with the header.
  struct Start {
    SegmentStart start;
    uint64_t word = 0;
  };

  SegmentPool(vfs::FileSystem* fs, std::string dir, uint64_t database_id, const Options& options);

  // Makes segment `id`; with `start`, one of origin kOpened whose start record (with that word) is
  // durable. A file that stands in the way under its name is removed: nobody announced it. After an
  // error there is no such segment, and it may be asked for again.
  Result<std::shared_ptr<Segment>> Make(uint32_t id,
                                        uint32_t capacity,
                                        const std::optional<Start>& start);

  // Keeps or removes the files. An error is one of removing; the file is tried again next time.
  Status Release(const std::vector<Released>& released);

  SegmentPoolStats stats() const;

 private:
  std::string PathOf(uint32_t id) const;
  Result<std::unique_ptr<vfs::LogFile>> MakeFile(const std::string& path, uint32_t capacity);
  // Null if no file is free, or the one taken turned out to be of no use.
  std::unique_ptr<vfs::LogFile> RecycleFile(const std::string& path, uint32_t capacity);
  Status MakeDurable(const Segment& segment, const std::optional<Start>& start);

  vfs::FileSystem* const fs_;
  const std::string dir_;
  const uint64_t database_id_;
  const Options options_;

  Status directory_failure_;  // only Make

  mutable base::Mutex mu_;
  std::vector<uint32_t> free_ NOKV_GUARDED_BY(mu_);
  std::vector<uint32_t> to_remove_ NOKV_GUARDED_BY(mu_);
  SegmentPoolStats stats_ NOKV_GUARDED_BY(mu_);
};

}  // namespace nokv::wal
