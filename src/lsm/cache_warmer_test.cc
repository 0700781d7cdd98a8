#include "lsm/cache_warmer.h"

#include <memory>

#include <gtest/gtest.h>

#include "lsm/test_tree.h"
#include "vfs/memory_file_system.h"

namespace nokv::lsm {
namespace {

class Warming : public testing::Test {
 protected:
  Warming() {
    EXPECT_TRUE(disk_.CreateDirectory(TreeOnDisk::kDirectory).ok());
    EXPECT_TRUE(disk_.SyncDirectory("/").ok());
    tree_ = std::make_unique<TreeOnDisk>(&disk_, true);
  }
  size_t cached_bytes() { return tree_->cache()->stats().bytes; }
  uint64_t misses() { return tree_->cache()->stats().misses; }

  vfs::MemoryFileSystem disk_;
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

TEST_F(Warming, NothingIsLoadedWhileNobodyReads) {
  ASSERT_TRUE(tree_->Flush("a").ok());
  ASSERT_TRUE(tree_->Flush("a").ok());
  ASSERT_TRUE(tree_->Compact().ok());
  EXPECT_EQ(tree_->cache()->stats().inserts, 0U);
}

}  // namespace
}  // namespace nokv::lsm
