#include "sst/tombstone_block.h"

#include <utility>
#include <vector>

#include "base/coding.h"

namespace nokv::sst {

void AppendTombstones(const key::RangeTombstones& tombstones, std::string* out) {
  base::PutVarint64(out, tombstones.size());
  for (size_t i = 0; i < tombstones.size(); ++i) {
    const key::RangeTombstones::Fragment& fragment = tombstones.fragment(i);
    base::PutLengthPrefixed(out, fragment.begin);
    base::PutLengthPrefixed(out, fragment.end);
    base::PutVarint64(out, fragment.seq_count);
    for (size_t s = 0; s < fragment.seq_count; ++s)
      base::PutVarint64(out, fragment.seqs[s]);
  }
}

const char* DecodeTombstones(Slice payload, key::RangeTombstones* tombstones) {
  std::vector<key::RangeTombstone> list;
  uint64_t fragments;
  if (!base::GetVarint64(&payload, &fragments)) return "malformed tombstone count";
  Slice last_end;
  for (uint64_t i = 0; i < fragments; ++i) {
    Slice begin;
    Slice end;
    uint64_t seqs;
    if (!base::GetLengthPrefixed(&payload, &begin) || !base::GetLengthPrefixed(&payload, &end) ||
        !base::GetVarint64(&payload, &seqs) || seqs == 0) {
      return "malformed tombstone";
    }
    if (begin >= end || begin < last_end) return "the tombstones are out of order";
    last_end = end;
    key::SequenceNumber last_seq = key::kMaxSequence + 1;
    for (uint64_t s = 0; s < seqs; ++s) {
      key::SequenceNumber seq;
      if (!base::GetVarint64(&payload, &seq) || seq >= last_seq) {
        return "malformed sequence number of a tombstone";
      }
      last_seq = seq;
      list.push_back({begin, end, seq});
    }
  }
  if (!payload.empty()) return "bytes after the last tombstone";
  *tombstones = key::RangeTombstones::Build(std::move(list));
  return nullptr;
}

}  // namespace nokv::sst
