#pragma once

// Column families as key ranges: the prefix that stands before the user's key in an engine key.
//
// Ids below 0xf0 take one byte; larger ones take the byte 0xf0 and the id in 4 bytes big-endian. The
// encoding keeps the order of ids and no prefix is the beginning of another, so a family is exactly
// one contiguous range and dropping it is one range delete. The encoding is permanent.

#include <cstdint>
#include <string>

#include "nokv/slice.h"

#include "base/coding.h"

namespace nokv::key {

using FamilyId = uint32_t;
inline constexpr FamilyId kDefaultFamily = 0;
inline constexpr FamilyId kLockFamily = 1;
inline constexpr FamilyId kWriteFamily = 2;
inline constexpr FamilyId kFirstUserFamily = 3;

inline constexpr unsigned char kLongFamilyMark = 0xf0;
inline constexpr size_t kFamilyPrefixBytesMax = 5;

// Writes the prefix of `id` at `to` (room for kFamilyPrefixBytesMax); returns its length.
inline size_t EncodeFamily(char* to, FamilyId id) {
  if (id < kLongFamilyMark) {
    *to = static_cast<char>(id);
    return 1;
  }
  *to = static_cast<char>(kLongFamilyMark);
  base::EncodeBigEndian32(to + 1, id);
  return 5;
}

inline size_t FamilyPrefixLength(FamilyId id) { return id < kLongFamilyMark ? 1 : 5; }

inline std::string EngineKey(FamilyId id, Slice user_key) {
  char prefix[kFamilyPrefixBytesMax];
  const size_t length = EncodeFamily(prefix, id);
  std::string key;
  key.reserve(length + user_key.size());
  key.append(prefix, length).append(user_key);
  return key;
}

// Splits an engine key; false if it is not one.
inline bool ParseEngineKey(Slice engine_key, FamilyId* id, Slice* user_key) {
  if (engine_key.empty()) return false;
  const auto first = static_cast<unsigned char>(engine_key[0]);
  if (first < kLongFamilyMark) {
    *id = first;
    *user_key = engine_key.substr(1);
    return true;
  }
  if (first != kLongFamilyMark || engine_key.size() < 5) return false;
  *id = base::DecodeBigEndian32(engine_key.data() + 1);
  *user_key = engine_key.substr(5);
  return *id >= kLongFamilyMark;
}

// The engine keys of the family are [FamilyBegin, FamilyEnd).
inline std::string FamilyBegin(FamilyId id) { return EngineKey(id, {}); }
inline std::string FamilyEnd(FamilyId id) {
  return id == UINT32_MAX ? std::string(1, static_cast<char>(kLongFamilyMark + 1))
                          : EngineKey(id + 1, {});
}

}  // namespace nokv::key
