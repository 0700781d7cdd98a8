#include "cache/frequency_sketch.h"

#include <algorithm>
#include <bit>

#include "base/hash.h"

namespace nokv::cache {

FrequencySketch::FrequencySketch(size_t key_count) {
  const size_t lines = std::bit_ceil(std::max<size_t>(1, key_count / kKeysPerLine));
  lines_ = std::make_unique<Line[]>(lines);
  lines_mask_ = lines - 1;
}

// Five bits per quarter choose one of its 32 counters. The table's bucket comes from the low bits
// of the hash and its shard from the high ones; mixing again keeps the line independent of both.
FrequencySketch::Place FrequencySketch::PlaceOf(uint64_t mixed, unsigned quarter) {
  const uint64_t bits = mixed >> (44 + 5 * quarter);
  return {quarter * 2 + ((bits >> 4) & 1), static_cast<unsigned>(bits & 15) * 4};
}

void FrequencySketch::Add(uint64_t hash, uint32_t count) {
  const uint64_t mixed = base::Mix64(hash);
  Line& line = lines_[mixed & lines_mask_];
  Place places[4];
  uint64_t least = kCountMax;
  for (unsigned quarter = 0; quarter < 4; ++quarter) {
    places[quarter] = PlaceOf(mixed, quarter);
    least = std::min(least, line.Get(places[quarter]));
  }
  // Only counters below the new least rise: the others count somebody else ("minimal increment").
  const uint64_t raised = std::min<uint64_t>(kCountMax, least + count);
  for (const Place& place : places) {
    const uint64_t old = line.Get(place);
    if (old < raised) line.words[place.word] += (raised - old) << place.shift;
  }
  additions_ += count;
}

uint32_t FrequencySketch::Estimate(uint64_t hash) const {
  const uint64_t mixed = base::Mix64(hash);
  const Line& line = lines_[mixed & lines_mask_];
  uint64_t least = kCountMax;
  for (unsigned quarter = 0; quarter < 4; ++quarter) {
    least = std::min(least, line.Get(PlaceOf(mixed, quarter)));
  }
  return static_cast<uint32_t>(least);
}

bool FrequencySketch::MaybeAge(size_t cached_entries) {
  if (additions_ < kAgingFactor * std::max(cached_entries, kAgingEntriesMin)) return false;
  // Halving a counter leaves its lowest bit in the neighbour below; the mask removes it.
  constexpr uint64_t kLowerThreeBits = 0x7777777777777777ULL;
  for (size_t i = 0; i <= lines_mask_; ++i) {
    for (uint64_t& word : lines_[i].words)
      word = (word >> 1) & kLowerThreeBits;
  }
  additions_ /= 2;
  return true;
}

}  // namespace nokv::cache
