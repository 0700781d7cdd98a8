#include "sst/table_file.h"

#include <cstring>

#include "base/check.h"
#include "sst/compression.h"

namespace nokv::sst {

namespace {

void Count(std::atomic<uint64_t>* counter, uint64_t n = 1) {
  counter->fetch_add(n, std::memory_order_relaxed);
}

std::unique_ptr<char[]> Memory(size_t bytes) {
  return std::make_unique_for_overwrite<char[]>(bytes);
}

}  // namespace

Status TableFile::Damaged(uint64_t offset, const char* what) const {
  if (metrics_ != nullptr) Count(&metrics_->blocks_damaged);
  return Status::Corruption(path() + ": offset " + std::to_string(offset) + ": " + what);
}

Status TableFile::Read(uint64_t offset, size_t n, char* scratch, Slice* bytes) const {
  NOKV_TRY(file_->Read(offset, n, scratch, bytes));
  if (metrics_ != nullptr) {
    Count(&metrics_->device_reads);
    Count(&metrics_->device_bytes, bytes->size());
  }
  if (bytes->size() != n) return Damaged(offset, "the file ends within a block");
  return {};
}

Status TableFile::Check(Slice stored,
                        uint64_t offset,
                        Compression* compression,
                        Slice* payload) const {
  if (metrics_ != nullptr) Count(&metrics_->blocks_checked);
  if (const char* wrong = CheckBlock(stored, identity_, offset, compression, payload)) {
    return Damaged(offset, wrong);
  }
  return {};
}

Status TableFile::RawBytes(Slice payload, uint64_t offset, size_t* raw_bytes) const {
  if (!DecompressedSize(payload, block_bytes_max_, raw_bytes) || *raw_bytes == 0) {
    return Damaged(offset, "the raw size of a compressed block is malformed or beyond the limit");
  }
  return {};
}

Status TableFile::DecompressTo(
    Compression compression, Slice payload, uint64_t offset, char* to, size_t raw_bytes) const {
  if (metrics_ != nullptr) Count(&metrics_->blocks_unpacked);
  if (const char* wrong = Decompress(compression, payload, to, raw_bytes)) {
    return Damaged(offset, wrong);
  }
  return {};
}

Status TableFile::Unpack(Slice stored,
                         uint64_t offset,
                         std::unique_ptr<char[]>* unpacked,
                         size_t* unpacked_bytes,
                         Slice* payload) const {
  Compression compression;
  NOKV_TRY(Check(stored, offset, &compression, payload));
  if (compression == Compression::kNone) return {};
  size_t raw_bytes;
  NOKV_TRY(RawBytes(*payload, offset, &raw_bytes));
  if (raw_bytes > *unpacked_bytes) {
    *unpacked = Memory(raw_bytes);
    *unpacked_bytes = raw_bytes;
  }
  NOKV_TRY(DecompressTo(compression, *payload, offset, unpacked->get(), raw_bytes));
  *payload = {unpacked->get(), raw_bytes};
  return {};
}

Status TableFile::Fill(Slice stored, uint64_t offset, cache::BlockCache::Buffer* buffer) const {
  Compression compression;
  Slice payload;
  NOKV_TRY(Check(stored, offset, &compression, &payload));
  if (compression != Compression::kNone) {
    size_t raw_bytes;
    NOKV_TRY(RawBytes(payload, offset, &raw_bytes));
    cache::BlockCache::Buffer raw = cache_->Allocate(raw_bytes);
    NOKV_TRY(DecompressTo(compression, payload, offset, raw.data(), raw_bytes));
    *buffer = std::move(raw);
  } else if (stored.data() == buffer->data()) {
    buffer->Shrink(payload.size());
  } else {
    *buffer = cache_->Allocate(payload.size());
    std::memcpy(buffer->data(), payload.data(), payload.size());
  }
  return {};
}

void TableFile::Insert(uint64_t offset,
                       cache::BlockCache::Buffer&& buffer,
                       cache::BlockCache::Priority priority,
                       BlockPin* pin,
                       Slice* payload) const {
  const cache::BlockKey key = {identity_.file_number, offset};
  cache::BlockCache::Handle handle = cache_->Insert(key, std::move(buffer), priority);
  *payload = handle.block();
  *pin = BlockPin(std::move(handle));
}

Status TableFile::ReadDataBlock(const BlockHandle& block,
                                bool fill_cache,
                                cache::BlockCache::Priority priority,
                                BlockPin* pin,
                                Slice* payload) const {
  const auto stored_bytes = static_cast<size_t>(block.stored_bytes());
  Slice stored;
  if (fill_cache && cache_ != nullptr) {
    // Straight into the cache's memory; only a compressed block moves once more.
    cache::BlockCache::Buffer buffer = cache_->Allocate(stored_bytes);
    NOKV_TRY(Read(block.offset, stored_bytes, buffer.data(), &stored));
    NOKV_TRY(Fill(stored, block.offset, &buffer));
    Insert(block.offset, std::move(buffer), priority, pin, payload);
    return {};
  }
  std::unique_ptr<char[]> memory = Memory(stored_bytes);
  NOKV_TRY(Read(block.offset, stored_bytes, memory.get(), &stored));
  std::unique_ptr<char[]> unpacked;
  size_t unpacked_bytes = 0;
  NOKV_TRY(Unpack(stored, block.offset, &unpacked, &unpacked_bytes, payload));
  if (unpacked == nullptr && stored.data() != memory.get()) {
    // The pin may outlive the file, whose memory this is.
    std::memcpy(memory.get(), payload->data(), payload->size());
    *payload = {memory.get(), payload->size()};
  }
  *pin = BlockPin(unpacked != nullptr ? std::move(unpacked) : std::move(memory));
  return {};
}

Status TableFile::InsertIntoCache(Slice stored,
                                  uint64_t offset,
                                  cache::BlockCache::Priority priority,
                                  BlockPin* pin,
                                  Slice* payload) const {
  cache::BlockCache::Buffer buffer;
  NOKV_TRY(Fill(stored, offset, &buffer));
  Insert(offset, std::move(buffer), priority, pin, payload);
  return {};
}

Result<Footer> ReadFooter(const TableFile& file) {
  const uint64_t size = file.size();
  if (size < kFooterBytes) return file.Damaged(0, "the file is too short to be a table");
  const uint64_t offset = size - kFooterBytes;
  char scratch[kFooterBytes];
  Slice bytes;
  NOKV_TRY(file.Read(offset, sizeof scratch, scratch, &bytes));
  Result<Footer> footer = Footer::Decode(bytes, size, file.identity());
  if (footer.ok()) return footer;
  return footer.status().WithContext(file.path() + ": offset " + std::to_string(offset));
}

}  // namespace nokv::sst
