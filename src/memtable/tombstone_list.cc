#include "memtable/tombstone_list.h"

#include <algorithm>
#include <utility>

namespace nokv::memtable {
namespace {

// How many tombstones beside a set of `set_count` a question may have to look at.
size_t ListMax(size_t set_count) {
  return 8 + set_count / 4;
}

}  // namespace

void TombstoneList::Add(Slice begin, Slice end, key::SequenceNumber seq) {
  base::MutexLock lock(&mu_);
  Member& member = members_.emplace_back();
  member.bytes.reserve(begin.size() + end.size());
  member.bytes.append(begin).append(end);
  const Slice bytes = member.bytes;
  member.tombstone = {bytes.substr(0, begin.size()), bytes.substr(begin.size()), seq};
  member.number = members_.size() - 1;
  member.older = newest_.load(std::memory_order_relaxed);
  // release: publishes the member.
  newest_.store(&member, std::memory_order_release);
  bytes_.fetch_add(sizeof(Member) + member.bytes.capacity(), std::memory_order_relaxed);
  count_.store(members_.size(), std::memory_order_relaxed);

  const size_t set_count = sets_.empty() ? 0 : sets_.back().count;
  if (members_.size() - set_count > ListMax(set_count)) {
    sets_.push_back({FragmentsLocked(), members_.size()});
    // release: publishes the set.
    published_.store(&sets_.back(), std::memory_order_release);
  }
}

key::SequenceNumber TombstoneList::NewestCoveringSlow(Slice key,
                                                      key::SequenceNumber snapshot) const {
  // The set before the list: a set published in between holds members that the list shows as well,
  // and that is harmless; the other way round a member could be missed in both.
  const Published* published = published_.load(std::memory_order_acquire);
  const size_t set_count = published == nullptr ? 0 : published->count;
  key::SequenceNumber newest =
      published == nullptr ? 0 : published->set->NewestCovering(key, snapshot);
  for (const Member* member = newest_.load(std::memory_order_acquire);
       member != nullptr && member->number >= set_count; member = member->older) {
    const key::RangeTombstone& tombstone = member->tombstone;
    if (tombstone.seq > newest && tombstone.seq <= snapshot && tombstone.begin <= key &&
        key < tombstone.end) {
      newest = tombstone.seq;
    }
  }
  return newest;
}

std::vector<key::RangeTombstone> TombstoneList::All() const {
  base::MutexLock lock(&mu_);
  return Collect();
}

std::vector<key::RangeTombstone> TombstoneList::Collect() const {
  std::vector<key::RangeTombstone> all;
  all.reserve(members_.size());
  for (const Member& member : members_)
    all.push_back(member.tombstone);
  return all;
}

std::shared_ptr<const key::RangeTombstones> TombstoneList::Fragments() const {
  base::MutexLock lock(&mu_);
  return FragmentsLocked();
}

const TombstoneList::Set& TombstoneList::FragmentsLocked() const {
  if (full_count_ != members_.size()) {
    full_ = std::make_shared<const key::RangeTombstones>(key::RangeTombstones::Build(Collect()));
    full_count_ = members_.size();
  }
  return full_;
}

}  // namespace nokv::memtable
