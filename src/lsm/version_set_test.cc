// The tree's changes when the manifest fails: which table files stay, which go, and when.

#include "lsm/version_set.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/executor.h"
#include "base/hash.h"
#include "lsm/compaction_job.h"
#include "lsm/flush_job.h"
#include "manifest/file_names.h"
#include "vfs/fault_file_system.h"
#include "vfs/memory_file_system.h"

namespace nokv::lsm {
namespace {

constexpr char kDirectory[] = "/db";

// A tree without a database around it.
class TreeOnDisk {
 public:
  // Of an empty directory, or of what is there.
  TreeOnDisk(vfs::FileSystem* fs, bool create)
      : fs_(fs), purger_(fs, kDirectory, &executor_, [](uint64_t) {}) {
    auto manifest = create ? manifest::Manifest::Create(fs, kDirectory, 7) : manifest::Manifest::Open(fs, kDirectory);
    EXPECT_TRUE(manifest.ok()) << manifest.status().ToString();
    auto versions = VersionSet::Open({.fs = fs, .directory = kDirectory, .purger = &purger_}, std::move(*manifest));
    EXPECT_TRUE(versions.ok()) << versions.status().ToString();
    versions_ = std::move(*versions);
    job_.fs = fs;
    job_.directory = kDirectory;
    job_.versions = versions_.get();
    job_.clock = &clock_;
  }
  ~TreeOnDisk() {
    versions_.reset();
    purger_.Drain();
  }

  // One key as one table of level 0.
  Status Flush(Slice key) {
    auto memtable = memtable::Memtable::Create(1, {.capacity_bytes = 64 << 10, .resident_bytes = 0});
    EXPECT_TRUE((*memtable)->TryReserve(memtable::Memtable::ChargeFor(key.size(), 1), 1));
    (*memtable)->Add({.key = key, .trailer = key::PackTrailer(++seq_, key::Kind::kPut), .value = "v"},
                     base::Hash64(key));
    return RunFlush(job_, {memtable->get()}, {}, {}, nullptr).status();
  }
  // Level 0 into level 1.
  Status Compact() {
    bool blocked = false;
    const auto claimed = versions_->ClaimManual({}, {}, 0, 1, {"", "~"}, &blocked);
    EXPECT_TRUE(claimed);
    const std::atomic<bool> cancelled{false};
    const Status status = RunCompaction(job_, *claimed, {}, cancelled, nullptr).status();
    versions_->Release(*claimed);
    return status;
  }
  Status MaintainManifest() { return versions_->MaintainManifest(); }

  std::vector<uint64_t> TablesInVersion() const {
    std::vector<uint64_t> numbers;
    for (const auto& level : versions_->current()->levels()) {
      for (const TableRef& table : level) numbers.push_back(table->meta().number);
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
  }
  // Finished or not, after the purger's work is done.
  std::vector<uint64_t> TablesOnDisk() {
    executor_.RunAll();
    std::vector<uint64_t> numbers;
    const auto names = fs_->List(kDirectory);
    EXPECT_TRUE(names.ok());
    for (const std::string& name : *names) {
      manifest::FileType type;
      uint64_t number = 0;
      if (name.ends_with(".tmp") && name.find(".sst") != std::string::npos) numbers.push_back(0);
      if (manifest::ParseFileName(name, &type, &number) && type == manifest::FileType::kTable) {
        numbers.push_back(number);
      }
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
  }

 private:
  vfs::FileSystem* const fs_;
  base::ManualClock clock_;
  base::ManualExecutor executor_;
  FilePurger purger_;
  std::unique_ptr<VersionSet> versions_;
  JobEnvironment job_;
  key::SequenceNumber seq_ = 0;
};

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
