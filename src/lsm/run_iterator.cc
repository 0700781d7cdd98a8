#include "lsm/run_iterator.h"

#include <span>

namespace nokv::lsm {

namespace {

class RunIterator final : public key::EntryIterator {
 public:
  RunIterator(const Run& run, const sst::IteratorOptions& options) : run_(run), options_(options) {}

  bool Valid() const override { return table_ != nullptr && table_->Valid(); }

  void SeekToFirst() override {
    Open(0);
    if (table_) table_->SeekToFirst();
    SkipForward();
  }
  void SeekToLast() override {
    Open(run_.tables().size() - 1);  // wraps to no table if the run is empty
    if (table_) table_->SeekToLast();
    SkipBackward();
  }
  void Seek(Slice key, uint64_t trailer) override {
    Open(run_.FirstEndingAfter(key));
    if (table_) table_->Seek(key, trailer);
    SkipForward();
  }
  void SeekBefore(Slice key, uint64_t trailer) override {
    // The first table that ends after the key may hold entries before it; if it does not, the one to its
    // left does.
    const size_t i = run_.FirstEndingAfter(key);
    if (i < run_.tables().size()) {
      Open(i);
      if (table_) table_->SeekBefore(key, trailer);
    } else {
      Open(run_.tables().size() - 1);
      if (table_) table_->SeekToLast();
    }
    SkipBackward();
  }
  void Next() override {
    table_->Next();
    SkipForward();
  }
  void Prev() override {
    table_->Prev();
    SkipBackward();
  }
  Slice key() const override { return table_->key(); }
  uint64_t trailer() const override { return table_->trailer(); }
  uint64_t expires_at() const override { return table_->expires_at(); }
  Slice value() const override { return table_->value(); }
  Status status() const override { return table_ ? table_->status() : Status::Ok(); }

 private:
  void Open(size_t index) {
    if (table_ && index == index_) return;
    index_ = index;
    if (index < run_.tables().size()) {
      table_ = run_.tables()[index]->reader().NewIterator(options_);
    } else {
      table_.reset();
    }
  }
  // A table may hold only range tombstones, so moving on is a loop. An error stops it.
  void SkipForward() {
    while (table_ && !table_->Valid() && table_->status().ok()) {
      Open(index_ + 1);
      if (table_) table_->SeekToFirst();
    }
  }
  void SkipBackward() {
    while (table_ && !table_->Valid() && table_->status().ok()) {
      if (index_ == 0) {
        table_.reset();
        return;
      }
      Open(index_ - 1);
      if (table_) table_->SeekToLast();
    }
  }

  const Run& run_;
  const sst::IteratorOptions options_;
  size_t index_ = 0;
  std::unique_ptr<key::EntryIterator> table_;  // null before the first seek and at the ends
};

}  // namespace

std::unique_ptr<key::EntryIterator> NewRunIterator(const Run& run,
                                                   const sst::IteratorOptions& options) {
  if (run.tables().size() == 1) return run.tables()[0]->reader().NewIterator(options);
  return std::make_unique<RunIterator>(run, options);
}

}  // namespace nokv::lsm
