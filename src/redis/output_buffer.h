#pragma once

// OutputBuffer: the bytes a connection owes its peer, in chunks that one writev sends.
//
// Chunks of the common size come from a pool that all connections share, so an idle connection holds
// none. A reply larger than a chunk gets one of its own size.
//
// Invariants:
// (1) size() is the sum of the unsent bytes of all chunks; no chunk but the last has room left that a
//     later Append skipped, apart from what did not fit whole.
// (2) After the limit is exceeded nothing is stored: overflowed() stays true until Clear.
//
// Confined to one thread, together with its pool, which must outlive it.

#include <sys/uio.h>

#include <cstddef>
#include <cstring>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "nokv/slice.h"

namespace nokv::redis {

class ChunkPool {
 public:
  static constexpr size_t kChunkBytes = 16 * 1024;
  static constexpr size_t kKeptMax = 1024;

  std::unique_ptr<char[]> Take();
  void Give(std::unique_ptr<char[]> chunk);

 private:
  std::vector<std::unique_ptr<char[]>> kept_;
};

class OutputBuffer {
 public:
  explicit OutputBuffer(ChunkPool* pool) : pool_(pool) {}
  OutputBuffer(const OutputBuffer&) = delete;
  OutputBuffer& operator=(const OutputBuffer&) = delete;
  ~OutputBuffer() { Clear(); }

  void set_limit(size_t bytes) { limit_ = bytes; }

  void Append(Slice bytes) {
    if (bytes.size() - 1 < room_) [[likely]] {  // false for no bytes: there may be no chunk
      std::memcpy(tail_, bytes.data(), bytes.size());
      Advance(bytes.size());
      return;
    }
    AppendSlow(bytes);
  }

  // A place for at least `bytes` (at most kScratchMax) that Commit then adds; for numbers.
  static constexpr size_t kScratchMax = 64;
  char* Reserve() { return room_ >= kScratchMax ? tail_ : ReserveSlow(); }
  void Commit(size_t bytes) {
    if (!overflowed_) [[likely]] Advance(bytes);
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool overflowed() const { return overflowed_; }
  size_t chunk_count() const { return chunks_.size(); }

  // Fills `pieces` with the first unsent bytes; returns how many were used.
  size_t Pieces(std::span<iovec> pieces) const;
  // The first `bytes` unsent bytes are sent.
  void Consume(size_t bytes);
  // Drops what was appended since size() was `size`. REQUIRES: nothing was consumed since.
  void Truncate(size_t size);
  void Clear();

 private:
  struct Chunk {
    std::unique_ptr<char[]> data;
    size_t capacity;
    size_t begin;  // sent so far
    size_t end;
  };

  void Advance(size_t bytes) {
    tail_ += bytes;
    room_ -= bytes;
    size_ += bytes;
    chunks_.back().end += bytes;
  }
  void AppendSlow(Slice bytes);
  char* ReserveSlow();
  void Overflow();
  void NewChunk(size_t bytes);
  void DropFirst();
  void SyncTail();

  ChunkPool* const pool_;
  std::deque<Chunk> chunks_;
  char* tail_ = nullptr;   // where the next byte goes, in the last chunk
  size_t room_ = 0;        // bytes from tail_ to the end of the last chunk
  size_t size_ = 0;
  size_t limit_ = ~size_t{0};
  bool overflowed_ = false;
  char spill_[kScratchMax];  // where Reserve points after an overflow
};

}  // namespace nokv::redis
