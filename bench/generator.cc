#include "generator.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace nokv::bench {
namespace {

constexpr size_t kPatternOffsets = 131072;
constexpr double kTheta = 0.99;

__extension__ using Wide = unsigned __int128;

uint64_t UpperHalf(uint64_t a, uint64_t b) {
  return static_cast<uint64_t>((static_cast<Wide>(a) * b) >> 64);
}

// Sixteen lower-case hexadecimal digits, the most significant first, eight at a time within a word.
uint64_t SpreadNibbles(uint32_t x) {
  uint64_t spread = x;
  spread = (spread | (spread << 16)) & 0x0000ffff0000ffffULL;
  spread = (spread | (spread << 8)) & 0x00ff00ff00ff00ffULL;
  spread = (spread | (spread << 4)) & 0x0f0f0f0f0f0f0f0fULL;
  return spread;
}
uint64_t HexDigits(uint32_t x) {
  const uint64_t nibbles = SpreadNibbles(x);
  const uint64_t letters = ((nibbles + 0x0606060606060606ULL) >> 4) & 0x0101010101010101ULL;
  return __builtin_bswap64(nibbles + 0x3030303030303030ULL + letters * ('a' - '0' - 10));
}
// The other way: false unless all eight are lower-case hexadecimal digits.
bool HexValue(uint64_t digits, uint32_t* x) {
  const uint64_t text = __builtin_bswap64(digits);
  const uint64_t letters = (text >> 6) & 0x0101010101010101ULL;
  uint64_t nibbles = text - 0x3030303030303030ULL - letters * ('a' - '0' - 10);
  nibbles &= 0x0f0f0f0f0f0f0f0fULL;
  uint64_t folded = (nibbles | (nibbles >> 4)) & 0x00ff00ff00ff00ffULL;
  folded = (folded | (folded >> 8)) & 0x0000ffff0000ffffULL;
  folded = (folded | (folded >> 16)) & 0xffffffffULL;
  *x = static_cast<uint32_t>(folded);
  return HexDigits(*x) == digits;
}

double Zeta(uint64_t n) {
  double sum = 0;
  for (uint64_t i = 1; i <= n; ++i) sum += std::pow(static_cast<double>(i), -kTheta);
  return sum;
}

static_assert(std::endian::native == std::endian::little, "keys and values are laid out by words");

}  // namespace

uint64_t Mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

uint64_t Unmix(uint64_t x) {
  x ^= (x >> 31) ^ (x >> 62);
  x *= 0x319642b2d24d8ec3ULL;  // the inverses of the factors modulo 2^64
  x ^= (x >> 27) ^ (x >> 54);
  x *= 0x96de1b173f119089ULL;
  return x ^ (x >> 30) ^ (x >> 60);
}

uint64_t Random::Uniform(uint64_t n) { return UpperHalf(Next(), n); }

uint64_t ThreadSeed(uint64_t seed, std::string_view workload, uint64_t run, uint64_t thread) {
  uint64_t h = seed;
  for (const char c : workload) h = Mix(h ^ static_cast<unsigned char>(c));
  return Mix(h ^ (run << 32) ^ thread);
}

void Key::Assign(Record record) {
  const uint64_t mixed = Mix(record);
  const uint64_t upper = HexDigits(static_cast<uint32_t>(mixed >> 32));
  const uint64_t lower = HexDigits(static_cast<uint32_t>(mixed));
  std::memcpy(bytes_, "user", 4);
  std::memcpy(bytes_ + 4, &upper, 8);
  std::memcpy(bytes_ + 12, &lower, 8);
}

bool Key::Parse(std::string_view key, Record* record) {
  if (key.size() != kKeyBytes || std::memcmp(key.data(), "user", 4) != 0) return false;
  uint64_t upper, lower;
  std::memcpy(&upper, key.data() + 4, 8);
  std::memcpy(&lower, key.data() + 12, 8);
  uint32_t high, low;
  if (!HexValue(upper, &high) || !HexValue(lower, &low)) return false;
  *record = Unmix((static_cast<uint64_t>(high) << 32) | low);
  return true;
}

Values::Values(size_t value_bytes)
    : value_bytes_(value_bytes),
      pattern_(std::make_unique<char[]>(kPatternOffsets + kValueBytesMax)) {
  Random random(42);
  for (size_t i = 0; i < kPatternOffsets + kValueBytesMax; ++i) {
    pattern_[i] = static_cast<char>(33 + (random.Next() >> 32) % 94);
  }
}

const char* Values::PatternOf(Record record, Version version) const {
  return &pattern_[Mix((record * 0x9e3779b97f4a7c15ULL) ^ version) % kPatternOffsets];
}

void Values::Fill(Record record, Version version, char* to) const {
  const uint64_t wide_version = version;
  std::memcpy(to, &record, 8);
  std::memcpy(to + 8, &wide_version, 8);
  std::memcpy(to + kValueHeaderBytes, PatternOf(record, version), value_bytes_ - kValueHeaderBytes);
}

bool Values::Check(Record record, std::string_view value, Version* version) const {
  if (value.size() != value_bytes_) return false;
  uint64_t its_record, its_version;
  std::memcpy(&its_record, value.data(), 8);
  std::memcpy(&its_version, value.data() + 8, 8);
  if (its_record != record || its_version > UINT32_MAX) return false;
  *version = static_cast<Version>(its_version);
  return std::memcmp(value.data() + kValueHeaderBytes, PatternOf(record, *version),
                     value_bytes_ - kValueHeaderBytes) == 0;
}

Zipfian::Zipfian(uint64_t n) : n_(n), zeta_n_(Zeta(n)), alpha_(1 / (1 - kTheta)) {
  const double items = static_cast<double>(n);
  eta_ = (1 - std::pow(2 / items, 1 - kTheta)) / (1 - Zeta(2) / zeta_n_);
}

uint64_t Zipfian::Rank(Random* random) const {
  const double u = random->Unit();
  const double uz = u * zeta_n_;
  if (uz < 1) return 0;
  if (uz < 1 + std::pow(0.5, kTheta)) return std::min<uint64_t>(1, n_ - 1);
  const double rank = static_cast<double>(n_) * std::pow(eta_ * u - eta_ + 1, alpha_);
  return std::min(static_cast<uint64_t>(rank), n_ - 1);
}

uint64_t Zipfian::Scrambled(Random* random) const {
  return UpperHalf(Mix(Rank(random) + 0x9e3779b97f4a7c15ULL), n_);
}

}  // namespace nokv::bench
