#include "lsm/merging_iterator.h"

#include <cstdint>
#include <string>
#include <utility>

namespace nokv::lsm {

namespace {

class EmptyIterator final : public key::EntryIterator {
 public:
  bool Valid() const override { return false; }
  void SeekToFirst() override {}
  void SeekToLast() override {}
  void Seek(Slice, uint64_t) override {}
  void SeekBefore(Slice, uint64_t) override {}
  void Next() override {}
  void Prev() override {}
  Slice key() const override { return {}; }
  uint64_t trailer() const override { return 0; }
  uint64_t expires_at() const override { return 0; }
  Slice value() const override { return {}; }
  Status status() const override { return Status::Ok(); }
};

class MergingIterator final : public key::EntryIterator {
 public:
  explicit MergingIterator(std::vector<std::unique_ptr<key::EntryIterator>> sources)
      : sources_(std::move(sources)) {
    heap_.reserve(sources_.size());
  }

  bool Valid() const override { return !heap_.empty(); }

  void SeekToFirst() override {
    Reposition(true, [](key::EntryIterator* source) { source->SeekToFirst(); });
  }
  void SeekToLast() override {
    Reposition(false, [](key::EntryIterator* source) { source->SeekToLast(); });
  }
  void Seek(Slice key, uint64_t trailer) override {
    Reposition(true, [&](key::EntryIterator* source) { source->Seek(key, trailer); });
  }
  void SeekBefore(Slice key, uint64_t trailer) override {
    Reposition(false, [&](key::EntryIterator* source) { source->SeekBefore(key, trailer); });
  }

  void Next() override {
    if (!forward_) {
      // The other sources stand before the current entry; bring all of them to it, then move on.
      turn_key_.assign(key());
      Seek(turn_key_, trailer());
      if (!Valid()) return;
    }
    heap_[0].source->Next();
    AfterTopMoved();
  }

  void Prev() override {
    if (forward_) {
      turn_key_.assign(key());
      SeekBefore(turn_key_, trailer());
      return;
    }
    heap_[0].source->Prev();
    AfterTopMoved();
  }

  Slice key() const override { return heap_[0].key; }
  uint64_t trailer() const override { return heap_[0].trailer; }
  uint64_t expires_at() const override { return heap_[0].source->expires_at(); }
  Slice value() const override { return heap_[0].source->value(); }
  Status status() const override { return status_; }

 private:
  struct Item {
    uint64_t head;
    uint64_t trailer;
    Slice key;
    key::EntryIterator* source;
  };

  static Item ItemOf(key::EntryIterator* source) {
    const Slice key = source->key();
    return {key::KeyHead(key), source->trailer(), key, source};
  }

  // Does `a` come out before `b` in the present direction?
  bool Before(const Item& a, const Item& b) const {
    if (a.head != b.head) return (a.head < b.head) == forward_;
    const int order = key::CompareEntries(a.key, a.trailer, b.key, b.trailer);
    return forward_ ? order < 0 : order > 0;
  }

  template <typename Position>
  void Reposition(bool forward, Position position) {
    forward_ = forward;
    heap_.clear();
    status_ = Status::Ok();
    for (const auto& source : sources_) {
      position(source.get());
      if (source->Valid()) {
        heap_.push_back(ItemOf(source.get()));
      } else if (!Healthy(*source)) {
        return;
      }
    }
    for (size_t i = heap_.size() / 2; i > 0; --i) SiftDown(i - 1);
  }

  void AfterTopMoved() {
    key::EntryIterator* source = heap_[0].source;
    if (source->Valid()) {
      heap_[0] = ItemOf(source);
    } else {
      if (!Healthy(*source)) return;
      heap_[0] = heap_.back();
      heap_.pop_back();
    }
    if (heap_.size() > 1) SiftDown(0);
  }

  bool Healthy(const key::EntryIterator& source) {
    Status status = source.status();
    if (status.ok()) return true;
    status_ = std::move(status);
    heap_.clear();
    return false;
  }

  void SiftDown(size_t hole) {
    const Item item = heap_[hole];
    const size_t size = heap_.size();
    for (;;) {
      size_t child = 2 * hole + 1;
      if (child >= size) break;
      if (child + 1 < size && Before(heap_[child + 1], heap_[child])) ++child;
      if (!Before(heap_[child], item)) break;
      heap_[hole] = heap_[child];
      hole = child;
    }
    heap_[hole] = item;
  }

  const std::vector<std::unique_ptr<key::EntryIterator>> sources_;
  std::vector<Item> heap_;  // the sources that are valid; the next entry on top
  bool forward_ = true;
  std::string turn_key_;
  Status status_;
};

}  // namespace

std::unique_ptr<key::EntryIterator> NewMergingIterator(
    std::vector<std::unique_ptr<key::EntryIterator>> sources) {
  if (sources.empty()) return std::make_unique<EmptyIterator>();
  if (sources.size() == 1) return std::move(sources[0]);
  return std::make_unique<MergingIterator>(std::move(sources));
}

}  // namespace nokv::lsm
