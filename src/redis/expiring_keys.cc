#include "redis/expiring_keys.h"

#include <utility>

namespace nokv::redis {

size_t ExpiringKeys::Find(uint64_t key_hash) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = key_hash & mask;
  while (slots_[slot].at_ms != 0 && slots_[slot].hash != key_hash) slot = (slot + 1) & mask;
  return slot;
}

// Closes the gap: entries behind it move up if that brings them no farther than to their own place.
void ExpiringKeys::Erase(size_t slot) {
  const size_t mask = slots_.size() - 1;
  for (size_t next = (slot + 1) & mask; slots_[next].at_ms != 0; next = (next + 1) & mask) {
    const size_t own = slots_[next].hash & mask;
    if (((next - own) & mask) < ((next - slot) & mask)) continue;
    slots_[slot] = slots_[next];
    slot = next;
  }
  slots_[slot] = Slot();
  --keys_;
}

void ExpiringKeys::Sweep(uint64_t now_ms) {
  swept_ms_ = now_ms;
  // What moves up into an erased slot is looked at again; what moves into slots already seen, around
  // the end, has been seen itself.
  for (size_t slot = 0; slot < slots_.size();) {
    if (slots_[slot].at_ms != 0 && slots_[slot].at_ms <= now_ms) {
      Erase(slot);
      ++expired_;
    } else {
      ++slot;
    }
  }
  size_t wanted = slots_.size();
  while (wanted > kSlotsMin && keys_ * 8 < wanted) wanted /= 2;
  if (wanted < slots_.size()) Resize(wanted);
}

void ExpiringKeys::Resize(size_t slot_count) {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slot_count));
  for (const Slot& slot : old) {
    if (slot.at_ms != 0) slots_[Find(slot.hash)] = slot;
  }
}

bool ExpiringKeys::MakeRoom(uint64_t now_ms) {
  if ((keys_ + 1) * 4 <= slots_.size() * 3) return true;
  if (slots_.size() < kSlotsMax) {
    Resize(slots_.empty() ? kSlotsMin : slots_.size() * 2);
    return true;
  }
  if (now_ms >= swept_ms_ + kSweepPeriodMillis || now_ms < swept_ms_) Sweep(now_ms);
  return keys_ < kKeysMax;
}

void ExpiringKeys::Set(uint64_t key_hash, uint64_t expires_at_ms, uint64_t now_ms) {
  if (!empty()) {
    const size_t slot = Find(key_hash);
    Slot& found = slots_[slot];
    if (found.at_ms != 0) {
      if (found.at_ms <= now_ms) ++expired_;
      if (expires_at_ms == 0) return Erase(slot);
      found.at_ms = expires_at_ms;
      return;
    }
  }
  if (expires_at_ms == 0 || !MakeRoom(now_ms)) return;
  slots_[Find(key_hash)] = {key_hash, expires_at_ms};
  ++keys_;
}

void ExpiringKeys::Clear(uint64_t now_ms) {
  Sweep(now_ms);
  slots_.clear();
  keys_ = 0;
}

uint64_t ExpiringKeys::Expired(uint64_t now_ms) {
  if (!empty()) Sweep(now_ms);
  return expired_;
}

}  // namespace nokv::redis
