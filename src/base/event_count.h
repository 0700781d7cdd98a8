#pragma once

// EventCount: threads wait for a condition over atomics, and telling them costs no system call while nobody sleeps.
//
// Who makes the condition true calls Notify afterwards. Without a sleeper that is a fence and a load, so that it can be
// done on every commit; a futex call costs more than a microsecond whether somebody sleeps or not.
//
// Why no wake-up is lost: a waiter announces itself, then looks at the condition; a notifier changes the condition, then
// looks for announcements. Both orders are of sequential consistency (fences on both sides), so that one of the two sees
// the other (Dekker's argument).
//
// Source: D. Vyukov, "Event counts" (2010).
//
// Thread-safe.

#include <atomic>
#include <cstdint>

#include "base/mutex.h"

namespace nokv::base {

class EventCount {
 public:
  EventCount() = default;
  EventCount(const EventCount&) = delete;
  EventCount& operator=(const EventCount&) = delete;

  // Returns once `done()`, which looks at what others change before they call Notify.
  template <typename Done>
  void Await(Done done) {
    for (int spin = 0; spin < kSpins; ++spin) {
      if (done()) return;
      CpuRelax();
    }
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    for (;;) {
      const uint32_t seen = changes_.load(std::memory_order_acquire);
      std::atomic_thread_fence(std::memory_order_seq_cst);
      if (done()) break;
      changes_.wait(seen, std::memory_order_acquire);
    }
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
  }

  void Notify() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_relaxed) == 0) [[likely]]
      return;
    changes_.fetch_add(1, std::memory_order_release);
    changes_.notify_all();
  }

 private:
  static constexpr int kSpins = 128;  // about a microsecond: another thread's memcpy, not its time slice

  std::atomic<uint32_t> sleepers_{0};
  std::atomic<uint32_t> changes_{0};
};

}  // namespace nokv::base
