#include "redis/live_count.h"

#include "base/check.h"

namespace nokv::redis {

void LiveCount::Stop() {
  state_ = State::kOff;
  count_ = 0;
  expiries_.Clear();
  std::vector<uint64_t>().swap(removed_);
}

void LiveCount::BeginScan(uint64_t now_ms) {
  Stop();
  state_ = State::kScanning;
  observed_ms_ = now_ms;
}

void LiveCount::EndScan(uint64_t now_ms) {
  NOKV_CHECK(state_ == State::kScanning);
  for (const uint64_t at_ms : removed_) {
    if (at_ms <= now_ms) continue;
    expiries_.Remove(at_ms);
    --count_;
  }
  std::vector<uint64_t>().swap(removed_);
  state_ = State::kKnown;
  count_ -= static_cast<int64_t>(expiries_.AdvanceTo(now_ms));
  NOKV_CHECK(count_ >= 0);
}

void LiveCount::SetEmpty(uint64_t now_ms) {
  BeginScan(now_ms);
  EndScan(now_ms);
}

void LiveCount::Add(uint64_t expires_at_ms) {
  if (expires_at_ms != 0) {
    if (expires_at_ms <= expiries_.advanced_to()) return;
    expiries_.Add(expires_at_ms);
  }
  ++count_;
}

void LiveCount::Remove(uint64_t expires_at_ms) {
  if (expires_at_ms != 0) {
    if (state_ == State::kScanning) {
      removed_.push_back(expires_at_ms);
      return;
    }
    // One that has expired is taken away by At, or was.
    if (expires_at_ms <= expiries_.advanced_to()) return;
    expiries_.Remove(expires_at_ms);
  }
  --count_;
}

void LiveCount::Observe(uint64_t now_ms) {
  if (now_ms < observed_ms_) Stop();
  observed_ms_ = now_ms;
}

KeyCounts LiveCount::At(uint64_t now_ms) {
  NOKV_CHECK(state_ == State::kKnown);
  count_ -= static_cast<int64_t>(expiries_.AdvanceTo(now_ms));
  NOKV_CHECK(count_ >= 0);
  return {.keys = static_cast<uint64_t>(count_), .expiring = expiries_.total()};
}

}  // namespace nokv::redis
