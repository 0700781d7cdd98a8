#include "sst/format.h"

#include "base/check.h"

namespace nokv::sst {

namespace {

// The footer's own checksum is bound to the length of the file only: its identity is compared field
// by field, so that the message can say whose file it is.
uint64_t FooterSeed(uint64_t file_bytes) {
  return base::PlaceSeed(0, file_bytes);
}

Status Damaged(const std::string& what) {
  return Status::Corruption("footer: " + what);
}

bool IsBlockOrNothing(uint64_t begin, uint64_t end) {
  return begin == end || (begin < end && end - begin >= kTrailerBytes);
}

}  // namespace

void AppendTrailer(std::string* out,
                   size_t payload_bytes,
                   Compression compression,
                   const FileIdentity& identity,
                   uint64_t offset) {
  NOKV_CHECK(payload_bytes <= out->size());
  out->push_back(static_cast<char>(compression));
  const Slice covered = Slice(*out).substr(out->size() - payload_bytes - 1);
  base::PutFixed64(out, base::Checksum64(covered, identity.SeedAt(offset)));
}

const char* CheckBlock(Slice stored,
                       const FileIdentity& identity,
                       uint64_t offset,
                       Compression* compression,
                       Slice* payload) {
  if (stored.size() < kTrailerBytes) return "the block is shorter than its trailer";
  const Slice covered = stored.substr(0, stored.size() - 8);
  const uint64_t expected = base::DecodeFixed64(stored.data() + covered.size());
  if (base::Checksum64(covered, identity.SeedAt(offset)) != expected) {
    return "checksum mismatch: the block is damaged or belongs elsewhere";
  }
  const auto kind = static_cast<uint8_t>(covered.back());
  if (kind > kCompressionMax) return "unknown compression";
  *compression = static_cast<Compression>(kind);
  *payload = covered.substr(0, covered.size() - 1);
  return nullptr;
}

void Footer::AppendTo(std::string* out) const {
  const size_t begin = out->size();
  base::PutFixed64(out, filter_offset);
  base::PutFixed64(out, index_offset);
  base::PutFixed64(out, tombstones_offset);
  base::PutFixed64(out, properties_offset);
  base::PutFixed64(out, file_bytes);
  base::PutFixed64(out, identity.database_id);
  base::PutFixed64(out, identity.file_number);
  base::PutFixed32(out, kFormatVersion);
  base::PutFixed32(out, kKnownFeatures);
  base::PutFixed64(out, base::Checksum64(Slice(*out).substr(begin), FooterSeed(file_bytes)));
  base::PutFixed64(out, kMagic);
  NOKV_CHECK(out->size() - begin == kFooterBytes);
}

Result<Footer> Footer::Decode(Slice bytes, uint64_t file_bytes, const FileIdentity& identity) {
  if (bytes.size() != kFooterBytes) return Damaged("the file is too short to be a table");
  const char* at = bytes.data();
  if (base::DecodeFixed64(at + 72) != kMagic) {
    return Damaged("no magic number: not a table, or truncated");
  }
  const uint64_t checksum = base::Checksum64(bytes.substr(0, 64), FooterSeed(file_bytes));
  if (checksum != base::DecodeFixed64(at + 64)) {
    return Damaged("checksum mismatch: the file is damaged, truncated or extended");
  }
  const uint32_t version = base::DecodeFixed32(at + 56);
  const uint32_t features = base::DecodeFixed32(at + 60);
  if (version != kFormatVersion || (features & ~kKnownFeatures) != 0) {
    return Status::NotSupported("footer: table format version " + std::to_string(version) +
                                " with features " + std::to_string(features) +
                                "; this build reads version " + std::to_string(kFormatVersion) +
                                " with features " + std::to_string(kKnownFeatures));
  }

  Footer footer;
  footer.filter_offset = base::DecodeFixed64(at);
  footer.index_offset = base::DecodeFixed64(at + 8);
  footer.tombstones_offset = base::DecodeFixed64(at + 16);
  footer.properties_offset = base::DecodeFixed64(at + 24);
  footer.file_bytes = base::DecodeFixed64(at + 32);
  footer.identity.database_id = base::DecodeFixed64(at + 40);
  footer.identity.file_number = base::DecodeFixed64(at + 48);
  if (footer.identity.database_id != identity.database_id ||
      footer.identity.file_number != identity.file_number) {
    return Damaged("this is table " + std::to_string(footer.identity.file_number) +
                   " of database " + std::to_string(footer.identity.database_id) +
                   ", expected table " + std::to_string(identity.file_number) + " of database " +
                   std::to_string(identity.database_id));
  }
  if (footer.file_bytes != file_bytes) return Damaged("the file does not have its length");
  const uint64_t end = file_bytes - kFooterBytes;
  if (!IsBlockOrNothing(footer.filter_offset, footer.index_offset) ||
      !IsBlockOrNothing(footer.index_offset, footer.tombstones_offset) ||
      !IsBlockOrNothing(footer.tombstones_offset, footer.properties_offset) ||
      !IsBlockOrNothing(footer.properties_offset, end) ||
      footer.index_offset == footer.tombstones_offset || footer.properties_offset == end) {
    return Damaged("the blocks it names are out of order");
  }
  return footer;
}

}  // namespace nokv::sst
