#include "sst/bloom_filter.h"

#include <algorithm>

#include "base/check.h"

namespace nokv::sst {

namespace {

// The best number of probes for 0, 1, 2, ... bits per key, from the expected rate of false
// positives with Poisson-distributed lines: sum over j of P(j keys in the line) * (1 - (1 -
// 1/512)^(j*k))^k.
constexpr int kProbesForBits[] = {0, 1, 1,  2,  3,  3,  4,  5,  5,  6,  7,  7,  8,  8,
                                  9, 9, 10, 10, 10, 11, 11, 12, 12, 12, 13, 13, 13, 14};
constexpr int kTabulatedBits = sizeof(kProbesForBits) / sizeof(kProbesForBits[0]);
static_assert(kProbesForBits[kTabulatedBits - 1] == kFilterProbesMax);

}  // namespace

int FilterProbes(int bits_per_key) {
  return kProbesForBits[std::clamp(bits_per_key, 1, kTabulatedBits - 1)];
}

void BloomFilterBuilder::Finish(std::string* out) const {
  const uint64_t bits = hashes_.size() * static_cast<uint64_t>(std::max(bits_per_key_, 1));
  const uint64_t line_count =
      std::clamp<uint64_t>((bits + kFilterLineBits - 1) / kFilterLineBits, 1, UINT32_MAX);
  const int probes = FilterProbes(bits_per_key_);
  const size_t begin = out->size();
  out->resize(begin + static_cast<size_t>(line_count) * kFilterLineBytes);
  char* const lines = out->data() + begin;
  // Lines are visited at random; fetching some keys ahead overlaps the misses.
  constexpr size_t kAhead = 16;
  for (size_t i = 0; i < hashes_.size(); ++i) {
    if (i + kAhead < hashes_.size()) {
      const uint64_t later = BloomFilter::LineIndex(hashes_[i + kAhead], line_count);
      __builtin_prefetch(lines + later * kFilterLineBytes, 1);
    }
    char* const line = lines + BloomFilter::LineIndex(hashes_[i], line_count) * kFilterLineBytes;
    BloomFilter::ForEachBit(hashes_[i], probes, [line](uint64_t bit) {
      line[bit / 8] = static_cast<char>(line[bit / 8] | 1 << (bit % 8));
    });
  }
  out->push_back(static_cast<char>(probes));
}

char* BloomFilter::Allocate(size_t payload_bytes, size_t trailer_bytes) {
  if (payload_bytes < kFilterLineBytes + 1 || payload_bytes % kFilterLineBytes != 1) return nullptr;
  lines_.resize((payload_bytes + trailer_bytes + kFilterLineBytes - 1) / kFilterLineBytes);
  return reinterpret_cast<char*>(lines_.data());
}

const char* BloomFilter::Adopt(size_t payload_bytes) {
  NOKV_CHECK(payload_bytes <= lines_.size() * sizeof(Line));
  const uint64_t line_count = payload_bytes / kFilterLineBytes;
  if (line_count > UINT32_MAX) return "the filter is too large";
  const int probes = reinterpret_cast<const unsigned char*>(lines_.data())[payload_bytes - 1];
  if (probes < 1 || probes > kFilterProbesMax) return "unknown number of filter probes";
  line_count_ = line_count;
  probes_ = probes;
  return nullptr;
}

}  // namespace nokv::sst
