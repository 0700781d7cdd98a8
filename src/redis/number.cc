#include "redis/number.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <system_error>

#include <stdio.h>

namespace nokv::redis {

namespace {

// Redis reads and prints long doubles through a buffer of this size.
constexpr size_t kLongDoubleCharsMax = 5 * 1024;

}  // namespace

bool ParseInt64(Slice text, int64_t* value) {
  if (text.empty() || text.size() > kInt64DigitsMax) return false;
  const Slice digits = text.front() == '-' ? text.substr(1) : text;
  if (digits.empty()) return false;
  if (digits.front() == '0' && text.size() > 1) return false;  // also refuses "-0"
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && stopped == end;
}

bool ParseCursor(Slice text, uint64_t* value) {
  const std::string terminated(text);
  const char* begin = terminated.c_str();
  if (std::isspace(static_cast<unsigned char>(*begin)) != 0) return false;
  char* end = nullptr;
  errno = 0;
  static_assert(sizeof(unsigned long) == sizeof(uint64_t));
  *value = std::strtoul(begin, &end, 10);
  return *end == '\0' && errno != ERANGE;
}

char* FormatInt64(char* to, int64_t value) {
  return std::to_chars(to, to + kInt64DigitsMax, value).ptr;
}

std::string_view FormatInt64(int64_t value, char (&buffer)[kInt64DigitsMax]) {
  return {buffer, static_cast<size_t>(FormatInt64(buffer, value) - buffer)};
}

bool ParseLongDouble(Slice text, long double* value) {
  if (text.empty() || text.size() >= kLongDoubleCharsMax) return false;
  if (std::isspace(static_cast<unsigned char>(text.front())) != 0) return false;
  const std::string terminated(text);
  char* end = nullptr;
  errno = 0;
  *value = std::strtold(terminated.c_str(), &end);
  if (end != terminated.c_str() + terminated.size()) return false;
  if (std::isnan(*value)) return false;
  const bool overflow = errno == ERANGE && (std::isinf(*value) || *value == 0.0L);
  return !overflow;
}

std::string FormatLongDouble(long double value) {
  std::string text(kLongDoubleCharsMax, '\0');
  const int length = ::snprintf(text.data(), text.size(), "%.17Lf", value);
  text.resize(static_cast<size_t>(std::max(length, 0)));
  if (text.find('.') != std::string::npos) {
    text.resize(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  if (text == "-0") text = "0";
  return text;
}

std::string ToLower(Slice text) {
  std::string lower(text);
  for (char& c : lower) c = ToLower(c);
  return lower;
}

bool EqualsIgnoringCase(Slice text, std::string_view lower) {
  return text.size() == lower.size() &&
         std::equal(text.begin(), text.end(), lower.begin(),
                    [](char a, char b) { return ToLower(a) == b; });
}

}  // namespace nokv::redis
