#include "key/range_tombstones.h"

#include <algorithm>
#include <set>

#include "base/check.h"

namespace nokv::key {

RangeTombstones RangeTombstones::Build(std::vector<RangeTombstone> tombstones) {
  RangeTombstones set;
  std::erase_if(tombstones, [](const RangeTombstone& t) { return t.begin >= t.end; });
  if (tombstones.empty()) return set;
  std::sort(tombstones.begin(), tombstones.end(),
            [](const RangeTombstone& a, const RangeTombstone& b) { return a.begin < b.begin; });

  // Every border, once, in order; all fragment borders are among them.
  std::vector<Slice> borders;
  borders.reserve(2 * tombstones.size());
  for (const RangeTombstone& t : tombstones) {
    borders.push_back(t.begin);
    borders.push_back(t.end);
  }
  std::sort(borders.begin(), borders.end());
  borders.erase(std::unique(borders.begin(), borders.end()), borders.end());

  size_t byte_count = 0;
  for (const Slice border : borders) byte_count += border.size();
  set.bytes_.reserve(byte_count);
  std::vector<Slice> owned;
  owned.reserve(borders.size());
  for (const Slice border : borders) {
    const size_t at = set.bytes_.size();
    set.bytes_.insert(set.bytes_.end(), border.begin(), border.end());
    owned.emplace_back(set.bytes_.data() + at, border.size());
  }

  // Sweep: `active` holds the tombstones that cover the stretch between two neighbouring borders.
  struct LaterEnd {
    bool operator()(const RangeTombstone* a, const RangeTombstone* b) const {
      return a->end != b->end ? a->end < b->end : a < b;
    }
  };
  std::set<const RangeTombstone*, LaterEnd> active;
  std::vector<size_t> first_seq;  // index into seqs_, which may still move while it grows
  size_t next = 0;
  for (size_t b = 0; b + 1 < borders.size(); ++b) {
    while (!active.empty() && (*active.begin())->end <= borders[b]) active.erase(active.begin());
    while (next < tombstones.size() && tombstones[next].begin == borders[b]) {
      active.insert(&tombstones[next++]);
    }
    if (active.empty()) continue;
    const size_t from = set.seqs_.size();
    for (const RangeTombstone* t : active) set.seqs_.push_back(t->seq);
    const auto begin = set.seqs_.begin() + static_cast<ptrdiff_t>(from);
    std::sort(begin, set.seqs_.end(), std::greater<>());
    set.seqs_.erase(std::unique(begin, set.seqs_.end()), set.seqs_.end());
    first_seq.push_back(from);
    set.fragments_.push_back({owned[b], owned[b + 1], nullptr, set.seqs_.size() - from});
  }
  for (size_t i = 0; i < set.fragments_.size(); ++i) {
    set.fragments_[i].seqs = set.seqs_.data() + first_seq[i];
  }
  NOKV_CHECK(next == tombstones.size());
  return set;
}

size_t RangeTombstones::FirstEndingAfter(Slice key) const {
  const auto found =
      std::partition_point(fragments_.begin(), fragments_.end(),
                           [&](const Fragment& fragment) { return fragment.end <= key; });
  return static_cast<size_t>(found - fragments_.begin());
}

SequenceNumber RangeTombstones::NewestCovering(Slice key, SequenceNumber snapshot) const {
  const size_t i = FirstEndingAfter(key);
  if (i == fragments_.size() || key < fragments_[i].begin) return 0;
  const Fragment& fragment = fragments_[i];
  const SequenceNumber* end = fragment.seqs + fragment.seq_count;
  const SequenceNumber* found = std::partition_point(
      fragment.seqs, end, [&](SequenceNumber seq) { return seq > snapshot; });
  return found == end ? 0 : *found;
}

std::vector<RangeTombstone> RangeTombstones::ToList() const {
  std::vector<RangeTombstone> list;
  for (const Fragment& fragment : fragments_) {
    for (size_t s = 0; s < fragment.seq_count; ++s) {
      list.push_back({fragment.begin, fragment.end, fragment.seqs[s]});
    }
  }
  return list;
}

}  // namespace nokv::key
