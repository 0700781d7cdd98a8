#pragma once

// CallGate: lets calls in until the database closes, and lets the close wait for those inside.
//
// Enter counts first and then looks at the flag, Close sets the flag first and then looks at the count; both in
// the one total order of sequentially consistent operations, so at least one of the two sees the other.
// Thread-safe.

#include <array>
#include <atomic>
#include <cstdint>

namespace nokv::db {

class CallGate {
  // Threads count in different cache lines: one that all writers change would be the dearest part of a small write.
  struct alignas(64) Slot {
    std::atomic<uint32_t> inside{0};
  };

 public:
  // Holds the gate for one call. False if the gate is closed: then the call must not go on.
  class Pass {
   public:
    explicit Pass(CallGate* gate) : gate_(gate), slot_(gate->Enter()) {}
    ~Pass() {
      if (slot_ != nullptr) gate_->Leave(slot_);
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    explicit operator bool() const { return slot_ != nullptr; }

   private:
    CallGate* const gate_;
    Slot* const slot_;
  };

  // No call comes in from here on.
  void Close() { closed_.store(true); }
  // Returns when no call is inside. REQUIRES: closed, and the calling thread is not inside.
  void WaitUntilEmpty() {
    for (Slot& slot : slots_) {
      for (uint32_t inside = slot.inside.load(); inside != 0; inside = slot.inside.load()) {
        slot.inside.wait(inside);
      }
    }
  }

 private:
  static constexpr uint32_t kSlots = 16;

  static uint32_t SlotOfThisThread() {
    static std::atomic<uint32_t> threads{0};
    thread_local const uint32_t slot = threads.fetch_add(1, std::memory_order_relaxed) % kSlots;
    return slot;
  }
  // The slot to leave by; null if the gate is closed.
  Slot* Enter() {
    Slot* const slot = &slots_[SlotOfThisThread()];
    slot->inside.fetch_add(1);
    if (!closed_.load()) [[likely]] return slot;
    Leave(slot);
    return nullptr;
  }
  void Leave(Slot* slot) {
    if (slot->inside.fetch_sub(1) == 1 && closed_.load()) [[unlikely]] slot->inside.notify_all();
  }

  std::array<Slot, kSlots> slots_;
  alignas(64) std::atomic<bool> closed_{false};
};

}  // namespace nokv::db
