#pragma once

// DbIterator: from the stream of all versions to what a user sees.
//
// Of the versions of a key it shows the newest at or below its snapshot, unless that is a tombstone, has
// expired, or lies under a range tombstone. Bounds and prefix are kept as one half-open range of engine
// keys inside the family's own.
//
// Going forward, the underlying stream stands on the version shown, so key and value are borrowed from it.
// Going backward, the versions of a key come oldest first, so the stream stands before the key shown and
// key and value are copies.
//
// Confined to one thread at a time. Holds its view.

#include <memory>
#include <string>

#include "nokv/iterator.h"
#include "nokv/options.h"

#include "base/clock.h"
#include "db/read_view.h"
#include "db/reader_registry.h"
#include "key/entry.h"
#include "key/range_tombstones.h"

namespace nokv::db {

class DbIterator final : public Iterator {
 public:
  struct Range {
    std::string begin;  // engine keys; [begin, end) lies within one family
    std::string end;
    size_t prefix_length = 0;  // bytes of the family's prefix
  };
  // `clock` and `readers` outlive the iterator.
  DbIterator(ViewPin view,
             Range range,
             key::SequenceNumber snapshot,
             const ReadOptions& options,
             base::Clock* clock,
             ReaderRegistry* readers);

  bool Valid() const override { return valid_; }
  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(Slice target) override;
  void SeekForPrev(Slice target) override;
  void Next() override;
  void Prev() override;
  Slice key() const override;
  Slice value() const override;
  uint64_t expires_at() const override;
  const Status& status() const override { return status_; }

 private:
  // Moves the stream forward to the first version that is shown, skipping all of `skip_key_` if asked.
  void ShowForward(bool skip);
  // With the stream on the newest entry below the position: shows the last visible key at or before it.
  void ShowBackward();
  bool Hidden(Slice key, uint64_t trailer, uint64_t expires_at);
  void Stop();
  void SeekEngine(Slice engine_key);

  const ViewPin view_;  // outlives stream_, which reads its tables
  const ReaderRegistry::Entry registered_;
  const Range range_;
  const key::SequenceNumber snapshot_;
  const bool keys_only_;
  base::Clock* const clock_;
  key::RangeTombstones tombstones_;  // of all sources, where they overlap the range
  std::unique_ptr<key::EntryIterator> stream_;

  bool valid_ = false;
  bool forward_ = true;
  Status status_;
  std::string skip_key_;
  std::string saved_key_, saved_value_;  // what is shown when going backward
  uint64_t saved_expires_at_ = 0;
};

// Valid() is false for ever and status() is the error.
std::unique_ptr<Iterator> NewErrorIterator(Status status);

}  // namespace nokv::db
