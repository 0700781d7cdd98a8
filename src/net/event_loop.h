#pragma once

// EventLoop: readiness of file descriptors, timers and wake-ups in one thread, over epoll.
//
// One turn waits until something is ready, tells each handler once, then runs the timers that are due.
// Whoever owns the loop calls RunTurn in a loop of its own, so that it can do what belongs to the end of
// a turn (one log sync, one write per socket) outside the loop's knowledge.
//
// Invariants:
// (1) After Forget(fd, handler) returns, `handler` is not called for that registration again, not even
//     for events of the running turn.
// (2) Timers run in the order of their deadlines, those of one deadline in the order they were set; a
//     timer set by a timer runs in a later turn.
// (3) A Wake at any moment makes the current or the next RunTurn return without waiting.
//
// Confined to one thread, but for Wake, which is thread-safe and async-signal-safe.

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "net/socket.h"
#include "nokv/result.h"
#include "nokv/status.h"

namespace nokv::net {

// What a handler wants to hear of, and what it is told.
using Events = uint32_t;
inline constexpr Events kReadable = 1;
inline constexpr Events kWritable = 2;
// Told whether asked for or not: the peer is gone or the socket has failed.
inline constexpr Events kBroken = 4;

class EventLoop {
 public:
  class Handler {
   public:
    virtual void OnReady(Events events) = 0;

   protected:
    ~Handler() = default;
  };
  using TimerId = std::pair<uint64_t, uint64_t>;  // deadline, order of setting

  static Result<std::unique_ptr<EventLoop>> Create(base::Clock* clock);
  ~EventLoop() = default;
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // `handler` is borrowed until Forget. Level-triggered.
  Status Watch(int fd, Events interest, Handler* handler);
  Status Change(int fd, Events interest, Handler* handler);
  // REQUIRES: fd is still open.
  void Forget(int fd, Handler* handler);

  TimerId CallAt(uint64_t deadline_micros, std::function<void()> work);
  // A timer that has run already is no error.
  void Cancel(TimerId id) { timers_.erase(id); }

  void Wake();

  // Waits at most until the next timer. An error means that epoll itself failed.
  Status RunTurn();

 private:
  static constexpr int kEventsPerTurn = 256;

  EventLoop(base::Clock* clock, Socket poller, Socket waker);
  int WaitMillis() const;
  void RunTimers();

  // Constant after construction.
  base::Clock* const clock_;
  const Socket poller_;
  const Socket waker_;

  std::map<TimerId, std::function<void()>> timers_;
  uint64_t timers_set_ = 0;
  std::vector<epoll_event> ready_;
  size_t ready_count_ = 0;
};

}  // namespace nokv::net
