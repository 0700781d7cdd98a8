#pragma once

// Time as an interface, so that tests and the simulator decide what time it is (law 9).

#include <cstdint>

namespace nokv::base {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // Monotonic microseconds from an arbitrary start: for durations and deadlines.
  virtual uint64_t NowMicros() = 0;
  // Milliseconds since the Unix epoch: for expiry times. May jump in both directions.
  virtual uint64_t WallMillis() = 0;
  // The same in microseconds, as fine as the clock tells them: never another millisecond than WallMillis.
  virtual uint64_t WallMicros() { return WallMillis() * 1000; }
  virtual void SleepMicros(uint64_t micros) = 0;

  // The clock of this machine. Never destroyed.
  static Clock* System();
};

// A clock that moves only when told to; sleeping moves it.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(uint64_t wall_millis = 1'700'000'000'000ULL) : wall_millis_(wall_millis) {}
  uint64_t NowMicros() override { return __atomic_load_n(&micros_, __ATOMIC_RELAXED); }
  uint64_t WallMillis() override { return wall_millis_ + NowMicros() / 1000; }
  void SleepMicros(uint64_t micros) override { Advance(micros); }
  void Advance(uint64_t micros) { __atomic_fetch_add(&micros_, micros, __ATOMIC_RELAXED); }

 private:
  const uint64_t wall_millis_;
  uint64_t micros_ = 1;
};

}  // namespace nokv::base
