#include "cache/eviction_policy.h"

#include <algorithm>

#include "base/check.h"
#include "cache/block_table.h"

namespace nokv::cache {

EvictionPolicy::EvictionPolicy(size_t capacity_bytes, size_t key_count)
    : sketch_(key_count), declined_(key_count) {
  SetSizes(capacity_bytes, 0);
}

// In a small shard one hundredth holds no block at all, so the window is at least 64 KiB, but at
// most an eighth.
size_t EvictionPolicy::WindowMin(size_t capacity_bytes) {
  constexpr size_t kWindowBytesMin = size_t{64} << 10;
  return std::max(capacity_bytes / 100, std::min(kWindowBytesMin, capacity_bytes / 8));
}

void EvictionPolicy::SetSizes(size_t capacity_bytes, size_t window_bytes) {
  const size_t window_most = capacity_bytes / 5 * 4;
  window_max_ = std::min(window_most, std::max(window_bytes, WindowMin(capacity_bytes)));
  main_max_ = capacity_bytes - window_max_;
  protected_max_ = main_max_ / 5 * 4;
}

uint32_t EvictionPolicy::FrequencyOf(const Entry* entry) const {
  return sketch_.Estimate(HashOf(entry->key));
}

// Moves the hits since the last look into the sketch; returns how many there were.
uint32_t EvictionPolicy::Harvest(Entry* entry) {
  const uint32_t hits = entry->hits.load(std::memory_order_relaxed);
  if (hits == 0) return 0;
  entry->hits.store(0, std::memory_order_relaxed);  // a hit in between is lost, no harm
  sketch_.Add(HashOf(entry->key), hits);
  return hits;
}

size_t EvictionPolicy::Add(Entry* entry, BlockCache::Priority priority, VictimList* victims) {
  NOKV_DCHECK(entry->weight() <= weight_max());
  sketch_.MaybeAge(count());
  if (priority == BlockCache::Priority::kLow) {
    // Not counted anywhere: a scan neither wins by itself nor ages what the others did.
    if (Admit(entry, victims)) return 0;
    victims->Push(entry);
    return 1;
  }
  const uint64_t hash = HashOf(entry->key);
  sketch_.Add(hash, 1);
  if (declined_.Contains(hash, probation_.count())) ++declined_came_back_;
  AdaptWindow(victims);
  window_.Append(entry);
  return TrimWindow(victims);
}

void EvictionPolicy::AdaptWindow(VictimList* victims) {
  const size_t signals = declined_came_back_ + promotions_;
  if (signals < std::max(kSignalsMin, count() / kEntriesPerSignal)) return;
  const size_t step = capacity() / kWindowSteps;
  const bool grow = declined_came_back_ > promotions_;
  SetSizes(capacity(), grow ? window_max_ + step : window_max_ - std::min(window_max_, step));
  declined_came_back_ = 0;
  promotions_ = 0;
  BoundProtected();
  TrimMain(victims);
}

// Pushes the oldest unused blocks of the window, as long as it is too large, through admission.
// Returns how many were declined.
size_t EvictionPolicy::TrimWindow(VictimList* victims) {
  size_t declined = 0;
  while (window_.bytes() > window_max_) {
    Entry* const candidate = OldestOfWindow();
    window_.Remove(candidate);
    if (Admit(candidate, victims)) continue;
    declined_.Add(HashOf(candidate->key));
    victims->Push(candidate);
    ++declined;
  }
  return declined;
}

// REQUIRES: the window is not empty.
Entry* EvictionPolicy::OldestOfWindow() {
  for (int step = 0; step < kStepsMax && Harvest(window_.oldest()) > 0; ++step) {
    window_.MoveToNewest(window_.oldest());
  }
  return window_.oldest();
}

bool EvictionPolicy::Admit(Entry* candidate, VictimList* victims) {
  Harvest(candidate);
  if (candidate->weight() > main_max_) return false;
  while (main_bytes() + candidate->weight() > main_max_) {
    Entry* const victim = OldestUnused();
    // A tie goes to who is here: equals would only push out each other.
    if (FrequencyOf(candidate) <= FrequencyOf(victim)) return false;
    probation_.Remove(victim);
    victims->Push(victim);
  }
  probation_.Append(candidate);
  return true;
}

// The next to leave the main part: the oldest of probation, after the used ones before it were
// promoted. Stays in probation. REQUIRES: the main part is not empty.
Entry* EvictionPolicy::OldestUnused() {
  for (int step = 0; step < kStepsMax && probation_.oldest() != nullptr; ++step) {
    Entry* const oldest = probation_.oldest();
    if (Harvest(oldest) > 0) {
      ++promotions_;
      probation_.Remove(oldest);
      protected_.Append(oldest);
      BoundProtected();
    } else if (oldest->pinned()) {
      // Its memory would not come back before the handle is released.
      probation_.MoveToNewest(oldest);
    } else {
      return oldest;
    }
  }
  if (probation_.oldest() == nullptr) {
    Entry* const oldest = protected_.oldest();
    protected_.Remove(oldest);
    probation_.Append(oldest);
  }
  return probation_.oldest();
}

// Sends the oldest of protected back to probation until its share is kept; used ones get another
// round first.
void EvictionPolicy::BoundProtected() {
  for (int step = 0; protected_.bytes() > protected_max_; ++step) {
    Entry* const oldest = protected_.oldest();
    if (step < kStepsMax && Harvest(oldest) > 0) {
      protected_.MoveToNewest(oldest);
      continue;
    }
    protected_.Remove(oldest);
    probation_.Append(oldest);
  }
}

void EvictionPolicy::TrimMain(VictimList* victims) {
  while (main_bytes() > main_max_) {
    Entry* const victim = OldestUnused();
    probation_.Remove(victim);
    victims->Push(victim);
  }
}

void EvictionPolicy::Remove(Entry* entry) {
  for (EntryQueue* queue : {&window_, &probation_, &protected_}) {
    if (queue->name() != entry->queue) continue;
    queue->Remove(entry);
    return;
  }
  NOKV_CHECK(false);  // the entry is in no queue
}

void EvictionPolicy::SetCapacity(size_t bytes, VictimList* victims) {
  // The window keeps its share.
  const double share =
      static_cast<double>(window_max_) / static_cast<double>(std::max<size_t>(1, capacity()));
  SetSizes(bytes, static_cast<size_t>(share * static_cast<double>(bytes)));
  BoundProtected();
  TrimMain(victims);
  TrimWindow(victims);
}

void EvictionPolicy::CheckInvariants() const {
  NOKV_CHECK(window_.bytes() <= window_max_ && main_bytes() <= main_max_);
  NOKV_CHECK(protected_.bytes() <= protected_max_);
  for (const EntryQueue* queue : {&window_, &probation_, &protected_}) {
    size_t bytes = 0;
    size_t count = 0;
    const Entry* previous = nullptr;
    for (const Entry* entry = queue->oldest(); entry != nullptr; entry = entry->queue_next) {
      NOKV_CHECK(entry->queue == queue->name() && entry->queue_prev == previous);
      bytes += entry->weight();
      ++count;
      previous = entry;
    }
    NOKV_CHECK(bytes == queue->bytes() && count == queue->count());
  }
}

}  // namespace nokv::cache
