#pragma once

// ExpiringKeys: counts the keys that expire, for expired_keys in INFO.
//
// Nothing in the store happens when a key expires: it is not seen any more, and a compaction gives its
// space back. So the moments that writes give to keys are remembered here, a hash and a moment each, and
// looked through when somebody asks how many have come. A key counts once per moment that came while it
// was the key's own: not if the key was deleted, or got another, before.
//
// Bounded: beyond kKeysMax keys at a time, further ones are not followed and will not be counted.
// Confined to one thread.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nokv::redis {

class ExpiringKeys {
 public:
  static constexpr size_t kKeysMax = 3 << 18;  // of 2^20 slots, 16 MiB

  // Is no key followed? Then a write without an expiry need not be told.
  bool empty() const { return keys_ == 0; }
  // From `now_ms` on the key expires at `expires_at_ms`; 0: never, or it is gone.
  void Set(uint64_t key_hash, uint64_t expires_at_ms, uint64_t now_ms);
  // All keys are gone.
  void Clear(uint64_t now_ms);
  // How many have expired since the beginning.
  uint64_t Expired(uint64_t now_ms);

 private:
  static constexpr size_t kSlotsMin = 64;        // powers of two
  static constexpr size_t kSlotsMax = 1 << 20;
  // With the table at its largest, how often a write may look for keys that are gone.
  static constexpr uint64_t kSweepPeriodMillis = 1000;

  struct Slot {
    uint64_t hash = 0;
    uint64_t at_ms = 0;  // 0: free
  };

  // Where the key is, or the free slot where it would be.
  size_t Find(uint64_t key_hash) const;
  void Erase(size_t slot);
  // Counts and forgets those whose moment has come.
  void Sweep(uint64_t now_ms);
  void Resize(size_t slot_count);
  bool MakeRoom(uint64_t now_ms);

  std::vector<Slot> slots_;  // linear probing; at most three quarters are in use
  size_t keys_ = 0;
  uint64_t expired_ = 0;
  uint64_t swept_ms_ = 0;
};

}  // namespace nokv::redis
