#pragma once

// Iterator: the keys of one column family in order, as they were at one moment.
//
// An iterator sees exactly what was committed when it was made, or at ReadOptions::snapshot, whatever
// is written, flushed or compacted afterwards. It holds the memory and files it reads: release it when
// done (a long-lived one shows up in Stats::readers). It starts unpositioned. Confined to one thread
// at a time.

#include <cstdint>

#include "nokv/slice.h"
#include "nokv/status.h"

namespace nokv {

class Iterator {
 public:
  virtual ~Iterator() = default;

  // On an entry? False at either end and after an error: ask status() before believing in the end.
  virtual bool Valid() const = 0;

  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  // To the first key at or after `target`; a target before the lower bound means the bound.
  virtual void Seek(Slice target) = 0;
  // To the last key at or before `target`; a target beyond the upper bound means the last key below it.
  virtual void SeekForPrev(Slice target) = 0;

  // REQUIRES: Valid().
  virtual void Next() = 0;
  virtual void Prev() = 0;

  // Valid until the next move. REQUIRES: Valid(). With ReadOptions::keys_only value() is empty.
  virtual Slice key() const = 0;
  virtual Slice value() const = 0;
  // Milliseconds since the Unix epoch; 0 if the entry never expires.
  virtual uint64_t expires_at() const = 0;

  virtual const Status& status() const = 0;
};

}  // namespace nokv
