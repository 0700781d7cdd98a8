#include "sst/properties.h"

#include <algorithm>

#include "base/coding.h"
#include "sst/format.h"

namespace nokv::sst {

namespace {

constexpr uint32_t kSmallestKeyTag = 1;
constexpr uint32_t kEndKeyTag = 2;

struct NumberField {
  uint32_t tag;
  uint64_t TableProperties::*member;
};

constexpr NumberField kNumbers[] = {
    {3, &TableProperties::smallest_seq},      {4, &TableProperties::largest_seq},
    {5, &TableProperties::entries},           {6, &TableProperties::keys},
    {7, &TableProperties::deletes},           {8, &TableProperties::range_deletes},
    {9, &TableProperties::raw_key_bytes},     {10, &TableProperties::raw_value_bytes},
    {11, &TableProperties::data_blocks},      {12, &TableProperties::data_bytes},
    {13, &TableProperties::raw_data_bytes},   {14, &TableProperties::block_bytes_max},
    {15, &TableProperties::expiring_entries}, {16, &TableProperties::min_expires_at},
    {17, &TableProperties::max_expires_at},   {18, &TableProperties::creation_time},
};
constexpr uint32_t kLastTag = 18;
constexpr uint32_t kAllTags = ((1U << kLastTag) - 1) << 1;

const char* DecodeNumber(Slice value, uint64_t* number) {
  return base::GetVarint64(&value, number) && value.empty() ? nullptr : "malformed number";
}

// What must hold between the numbers of any table.
const char* CheckRelations(const TableProperties& p) {
  if (p.smallest_key > p.end_key) return "the key range is reversed";
  if (p.smallest_seq > p.largest_seq || p.largest_seq > key::kMaxSequence) {
    return "the sequence range is reversed or too large";
  }
  if (p.block_bytes_max > kBlockBytesMax) return "a data block is larger than the limit";
  if (p.keys > p.entries || p.deletes > p.entries || p.expiring_entries > p.entries ||
      p.data_blocks > p.entries || (p.entries > 0 && p.data_blocks == 0)) {
    return "the counts contradict each other";
  }
  return nullptr;
}

}  // namespace

void TableProperties::CountEntry(const key::Entry& entry, bool new_key) {
  const key::SequenceNumber seq = entry.seq();
  if (entries == 0) {
    smallest_key = entry.key;
    smallest_seq = seq;
    largest_seq = seq;
  }
  // The end of a range that holds the key and nothing after it.
  if (new_key) end_key.assign(entry.key).push_back('\0');
  smallest_seq = std::min(smallest_seq, seq);
  largest_seq = std::max(largest_seq, seq);
  ++entries;
  if (new_key) ++keys;
  if (entry.kind() == key::Kind::kDelete) ++deletes;
  raw_key_bytes += entry.key.size();
  raw_value_bytes += entry.value.size();
  if (entry.expires_at == 0) return;
  min_expires_at =
      expiring_entries == 0 ? entry.expires_at : std::min(min_expires_at, entry.expires_at);
  max_expires_at = std::max(max_expires_at, entry.expires_at);
  ++expiring_entries;
}

void TableProperties::CountTombstones(const key::RangeTombstones& tombstones) {
  for (size_t i = 0; i < tombstones.size(); ++i) {
    const key::RangeTombstones::Fragment& fragment = tombstones.fragment(i);
    const bool first = entries == 0 && range_deletes == 0;
    if (first || fragment.begin < smallest_key) smallest_key = fragment.begin;
    if (fragment.end > end_key) end_key = fragment.end;
    const key::SequenceNumber newest = fragment.seqs[0];
    const key::SequenceNumber oldest = fragment.seqs[fragment.seq_count - 1];
    smallest_seq = first ? oldest : std::min(smallest_seq, oldest);
    largest_seq = std::max(largest_seq, newest);
    range_deletes += fragment.seq_count;
  }
}

void TableProperties::AppendTo(std::string* out) const {
  base::PutVarint32(out, kSmallestKeyTag);
  base::PutLengthPrefixed(out, smallest_key);
  base::PutVarint32(out, kEndKeyTag);
  base::PutLengthPrefixed(out, end_key);
  for (const NumberField& field : kNumbers) {
    const uint64_t number = this->*field.member;
    base::PutVarint32(out, field.tag);
    base::PutVarint64(out, base::VarintLength(number));
    base::PutVarint64(out, number);
  }
}

const char* TableProperties::Decode(Slice payload) {
  uint32_t last_tag = 0;
  uint32_t seen = 0;
  while (!payload.empty()) {
    uint32_t tag;
    Slice value;
    if (!base::GetVarint32(&payload, &tag) || !base::GetLengthPrefixed(&payload, &value)) {
      return "malformed property";
    }
    if (tag <= last_tag) return "the tags are not ascending";
    last_tag = tag;
    if (tag > kLastTag) continue;
    seen |= 1U << tag;
    if (tag == kSmallestKeyTag) {
      smallest_key = value;
    } else if (tag == kEndKeyTag) {
      end_key = value;
    } else {
      const NumberField& field = kNumbers[tag - kNumbers[0].tag];
      if (const char* wrong = DecodeNumber(value, &(this->*field.member))) return wrong;
    }
  }
  if (seen != kAllTags) return "a property is missing";
  return CheckRelations(*this);
}

}  // namespace nokv::sst
