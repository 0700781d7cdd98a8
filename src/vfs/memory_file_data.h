#pragma once

// FileData: the bytes of a file in memory, as the kernel has them and as the disk has them.
//
// A file is a row of 4 KiB blocks. Writing changes the current block and remembers the durable one
// beside it until Sync. What the power leaves behind is any mixture of the two:
//  1. a block that is not dirty is the same in both;
//  2. of a dirty block survives the durable bytes, or the current ones, or the current ones up to
//  any
//     byte and then durable ones, zeros or garbage, or either by sectors of 512 bytes; a byte that
//     is the same in both states survives always;
//  3. of a size that grew survives any size from the durable one to the current one.
// Blocks that were never written are not there and read as zeros: reserving 64 MiB costs nothing.
//
// Copies share blocks, and change nothing that is shared: copying costs O(dirty blocks), the first
// write after it O(blocks). Externally synchronised; two copies may be used by two threads.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "nokv/slice.h"

#include "base/random.h"

namespace nokv::vfs::memory {

inline constexpr size_t kBlockBytes = 4096;

class FileData {
 public:
  FileData() = default;
  FileData(FileData&&) noexcept = default;
  FileData& operator=(FileData&&) noexcept = default;
  FileData(const FileData&) = delete;
  FileData& operator=(const FileData&) = delete;

  uint64_t size() const { return size_; }

  // Grows the file if the bytes end beyond its size.
  void Write(uint64_t offset, Slice bytes);
  // Grows the file to `size` with zeros. REQUIRES: size >= size().
  void Reserve(uint64_t size);
  // Returns how many bytes there were: fewer than n only at the end.
  size_t Read(uint64_t offset, size_t n, char* scratch) const;

  // What is current becomes durable.
  void Sync();
  // The kernel fails to write the dirty blocks and takes them for clean: reads still show them, a
  // later Sync does not write them, and the power takes them. A block written again is dirty as
  // ever.
  void LoseDirty();

  // The same file in the same state.
  FileData Duplicate() const;
  // What a power loss leaves: everything, what is durable, or something in between by (2) and (3).
  // It is durable as a whole.
  FileData SurvivorAll() const;
  FileData SurvivorDurable() const;
  FileData SurvivorRandom(base::Random* random) const;

 private:
  using Block = std::array<char, kBlockBytes>;
  // Shared between the file and its copies, and between the current and the durable state.
  using BlockPtr = std::shared_ptr<const Block>;
  // A missing or null block is all zeros.
  using Blocks = std::vector<BlockPtr>;

  struct Dirty {
    BlockPtr durable;
    // The current block while nobody else can see it; else null, and the next write copies the
    // block.
    std::shared_ptr<Block> writable;
    // Set by LoseDirty: the current block will not reach the disk.
    bool lost = false;
  };

  char* WritableBlock(size_t index);
  // Marks everything as shared with a copy about to be made.
  void Share() const;
  BlockPtr CurrentBlock(size_t index) const;
  FileData Survivor(Blocks blocks, uint64_t size) const;
  static BlockPtr Tear(const BlockPtr& current, const BlockPtr& durable, base::Random* random);

  uint64_t size_ = 0;
  uint64_t durable_size_ = 0;
  // Shared with copies if blocks_shared_, and not changed then.
  std::shared_ptr<Blocks> blocks_ = std::make_shared<Blocks>();
  mutable bool blocks_shared_ = false;
  mutable std::map<size_t, Dirty> dirty_;  // by block number
};

}  // namespace nokv::vfs::memory
