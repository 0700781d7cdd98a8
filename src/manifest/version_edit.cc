#include "manifest/version_edit.h"

#include <limits>

#include "base/coding.h"

namespace nokv::manifest {

namespace {

// Edits, files and families are all sequences of fields:
//
//   field := tag:varint value
//   tag   := id << 1 | wire      wire 0: value is a varint; wire 1: a length-prefixed string
//
// The wire bit lets a reader step over a field it does not know; it may do so only if the id is at
// least kFirstSkippableId. The ids are permanent.
constexpr uint32_t kFirstSkippableId = 64;

enum EditField : uint32_t {
  kNextFileNumber = 1,
  kRemovedFile = 2,  // bytes: level:varint number:varint; repeats
  kAddedFile = 3,    // bytes: level:varint, then the fields of the file; repeats
  kFamily = 4,       // bytes: the fields of the family; repeats
  kNextFamilyId = 5,
  kFlushedSeq = 6,
  kLastSeq = 7,
  kLogFirstSegment = 8,
  kLogCreatedThrough = 9,
  kClearCleanEnd = 10,  // 1
  kLogCleanEnd = 11,    // bytes: segment:varint offset:varint
};

enum FileField : uint32_t {
  kNumber = 1,
  kBytes = 2,
  kBegin = 3,
  kEnd = 4,
  kSmallestSeq = 5,
  kLargestSeq = 6,
  kEntries = 7,
  kDeletes = 8,
  kRangeDeletes = 9,
  kMinExpiresAt = 10,
  kMaxExpiresAt = 11,
  kExpiringEntries = 12,
  kCreatedAtMs = 13,
  kRawBytes = 14,
};

enum FamilyField : uint32_t {
  kFamilyId = 1,
  kFamilyName = 2,
  kFamilyDropped = 3,  // 1
};

void PutNumber(std::string* to, uint32_t id, uint64_t value) {
  base::PutVarint64(to, uint64_t{id} << 1);
  base::PutVarint64(to, value);
}

void PutBytes(std::string* to, uint32_t id, Slice value) {
  base::PutVarint64(to, uint64_t{id} << 1 | 1);
  base::PutLengthPrefixed(to, value);
}

void PutNumberIfSet(std::string* to, uint32_t id, uint64_t value) {
  if (value != 0) PutNumber(to, id, value);
}

// Takes fields from the front of bytes that may be anything.
class FieldReader {
 public:
  // `what` names the thing for messages: "edit".
  FieldReader(const char* what, Slice input) : what_(what), input_(input) {}

  // The next field, which may be unknown to the caller; false at the end and at damage.
  bool Next() {
    if (input_.empty() || !status_.ok()) return false;
    uint64_t tag;
    if (!base::GetVarint64(&input_, &tag) || tag >> 1 == 0 || tag >> 1 > UINT32_MAX) {
      return Fail("has a malformed tag");
    }
    id_ = static_cast<uint32_t>(tag >> 1);
    is_bytes_ = (tag & 1) != 0;
    const bool read = is_bytes_ ? base::GetLengthPrefixed(&input_, &bytes_)
                                : base::GetVarint64(&input_, &number_);
    return read || Fail("ends within field " + std::to_string(id_));
  }

  uint32_t id() const { return id_; }

  // The value of a field that occurs once and must fit Integer.
  template <typename Integer>
  void TakeNumber(Integer* value) {
    if (is_bytes_ || !FirstTime()) return Malformed();
    if (number_ > std::numeric_limits<Integer>::max()) return Malformed();
    *value = static_cast<Integer>(number_);
  }
  template <typename Integer>
  void TakeNumber(std::optional<Integer>* value) {
    TakeNumber(&value->emplace());
  }
  void TakeFlag(bool* value) {
    if (is_bytes_ || !FirstTime() || number_ != 1) return Malformed();
    *value = true;
  }
  void TakeString(std::string* value) {
    if (!is_bytes_ || !FirstTime()) return Malformed();
    *value = bytes_;
  }
  // The value of a byte string that may occur many times.
  Slice TakeRepeated() {
    if (!is_bytes_) Malformed();
    return is_bytes_ ? bytes_ : Slice();
  }

  void Malformed() { Fail("has a malformed field " + std::to_string(id_)); }

  // The caller does not know the field.
  void Unknown() {
    if (id_ >= kFirstSkippableId) return;
    status_ = Status::NotSupported(std::string(what_) + " has field " + std::to_string(id_) +
                                   ", which this build does not know: written by a newer version");
  }

  void Absorb(const Status& status) {
    if (status_.ok()) status_ = status;
  }
  const Status& status() const { return status_; }

 private:
  bool Fail(const std::string& problem) {
    if (status_.ok()) status_ = Status::Corruption(std::string(what_) + " " + problem);
    return false;
  }
  bool FirstTime() {
    static_assert(kFirstSkippableId <= 64, "ids of known fields index the bits of seen_");
    const uint64_t bit = 1ULL << id_;
    const bool first = (seen_ & bit) == 0;
    seen_ |= bit;
    return first;
  }

  const char* const what_;
  Slice input_;
  Status status_;
  uint64_t seen_ = 0;
  uint32_t id_ = 0;
  bool is_bytes_ = false;
  uint64_t number_ = 0;
  Slice bytes_;
};

bool GetLevel(Slice* input, int* level) {
  uint32_t number;
  if (!base::GetVarint32(input, &number) || number >= kLevelCount) return false;
  *level = static_cast<int>(number);
  return true;
}

void EncodeFile(int level, const FileMeta& file, std::string* to) {
  base::PutVarint64(to, static_cast<uint64_t>(level));
  PutNumber(to, kNumber, file.number);
  PutNumberIfSet(to, kBytes, file.bytes);
  PutBytes(to, kBegin, file.begin);
  PutBytes(to, kEnd, file.end);
  PutNumberIfSet(to, kSmallestSeq, file.smallest_seq);
  PutNumberIfSet(to, kLargestSeq, file.largest_seq);
  PutNumberIfSet(to, kEntries, file.entries);
  PutNumberIfSet(to, kDeletes, file.deletes);
  PutNumberIfSet(to, kRangeDeletes, file.range_deletes);
  PutNumberIfSet(to, kMinExpiresAt, file.min_expires_at);
  PutNumberIfSet(to, kMaxExpiresAt, file.max_expires_at);
  PutNumberIfSet(to, kExpiringEntries, file.expiring_entries);
  PutNumberIfSet(to, kCreatedAtMs, file.created_at_ms);
  PutNumberIfSet(to, kRawBytes, file.raw_bytes);
}

Status DecodeFile(Slice bytes, std::pair<int, FileMeta>* added) {
  if (!GetLevel(&bytes, &added->first)) return Status::Corruption("file has a malformed level");
  FileMeta& file = added->second;
  FieldReader fields("file", bytes);
  while (fields.Next()) {
    switch (fields.id()) {
      case kNumber: fields.TakeNumber(&file.number); break;
      case kBytes: fields.TakeNumber(&file.bytes); break;
      case kBegin: fields.TakeString(&file.begin); break;
      case kEnd: fields.TakeString(&file.end); break;
      case kSmallestSeq: fields.TakeNumber(&file.smallest_seq); break;
      case kLargestSeq: fields.TakeNumber(&file.largest_seq); break;
      case kEntries: fields.TakeNumber(&file.entries); break;
      case kDeletes: fields.TakeNumber(&file.deletes); break;
      case kRangeDeletes: fields.TakeNumber(&file.range_deletes); break;
      case kMinExpiresAt: fields.TakeNumber(&file.min_expires_at); break;
      case kMaxExpiresAt: fields.TakeNumber(&file.max_expires_at); break;
      case kExpiringEntries: fields.TakeNumber(&file.expiring_entries); break;
      case kCreatedAtMs: fields.TakeNumber(&file.created_at_ms); break;
      case kRawBytes: fields.TakeNumber(&file.raw_bytes); break;
      default: fields.Unknown();
    }
  }
  return fields.status();
}

Status DecodeRemoved(Slice bytes, std::pair<int, uint64_t>* removed) {
  if (GetLevel(&bytes, &removed->first) && base::GetVarint64(&bytes, &removed->second) &&
      bytes.empty()) {
    return Status::Ok();
  }
  return Status::Corruption("edit has a malformed removal");
}

void EncodeFamily(const FamilyEdit& family, std::string* to) {
  PutNumber(to, kFamilyId, family.id);
  if (!family.name.empty()) PutBytes(to, kFamilyName, family.name);
  if (family.dropped) PutNumber(to, kFamilyDropped, 1);
}

Status DecodeFamily(Slice bytes, FamilyEdit* family) {
  FieldReader fields("family", bytes);
  while (fields.Next()) {
    switch (fields.id()) {
      case kFamilyId: fields.TakeNumber(&family->id); break;
      case kFamilyName: fields.TakeString(&family->name); break;
      case kFamilyDropped: fields.TakeFlag(&family->dropped); break;
      default: fields.Unknown();
    }
  }
  return fields.status();
}

void EncodeCleanEnd(const CleanEnd& end, std::string* to) {
  base::PutVarint32(to, end.segment);
  base::PutVarint32(to, end.offset);
}

bool DecodeCleanEnd(Slice bytes, CleanEnd* end) {
  return base::GetVarint32(&bytes, &end->segment) && base::GetVarint32(&bytes, &end->offset) &&
         bytes.empty();
}

}  // namespace

void VersionEdit::EncodeTo(std::string* to) const {
  std::string scratch;
  if (next_file_number) PutNumber(to, kNextFileNumber, *next_file_number);
  for (const auto& [level, number] : removed) {
    scratch.clear();
    base::PutVarint64(&scratch, static_cast<uint64_t>(level));
    base::PutVarint64(&scratch, number);
    PutBytes(to, kRemovedFile, scratch);
  }
  for (const auto& [level, file] : added) {
    scratch.clear();
    EncodeFile(level, file, &scratch);
    PutBytes(to, kAddedFile, scratch);
  }
  for (const FamilyEdit& family : families) {
    scratch.clear();
    EncodeFamily(family, &scratch);
    PutBytes(to, kFamily, scratch);
  }
  if (next_family_id) PutNumber(to, kNextFamilyId, *next_family_id);
  if (flushed_seq) PutNumber(to, kFlushedSeq, *flushed_seq);
  if (last_seq) PutNumber(to, kLastSeq, *last_seq);
  if (log_first_segment) PutNumber(to, kLogFirstSegment, *log_first_segment);
  if (log_created_through) PutNumber(to, kLogCreatedThrough, *log_created_through);
  if (clear_clean_end) PutNumber(to, kClearCleanEnd, 1);
  if (log_clean_end) {
    scratch.clear();
    EncodeCleanEnd(*log_clean_end, &scratch);
    PutBytes(to, kLogCleanEnd, scratch);
  }
}

Status VersionEdit::Decode(Slice bytes, VersionEdit* edit) {
  *edit = VersionEdit();
  FieldReader fields("edit", bytes);
  std::string clean_end;
  while (fields.Next()) {
    switch (fields.id()) {
      case kNextFileNumber: fields.TakeNumber(&edit->next_file_number); break;
      case kRemovedFile:
        fields.Absorb(DecodeRemoved(fields.TakeRepeated(), &edit->removed.emplace_back()));
        break;
      case kAddedFile:
        fields.Absorb(DecodeFile(fields.TakeRepeated(), &edit->added.emplace_back()));
        break;
      case kFamily:
        fields.Absorb(DecodeFamily(fields.TakeRepeated(), &edit->families.emplace_back()));
        break;
      case kNextFamilyId: fields.TakeNumber(&edit->next_family_id); break;
      case kFlushedSeq: fields.TakeNumber(&edit->flushed_seq); break;
      case kLastSeq: fields.TakeNumber(&edit->last_seq); break;
      case kLogFirstSegment: fields.TakeNumber(&edit->log_first_segment); break;
      case kLogCreatedThrough: fields.TakeNumber(&edit->log_created_through); break;
      case kClearCleanEnd: fields.TakeFlag(&edit->clear_clean_end); break;
      case kLogCleanEnd:
        fields.TakeString(&clean_end);
        if (!DecodeCleanEnd(clean_end, &edit->log_clean_end.emplace())) fields.Malformed();
        break;
      default: fields.Unknown();
    }
  }
  return fields.status();
}

}  // namespace nokv::manifest
