#pragma once

// VersionTable: which versions of each record a read may see.
//
// One word for each record. Writers of a record say when they begin and end; while writes of one record overlap they
// form a group, and any of the group may be the last to take effect. A read that begins at a moment must see the
// group's or a later version:
//  (1) 0 < floor <= what is read <= issued, floor taken before the read, issued after it;
//  (2) a record that was never written has the word 0.
// Thread-safe. A record can have 2^24 - 1 versions and 255 writers at a time.

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "generator.h"

namespace nokv::bench {

class VersionTable {
 public:
  explicit VersionTable(uint64_t capacity)
      : capacity_(capacity), words_(static_cast<Word*>(std::calloc(capacity, sizeof(Word)))) {}

  uint64_t capacity() const { return capacity_; }
  void Prefetch(Record record) const { __builtin_prefetch(&words_.get()[record], 1); }

  // The version to write. Waits while the record's group is full.
  Version BeginWrite(Record record) {
    Word& word = words_.get()[record];
    uint64_t old = word.load(std::memory_order_relaxed);
    for (;;) {
      if (Group(old) == 255) {
        old = word.load(std::memory_order_relaxed);
        continue;
      }
      const uint64_t next = Pack(Issued(old) + 1, Floor(old), Group(old) + 1, InFlight(old) + 1);
      if (word.compare_exchange_weak(old, next, std::memory_order_acq_rel)) return Issued(next);
    }
  }
  void EndWrite(Record record) {
    Word& word = words_.get()[record];
    uint64_t old = word.load(std::memory_order_relaxed);
    for (;;) {
      const bool last = InFlight(old) == 1;
      const uint64_t next =
          last ? Pack(Issued(old), Issued(old) - Group(old) + 1, 0, 0)
               : Pack(Issued(old), Floor(old), Group(old), InFlight(old) - 1);
      if (word.compare_exchange_weak(old, next, std::memory_order_acq_rel)) return;
    }
  }

  // The smallest version that a read beginning now may see; 0 if the record may be absent.
  Version FloorOf(Record record) const {
    return Floor(words_.get()[record].load(std::memory_order_acquire));
  }
  Version IssuedOf(Record record) const {
    return Issued(words_.get()[record].load(std::memory_order_acquire));
  }

 private:
  using Word = std::atomic<uint64_t>;
  struct Free {
    void operator()(Word* words) const { std::free(words); }
  };

  // Bits 0-23 issued, 24-47 floor, 48-55 writes of the group, 56-63 writes in flight.
  static Version Issued(uint64_t word) { return static_cast<Version>(word & 0xffffff); }
  static Version Floor(uint64_t word) { return static_cast<Version>((word >> 24) & 0xffffff); }
  static uint32_t Group(uint64_t word) { return static_cast<uint32_t>((word >> 48) & 0xff); }
  static uint32_t InFlight(uint64_t word) { return static_cast<uint32_t>(word >> 56); }
  static uint64_t Pack(uint64_t issued, uint64_t floor, uint64_t group, uint64_t in_flight) {
    return issued | (floor << 24) | (group << 48) | (in_flight << 56);
  }

  uint64_t capacity_;
  // From calloc: pages that no record uses take no memory.
  std::unique_ptr<Word, Free> words_;
};

}  // namespace nokv::bench
