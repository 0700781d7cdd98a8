#pragma once

// Entries and their order: what the memtable, the tables and the iterators hold.
//
// An entry is (key, sequence number, kind, expiry, value). The key is the *engine key*: an
// order-preserving prefix for the column family (family.h) followed by the user's key. Below the `db`
// module nothing else is known of families, and keys compare as plain bytes. Sequence and kind form
// the 8-byte trailer, kept apart from the key bytes so that no comparison decodes.
//
// Order of entries: key ascending, then trailer descending (newest first).

#include <cstdint>

#include "nokv/slice.h"
#include "nokv/status.h"

namespace nokv::key {

// Grows by one with every operation committed (law 1); 0 means "before everything".
using SequenceNumber = uint64_t;
inline constexpr SequenceNumber kMaxSequence = (1ULL << 56) - 1;

// Stored in logs and tables: the values are permanent.
enum class Kind : uint8_t {
  kDelete = 0,       // a tombstone; no value
  kPut = 1,          // value inline
  kRangeDelete = 2,  // key is the begin, value the (exclusive) end; never in a point stream
  kValueHandle = 3,  // reserved: the value is a handle into the value log
};
inline constexpr uint8_t kKindMax = 3;

inline uint64_t PackTrailer(SequenceNumber seq, Kind kind) {
  return seq << 8 | static_cast<uint64_t>(kind);
}
inline SequenceNumber TrailerSequence(uint64_t trailer) { return trailer >> 8; }
inline Kind TrailerKind(uint64_t trailer) { return static_cast<Kind>(trailer & 0xff); }

// A borrowed entry. expires_at is in milliseconds since the Unix epoch, 0 for never.
struct Entry {
  Slice key;
  uint64_t trailer = 0;
  uint64_t expires_at = 0;
  Slice value;

  SequenceNumber seq() const { return TrailerSequence(trailer); }
  Kind kind() const { return TrailerKind(trailer); }
  bool ExpiredAt(uint64_t now_millis) const { return expires_at != 0 && expires_at <= now_millis; }
};

// Negative, zero or positive as (a_key, a_trailer) is before, at or after (b_key, b_trailer).
inline int CompareEntries(Slice a_key, uint64_t a_trailer, Slice b_key, uint64_t b_trailer) {
  if (const int order = a_key.compare(b_key); order != 0) return order;
  if (a_trailer == b_trailer) return 0;
  return a_trailer > b_trailer ? -1 : 1;
}

// The first 8 bytes as a number whose order is the keys' order; shorter keys are padded with zeros, so
// equal heads say nothing and unequal heads decide.
inline uint64_t KeyHead(Slice key) {
  if (key.size() >= 8) {
    uint64_t head;
    __builtin_memcpy(&head, key.data(), 8);
    return __builtin_bswap64(head);
  }
  uint64_t head = 0;
  for (size_t i = 0; i < key.size(); ++i) {
    head |= static_cast<uint64_t>(static_cast<unsigned char>(key[i])) << (56 - 8 * i);
  }
  return head;
}

// A half-open range of engine keys. Files, tombstones and compactions are all described by these, so
// that neighbours share a border and never overlap by one key.
struct KeyRange {
  Slice begin;
  Slice end;

  bool empty() const { return begin >= end; }
  bool Contains(Slice key) const { return begin <= key && key < end; }
  bool Overlaps(const KeyRange& other) const { return begin < other.end && other.begin < end; }
};

// One range tombstone: hides every entry with key in [begin, end) and a smaller sequence number.
struct RangeTombstone {
  Slice begin;
  Slice end;
  SequenceNumber seq = 0;
};

// A stream of entries in order. Confined to one thread.
//
// After a failed read Valid() is false and status() is not OK; a reader that sees Valid() turn false
// asks status() before it believes in the end. key() and value() stay valid until the next move.
class EntryIterator {
 public:
  virtual ~EntryIterator() = default;
  virtual bool Valid() const = 0;
  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  // To the first entry at or after (key, trailer) in the order of entries. Seek(key, UINT64_MAX) finds
  // the newest version of key.
  virtual void Seek(Slice key, uint64_t trailer) = 0;
  // To the last entry before (key, trailer).
  virtual void SeekBefore(Slice key, uint64_t trailer) = 0;
  // REQUIRES: Valid().
  virtual void Next() = 0;
  virtual void Prev() = 0;
  virtual Slice key() const = 0;
  virtual uint64_t trailer() const = 0;
  virtual uint64_t expires_at() const = 0;
  virtual Slice value() const = 0;
  virtual Status status() const = 0;
};

}  // namespace nokv::key
