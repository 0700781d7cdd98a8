#include "wal/segment_pool.h"

#include <utility>

#include "base/check.h"

namespace nokv::wal {

namespace {

// A record up to this size is put together on the stack and written in one piece, which a file
// system without a mapped log does in one system call.
constexpr size_t kOnePieceBytesMax = 1024;

}  // namespace

Status Segment::WriteRecord(uint32_t offset,
                            const RecordHeader& header,
                            Slice payload,
                            uint64_t payload_hash) const {
  NOKV_DCHECK(header.length == payload.size());
  NOKV_DCHECK(header.synced_mark <= offset);
  NOKV_DCHECK(offset % kRecordAlignment == 0);
  NOKV_DCHECK(offset + RecordBytes(payload.size()) <= capacity);
  char bytes[kOnePieceBytesMax];
  EncodeRecordHeader(header, RecordSeed(seed, offset), payload_hash, bytes);
  if (kRecordHeaderBytes + payload.size() <= sizeof bytes) {
    payload.copy(bytes + kRecordHeaderBytes, payload.size());
    return file->WriteAt(offset, Slice(bytes, kRecordHeaderBytes + payload.size()));
  }
  NOKV_TRY(file->WriteAt(offset + kRecordHeaderBytes, payload));
  return file->WriteAt(offset, Slice(bytes, kRecordHeaderBytes));
}

SegmentPool::SegmentPool(vfs::FileSystem* fs,
                         std::string dir,
                         uint64_t database_id,
                         const Options& options)
    : fs_(fs), dir_(std::move(dir)), database_id_(database_id), options_(options) {}

std::string SegmentPool::PathOf(uint32_t id) const {
  return vfs::JoinPath(dir_, SegmentFileName(id));
}

Result<std::shared_ptr<Segment>> SegmentPool::Make(uint32_t id,
                                                   uint32_t capacity,
                                                   const std::optional<Start>& start) {
  NOKV_TRY(directory_failure_);
  const std::string path = PathOf(id);
  if (fs_->Exists(path)) NOKV_TRY(fs_->Remove(path));
  NOKV_ASSIGN_OR_RETURN(auto file, MakeFile(path, capacity));
  auto segment = std::make_shared<Segment>(id, database_id_, std::move(file));
  if (const Status status = MakeDurable(*segment, start); !status.ok()) {
    segment.reset();
    // If it stays, the next attempt or the next open removes it.
    fs_->Remove(path).IgnoreError();
    return status;
  }
  return segment;
}

Result<std::unique_ptr<vfs::LogFile>> SegmentPool::MakeFile(const std::string& path,
                                                            uint32_t capacity) {
  if (auto recycled = RecycleFile(path, capacity); recycled != nullptr) {
    base::MutexLock lock(&mu_);
    ++stats_.recycled;
    return recycled;
  }
  if (fs_->Exists(path)) NOKV_TRY(fs_->Remove(path));
  NOKV_ASSIGN_OR_RETURN(auto created, fs_->CreateLog(path, capacity));
  base::MutexLock lock(&mu_);
  ++stats_.created;
  return created;
}

std::unique_ptr<vfs::LogFile> SegmentPool::RecycleFile(const std::string& path, uint32_t capacity) {
  uint32_t from = 0;
  {
    base::MutexLock lock(&mu_);
    if (capacity != options_.segment_bytes || free_.empty()) return nullptr;
    from = free_.back();
    free_.pop_back();
  }
  if (!fs_->Rename(PathOf(from), path).ok()) {
    // Not worth failing for while a new file can be made.
    base::MutexLock lock(&mu_);
    to_remove_.push_back(from);
    return nullptr;
  }
  auto file = fs_->OpenLog(path);
  if (!file.ok() || (*file)->capacity() != capacity) return nullptr;
  return std::move(file).value();
}

Status SegmentPool::MakeDurable(const Segment& segment, const std::optional<Start>& start) {
  char bytes[kDataOffset];
  EncodeSegmentHeader({.segment = segment.id,
                       .database_id = database_id_,
                       .capacity = segment.capacity,
                       .origin = start ? SegmentOrigin::kOpened : SegmentOrigin::kRotated},
                      bytes);
  NOKV_TRY(segment.file->WriteAt(0, Slice(bytes, kSegmentHeaderBytes)));
  if (start.has_value()) {
    char payload[kStartPayloadBytes];
    EncodeSegmentStart(start->start, payload);
    NOKV_TRY(segment.WriteRecord(
        kStartOffset,
        {.length = kStartPayloadBytes, .word = start->word, .type = RecordType::kSegmentStart},
        Slice(payload, sizeof payload), PayloadHash(Slice(payload, sizeof payload))));
  }
  NOKV_TRY(segment.file->Sync());
  directory_failure_ = fs_->SyncDirectory(dir_);
  return directory_failure_;
}

Status SegmentPool::Release(const std::vector<Released>& released) {
  std::vector<uint32_t> remove;
  {
    base::MutexLock lock(&mu_);
    remove.swap(to_remove_);
    for (const Released& segment : released) {
      const bool keep =
          segment.capacity == options_.segment_bytes && free_.size() < options_.recycle_max;
      (keep ? free_ : remove).push_back(segment.id);
    }
  }
  Status first_error;
  std::vector<uint32_t> failed;
  for (const uint32_t id : remove) {
    Status status = fs_->Remove(PathOf(id));
    if (status.ok() || status.IsNotFound()) continue;
    failed.push_back(id);
    if (first_error.ok()) first_error = std::move(status);
  }
  base::MutexLock lock(&mu_);
  to_remove_.insert(to_remove_.end(), failed.begin(), failed.end());
  stats_.removed += remove.size() - failed.size();
  return first_error;
}

SegmentPoolStats SegmentPool::stats() const {
  base::MutexLock lock(&mu_);
  SegmentPoolStats stats = stats_;
  stats.free = free_.size();
  return stats;
}

}  // namespace nokv::wal
