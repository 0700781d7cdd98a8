#include "manifest/manifest_format.h"

#include "nokv/format_version.h"

#include "base/check.h"
#include "base/coding.h"
#include "base/hash.h"
#include "manifest/file_names.h"

namespace nokv::manifest {

namespace {

constexpr Slice kMagic("NoKVmani", 8);
constexpr uint32_t kGroupMark = 0x72674b4e;  // "NKgr"
constexpr uint32_t kSealMark = 0x65734b4e;   // "NKse"

// The file header and CURRENT hold what binds them; their seeds only keep them apart.
constexpr uint64_t kFileHeaderSeed = 0x4d414e4946455354;
constexpr uint64_t kCurrentSeed = 0x43555252454e5421;

constexpr Slice kCurrentIntroduction = "NoKV CURRENT ";
constexpr uint64_t kCurrentVersion = 1;
constexpr size_t kChecksumLineBytes = sizeof("checksum 0123456789abcdef\n") - 1;

uint64_t Seed(const FileIdentity& identity, uint64_t offset) {
  return base::Mix64(identity.database_id ^ base::PlaceSeed(identity.manifest_number, offset));
}

std::string EncodeRecordHeader(const FileIdentity& identity,
                               uint64_t offset,
                               const RecordHeader& header) {
  std::string bytes;
  base::PutFixed32(&bytes, header.kind == RecordKind::kGroup ? kGroupMark : kSealMark);
  base::PutFixed32(&bytes, header.flags);
  base::PutFixed32(&bytes, header.payload_bytes);
  base::PutFixed32(&bytes, header.edit_count);
  base::PutFixed64(&bytes, header.synced_through);
  base::PutFixed64(&bytes, header.payload_checksum);
  base::PutFixed64(&bytes, base::Checksum64(bytes, Seed(identity, offset)));
  NOKV_DCHECK(bytes.size() == kRecordHeaderBytes);
  return bytes;
}

std::string Hex(uint64_t value) {
  std::string digits(16, '0');
  for (size_t i = digits.size(); i-- > 0; value >>= 4) digits[i] = "0123456789abcdef"[value & 15];
  return digits;
}

// The text between `name` and the end of the line at the front of *text, which it takes away.
bool TakeLine(Slice* text, Slice name, Slice* value) {
  const size_t end = text->find('\n');
  if (end == Slice::npos || !text->starts_with(name) || end < name.size()) return false;
  *value = text->substr(name.size(), end - name.size());
  text->remove_prefix(end + 1);
  return true;
}

bool ParseNumber(Slice digits, unsigned radix, uint64_t* number) {
  if (digits.empty() || digits.size() > 20) return false;
  uint64_t value = 0;
  for (const char c : digits) {
    const size_t digit = Slice("0123456789abcdef").find(c);
    if (digit >= radix || __builtin_mul_overflow(value, uint64_t{radix}, &value) ||
        __builtin_add_overflow(value, uint64_t{digit}, &value)) {
      return false;
    }
  }
  *number = value;
  return true;
}

}  // namespace

std::string EncodeFileHeader(const FileHeader& header) {
  std::string bytes(kMagic);
  base::PutFixed32(&bytes, header.format_version);
  base::PutFixed32(&bytes, 0);
  base::PutFixed64(&bytes, header.identity.database_id);
  base::PutFixed64(&bytes, header.identity.manifest_number);
  base::PutFixed64(&bytes, base::Checksum64(bytes, kFileHeaderSeed));
  NOKV_DCHECK(bytes.size() == kFileHeaderBytes);
  return bytes;
}

Status DecodeFileHeader(Slice file, FileHeader* header) {
  if (file.size() < kFileHeaderBytes) return Status::Corruption("the file header is cut short");
  const char* bytes = file.data();
  if (!file.starts_with(kMagic)) return Status::Corruption("this is not a manifest");
  if (base::Checksum64(file.substr(0, 32), kFileHeaderSeed) != base::DecodeFixed64(bytes + 32)) {
    return Status::Corruption("the checksum of the file header does not match");
  }
  header->format_version = base::DecodeFixed32(bytes + 8);
  header->identity.database_id = base::DecodeFixed64(bytes + 16);
  header->identity.manifest_number = base::DecodeFixed64(bytes + 24);
  if (header->format_version == 0) return Status::Corruption("the format version is 0");
  const auto newest = static_cast<uint32_t>(FormatVersion::kNewest);
  if (header->format_version > newest || base::DecodeFixed32(bytes + 12) != 0) {
    return Status::NotSupported("format version " + std::to_string(header->format_version) +
                                " was written by a newer version; this build knows up to " +
                                std::to_string(newest));
  }
  return Status::Ok();
}

void AppendEdit(const VersionEdit& edit, std::string* payload) {
  std::string bytes;
  edit.EncodeTo(&bytes);
  base::PutLengthPrefixed(payload, bytes);
}

std::string EncodeGroup(const FileIdentity& identity,
                        uint64_t offset,
                        uint64_t synced_through,
                        uint32_t edit_count,
                        Slice payload) {
  NOKV_CHECK(payload.size() <= kGroupBytesMax);
  NOKV_CHECK(synced_through <= offset);
  RecordHeader header;
  header.kind = RecordKind::kGroup;
  header.payload_bytes = static_cast<uint32_t>(payload.size());
  header.edit_count = edit_count;
  header.synced_through = synced_through;
  header.payload_checksum = PayloadChecksum(identity, offset + kRecordHeaderBytes, payload);
  std::string bytes = EncodeRecordHeader(identity, offset, header);
  bytes += payload;
  return bytes;
}

std::string EncodeSeal(const FileIdentity& identity, uint64_t offset) {
  RecordHeader header;
  header.kind = RecordKind::kSeal;
  header.synced_through = offset;
  header.payload_checksum = PayloadChecksum(identity, offset + kRecordHeaderBytes, {});
  return EncodeRecordHeader(identity, offset, header);
}

bool DecodeRecordHeader(const FileIdentity& identity,
                        Slice file,
                        uint64_t offset,
                        RecordHeader* header) {
  if (offset > file.size() || file.size() - offset < kRecordHeaderBytes) return false;
  const char* bytes = file.data() + offset;
  const uint32_t mark = base::DecodeFixed32(bytes);
  if (mark != kGroupMark && mark != kSealMark) return false;
  if (base::Checksum64({bytes, 32}, Seed(identity, offset)) != base::DecodeFixed64(bytes + 32)) {
    return false;
  }
  header->kind = mark == kGroupMark ? RecordKind::kGroup : RecordKind::kSeal;
  header->flags = base::DecodeFixed32(bytes + 4);
  header->payload_bytes = base::DecodeFixed32(bytes + 8);
  header->edit_count = base::DecodeFixed32(bytes + 12);
  header->synced_through = base::DecodeFixed64(bytes + 16);
  header->payload_checksum = base::DecodeFixed64(bytes + 24);
  return true;
}

uint64_t PayloadChecksum(const FileIdentity& identity, uint64_t payload_offset, Slice payload) {
  return base::Checksum64(payload, Seed(identity, payload_offset));
}

std::string CurrentFile::manifest_name() const {
  return ManifestFileName(identity.manifest_number);
}

std::string EncodeCurrent(const CurrentFile& current) {
  std::string text(kCurrentIntroduction);
  text += std::to_string(kCurrentVersion) + "\n";
  text += "manifest " + current.manifest_name() + "\n";
  text += "database " + Hex(current.identity.database_id) + "\n";
  text += "synced " + std::to_string(current.synced) + "\n";
  text += "checksum " + Hex(base::Checksum64(text, kCurrentSeed)) + "\n";
  return text;
}

Status DecodeCurrent(Slice text, CurrentFile* current) {
  const Status malformed = Status::Corruption("the contents are malformed");
  if (text.size() <= kChecksumLineBytes) return malformed;
  const Slice body = text.substr(0, text.size() - kChecksumLineBytes);
  const std::string last = "checksum " + Hex(base::Checksum64(body, kCurrentSeed)) + "\n";
  if (text.substr(body.size()) != last) return Status::Corruption("the checksum does not match");

  Slice rest = body;
  Slice version;
  uint64_t number;
  if (!TakeLine(&rest, kCurrentIntroduction, &version) || !ParseNumber(version, 10, &number)) {
    return malformed;
  }
  if (number > kCurrentVersion) {
    return Status::NotSupported("version " + std::to_string(number) +
                                " was written by a newer version");
  }
  Slice name;
  Slice database;
  Slice synced;
  FileType type;
  if (!TakeLine(&rest, "manifest ", &name) || !TakeLine(&rest, "database ", &database) ||
      !TakeLine(&rest, "synced ", &synced) ||
      !ParseFileName(name, &type, &current->identity.manifest_number) ||
      type != FileType::kManifest || !ParseNumber(database, 16, &current->identity.database_id) ||
      !ParseNumber(synced, 10, &current->synced) || EncodeCurrent(*current) != text) {
    return malformed;
  }
  return Status::Ok();
}

}  // namespace nokv::manifest
