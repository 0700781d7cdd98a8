#pragma once

// PinnableValue: a value read from the database, without a copy where the engine can lend its memory.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "nokv/slice.h"

namespace nokv {

// Reuse one object for many reads: its buffer stays allocated. Must not outlive the DB. Confined to one
// thread at a time.
class PinnableValue {
 public:
  // Keeps borrowed memory alive until destroyed.
  class Pin {
   public:
    virtual ~Pin() = default;
  };

  PinnableValue() = default;
  PinnableValue(const PinnableValue&) = delete;
  PinnableValue& operator=(const PinnableValue&) = delete;

  Slice value() const { return value_; }
  std::string ToString() const { return std::string(value_); }
  // Milliseconds since the Unix epoch; 0 if it never expires.
  uint64_t expires_at() const { return expires_at_; }

  // Lets go of borrowed memory; the value is empty afterwards.
  void Reset() {
    pin_.reset();
    value_ = {};
    expires_at_ = 0;
  }

  // For the engine: a copy, or memory that `pin` keeps alive.
  void SetCopy(Slice value, uint64_t expires_at) {
    pin_.reset();
    buffer_.assign(value);
    value_ = buffer_;
    expires_at_ = expires_at;
  }
  void SetPinned(Slice value, uint64_t expires_at, std::unique_ptr<Pin> pin) {
    pin_ = std::move(pin);
    value_ = value;
    expires_at_ = expires_at;
  }

 private:
  Slice value_;
  uint64_t expires_at_ = 0;
  std::string buffer_;
  std::unique_ptr<Pin> pin_;
};

}  // namespace nokv
