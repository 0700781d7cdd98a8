#pragma once

// Connection: one client as a state machine over parser, dispatcher and replies, without sockets.
//
// The server hands it the bytes that arrived, lets it run, and sends what it owes. A connection that
// owes more than kPauseBytes, waits (WAIT), or has used up its share of the turn runs no further
// request until the server calls Run again; the bytes it has not read yet stay with it, and the server
// reads no more from its socket meanwhile, so memory is bounded by one read, one request and one reply.
//
// Invariants:
// (1) Replies are in the order of the requests.
// (2) An idle connection holds no buffer.
// (3) After state() is kDropped or kFinished no request runs.
//
// Confined to the loop's thread.

#include <cstddef>
#include <cstdint>
#include <string>

#include "redis/dispatch.h"
#include "redis/output_buffer.h"
#include "redis/reply_writer.h"
#include "redis/resp_parser.h"
#include "redis/session.h"

namespace nokv::redis {

class Connection {
 public:
  // Requests wait while more than this is owed.
  static constexpr size_t kPauseBytes = 1 << 20;
  // Longest a connection runs requests in one turn while others wait.
  static constexpr uint64_t kShareMicros = 5000;

  enum class State : unsigned char {
    kOpen,
    kFinished,  // close when everything owed is sent
    kDropped,   // close now
  };

  Connection(Dispatcher* dispatcher, Service* service, ChunkPool* pool);

  // Takes what the socket gave and runs requests.
  void Receive(Slice bytes);
  // Runs requests that were held back.
  void Run();
  // WAIT is over.
  void EndWait(int64_t result);

  // Answers `error` in place of everything since BeginTurn, then closes.
  void FailTurn(Slice error);
  // From here on FailTurn counts. REQUIRES: nothing is sent until the turn ends.
  void BeginTurn() { turn_start_ = output_.size(); }

  // Answers an error outside of any request, then closes.
  void Refuse(Slice error);
  void Finish() { state_ = State::kFinished; }
  void Drop() { state_ = State::kDropped; }

  State state() const { return state_; }
  // May the server read more from the socket?
  bool takes_input() const {
    return state_ == State::kOpen && !session_.waiting && !held_back() && !owes_too_much();
  }
  // Are there requests that could run if the server called Run?
  bool can_run() const {
    return state_ == State::kOpen && !session_.waiting && held_back() && !owes_too_much();
  }
  // When the request began that is not complete yet; 0 if there is none.
  uint64_t request_began_micros() const { return request_began_micros_; }

  Session& session() { return session_; }
  const Session& session() const { return session_; }
  OutputBuffer& output() { return output_; }
  size_t buffered_bytes() const { return input_.capacity() + output_.size(); }

 private:
  bool held_back() const { return held_back_; }
  bool owes_too_much() const { return output_.size() > kPauseBytes; }
  // Runs requests from the front of `bytes`; returns how many bytes it used.
  size_t RunRequests(Slice bytes);
  size_t Prefetch(Slice bytes);
  void Keep(Slice rest);
  void ProtocolError();

  Dispatcher* const dispatcher_;
  Service* const service_;
  OutputBuffer output_;
  ReplyWriter reply_;
  RespParser parser_;
  Session session_;
  std::string input_;         // bytes not used yet; empty between complete requests
  bool held_back_ = false;    // input_ may hold complete requests
  State state_ = State::kOpen;
  size_t turn_start_ = 0;
  uint64_t request_began_micros_ = 0;
};

}  // namespace nokv::redis
