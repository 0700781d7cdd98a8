#include "wal/format.h"

#include <cstdio>
#include <cstring>

#include "base/coding.h"

namespace nokv::wal {

namespace {

constexpr size_t kSegmentChecksumAt = 56;
constexpr size_t kLengthAt = 8;
constexpr size_t kMarkAt = 12;
constexpr size_t kWordAt = 16;
constexpr size_t kStreamAt = 24;
constexpr size_t kTypeAt = 28;  // one word with the header check above the type
static_assert(kTypeAt + 4 == kRecordHeaderBytes);
static_assert(kSegmentChecksumAt + 8 == kSegmentHeaderBytes);

constexpr Slice kFileSuffix = ".wal";
constexpr size_t kFileDigitsMin = 6;

uint32_t HeaderCheck(uint64_t header_hash) {
  return static_cast<uint32_t>(header_hash >> 40);
}

uint64_t RecordChecksum(uint64_t header_hash, uint64_t payload_hash) {
  return base::Mix64(header_hash ^ base::Mix64(payload_hash));
}

}  // namespace

void EncodeSegmentHeader(const SegmentHeader& header, char* to) {
  std::memset(to, 0, kSegmentHeaderBytes);
  base::EncodeFixed64(to, kSegmentMagic);
  base::EncodeFixed32(to + 8, header.version);
  base::EncodeFixed32(to + 12, header.segment);
  base::EncodeFixed64(to + 16, header.database_id);
  base::EncodeFixed64(to + 24, header.capacity);
  base::EncodeFixed32(to + 32, static_cast<uint32_t>(header.origin));
  base::EncodeFixed64(to + kSegmentChecksumAt, base::Checksum64(Slice(to, kSegmentChecksumAt), 0));
}

bool DecodeSegmentHeader(Slice bytes, SegmentHeader* header) {
  if (bytes.size() < kSegmentHeaderBytes) return false;
  const char* from = bytes.data();
  const uint64_t checksum = base::DecodeFixed64(from + kSegmentChecksumAt);
  if (checksum != base::Checksum64(Slice(from, kSegmentChecksumAt), 0)) return false;
  if (base::DecodeFixed64(from) != kSegmentMagic) return false;
  header->version = base::DecodeFixed32(from + 8);
  header->segment = base::DecodeFixed32(from + 12);
  header->database_id = base::DecodeFixed64(from + 16);
  header->capacity = base::DecodeFixed64(from + 24);
  header->origin = static_cast<SegmentOrigin>(base::DecodeFixed32(from + 32));
  return true;
}

void EncodeSegmentStart(const SegmentStart& start, char* to) {
  base::EncodeFixed32(to, start.predecessor_end.segment);
  base::EncodeFixed32(to + 4, start.predecessor_end.offset);
  base::EncodeFixed32(to + 8, start.predecessor_mark);
  base::EncodeFixed32(to + 12, 0);
}

bool DecodeSegmentStart(Slice payload, SegmentStart* start) {
  if (payload.size() != kStartPayloadBytes) return false;
  start->predecessor_end.segment = base::DecodeFixed32(payload.data());
  start->predecessor_end.offset = base::DecodeFixed32(payload.data() + 4);
  start->predecessor_mark = base::DecodeFixed32(payload.data() + 8);
  return true;
}

void EncodeRecordHeader(const RecordHeader& header,
                        uint64_t seed,
                        uint64_t payload_hash,
                        char* to) {
  base::EncodeFixed32(to + kLengthAt, header.length);
  base::EncodeFixed32(to + kMarkAt, header.synced_mark);
  base::EncodeFixed64(to + kWordAt, header.word);
  base::EncodeFixed32(to + kStreamAt, header.stream);
  const auto type = static_cast<uint32_t>(header.type);
  base::EncodeFixed32(to + kTypeAt, type);
  const uint64_t hash =
      base::Checksum64(Slice(to + kLengthAt, kRecordHeaderBytes - kLengthAt), seed);
  base::EncodeFixed32(to + kTypeAt, type | HeaderCheck(hash) << 8);
  base::EncodeFixed64(to, RecordChecksum(hash, payload_hash));
}

bool DecodedHeader::Matches(uint64_t payload_hash) const {
  return checksum == RecordChecksum(hash, payload_hash);
}

bool DecodeRecordHeader(const char* from,
                        uint64_t segment_seed,
                        uint32_t offset,
                        uint32_t limit,
                        DecodedHeader* decoded) {
  // The cheap tests come first: a search for records calls this at every eighth byte.
  const uint32_t type_and_check = base::DecodeFixed32(from + kTypeAt);
  if ((type_and_check & 0xff) == 0) return false;
  RecordHeader& header = decoded->header;
  header.length = base::DecodeFixed32(from + kLengthAt);
  if (offset > limit || RecordBytes(header.length) > limit - offset) return false;
  header.synced_mark = base::DecodeFixed32(from + kMarkAt);
  if (header.synced_mark > offset) return false;

  char covered[kRecordHeaderBytes - kLengthAt];
  std::memcpy(covered, from + kLengthAt, sizeof covered);
  base::EncodeFixed32(covered + (kTypeAt - kLengthAt), type_and_check & 0xff);
  decoded->hash =
      base::Checksum64(Slice(covered, sizeof covered), RecordSeed(segment_seed, offset));
  if (type_and_check >> 8 != HeaderCheck(decoded->hash)) return false;

  header.word = base::DecodeFixed64(from + kWordAt);
  header.stream = base::DecodeFixed32(from + kStreamAt);
  header.type = static_cast<RecordType>(type_and_check & 0xff);
  decoded->checksum = base::DecodeFixed64(from);
  return true;
}

std::string SegmentFileName(uint32_t segment) {
  char name[32];
  std::snprintf(name, sizeof name, "%06u.wal", segment);
  return name;
}

bool ParseSegmentFileName(Slice name, uint32_t* segment) {
  if (!name.ends_with(kFileSuffix)) return false;
  const Slice digits = name.substr(0, name.size() - kFileSuffix.size());
  if (digits.size() < kFileDigitsMin || digits.size() > 10) return false;
  if (digits.size() > kFileDigitsMin && digits.front() == '0') return false;
  uint64_t id = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return false;
    id = id * 10 + static_cast<uint64_t>(digit - '0');
  }
  if (id == 0 || id > UINT32_MAX) return false;
  *segment = static_cast<uint32_t>(id);
  return true;
}

}  // namespace nokv::wal
