#include "vfs/memory_file_data.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace nokv::vfs::memory {

namespace {

constexpr size_t kSectorBytes = 512;
static_assert(kBlockBytes % kSectorBytes == 0);

// How the blocks of one file reach the disk before the power fails. In order is what mostly
// happens; the other ways are what protocols forget.
enum class Arrival : unsigned char { kNone, kAll, kFront, kBack, kAnyQuarter, kAnyHalf, kAnyMost };
constexpr uint64_t kArrivals = 7;

}  // namespace

void FileData::Write(uint64_t offset, Slice bytes) {
  while (!bytes.empty()) {
    const size_t within = offset % kBlockBytes;
    const size_t n = std::min(bytes.size(), kBlockBytes - within);
    std::memcpy(WritableBlock(offset / kBlockBytes) + within, bytes.data(), n);
    bytes.remove_prefix(n);
    offset += n;
  }
  size_ = std::max(size_, offset);
}

void FileData::Reserve(uint64_t size) {
  NOKV_CHECK(size >= size_);
  size_ = size;
}

size_t FileData::Read(uint64_t offset, size_t n, char* scratch) const {
  if (offset >= size_) return 0;
  n = static_cast<size_t>(std::min<uint64_t>(n, size_ - offset));
  for (size_t done = 0; done < n;) {
    const size_t index = (offset + done) / kBlockBytes;
    const size_t within = (offset + done) % kBlockBytes;
    const size_t part = std::min(n - done, kBlockBytes - within);
    if (index < blocks_->size() && (*blocks_)[index] != nullptr) {
      std::memcpy(scratch + done, (*blocks_)[index]->data() + within, part);
    } else {
      std::memset(scratch + done, 0, part);
    }
    done += part;
  }
  return n;
}

void FileData::Sync() {
  std::erase_if(dirty_, [](const auto& entry) { return !entry.second.lost; });
  durable_size_ = size_;
}

void FileData::LoseDirty() {
  for (auto& [index, dirty] : dirty_)
    dirty.lost = true;
}

FileData FileData::Duplicate() const {
  Share();
  FileData copy;
  copy.size_ = size_;
  copy.durable_size_ = durable_size_;
  copy.blocks_ = blocks_;
  copy.blocks_shared_ = true;
  copy.dirty_ = dirty_;
  return copy;
}

FileData FileData::SurvivorAll() const {
  Share();
  FileData copy;
  copy.size_ = copy.durable_size_ = size_;
  copy.blocks_ = blocks_;
  copy.blocks_shared_ = true;
  // A block that the kernel failed to write is not on the disk under any policy.
  const bool lost = std::any_of(dirty_.begin(), dirty_.end(),
                                [](const auto& entry) { return entry.second.lost; });
  if (!lost) return copy;
  Blocks blocks = *blocks_;
  for (const auto& [index, dirty] : dirty_) {
    if (dirty.lost) blocks[index] = dirty.durable;
  }
  return Survivor(std::move(blocks), size_);
}

FileData FileData::SurvivorDurable() const {
  if (dirty_.empty() && durable_size_ == size_) return SurvivorAll();
  Share();
  Blocks blocks = *blocks_;
  for (const auto& [index, dirty] : dirty_)
    blocks[index] = dirty.durable;
  return Survivor(std::move(blocks), durable_size_);
}

FileData FileData::SurvivorRandom(base::Random* random) const {
  if (dirty_.empty() && durable_size_ == size_) return SurvivorAll();
  Share();
  uint64_t size = durable_size_;
  switch (random->Uniform(4)) {
    case 0:
      break;
    case 1:
      size = size_;
      break;
    default:
      size += random->Uniform(size_ - durable_size_ + 1);
  }
  const auto arrival = static_cast<Arrival>(random->Uniform(kArrivals));
  const size_t border = dirty_.empty() ? 0 : random->Uniform(dirty_.size() + 1);
  Blocks blocks = *blocks_;
  size_t position = 0;
  for (const auto& [index, dirty] : dirty_) {
    bool arrives = false;
    switch (arrival) {
      case Arrival::kNone:
        break;
      case Arrival::kAll:
        arrives = true;
        break;
      case Arrival::kFront:
        arrives = position < border;
        break;
      case Arrival::kBack:
        arrives = position >= border;
        break;
      case Arrival::kAnyQuarter:
        arrives = random->OneIn(4);
        break;
      case Arrival::kAnyHalf:
        arrives = random->OneIn(2);
        break;
      case Arrival::kAnyMost:
        arrives = !random->OneIn(4);
        break;
    }
    // The block in flight when the power fails, or now and then another one, is torn.
    const bool torn = random->OneIn(8) || (position == border && random->OneIn(2));
    if (dirty.lost || (!arrives && !torn)) {
      blocks[index] = dirty.durable;
    } else if (torn) {
      blocks[index] = Tear(blocks[index], dirty.durable, random);
    }
    ++position;
  }
  return Survivor(std::move(blocks), size);
}

char* FileData::WritableBlock(size_t index) {
  const auto [entry, is_new] = dirty_.try_emplace(index);
  Dirty& dirty = entry->second;
  if (is_new) dirty.durable = CurrentBlock(index);
  dirty.lost = false;
  if (dirty.writable == nullptr) {
    const BlockPtr current = CurrentBlock(index);
    dirty.writable =
        current == nullptr ? std::make_shared<Block>() : std::make_shared<Block>(*current);
    if (blocks_shared_) {
      blocks_ = std::make_shared<Blocks>(*blocks_);
      blocks_shared_ = false;
    }
    if (blocks_->size() <= index) blocks_->resize(index + 1);
    (*blocks_)[index] = dirty.writable;
  }
  return dirty.writable->data();
}

void FileData::Share() const {
  blocks_shared_ = true;
  for (auto& [index, dirty] : dirty_)
    dirty.writable.reset();
}

FileData::BlockPtr FileData::CurrentBlock(size_t index) const {
  return index < blocks_->size() ? (*blocks_)[index] : nullptr;
}

FileData FileData::Survivor(Blocks blocks, uint64_t size) const {
  // Bytes beyond the end of the file must not come back if it grows again.
  const uint64_t kept = (size + kBlockBytes - 1) / kBlockBytes;
  if (blocks.size() > kept) blocks.resize(static_cast<size_t>(kept));
  if (const size_t tail = size % kBlockBytes;
      tail != 0 && blocks.size() == kept && blocks.back() != nullptr && size < size_) {
    auto cut = std::make_shared<Block>(*blocks.back());
    std::memset(cut->data() + tail, 0, kBlockBytes - tail);
    blocks.back() = std::move(cut);
  }
  FileData survivor;
  survivor.size_ = survivor.durable_size_ = size;
  survivor.blocks_ = std::make_shared<Blocks>(std::move(blocks));
  return survivor;
}

FileData::BlockPtr FileData::Tear(const BlockPtr& current,
                                  const BlockPtr& durable,
                                  base::Random* random) {
  static const Block kZeros = {};
  const Block& old_bytes = durable == nullptr ? kZeros : *durable;
  auto torn = std::make_shared<Block>(*current);
  const auto differs = [&](size_t i) {
    return (*torn)[i] != old_bytes[i];
  };
  size_t begin = 0;
  size_t end = kBlockBytes;
  while (begin < end && !differs(begin))
    ++begin;
  while (begin < end && !differs(end - 1))
    --end;
  // Disks write whole sectors; a cut at any byte is harsher and finds more.
  size_t cut = begin + random->Uniform(end - begin + 1);
  if (random->OneIn(3)) cut -= cut % kSectorBytes;
  const uint64_t manner = random->Uniform(4);
  if (manner == 3) {
    // The sectors of one block arrive in any order, too.
    for (size_t sector = 0; sector < kBlockBytes; sector += kSectorBytes) {
      if (!random->OneIn(2)) continue;
      std::memcpy(torn->data() + sector, old_bytes.data() + sector, kSectorBytes);
    }
    return torn;
  }
  for (size_t i = cut; i < end; ++i) {
    if (!differs(i)) continue;
    (*torn)[i] = manner == 0   ? old_bytes[i]
                 : manner == 1 ? '\0'
                               : static_cast<char>(random->Next());
  }
  return torn;
}

}  // namespace nokv::vfs::memory
