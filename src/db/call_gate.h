#pragma once

// CallGate: lets calls in until the database closes, and lets the close wait for those inside.
//
// Enter counts first and then looks at the flag, Close sets the flag first and then looks at the count; both in
// the one total order of sequentially consistent operations, so at least one of the two sees the other.
// Thread-safe.

#include <atomic>
#include <cstdint>

namespace nokv::db {

class CallGate {
 public:
  // Holds the gate for one call. False if the gate is closed: then the call must not go on.
  class Pass {
   public:
    explicit Pass(CallGate* gate) : gate_(gate), inside_(gate->Enter()) {}
    ~Pass() {
      if (inside_) gate_->Leave();
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    explicit operator bool() const { return inside_; }

   private:
    CallGate* const gate_;
    const bool inside_;
  };

  // No call comes in from here on.
  void Close() { closed_.store(true); }
  // Returns when no call is inside. REQUIRES: closed, and the calling thread is not inside.
  void WaitUntilEmpty() {
    for (uint32_t inside = inside_.load(); inside != 0; inside = inside_.load()) inside_.wait(inside);
  }

 private:
  bool Enter() {
    inside_.fetch_add(1);
    if (!closed_.load()) [[likely]] return true;
    Leave();
    return false;
  }
  void Leave() {
    if (inside_.fetch_sub(1) == 1 && closed_.load()) [[unlikely]] inside_.notify_all();
  }

  alignas(64) std::atomic<uint32_t> inside_{0};
  std::atomic<bool> closed_{false};
};

}  // namespace nokv::db
