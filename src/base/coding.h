#pragma once

// Numbers to bytes and back: fixed little-endian, big-endian for keys, and LEB128 varints.
//
// Every on-disk format of the project is little-endian through these functions, whatever the machine.
// The decoding side never trusts its input: Get* functions return false instead of reading past the
// end, and leave *input unspecified then. Thread-safe: pure functions.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "nokv/slice.h"

namespace nokv::base {

inline constexpr size_t kMaxVarint32Bytes = 5;
inline constexpr size_t kMaxVarint64Bytes = 10;

static_assert(std::endian::native == std::endian::little,
              "the fixed-width codecs below copy native bytes; a big-endian port swaps here");

inline void EncodeFixed32(char* to, uint32_t value) { std::memcpy(to, &value, sizeof value); }
inline void EncodeFixed64(char* to, uint64_t value) { std::memcpy(to, &value, sizeof value); }
inline uint16_t DecodeFixed16(const char* from) {
  uint16_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
inline uint32_t DecodeFixed32(const char* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
inline uint64_t DecodeFixed64(const char* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
inline void PutFixed32(std::string* to, uint32_t value) {
  char bytes[4];
  EncodeFixed32(bytes, value);
  to->append(bytes, sizeof bytes);
}
inline void PutFixed64(std::string* to, uint64_t value) {
  char bytes[8];
  EncodeFixed64(bytes, value);
  to->append(bytes, sizeof bytes);
}

// Big-endian: byte order is number order.
inline uint64_t DecodeBigEndian64(const char* from) {
  return __builtin_bswap64(DecodeFixed64(from));
}
inline void EncodeBigEndian32(char* to, uint32_t value) {
  EncodeFixed32(to, __builtin_bswap32(value));
}
inline uint32_t DecodeBigEndian32(const char* from) {
  return __builtin_bswap32(DecodeFixed32(from));
}

// Writes at most kMaxVarint64Bytes at `to`; returns one past the last byte written.
inline char* EncodeVarint64(char* to, uint64_t value) {
  while (value >= 0x80) {
    *to++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *to++ = static_cast<char>(value);
  return to;
}
inline char* EncodeVarint32(char* to, uint32_t value) { return EncodeVarint64(to, value); }

inline size_t VarintLength(uint64_t value) {
  return (static_cast<size_t>(std::bit_width(value | 1)) + 6) / 7;
}

inline void PutVarint64(std::string* to, uint64_t value) {
  char bytes[kMaxVarint64Bytes];
  to->append(bytes, static_cast<size_t>(EncodeVarint64(bytes, value) - bytes));
}
inline void PutVarint32(std::string* to, uint32_t value) { PutVarint64(to, value); }
inline void PutLengthPrefixed(std::string* to, Slice value) {
  PutVarint64(to, value.size());
  to->append(value);
}

// Decodes within [from, limit); nullptr if the bytes end early or the number needs over 64 bits.
inline const char* DecodeVarint64(const char* from, const char* limit, uint64_t* value) {
  uint64_t result = 0;
  for (unsigned shift = 0; shift <= 63 && from < limit; shift += 7) {
    const auto byte = static_cast<unsigned char>(*from++);
    if (shift == 63 && byte > 1) return nullptr;
    result |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *value = result;
      return from;
    }
  }
  return nullptr;
}
// As above; nullptr also if the number does not fit 32 bits.
inline const char* DecodeVarint32(const char* from, const char* limit, uint32_t* value) {
  if (from < limit && static_cast<unsigned char>(*from) < 0x80) {
    *value = static_cast<unsigned char>(*from);
    return from + 1;
  }
  uint64_t wide;
  from = DecodeVarint64(from, limit, &wide);
  if (from == nullptr || wide > UINT32_MAX) return nullptr;
  *value = static_cast<uint32_t>(wide);
  return from;
}

inline bool GetFixed32(Slice* input, uint32_t* value) {
  if (input->size() < 4) return false;
  *value = DecodeFixed32(input->data());
  input->remove_prefix(4);
  return true;
}
inline bool GetFixed64(Slice* input, uint64_t* value) {
  if (input->size() < 8) return false;
  *value = DecodeFixed64(input->data());
  input->remove_prefix(8);
  return true;
}
inline bool GetVarint64(Slice* input, uint64_t* value) {
  const char* limit = input->data() + input->size();
  const char* next = DecodeVarint64(input->data(), limit, value);
  if (next == nullptr) return false;
  input->remove_prefix(static_cast<size_t>(next - input->data()));
  return true;
}
inline bool GetVarint32(Slice* input, uint32_t* value) {
  const char* limit = input->data() + input->size();
  const char* next = DecodeVarint32(input->data(), limit, value);
  if (next == nullptr) return false;
  input->remove_prefix(static_cast<size_t>(next - input->data()));
  return true;
}
inline bool GetLengthPrefixed(Slice* input, Slice* value) {
  uint64_t length;
  if (!GetVarint64(input, &length) || length > input->size()) return false;
  *value = input->substr(0, static_cast<size_t>(length));
  input->remove_prefix(static_cast<size_t>(length));
  return true;
}

}  // namespace nokv::base
