#pragma once

// LogPosition: a place in the log.
//
// Positions order as the records do: by segment, then by offset in it. Segment 0 does not exist, so
// that the default position stands before everything.

#include <compare>
#include <cstdint>
#include <string>

namespace nokv::wal {

struct LogPosition {
  uint32_t segment = 0;
  uint32_t offset = 0;

  auto operator<=>(const LogPosition&) const = default;

  // As one word that orders the same way, for atomics.
  uint64_t Pack() const { return static_cast<uint64_t>(segment) << 32 | offset; }
  static LogPosition Unpack(uint64_t word) {
    return {.segment = static_cast<uint32_t>(word >> 32), .offset = static_cast<uint32_t>(word)};
  }
  // "7:4096".
  std::string ToString() const { return std::to_string(segment) + ":" + std::to_string(offset); }
};

}  // namespace nokv::wal
