#pragma once

// The bytes of a manifest file and of CURRENT (docs/format/manifest.md).
//
// A manifest is a file header and records, one after the other with nothing in between. A record
// is a group of edits, which takes effect as a whole, or a seal, which is a header alone and says
// that everything before it is durable. All integers are little-endian.
//
//   file header                                 record header
//   +--------+---------------------------+      +--------+----------------------------------------+
//   | u8[8]  | magic "NoKVmani"          |      | u32    | mark: "NKgr" group, "NKse" seal        |
//   | u32    | format version            |      | u32    | flags: 0                               |
//   | u32    | reserved: 0               |      | u32    | payload bytes                          |
//   | u64    | database id               |      | u32    | edits in the payload                   |
//   | u64    | manifest number           |      | u64    | synced through: every byte of the file |
//   | u64    | checksum of the above     |      |        | below this offset is known durable     |
//   +--------+---------------------------+      | u64    | checksum of the payload                |
//                                               | u64    | checksum of the above                  |
//   payload := (edit: length-prefixed)*         +--------+----------------------------------------+
//
// The checksums of a record are seeded with the database id, the manifest number and the offset
// they stand for, so bytes of another file, another place or an earlier life of the disk block do
// not pass. No field is interpreted before the checksum over it holds.
//
// CURRENT is text, checked to the byte:
//
//   NoKV CURRENT 1
//   manifest MANIFEST-000012
//   database 00c0ffee00c0ffee
//   synced 4711
//   checksum 0123456789abcdef
//
// `synced` says how much of the manifest was durable when CURRENT was written: that much must be
// whole.
//
// Everything here is permanent. Thread-safe: pure functions.

#include <cstddef>
#include <cstdint>
#include <string>

#include "nokv/result.h"
#include "nokv/slice.h"
#include "nokv/status.h"

#include "manifest/version_edit.h"

namespace nokv::manifest {

inline constexpr size_t kFileHeaderBytes = 40;
inline constexpr size_t kRecordHeaderBytes = 40;

// Limits (law 10). A group over its limit is refused before anything is written.
inline constexpr size_t kGroupBytesMax = 64ULL << 20;
inline constexpr uint64_t kManifestBytesMax = 8ULL << 30;
inline constexpr uint64_t kCurrentBytesMax = 4096;

// The manifest that a creation writes has at most this many bytes: two headers and the few
// counters of an empty State. One that records anything more has a third header and is longer.
inline constexpr uint64_t kCreationBytesMax = kFileHeaderBytes + kRecordHeaderBytes + 24;
static_assert(kCreationBytesMax < kFileHeaderBytes + 2 * kRecordHeaderBytes);

// Which file a record belongs to.
struct FileIdentity {
  uint64_t database_id = 0;
  uint64_t manifest_number = 0;
  bool operator==(const FileIdentity&) const = default;
};

struct FileHeader {
  uint32_t format_version = 0;
  FileIdentity identity;
};

std::string EncodeFileHeader(const FileHeader& header);
// kCorruption or kNotSupported, without the name of the file.
Status DecodeFileHeader(Slice file, FileHeader* header);

enum class RecordKind : unsigned char { kGroup, kSeal };

struct RecordHeader {
  RecordKind kind = RecordKind::kGroup;
  uint32_t flags = 0;
  uint32_t payload_bytes = 0;
  uint32_t edit_count = 0;
  uint64_t synced_through = 0;
  uint64_t payload_checksum = 0;
};

// Appends the payload's encoding of one edit.
void AppendEdit(const VersionEdit& edit, std::string* payload);

// The record as it stands at `offset` of its file.
// REQUIRES: payload.size() <= kGroupBytesMax; synced_through <= offset.
std::string EncodeGroup(const FileIdentity& identity,
                        uint64_t offset,
                        uint64_t synced_through,
                        uint32_t edit_count,
                        Slice payload);
std::string EncodeSeal(const FileIdentity& identity, uint64_t offset);

// Decodes the header at `offset`; false if there is none that its checksum vouches for.
bool DecodeRecordHeader(const FileIdentity& identity,
                        Slice file,
                        uint64_t offset,
                        RecordHeader* header);
uint64_t PayloadChecksum(const FileIdentity& identity, uint64_t payload_offset, Slice payload);

// What CURRENT says.
struct CurrentFile {
  FileIdentity identity;
  uint64_t synced = 0;

  std::string manifest_name() const;
  bool operator==(const CurrentFile&) const = default;
};

std::string EncodeCurrent(const CurrentFile& current);
// kCorruption or kNotSupported, without the name of the file.
Status DecodeCurrent(Slice text, CurrentFile* current);

}  // namespace nokv::manifest
