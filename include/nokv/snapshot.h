#pragma once

// Snapshot: a moment of the database that reads can be pinned to.

#include <cstdint>
#include <memory>

namespace nokv {

// A move-only value; releases itself. While it lives, the versions it can see are kept, which costs
// space: a long-lived one shows up in Stats. Must not outlive the DB. Thread-safe to read through.
class Snapshot {
 public:
  // What the engine keeps behind a snapshot.
  class Registration {
   public:
    virtual ~Registration() = default;
    virtual uint64_t sequence() const = 0;
  };

  Snapshot() = default;
  explicit Snapshot(std::unique_ptr<Registration> registration)
      : registration_(std::move(registration)) {}

  // False for a default-constructed, moved-from or released snapshot.
  explicit operator bool() const { return registration_ != nullptr; }
  // The sequence number of the newest write that it sees.
  uint64_t sequence() const { return registration_ ? registration_->sequence() : 0; }
  void Release() { registration_.reset(); }

 private:
  std::unique_ptr<Registration> registration_;
};

}  // namespace nokv
