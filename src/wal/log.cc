#include "wal/log.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/round.h"
#include "wal/segment_reader.h"

namespace nokv::wal {

namespace {

constexpr uint64_t kCapacityUnit = 4096;
constexpr size_t kCopyBytes = 256 << 10;

// The capacity of a segment whose only record besides its start has this payload; at most
// kSegmentBytesMax for payloads up to kPayloadBytesMax.
uint64_t CapacityFor(uint64_t payload_bytes) {
  return base::RoundUp(kDataOffset + RecordBytes(payload_bytes), kCapacityUnit);
}
static_assert(kSegmentBytesMin % kCapacityUnit == 0 && kSegmentBytesMax % kCapacityUnit == 0);

LogOptions Rounded(LogOptions options) {
  options.segment_bytes = base::RoundUp(options.segment_bytes, kCapacityUnit);
  return options;
}

}  // namespace

Log::Log(
    Private, vfs::FileSystem* fs, std::string dir, uint64_t database_id, const LogOptions& options)
    : fs_(fs),
      dir_(std::move(dir)),
      options_(options),
      pool_(fs,
            dir_,
            database_id,
            {.segment_bytes = options.segment_bytes, .recycle_max = options.recycle_max}) {}

Log::~Log() {
  // Who needs to know whether the bytes arrived has called SyncThrough.
  Close().IgnoreError();
}

Result<std::unique_ptr<Log>> Log::Open(vfs::FileSystem* fs,
                                       std::string dir,
                                       uint64_t database_id,
                                       const LogOptions& options,
                                       const ReplayResult& recovered) {
  if (options.segment_bytes < kSegmentBytesMin || options.segment_bytes > kSegmentBytesMax) {
    return Status::InvalidArgument("segment_bytes is " + std::to_string(options.segment_bytes) +
                                   "; it must be in [" + std::to_string(kSegmentBytesMin) + ", " +
                                   std::to_string(kSegmentBytesMax) + "]");
  }
  auto log = std::make_unique<Log>(Private{}, fs, std::move(dir), database_id, Rounded(options));
  NOKV_TRY(log->AdoptRecovered(recovered));
  NOKV_TRY(log->Begin(recovered));
  return log;
}

// What is to be referred to becomes durable first, oldest first (law 3).
Status Log::AdoptRecovered(const ReplayResult& recovered) {
  for (const SegmentInfo& info : recovered.segments) {
    const LogPosition durable = recovered.durable;
    if (info.bytes == 0 || info.id < durable.segment) continue;
    const uint32_t from = info.id == durable.segment ? durable.offset : kStartOffset;
    if (from < info.bytes) NOKV_TRY(MakeDurable(info, from));
  }
  for (const uint32_t id : recovered.unused) {
    const Status status = fs_->Remove(vfs::JoinPath(dir_, SegmentFileName(id)));
    if (!status.ok() && !status.IsNotFound()) return status;
  }
  std::vector<SegmentPool::Released> obsolete;
  for (const uint32_t id : recovered.obsolete) {
    const auto bytes = fs_->FileSize(vfs::JoinPath(dir_, SegmentFileName(id)));
    obsolete.push_back({.id = id, .capacity = bytes.ok() ? *bytes : 0});
  }
  // What cannot be removed is tried again with the next release, and found again by the next open.
  pool_.Release(obsolete).IgnoreError();

  base::MutexLock lock(&mu_);
  for (const SegmentInfo& info : recovered.segments) {
    live_.push_back({.info = info, .segment = nullptr, .synced = true});
  }
  return Status::Ok();
}

// Writes the bytes from `from` on again and syncs them. A sync alone is not enough: where one
// failed before, the kernel may show bytes that are not on the disk and take them for written.
Status Log::MakeDurable(const SegmentInfo& info, uint32_t from) {
  NOKV_ASSIGN_OR_RETURN(const auto file,
                        fs_->OpenLog(vfs::JoinPath(dir_, SegmentFileName(info.id))));
  const auto buffer = std::make_unique_for_overwrite<char[]>(kCopyBytes);
  for (uint64_t at = from; at < info.bytes;) {
    const auto n = static_cast<size_t>(std::min<uint64_t>(kCopyBytes, info.bytes - at));
    Slice bytes;
    NOKV_TRY(file->Read(at, n, buffer.get(), &bytes));
    if (bytes.size() < n)
      return CorruptionAt(file->path(), at + bytes.size(), "the file ends early");
    NOKV_TRY(file->WriteAt(at, bytes));
    at += n;
  }
  NOKV_TRY(file->Sync());
  return file->Close();
}

Status Log::Begin(const ReplayResult& recovered) {
  base::MutexLock making(&making_mu_);
  next_segment_ = recovered.next_segment;
  const SegmentStart start = {.predecessor_end = recovered.end,
                              .predecessor_mark = recovered.end.offset};
  NOKV_ASSIGN_OR_RETURN(unannounced_,
                        pool_.Make(next_segment_, static_cast<uint32_t>(options_.segment_bytes),
                                   SegmentPool::Start{start, recovered.next_word}));
  NOKV_TRY(MakeReady(0));
  Activate(1, recovered.next_word);
  synced_.store(end().Pack(), std::memory_order_release);
  return Status::Ok();
}

Status Log::Rotate(size_t payload_bytes_min, uint64_t next_word) {
  NOKV_TRY(failure());
  if (payload_bytes_min > kPayloadBytesMax) {
    return Status::LimitExceeded("a log record of " + std::to_string(payload_bytes_min) +
                                 " bytes; the limit is " + std::to_string(kPayloadBytesMax));
  }
  base::MutexLock making(&making_mu_);
  const uint64_t needed = CapacityFor(payload_bytes_min);
  bool unprepared = false;
  const auto fits = [needed](const auto& segment) {
    return segment->capacity >= needed;
  };
  auto chosen = std::find_if(ready_.begin(), ready_.end(), fits);
  while (chosen == ready_.end()) {
    unprepared = true;
    NOKV_TRY(MakeReady(std::max(options_.segment_bytes, needed)));
    chosen = std::find_if(ready_.begin(), ready_.end(), fits);
  }
  // Segments too small stay in their place in the order, with nothing but their start records.
  const auto count = static_cast<size_t>(chosen - ready_.begin()) + 1;
  NOKV_TRY(WriteStarts(count, next_word));
  Activate(count, next_word);
  base::MutexLock lock(&mu_);
  ++rotations_;
  if (unprepared) ++rotations_unprepared_;
  return Status::Ok();
}

// Makes and announces the next segment; or announces one made before, whatever its capacity.
Status Log::MakeReady(uint64_t capacity) {
  if (unannounced_ == nullptr) {
    if (next_segment_ == 0) {
      return Status::LimitExceeded(dir_ + ": the log has used up its segment numbers");
    }
    NOKV_ASSIGN_OR_RETURN(unannounced_,
                          pool_.Make(next_segment_, static_cast<uint32_t>(capacity), std::nullopt));
  }
  if (options_.on_segment_created) NOKV_TRY(options_.on_segment_created(unannounced_->id));
  ready_.push_back(std::move(unannounced_));
  unannounced_ = nullptr;
  ++next_segment_;  // 0 after the last number there is
  has_prepared_.store(true, std::memory_order_relaxed);
  return Status::Ok();
}

// Writes the start records of the first `count` ready segments. The first of them says where the
// active segment ends. One that fails to be written may have arrived all the same, so that nothing
// more may be reserved here.
Status Log::WriteStarts(size_t count, uint64_t next_word) {
  const LogPosition known = synced();
  SegmentStart start = {.predecessor_end = end()};
  if (known.segment == start.predecessor_end.segment) start.predecessor_mark = known.offset;
  for (size_t i = 0; i < count; ++i) {
    char bytes[kStartPayloadBytes];
    EncodeSegmentStart(start, bytes);
    const Slice payload(bytes, sizeof bytes);
    const Status status = ready_[i]->WriteRecord(
        kStartOffset,
        {.length = kStartPayloadBytes, .word = next_word, .type = RecordType::kSegmentStart},
        payload, PayloadHash(payload));
    if (!status.ok()) {
      room_end_ = 0;
      return Fail(status);
    }
    start = {.predecessor_end = {ready_[i]->id, kDataOffset}};
  }
  return Status::Ok();
}

// Seals the active segment and goes over to ready segment `count` - 1.
void Log::Activate(size_t count, uint64_t next_word) {
  base::MutexLock lock(&mu_);
  if (active_ != nullptr) live_.back().info.bytes = end().offset;
  for (size_t i = 0; i < count; ++i) {
    if (!live_.empty()) live_.back().info.sealed = true;
    std::shared_ptr<Segment> segment = std::move(ready_.front());
    ready_.pop_front();
    active_ = segment.get();
    live_.push_back({.info = {.id = segment->id,
                              .first_word = next_word,
                              .bytes = kDataOffset,
                              .capacity = segment->capacity},
                     .segment = std::move(segment)});
  }
  room_end_ = active_->capacity;
  prepare_from_ = 0;
  end_.store(LogPosition{active_->id, kDataOffset}.Pack(), std::memory_order_relaxed);
  has_prepared_.store(!ready_.empty(), std::memory_order_relaxed);
}

Status Log::PrepareNext() {
  // A file that cannot be removed is tried again; it is no reason to be without a segment.
  ReleaseWhatMayGo().IgnoreError();
  base::MutexLock making(&making_mu_);
  if (!ready_.empty()) return Status::Ok();
  return MakeReady(options_.segment_bytes);
}

bool Log::PrepareAhead() {
  std::shared_ptr<Segment> segment;
  {
    const uint64_t syncs = syncs_.load(std::memory_order_relaxed);
    base::MutexLock lock(&mu_);
    if (std::exchange(syncs_before_prepare_, syncs) != syncs) return false;
    segment = live_.back().segment;
  }
  const LogPosition at = end();
  // Otherwise there was a rotation in between, and the next call is due already.
  if (at.segment == segment->id) segment->file->PrepareWrites(at.offset, kPrepareBytes);
  return true;
}

Status Log::Write(const Reservation& reservation,
                  RecordType type,
                  uint32_t stream,
                  uint64_t word,
                  Slice payload,
                  uint64_t payload_hash) {
  NOKV_DCHECK(payload.size() == reservation.payload_bytes);
  NOKV_DCHECK(payload_hash == PayloadHash(payload));
  NOKV_DCHECK(static_cast<uint8_t>(type) != 0 && type != RecordType::kSegmentStart);
  // relaxed: the mark is a statement about the disk, which was true before the word was stored.
  const LogPosition known = LogPosition::Unpack(synced_.load(std::memory_order_relaxed));
  const bool same_segment = known.segment == reservation.segment->id;
  const Status status =
      reservation.segment->WriteRecord(reservation.offset,
                                       {.length = reservation.payload_bytes,
                                        .synced_mark = same_segment ? known.offset : 0,
                                        .word = word,
                                        .stream = stream,
                                        .type = type},
                                       payload, payload_hash);
  if (status.ok()) [[likely]]
    return status;
  return Fail(status);
}

Status Log::SyncThrough(LogPosition through) {
  NOKV_TRY(failure());
  NOKV_DCHECK(through <= end());
  if (through <= synced()) return Status::Ok();
  while (const std::shared_ptr<Segment> segment = NextToSync(through)) {
    if (const Status status = segment->file->Sync(); !status.ok()) return Fail(status);
    syncs_.fetch_add(1, std::memory_order_relaxed);
    MarkSynced(segment->id, through);
    if (segment->id == through.segment) break;
  }
  // A Write that failed meanwhile has left a hole before `through`.
  NOKV_TRY(failure());
  synced_.store(through.Pack(), std::memory_order_release);  // pairs with the acquire in synced()
  return Status::Ok();
}

std::shared_ptr<Segment> Log::NextToSync(LogPosition through) const {
  base::MutexLock lock(&mu_);
  for (const Live& live : live_) {
    if (live.info.id > through.segment) break;
    if (!live.synced) return live.segment;
  }
  return nullptr;
}

void Log::MarkSynced(uint32_t segment, LogPosition through) {
  base::MutexLock lock(&mu_);
  for (Live& live : live_) {
    const SegmentInfo& info = live.info;
    if (info.id != segment || !info.sealed) continue;
    live.synced = LogPosition{info.id, static_cast<uint32_t>(info.bytes)} <= through;
  }
}

Status Log::ReleaseBefore(uint32_t segment) {
  {
    base::MutexLock lock(&mu_);
    release_before_ = std::max(release_before_, segment);
  }
  return ReleaseWhatMayGo();
}

Status Log::ReleaseWhatMayGo() {
  std::vector<SegmentPool::Released> released;
  std::vector<std::shared_ptr<Segment>> closing;  // let go after the lock: unmapping takes a while
  {
    base::MutexLock lock(&mu_);
    uint32_t before = std::min(release_before_, live_.back().info.id);
    if (!pins_.empty()) before = std::min(before, *pins_.begin());
    while (live_.front().info.id < before) {
      const SegmentInfo& info = live_.front().info;
      released.push_back({.id = info.id, .capacity = info.capacity});
      closing.push_back(std::move(live_.front().segment));
      live_.pop_front();
    }
  }
  closing.clear();
  return pool_.Release(released);
}

Log::Pin& Log::Pin::operator=(Pin&& other) noexcept {
  if (this != &other) {
    Release();
    log_ = std::exchange(other.log_, nullptr);
    from_ = other.from_;
  }
  return *this;
}

void Log::Pin::Release() {
  Log* const log = std::exchange(log_, nullptr);
  if (log == nullptr) return;
  base::MutexLock lock(&log->mu_);
  log->pins_.erase(log->pins_.find(from_));
}

Log::Pin Log::PinFrom(uint32_t segment) {
  base::MutexLock lock(&mu_);
  pins_.insert(segment);
  return Pin(this, segment);
}

std::vector<SegmentInfo> Log::segments() const {
  base::MutexLock lock(&mu_);
  std::vector<SegmentInfo> infos;
  infos.reserve(live_.size());
  for (const Live& live : live_)
    infos.push_back(live.info);
  const LogPosition behind = end();
  if (!infos.empty() && infos.back().id == behind.segment) infos.back().bytes = behind.offset;
  return infos;
}

LogStats Log::stats() const {
  LogStats stats;
  stats.records = records_.load(std::memory_order_relaxed);
  stats.record_bytes = record_bytes_.load(std::memory_order_relaxed);
  stats.syncs = syncs_.load(std::memory_order_relaxed);
  stats.pool = pool_.stats();
  base::MutexLock lock(&mu_);
  stats.rotations = rotations_;
  stats.rotations_unprepared = rotations_unprepared_;
  stats.segments = live_.size();
  for (const Live& live : live_)
    stats.segment_bytes += live.info.capacity;
  if (!live_.empty()) stats.oldest_segment = live_.front().info.id;
  if (!pins_.empty()) stats.pinned_from = *pins_.begin();
  return stats;
}

Status Log::Close() {
  std::deque<std::shared_ptr<Segment>> closing;
  {
    base::MutexLock making(&making_mu_);
    closing.swap(ready_);
    if (unannounced_ != nullptr) closing.push_back(std::move(unannounced_));
    unannounced_ = nullptr;
    has_prepared_.store(false, std::memory_order_relaxed);
  }
  {
    base::MutexLock lock(&mu_);
    for (Live& live : live_) {
      if (live.segment != nullptr) closing.push_back(std::move(live.segment));
    }
    if (failure_.ok()) failure_ = Status::Closed(dir_ + ": the log is closed");
  }
  Status first_error;
  for (const auto& segment : closing) {
    Status status = segment->file->Close();
    if (!status.ok() && first_error.ok()) first_error = std::move(status);
  }
  return first_error;
}

// Keeps the first failure; the caller returns its own.
Status Log::Fail(const Status& status) {
  base::MutexLock lock(&mu_);
  if (failure_.ok()) failure_ = status;
  return status;
}

Status Log::failure() const {
  base::MutexLock lock(&mu_);
  return failure_;
}

}  // namespace nokv::wal
