#pragma once

// The encoding of a WriteBatch, which is also the payload of a log record of type kBatch.
//
//   batch     := operation*
//   operation := tag:u8  [expires_at:fixed64 if tag & kExpiryFlag]  key:length-prefixed
//                [value:length-prefixed if the kind is kPut]
//                [end:length-prefixed if the kind is kRangeDelete]
//   tag       := key::Kind | flags
//
// Keys are engine keys. The i-th operation (from 0) has the sequence number first + i, where `first` is
// in the log record's header. The encoding is permanent; docs/format/wal.md describes it.

#include <cstdint>
#include <string>

#include "nokv/slice.h"
#include "nokv/status.h"
#include "nokv/write_batch.h"

#include "key/entry.h"

namespace nokv::key {

inline constexpr uint8_t kExpiryFlag = 0x80;

// Reads operations one after the other from bytes that may be damaged. Confined to one thread.
class BatchReader {
 public:
  // `rep` must outlive the reader.
  explicit BatchReader(Slice rep) : input_(rep) {}

  // Decodes the next operation into *entry (with kind in the trailer and sequence 0); for a range delete
  // entry->key is the begin and entry->value the end. False at the end and at damage: see status().
  bool Next(Entry* entry);
  const Status& status() const { return status_; }

 private:
  Slice input_;
  Status status_;
};

// Counts the operations and checks each of them: kCorruption says which one is malformed.
Status ValidateBatch(Slice rep, uint64_t* count);

// Copies `batch` to *to, where every put without an expiry gets `expires_at_ms`.
Status WithExpiry(const WriteBatch& batch, uint64_t expires_at_ms, WriteBatch* to);

}  // namespace nokv::key
