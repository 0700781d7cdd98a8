#pragma once

// Hashes and checksums: XXH3 64 (Yann Collet's xxHash library), and a cheap mixer.
//
// Hash64 places keys in tables, filters and caches; its value for a key is part of the table format
// (filters), so it never changes. Checksum64 guards bytes on disk; every use binds the bytes to their
// place (file, offset) through `seed`, so that a block moved or left over from an earlier life of the
// file does not pass. Thread-safe: pure functions.

#include <cstddef>
#include <cstdint>

#include "nokv/slice.h"

namespace nokv::base {

uint64_t Hash64(Slice bytes);
uint64_t Checksum64(Slice bytes, uint64_t seed);

// A bijective 64-bit mixer (the finaliser of SplitMix64): spreads every input bit over all output bits.
inline uint64_t Mix64(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  x ^= x >> 31;
  return x;
}

// The seed that binds a checksum to a place: a file's number and an offset in it.
inline uint64_t PlaceSeed(uint64_t file_number, uint64_t offset) {
  return Mix64(Mix64(file_number + 0x9e3779b97f4a7c15ULL) ^ offset);
}

}  // namespace nokv::base
