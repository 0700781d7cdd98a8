#include "wal/segment_reader.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/round.h"

namespace nokv::wal {

Status CorruptionAt(const std::string& path, uint64_t offset, const std::string& what) {
  return Status::Corruption(path + ": offset " + std::to_string(offset) + ": " + what);
}

SegmentReader::SegmentReader(std::unique_ptr<vfs::RandomAccessFile> file,
                             uint64_t database_id,
                             uint32_t segment)
    : file_(std::move(file)),
      segment_(segment),
      seed_(SegmentSeed(database_id, segment)),
      limit_(static_cast<uint32_t>(std::min<uint64_t>(file_->size(), kSegmentBytesMax))),
      window_scratch_(std::make_unique_for_overwrite<char[]>(kWindowBytes)) {}

Result<std::unique_ptr<SegmentReader>> SegmentReader::Open(vfs::FileSystem* fs,
                                                           const std::string& dir,
                                                           uint64_t database_id,
                                                           uint32_t segment) {
  NOKV_ASSIGN_OR_RETURN(auto file,
                        fs->OpenRandomAccess(vfs::JoinPath(dir, SegmentFileName(segment)),
                                             vfs::FileKind::kLog, vfs::AccessPattern::kSequential));
  return std::make_unique<SegmentReader>(std::move(file), database_id, segment);
}

Status SegmentReader::Fetch(uint64_t offset, size_t n, Slice* bytes) {
  NOKV_DCHECK(n <= kWindowBytes);
  const bool held = offset >= window_offset_ && offset + n <= window_offset_ + window_.size();
  if (!held) {
    NOKV_TRY(file_->Read(offset, kWindowBytes, window_scratch_.get(), &window_));
    window_offset_ = offset;
  }
  *bytes = window_.substr(std::min<size_t>(offset - window_offset_, window_.size()));
  return Status::Ok();
}

Status SegmentReader::FetchPayload(uint32_t offset, uint32_t length, Slice* payload) {
  if (length <= kWindowBytes) {
    NOKV_TRY(Fetch(offset, length, payload));
    *payload = payload->substr(0, length);
    return Status::Ok();
  }
  if (large_bytes_ < length) {
    large_.reset();  // never two of them at a time
    large_ = std::make_unique_for_overwrite<char[]>(length);
    large_bytes_ = length;
  }
  return file_->Read(offset, length, large_.get(), payload);
}

Status SegmentReader::ReadSegmentHeader(SegmentHeader* header, bool* valid) {
  Slice bytes;
  NOKV_TRY(Fetch(0, kSegmentHeaderBytes, &bytes));
  *valid = DecodeSegmentHeader(bytes, header);
  return Status::Ok();
}

Status SegmentReader::Read(uint32_t offset, Found* found, Record* record) {
  *found = Found::kNothing;
  Slice bytes;
  NOKV_TRY(Fetch(offset, kRecordHeaderBytes, &bytes));
  if (bytes.size() < kRecordHeaderBytes) return Status::Ok();
  DecodedHeader decoded;
  if (!DecodeRecordHeader(bytes.data(), seed_, offset, limit_, &decoded)) return Status::Ok();

  record->offset = offset;
  record->end = offset + static_cast<uint32_t>(RecordBytes(decoded.header.length));
  record->header = decoded.header;
  NOKV_TRY(FetchPayload(offset + kRecordHeaderBytes, decoded.header.length, &record->payload));
  const bool whole = record->payload.size() == decoded.header.length &&
                     decoded.Matches(PayloadHash(record->payload));
  *found = whole ? Found::kRecord : Found::kTorn;
  return Status::Ok();
}

Status SegmentReader::Find(uint32_t offset, uint32_t limit, bool* found, Record* record) {
  *found = false;
  limit = std::min(limit, limit_);
  uint64_t at = base::RoundUp(uint64_t{offset}, kRecordAlignment);
  while (at + kRecordHeaderBytes <= limit) {
    Slice bytes;
    NOKV_TRY(Fetch(at, kRecordHeaderBytes, &bytes));
    bytes = bytes.substr(0, limit - at);
    if (bytes.size() < kRecordHeaderBytes) return Status::Ok();

    const size_t last = bytes.size() - kRecordHeaderBytes;
    size_t i = 0;
    DecodedHeader decoded;
    while (i <= last && !DecodeRecordHeader(bytes.data() + i, seed_, static_cast<uint32_t>(at + i),
                                            limit, &decoded)) {
      i += kRecordAlignment;
    }
    at += i;
    if (i > last) continue;
    Found what;
    NOKV_TRY(Read(static_cast<uint32_t>(at), &what, record));
    *found = what == Found::kRecord;
    if (*found) return Status::Ok();
    at += kRecordAlignment;
  }
  return Status::Ok();
}

}  // namespace nokv::wal
