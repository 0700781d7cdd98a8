#include "redis/reply_writer.h"

#include <algorithm>
#include <string>

#include "redis/number.h"

namespace nokv::redis {

void ReplyWriter::Line(char marker, Slice text) {
  out_->Append(Slice(&marker, 1));
  out_->Append(text);
  out_->Append("\r\n");
}

void ReplyWriter::Simple(Slice text) { Line('+', text); }

void ReplyWriter::Error(Slice message) {
  ++errors_;
  last_error_code_ = message.substr(0, message.find(' '));
  if (message.find_first_of("\r\n") == Slice::npos) {
    Line('-', message);
    return;
  }
  std::string single_line(message);
  std::replace_if(
      single_line.begin(), single_line.end(), [](char c) { return c == '\r' || c == '\n'; }, ' ');
  Line('-', single_line);
}

void ReplyWriter::Err(Slice message) { Error("ERR " + std::string(message)); }

void ReplyWriter::Header(char marker, size_t count) {
  char* const start = out_->Reserve();
  char* at = start;
  *at++ = marker;
  at = FormatInt64(at, static_cast<int64_t>(count));
  *at++ = '\r';
  *at++ = '\n';
  out_->Commit(static_cast<size_t>(at - start));
}

void ReplyWriter::Integer(int64_t value) {
  char* const start = out_->Reserve();
  char* at = start;
  *at++ = ':';
  at = FormatInt64(at, value);
  *at++ = '\r';
  *at++ = '\n';
  out_->Commit(static_cast<size_t>(at - start));
}

void ReplyWriter::Bulk(Slice value) {
  Header('$', value.size());
  out_->Append(value);
  out_->Append("\r\n");
}

void ReplyWriter::BulkInteger(int64_t value) {
  char digits[kInt64DigitsMax];
  Bulk(FormatInt64(value, digits));
}

void ReplyWriter::Null() { out_->Append(protocol_ == Protocol::kResp3 ? "_\r\n" : "$-1\r\n"); }

void ReplyWriter::NullArray() { out_->Append(protocol_ == Protocol::kResp3 ? "_\r\n" : "*-1\r\n"); }

void ReplyWriter::Verbatim(Slice text) {
  if (protocol_ == Protocol::kResp2) {
    Bulk(text);
    return;
  }
  Header('=', text.size() + 4);
  out_->Append("txt:");
  out_->Append(text);
  out_->Append("\r\n");
}

}  // namespace nokv::redis
