#pragma once

// ReplyWriter: replies in RESP2 or RESP3, into an OutputBuffer, without sockets.
//
// Commands say what they mean (a map, a null, a double); what that is on the wire depends on the
// protocol the client has chosen with HELLO. Confined to one thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "nokv/slice.h"
#include "redis/output_buffer.h"

namespace nokv::redis {

enum class Protocol : unsigned char { kResp2 = 2, kResp3 = 3 };

class ReplyWriter {
 public:
  explicit ReplyWriter(OutputBuffer* out) : out_(out) {}

  Protocol protocol() const { return protocol_; }
  void set_protocol(Protocol protocol) { protocol_ = protocol; }

  void Ok() { out_->Append("+OK\r\n"); }
  // REQUIRES: no line end in `text`.
  void Simple(Slice text);
  // `message` begins with its code ("ERR no such key"); line ends in it become blanks.
  void Error(Slice message);
  // "-ERR <message>".
  void Err(Slice message);

  void Integer(int64_t value);
  void Bulk(Slice value);
  void BulkInteger(int64_t value);
  void Null();
  void NullArray();

  void Array(size_t count) { Header('*', count); }
  // `pairs` keys, each followed by its value.
  void Map(size_t pairs) { protocol_ == Protocol::kResp3 ? Header('%', pairs) : Header('*', pairs * 2); }
  void Set(size_t count) { Header(protocol_ == Protocol::kResp3 ? '~' : '*', count); }
  // Text for people: a bulk in RESP2.
  void Verbatim(Slice text);

  // Errors written since construction, and the code of the last one ("ERR"): the server counts them.
  uint64_t errors() const { return errors_; }
  const std::string& last_error_code() const { return last_error_code_; }
  OutputBuffer* out() { return out_; }

 private:
  void Header(char marker, size_t count);
  void Line(char marker, Slice text);

  OutputBuffer* const out_;
  Protocol protocol_ = Protocol::kResp2;
  uint64_t errors_ = 0;
  std::string last_error_code_;
};

}  // namespace nokv::redis
