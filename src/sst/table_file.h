#pragma once

// TableFile: a table's file as a store of checked blocks. Every byte that readers see went through
// here: read from the device, checked against the checksum bound to its place, decompressed.
//
// Errors name the file and the offset. kIOError: the device refused. kCorruption: the bytes are not
// what was written there.
//
// Thread-safe: immutable after construction. A BlockPin belongs to one thread at a time.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "nokv/result.h"
#include "nokv/slice.h"
#include "nokv/status.h"

#include "cache/block_cache.h"
#include "sst/format.h"
#include "sst/metrics.h"
#include "vfs/file_system.h"

namespace nokv::sst {

// Keeps the payload of a block alive: a pinned entry of the cache, memory of its own, or nothing
// when the payload lives in the cache under the reader's epoch guard.
class BlockPin {
 public:
  BlockPin() = default;
  explicit BlockPin(cache::BlockCache::Handle handle) : handle_(std::move(handle)) {}
  explicit BlockPin(std::unique_ptr<char[]> bytes) : bytes_(std::move(bytes)) {}

  bool empty() const { return !handle_ && bytes_ == nullptr; }
  void Reset() {
    if (handle_) handle_.Reset();
    bytes_.reset();
  }

 private:
  cache::BlockCache::Handle handle_;
  std::unique_ptr<char[]> bytes_;
};

class TableFile {
 public:
  // `cache` and `metrics` may be null.
  TableFile(std::unique_ptr<vfs::RandomAccessFile> file,
            const FileIdentity& identity,
            cache::BlockCache* cache,
            Metrics* metrics)
      : file_(std::move(file)), identity_(identity), cache_(cache), metrics_(metrics) {}

  uint64_t size() const { return file_->size(); }
  const std::string& path() const { return file_->path(); }
  const FileIdentity& identity() const { return identity_; }
  cache::BlockCache* cache() const { return cache_; }

  // No data block's payload is larger than this; allocations for decompression stay below it. Part
  // of opening, before other threads know the file.
  void SetBlockBytesMax(uint64_t bytes) { block_bytes_max_ = bytes; }

  // kCorruption: "path: offset N: what".
  Status Damaged(uint64_t offset, const char* what) const;

  // Advice that these bytes are about to be read.
  void Prefetch(uint64_t offset, size_t n) const {
    if (offset < size()) file_->Prefetch(offset, n);
  }

  // Reads exactly n bytes. *bytes points into `scratch` (room for n) or into memory of the file.
  Status Read(uint64_t offset, size_t n, char* scratch, Slice* bytes) const;

  // Checks `stored`, the bytes of a block and its trailer as read from `offset`.
  Status Check(Slice stored, uint64_t offset, Compression* compression, Slice* payload) const;

  // Checks `stored` and decompresses it if need be. *payload points into `stored`, or into
  // *unpacked, which is grown if it is too small and keeps its capacity in *unpacked_bytes.
  Status Unpack(Slice stored,
                uint64_t offset,
                std::unique_ptr<char[]>* unpacked,
                size_t* unpacked_bytes,
                Slice* payload) const;

  // Reads a data block from the device; *pin keeps it alive, also beyond this file. It enters the
  // cache if there is one and `fill_cache` says so.
  Status ReadDataBlock(const BlockHandle& block,
                       bool fill_cache,
                       cache::BlockCache::Priority priority,
                       BlockPin* pin,
                       Slice* payload) const;

  // Checks `stored` and puts it into the cache. REQUIRES: cache() != nullptr.
  Status InsertIntoCache(Slice stored,
                         uint64_t offset,
                         cache::BlockCache::Priority priority,
                         BlockPin* pin,
                         Slice* payload) const;

 private:
  // The raw size of a compressed payload, checked against the limit.
  Status RawBytes(Slice payload, uint64_t offset, size_t* raw_bytes) const;
  Status DecompressTo(
      Compression compression, Slice payload, uint64_t offset, char* to, size_t raw_bytes) const;
  // Checks `stored` and puts its payload, decompressed, into *buffer, where it may be already.
  Status Fill(Slice stored, uint64_t offset, cache::BlockCache::Buffer* buffer) const;
  void Insert(uint64_t offset,
              cache::BlockCache::Buffer&& buffer,
              cache::BlockCache::Priority priority,
              BlockPin* pin,
              Slice* payload) const;

  const std::unique_ptr<vfs::RandomAccessFile> file_;
  const FileIdentity identity_;
  cache::BlockCache* const cache_;
  Metrics* const metrics_;
  uint64_t block_bytes_max_ = kBlockBytesMax;
};

// Reads and checks the footer.
Result<Footer> ReadFooter(const TableFile& file);

}  // namespace nokv::sst
