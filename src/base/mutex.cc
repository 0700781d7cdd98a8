#include "base/mutex.h"

namespace nokv::base {

void SpinLock::LockSlow() {
  for (int spin = 0; spin < 64; ++spin) {
    CpuRelax();
    uint32_t expected = kFree;
    if (word_.load(std::memory_order_relaxed) == kFree &&
        word_.compare_exchange_weak(expected, kHeld, std::memory_order_acquire)) {
      return;
    }
  }
  // From here on the word says that somebody may sleep, so the holder wakes one on its way out. A thread
  // that gets the lock here keeps that mark: others may still be asleep.
  while (word_.exchange(kHeldWithSleepers, std::memory_order_acquire) != kFree) {
    word_.wait(kHeldWithSleepers, std::memory_order_relaxed);
  }
}

}  // namespace nokv::base
