#pragma once

// Store: what the commands need of a database. Nothing in a command knows which one is behind it.
//
// Keys and values are strings; a value may carry the moment at which it expires, and from that
// millisecond on no call sees it. Reads see all writes made through the same Store before them.
//
// Invariants:
// (1) The mutations of one Write, and those of one Update, become visible and durable together or not
//     at all.
// (2) An Update is atomic: nothing changes its keys between what its function sees and what it writes.
//     The function may be called more than once (a store shared by several writers tries again after a
//     conflict), so it has no effect but on its arguments and on variables that it sets anew each time.
// (3) A call that returned kBusy has changed nothing and may be made again in a later turn.
// (4) What was written counts as acknowledged only after a Commit that returned OK: the caller sends no
//     reply before it. A Commit that failed leaves the writes since the last one of unknown fate.
//
// Externally synchronised. Slices handed to a function or a visitor are valid only during the call.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "nokv/pinnable_value.h"
#include "nokv/result.h"
#include "nokv/slice.h"
#include "nokv/status.h"
#include "redis/function_ref.h"

namespace nokv::base {
class Random;
}

namespace nokv::redis {

// One change to one key. `expires_at_ms` 0 means never.
struct Mutation {
  enum class Kind : unsigned char { kPut, kDelete };
  Kind kind = Kind::kDelete;
  Slice key;
  Slice value = {};
  uint64_t expires_at_ms = 0;

  static Mutation Put(Slice key, Slice value, uint64_t expires_at_ms = 0) {
    return {Kind::kPut, key, value, expires_at_ms};
  }
  static Mutation Delete(Slice key) { return {Kind::kDelete, key}; }
};

// What an Update finds under one of its keys.
struct Found {
  bool exists = false;
  Slice value = {};  // empty if only presence was asked for
  uint64_t expires_at_ms = 0;
};

// Whether an Update needs the values of its keys or only to know which of them are there.
enum class Need : bool { kPresence, kValues };

// What Commit makes of the writes since the last one.
enum class Durability : unsigned char {
  kProcess,  // they survive the death of the process
  kPower,    // and the loss of power
};

struct KeyCounts {
  uint64_t keys = 0;     // live ones
  uint64_t expiring = 0; // of these, with an expiry
};

class Store {
 public:
  // Mutations point to bytes that live until Update returns.
  using UpdateFunction =
      FunctionRef<void(std::span<const Found> found, std::vector<Mutation>* mutations)>;
  // Returns false to stop.
  using KeyVisitor = FunctionRef<bool(Slice key, uint64_t expires_at_ms)>;

  virtual ~Store() = default;

  // Keys longer than this are refused with kLimitExceeded, by reads as by writes.
  virtual size_t key_bytes_max() const = 0;

  // kNotFound if the key is absent or expired.
  virtual Status Get(Slice key, PinnableValue* value) = 0;
  // REQUIRES: the three spans have the same size.
  virtual void MultiGet(std::span<const Slice> keys,
                        std::span<PinnableValue> values,
                        std::span<Status> statuses) = 0;

  // A hint that these keys, which may be anything, are about to be read or written.
  virtual void Prefetch(std::span<const Slice> keys) = 0;

  virtual Status Write(std::span<const Mutation> mutations) = 0;
  virtual Status Update(std::span<const Slice> keys, Need need, UpdateFunction function) = 0;
  // Deletes every key.
  virtual Status Clear() = 0;

  // Every live key at or after `from`, in the store's own fixed order, which starts at "". Any string
  // is a place in that order; the one right after key K is K followed by a zero byte.
  virtual Status VisitKeys(Slice from, KeyVisitor visit) = 0;
  // kNotFound if there is none.
  virtual Status RandomKey(base::Random* random, std::string* key) = 0;
  // kBusy if counting takes longer than a turn may: the same call in the next turn goes on where this one
  // stopped. The answer is exact for the moment at which it is given.
  virtual Result<KeyCounts> Count() = 0;
  // How many keys have expired since the store was opened, as far as it can tell.
  virtual uint64_t ExpiredKeys() = 0;

  virtual Status Commit(Durability durability) = 0;
  // Makes everything committed before the call survive the loss of power. Thread-safe.
  virtual Status Sync() = 0;
};

}  // namespace nokv::redis
