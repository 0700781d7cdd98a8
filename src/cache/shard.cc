#include "cache/shard.h"

#include <algorithm>

#include "base/check.h"

namespace nokv::cache {

namespace {

// The table and the sketch are sized for blocks of this weight. The table grows if blocks are
// smaller; the sketch then tells fewer keys apart.
constexpr size_t kTypicalWeight = 4096;
// How much one hold of the mutex erases, and how many bytes it evicts for a smaller capacity.
constexpr int kEraseBatch = 128;
constexpr size_t kCapacityStep = size_t{1} << 20;

}  // namespace

Shard::Shard(BlockCache* owner, base::EpochDomain* epochs, size_t capacity_bytes)
    : owner_(owner),
      table_(epochs, capacity_bytes / kTypicalWeight),
      policy_(capacity_bytes, capacity_bytes / kTypicalWeight) {}

Shard::Standing Shard::Insert(Entry* entry,
                              uint64_t hash,
                              BlockCache::Priority priority,
                              VictimList* victims) {
  base::MutexLock lock(&mu_);
  ++inserts_;
  if (Entry* const present = table_.Find(entry->key, hash)) {
    return {present, present->refs.fetch_add(Entry::kPinRef, std::memory_order_relaxed)};
  }
  if (entry->weight() > policy_.weight_max()) {
    ++rejections_;
    return {entry, 0};
  }
  VictimList leaving;
  const size_t declined = policy_.Add(entry, priority, &leaving);
  rejections_ += declined;
  size_t left = 0;
  while (Entry* const victim = leaving.Pop()) {
    ++left;
    if (victim != entry) Leave(victim, victims);
  }
  evictions_ += left - declined;
  if (entry->queue == QueueName::kNone) return {entry, 0};  // declined at once
  entry->refs.fetch_add(Entry::kCacheRef, std::memory_order_relaxed);
  LinkFile(entry);
  table_.Insert(entry, hash);
  return {entry, 0};
}

// The queues have let go of the entry; now the table and the file do.
void Shard::Leave(Entry* entry, VictimList* victims) {
  table_.Erase(entry, HashOf(entry->key));
  UnlinkFile(entry);
  entry->owner = owner_;
  victims->Push(entry);
}

void Shard::LinkFile(Entry* entry) {
  Entry*& newest = files_[entry->key.file];
  entry->file_prev = nullptr;
  entry->file_next = newest;
  if (newest != nullptr) newest->file_prev = entry;
  newest = entry;
}

void Shard::UnlinkFile(Entry* entry) {
  if (entry->file_next != nullptr) entry->file_next->file_prev = entry->file_prev;
  if (entry->file_prev != nullptr) {
    entry->file_prev->file_next = entry->file_next;
  } else if (entry->file_next != nullptr) {
    files_[entry->key.file] = entry->file_next;
  } else {
    files_.erase(entry->key.file);
  }
}

bool Shard::EraseSome(uint64_t file, VictimList* victims) {
  base::MutexLock lock(&mu_);
  for (int i = 0; i < kEraseBatch; ++i) {
    const auto found = files_.find(file);
    if (found == files_.end()) return i > 0;
    Entry* const entry = found->second;
    policy_.Remove(entry);
    Leave(entry, victims);
    ++erasures_;
  }
  return true;
}

bool Shard::MoveCapacity(size_t bytes, VictimList* victims) {
  base::MutexLock lock(&mu_);
  const size_t present = policy_.capacity();
  if (present == bytes) return false;
  const size_t next = present > bytes + kCapacityStep ? present - kCapacityStep : bytes;
  VictimList leaving;
  policy_.SetCapacity(next, &leaving);
  while (Entry* const victim = leaving.Pop()) {
    Leave(victim, victims);
    ++evictions_;
  }
  return true;
}

void Shard::Clear(VictimList* victims) {
  base::MutexLock lock(&mu_);
  while (!files_.empty()) {
    Entry* const entry = files_.begin()->second;
    policy_.Remove(entry);
    Leave(entry, victims);
  }
}

void Shard::AddTo(CacheStats* stats) const {
  base::MutexLock lock(&mu_);
  stats->inserts += inserts_;
  stats->rejections += rejections_;
  stats->evictions += evictions_;
  stats->erasures += erasures_;
  stats->entries += policy_.count();
  stats->bytes += policy_.used_bytes();
  stats->index_bytes += table_.memory_bytes() + policy_.index_bytes();
}

void Shard::CheckInvariants() const {
  base::MutexLock lock(&mu_);
  policy_.CheckInvariants();
  table_.CheckInvariants();
  NOKV_CHECK(table_.size() == policy_.count());
  size_t in_files = 0;
  for (const auto& [file, newest] : files_) {
    const Entry* previous = nullptr;
    for (const Entry* entry = newest; entry != nullptr; entry = entry->file_next) {
      NOKV_CHECK(entry->key.file == file && entry->file_prev == previous);
      NOKV_CHECK((entry->refs.load(std::memory_order_relaxed) & Entry::kCacheRef) != 0);
      NOKV_CHECK(table_.Find(entry->key, HashOf(entry->key)) == entry);
      previous = entry;
      ++in_files;
    }
  }
  NOKV_CHECK(in_files == table_.size());
}

}  // namespace nokv::cache
