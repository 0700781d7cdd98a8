#pragma once

// LiveCount: how many keys are live, from a scan of one state of the store and all changes since.
//
// The scan may take long and other work may come between its parts: changes made after the state it
// looks at are told here as they happen, and the two meet at the end. Each version of a key adds one, and
// is taken away when the next one replaces it; a version that expires counts until its moment. While the
// scan runs, a version may be taken away before the scan has met it, or one may expire that the scan
// then never sees. So versions that expire are taken away only at the end, and only those that would
// still be live then: the others are gone by themselves, met or not.
//
// Invariants:
// (1) kKnown: the count is that of the keys which have not expired at the last Advance or EndScan.
// (2) Time never goes back while counting: Observe stops the count if it does, because keys that were
//     taken for expired are live again.
//
// Confined to one thread.

#include <cstdint>
#include <vector>

#include "redis/expiry_counts.h"
#include "redis/store.h"

namespace nokv::redis {

class LiveCount {
 public:
  enum class State : unsigned char {
    kOff,       // nothing is known
    kScanning,  // changes are kept account of; the state they started from is being counted
    kKnown,
  };

  State state() const { return state_; }
  bool on() const { return state_ != State::kOff; }

  void Stop();
  // The state as it is at this moment will be scanned. From here on every change is told.
  void BeginScan(uint64_t now_ms);
  // One key of that state, live when the scan met it. `expires_at_ms` 0: never.
  void Scanned(uint64_t expires_at_ms) { Add(expires_at_ms); }
  void EndScan(uint64_t now_ms);
  // There are no keys: known without a scan.
  void SetEmpty(uint64_t now_ms);

  // A change: the live version that a key had is replaced or deleted; a key gets a version.
  void Remove(uint64_t expires_at_ms);
  void Add(uint64_t expires_at_ms);

  // What time it is. May stop the count, by (2).
  void Observe(uint64_t now_ms);
  // REQUIRES: kKnown, and `now_ms` was observed.
  KeyCounts At(uint64_t now_ms);

 private:
  State state_ = State::kOff;
  uint64_t observed_ms_ = 0;
  int64_t count_ = 0;              // may be negative while scanning
  ExpiryCounts expiries_;          // of the versions in count_ that expire
  std::vector<uint64_t> removed_;  // while scanning: versions to take away at the end
};

}  // namespace nokv::redis
