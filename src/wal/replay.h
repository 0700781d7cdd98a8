#pragma once

// ReplayLog: reads a log from its oldest needed segment to its end, after a close or a crash.
//
// Reading changes no byte, so that replaying twice gives the same result; Log::Open (log.h) is what
// continues the log after it. What replay promises:
//
//  1. Prefix. What is delivered is a prefix of what was reserved, in that order: at the first
//     record that is not whole it stops for good, whatever is valid behind it, in this segment or
//     in a later one.
//  2. Nothing durable is lost in silence. If anything proves that the log was durable beyond the
//     place where it stops, that is kCorruption with file and offset. Proof is the synced mark of
//     any valid record behind that place, the start record of a later segment, or a clean end.
//  3. The end of every segment but the newest is known from the start record of its successor, so
//     that the loss of its tail is seen, and what stands behind that end (a tail that an earlier
//     recovery gave up) is never read again.
//  4. Every segment in [first_segment, created_through] is there, bears its own name, belongs to
//     this database and has its full size; else kCorruption naming it.
//
// Thread-safe: a function. The files must not change meanwhile.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "nokv/result.h"
#include "nokv/slice.h"
#include "nokv/status.h"

#include "vfs/file_system.h"
#include "wal/format.h"
#include "wal/log_position.h"

namespace nokv::wal {

struct SegmentInfo {
  uint32_t id = 0;
  uint64_t first_word = 0;  // next_word at the Rotate that began it
  uint64_t bytes = 0;       // up to the end of its last record; 0 if nothing of it counts
  uint64_t capacity = 0;    // bytes of the file
  bool sealed = false;      // takes no more records

  bool operator==(const SegmentInfo&) const = default;
};

struct ReplayOptions {
  uint32_t first_segment = 1;  // the oldest that is needed
  uint32_t created_through =
      0;  // the newest for which LogOptions::on_segment_created ever returned OK
  // Set if the last close was clean: the records reach exactly here.
  std::optional<LogPosition> clean_end = std::nullopt;
};

struct ReplayResult {
  uint32_t next_segment = 1;  // the id with which the log continues
  LogPosition end;            // behind the last record that counts; {0, 0} if there is none
  LogPosition durable;        // everything before it was durable, as the records that count prove
  uint64_t records = 0;       // delivered
  uint64_t payload_bytes = 0;

  // Something behind `end` was written and never durable: what it was, and how many bytes.
  bool torn_tail = false;
  uint64_t dropped_bytes = 0;
  std::string torn_description;

  std::vector<SegmentInfo> segments;  // from first_segment on, in order, all sealed
  std::vector<uint32_t> obsolete;     // below first_segment: Log::Open recycles or removes them
  std::vector<uint32_t> unused;  // began to be made and never were in use: Log::Open removes them

  // The first_word of the segment that Log::Open makes: for the caller to set in between.
  uint64_t next_word = 0;
};

// An error ends the replay and is returned with the place of the record in front.
using ReplayFn = std::function<Status(
    LogPosition at, RecordType type, uint32_t stream, uint64_t word, Slice payload)>;

Result<ReplayResult> ReplayLog(vfs::FileSystem* fs,
                               const std::string& dir,
                               uint64_t database_id,
                               const ReplayOptions& options,
                               const ReplayFn& deliver);

}  // namespace nokv::wal
