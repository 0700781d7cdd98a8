#pragma once

// Numbers as Redis reads and prints them.
//
// Strictness matters to clients: "+1", " 1", "01" and "1.0" are not integers, and what INCR stores must
// read back. Thread-safe: pure functions.

#include <cstdint>
#include <string>
#include <string_view>

#include "nokv/slice.h"

namespace nokv::redis {

// Longest decimal form of an int64_t, sign included.
inline constexpr size_t kInt64DigitsMax = 20;

// Decimal, optional '-', no leading zeros, blanks or '+'; false if it is not that or does not fit.
bool ParseInt64(Slice text, int64_t* value);
// As the cursor of SCAN, which is whatever strtoul takes whole: "" is 0, "-1" is 2^64 - 1, a NUL ends
// the number. False if there is more, blanks before it, or the number does not fit.
bool ParseCursor(Slice text, uint64_t* value);

// Writes at most kInt64DigitsMax bytes at `to`; returns one past the last.
char* FormatInt64(char* to, int64_t value);
std::string_view FormatInt64(int64_t value, char (&buffer)[kInt64DigitsMax]);

// INCRBYFLOAT's arithmetic: x87 long double where the platform has it, as Redis computes.
// Everything strtold takes, whole and without blanks before it, but NaN; out of range is refused.
bool ParseLongDouble(Slice text, long double* value);
// Fixed notation with 17 decimals, trailing zeros cut. REQUIRES: a finite number.
std::string FormatLongDouble(long double value);

// Lower-case ASCII; other bytes stay.
inline char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
std::string ToLower(Slice text);
// Equal but for the case of ASCII letters. REQUIRES: `lower` is lower-case.
bool EqualsIgnoringCase(Slice text, std::string_view lower);

}  // namespace nokv::redis
