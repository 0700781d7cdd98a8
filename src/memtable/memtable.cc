#include "memtable/memtable.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "base/round.h"

namespace nokv::memtable {
namespace {

constexpr size_t kLineBytes = 64;

// One byte in ten for the directory: enough slots for keys and values of 60 bytes together; a table
// of smaller entries is full when its directory is.
constexpr size_t kDirectoryShare = 10;

// One byte in 512 for the fingers: one finger per half a dozen nodes of ordinary size. Many more
// would not stay in the processor's cache.
constexpr size_t kFingerShare = 512;

// From here on a table counts as full: in the worst case fragments grow with the square of the
// tombstones.
constexpr size_t kTombstoneCountMax = 4096;

// How many versions of a key a reader looks at before it tries the express lane.
constexpr int kStepsBeforeExpress = 8;

uint64_t NewestTrailerAt(key::SequenceNumber snapshot) {
  NOKV_DCHECK(snapshot <= key::kMaxSequence);
  return snapshot << 8 | 0xff;
}

}  // namespace

// From front to back: directory, fingers, head of the list, arena; each begins a cache line.
struct Memtable::Layout {
  size_t directory_bytes;
  size_t finger_bytes;
  size_t arena_offset;
  size_t arena_bytes;

  explicit Layout(size_t capacity)
      : directory_bytes(capacity / kDirectoryShare / kLineBytes * kLineBytes),
        finger_bytes(base::RoundUp(capacity / kFingerShare, kLineBytes)),
        arena_offset(cleared_bytes() + base::RoundUp(SkipList::kHeadBytes, kLineBytes)),
        arena_bytes(capacity - arena_offset) {}
  size_t slot_count() const { return directory_bytes / Directory::kSlotBytes; }
  size_t finger_count() const { return finger_bytes / Fingers::kSlotBytes; }
  // What must be zero in the beginning.
  size_t cleared_bytes() const { return directory_bytes + finger_bytes; }
};

Result<std::unique_ptr<Memtable>> Memtable::Create(uint64_t id, const MemtableOptions& options) {
  if (options.capacity_bytes < kCapacityBytesMin || options.capacity_bytes > kCapacityBytesMax) {
    return Status::InvalidArgument("memtable capacity of " +
                                   std::to_string(options.capacity_bytes) +
                                   " bytes is not between " + std::to_string(kCapacityBytesMin) +
                                   " and " + std::to_string(kCapacityBytesMax));
  }
  const Layout layout(options.capacity_bytes);
  NOKV_ASSIGN_OR_RETURN(base::PageRegion region,
                        options.pages != nullptr ? options.pages->Acquire(options.capacity_bytes)
                                                 : base::PageRegion::Map(options.capacity_bytes));
  region.Populate(0, layout.arena_offset + std::min(options.resident_bytes, layout.arena_bytes));
  if (!region.zeroed()) std::memset(region.data(), 0, layout.cleared_bytes());
  return std::unique_ptr<Memtable>(new Memtable(id, std::move(region), layout));
}

Memtable::Memtable(uint64_t id, base::PageRegion region, const Layout& layout)
    : id_(id),
      region_(std::move(region)),
      base_(region_.data() + layout.arena_offset),
      directory_(region_.data(), layout.slot_count()),
      list_(base_,
            region_.data() + layout.cleared_bytes(),
            region_.data() + layout.directory_bytes,
            layout.finger_count()),
      key_count_max_(Directory::KeysMax(layout.slot_count())),
      arena_(base_, layout.arena_bytes) {}

size_t Memtable::CapacityFor(size_t bytes, size_t entries) {
  // Directory and fingers take less than a ninth of the whole; what is rounded is a few lines.
  static_assert(kDirectoryShare >= 10 && kFingerShare >= 100);
  const size_t for_bytes = (bytes + SkipList::kHeadBytes + 8 * kLineBytes) / 8 * 9;
  const size_t for_entries =
      (entries / 3 * 4 + 2 * kLineBytes) * Directory::kSlotBytes * kDirectoryShare;
  return base::RoundUp(std::max({for_bytes, for_entries, kCapacityBytesMin}), 4096);
}

bool Memtable::TryReserve(size_t bytes, size_t entries) {
  if (tombstones_.count() >= kTombstoneCountMax && !empty()) return false;
  // Every entry reserved may be a new key, but for those that turned out to be updates.
  const uint64_t keys = entries_reserved_ - update_count_.load(std::memory_order_relaxed);
  if (keys + entries > key_count_max_) return false;
  if (!arena_.TryReserve(bytes)) return false;
  entries_reserved_ += entries;
  return true;
}

void Memtable::Add(const key::Entry& entry, uint64_t hash) {
  NOKV_DCHECK(entry.kind() != key::Kind::kRangeDelete);
  NOKV_DCHECK(hash == base::Hash64(entry.key));
  size_t slot;
  if (Node* const node = Find(entry.key, hash, &slot)) {
    AddUpdate(entry, node);
  } else {
    AddKey(entry, hash, slot);
  }
  NoteSequence(entry.seq());
}

Node* Memtable::Find(Slice key, uint64_t hash, size_t* slot) const {
  const Ref ref = directory_.Find(
      hash, slot, [this, key](Ref candidate) { return At<Node>(candidate)->key() == key; });
  return ref == base::Arena::kNull ? nullptr : At<Node>(ref);
}

void Memtable::AddUpdate(const key::Entry& entry, Node* node) {
  const size_t bytes = Version::BytesFor(entry.trailer, entry.expires_at != 0, entry.value.size());
  const Ref ref = arena_.Claim(bytes, BlockBytesMax(entry.key.size(), entry.value.size()));
  Push(node, WriteVersion(entry, ref), ref);
  update_count_.fetch_add(1, std::memory_order_relaxed);
}

void Memtable::AddKey(const key::Entry& entry, uint64_t hash, size_t slot) {
  const uint32_t height = Node::HeightFor(hash);
  const size_t node_bytes = Node::BytesFor(entry.key.size(), height);
  const size_t version_bytes =
      Version::BytesFor(entry.trailer, entry.expires_at != 0, entry.value.size());
  const Ref ref =
      arena_.Claim(node_bytes + version_bytes, BlockBytesMax(entry.key.size(), entry.value.size()));

  const Ref version_ref = ref + static_cast<Ref>(node_bytes / base::Arena::kUnitBytes);
  Version* const version = WriteVersion(entry, version_ref);
  if (Version::HasJump(entry.trailer)) *version->jump() = 0;
  Node* const node = ::new (At<char>(ref)) Node{{version_ref},
                                                {Version::HasJump(entry.trailer) ? version_ref : 0},
                                                static_cast<uint32_t>(entry.key.size()),
                                                height};
  std::memcpy(node->key_data(), entry.key.data(), entry.key.size());

  if (const Ref other = list_.Insert(ref); other != 0) {
    // Somebody else made this key's node meanwhile and may not have come to the directory yet (1).
    directory_.Insert(hash, slot, other);
    Push(At<Node>(other), version, version_ref);
    update_count_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  directory_.Insert(hash, slot, ref);
  if (key_count_.fetch_add(1, std::memory_order_relaxed) + 1 == kLearnKeyCount) list_.Learn();
}

Version* Memtable::WriteVersion(const key::Entry& entry, Ref ref) {
  NOKV_DCHECK(entry.value.size() <= Version::kValueBytesMax);
  const auto value_size = static_cast<uint32_t>(entry.value.size());
  Version* const version = ::new (At<char>(ref))
      Version{entry.trailer, {0}, value_size | (entry.expires_at != 0 ? Version::kExpires : 0)};
  char* to = version->tail();
  if (entry.expires_at != 0) {
    std::memcpy(to, &entry.expires_at, sizeof entry.expires_at);
    to += sizeof entry.expires_at;
  }
  if (Version::HasJump(entry.trailer)) to += 8;
  if (value_size > 0) std::memcpy(to, entry.value.data(), value_size);
  return version;
}

void Memtable::Push(Node* node, Version* version, Ref ref) {
  std::atomic<Ref>* place = &node->newest;
  // acquire, here and below: what the ref leads to is about to be read.
  Ref next = place->load(std::memory_order_acquire);
  for (;;) {
    // Mostly the first one is older. Versions that overtook this one stand before it.
    while (next != 0 && At<Version>(next)->trailer > version->trailer) {
      place = &At<Version>(next)->older;
      next = place->load(std::memory_order_acquire);
    }
    version->older.store(next, std::memory_order_relaxed);
    // release: publishes the version. Pairs with acquire in FindVersion and in the iterator.
    if (place->compare_exchange_strong(next, ref, std::memory_order_release,
                                       std::memory_order_acquire)) {
      break;
    }
  }
  if (Version::HasJump(version->trailer)) EnterExpressLane(node, version, ref);
}

void Memtable::EnterExpressLane(Node* node, Version* version, Ref ref) {
  Ref next = node->express.load(std::memory_order_acquire);
  do {
    // The lane has passed this version already; it stays in the chain only.
    if (next != 0 && At<Version>(next)->trailer > version->trailer) return;
    *version->jump() = next;
    // release: publishes the jump. Pairs with acquire in FindVersion.
  } while (!node->express.compare_exchange_weak(next, ref, std::memory_order_release,
                                                std::memory_order_acquire));
}

const Version* Memtable::FindVersion(const Node* node, uint64_t bound) const {
  Ref ref = node->newest.load(std::memory_order_acquire);
  for (int step = 0; ref != 0; ++step) {
    const Version* version = At<Version>(ref);
    if (version->trailer <= bound) return version;
    if (step == kStepsBeforeExpress) {
      Ref lane = node->express.load(std::memory_order_acquire);
      while (lane != 0 && At<Version>(lane)->trailer > bound) {
        version = At<Version>(lane);
        lane = *At<Version>(lane)->jump();
      }
    }
    ref = version->older.load(std::memory_order_acquire);
  }
  return nullptr;
}

void Memtable::NoteSequence(key::SequenceNumber seq) {
  uint64_t last = last_seq_.load(std::memory_order_relaxed);
  while (seq > last && !last_seq_.compare_exchange_weak(last, seq, std::memory_order_relaxed)) {
  }
  uint64_t first = first_seq_.load(std::memory_order_relaxed);
  while (seq < first && !first_seq_.compare_exchange_weak(first, seq, std::memory_order_relaxed)) {
  }
}

void Memtable::AddRangeTombstone(Slice begin, Slice end, key::SequenceNumber seq) {
  tombstones_.Add(begin, end, seq);
  NoteSequence(seq);
}

void Memtable::Prefetch(std::span<const uint64_t> hashes) const {
  for (; !hashes.empty(); hashes = hashes.subspan(std::min(hashes.size(), kPrefetchGroup))) {
    const auto group = hashes.first(std::min(hashes.size(), kPrefetchGroup));
    Ref nodes[kPrefetchGroup];
    for (const uint64_t hash : group) directory_.Prefetch(hash);
    for (size_t i = 0; i < group.size(); ++i) {
      // The first whose tag matches, unseen: most likely the only one.
      size_t slot;
      nodes[i] = directory_.Find(group[i], &slot, [](Ref) { return true; });
      // Header, links and key of nearly every node are within two lines.
      __builtin_prefetch(At<char>(nodes[i]));
      __builtin_prefetch(At<char>(nodes[i]) + sizeof(Node) + 32);
    }
    for (size_t i = 0; i < group.size(); ++i) {
      if (nodes[i] == base::Arena::kNull) continue;
      __builtin_prefetch(At<char>(At<Node>(nodes[i])->newest.load(std::memory_order_acquire)));
    }
  }
}

bool Memtable::Get(Slice key,
                   uint64_t hash,
                   key::SequenceNumber snapshot,
                   key::Entry* entry) const {
  size_t slot;
  const Node* const node = Find(key, hash, &slot);
  if (node == nullptr) return false;
  const Version* const version = FindVersion(node, NewestTrailerAt(snapshot));
  if (version == nullptr) return false;
  *entry = {node->key(), version->trailer, version->expires_at(), version->value()};
  return true;
}

void Memtable::PopulateAhead(size_t bytes) const {
  const size_t from = arena_.claimed_bytes();
  region_.Populate(static_cast<size_t>(base_ - region_.data()) + from,
                   std::min(bytes, arena_.capacity_bytes() - from));
}

}  // namespace nokv::memtable
