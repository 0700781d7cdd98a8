#include "redis/connection.h"

#include <algorithm>

namespace nokv::redis {

Connection::Connection(Dispatcher* dispatcher, Service* service, ChunkPool* pool)
    : dispatcher_(dispatcher), service_(service), output_(pool), reply_(&output_) {}

void Connection::Receive(Slice bytes) {
  const bool partial = !input_.empty();
  if (partial) input_.append(bytes);
  const Slice shown = partial ? Slice(input_) : bytes;
  const size_t used = RunRequests(shown);
  if (partial) {
    if (used == input_.size()) {
      std::string().swap(input_);  // (2)
    } else {
      input_.erase(0, used);
    }
  } else {
    Keep(shown.substr(used));
  }
  const auto limit = static_cast<size_t>(service_->settings().query_buffer_max);
  if (state_ == State::kOpen && input_.size() > limit) {
    ++service_->metrics().closed_for_input;
    Drop();
  }
  session_.input_bytes = input_.capacity() > sizeof input_ ? input_.capacity() : 0;
}

void Connection::Keep(Slice rest) {
  if (rest.empty()) return;
  input_.assign(rest);
}

void Connection::Run() {
  const size_t used = RunRequests(input_);
  if (used == input_.size()) {
    std::string().swap(input_);
  } else {
    input_.erase(0, used);
  }
}

size_t Connection::RunRequests(Slice bytes) {
  held_back_ = false;
  const uint64_t began = service_->clock()->NowMicros();
  uint64_t now = began;
  session_.active_micros = began;
  size_t used = 0;
  size_t prefetched = 0;
  while (used < bytes.size() && state_ == State::kOpen) {
    if (used >= prefetched) prefetched = used + Prefetch(bytes.substr(used));
    if (session_.waiting || owes_too_much() || now - began > kShareMicros) {
      held_back_ = true;
      break;
    }
    const Settings& settings = service_->settings();
    const RespParser::Limits limits{
        .bulk_bytes_max = settings.proto_max_bulk_len,
        .authenticated = session_.authenticated || settings.requirepass.empty()};
    size_t consumed = 0;
    const RespParser::Outcome outcome = parser_.Next(bytes.substr(used), limits, &consumed);
    if (outcome == RespParser::Outcome::kNeedMore) break;
    if (outcome == RespParser::Outcome::kError) {
      ProtocolError();
      return bytes.size();
    }
    used += consumed;
    if (parser_.args().empty()) continue;
    output_.set_limit(settings.output_hard_max > 0 ? static_cast<size_t>(settings.output_hard_max)
                                                   : ~size_t{0});
    const Dispatcher::Outcome ran =
        dispatcher_->Run(parser_.args(), &session_, &reply_, now, &now);
    if (ran == Dispatcher::Outcome::kPostponed) {
      used -= consumed;
      held_back_ = true;
      break;
    }
    if (ran == Dispatcher::Outcome::kDrop) Drop();
    if (session_.close_after_reply && state_ == State::kOpen) Finish();
    if (output_.overflowed()) {
      ++service_->metrics().closed_for_output;
      Drop();
    }
  }
  if (parser_.in_request()) {
    if (request_began_micros_ == 0) request_began_micros_ = now;
  } else {
    request_began_micros_ = 0;
    parser_.Shrink();
  }
  session_.output_bytes = output_.size();
  return state_ == State::kOpen ? used : bytes.size();  // (3)
}

// What a client has sent ahead of its replies tells which keys come next: their misses in the processor's caches can
// overlap. Returns how many bytes need no second look for that, at least 1.
size_t Connection::Prefetch(Slice bytes) {
  constexpr size_t kKeysMax = 16;
  Slice keys[kKeysMax];
  size_t count = 0;
  Slice rest = bytes;
  while (count < kKeysMax) {
    keys[count] = SkipPlainRequest(&rest);
    if (keys[count].data() == nullptr) break;
    ++count;
  }
  if (count > 1) dispatcher_->Prefetch({keys, count});
  return std::max<size_t>(1, bytes.size() - rest.size());
}

void Connection::ProtocolError() {
  ++service_->metrics().closed_for_input;
  ++service_->metrics().errors;
  reply_.Err(parser_.error());
  Finish();
}

void Connection::EndWait(int64_t result) {
  if (!session_.waiting) return;
  session_.waiting = false;
  reply_.Integer(result);
  held_back_ = !input_.empty();
}

void Connection::FailTurn(Slice error) {
  output_.Truncate(std::min(turn_start_, output_.size()));
  Refuse(error);
}

void Connection::Refuse(Slice error) {
  reply_.Error(error);
  Finish();
}

}  // namespace nokv::redis
