#pragma once

// BackPressure: how much a write is delayed so that the background work keeps up.
//
// The delay is a continuous function of three signals, each 0 when all is well and 1 at its limit:
//   memtables        immutable memtables that wait for a flush, but for one, as a share of those allowed
//   level0           runs beyond half of level0_runs_slow, up to all of it; twice as many while level 0 may grow
//   compaction_debt  while it grows: bytes that compaction owes, from what level 0 costs twice on its way
//                    to the deepest level, at least 16 memtables (0), to twice that (1)
// The largest one decides: delay = pressure^2 * delay_micros_max. So a little pressure costs next to
// nothing, and there is no step at which writes fall off a cliff. Writes stop only where memory has its
// hard limit (MakeMemtableRoom).
//
// Thread-safe: the signals are set by background work, the delay is one relaxed load.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>

#include "base/mutex.h"

namespace nokv::db {

class BackPressure {
 public:
  struct Signals {
    double memtables = 0;
    double level0 = 0;
    double compaction_debt = 0;
  };

  explicit BackPressure(uint32_t delay_micros_max) : delay_micros_max_(delay_micros_max) {}

  void Set(const Signals& signals) {
    double pressure = 0;
    const char* reason = "";
    const auto consider = [&](double value, const char* name) {
      value = std::clamp(value, 0.0, 1.0);
      if (value > pressure) {
        pressure = value;
        reason = name;
      }
    };
    consider(signals.memtables, "memtables");
    consider(signals.level0, "level0");
    consider(signals.compaction_debt, "compaction_debt");
    delay_micros_.store(static_cast<uint32_t>(pressure * pressure * delay_micros_max_),
                        std::memory_order_relaxed);
    const base::MutexLock lock(&mu_);
    pressure_ = pressure;
    reason_ = reason;
  }

  // What a write waits now, in microseconds. 0 in the usual case.
  uint32_t delay_micros() const { return delay_micros_.load(std::memory_order_relaxed); }

  void CountDelay(uint64_t micros) {
    delayed_.fetch_add(1, std::memory_order_relaxed);
    delayed_micros_.fetch_add(micros, std::memory_order_relaxed);
  }
  void CountStop(uint64_t micros) {
    stopped_.fetch_add(1, std::memory_order_relaxed);
    stopped_micros_.fetch_add(micros, std::memory_order_relaxed);
  }

  struct Report {
    double pressure = 0;
    std::string reason;
    uint64_t delayed = 0, delayed_micros = 0, stopped = 0, stopped_micros = 0;
  };
  Report report() const {
    const base::MutexLock lock(&mu_);
    return {pressure_,
            reason_,
            delayed_.load(std::memory_order_relaxed),
            delayed_micros_.load(std::memory_order_relaxed),
            stopped_.load(std::memory_order_relaxed),
            stopped_micros_.load(std::memory_order_relaxed)};
  }

 private:
  const double delay_micros_max_;
  std::atomic<uint32_t> delay_micros_{0};
  std::atomic<uint64_t> delayed_{0}, delayed_micros_{0}, stopped_{0}, stopped_micros_{0};
  mutable base::Mutex mu_;
  double pressure_ NOKV_GUARDED_BY(mu_) = 0;
  std::string reason_ NOKV_GUARDED_BY(mu_);
};

}  // namespace nokv::db
