#include "sst/table_builder.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "key/range_tombstones.h"
#include "sst/tombstone_block.h"

namespace nokv::sst {

namespace {

// Blocks are gathered to pieces of this size for the file: one system call for many of them.
constexpr size_t kWriteBytes = 256 << 10;

// A buffer that one large value has blown up beyond this is given back.
constexpr size_t kKeptBytes = 1 << 20;

// A read that misses the cache should not drag in strangers, nor should the cache keep them: whatever the size of the
// values, a page. Scans read ahead, and the index takes about 30 bytes a block.
constexpr size_t kDefaultBlockBytes = 4 << 10;

// Larger blocks are only made for single large entries.
constexpr size_t kBlockTargetMax = 16 << 20;

// Whether (last_key, last_trailer) is before (key, trailer), given the length of the keys' common
// prefix.
bool InOrder(Slice last_key, uint64_t last_trailer, Slice key, uint64_t trailer, size_t shared) {
  if (shared == key.size()) return shared == last_key.size() && last_trailer > trailer;
  return shared == last_key.size() ||
         static_cast<unsigned char>(last_key[shared]) < static_cast<unsigned char>(key[shared]);
}

}  // namespace

TableBuilder::TableBuilder(const TableOptions& options,
                           uint64_t file_number,
                           uint64_t database_id,
                           vfs::WritableFile* file,
                           BlockSink* sink)
    : options_(options),
      identity_{database_id, file_number},
      file_(file),
      sink_(sink),
      block_target_(options.block_bytes != 0 ? std::min(options.block_bytes, kBlockTargetMax)
                                             : kDefaultBlockBytes),
      block_(options.restart_interval),
      compressor_(options.compression, options.zstd_level, options.min_compression_saving),
      filter_(std::max(options.bloom_bits_per_key, 0)) {
  NOKV_CHECK(file->size() == 0);
  footer_.identity = identity_;
  properties_.creation_time = options.creation_time;
}

Status TableBuilder::Fail(Status status) {
  NOKV_CHECK(!status.ok());
  if (status_.ok()) status_ = std::move(status);
  return status_;
}

bool TableBuilder::MustCutBefore(const key::Entry& entry) const {
  if (block_.empty()) return false;
  const size_t size = block_.EstimatedBytes();
  const size_t more = entry.key.size() + entry.value.size();
  // A large entry has a block to itself: a read of its small neighbour should not pay for it.
  if (size >= block_target_ || more >= block_target_) return true;
  return size + more > block_target_ && size >= block_target_ / 2;
}

Status TableBuilder::Add(const key::Entry& entry) {
  NOKV_CHECK(!finished_);
  NOKV_CHECK(IsPointKind(static_cast<uint8_t>(entry.trailer)));
  if (!status_.ok()) return status_;
  if (entry.key.size() > kKeyBytesMax) {
    return Fail(Status::LimitExceeded(file_->path() + ": a key of " +
                                      std::to_string(entry.key.size()) + " bytes; the limit is " +
                                      std::to_string(kKeyBytesMax)));
  }
  if (entry.value.size() > kValueBytesMax) {
    return Fail(Status::LimitExceeded(file_->path() + ": a value of " +
                                      std::to_string(entry.value.size()) + " bytes; the limit is " +
                                      std::to_string(kValueBytesMax)));
  }
  const size_t shared = CommonPrefixLength(last_key_, entry.key);
  NOKV_CHECK(!any_ || InOrder(last_key_, last_trailer_, entry.key, entry.trailer, shared));
  const bool new_key = !any_ || shared != entry.key.size();
  if (new_key) last_hash_ = base::Hash64(entry.key);

  if (MustCutBefore(entry)) {
    NOKV_TRY(FinishDataBlock());
    index_.AddBorder({last_key_, last_trailer_, entry.key, shared});
  }
  block_.Add(entry, last_hash_, shared);
  if (new_key && options_.bloom_bits_per_key > 0) filter_.Add(last_hash_);
  properties_.CountEntry(entry, new_key);
  if (!any_) properties_.smallest_key = entry.key;
  any_ = true;
  last_key_.resize(shared);
  last_key_.append(entry.key.substr(shared));
  last_trailer_ = entry.trailer;
  return {};
}

void TableBuilder::AddRangeTombstone(const key::RangeTombstone& tombstone) {
  NOKV_CHECK(!finished_);
  NOKV_CHECK(tombstone.seq <= key::kMaxSequence);
  if (tombstone.begin >= tombstone.end) return;
  tombstones_.push_back({std::string(tombstone.begin), std::string(tombstone.end), tombstone.seq});
  tombstone_bytes_ += tombstone.begin.size() + tombstone.end.size() + base::kMaxVarint64Bytes;
}

uint64_t TableBuilder::EstimatedFileBytes() const {
  return offset() + (block_.empty() ? 0 : block_.EstimatedBytes()) + index_.EstimatedBytes() +
         (options_.bloom_bits_per_key > 0 ? filter_.EstimatedBytes() : 0) + tombstone_bytes_ +
         properties_.smallest_key.size() + last_key_.size() + kFooterBytes;
}

Status TableBuilder::FinishDataBlock() {
  block_.Finish(&payload_);
  if (payload_.size() > kBlockBytesMax) {
    return Fail(Status::LimitExceeded(file_->path() + ": a data block beyond the limit"));
  }
  ++properties_.data_blocks;
  properties_.raw_data_bytes += payload_.size();
  properties_.block_bytes_max = std::max<uint64_t>(properties_.block_bytes_max, payload_.size());
  if (sink_ != nullptr) {
    sink_->Add({.file_number = identity_.file_number,
                .offset = offset(),
                .last_key = last_key_,
                .last_trailer = last_trailer_,
                .payload = payload_});
  }
  const Compression compression = compressor_.Compress(payload_, &compressed_);
  NOKV_ASSIGN_OR_RETURN(
      const uint64_t stored_bytes,
      WriteBlock(compression == Compression::kNone ? &payload_ : &compressed_, compression));
  index_.AddBlock(stored_bytes);
  if (compressed_.capacity() > kKeptBytes) std::string().swap(compressed_);
  return {};
}

Result<uint64_t> TableBuilder::WriteBlock(std::string* payload, Compression compression) {
  const size_t payload_bytes = payload->size();
  const uint64_t begin = offset();
  AppendTrailer(payload, payload_bytes, compression, identity_, begin);
  if (payload->size() >= kWriteBytes) {
    // Too large to be worth gathering.
    NOKV_TRY(Flush());
    pending_.swap(*payload);
    NOKV_TRY(Flush());
    pending_.swap(*payload);
  } else {
    pending_.append(*payload);
    if (pending_.size() >= kWriteBytes) NOKV_TRY(Flush());
  }
  return offset() - begin;
}

Status TableBuilder::Flush() {
  if (pending_.empty()) return {};
  if (Status status = file_->Append(pending_); !status.ok()) return Fail(std::move(status));
  written_ += pending_.size();
  pending_.clear();
  return {};
}

Status TableBuilder::WriteFilter() {
  if (options_.bloom_bits_per_key <= 0 || properties_.keys == 0) return {};
  std::string payload;
  filter_.Finish(&payload);
  return WriteBlock(&payload, Compression::kNone).status();
}

Status TableBuilder::WriteTombstones() {
  if (tombstones_.empty()) return {};
  std::vector<key::RangeTombstone> list;
  list.reserve(tombstones_.size());
  for (const OwnedTombstone& t : tombstones_)
    list.push_back({t.begin, t.end, t.seq});
  const key::RangeTombstones set = key::RangeTombstones::Build(std::move(list));
  properties_.CountTombstones(set);
  std::string payload;
  AppendTombstones(set, &payload);
  return WriteBlock(&payload, Compression::kNone).status();
}

Result<TableProperties> TableBuilder::Finish() {
  NOKV_CHECK(!finished_);
  finished_ = true;
  if (!status_.ok()) return status_;
  if (empty()) {
    return Fail(Status::InvalidArgument(file_->path() + ": a table without entries"));
  }
  if (!block_.empty()) NOKV_TRY(FinishDataBlock());
  properties_.data_bytes = offset();

  footer_.filter_offset = offset();
  NOKV_TRY(WriteFilter());
  footer_.index_offset = offset();
  std::string payload;
  index_.Finish(&payload);
  NOKV_TRY(WriteBlock(&payload, Compression::kNone).status());
  footer_.tombstones_offset = offset();
  NOKV_TRY(WriteTombstones());
  footer_.properties_offset = offset();
  payload.clear();
  properties_.AppendTo(&payload);
  NOKV_TRY(WriteBlock(&payload, Compression::kNone).status());
  footer_.file_bytes = offset() + kFooterBytes;
  footer_.AppendTo(&pending_);
  NOKV_TRY(Flush());
  properties_.file_bytes = written_;
  NOKV_CHECK(properties_.file_bytes == footer_.file_bytes);
  NOKV_CHECK(file_->size() == written_);
  return properties_;
}

}  // namespace nokv::sst
