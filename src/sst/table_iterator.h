#pragma once

// TableIterator: the entries of one table in order, in both directions, block by block.
//
// A block comes from the cache or, if it is not there, through a ReadWindow, which reads ahead once
// reads follow each other. Values are handed out where they lie in the block; keys where the cursor
// put them together.
//
// Confined to one thread; does not outlive the reader that made it.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "nokv/slice.h"
#include "nokv/status.h"

#include "key/entry.h"
#include "sst/block.h"
#include "sst/index.h"
#include "sst/table_file.h"
#include "sst/table_reader.h"

namespace nokv::sst {

enum class Direction : uint8_t { kForward, kBackward };

// Bytes of neighbouring blocks, read from the device at once.
class ReadWindow {
 public:
  ReadWindow(const TableFile* file, const Index* index, size_t readahead_bytes)
      : file_(file), index_(index), readahead_bytes_(readahead_bytes) {}

  // *stored is block i with its trailer, unchecked, valid until the next call. A miss reads the
  // block, and with it blocks that follow in this direction.
  Status Fetch(uint32_t i, Direction direction, Slice* stored);

  // What a reader that adapts reads ahead first and at most.
  static constexpr size_t kFirstReadahead = 16 << 10;
  static constexpr size_t kReadaheadMax = 256 << 10;

 private:
  // Is [begin, end) next to the window, on the side that lies ahead?
  bool Follows(uint64_t begin, uint64_t end, Direction direction) const;
  // How many bytes to ask for with a block that does, or does not.
  size_t Ahead(bool follows);

  const TableFile* const file_;
  const Index* const index_;
  const size_t readahead_bytes_;
  std::unique_ptr<char[]> memory_;
  size_t capacity_ = 0;
  uint64_t begin_ = 0;  // offset of bytes_ in the file
  Slice bytes_;
  size_t next_ahead_ = 0;  // bytes to read if the next miss follows the window
};

class TableIterator final : public key::EntryIterator {
 public:
  TableIterator(const TableFile* file, const Index* index, const IteratorOptions& options)
      : file_(file),
        index_(index),
        cache_(options.bypass_cache ? nullptr : file->cache()),
        fill_cache_(options.fill_cache),
        priority_(options.priority),
        window_(file, index, options.readahead_bytes) {}

  bool Valid() const override { return cursor_.Valid(); }
  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(Slice key, uint64_t trailer) override;
  void SeekBefore(Slice key, uint64_t trailer) override;
  void Next() override;
  void Prev() override;
  Slice key() const override { return cursor_.key(); }
  uint64_t trailer() const override { return cursor_.trailer(); }
  uint64_t expires_at() const override { return cursor_.expires_at(); }
  Slice value() const override { return cursor_.value(); }
  Status status() const override { return status_; }

 private:
  static constexpr uint32_t kNoBlock = UINT32_MAX;

  // Makes block i the current one, at no entry. False if it cannot be read: status_ says why.
  bool Open(uint32_t i, Direction direction);
  Status Load(uint32_t i, Direction direction);
  // Opens the block where (key, trailer) has its place, and finds it there. False if that failed.
  bool Locate(Slice key, uint64_t trailer, Direction direction, uint32_t* place);
  void MoveTo(uint32_t place);
  void ToFirstOf(uint64_t block);     // of the block, or to the end if there is no such block
  void ToLastBefore(uint32_t block);  // of the block before it, or to the end if there is none
  void Leave() { cursor_.Attach(&block_); }
  void Damage(const char* wrong);

  const TableFile* const file_;
  const Index* const index_;
  cache::BlockCache* const cache_;
  const bool fill_cache_;
  const cache::BlockCache::Priority priority_;

  uint32_t current_ = kNoBlock;  // the block that block_ views
  Block block_;
  BlockCursor cursor_;
  BlockPin pin_;  // what keeps block_ alive, unless the window or unpacked_ does
  std::unique_ptr<char[]> unpacked_;
  size_t unpacked_bytes_ = 0;
  ReadWindow window_;
  Status status_;
};

}  // namespace nokv::sst
