#include <algorithm>
#include <bit>

#include "base/check.h"
#include "sst/block.h"
#include "sst/format.h"

namespace nokv::sst {

namespace {

// Buffers that one large value has blown up beyond this are given back.
constexpr size_t kKeptBytes = 1 << 20;

uint8_t WidthOf(uint64_t largest) {
  return static_cast<uint8_t>((std::bit_width(largest) + 7) / 8);
}

void PutField(std::string* out, uint64_t value, uint8_t width) {
  char bytes[8];
  base::EncodeFixed64(bytes, value);
  out->append(bytes, width);
}

void Empty(std::string* buffer) {
  if (buffer->capacity() > kKeptBytes) std::string().swap(*buffer);
  buffer->clear();
}

}  // namespace

size_t CommonPrefixLength(Slice a, Slice b) {
  const size_t size = std::min(a.size(), b.size());
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    const uint64_t difference =
        base::DecodeFixed64(a.data() + i) ^ base::DecodeFixed64(b.data() + i);
    if (difference != 0) return i + static_cast<size_t>(std::countr_zero(difference)) / 8;
  }
  while (i < size && a[i] == b[i])
    ++i;
  return i;
}

// What the header says: bases and widths that fit every entry.
struct BlockBuilder::Layout {
  uint8_t flags;
  uint8_t length_width;
  uint8_t seq_width;
  uint8_t expiry_width;
  uint8_t value_width;
  uint8_t key_at_width;
  uint8_t value_at_width;
  uint32_t value_base;
  uint64_t seq_base;
  uint64_t expiry_base;
  uint32_t key_bytes;

  size_t slot_bytes() const {
    return 2UL * length_width + 1 + seq_width + expiry_width + value_width;
  }
  size_t restart_bytes() const { return 8UL + key_at_width + value_at_width; }
};

BlockBuilder::BlockBuilder(size_t restart_interval)
    : restart_shift_(static_cast<uint8_t>(std::bit_width(
          std::clamp<size_t>(restart_interval, 1, size_t{1} << kRestartShiftMax) - 1))) {}

void BlockBuilder::Add(const key::Entry& entry, uint64_t hash, size_t shared) {
  NOKV_DCHECK(shared <= entry.key.size());
  NOKV_CHECK(values_.size() + entry.value.size() <= kBlockBytesMax);
  const bool first = slots_.empty();
  const bool same_key = !first && shared == entry.key.size() && entry.key.size() == last_key_bytes_;
  if (first) {
    prefix_bytes_ = entry.key.size();
  } else {
    prefix_bytes_ = std::min(prefix_bytes_, shared);
  }
  last_key_bytes_ = entry.key.size();

  Slot slot;
  slot.shared = IsRestart(slots_.size()) ? 0 : static_cast<uint32_t>(shared);
  slot.length = static_cast<uint32_t>(entry.key.size() - slot.shared);
  slot.value_bytes = static_cast<uint32_t>(entry.value.size());
  slot.tag = same_key ? uint8_t{0} : TagOf(hash);
  slot.trailer = entry.trailer;
  slot.expires_at = entry.expires_at;
  slots_.push_back(slot);
  keys_.append(entry.key.substr(slot.shared));
  values_.append(entry.value);
}

BlockBuilder::Layout BlockBuilder::PlanLayout() const {
  uint64_t seq_min = UINT64_MAX;
  uint64_t seq_max = 0;
  uint64_t expiry_min = UINT64_MAX;
  uint64_t expiry_max = 0;
  uint32_t value_min = UINT32_MAX;
  uint32_t value_max = 0;
  size_t length_max = 0;
  size_t restarts = 0;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    seq_min = std::min(seq_min, key::TrailerSequence(slot.trailer));
    seq_max = std::max(seq_max, key::TrailerSequence(slot.trailer));
    if (slot.expires_at != 0) expiry_min = std::min(expiry_min, slot.expires_at);
    expiry_max = std::max(expiry_max, slot.expires_at);
    value_min = std::min(value_min, slot.value_bytes);
    value_max = std::max(value_max, slot.value_bytes);
    if (IsRestart(i)) {
      ++restarts;
      length_max = std::max(length_max, slot.length - prefix_bytes_);
    } else {
      length_max = std::max({length_max, slot.shared - prefix_bytes_, size_t{slot.length}});
    }
  }
  Layout layout = {};
  layout.flags = slots_.size() <= kTaggedEntriesMax ? kBlockHasTags : uint8_t{0};
  layout.length_width = WidthOf(length_max);
  layout.seq_base = seq_min;
  layout.seq_width = WidthOf(seq_max - seq_min);
  layout.expiry_base = expiry_max == 0 ? 0 : expiry_min - 1;
  layout.expiry_width = WidthOf(expiry_max - layout.expiry_base);
  layout.value_base = value_min;
  layout.value_width = WidthOf(value_max - value_min);
  layout.key_bytes = static_cast<uint32_t>(keys_.size() - restarts * prefix_bytes_);
  layout.key_at_width = WidthOf(layout.key_bytes);
  layout.value_at_width = WidthOf(values_.size());
  return layout;
}

void BlockBuilder::AppendHeader(const Layout& layout, std::string* out) const {
  base::PutFixed32(out, static_cast<uint32_t>(slots_.size()));
  base::PutFixed32(out, static_cast<uint32_t>(prefix_bytes_));
  base::PutFixed32(out, layout.key_bytes);
  for (const uint8_t byte :
       {layout.flags, restart_shift_, layout.length_width, layout.seq_width, layout.expiry_width,
        layout.value_width, layout.key_at_width, layout.value_at_width}) {
    out->push_back(static_cast<char>(byte));
  }
  base::PutFixed32(out, layout.value_base);
  base::PutFixed64(out, layout.seq_base);
  base::PutFixed64(out, layout.expiry_base);
}

void BlockBuilder::AppendRestarts(const Layout& layout, std::string* out) const {
  std::string offsets;
  size_t kept_at = 0;  // in keys_
  uint64_t key_at = 0;
  uint64_t value_at = 0;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    size_t length = slot.length;
    if (IsRestart(i)) {
      length -= prefix_bytes_;
      const Slice rest = Slice(keys_).substr(kept_at + prefix_bytes_, length);
      base::PutFixed64(out, key::KeyHead(rest));
      PutField(&offsets, key_at, layout.key_at_width);
      PutField(&offsets, value_at, layout.value_at_width);
    }
    kept_at += slot.length;
    key_at += length;
    value_at += slot.value_bytes;
  }
  out->append(offsets);
}

void BlockBuilder::AppendSlots(const Layout& layout, std::string* out) const {
  for (size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    const bool restart = IsRestart(i);
    PutField(out, restart ? 0 : slot.shared - prefix_bytes_, layout.length_width);
    PutField(out, restart ? slot.length - prefix_bytes_ : slot.length, layout.length_width);
    out->push_back(static_cast<char>(key::TrailerKind(slot.trailer)));
    PutField(out, key::TrailerSequence(slot.trailer) - layout.seq_base, layout.seq_width);
    PutField(out, slot.expires_at == 0 ? 0 : slot.expires_at - layout.expiry_base,
             layout.expiry_width);
    PutField(out, slot.value_bytes - layout.value_base, layout.value_width);
  }
}

void BlockBuilder::AppendKeys(const Layout& layout, std::string* out) const {
  const size_t begin = out->size();
  size_t kept_at = 0;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const size_t skipped = IsRestart(i) ? prefix_bytes_ : 0;
    out->append(keys_, kept_at + skipped, slots_[i].length - skipped);
    kept_at += slots_[i].length;
  }
  NOKV_CHECK(out->size() - begin == layout.key_bytes);
}

void BlockBuilder::Finish(std::string* payload) {
  NOKV_CHECK(!empty());
  const Layout layout = PlanLayout();
  const size_t restarts = ((slots_.size() - 1) >> restart_shift_) + 1;
  Empty(payload);
  payload->reserve(kBlockHeaderBytes + slots_.size() * (1 + layout.slot_bytes()) +
                   restarts * layout.restart_bytes() + prefix_bytes_ + layout.key_bytes +
                   values_.size() + kBlockSlackBytes + kTrailerBytes);
  AppendHeader(layout, payload);
  if ((layout.flags & kBlockHasTags) != 0) {
    for (const Slot& slot : slots_)
      payload->push_back(static_cast<char>(slot.tag));
  }
  AppendRestarts(layout, payload);
  payload->append(keys_, 0, prefix_bytes_);
  AppendSlots(layout, payload);
  AppendKeys(layout, payload);
  payload->append(values_);
  payload->append(kBlockSlackBytes, '\0');

  slots_.clear();
  Empty(&keys_);
  Empty(&values_);
}

}  // namespace nokv::sst
