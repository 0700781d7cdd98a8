#include "lsm/cache_warmer.h"

#include <memory>
#include <utility>

#include <gtest/gtest.h>

#include "lsm/test_tree.h"
#include "vfs/fault_file_system.h"
#include "vfs/memory_file_system.h"

namespace nokv::lsm {
namespace {

class Warming : public testing::Test {
 protected:
  Warming() {
    EXPECT_TRUE(disk_.CreateDirectory(TreeOnDisk::kDirectory).ok());
    EXPECT_TRUE(disk_.SyncDirectory("/").ok());
    tree_ = std::make_unique<TreeOnDisk>(&files_, true);
  }
  size_t cached_bytes() { return tree_->cache()->stats().bytes; }
  uint64_t misses() { return tree_->cache()->stats().misses; }

  // Of tables, since the last call.
  uint64_t device_reads() {
    const uint64_t all = files_.matched(reads_);
    return all - std::exchange(reads_seen_, all);
  }

  vfs::MemoryFileSystem disk_;
  vfs::FaultFileSystem files_{&disk_, {}};
  const vfs::FaultFileSystem::RuleId reads_ =
      files_.AddRule({.operation = vfs::FaultOperation::kRead, .path = "*.sst", .nth = UINT64_MAX});
  uint64_t reads_seen_ = 0;
  std::unique_ptr<TreeOnDisk> tree_;
};

TEST_F(Warming, ReadersFindNewTablesInTheCacheFromTheirFirstMoment) {
  ASSERT_TRUE(tree_->Flush("a").ok());
  EXPECT_TRUE(tree_->Get("a"));
  ASSERT_EQ(misses(), 1U);
  // The hook runs before anybody else can see the version.
  size_t used = 0;
  const auto look = [&](const auto&) { used = cached_bytes(); };
  const size_t before = cached_bytes();
  ASSERT_TRUE(tree_->Flush("a", look).ok());
  EXPECT_GT(used, before);
  EXPECT_TRUE(tree_->Get("a"));
  EXPECT_EQ(misses(), 1U);

  const size_t two_blocks = used;
  ASSERT_TRUE(tree_->Compact(look).ok());
  EXPECT_GT(used, two_blocks);
  EXPECT_LT(cached_bytes(), used);  // the inputs' blocks are gone
  EXPECT_TRUE(tree_->Get("a"));
  EXPECT_EQ(misses(), 1U);
}

TEST_F(Warming, AJobDoesNotReadWhatItHasJustWritten) {
  ASSERT_TRUE(tree_->Flush("a").ok());
  const uint64_t opening = device_reads();  // footer, index, ..
  ASSERT_GT(opening, 0U);
  EXPECT_TRUE(tree_->Get("a"));
  ASSERT_EQ(device_reads(), 1U);
  ASSERT_TRUE(tree_->Flush("a").ok());  // finds out that there are readers, and loads its blocks
  ASSERT_EQ(device_reads(), opening + 1);

  EXPECT_TRUE(tree_->Get("a"));
  ASSERT_TRUE(tree_->Flush("b").ok());
  EXPECT_EQ(device_reads(), opening);
  EXPECT_TRUE(tree_->Get("b"));
  EXPECT_EQ(device_reads(), 0U);

  ASSERT_TRUE(tree_->Compact().ok());
  EXPECT_EQ(device_reads(), opening + 3);  // and its three inputs, past the cache
  EXPECT_TRUE(tree_->Get("a"));
  EXPECT_TRUE(tree_->Get("b"));
  EXPECT_EQ(device_reads(), 0U);
}

TEST_F(Warming, NothingIsLoadedWhileNobodyReads) {
  ASSERT_TRUE(tree_->Flush("a").ok());
  ASSERT_TRUE(tree_->Flush("a").ok());
  ASSERT_TRUE(tree_->Compact().ok());
  EXPECT_EQ(tree_->cache()->stats().inserts, 0U);
}

}  // namespace
}  // namespace nokv::lsm
