#pragma once

// Glob patterns as KEYS, SCAN and CONFIG GET read them: * ? [a-z] [^a] and \ before a literal.
//
// The corner cases are Redis's: an unclosed class ends with the pattern, a range may be written
// backwards, bytes in a range compare as signed, and an empty text matches only an empty pattern
// (callers treat "*" alone as "everything"). Backtracks to the last star only, so the time is at most
// the product of both lengths, without recursion. Thread-safe: pure functions.

#include "nokv/slice.h"

namespace nokv::redis {

enum class LetterCase : bool { kExact, kIgnored };

bool GlobMatches(Slice pattern, Slice text, LetterCase letters = LetterCase::kExact);

}  // namespace nokv::redis
