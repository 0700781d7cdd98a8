#include "net/event_loop.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <string>

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"

namespace nokv::net {

namespace {

uint32_t ToEpoll(Events interest) {
  uint32_t mask = 0;
  if ((interest & kReadable) != 0) mask |= EPOLLIN;
  if ((interest & kWritable) != 0) mask |= EPOLLOUT;
  return mask;
}

Events FromEpoll(uint32_t mask) {
  Events events = 0;
  if ((mask & EPOLLIN) != 0) events |= kReadable;
  if ((mask & EPOLLOUT) != 0) events |= kWritable;
  if ((mask & (EPOLLERR | EPOLLHUP)) != 0) events |= kBroken;
  return events;
}

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::Create(base::Clock* clock) {
  Socket poller(::epoll_create1(EPOLL_CLOEXEC));
  if (!poller.valid()) return SystemError("epoll_create1", errno);
  Socket waker(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!waker.valid()) return SystemError("eventfd", errno);
  const int waker_fd = waker.fd();
  std::unique_ptr<EventLoop> loop(new EventLoop(clock, std::move(poller), std::move(waker)));
  NOKV_TRY(loop->Watch(waker_fd, kReadable, nullptr));
  return loop;
}

EventLoop::EventLoop(base::Clock* clock, Socket poller, Socket waker)
    : clock_(clock),
      poller_(std::move(poller)),
      waker_(std::move(waker)),
      ready_(static_cast<size_t>(kEventsPerTurn)) {}

Status EventLoop::Watch(int fd, Events interest, Handler* handler) {
  epoll_event event{};
  event.events = ToEpoll(interest);
  event.data.ptr = handler;
  if (::epoll_ctl(poller_.fd(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return SystemError("epoll_ctl add", errno);
  }
  return Status::Ok();
}

Status EventLoop::Change(int fd, Events interest, Handler* handler) {
  epoll_event event{};
  event.events = ToEpoll(interest);
  event.data.ptr = handler;
  if (::epoll_ctl(poller_.fd(), EPOLL_CTL_MOD, fd, &event) != 0) {
    return SystemError("epoll_ctl mod", errno);
  }
  return Status::Ok();
}

void EventLoop::Forget(int fd, Handler* handler) {
  NOKV_DCHECK(handler != nullptr);
  epoll_event unused{};
  ::epoll_ctl(poller_.fd(), EPOLL_CTL_DEL, fd, &unused);
  for (size_t i = 0; i < ready_count_; ++i) {  // (1)
    if (ready_[i].data.ptr == handler) ready_[i].events = 0;
  }
}

EventLoop::TimerId EventLoop::CallAt(uint64_t deadline_micros, std::function<void()> work) {
  const TimerId id{deadline_micros, timers_set_++};
  timers_.emplace(id, std::move(work));
  return id;
}

void EventLoop::Wake() {
  const uint64_t one = 1;
  // The only failure is a counter that is full, which wakes as well.
  const ssize_t written = ::write(waker_.fd(), &one, sizeof one);
  (void)written;
}

int EventLoop::WaitMillis() const {
  if (timers_.empty()) return -1;
  const uint64_t deadline = timers_.begin()->first.first;
  const uint64_t now = clock_->NowMicros();
  if (deadline <= now) return 0;
  // Rounded up: waking early would only spin.
  const uint64_t millis = (deadline - now + 999) / 1000;
  return static_cast<int>(std::min<uint64_t>(millis, std::numeric_limits<int>::max()));
}

Status EventLoop::RunTurn() {
  const int count = ::epoll_wait(poller_.fd(), ready_.data(), kEventsPerTurn, WaitMillis());
  if (count < 0 && errno != EINTR) return SystemError("epoll_wait", errno);
  ready_count_ = count > 0 ? static_cast<size_t>(count) : 0;
  for (size_t i = 0; i < ready_count_; ++i) {
    const Events events = FromEpoll(ready_[i].events);
    if (events == 0) continue;
    if (ready_[i].data.ptr == nullptr) {
      uint64_t wakes = 0;
      const ssize_t taken = ::read(waker_.fd(), &wakes, sizeof wakes);
      (void)taken;
      continue;
    }
    static_cast<Handler*>(ready_[i].data.ptr)->OnReady(events);
  }
  ready_count_ = 0;
  RunTimers();
  return Status::Ok();
}

void EventLoop::RunTimers() {
  if (timers_.empty()) return;
  const uint64_t now = clock_->NowMicros();
  const uint64_t set_before = timers_set_;
  auto next = timers_.begin();
  while (next != timers_.end() && next->first.first <= now) {
    if (next->first.second >= set_before) {  // (2)
      ++next;
      continue;
    }
    const std::function<void()> work = std::move(next->second);
    timers_.erase(next);
    work();
    next = timers_.begin();
  }
}

}  // namespace nokv::net
