#pragma once

// The table file: its layout, its constants and the codec of its two frames, block and footer.
// docs/format/sst.md tells the same at more length, with a worked example. Everything here is
// PERMANENT: a change makes a new format version and keeps the reader of this one.
//
//   file   := data block*  [filter block]  index block  [tombstone block]  properties block  footer
//
// All numbers are little-endian. There are no gaps: each part begins where the one before it ends,
// so every byte of the file is under a checksum or is part of the footer's frame.
//
//   block  := payload   compression:u8   checksum:fixed64
//             \--------------------- xxh3 --------/
//
// The checksum covers the payload as stored and the compression byte. Its seed binds the block to
// its place: PlaceSeed(Mix64(database id) ^ file number, offset of the block). A block from another
// offset, another file or another database does not pass, even if it was written by us and is
// whole. The payload of a data block may be compressed; it is then raw size:varint64 followed by
// the compressor's bytes. The other blocks are always plain. Their payloads are drawn where they
// are coded:
//
//   data block         block.h                   index block        index.h
//   filter block       bloom_filter.h            tombstone block    tombstone_block.h
//   properties block   properties.h
//
//   footer, the last 80 bytes of the file in every version of the format
//    0  filter_offset      fixed64   also the end of the data blocks
//    8  index_offset       fixed64   also the end of the filter; equal to filter_offset: no filter
//   16  tombstones_offset  fixed64
//   24  properties_offset  fixed64   equal to tombstones_offset: no tombstone block
//   32  file_bytes         fixed64   the length of the whole file
//   40  database_id        fixed64
//   48  file_number        fixed64
//   56  format_version     fixed32   these four have their places in every version
//   60  features           fixed32   a reader refuses a file with a bit that it does not know
//   64  checksum           fixed64   of the 64 bytes before it, seed PlaceSeed(0, file_bytes)
//   72  magic              fixed64   the bytes "nokv.sst"
//
// Thread-safe: pure functions.

#include <cstddef>
#include <cstdint>
#include <string>

#include "nokv/result.h"
#include "nokv/slice.h"
#include "nokv/status.h"

#include "base/coding.h"
#include "base/hash.h"

namespace nokv::sst {

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr uint64_t kMagic = 0x7473732e766b6f6eULL;  // the bytes "nokv.sst"
inline constexpr size_t kFooterBytes = 80;
inline constexpr uint32_t kKnownFeatures = 0;
inline constexpr size_t kTrailerBytes = 1 + 8;

// Limits. A key here is an engine key: 64 KiB of the user's bytes and the family's prefix.
inline constexpr size_t kKeyBytesMax = (64 << 10) + 5;
inline constexpr size_t kValueBytesMax = 1ULL << 30;
// No payload, plain or decompressed, is larger than this: nothing larger is ever allocated for one.
inline constexpr size_t kBlockBytesMax = kValueBytesMax + (32ULL << 20);
static_assert(kBlockBytesMax < UINT32_MAX, "offsets within a block are 32-bit numbers");
static_assert(kKeyBytesMax < kBlockBytesMax - kValueBytesMax, "the largest entry fits a block");

// Stored in the trailer of every block.
enum class Compression : uint8_t { kNone = 0, kLz4 = 1, kZstd = 2 };
inline constexpr uint8_t kCompressionMax = 2;

// Which file a block must belong to.
struct FileIdentity {
  uint64_t database_id = 0;
  uint64_t file_number = 0;

  uint64_t SeedAt(uint64_t offset) const {
    return base::PlaceSeed(base::Mix64(database_id) ^ file_number, offset);
  }
};

// A block in the file: its payload is [offset, offset + payload_bytes), its trailer follows.
struct BlockHandle {
  uint64_t offset = 0;
  uint64_t payload_bytes = 0;

  uint64_t stored_bytes() const { return payload_bytes + kTrailerBytes; }
  uint64_t end() const { return offset + stored_bytes(); }
};

// Appends the trailer of a block whose payload is the last `payload_bytes` of *out and which begins
// at `offset` of the file.
void AppendTrailer(std::string* out,
                   size_t payload_bytes,
                   Compression compression,
                   const FileIdentity& identity,
                   uint64_t offset);

// Checks a block read from `offset`: `stored` is payload and trailer. Returns nullptr, or what is
// wrong.
const char* CheckBlock(Slice stored,
                       const FileIdentity& identity,
                       uint64_t offset,
                       Compression* compression,
                       Slice* payload);

struct Footer {
  uint64_t filter_offset = 0;
  uint64_t index_offset = 0;
  uint64_t tombstones_offset = 0;
  uint64_t properties_offset = 0;
  uint64_t file_bytes = 0;
  FileIdentity identity;

  uint64_t data_end() const { return filter_offset; }
  bool has_filter() const { return index_offset != filter_offset; }
  bool has_tombstones() const { return properties_offset != tombstones_offset; }
  BlockHandle filter() const { return Between(filter_offset, index_offset); }
  BlockHandle index() const { return Between(index_offset, tombstones_offset); }
  BlockHandle tombstones() const { return Between(tombstones_offset, properties_offset); }
  BlockHandle properties() const { return Between(properties_offset, file_bytes - kFooterBytes); }

  void AppendTo(std::string* out) const;

  // Decodes the last kFooterBytes of a file of `file_bytes` bytes that should be `identity`'s.
  // kCorruption or kNotSupported (a later format) without the file's name, which the caller adds.
  // After success every handle above lies within the file and is at least a trailer long.
  static Result<Footer> Decode(Slice bytes, uint64_t file_bytes, const FileIdentity& identity);

 private:
  static BlockHandle Between(uint64_t begin, uint64_t end) {
    return {begin, end - begin - kTrailerBytes};
  }
};

}  // namespace nokv::sst
