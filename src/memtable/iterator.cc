// The iterator over a memtable. Forward it follows the list and the chains. Backward neither has
// links: it collects the versions of a key, and a stretch of keys from a search that stops on a
// higher level, and serves from those; so a step back costs a small part of a search.

#include <vector>

#include "base/check.h"
#include "memtable/memtable.h"

namespace nokv::memtable {
namespace {

// A search that stops on level n is about 2^n nodes back. The first steps back search exactly:
// often there is only one.
constexpr uint32_t kBackLevelStep = 2;
constexpr uint32_t kBackLevelMax = 4;

void PrefetchNode(const Node* node) {
  if (node == nullptr) return;
  __builtin_prefetch(node);
  __builtin_prefetch(reinterpret_cast<const char*>(node) + 64);
}

}  // namespace

// Confined to one thread. Valid() == (version_ != nullptr); version_ is in the chain of node_.
class Memtable::Iterator final : public key::EntryIterator {
 public:
  explicit Iterator(const Memtable* table) : table_(*table), list_(table->list_) {}

  bool Valid() const override { return version_ != nullptr; }
  void SeekToFirst() override { EnterFromFront(list_.First()); }
  void SeekToLast() override {
    ForgetEarlier();
    EnterFromBack(list_.Last(), 0);
  }
  void Seek(Slice key, uint64_t trailer) override;
  void SeekBefore(Slice key, uint64_t trailer) override;
  void Next() override;
  void Prev() override;
  Slice key() const override { return node_->key(); }
  uint64_t trailer() const override { return version_->trailer; }
  uint64_t expires_at() const override { return version_->expires_at(); }
  Slice value() const override { return version_->value(); }
  Status status() const override { return Status::Ok(); }

 private:
  const Version* VersionAt(Ref ref) const { return ref == 0 ? nullptr : table_.At<Version>(ref); }
  // To the newest version of `node`, or to the end if it is null.
  void EnterFromFront(const Node* node);
  // To the oldest version of `node` with a trailer above `bound`, which must exist; to the end if
  // null.
  void EnterFromBack(const Node* node, uint64_t bound);
  // Fills newer_ with the versions of node_ down to the oldest above `bound`.
  void CollectNewer(uint64_t bound);
  const Node* NodeBefore();
  void ForgetEarlier() {
    earlier_.clear();
    back_level_ = 0;
  }

  const Memtable& table_;
  const SkipList& list_;
  const Node* node_ = nullptr;
  const Version* version_ = nullptr;

  // The versions of node_ that stand before version_, the nearest last; only if newer_known_.
  std::vector<const Version*> newer_;
  bool newer_known_ = false;
  // Some nodes right before node_, the nearest last.
  std::vector<const Node*> earlier_;
  uint32_t back_level_ = 0;
};

void Memtable::Iterator::EnterFromFront(const Node* node) {
  node_ = node;
  version_ = nullptr;
  newer_known_ = false;
  ForgetEarlier();
  if (node == nullptr) return;
  version_ = VersionAt(node->newest.load(std::memory_order_acquire));
  PrefetchNode(list_.Next(node));
}

void Memtable::Iterator::EnterFromBack(const Node* node, uint64_t bound) {
  node_ = node;
  version_ = nullptr;
  if (node == nullptr) return;
  CollectNewer(bound);
  version_ = newer_.back();
  newer_.pop_back();
}

void Memtable::Iterator::CollectNewer(uint64_t bound) {
  newer_.clear();
  newer_known_ = true;
  const Version* version = VersionAt(node_->newest.load(std::memory_order_acquire));
  while (version != nullptr && version->trailer > bound) {
    newer_.push_back(version);
    version = VersionAt(version->older.load(std::memory_order_acquire));
  }
}

void Memtable::Iterator::Seek(Slice key, uint64_t trailer) {
  // Within the key where it stands, for those who skip versions, no search is needed.
  const Node* const node =
      version_ != nullptr && node_->key() == key ? node_ : list_.FindAtOrAfter(key);
  EnterFromFront(node);
  if (node == nullptr || node->key() != key) return;
  version_ = table_.FindVersion(node, trailer);
  if (version_ == nullptr) EnterFromFront(list_.Next(node));
}

void Memtable::Iterator::SeekBefore(Slice key, uint64_t trailer) {
  ForgetEarlier();
  const Node* before = list_.FindBefore(key, 0);
  const Node* at = before == nullptr ? list_.First() : list_.Next(before);
  while (at != nullptr && at->key() < key) {
    before = at;
    at = list_.Next(at);
  }
  if (at != nullptr && at->key() == key &&
      VersionAt(at->newest.load(std::memory_order_acquire))->trailer > trailer) {
    EnterFromBack(at, trailer);
  } else {
    EnterFromBack(before, 0);
  }
}

void Memtable::Iterator::Next() {
  NOKV_DCHECK(Valid());
  if (const Version* older = VersionAt(version_->older.load(std::memory_order_acquire))) {
    version_ = older;
    newer_known_ = false;
  } else {
    EnterFromFront(list_.Next(node_));
  }
}

void Memtable::Iterator::Prev() {
  NOKV_DCHECK(Valid());
  if (!newer_known_) CollectNewer(version_->trailer);
  if (newer_.empty()) {
    EnterFromBack(NodeBefore(), 0);
  } else {
    version_ = newer_.back();
    newer_.pop_back();
  }
}

const Node* Memtable::Iterator::NodeBefore() {
  if (earlier_.empty()) {
    const Node* node = list_.FindBefore(node_->key(), back_level_);
    if (node == nullptr) node = list_.First();
    for (; node != node_; node = list_.Next(node))
      earlier_.push_back(node);
    if (back_level_ < kBackLevelMax) back_level_ += kBackLevelStep;
    if (earlier_.empty()) return nullptr;
  }
  const Node* const node = earlier_.back();
  earlier_.pop_back();
  return node;
}

std::unique_ptr<key::EntryIterator> Memtable::NewIterator() const {
  return std::make_unique<Iterator>(this);
}

}  // namespace nokv::memtable
