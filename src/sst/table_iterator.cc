#include "sst/table_iterator.h"

#include <algorithm>
#include <utility>

namespace nokv::sst {

namespace {

// A window that one large block has blown up beyond this is given back.
constexpr size_t kKeptBytes = 4 << 20;
// A window this large is followed by another one, very likely.
constexpr size_t kPrefetchedBytes = 128 << 10;

}  // namespace

bool ReadWindow::Follows(uint64_t begin, uint64_t end, Direction direction) const {
  return !bytes_.empty() &&
         (direction == Direction::kForward ? begin == begin_ + bytes_.size() : end == begin_);
}

size_t ReadWindow::Ahead(bool follows) {
  if (readahead_bytes_ != 0) return readahead_bytes_;
  // Also the first block is not read alone: the device gives 16 KiB in hardly more time than four, and who iterates
  // usually goes on.
  const size_t ahead = follows ? next_ahead_ : kFirstReadahead;
  next_ahead_ = std::min(2 * ahead, kReadaheadMax);
  return ahead;
}

Status ReadWindow::Fetch(uint32_t i, Direction direction, Slice* stored) {
  const BlockHandle block = index_->block(i);
  const auto stored_bytes = static_cast<size_t>(block.stored_bytes());
  if (block.offset < begin_ || block.end() > begin_ + bytes_.size()) {
    uint64_t begin = block.offset;
    uint64_t end = block.end();
    const bool follows = Follows(begin, end, direction);
    const size_t want = std::max(Ahead(follows), stored_bytes);
    // Whole blocks only: no byte is read twice.
    if (direction == Direction::kForward) {
      const uint32_t count = index_->block_count();
      for (uint32_t next = i + 1; next < count && index_->block(next).end() - begin <= want;
           ++next) {
        end = index_->block(next).end();
      }
    } else {
      for (uint32_t next = i; next > 0 && end - index_->block(next - 1).offset <= want; --next) {
        begin = index_->block(next - 1).offset;
      }
    }
    const auto size = static_cast<size_t>(end - begin);
    bytes_ = {};
    if (size > capacity_ || (capacity_ > kKeptBytes && size <= kKeptBytes)) {
      memory_ = std::make_unique_for_overwrite<char[]>(size);
      capacity_ = size;
    }
    begin_ = begin;
    NOKV_TRY(file_->Read(begin, size, memory_.get(), &bytes_));
    // Who says how much to read ahead, or has come this far without, goes on: the device fetches the next window meanwhile.
    if (readahead_bytes_ != 0 && direction == Direction::kForward) {
      file_->Prefetch(end, readahead_bytes_);
    } else if (readahead_bytes_ == 0 && follows && want >= kPrefetchedBytes) {
      if (direction == Direction::kForward) {
        file_->Prefetch(end, next_ahead_);
      } else {
        file_->Prefetch(begin - std::min<uint64_t>(begin, next_ahead_), next_ahead_);
      }
    }
  }
  *stored = bytes_.substr(static_cast<size_t>(block.offset - begin_), stored_bytes);
  return {};
}

Status TableIterator::Load(uint32_t i, Direction direction) {
  const BlockHandle handle = index_->block(i);
  Slice payload;
  Slice stored;
  pin_.Reset();
  cache::BlockCache::Handle cached;
  if (cache_ != nullptr)
    cached = cache_->LookupPinned({file_->identity().file_number, handle.offset});
  if (cached) {
    payload = cached.block();
    Block::Prefetch(payload);
    pin_ = BlockPin(std::move(cached));
  } else {
    NOKV_TRY(window_.Fetch(i, direction, &stored));
    if (cache_ != nullptr && fill_cache_) {
      NOKV_TRY(file_->InsertIntoCache(stored, handle.offset, priority_, &pin_, &payload));
    } else {
      NOKV_TRY(file_->Unpack(stored, handle.offset, &unpacked_, &unpacked_bytes_, &payload));
    }
  }
  if (const char* wrong = block_.Parse(payload)) return file_->Damaged(handle.offset, wrong);
  return {};
}

bool TableIterator::Open(uint32_t i, Direction direction) {
  if (i == current_) return true;
  current_ = kNoBlock;
  if (Status status = Load(i, direction); !status.ok()) {
    status_ = std::move(status);
    Leave();
    return false;
  }
  current_ = i;
  Leave();
  return true;
}

void TableIterator::Damage(const char* wrong) {
  status_ = file_->Damaged(index_->block(current_).offset, wrong);
  Leave();
}

void TableIterator::MoveTo(uint32_t place) {
  if (const char* wrong = cursor_.MoveTo(place)) Damage(wrong);
}

void TableIterator::ToFirstOf(uint64_t block) {
  if (block >= index_->block_count()) {
    Leave();
  } else if (Open(static_cast<uint32_t>(block), Direction::kForward)) {
    MoveTo(0);
  }
}

void TableIterator::ToLastBefore(uint32_t block) {
  if (block == 0) {
    Leave();
  } else if (Open(block - 1, Direction::kBackward)) {
    MoveTo(block_.entry_count() - 1);
  }
}

void TableIterator::SeekToFirst() {
  status_ = {};
  ToFirstOf(0);
}

void TableIterator::SeekToLast() {
  status_ = {};
  ToLastBefore(index_->block_count());
}

bool TableIterator::Locate(Slice key, uint64_t trailer, Direction direction, uint32_t* place) {
  status_ = {};
  if (index_->block_count() == 0) return false;
  if (!Open(index_->Find(key, trailer), direction)) return false;
  if (!block_.LowerBound(key, trailer, place)) {
    Damage("a data block with a malformed entry");
    return false;
  }
  return true;
}

void TableIterator::Seek(Slice key, uint64_t trailer) {
  uint32_t place;
  if (!Locate(key, trailer, Direction::kForward, &place)) return;
  if (place < block_.entry_count()) {
    MoveTo(place);
  } else {
    ToFirstOf(uint64_t{current_} + 1);
  }
}

void TableIterator::SeekBefore(Slice key, uint64_t trailer) {
  uint32_t place;
  if (!Locate(key, trailer, Direction::kBackward, &place)) return;
  if (place > 0) {
    MoveTo(place - 1);
  } else {
    ToLastBefore(current_);
  }
}

void TableIterator::Next() {
  const uint32_t next = cursor_.index() + 1;
  if (next < block_.entry_count()) [[likely]] {
    MoveTo(next);
  } else {
    ToFirstOf(uint64_t{current_} + 1);
  }
}

void TableIterator::Prev() {
  const uint32_t at = cursor_.index();
  if (at > 0) [[likely]] {
    MoveTo(at - 1);
  } else {
    ToLastBefore(current_);
  }
}

}  // namespace nokv::sst
