#include "sst/index.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "base/coding.h"
#include "sst/block.h"

namespace nokv::sst {

namespace {

// Of all fences together, without their prefix compression.
constexpr size_t kFenceBytesMax = 1ULL << 30;

constexpr char kBeforeAllVersions = 0;
constexpr char kBetweenVersions = 1;

}  // namespace

void IndexBuilder::AddBorder(const Border& border) {
  NOKV_CHECK(border_.empty());
  NOKV_CHECK(block_count_ > 0);
  const bool same_key =
      border.shared == border.next_key.size() && border.shared == border.last_key.size();
  NOKV_CHECK(same_key || border.shared < border.next_key.size());
  // All of next_key if it is last_key, too.
  const Slice fence = border.next_key.substr(0, border.shared + 1);
  const size_t shared = CommonPrefixLength(last_fence_, fence);
  base::PutVarint32(&border_, static_cast<uint32_t>(shared));
  base::PutVarint32(&border_, static_cast<uint32_t>(fence.size() - shared));
  border_.append(fence.substr(shared));
  border_.push_back(same_key ? kBetweenVersions : kBeforeAllVersions);
  if (same_key) base::PutFixed64(&border_, border.last_trailer - 1);
  last_fence_ = fence;
}

void IndexBuilder::AddBlock(uint64_t stored_bytes) {
  NOKV_CHECK((block_count_ == 0) == border_.empty());
  base::PutVarint64(&body_, stored_bytes);
  body_.append(border_);
  border_.clear();
  ++block_count_;
}

void IndexBuilder::Finish(std::string* out) const {
  base::PutVarint32(out, block_count_);
  out->append(body_);
}

struct Index::Decoded {
  std::string bytes;             // of all fences, one after the other
  std::vector<size_t> at = {0};  // where each begins; one more for the end
  std::vector<uint64_t> trailers;
  std::vector<uint64_t> begins;  // of the blocks behind them

  size_t size() const { return trailers.size(); }
  Slice operator[](size_t i) const { return Slice(bytes).substr(at[i], at[i + 1] - at[i]); }

  // Takes the next fence off *payload. Returns nullptr, or what is wrong.
  const char* Add(Slice* payload, uint64_t begin);
};

const char* Index::Decoded::Add(Slice* payload, uint64_t begin) {
  const size_t last = size() - 1;  // there may be none
  const size_t last_bytes = size() == 0 ? 0 : (*this)[last].size();
  uint32_t shared;
  uint32_t length;
  if (!base::GetVarint32(payload, &shared) || shared > last_bytes ||
      !base::GetVarint32(payload, &length) || length >= payload->size() ||
      size_t{shared} + length > kKeyBytesMax) {
    return "malformed fence";
  }
  if (bytes.size() + shared + length > kFenceBytesMax) return "the fences are too large";
  if (shared > 0) bytes.append(bytes, at[last], shared);
  bytes.append(payload->substr(0, length));
  at.push_back(bytes.size());
  const char place = (*payload)[length];
  payload->remove_prefix(size_t{length} + 1);
  uint64_t trailer = UINT64_MAX;
  if (place != kBeforeAllVersions &&
      (place != kBetweenVersions || !base::GetFixed64(payload, &trailer))) {
    return "malformed place of a fence";
  }
  trailers.push_back(trailer);
  begins.push_back(begin);
  const size_t added = size() - 1;
  if (added > 0 &&
      key::CompareEntries((*this)[added - 1], trailers[added - 1], (*this)[added], trailer) >= 0) {
    return "the fences are out of order";
  }
  return nullptr;
}

const char* Index::Decode(Slice payload, uint64_t data_end) {
  uint32_t count;
  if (!base::GetVarint32(&payload, &count)) return "malformed count of blocks";
  Decoded fences;
  uint64_t end = 0;
  for (uint32_t i = 0; i < count; ++i) {
    uint64_t stored_bytes;
    if (!base::GetVarint64(&payload, &stored_bytes) || stored_bytes <= kTrailerBytes ||
        stored_bytes > kBlockBytesMax + kTrailerBytes || stored_bytes > data_end - end) {
      return "malformed length of a block";
    }
    if (i > 0) {
      if (const char* wrong = fences.Add(&payload, end)) return wrong;
    }
    end += stored_bytes;
  }
  if (!payload.empty()) return "bytes after the last fence";
  if (end != data_end) return "the data blocks do not end where the filter begins";
  block_count_ = count;
  data_end_ = data_end;
  if (fences.size() > 0) Pin(fences);
  return nullptr;
}

void Index::Pin(const Decoded& fences) {
  const size_t count = fences.size();
  const size_t shared = CommonPrefixLength(fences[0], fences[count - 1]);
  prefix_ = fences[0].substr(0, shared);
  Leaf empty = {};
  std::fill(std::begin(empty.heads), std::end(empty.heads), UINT64_MAX);
  leaves_.assign((count + kLeafFences - 1) / kLeafFences, empty);
  rest_at_.reserve(count + 1);
  rest_at_.push_back(0);
  rests_.reserve(fences.bytes.size() - count * shared);
  for (size_t i = 0; i < count; ++i) {
    const Slice rest = fences[i].substr(shared);
    Leaf& leaf = leaves_[i / kLeafFences];
    leaf.heads[i % kLeafFences] = key::KeyHead(rest);
    leaf.begins[i % kLeafFences] = fences.begins[i];
    rests_.insert(rests_.end(), rest.begin(), rest.end());
    rest_at_.push_back(static_cast<uint32_t>(rests_.size()));
  }
  const bool plain = std::all_of(fences.trailers.begin(), fences.trailers.end(),
                                 [](uint64_t trailer) { return trailer == UINT64_MAX; });
  if (!plain) trailers_.assign(fences.trailers.begin(), fences.trailers.end());
  BuildTree();
}

void Index::BuildTree() {
  constexpr size_t kChildren = kNodeHeads + 1;
  size_t level_nodes[kLevelsMax];
  size_t total = 0;
  for (size_t below = leaves_.size(); below > 1;) {
    NOKV_CHECK(level_count_ < kLevelsMax);
    below = (below + kChildren - 1) / kChildren;
    level_nodes[level_count_++] = below;
    total += below;
  }
  Node empty;
  std::fill(std::begin(empty.heads), std::end(empty.heads), UINT64_MAX);
  nodes_.assign(total, empty);
  size_t begin = total;
  size_t children = leaves_.size();
  size_t leaves_per_child = 1;
  for (uint32_t level = 0; level < level_count_; ++level) {
    begin -= level_nodes[level];
    level_begin_[level] = static_cast<uint32_t>(begin);
    for (size_t child = 0; child < children; ++child) {
      if (child % kChildren == 0) continue;
      nodes_[begin + child / kChildren].heads[child % kChildren - 1] =
          leaves_[child * leaves_per_child].heads[0];
    }
    children = level_nodes[level];
    leaves_per_child *= kChildren;
  }
}

size_t Index::HeadsBelow(uint64_t head) const {
  size_t k = 0;
  for (uint32_t level = level_count_; level > 0; --level) {
    const Node& node = nodes_[level_begin_[level - 1] + k];
    size_t child = 0;
    for (const uint64_t other : node.heads)
      child += other < head ? 1 : 0;
    k = k * (kNodeHeads + 1) + child;
  }
  const Leaf& leaf = leaves_[k];
  // The offsets are wanted next.
  __builtin_prefetch(&leaf.begins[0]);
  __builtin_prefetch(&leaf.begins[kLeafFences / 2]);
  size_t below = 0;
  for (const uint64_t other : leaf.heads)
    below += other < head ? 1 : 0;
  return k * kLeafFences + below;
}

uint32_t Index::Find(Slice key, uint64_t trailer) const {
  if (leaves_.empty()) return 0;
  if (!key.starts_with(prefix_)) return key < prefix_ ? 0 : static_cast<uint32_t>(fence_count());
  const Slice rest = key.substr(prefix_.size());
  const uint64_t head = key::KeyHead(rest);
  size_t low = HeadsBelow(head);
  if (low == fence_count() || Head(low) != head) [[likely]]
    return static_cast<uint32_t>(low);

  // Among equal heads the keys decide: the fences at or before (key, trailer) are counted.
  size_t high = head == UINT64_MAX ? fence_count() : HeadsBelow(head + 1);
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const uint64_t fence_trailer = trailers_.empty() ? UINT64_MAX : trailers_[middle];
    if (key::CompareEntries(Rest(middle), fence_trailer, rest, trailer) <= 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return static_cast<uint32_t>(low);
}

size_t Index::memory_bytes() const {
  return leaves_.capacity() * sizeof(Leaf) + nodes_.capacity() * sizeof(Node) +
         rest_at_.capacity() * sizeof(uint32_t) + rests_.capacity() + prefix_.capacity() +
         trailers_.capacity() * sizeof(uint64_t);
}

}  // namespace nokv::sst
