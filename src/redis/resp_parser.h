#pragma once

// RespParser: requests of the Redis protocol out of a stream of bytes, without sockets.
//
// The caller keeps the bytes that are not consumed yet and shows them, from the first byte of the
// request that is being read, each time more have come. Arguments are slices of those bytes (or of the
// parser, for inline requests with quotes): nothing is copied and nothing is reserved by what a request
// announces, so memory follows the bytes that arrived.
//
// Invariants:
// (1) Between two calls with kNeedMore the shown bytes only grow; they may move.
// (2) Every byte is looked at a bounded number of times however the stream is cut.
// (3) A request of more bytes than Limits allow is an error before they are all there.
//
// Requests and errors are those of redis-server 7.0.15, byte for byte; what that server accepts by
// neglect (any two bytes after a bulk, any byte after CR in a header) is accepted here too.
// Confined to one thread.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nokv/slice.h"

namespace nokv::redis {

// Moves `*input` past a request that is there as a whole, in the plain form that clients use, and returns its second
// argument, which is mostly a key. Null if what comes is anything else, which may well be a request. For hints.
Slice SkipPlainRequest(Slice* input);

class RespParser {
 public:
  // A header line or an inline request without an end is refused beyond this many bytes.
  static constexpr size_t kLineBytesMax = 64 * 1024;
  static constexpr int64_t kUnauthenticatedArgsMax = 10;
  static constexpr int64_t kUnauthenticatedBulkBytesMax = 16 * 1024;

  struct Limits {
    int64_t bulk_bytes_max = 512LL << 20;
    // False before AUTH: the two limits above apply.
    bool authenticated = true;
  };

  enum class Outcome : unsigned char {
    kNeedMore,  // the request is not complete
    kRequest,   // args() is a request, perhaps of zero arguments, which is skipped silently
    kError,     // error() is to be sent, then the connection closed
  };

  // Reads on in `input`. With kRequest, `*consumed` is the length of the request: the next call shows
  // the bytes after it. args() is valid until the next call, and while `input` stays in place.
  Outcome Next(Slice input, const Limits& limits, size_t* consumed);

  std::span<const Slice> args() const { return args_; }
  // Without the leading "-ERR " and the line end.
  const std::string& error() const { return error_; }

  // Is a request partly read? The caller asks for its time limit.
  bool in_request() const { return position_ > 0; }
  // Lets go of memory that an unusually large request took.
  void Shrink();

 private:
  static constexpr int64_t kUnknownLength = -1;

  struct Piece {
    size_t offset;
    size_t length;
  };

  Outcome ParseMultibulk(Slice input, const Limits& limits, size_t* consumed);
  Outcome ParseInline(Slice input, size_t* consumed);
  // Reads "<marker><number>\r\n" at position_, or a line with another first byte, which is for the caller to refuse;
  // `line_name` names it in the error of a line too long.
  Outcome ReadHeader(Slice input, char marker, std::string_view line_name, int64_t* value, bool* is_number);
  bool SplitInline(Slice line);
  Outcome Fail(std::string message);
  void Reset();

  size_t position_ = 0;          // bytes of the request that need no second look
  int64_t bulks_left_ = 0;
  int64_t bulk_length_ = kUnknownLength;
  std::vector<Piece> pieces_;    // arguments so far, relative to the start of the request
  std::vector<Slice> args_;
  std::string unquoted_;         // the bytes of inline arguments
  std::string error_;
};

}  // namespace nokv::redis
