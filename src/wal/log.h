#pragma once

// Log: an append-only log of opaque typed records, written by its callers in parallel.
//
// A writer takes a place in the log (TryReserve), then writes its record there (Write) beside all
// others; one of them makes a stretch of records durable (SyncThrough). There is no log thread and
// no buffer: a record that Write has returned for is in the kernel's hands and survives the death
// of the process. Records lie in segments, files of fixed size made ahead of need and used again;
// format.h has their bytes, replay.h the way back.
//
// Threads. TryReserve and Rotate are externally synchronised (one lock of the caller's around
// both); SyncThrough calls do not overlap; Close comes when nothing else runs. All else is
// thread-safe.
//
// Invariants:
//  1. Segment ids grow by one and are never used again. Reservations follow one another without a
//     gap; a segment is sealed at the end of its last reservation, and the start record of its
//     successor says so.
//  2. A segment is durable as a file, by name, and announced (on_segment_created) before the first
//     byte of a record goes into it.
//  3. synced() is the end of a prefix of the log: older segments are synced before newer ones. The
//     synced mark in a record never exceeds it.
//  4. A failed sync or write is final (law 4): every later SyncThrough and Rotate returns that
//     error. What fails while a segment is being made is not: it may be tried again, but for a
//     failed sync of the directory, after which no segment can be made.
//  5. A segment's file is recycled or removed only after ReleaseBefore let it go and no Pin holds
//     it.

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "nokv/result.h"
#include "nokv/slice.h"
#include "nokv/status.h"

#include "base/mutex.h"
#include "vfs/file_system.h"
#include "wal/format.h"
#include "wal/log_position.h"
#include "wal/replay.h"
#include "wal/segment_pool.h"

namespace nokv::wal {

struct LogOptions {
  // Capacity of a segment, rounded up to 4 KiB. Larger: fewer rotations; each costs this much disk,
  // up to three of them beyond what is needed (active, prepared, and one not yet released).
  uint64_t segment_bytes = 64 << 20;
  // Files kept for their next use. Each spares the making of a file and its space.
  size_t recycle_max = 4;
  // Called after a new segment's file and name are durable and before it can be written: the place
  // to record that it must exist (ReplayOptions::created_through). Runs inside Open, PrepareNext or
  // Rotate, one call at a time; if it fails, the same segment is announced again by the next
  // attempt. Whoever calls those holds no lock that this function takes.
  std::function<Status(uint32_t segment)> on_segment_created;
};

// A place in the log, for one record.
struct Reservation {
  const Segment* segment = nullptr;
  uint32_t offset = 0;
  uint32_t payload_bytes = 0;
  bool should_prepare = false;  // it is time for PrepareAhead, from another thread

  LogPosition position() const { return {segment->id, offset}; }
  // Behind the record.
  LogPosition end() const {
    return {segment->id, offset + static_cast<uint32_t>(RecordBytes(payload_bytes))};
  }
};

struct LogStats {
  uint64_t records = 0;       // reserved since Open
  uint64_t record_bytes = 0;  // with their headers
  uint64_t syncs = 0;         // of segments, by SyncThrough
  uint64_t rotations = 0;
  uint64_t rotations_unprepared = 0;  // those that had to make the segment themselves
  uint64_t segments = 0;              // not yet released
  uint64_t segment_bytes = 0;         // their files' bytes
  uint32_t oldest_segment = 0;
  uint32_t pinned_from = 0;  // the lowest pin; 0: none
  SegmentPoolStats pool;
};

class Log {
  struct Private {  // makes the constructor Open's own
    explicit Private() = default;
  };

 public:
  // Continues after `recovered`: makes durable what was replayed and not proven so, removes what is
  // unused, and makes segment recovered.next_segment with a durable start record that binds it to
  // recovered.end. `fs` outlives the log.
  static Result<std::unique_ptr<Log>> Open(vfs::FileSystem* fs,
                                           std::string dir,
                                           uint64_t database_id,
                                           const LogOptions& options,
                                           const ReplayResult& recovered);
  Log(Private,
      vfs::FileSystem* fs,
      std::string dir,
      uint64_t database_id,
      const LogOptions& options);
  // Closes without syncing.
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Takes the next place. False if the active segment has no room: Rotate, then try again.
  bool TryReserve(size_t payload_bytes, Reservation* reservation) {
    if (payload_bytes > kPayloadBytesMax) return false;
    const uint64_t end = end_.load(std::memory_order_relaxed);
    const auto offset = static_cast<uint32_t>(end);
    const uint64_t bytes = RecordBytes(payload_bytes);
    if (offset + bytes > room_end_) return false;
    *reservation = {active_, offset, static_cast<uint32_t>(payload_bytes), offset >= prepare_from_};
    if (reservation->should_prepare) [[unlikely]] prepare_from_ = offset + kPrepareStepBytes;
    end_.store(end + bytes, std::memory_order_relaxed);
    records_.store(records_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    record_bytes_.store(record_bytes_.load(std::memory_order_relaxed) + bytes,
                        std::memory_order_relaxed);
    return true;
  }

  // Seals the active segment at its reserved end and goes over to the prepared one, or makes one
  // here if none is ready. A payload of payload_bytes_min fits afterwards: one that no segment
  // holds gets a segment of its own size. `next_word` becomes the first_word of the segment. If a
  // segment cannot be made (kNoSpace, kIOError) nothing has changed and it may be called again; if
  // a start record cannot be written the log has failed (4). kLimitExceeded: no segment holds the
  // payload.
  Status Rotate(size_t payload_bytes_min, uint64_t next_word);

  // Makes the next pages of the active segment ready for writing. False if there was a sync since the last call: the next
  // one would write these pages twice, so they are left alone. For a background thread.
  bool PrepareAhead();

  bool has_prepared() const { return has_prepared_.load(std::memory_order_relaxed); }
  // Makes the next segment, if none is prepared, so that Rotate need not. For a background thread.
  Status PrepareNext();

  // Writes the record into its place. The caller computes `payload_hash` = PayloadHash(payload)
  // before it reserves, out of everybody's way. After an error the log cannot be synced any more.
  // REQUIRES: payload.size() is what was reserved; type is neither 0 nor kSegmentStart.
  Status Write(const Reservation& reservation,
               RecordType type,
               uint32_t stream,
               uint64_t word,
               Slice payload,
               uint64_t payload_hash);

  // Makes durable every record before `through`, oldest first.
  // REQUIRES: every reservation before `through` has been written, as seen by this thread.
  Status SyncThrough(LogPosition through);

  // Everything before it is durable.
  LogPosition synced() const {
    return LogPosition::Unpack(synced_.load(std::memory_order_acquire));  // pairs with SyncThrough
  }
  // Behind the last reservation.
  LogPosition end() const { return LogPosition::Unpack(end_.load(std::memory_order_relaxed)); }

  // Lets go of the segments below `segment`, but for pinned ones and the active one. Called only
  // after what says that nobody needs them (ReplayOptions::first_segment) is durable. A pinned
  // segment goes with the first call of this or PrepareNext after the pin.
  Status ReleaseBefore(uint32_t segment);

  // Holds segments in place, for a reader of the files. Move-only; the log outlives it. Holds
  // nothing across a restart.
  class Pin {
   public:
    Pin() = default;
    Pin(Pin&& other) noexcept : log_(std::exchange(other.log_, nullptr)), from_(other.from_) {}
    Pin& operator=(Pin&& other) noexcept;
    ~Pin() { Release(); }
    void Release();

   private:
    friend class Log;
    Pin(Log* log, uint32_t from) : log_(log), from_(from) {}
    Log* log_ = nullptr;
    uint32_t from_ = 0;
  };
  // Holds what there is from `segment` on.
  Pin PinFrom(uint32_t segment);

  // Oldest first; the last one is the active one.
  std::vector<SegmentInfo> segments() const;
  LogStats stats() const;

  // Closes the files; syncs nothing. For a clean end: SyncThrough(end()) first, and end()
  // afterwards.
  Status Close();

 private:
  // The pages that PrepareAhead makes ready, and how often. A writer that is faster makes its own ready.
  static constexpr uint64_t kPrepareStepBytes = 2 << 20;
  static constexpr uint64_t kPrepareBytes = 4 << 20;

  // A segment not yet released.
  struct Live {
    SegmentInfo info;
    // Null if it was replayed. Shared, for SyncThrough may be syncing a segment that is let go
    // meanwhile.
    std::shared_ptr<Segment> segment;
    bool synced = false;  // to its sealed end
  };

  Status AdoptRecovered(const ReplayResult& recovered);
  Status MakeDurable(const SegmentInfo& info, uint32_t from);
  Status Begin(const ReplayResult& recovered);
  Status MakeReady(uint64_t capacity) NOKV_REQUIRES(making_mu_);
  Status WriteStarts(size_t count, uint64_t next_word) NOKV_REQUIRES(making_mu_);
  void Activate(size_t count, uint64_t next_word) NOKV_REQUIRES(making_mu_);
  std::shared_ptr<Segment> NextToSync(LogPosition through) const;
  void MarkSynced(uint32_t segment, LogPosition through);
  Status ReleaseWhatMayGo();
  Status Fail(const Status& status);
  Status failure() const;

  // Constant after construction.
  vfs::FileSystem* const fs_;
  const std::string dir_;
  const LogOptions options_;

  // Written under the caller's synchronisation of TryReserve and Rotate.
  alignas(64) const Segment* active_ = nullptr;
  uint64_t room_end_ = 0;  // the active segment's capacity, or 0: nothing may be reserved in it
  uint64_t prepare_from_ = 0;  // the offset at which PrepareAhead is due
  std::atomic<uint64_t> end_{0};  // a LogPosition
  std::atomic<uint64_t> records_{0};
  std::atomic<uint64_t> record_bytes_{0};

  // Written by SyncThrough; read by every Write.
  alignas(64) std::atomic<uint64_t> synced_{0};  // a LogPosition
  std::atomic<uint64_t> syncs_{0};
  std::atomic<bool> has_prepared_{false};

  // Held while a segment is made, I/O and announcement included: who comes meanwhile wants that
  // segment, and not another one. Before mu_.
  alignas(64) base::Mutex making_mu_;
  SegmentPool pool_;  // Make: under making_mu_
  uint32_t next_segment_ NOKV_GUARDED_BY(making_mu_) = 0;
  std::shared_ptr<Segment> unannounced_ NOKV_GUARDED_BY(making_mu_);
  std::deque<std::shared_ptr<Segment>> ready_ NOKV_GUARDED_BY(making_mu_);  // in order of their ids

  // Never held over I/O.
  mutable base::Mutex mu_;
  std::deque<Live> live_ NOKV_GUARDED_BY(mu_);  // ascending; the last one is active
  std::multiset<uint32_t> pins_ NOKV_GUARDED_BY(mu_);
  uint32_t release_before_ NOKV_GUARDED_BY(mu_) = 0;
  uint64_t syncs_before_prepare_ NOKV_GUARDED_BY(mu_) = 0;
  uint64_t rotations_ NOKV_GUARDED_BY(mu_) = 0;
  uint64_t rotations_unprepared_ NOKV_GUARDED_BY(mu_) = 0;
  Status failure_ NOKV_GUARDED_BY(mu_);
};

}  // namespace nokv::wal
