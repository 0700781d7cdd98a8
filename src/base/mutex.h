#pragma once

// Mutex, MutexLock and CondVar with thread-safety annotations, and SpinLock for sections of a few
// dozen instructions. No other lock type is used in src/.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "base/thread_annotations.h"

namespace nokv::base {

class NOKV_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() NOKV_ACQUIRE() { mu_.lock(); }
  void Unlock() NOKV_RELEASE() { mu_.unlock(); }
  bool TryLock() NOKV_TRY_ACQUIRE(true) { return mu_.try_lock(); }

 private:
  friend class CondVar;
  std::mutex mu_;
};

class NOKV_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex* mu) NOKV_ACQUIRE(mu) : mu_(mu) { mu_->Lock(); }
  ~MutexLock() NOKV_RELEASE() { mu_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mu_;
};

// Waits may wake spuriously: callers loop on their condition.
class CondVar {
 public:
  CondVar() = default;
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;

  void Wait(Mutex* mu) NOKV_REQUIRES(mu) {
    std::unique_lock<std::mutex> lock(mu->mu_, std::adopt_lock);
    cv_.wait(lock);
    lock.release();
  }
  // False if `timeout` passed without a wake-up.
  bool WaitFor(Mutex* mu, std::chrono::microseconds timeout) NOKV_REQUIRES(mu) {
    std::unique_lock<std::mutex> lock(mu->mu_, std::adopt_lock);
    const bool woken = cv_.wait_for(lock, timeout) == std::cv_status::no_timeout;
    lock.release();
    return woken;
  }
  void NotifyOne() { cv_.notify_one(); }
  void NotifyAll() { cv_.notify_all(); }

 private:
  std::condition_variable cv_;
};

// Tells the processor that this is a spin loop.
inline void CpuRelax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A lock for sections without system calls, allocation or loops over data. A waiter spins for about a
// microsecond, then sleeps on the lock word (std::atomic::wait), so that a holder that lost its
// processor does not burn another one.
class NOKV_CAPABILITY("mutex") SpinLock {
 public:
  SpinLock() = default;
  SpinLock(const SpinLock&) = delete;
  SpinLock& operator=(const SpinLock&) = delete;

  void Lock() NOKV_ACQUIRE() {
    uint32_t expected = kFree;
    // acquire: pairs with the release in Unlock.
    if (word_.compare_exchange_strong(expected, kHeld, std::memory_order_acquire)) [[likely]] return;
    LockSlow();
  }
  void Unlock() NOKV_RELEASE() {
    if (word_.exchange(kFree, std::memory_order_release) == kHeldWithSleepers) [[unlikely]] {
      word_.notify_one();
    }
  }

 private:
  static constexpr uint32_t kFree = 0;
  static constexpr uint32_t kHeld = 1;
  static constexpr uint32_t kHeldWithSleepers = 2;

  void LockSlow();

  std::atomic<uint32_t> word_{kFree};
};

class NOKV_SCOPED_CAPABILITY SpinLockHolder {
 public:
  explicit SpinLockHolder(SpinLock* lock) NOKV_ACQUIRE(lock) : lock_(lock) { lock_->Lock(); }
  ~SpinLockHolder() NOKV_RELEASE() { lock_->Unlock(); }
  SpinLockHolder(const SpinLockHolder&) = delete;
  SpinLockHolder& operator=(const SpinLockHolder&) = delete;

 private:
  SpinLock* const lock_;
};

}  // namespace nokv::base
