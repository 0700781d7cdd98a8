#pragma once

// TombstoneList: the range tombstones of one memtable, while they arrive.
//
// Tombstones are rare, questions are not. A question is answered without a lock from an immutable
// set of fragments (key/range_tombstones.h) that holds the oldest tombstones, and a list of those
// that came later. When the list has grown to a fraction of the set, the writer who notices builds
// a larger set: the work per tombstone stays logarithmic, and a question looks at few list members.
//
// Invariants:
//  1. Tombstones are numbered in order of arrival; the published set holds exactly those below its
//  count.
//  2. A tombstone is in the list before Add returns, and `count_` says so.
//  3. Sets that were published stay until the end: a reader may be in one. They grow geometrically,
//  so
//     all together are a small multiple of the last.
//
// Thread-safe. NewestCovering and empty take no lock.

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "nokv/slice.h"

#include "base/mutex.h"
#include "key/entry.h"
#include "key/range_tombstones.h"

namespace nokv::memtable {

class TombstoneList {
 public:
  TombstoneList() = default;
  TombstoneList(const TombstoneList&) = delete;
  TombstoneList& operator=(const TombstoneList&) = delete;

  // Copies the bytes. An empty range is kept and covers nothing.
  void Add(Slice begin, Slice end, key::SequenceNumber seq) NOKV_EXCLUDES(mu_);

  // relaxed: whoever must see a tombstone got a snapshot that was published after its Add returned,
  // and that publication orders this load.
  bool empty() const { return count_.load(std::memory_order_relaxed) == 0; }
  size_t count() const { return count_.load(std::memory_order_relaxed); }
  size_t memory_bytes() const { return bytes_.load(std::memory_order_relaxed); }

  // The newest tombstone at or below `snapshot` that covers `key`; 0 if there is none.
  key::SequenceNumber NewestCovering(Slice key, key::SequenceNumber snapshot) const {
    return empty() ? 0 : NewestCoveringSlow(key, snapshot);
  }

  // All of them, in order of arrival. Slices are valid as long as the list.
  std::vector<key::RangeTombstone> All() const NOKV_EXCLUDES(mu_);

  // All that have been added, as fragments; built when first asked for after an Add.
  std::shared_ptr<const key::RangeTombstones> Fragments() const NOKV_EXCLUDES(mu_);

 private:
  using Set = std::shared_ptr<const key::RangeTombstones>;
  struct Member {
    std::string bytes;  // begin, then end
    key::RangeTombstone tombstone;
    size_t number;
    const Member* older;
  };
  struct Published {
    Set set;
    size_t count;
  };

  key::SequenceNumber NewestCoveringSlow(Slice key, key::SequenceNumber snapshot) const;
  std::vector<key::RangeTombstone> Collect() const NOKV_REQUIRES(mu_);
  const Set& FragmentsLocked() const NOKV_REQUIRES(mu_);

  std::atomic<size_t> count_{0};
  std::atomic<size_t> bytes_{0};
  std::atomic<const Member*> newest_{nullptr};        // release in Add, acquire in NewestCovering
  std::atomic<const Published*> published_{nullptr};  // likewise

  mutable base::Mutex mu_;
  // deques: their members never move.
  std::deque<Member> members_ NOKV_GUARDED_BY(mu_);
  std::deque<Published> sets_ NOKV_GUARDED_BY(mu_);
  // Holds the first full_count_ tombstones. shared_ptr because iterators keep the set they started
  // with while newer ones are built.
  mutable Set full_ NOKV_GUARDED_BY(mu_) = std::make_shared<const key::RangeTombstones>();
  mutable size_t full_count_ NOKV_GUARDED_BY(mu_) = 0;
};

}  // namespace nokv::memtable
