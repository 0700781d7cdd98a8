#include "redis/resp_parser.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.h"
#include "redis/number.h"

namespace nokv::redis {

namespace {

bool IsBlank(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char Unescaped(char c) {
  switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
  }
}

// The length of the header that `text` begins with, if it is whole and in the form that nearly every one has: the marker, one
// to six digits without a zero before others, and the line end. 0 if it is anything else.
inline size_t PlainHeader(Slice text, char marker, int64_t* number) {
  constexpr size_t kDigitsMax = 6;
  if (!text.starts_with(marker)) return 0;
  int64_t value = 0;
  size_t i = 1;
  for (; i <= kDigitsMax && i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
    value = value * 10 + (text[i] - '0');
  }
  if (i == 1 || i + 2 > text.size() || text[i] != '\r' || (text[1] == '0' && i > 2)) return 0;
  *number = value;
  return i + 2;
}

// As above; -1 if something else is there.
int64_t SkipPlainHeader(Slice* input, char marker) {
  int64_t number = 0;
  const size_t length = PlainHeader(*input, marker, &number);
  input->remove_prefix(length);
  return length > 0 ? number : -1;
}

}  // namespace

void RespParser::Reset() {
  position_ = 0;
  bulks_left_ = 0;
  bulk_length_ = kUnknownLength;
  pieces_.clear();
}

void RespParser::Shrink() {
  constexpr size_t kKeptMax = 1024;
  if (pieces_.capacity() > kKeptMax) std::vector<Piece>().swap(pieces_);
  if (args_.capacity() > kKeptMax) std::vector<Slice>().swap(args_);
  if (unquoted_.capacity() > kKeptMax) std::string().swap(unquoted_);
}

Slice SkipPlainRequest(Slice* input) {
  Slice rest = *input;
  Slice second;
  const int64_t count = SkipPlainHeader(&rest, '*');
  if (count < 2) return {};
  for (int64_t i = 0; i < count; ++i) {
    const int64_t length = SkipPlainHeader(&rest, '$');
    if (length < 0 || rest.size() < static_cast<size_t>(length) + 2) return {};
    if (i == 1) second = rest.substr(0, static_cast<size_t>(length));
    rest.remove_prefix(static_cast<size_t>(length) + 2);
  }
  *input = rest;
  return second;
}

RespParser::Outcome RespParser::Fail(std::string message) {
  error_ = "Protocol error: " + std::move(message);
  Reset();
  return Outcome::kError;
}

RespParser::Outcome RespParser::Next(Slice input, const Limits& limits, size_t* consumed) {
  if (input.empty()) return Outcome::kNeedMore;
  NOKV_DCHECK(position_ <= input.size());
  return input.front() == '*' ? ParseMultibulk(input, limits, consumed)
                              : ParseInline(input, consumed);
}

RespParser::Outcome RespParser::ReadHeader(Slice input,
                                           char marker,
                                           std::string_view line_name,
                                           int64_t* value,
                                           bool* is_number) {
  const char* at = input.data() + position_;
  const size_t left = input.size() - position_;
  if (const size_t plain = PlainHeader({at, left}, marker, value); plain > 0) [[likely]] {  // without a search
    *is_number = true;
    position_ += plain;
    return Outcome::kRequest;
  }
  const void* found = left == 0 ? nullptr : std::memchr(at, '\r', left);
  // As in Redis, which looks for the end as in a C string, a line with a NUL in it never ends.
  if (found != nullptr &&
      std::memchr(at, '\0', static_cast<size_t>(static_cast<const char*>(found) - at)) != nullptr) {
    found = nullptr;
  }
  if (found == nullptr) {
    if (left > kLineBytesMax) return Fail("too big " + std::string(line_name) + " count string");
    return Outcome::kNeedMore;
  }
  const auto length = static_cast<size_t>(static_cast<const char*>(found) - at);
  if (length + 2 > left) return Outcome::kNeedMore;
  *is_number = length > 0 && ParseInt64(Slice(at + 1, length - 1), value);
  position_ += length + 2;
  return Outcome::kRequest;
}

RespParser::Outcome RespParser::ParseMultibulk(Slice input,
                                               const Limits& limits,
                                               size_t* consumed) {
  bool is_number = false;
  if (position_ == 0) {
    int64_t count = 0;
    const Outcome outcome = ReadHeader(input, '*', "mbulk", &count, &is_number);
    if (outcome != Outcome::kRequest) return outcome;
    if (!is_number || count > std::numeric_limits<int32_t>::max()) {
      return Fail("invalid multibulk length");
    }
    if (count > kUnauthenticatedArgsMax && !limits.authenticated) {
      return Fail("unauthenticated multibulk length");
    }
    bulks_left_ = count;
  }
  while (bulks_left_ > 0) {
    if (bulk_length_ == kUnknownLength) {
      const size_t start = position_;
      int64_t length = 0;
      const Outcome outcome = ReadHeader(input, '$', "bulk", &length, &is_number);
      if (outcome != Outcome::kRequest) return outcome;
      if (input[start] != '$') {
        return Fail(std::string("expected '$', got '") + input[start] + "'");
      }
      if (!is_number || length < 0 || length > limits.bulk_bytes_max) {
        return Fail("invalid bulk length");
      }
      if (length > kUnauthenticatedBulkBytesMax && !limits.authenticated) {
        return Fail("unauthenticated bulk length");
      }
      bulk_length_ = length;
    }
    const auto length = static_cast<size_t>(bulk_length_);
    if (input.size() - position_ < length + 2) return Outcome::kNeedMore;
    pieces_.push_back({position_, length});
    position_ += length + 2;
    bulk_length_ = kUnknownLength;
    --bulks_left_;
  }
  args_.clear();
  for (const Piece& piece : pieces_) args_.push_back(input.substr(piece.offset, piece.length));
  *consumed = position_;
  Reset();
  return Outcome::kRequest;
}

RespParser::Outcome RespParser::ParseInline(Slice input, size_t* consumed) {
  // A NUL hides the end of the line, as in ReadHeader.
  const size_t newline = input.find_first_of(Slice("\n\0", 2), position_);
  if (newline == Slice::npos || input[newline] == '\0') {
    if (input.size() > kLineBytesMax) return Fail("too big inline request");
    position_ = std::min(newline, input.size());  // (2)
    return Outcome::kNeedMore;
  }
  Slice line = input.substr(0, newline);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (!SplitInline(line)) return Fail("unbalanced quotes in request");
  args_.clear();
  for (const Piece& piece : pieces_) {
    args_.push_back(Slice(unquoted_).substr(piece.offset, piece.length));
  }
  *consumed = newline + 1;
  Reset();
  return Outcome::kRequest;
}

// Words, "double" and 'single' quoted runs; a closing quote must end the word.
bool RespParser::SplitInline(Slice line) {
  unquoted_.clear();
  size_t i = 0;
  const auto at = [&](size_t index) { return index < line.size() ? line[index] : '\0'; };
  for (;;) {
    while (i < line.size() && IsBlank(line[i])) ++i;
    if (i == line.size()) return true;
    const size_t start = unquoted_.size();
    char quote = '\0';
    for (bool done = false; !done;) {
      const char c = at(i);
      if (quote == '\0') {
        if (c == ' ' || c == '\n' || c == '\r' || c == '\t' || i >= line.size()) {
          done = true;
        } else if (c == '"' || c == '\'') {
          quote = c;
        } else {
          unquoted_ += c;
        }
      } else if (i >= line.size()) {
        return false;
      } else if (c == quote) {
        if (i + 1 < line.size() && !IsBlank(at(i + 1))) return false;
        done = true;
      } else if (quote == '\'' && c == '\\' && at(i + 1) == '\'') {
        unquoted_ += at(++i);
      } else if (quote == '"' && c == '\\' && at(i + 1) == 'x' && HexValue(at(i + 2)) >= 0 &&
                 HexValue(at(i + 3)) >= 0) {
        unquoted_ += static_cast<char>(HexValue(at(i + 2)) * 16 + HexValue(at(i + 3)));
        i += 3;
      } else if (quote == '"' && c == '\\' && i + 1 < line.size()) {
        unquoted_ += Unescaped(at(++i));
      } else {
        unquoted_ += c;
      }
      if (i < line.size()) ++i;
    }
    pieces_.push_back({start, unquoted_.size() - start});
  }
}

}  // namespace nokv::redis
