#pragma once

// SegmentReader: reads the records of one segment, and looks for records where there should be
// none.
//
// It knows the bytes of one file and nothing of what they mean for the log; replay.h does. Reading
// never changes the file. Memory is one window of kWindowBytes plus the largest record that was
// met, and no length is believed before its header check is right. Confined to one thread.

#include <cstdint>
#include <memory>
#include <string>

#include "nokv/result.h"
#include "nokv/slice.h"
#include "nokv/status.h"

#include "vfs/file_system.h"
#include "wal/format.h"

namespace nokv::wal {

// "<path>: offset <offset>: <what>", as a kCorruption.
Status CorruptionAt(const std::string& path, uint64_t offset, const std::string& what);

class SegmentReader {
 public:
  static constexpr size_t kWindowBytes = 256 << 10;

  // A record as it stands in the file.
  struct Record {
    uint32_t offset = 0;
    uint32_t end = 0;
    RecordHeader header;
    Slice payload;  // valid until the next call
  };

  enum class Found : unsigned char {
    kNothing,  // no record was ever written whole here, or its header is damaged
    kTorn,     // a header that belongs here, over a payload that is not the one it was written with
    kRecord,
  };

  // kNotFound if there is no such file.
  static Result<std::unique_ptr<SegmentReader>> Open(vfs::FileSystem* fs,
                                                     const std::string& dir,
                                                     uint64_t database_id,
                                                     uint32_t segment);
  SegmentReader(std::unique_ptr<vfs::RandomAccessFile> file,
                uint64_t database_id,
                uint32_t segment);

  // *valid says whether the file begins with a segment header, of whatever segment.
  Status ReadSegmentHeader(SegmentHeader* header, bool* valid);

  // What stands at `offset`. With kTorn, offset, end and header of *record are set.
  Status Read(uint32_t offset, Found* found, Record* record);

  // The first record at or after `offset` and wholly before `limit`. `offset` is rounded up to
  // where a record can stand.
  Status Find(uint32_t offset, uint32_t limit, bool* found, Record* record);

  uint32_t segment() const { return segment_; }
  // Bytes of the file.
  uint64_t bytes() const { return file_->size(); }
  // Where the last record can end.
  uint32_t limit() const { return limit_; }
  const std::string& path() const { return file_->path(); }

 private:
  // *bytes are those at `offset`: at least n of them, fewer only at the end of the file.
  // REQUIRES: n <= kWindowBytes.
  Status Fetch(uint64_t offset, size_t n, Slice* bytes);
  // The payload of a record whose header check is right; fewer bytes at the end of the file.
  Status FetchPayload(uint32_t offset, uint32_t length, Slice* payload);

  const std::unique_ptr<vfs::RandomAccessFile> file_;
  const uint32_t segment_;
  const uint64_t seed_;
  const uint32_t limit_;

  const std::unique_ptr<char[]> window_scratch_;
  Slice window_;  // bytes of the file from window_offset_ on
  uint64_t window_offset_ = 0;
  std::unique_ptr<char[]> large_;  // for payloads that no window holds
  size_t large_bytes_ = 0;
};

}  // namespace nokv::wal
