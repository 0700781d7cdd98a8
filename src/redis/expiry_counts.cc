#include "redis/expiry_counts.h"

#include <algorithm>

#include "base/check.h"

namespace nokv::redis {

void ExpiryCounts::Add(uint64_t at_ms) {
  if (at_ms <= advanced_to_) return;  // (2)
  Span& span = spans_[at_ms >> kSpanBits];
  const auto offset = static_cast<uint16_t>(at_ms & (kSpanMillis - 1));
  if (span.counters.empty() && span.list.size() == kListMax) {
    span.counters.resize(kSpanMillis);
    for (const uint16_t listed : span.list) ++span.counters[listed];
    std::vector<uint16_t>().swap(span.list);
  }
  if (span.counters.empty()) {
    span.list.push_back(offset);
  } else {
    ++span.counters[offset];
  }
  ++span.count;
  ++total_;
}

void ExpiryCounts::Remove(uint64_t at_ms) {
  if (at_ms <= advanced_to_) return;  // (2)
  const auto found = spans_.find(at_ms >> kSpanBits);
  NOKV_CHECK(found != spans_.end());
  Span& span = found->second;
  const auto offset = static_cast<uint16_t>(at_ms & (kSpanMillis - 1));
  if (span.counters.empty()) {
    const auto listed = std::find(span.list.begin(), span.list.end(), offset);
    NOKV_CHECK(listed != span.list.end());
    *listed = span.list.back();
    span.list.pop_back();
  } else {
    NOKV_CHECK(span.counters[offset] > 0);
    --span.counters[offset];
  }
  --total_;
  if (--span.count == 0) spans_.erase(found);
}

// Forgets the offsets up to and including `offset`.
uint64_t ExpiryCounts::DropUntil(Span* span, size_t offset) {
  uint64_t dropped = 0;
  if (span->counters.empty()) {
    dropped = std::erase_if(span->list, [&](uint16_t listed) { return listed <= offset; });
  } else {
    for (size_t i = 0; i <= offset; ++i) {
      dropped += span->counters[i];
      span->counters[i] = 0;
    }
  }
  span->count -= dropped;
  return dropped;
}

uint64_t ExpiryCounts::AdvanceTo(uint64_t now_ms) {
  if (now_ms <= advanced_to_) return 0;
  advanced_to_ = now_ms;
  uint64_t dropped = 0;
  while (!spans_.empty() && spans_.begin()->first < now_ms >> kSpanBits) {
    dropped += spans_.begin()->second.count;
    spans_.erase(spans_.begin());
  }
  const auto current = spans_.find(now_ms >> kSpanBits);
  if (current != spans_.end()) {
    dropped += DropUntil(&current->second, static_cast<size_t>(now_ms & (kSpanMillis - 1)));
    if (current->second.count == 0) spans_.erase(current);
  }
  total_ -= dropped;
  return dropped;
}

void ExpiryCounts::Clear() {
  spans_.clear();
  total_ = 0;
  advanced_to_ = 0;
}

}  // namespace nokv::redis
