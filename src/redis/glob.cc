#include "redis/glob.h"

#include <cstddef>
#include <utility>

#include "redis/number.h"

namespace nokv::redis {

namespace {

char Fold(char c, LetterCase letters) { return letters == LetterCase::kIgnored ? ToLower(c) : c; }

// At `*at` stands the byte after '['; leaves it on the closing bracket, or on the last byte of a pattern
// that does not close the class.
bool ClassMatches(Slice pattern, size_t* at, char c, LetterCase letters) {
  size_t i = *at;
  const bool negated = i < pattern.size() && pattern[i] == '^';
  if (negated) ++i;
  bool found = false;
  for (;; ++i) {
    if (i >= pattern.size()) {
      i = pattern.size() - 1;
      break;
    }
    if (pattern[i] == '\\' && i + 1 < pattern.size()) {
      ++i;
      if (pattern[i] == c) found = true;
    } else if (pattern[i] == ']') {
      break;
    } else if (i + 2 < pattern.size() && pattern[i + 1] == '-') {
      auto low = static_cast<signed char>(pattern[i]);
      auto high = static_cast<signed char>(pattern[i + 2]);
      if (low > high) std::swap(low, high);
      const auto byte = static_cast<signed char>(Fold(c, letters));
      if (byte >= static_cast<signed char>(Fold(static_cast<char>(low), letters)) &&
          byte <= static_cast<signed char>(Fold(static_cast<char>(high), letters))) {
        found = true;
      }
      i += 2;
    } else if (Fold(pattern[i], letters) == Fold(c, letters)) {
      found = true;
    }
  }
  *at = i;
  return found != negated;
}

// Does the element at `*at` match `c`? Leaves `*at` after the element.
// REQUIRES: *at < pattern.size() and it is not a star.
bool ElementMatches(Slice pattern, size_t* at, char c, LetterCase letters) {
  bool matches = true;
  switch (pattern[*at]) {
    case '?':
      break;
    case '[':
      ++*at;
      matches = ClassMatches(pattern, at, c, letters);
      break;
    case '\\':
      if (*at + 1 < pattern.size()) ++*at;
      [[fallthrough]];
    default:
      matches = Fold(pattern[*at], letters) == Fold(c, letters);
  }
  ++*at;
  return matches;
}

}  // namespace

bool GlobMatches(Slice pattern, Slice text, LetterCase letters) {
  if (text.empty()) return pattern.empty();
  size_t p = 0;
  size_t t = 0;
  size_t after_star = Slice::npos;  // where the pattern goes on after the last star
  size_t star_text = 0;             // where in the text that star's match ends at present
  for (;;) {
    if (p < pattern.size() && pattern[p] == '*') {
      while (p + 1 < pattern.size() && pattern[p + 1] == '*') ++p;
      if (p + 1 == pattern.size()) return true;
      after_star = ++p;
      star_text = t;
      continue;
    }
    if (p < pattern.size() && ElementMatches(pattern, &p, text[t], letters)) {
      if (++t < text.size()) continue;
      while (p < pattern.size() && pattern[p] == '*') ++p;
      if (p == pattern.size()) return true;
    }
    if (after_star == Slice::npos || ++star_text == text.size()) return false;
    p = after_star;
    t = star_text;
  }
}

}  // namespace nokv::redis
