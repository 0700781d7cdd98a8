#pragma once

// Keys, values and chance of the benchmark, as README.md defines them: every driver, in whatever language, makes
// the same ones. All are pure functions or confined to one thread.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace nokv::bench {

using Record = uint64_t;
using Version = uint32_t;

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014), a bijection, and its inverse.
uint64_t Mix(uint64_t x);
uint64_t Unmix(uint64_t x);

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() { return Mix(state_ += 0x9e3779b97f4a7c15ULL); }
  // Below n.
  uint64_t Uniform(uint64_t n);
  // In [0, 1).
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1p-53; }

 private:
  uint64_t state_;
};

// The seed of one thread's Random in one workload of one run.
uint64_t ThreadSeed(uint64_t seed, std::string_view workload, uint64_t run, uint64_t thread);

inline constexpr size_t kKeyBytes = 20;
inline constexpr size_t kValueHeaderBytes = 16;
inline constexpr size_t kValueBytesMax = 64 * 1024;

// The key of a record; 20 bytes.
class Key {
 public:
  Key() = default;
  explicit Key(Record record) { Assign(record); }
  void Assign(Record record);
  std::string_view view() const { return {bytes_, kKeyBytes}; }

  // The record whose key this is; false if it is no key of ours.
  static bool Parse(std::string_view key, Record* record);

 private:
  char bytes_[kKeyBytes];
};

// Values of one size.
class Values {
 public:
  // REQUIRES: kValueHeaderBytes <= value_bytes <= kValueBytesMax.
  explicit Values(size_t value_bytes);

  size_t value_bytes() const { return value_bytes_; }
  // Writes value_bytes() bytes to `to`.
  void Fill(Record record, Version version, char* to) const;
  // Whether `value` is that of `record` at some version, which is set then.
  bool Check(Record record, std::string_view value, Version* version) const;

 private:
  const char* PatternOf(Record record, Version version) const;

  size_t value_bytes_;
  std::unique_ptr<char[]> pattern_;
};

// Ranks below n: rank r with a probability proportional to 1 / (r + 1)^0.99. Source: Gray et al., "Quickly Generating
// Billion-Record Synthetic Databases", 1994.
class Zipfian {
 public:
  // Takes time in proportion to n.
  explicit Zipfian(uint64_t n);
  uint64_t Rank(Random* random) const;
  // The record of that rank among n: hot records lie anywhere.
  uint64_t Scrambled(Random* random) const;

 private:
  uint64_t n_;
  double zeta_n_, alpha_, eta_;
};

}  // namespace nokv::bench
