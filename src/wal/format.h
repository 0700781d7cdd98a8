#pragma once

// The bytes of a log segment. Everything here is permanent; docs/format/wal.md explains it with a
// worked example.
//
// A segment is a file named by its id, "000007.wal", of a fixed capacity. Numbers are
// little-endian.
//
//   segment :=  segment header (64 bytes) | start record | record*  | leftovers
//
//   segment header                               record, 8-byte aligned
//    0  u64  magic "NoKVwal\n"                    0  u64  checksum
//    8  u32  format version                       8  u32  length of the payload
//   12  u32  segment id                          12  u32  synced mark
//   16  u64  database id                         16  u64  word
//   24  u64  capacity, bytes of the file         24  u32  stream
//   32  u32  origin                              28  u8   type
//   36       20 zero bytes                       29  u24  header check
//   56  u64  checksum of bytes 0..55             32       payload, then 0..7 bytes of no meaning
//
// A record proves itself in two steps, so that no field is acted upon before it is covered:
//
//   seed         = a function of database id, segment id and offset of the record
//   header hash  = XXH3-64(bytes 8..31 with the header check zero, seed)
//   header check = the upper 24 bits of the header hash
//   checksum     = Mix64(header hash ^ Mix64(XXH3-64(payload, 0)))
//
// The header check vouches for the length before the payload is read and makes a search for records
// cheap; the checksum decides. The seed makes worthless whatever is not where it was written: what
// a recycled segment holds from its earlier life, a record moved, another database's log.
//
// The synced mark is the offset in this segment up to which everything was durable when the record
// was written; above 0 it says so of all older segments to their ends as well.
//
// Thread-safe: pure functions.

#include <cstddef>
#include <cstdint>
#include <string>

#include "nokv/slice.h"

#include "base/hash.h"
#include "base/round.h"
#include "wal/log_position.h"

namespace nokv::wal {

// What a record is. The log itself knows only kSegmentStart; every other type, known here or not,
// is handed to whoever replays. 16 and above are reserved for consensus; 0 is never a record.
enum class RecordType : uint8_t {
  kSegmentStart = 1,
  kBatch = 2,
};

// How a segment came to be its log's newest.
enum class SegmentOrigin : uint32_t {
  kRotated = 0,  // made ahead of need; its start record was written when the log went over to it
  kOpened = 1,   // made when the log was opened; its start record was durable before its first use
};

inline constexpr uint64_t kSegmentMagic = 0x0a6c6177'564b6f4e;  // "NoKVwal\n"
inline constexpr uint32_t kSegmentFormatVersion = 1;
inline constexpr uint32_t kSegmentHeaderBytes = 64;
inline constexpr uint32_t kRecordHeaderBytes = 32;
inline constexpr uint32_t kRecordAlignment = 8;
inline constexpr uint32_t kStartPayloadBytes = 16;

// The bytes that a record with this payload takes.
constexpr uint64_t RecordBytes(uint64_t payload_bytes) {
  return kRecordHeaderBytes + base::RoundUp(payload_bytes, kRecordAlignment);
}

// Where the start record stands, and where the first other record does.
inline constexpr uint32_t kStartOffset = kSegmentHeaderBytes;
inline constexpr uint32_t kDataOffset =
    kStartOffset + static_cast<uint32_t>(RecordBytes(kStartPayloadBytes));

// Leaves room for a value of 1 GiB with its key, and keeps every offset within 32 bits.
inline constexpr uint64_t kPayloadBytesMax = 1ULL << 31;
inline constexpr uint64_t kSegmentBytesMin = 4096;
inline constexpr uint64_t kSegmentBytesMax = (1ULL << 32) - 4096;

static_assert(kDataOffset == 112);
static_assert(kStartOffset % kRecordAlignment == 0);
static_assert(kRecordHeaderBytes % kRecordAlignment == 0);
static_assert(kDataOffset + RecordBytes(0) <= kSegmentBytesMin);
static_assert(kDataOffset + RecordBytes(kPayloadBytesMax) <= kSegmentBytesMax);

struct SegmentHeader {
  uint32_t version = kSegmentFormatVersion;
  uint32_t segment = 0;
  uint64_t database_id = 0;
  uint64_t capacity = 0;
  SegmentOrigin origin = SegmentOrigin::kRotated;
};

// Writes kSegmentHeaderBytes at `to`.
void EncodeSegmentHeader(const SegmentHeader& header, char* to);
// False unless `bytes` begins with a segment header whose checksum is right. Of a version unknown
// here only `version` and what stands before it mean anything.
bool DecodeSegmentHeader(Slice bytes, SegmentHeader* header);

// The payload of a start record: which segment came before, where its records end, and up to where
// it was known durable. All zero for the first segment of a log.
struct SegmentStart {
  LogPosition predecessor_end = {};
  uint32_t predecessor_mark = 0;
};

// Writes kStartPayloadBytes at `to`.
void EncodeSegmentStart(const SegmentStart& start, char* to);
bool DecodeSegmentStart(Slice payload, SegmentStart* start);

struct RecordHeader {
  uint32_t length = 0;
  uint32_t synced_mark = 0;
  uint64_t word = 0;
  uint32_t stream = 0;
  RecordType type = RecordType::kBatch;
};

inline uint64_t PayloadHash(Slice payload) {
  return base::Checksum64(payload, 0);
}

// What the seeds of one segment's records have in common, and the seed of one record.
inline uint64_t SegmentSeed(uint64_t database_id, uint32_t segment) {
  return base::PlaceSeed(database_id, segment);
}
inline uint64_t RecordSeed(uint64_t segment_seed, uint32_t offset) {
  return base::PlaceSeed(segment_seed, offset);
}

// Writes kRecordHeaderBytes at `to`.
void EncodeRecordHeader(const RecordHeader& header, uint64_t seed, uint64_t payload_hash, char* to);

// A record header read back. `hash` goes into RecordChecksum.
struct DecodedHeader {
  RecordHeader header;
  uint64_t hash = 0;
  uint64_t checksum = 0;

  bool Matches(uint64_t payload_hash) const;
};

// False unless the kRecordHeaderBytes at `from` are a header that can stand at `offset` of this
// segment, its header check right and its record ending at or before `limit`. `from` may hold
// anything.
bool DecodeRecordHeader(const char* from,
                        uint64_t segment_seed,
                        uint32_t offset,
                        uint32_t limit,
                        DecodedHeader* decoded);

// "000007.wal".
std::string SegmentFileName(uint32_t segment);
// False if `name` is not the name of a segment: one id has one name.
bool ParseSegmentFileName(Slice name, uint32_t* segment);

}  // namespace nokv::wal
