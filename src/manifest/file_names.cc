#include "manifest/file_names.h"

#include "wal/format.h"

namespace nokv::manifest {

namespace {

constexpr char kManifestPrefix[] = "MANIFEST-";
constexpr char kTableSuffix[] = ".sst";

// At least six digits.
std::string Digits(uint64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
  return digits;
}

// The number that Digits turns into `digits`, within [1, kFileNumberMax]; false for any other text.
bool ParseDigits(Slice digits, uint64_t* number) {
  if (digits.size() < 6 || digits.size() > 19) return false;
  uint64_t value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  *number = value;
  return value >= 1 && value <= kFileNumberMax && Digits(value) == digits;
}

bool StripSuffix(Slice* name, Slice suffix) {
  if (!name->ends_with(suffix)) return false;
  name->remove_suffix(suffix.size());
  return true;
}

}  // namespace

std::string ManifestFileName(uint64_t number) { return kManifestPrefix + Digits(number); }
std::string TableFileName(uint64_t number) { return Digits(number) + kTableSuffix; }
std::string LogFileName(uint32_t segment) { return wal::SegmentFileName(segment); }
std::string TemporaryFileName(const std::string& name) { return name + kTemporarySuffix; }

bool ParseFileName(Slice name, FileType* type, uint64_t* number) {
  *number = 0;
  if (StripSuffix(&name, kTemporarySuffix)) {
    FileType becomes;
    if (name.ends_with(kTemporarySuffix) || !ParseFileName(name, &becomes, number)) return false;
    *type = FileType::kTemporary;
    return true;
  }
  if (name == kCurrentName) {
    *type = FileType::kCurrent;
    return true;
  }
  if (name == kLockName) {
    *type = FileType::kLock;
    return true;
  }
  if (name.starts_with(kManifestPrefix)) {
    *type = FileType::kManifest;
    name.remove_prefix(sizeof kManifestPrefix - 1);
    return ParseDigits(name, number);
  }
  if (StripSuffix(&name, kTableSuffix)) {
    *type = FileType::kTable;
    return ParseDigits(name, number);
  }
  uint32_t segment;
  if (!wal::ParseSegmentFileName(name, &segment)) return false;
  *type = FileType::kLog;
  *number = segment;
  return true;
}

}  // namespace nokv::manifest
