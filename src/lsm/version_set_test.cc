// The tree's changes when the manifest fails: which table files stay, which go, and when.

#include "lsm/version_set.h"

#include <array>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "lsm/test_tree.h"
#include "vfs/fault_file_system.h"
#include "vfs/memory_file_system.h"

namespace nokv::lsm {
namespace {

constexpr auto kDirectory = TreeOnDisk::kDirectory;

class ManifestFaults : public testing::Test {
 protected:
  ManifestFaults() : faults_(&disk_, {}) {
    EXPECT_TRUE(disk_.CreateDirectory(kDirectory).ok());
    EXPECT_TRUE(disk_.SyncDirectory("/").ok());
    tree_ = std::make_unique<TreeOnDisk>(&faults_, true);
  }
  // Each such call on a manifest fails until RemoveAllRules.
  vfs::FaultFileSystem::RuleId Fail(vfs::FaultOperation operation) {
    vfs::FaultRule rule;
    rule.operation = operation;
    rule.kind = vfs::FileKind::kManifest;
    rule.repeat = true;
    rule.error = StatusCode::kNoSpace;
    return faults_.AddRule(rule);
  }
  // The next manifest is begun; the write or sync behind its snapshot fails.
  void FailBehindTheSnapshot(vfs::FaultOperation operation, uint64_t nth) {
    vfs::FaultRule rule;
    rule.operation = operation;
    rule.kind = vfs::FileKind::kManifest;
    rule.nth = nth;
    faults_.AddRule(rule);
  }

  vfs::MemoryFileSystem disk_;
  vfs::FaultFileSystem faults_;
  std::unique_ptr<TreeOnDisk> tree_;
};

TEST_F(ManifestFaults, TablesStayWhileTheManifestMayNameThemAndGoWithTheNextOne) {
  ASSERT_TRUE(tree_->Flush("a").ok());
  Fail(vfs::FaultOperation::kSync);
  ASSERT_TRUE(tree_->Flush("b").IsNoSpace());
  EXPECT_EQ(tree_->TablesInVersion().size(), 1U);
  const std::vector<uint64_t> in_doubt = tree_->TablesOnDisk();
  ASSERT_EQ(in_doubt.size(), 2U);

  // The group may be on the disk: who finds it there finds its table.
  auto survivor = disk_.CrashClone(vfs::CrashPolicy::kMaximum, 1);
  EXPECT_EQ(TreeOnDisk(survivor.get(), false).TablesInVersion(), in_doubt);
  survivor = disk_.CrashClone(vfs::CrashPolicy::kMinimum, 1);
  EXPECT_EQ(TreeOnDisk(survivor.get(), false).TablesInVersion(), tree_->TablesInVersion());

  faults_.RemoveAllRules();
  ASSERT_TRUE(tree_->Flush("b").ok());
  EXPECT_EQ(tree_->TablesOnDisk(), tree_->TablesInVersion());
  EXPECT_EQ(tree_->TablesInVersion().size(), 2U);
}

TEST_F(ManifestFaults, RetriesThatDoNotComeToAnAppendLeaveNothing) {
  ASSERT_TRUE(tree_->Flush("a").ok());
  ASSERT_TRUE(tree_->Flush("a").ok());
  Fail(vfs::FaultOperation::kWrite);
  ASSERT_TRUE(tree_->Flush("b").IsNoSpace());
  const std::vector<uint64_t> in_doubt = tree_->TablesOnDisk();
  ASSERT_EQ(in_doubt.size(), 3U);
  // The manifest was given up, and each retry fails at its successor.
  for (int retry = 0; retry < 5; ++retry) {
    ASSERT_TRUE(tree_->Flush("b").IsNoSpace());
    ASSERT_TRUE(tree_->Compact().IsNoSpace());
    ASSERT_TRUE(tree_->MaintainManifest().IsNoSpace());
    EXPECT_EQ(tree_->TablesOnDisk(), in_doubt);
  }
  faults_.RemoveAllRules();
  ASSERT_TRUE(tree_->Compact().ok());
  EXPECT_EQ(tree_->TablesOnDisk(), tree_->TablesInVersion());
  EXPECT_EQ(tree_->TablesInVersion().size(), 1U);
}

TEST_F(ManifestFaults, EachNewManifestSettlesTheGroupBeforeIt) {
  ASSERT_TRUE(tree_->Flush("a").ok());
  Fail(vfs::FaultOperation::kSync);
  ASSERT_TRUE(tree_->Flush("b").IsNoSpace());
  faults_.RemoveAllRules();
  for (int retry = 0; retry < 5; ++retry) {
    FailBehindTheSnapshot(vfs::FaultOperation::kSync, 2);
    ASSERT_FALSE(tree_->Flush("b").ok());
    faults_.RemoveAllRules();
    EXPECT_EQ(tree_->TablesOnDisk().size(), 2U) << "retry " << retry;
    const auto survivor = disk_.CrashClone(vfs::CrashPolicy::kMaximum, 1);
    EXPECT_EQ(TreeOnDisk(survivor.get(), false).TablesInVersion(), tree_->TablesOnDisk());
  }
  ASSERT_TRUE(tree_->MaintainManifest().ok());
  EXPECT_EQ(tree_->TablesOnDisk(), tree_->TablesInVersion());
  EXPECT_EQ(tree_->TablesInVersion().size(), 1U);
}

TEST_F(ManifestFaults, ACompactionInDoubtKeepsBothItsInputsAndItsOutput) {
  ASSERT_TRUE(tree_->Flush("a").ok());
  ASSERT_TRUE(tree_->Flush("a").ok());
  Fail(vfs::FaultOperation::kSync);
  ASSERT_FALSE(tree_->Compact().ok());
  EXPECT_EQ(tree_->TablesOnDisk().size(), 3U);
  auto survivor = disk_.CrashClone(vfs::CrashPolicy::kMaximum, 1);
  EXPECT_EQ(TreeOnDisk(survivor.get(), false).TablesInVersion().size(), 1U);
  survivor = disk_.CrashClone(vfs::CrashPolicy::kMinimum, 1);
  EXPECT_EQ(TreeOnDisk(survivor.get(), false).TablesInVersion().size(), 2U);
  faults_.RemoveAllRules();
  ASSERT_TRUE(tree_->Compact().ok());
  EXPECT_EQ(tree_->TablesOnDisk(), tree_->TablesInVersion());
  EXPECT_EQ(tree_->TablesInVersion().size(), 1U);
}

TEST_F(ManifestFaults, AMoveInDoubtTouchesNoTable) {
  ASSERT_TRUE(tree_->Flush("a").ok());
  const std::vector<uint64_t> table = tree_->TablesOnDisk();
  Fail(vfs::FaultOperation::kSync);
  ASSERT_FALSE(tree_->Compact().ok());
  faults_.RemoveAllRules();
  ASSERT_TRUE(tree_->MaintainManifest().ok());
  EXPECT_EQ(tree_->TablesOnDisk(), table);
  ASSERT_TRUE(tree_->Compact().ok());
  EXPECT_EQ(tree_->TablesOnDisk(), table);
  EXPECT_EQ(tree_->TablesInVersion(), table);
}

}  // namespace
}  // namespace nokv::lsm
