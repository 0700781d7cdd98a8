#pragma once

// WriteBatch: operations that become visible, and durable, together or not at all.
//
// Operations apply in the order they were added; a later one on the same key wins. The batch holds
// its own copy of every key and value. Confined to one thread at a time.

#include <cstddef>
#include <cstdint>
#include <string>

#include "nokv/column_family.h"
#include "nokv/slice.h"

namespace nokv {

class WriteBatch {
 public:
  WriteBatch() = default;

  // A null family means "default".
  void Put(const ColumnFamily* family, Slice key, Slice value);
  void Put(Slice key, Slice value) { Put(nullptr, key, value); }

  // The value is gone for every reader from `expires_at_ms` (milliseconds since the Unix epoch) on;
  // 0 means never.
  void PutExpiring(const ColumnFamily* family, Slice key, Slice value, uint64_t expires_at_ms);

  void Delete(const ColumnFamily* family, Slice key);
  void Delete(Slice key) { Delete(nullptr, key); }

  // Every key in [begin, end). A range with begin >= end deletes nothing.
  void DeleteRange(const ColumnFamily* family, Slice begin, Slice end);

  void Clear();
  size_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  // Bytes of the encoded batch: what max_batch_bytes limits.
  size_t size_bytes() const { return rep_.size(); }

  // The encoding, for the engine (src/key/batch.h says what it is).
  const std::string& rep() const { return rep_; }

 private:
  void Add(unsigned char tag, const ColumnFamily* family, Slice key, uint64_t expires_at_ms);

  std::string rep_;
  size_t count_ = 0;
};

}  // namespace nokv
