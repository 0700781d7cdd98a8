#pragma once

// Memtable: the newest entries, in memory, in key order, for many writers and readers at once.
//
// One region of recycled memory holds a directory (directory.h: a key's hash to its node), and an
// arena of nodes in a skip list (skiplist.h: keys in order), each with the chain of its versions
// (node.h), newest first. A read is one probe of the directory. A write of a known key is one probe
// and one compare-and-swap on the chain; a write of a new key adds a node to the list.
//
// The sequence of a new key is: write node and version; link into level 0 of the list, where of two
// nodes with one key one stays out; enter the directory; link into the upper levels. A second
// writer of the same key that meets the node before it is in the directory enters it too, before it
// returns. So:
//
// Invariants:
//  1. When Add returns, its entry is found by Get and by iterators, whoever made the node.
//  2. One node per distinct key; one version per Add.
//  3. A chain of versions is in descending sequence order, whatever order they arrive in.
//  4. Memory and directory slots are reserved before they are used: an Add never fails.
//  5. Nothing is removed, moved or overwritten while the memtable lives: slices into it stay valid.
//
// Thread safety: Add, AddRangeTombstone and everything const are thread-safe; Add, Get and the
// iterators take no lock, and Add and Get do not call malloc. TryReserve is externally
// synchronised. The owner sees to it that nobody uses the memtable when it goes.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "nokv/result.h"
#include "nokv/slice.h"

#include "base/arena.h"
#include "base/page_pool.h"
#include "key/entry.h"
#include "key/range_tombstones.h"
#include "memtable/directory.h"
#include "memtable/node.h"
#include "memtable/skiplist.h"
#include "memtable/tombstone_list.h"

namespace nokv::memtable {

struct MemtableOptions {
  // Everything but range tombstones: directory, nodes and versions. Between kCapacityBytesMin and
  // kCapacityBytesMax. More folds more overwrites before they reach a table, and costs memory
  // twice: for the table that fills and for those being flushed.
  size_t capacity_bytes = size_t{128} << 20;

  // Where the region comes from, and where it goes back to; must outlive the memtable. nullptr maps
  // one that is unmapped at the end.
  base::PagePool* pages = nullptr;

  // How much of the arena Create makes resident, beside the directory. The rest is touched by the
  // writes that reach it first, at up to 0.5 ms for each 2 MiB. A memtable that is made in the
  // background under load takes capacity_bytes; a small database takes little.
  size_t resident_bytes = size_t{2} << 20;
};

class Memtable {
 public:
  static constexpr size_t kCapacityBytesMin = size_t{16} << 10;
  static constexpr size_t kCapacityBytesMax = base::Arena::kCapacityBytesMax;

  // Clears the directory and touches memory: milliseconds for a big one, so not on a writer's path.
  // kInvalidArgument if the capacity is out of bounds, kIOError if there is no memory.
  static Result<std::unique_ptr<Memtable>> Create(uint64_t id, const MemtableOptions& options);

  Memtable(const Memtable&) = delete;
  Memtable& operator=(const Memtable&) = delete;

  // What Add may use at most for one operation with this key and value size.
  static constexpr size_t ChargeFor(size_t key_bytes, size_t value_bytes) {
    return base::Arena::BlockBytes(BlockBytesMax(key_bytes, value_bytes));
  }
  // The least capacity_bytes with which an empty memtable accepts TryReserve(bytes, entries).
  static size_t CapacityFor(size_t bytes, size_t entries);

  // Claims `bytes`, a sum of charges, and directory slots for `entries` Adds; false, and nothing is
  // claimed, if they do not fit any more: then it is time for the next memtable. What an Add turns
  // out not to need, it gives back. Range tombstones need no reservation.
  bool TryReserve(size_t bytes, size_t entries);

  // Adds one version. REQUIRES: reserved; hash == base::Hash64(entry.key); the kind is not
  // kRangeDelete; no other Add has this sequence number.
  void Add(const key::Entry& entry, uint64_t hash);

  // Hides every key in [begin, end) below `seq`. Takes a lock and allocates: rare by nature.
  void AddRangeTombstone(Slice begin, Slice end, key::SequenceNumber seq);

  // Brings what Get or Add with these hashes look at into the processor's caches: the misses of up to
  // kPrefetchGroup keys overlap, where one operation after the other would wait for each.
  static constexpr size_t kPrefetchGroup = 16;
  void Prefetch(std::span<const uint64_t> hashes) const;

  // The newest version with a sequence number at or below `snapshot`. Sees every entry whose Add
  // returned before the snapshot was taken.
  bool Get(Slice key, uint64_t hash, key::SequenceNumber snapshot, key::Entry* entry) const;

  // The newest range tombstone at or below `snapshot` that covers `key`; 0 if there is none.
  key::SequenceNumber NewestCovering(Slice key, key::SequenceNumber snapshot) const {
    return tombstones_.NewestCovering(key, snapshot);
  }
  // In order of arrival; the slices are valid as long as the memtable.
  std::vector<key::RangeTombstone> range_tombstones() const { return tombstones_.All(); }
  // All that were added before the call. Shared until the next one is added.
  std::shared_ptr<const key::RangeTombstones> FragmentedTombstones() const {
    return tombstones_.Fragments();
  }

  // All versions of all keys, concurrently with Adds: sees what was added before it was positioned,
  // and maybe what came later. The memtable must outlive it.
  std::unique_ptr<key::EntryIterator> NewIterator() const;

  // Makes the next `bytes` of the arena resident, from any thread: see
  // MemtableOptions::resident_bytes.
  void PopulateAhead(size_t bytes) const;

  uint64_t id() const { return id_; }
  // What the entries take: grows to about capacity_bytes() - directory.
  size_t memory_bytes() const { return arena_.claimed_bytes() + tombstones_.memory_bytes(); }
  // Of the arena, with what is reserved: 0 when empty, 1 when TryReserve refuses everything.
  double fill() const {
    return static_cast<double>(arena_.reserved_bytes()) /
           static_cast<double>(arena_.capacity_bytes());
  }
  // Held from the system or the pool, whatever is in it.
  size_t region_bytes() const { return region_.size(); }

  // Versions of point entries; distinct keys; range tombstones. Exact when no Add is running.
  uint64_t entry_count() const {
    return key_count() + update_count_.load(std::memory_order_relaxed);
  }
  uint64_t key_count() const { return key_count_.load(std::memory_order_relaxed); }
  uint64_t tombstone_count() const { return tombstones_.count(); }
  bool empty() const { return entry_count() == 0 && tombstones_.empty(); }

  // The smallest and the largest sequence number added, of entries and range tombstones. REQUIRES:
  // !empty().
  key::SequenceNumber first_seq() const { return first_seq_.load(std::memory_order_relaxed); }
  key::SequenceNumber last_seq() const { return last_seq_.load(std::memory_order_relaxed); }

 private:
  class Iterator;
  struct Layout;
  // Learning earlier sees too few keys, later leaves more links to correct.
  static constexpr uint64_t kLearnKeyCount = 256;

  Memtable(uint64_t id, base::PageRegion region, const Layout& layout);

  static constexpr size_t BlockBytesMax(size_t key_bytes, size_t value_bytes) {
    return Node::BytesFor(key_bytes, kHeightMax) + sizeof(Version) + 16 + value_bytes;
  }

  template <typename T>
  T* At(Ref ref) const {
    return base::Arena::Resolve<T>(base_, ref);
  }
  Node* Find(Slice key, uint64_t hash, size_t* slot) const;
  void AddKey(const key::Entry& entry, uint64_t hash, size_t slot);
  void AddUpdate(const key::Entry& entry, Node* node);
  // Writes a version at `ref`; it is in no chain yet.
  Version* WriteVersion(const key::Entry& entry, Ref ref);
  // Puts a version into its place in the chain.
  void Push(Node* node, Version* version, Ref ref);
  void EnterExpressLane(Node* node, Version* version, Ref ref);
  // The newest version of `node` with trailer <= bound; nullptr if there is none.
  const Version* FindVersion(const Node* node, uint64_t bound) const;
  void NoteSequence(key::SequenceNumber seq);

  // Constant after construction, and what reads use: nothing that an Add changes is near.
  const uint64_t id_;
  const base::PageRegion region_;
  char* const base_;
  Directory directory_;
  SkipList list_;
  TombstoneList tombstones_;
  const size_t key_count_max_;

  // What every Add changes, on one cache line: contended, so it moves between processors once per
  // Add. The atomics are used relaxed: they are numbers, and publish nothing.
  alignas(64) base::Arena arena_;
  std::atomic<uint64_t> key_count_{0};
  std::atomic<uint64_t> update_count_{0};  // Adds that needed no directory slot
  std::atomic<uint64_t> first_seq_{UINT64_MAX};
  std::atomic<uint64_t> last_seq_{0};
  uint64_t entries_reserved_ = 0;  // only TryReserve
};

}  // namespace nokv::memtable
