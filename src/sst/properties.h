#pragma once

// TableProperties: what is known of a table without reading its entries.
//
//   properties block payload := property*        in ascending order of tags
//   property := tag:varint32   value:length-prefixed
//
// The value of a number is a varint64, of a key its bytes. Tags are permanent and never used again;
// a reader skips tags it does not know, and refuses a block that lacks one of the tags below.

#include <cstdint>
#include <string>

#include "nokv/slice.h"

#include "key/entry.h"
#include "key/range_tombstones.h"

namespace nokv::sst {

struct TableProperties {
  // Everything in the table, points and range tombstones, lies in [smallest_key, end_key).
  std::string smallest_key;  // tag 1
  std::string end_key;       // tag 2

  // Of points and range tombstones.
  key::SequenceNumber smallest_seq = 0;  // tag 3
  key::SequenceNumber largest_seq = 0;   // tag 4

  uint64_t entries = 0;          // tag 5: points, tombstones of single keys among them
  uint64_t keys = 0;             // tag 6: distinct keys
  uint64_t deletes = 0;          // tag 7: tombstones of single keys
  uint64_t range_deletes = 0;    // tag 8: range tombstones, as fragments
  uint64_t raw_key_bytes = 0;    // tag 9: of the points
  uint64_t raw_value_bytes = 0;  // tag 10

  uint64_t data_blocks = 0;      // tag 11
  uint64_t data_bytes = 0;       // tag 12: data blocks in the file, with their trailers
  uint64_t raw_data_bytes = 0;   // tag 13: payloads of the data blocks before compression
  uint64_t block_bytes_max = 0;  // tag 14: the largest of these payloads

  // Of the entries that expire: how many, and when the first and the last do (milliseconds since
  // the Unix epoch; 0 if none expires).
  uint64_t expiring_entries = 0;  // tag 15
  uint64_t min_expires_at = 0;    // tag 16
  uint64_t max_expires_at = 0;    // tag 17

  uint64_t creation_time = 0;  // tag 18: milliseconds since the Unix epoch, as given to the builder

  // Known from the footer: not in the block.
  uint64_t file_bytes = 0;

  // Take the next entry into account, which is in order, or all range tombstones, after the
  // entries.
  void CountEntry(const key::Entry& entry, bool new_key);
  void CountTombstones(const key::RangeTombstones& tombstones);

  void AppendTo(std::string* out) const;

  // Decodes a payload. Returns nullptr, or what is wrong.
  const char* Decode(Slice payload);

  friend bool operator==(const TableProperties&, const TableProperties&) = default;
};

}  // namespace nokv::sst
