#include "redis/output_buffer.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace nokv::redis {

std::unique_ptr<char[]> ChunkPool::Take() {
  if (kept_.empty()) return std::make_unique_for_overwrite<char[]>(kChunkBytes);
  std::unique_ptr<char[]> chunk = std::move(kept_.back());
  kept_.pop_back();
  return chunk;
}

void ChunkPool::Give(std::unique_ptr<char[]> chunk) {
  if (kept_.size() < kKeptMax) kept_.push_back(std::move(chunk));
}

void OutputBuffer::NewChunk(size_t bytes) {
  Chunk chunk{.data = nullptr, .capacity = ChunkPool::kChunkBytes, .begin = 0, .end = 0};
  if (bytes > ChunkPool::kChunkBytes) {
    chunk.capacity = bytes;
    chunk.data = std::make_unique_for_overwrite<char[]>(bytes);
  } else {
    chunk.data = pool_->Take();
  }
  chunks_.push_back(std::move(chunk));
  SyncTail();
}

void OutputBuffer::SyncTail() {
  if (chunks_.empty()) {
    tail_ = nullptr;
    room_ = 0;
    return;
  }
  const Chunk& last = chunks_.back();
  tail_ = last.data.get() + last.end;
  room_ = last.capacity - last.end;
}

void OutputBuffer::Overflow() {
  overflowed_ = true;
  tail_ = nullptr;
  room_ = 0;
}

char* OutputBuffer::ReserveSlow() {
  if (overflowed_ || size_ > limit_) {  // (2)
    Overflow();
    return spill_;
  }
  NewChunk(0);
  return tail_;
}

void OutputBuffer::AppendSlow(Slice bytes) {
  if (bytes.empty()) return;
  if (overflowed_ || bytes.size() > limit_ || size_ > limit_ - bytes.size()) {  // (2)
    Overflow();
    return;
  }
  const size_t fits = std::min(room_, bytes.size());
  if (fits > 0) {
    std::memcpy(tail_, bytes.data(), fits);
    Advance(fits);
    bytes.remove_prefix(fits);
  }
  if (bytes.empty()) return;
  NewChunk(bytes.size());
  std::memcpy(tail_, bytes.data(), bytes.size());
  Advance(bytes.size());
}

size_t OutputBuffer::Pieces(std::span<iovec> pieces) const {
  size_t used = 0;
  for (const Chunk& chunk : chunks_) {
    if (used == pieces.size()) break;
    if (chunk.begin == chunk.end) continue;
    pieces[used++] = {chunk.data.get() + chunk.begin, chunk.end - chunk.begin};
  }
  return used;
}

void OutputBuffer::DropFirst() {
  Chunk& first = chunks_.front();
  if (first.capacity == ChunkPool::kChunkBytes) pool_->Give(std::move(first.data));
  chunks_.pop_front();
}

void OutputBuffer::Consume(size_t bytes) {
  NOKV_DCHECK(bytes <= size_);
  size_ -= bytes;
  while (bytes > 0) {
    Chunk& first = chunks_.front();
    const size_t taken = std::min(bytes, first.end - first.begin);
    first.begin += taken;
    bytes -= taken;
    if (first.begin == first.end) DropFirst();
  }
  if (chunks_.empty() || size_ == 0) {
    while (!chunks_.empty()) DropFirst();
    SyncTail();
  }
}

void OutputBuffer::Truncate(size_t size) {
  NOKV_DCHECK(size <= size_);
  while (size_ > size) {
    Chunk& last = chunks_.back();
    const size_t dropped = std::min(size_ - size, last.end - last.begin);
    last.end -= dropped;
    size_ -= dropped;
    if (last.begin == last.end) {
      if (last.capacity == ChunkPool::kChunkBytes) pool_->Give(std::move(last.data));
      chunks_.pop_back();
    }
  }
  overflowed_ = false;
  SyncTail();
}

void OutputBuffer::Clear() {
  while (!chunks_.empty()) DropFirst();
  size_ = 0;
  overflowed_ = false;
  SyncTail();
}

}  // namespace nokv::redis
