#include "base/clock.h"

#include <chrono>
#include <thread>

namespace nokv::base {

namespace {

class SystemClock final : public Clock {
 public:
  uint64_t NowMicros() override {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
  }
  uint64_t WallMillis() override { return WallMicros() / 1000; }
  uint64_t WallMicros() override {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
  }
  void SleepMicros(uint64_t micros) override {
    std::this_thread::sleep_for(std::chrono::microseconds(micros));
  }
};

}  // namespace

Clock* Clock::System() {
  static SystemClock clock;
  return &clock;
}

}  // namespace nokv::base
