#include "db/db_iterator.h"

#include <utility>
#include <vector>

#include "lsm/merging_iterator.h"
#include "lsm/run_iterator.h"

namespace nokv::db {

namespace {

// Versions of one key that are stepped over before a seek is cheaper.
constexpr int kStepsBeforeSeek = 8;

class ErrorIterator final : public Iterator {
 public:
  explicit ErrorIterator(Status status) : status_(std::move(status)) {}
  bool Valid() const override { return false; }
  void SeekToFirst() override {}
  void SeekToLast() override {}
  void Seek(Slice) override {}
  void SeekForPrev(Slice) override {}
  void Next() override {}
  void Prev() override {}
  Slice key() const override { return {}; }
  Slice value() const override { return {}; }
  uint64_t expires_at() const override { return 0; }
  const Status& status() const override { return status_; }

 private:
  const Status status_;
};

void AddOverlapping(const key::RangeTombstones& from,
                    const key::KeyRange& range,
                    std::vector<key::RangeTombstone>* to) {
  for (size_t i = from.FirstEndingAfter(range.begin); i < from.size(); ++i) {
    const auto& fragment = from.fragment(i);
    if (fragment.begin >= range.end) break;
    for (size_t s = 0; s < fragment.seq_count; ++s) {
      to->push_back({fragment.begin, fragment.end, fragment.seqs[s]});
    }
  }
}

key::RangeTombstones CollectTombstones(const ReadView& view, const key::KeyRange& range) {
  std::vector<key::RangeTombstone> list;
  std::vector<std::shared_ptr<const key::RangeTombstones>> held;
  for (const MemtableRef& memtable : view.memtables) {
    if (auto own = memtable->FragmentedTombstones(); own != nullptr && !own->empty()) {
      AddOverlapping(*own, range, &list);
      held.push_back(std::move(own));
    }
  }
  if (view.version->has_range_tombstones()) {
    for (const lsm::Run& run : view.version->runs()) {
      for (size_t i = run.FirstEndingAfter(range.begin); i < run.tables().size(); ++i) {
        const lsm::Table& table = *run.tables()[i];
        if (table.meta().begin >= range.end) break;
        if (table.meta().range_deletes > 0) {
          AddOverlapping(table.reader().range_tombstones(), range, &list);
        }
      }
    }
  }
  return key::RangeTombstones::Build(std::move(list));
}

std::unique_ptr<key::EntryIterator> NewStream(const ReadView& view, const ReadOptions& options) {
  std::vector<std::unique_ptr<key::EntryIterator>> sources;
  for (const MemtableRef& memtable : view.memtables) {
    if (!memtable->empty()) sources.push_back(memtable->NewIterator());
  }
  sst::IteratorOptions table_options;
  table_options.fill_cache = options.fill_cache;
  table_options.readahead_bytes = options.readahead_bytes;
  for (const lsm::Run& run : view.version->runs()) {
    sources.push_back(lsm::NewRunIterator(run, table_options));
  }
  return lsm::NewMergingIterator(std::move(sources));
}

}  // namespace

std::unique_ptr<Iterator> NewErrorIterator(Status status) {
  return std::make_unique<ErrorIterator>(std::move(status));
}

DbIterator::DbIterator(ViewPin view,
                       Range range,
                       key::SequenceNumber snapshot,
                       const ReadOptions& options,
                       base::Clock* clock,
                       ReaderRegistry* readers)
    : view_(std::move(view)),
      registered_(readers->Add(options.label, snapshot, &*view_)),
      range_(std::move(range)),
      snapshot_(snapshot),
      keys_only_(options.keys_only),
      clock_(clock),
      tombstones_(CollectTombstones(*view_, {range_.begin, range_.end})),
      stream_(NewStream(*view_, options)) {}

void DbIterator::Stop() {
  valid_ = false;
  status_ = stream_->status();
}

bool DbIterator::Hidden(Slice key, uint64_t trailer, uint64_t expires_at) {
  if (key::TrailerKind(trailer) == key::Kind::kDelete) return true;
  if (!tombstones_.empty() &&
      tombstones_.NewestCovering(key, snapshot_) > key::TrailerSequence(trailer)) {
    return true;
  }
  return expires_at != 0 && expires_at <= clock_->WallMillis();
}

void DbIterator::ShowForward(bool skip) {
  forward_ = true;
  int steps = 0;
  while (stream_->Valid()) {
    const Slice key = stream_->key();
    if (key >= range_.end) break;
    const uint64_t trailer = stream_->trailer();
    if (skip && key == skip_key_) {
      if (++steps < kStepsBeforeSeek) {
        stream_->Next();
      } else {
        stream_->Seek(skip_key_, 0);  // behind every version of the key
        if (stream_->Valid() && stream_->key() == skip_key_) stream_->Next();
      }
      continue;
    }
    if (key::TrailerSequence(trailer) > snapshot_) {
      stream_->Next();
      continue;
    }
    if (Hidden(key, trailer, stream_->expires_at())) {
      skip_key_.assign(key);
      skip = true;
      steps = 0;
      stream_->Next();
      continue;
    }
    valid_ = true;
    return;
  }
  if (!stream_->Valid() && !stream_->status().ok()) {
    Stop();
    return;
  }
  valid_ = false;
  status_ = Status::Ok();
}

void DbIterator::SeekEngine(Slice engine_key) {
  stream_->Seek(engine_key, UINT64_MAX);
  ShowForward(false);
}

void DbIterator::SeekToFirst() { SeekEngine(range_.begin); }

void DbIterator::Seek(Slice target) {
  std::string engine_key = range_.begin.substr(0, range_.prefix_length);
  engine_key.append(target);
  SeekEngine(engine_key < range_.begin ? Slice(range_.begin) : Slice(engine_key));
}

void DbIterator::SeekToLast() {
  stream_->SeekBefore(range_.end, UINT64_MAX);
  ShowBackward();
}

void DbIterator::SeekForPrev(Slice target) {
  std::string engine_key = range_.begin.substr(0, range_.prefix_length);
  engine_key.append(target);
  if (engine_key >= range_.end) {
    SeekToLast();
    return;
  }
  // Before the first entry of the next possible key: on the oldest version of `target`, or before it.
  engine_key.push_back('\0');
  stream_->SeekBefore(engine_key, UINT64_MAX);
  ShowBackward();
}

void DbIterator::ShowBackward() {
  forward_ = false;
  // The versions of a key arrive oldest first; the last one at or below the snapshot is the one to judge.
  while (stream_->Valid() && stream_->key() >= range_.begin) {
    saved_key_.assign(stream_->key());
    bool shown = false;
    while (stream_->Valid() && stream_->key() == saved_key_) {
      const uint64_t trailer = stream_->trailer();
      if (key::TrailerSequence(trailer) <= snapshot_) {
        shown = !Hidden(saved_key_, trailer, stream_->expires_at());
        if (shown) {
          if (!keys_only_) saved_value_.assign(stream_->value());
          saved_expires_at_ = stream_->expires_at();
        }
      }
      stream_->Prev();
    }
    if (!stream_->Valid() && !stream_->status().ok()) break;
    if (shown) {
      valid_ = true;
      status_ = Status::Ok();
      return;
    }
  }
  Stop();
}

void DbIterator::Next() {
  if (forward_) {
    skip_key_.assign(stream_->key());
    stream_->Next();
  } else {
    skip_key_.assign(saved_key_);
    stream_->Seek(skip_key_, 0);
  }
  ShowForward(true);
}

void DbIterator::Prev() {
  if (forward_) {
    saved_key_.assign(stream_->key());
    stream_->SeekBefore(saved_key_, UINT64_MAX);
  }
  ShowBackward();
}

Slice DbIterator::key() const {
  const Slice engine_key = forward_ ? stream_->key() : Slice(saved_key_);
  return engine_key.substr(range_.prefix_length);
}

Slice DbIterator::value() const {
  if (keys_only_) return {};
  return forward_ ? stream_->value() : Slice(saved_value_);
}

uint64_t DbIterator::expires_at() const {
  return forward_ ? stream_->expires_at() : saved_expires_at_;
}

}  // namespace nokv::db
