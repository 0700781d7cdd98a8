#pragma once

// Keys for the tests of this module: shapes that differ in what they share, where they vary and how
// long they are.

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "base/coding.h"
#include "base/random.h"

namespace nokv::memtable {

inline std::string Decimal(uint64_t n, size_t width) {
  std::string digits = std::to_string(n);
  return std::string(width - std::min(width, digits.size()), '0') + digits;
}
inline std::string Hexadecimal(uint64_t n) {
  std::string digits;
  for (int shift = 60; shift >= 0; shift -= 4)
    digits += "0123456789abcdef"[n >> shift & 15];
  return digits;
}
inline std::string BigEndian(uint64_t n) {
  std::string bytes(8, '\0');
  base::EncodeFixed64(bytes.data(), __builtin_bswap64(n));
  return bytes;
}

struct KeyShape {
  const char* name;
  std::function<std::string(base::Random*)> make;
};

// Keys are never empty.
inline std::vector<KeyShape> KeyShapes() {
  using R = base::Random;
  return {
      {"decimal",
       [](R* r) {
         return std::string("\0user", 5) + Decimal(r->Uniform(2000), 16);
       }},
      {"unpadded",
       [](R* r) {
         return "key" + std::to_string(r->Uniform(3000));
       }},
      {"two letters",
       [](R* r) {
         std::string key(1 + r->Uniform(10), 'a');
         for (char& c : key)
           c = r->OneIn(2) ? 'a' : 'b';
         return key;
       }},
      {"zeros and ones",
       [](R* r) {
         std::string key(1 + r->Uniform(8), '\0');
         for (char& c : key)
           c = static_cast<char>(r->Uniform(2));
         return key;
       }},
      {"binary",
       [](R* r) {
         return BigEndian(r->Uniform(3000) * 0x9e3779b97f4a7c15ULL);
       }},
      {"hexadecimal",
       [](R* r) {
         return "uuid/" + Hexadecimal(r->Uniform(3000) * 0xbf58476d1ce4e5b9ULL);
       }},
      {"families",
       [](R* r) {
         std::string key(1, static_cast<char>(r->Uniform(3)));
         return key + "user" + Decimal(r->Uniform(700), 8);
       }},
      {"long shared prefix",
       [](R* r) {
         return std::string(300, 'p') + Decimal(r->Uniform(999), 3);
       }},
      {"any length",
       [](R* r) {
         std::string key(size_t{1} << r->Uniform(12), 'x');
         key[r->Uniform(key.size())] = static_cast<char>(r->Next());
         return key;
       }},
      {"high bytes",
       [](R* r) {
         return std::string(1 + r->Uniform(40), '\xff');
       }},
  };
}

}  // namespace nokv::memtable
