#include "redis/pending_writes.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"

namespace nokv::redis {

PendingWrites::PendingWrites() : slots_(kSlotsMin, kFree) {}

size_t PendingWrites::Slot(Slice key, uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  for (size_t slot = hash & mask;; slot = (slot + 1) & mask) {
    if (slots_[slot] == kFree) return slot;
    const Entry& entry = entries_[slots_[slot] - 1];
    if (entry.hash == hash && entry.key == key) return slot;
  }
}

const PendingWrites::Entry* PendingWrites::Find(Slice key) const {
  if (entries_.empty()) return nullptr;
  const size_t slot = Slot(key, base::Hash64(key));
  return slots_[slot] == kFree ? nullptr : &entries_[slots_[slot] - 1];
}

PendingWrites::Entry* PendingWrites::Upsert(Slice key) {
  if ((entries_.size() + 1) * 2 > slots_.size()) Grow();
  const uint64_t hash = base::Hash64(key);
  const size_t slot = Slot(key, hash);
  if (slots_[slot] == kFree) {
    Entry entry;
    entry.key = Copy(key);
    entry.hash = hash;
    entries_.push_back(entry);
    slots_[slot] = static_cast<uint32_t>(entries_.size());
  }
  return &entries_[slots_[slot] - 1];
}

void PendingWrites::Grow() {
  slots_.assign(slots_.size() * 2, kFree);
  for (size_t i = 0; i < entries_.size(); ++i) {
    slots_[Slot(entries_[i].key, entries_[i].hash)] = static_cast<uint32_t>(i + 1);
  }
}

Slice PendingWrites::Copy(Slice bytes) {
  if (bytes.empty()) return {};
  if (blocks_.empty() || blocks_.back().capacity - block_used_ < bytes.size()) {
    const size_t capacity = std::max(kBlockBytes, bytes.size());
    blocks_.push_back({std::make_unique_for_overwrite<char[]>(capacity), capacity});
    block_used_ = 0;
  }
  char* const at = blocks_.back().data.get() + block_used_;
  std::memcpy(at, bytes.data(), bytes.size());
  block_used_ += bytes.size();
  bytes_ += bytes.size();
  return {at, bytes.size()};
}

void PendingWrites::Clear() {
  if (slots_.size() > kSlotsMin && entries_.size() * 8 < slots_.size()) {
    slots_.assign(std::max(kSlotsMin, slots_.size() / 2), kFree);
  } else {
    std::fill(slots_.begin(), slots_.end(), kFree);
  }
  entries_.clear();
  // One block of the common size stays for the next turn.
  while (blocks_.size() > 1) blocks_.pop_back();
  if (!blocks_.empty() && blocks_.front().capacity > kBlockBytes) blocks_.clear();
  block_used_ = 0;
  bytes_ = 0;
}

}  // namespace nokv::redis
