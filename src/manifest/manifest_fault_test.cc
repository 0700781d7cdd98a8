// A disk that refuses: every call of every kind fails once, and the manifest goes on.

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "manifest/manifest.h"
#include "manifest/test_edits.h"
#include "vfs/fault_file_system.h"
#include "vfs/memory_file_system.h"

namespace nokv::manifest {
namespace {

using vfs::CrashPolicy;
using vfs::FaultFileSystem;
using vfs::FaultOperation;
using vfs::FaultRule;
using vfs::MemoryFileSystem;

constexpr char kDir[] = "/db";

bool Same(State a, const State& b) {
  a.next_file_number = b.next_file_number;
  return a == b;
}

// A database on a disk in memory with faults in between.
class ManifestFault : public testing::Test {
 protected:
  ManifestFault() { Reset(); }

  void Reset() {
    manifest_.reset();
    fs_.reset();
    memory_ = std::make_unique<MemoryFileSystem>();
    fs_ = std::make_unique<FaultFileSystem>(
        memory_.get(), FaultFileSystem::Options{.lose_unsynced = [this](const std::string& path) {
          memory_->LoseUnsynced(path).IgnoreError();
        }});
    ASSERT_TRUE(memory_->CreateDirectory(kDir).ok());
    ASSERT_TRUE(memory_->SyncDirectory("/").ok());
    auto manifest = Manifest::Create(fs_.get(), kDir, 5);
    ASSERT_TRUE(manifest.ok());
    manifest_ = std::move(manifest).value();
  }

  // An edit that adds one table.
  VersionEdit Adding() {
    VersionEdit edit;
    edit.added.emplace_back(0, EditGenerator(1).File(manifest_->NewFileNumber()));
    return edit;
  }
  State Load() { return Manifest::Load(memory_.get(), kDir).value(); }

  // The states that a loss of power may leave at this moment.
  std::vector<State> Survivors() {
    std::vector<State> states;
    for (const CrashPolicy policy : vfs::kCrashPolicies) {
      for (uint64_t seed = 0; seed < 4; ++seed) {
        auto state = Manifest::Load(memory_->CrashClone(policy, seed).get(), kDir);
        EXPECT_TRUE(state.ok()) << vfs::CrashPolicyName(policy) << ": "
                                << state.status().ToString();
        if (state.ok()) states.push_back(*state);
      }
    }
    return states;
  }
  void ExpectDurable(const State& expected) {
    for (const State& state : Survivors()) EXPECT_TRUE(Same(state, expected));
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names = memory_->List(kDir).value();
    std::sort(names.begin(), names.end());
    return names;
  }

  std::unique_ptr<MemoryFileSystem> memory_;
  std::unique_ptr<FaultFileSystem> fs_;
  std::unique_ptr<Manifest> manifest_;
};

TEST_F(ManifestFault, AFailedAppendOrSyncIsFollowedByANewManifest) {
  const FaultRule faults[] = {
      {.operation = FaultOperation::kWrite, .path = "*MANIFEST*"},
      {.operation = FaultOperation::kWrite,
       .path = "*MANIFEST*",
       .fault = FaultRule::Fault::kShortWrite,
       .short_bytes = 50},
      {.operation = FaultOperation::kSync, .path = "*MANIFEST*"},
      {.operation = FaultOperation::kSync,
       .path = "*MANIFEST*",
       .fault = FaultRule::Fault::kLostSync},
  };
  for (const FaultRule& fault : faults) {
    Reset();
    ASSERT_TRUE(manifest_->LogAndApply(Adding()).ok());
    const State before = manifest_->state();
    const auto rule = fs_->AddRule(fault);
    const VersionEdit lost = Adding();
    const Status failed = manifest_->LogAndApply(lost);
    EXPECT_EQ(failed.code(), StatusCode::kIOError) << failed.ToString();
    EXPECT_EQ(fs_->fired(rule), 1u);
    EXPECT_EQ(manifest_->state(), before);
    EXPECT_TRUE(manifest_->needs_rewrite());
    EXPECT_EQ(manifest_->stats().appends_failed, 1u);
    // Until a new manifest is there, the group may be on the disk or not; it is whole or not at
    // all.
    State after = before;
    ASSERT_TRUE(after.Apply(lost).ok());
    for (const State& state : Survivors()) {
      EXPECT_TRUE(Same(state, before) || Same(state, after));
    }

    ASSERT_TRUE(manifest_->LogAndApply(Adding()).ok());
    EXPECT_FALSE(manifest_->needs_rewrite());
    EXPECT_NE(manifest_->manifest_number(), 1u);
    EXPECT_EQ(manifest_->obsolete_files(), std::vector<std::string>{"MANIFEST-000001"});
    EXPECT_EQ(manifest_->state().file_count(), 2u);
    int level;
    EXPECT_EQ(manifest_->state().Find(lost.added[0].second.number, &level), nullptr);
    ExpectDurable(manifest_->state());
  }
}

TEST_F(ManifestFault, RewriteSettlesTheFateOfAFailedGroup) {
  fs_->AddRule({.operation = FaultOperation::kSync, .path = "*MANIFEST*"});
  EXPECT_FALSE(manifest_->LogAndApply(Adding()).ok());
  ASSERT_TRUE(manifest_->Rewrite().ok());
  EXPECT_FALSE(manifest_->needs_rewrite());
  EXPECT_EQ(manifest_->state().file_count(), 0u);
  ExpectDurable(manifest_->state());
}

TEST_F(ManifestFault, AFailedSealIsNotAFailureOfTheGroup) {
  fs_->AddRule({.operation = FaultOperation::kWrite, .path = "*MANIFEST*", .nth = 2});
  ASSERT_TRUE(manifest_->LogAndApply(Adding()).ok());
  EXPECT_EQ(manifest_->state().file_count(), 1u);
  ExpectDurable(manifest_->state());
  EXPECT_TRUE(manifest_->needs_rewrite()) << "but nothing is appended behind it";
  ASSERT_TRUE(manifest_->LogAndApply(Adding()).ok());
  EXPECT_EQ(manifest_->state().file_count(), 2u);
  ExpectDurable(manifest_->state());
}

TEST_F(ManifestFault, AFailureBeforeCurrentIsTouchedLeavesTheOldManifestInUse) {
  ASSERT_TRUE(manifest_->LogAndApply(Adding()).ok());
  const std::vector<std::string> names = Names();
  for (const FaultOperation operation :
       {FaultOperation::kCreate, FaultOperation::kWrite, FaultOperation::kSync,
        FaultOperation::kRename, FaultOperation::kClose}) {
    const auto rule = fs_->AddRule({.operation = operation});
    EXPECT_FALSE(manifest_->Rewrite().ok()) << vfs::FaultOperationName(operation);
    EXPECT_EQ(fs_->fired(rule), 1u);
    fs_->RemoveAllRules();
    EXPECT_EQ(Names(), names) << "what was begun is cleared away";
    EXPECT_EQ(manifest_->manifest_number(), 1u);
    EXPECT_FALSE(manifest_->needs_rewrite());
    ASSERT_TRUE(manifest_->LogAndApply(Adding()).ok());
    EXPECT_EQ(manifest_->manifest_number(), 1u);
    ExpectDurable(manifest_->state());
  }
  EXPECT_EQ(manifest_->stats().switches_failed, 5u);
}

// CURRENT has been renamed, but whether that survives is unknown: either manifest may be found
// after a crash. Nothing is appended to one of them, and neither is removed.
TEST_F(ManifestFault, AnUncertainSwitchEndsBothManifests) {
  ASSERT_TRUE(manifest_->LogAndApply(Adding()).ok());
  fs_->AddRule({.operation = FaultOperation::kSyncDirectory, .nth = 2});
  EXPECT_FALSE(manifest_->Rewrite().ok());
  EXPECT_TRUE(manifest_->needs_rewrite());
  EXPECT_TRUE(manifest_->obsolete_files().empty());
  ExpectDurable(manifest_->state());
  ASSERT_TRUE(manifest_->LogAndApply(Adding()).ok());
  EXPECT_EQ(manifest_->obsolete_files().size(), 2u);
  ASSERT_TRUE(manifest_->RemoveObsoleteFiles().ok());
  EXPECT_EQ(Names().size(), 2u);
  ExpectDurable(manifest_->state());
}

TEST_F(ManifestFault, GoesOnWhenAFullDiskHasSpaceAgain) {
  ASSERT_TRUE(manifest_->LogAndApply(Adding()).ok());
  const uint64_t capacity = 16 * 4096;
  memory_->SetCapacity(capacity);
  auto filler = memory_->CreateWritable("/filler", vfs::FileKind::kOther).value();
  while (filler->Append(std::string(4096, 'x')).ok() && filler->Sync().ok()) {
  }
  State acknowledged = manifest_->state();
  std::vector<std::string> names;
  for (int i = 0; i < 30; ++i) {
    VersionEdit edit = Adding();
    FileMeta& file = edit.added[0].second;
    file.end = file.begin + std::string(1000, 'z');
    const Status status = manifest_->LogAndApply(edit);
    if (status.ok()) {
      acknowledged = manifest_->state();
      continue;
    }
    EXPECT_TRUE(status.IsNoSpace()) << status.ToString();
    EXPECT_EQ(manifest_->state(), acknowledged);
    // However often it is tried, the directory does not fill up with attempts.
    if (names.empty()) names = Names();
    EXPECT_EQ(Names(), names);
  }
  ASSERT_FALSE(names.empty());
  EXPECT_TRUE(Same(Load(), acknowledged));

  ASSERT_TRUE(memory_->Remove("/filler").ok());
  filler.reset();
  ASSERT_TRUE(manifest_->LogAndApply(Adding()).ok());
  EXPECT_EQ(manifest_->state().file_count(), acknowledged.file_count() + 1);
  ExpectDurable(manifest_->state());
}

TEST_F(ManifestFault, AnUnreadableFileIsNotADamagedOne) {
  ASSERT_TRUE(manifest_->LogAndApply(Adding()).ok());
  const auto names = Names();
  for (const char* path : {"*CURRENT", "*MANIFEST*"}) {
    fs_->AddRule({.operation = FaultOperation::kOpen, .path = path});
    EXPECT_EQ(Manifest::Open(fs_.get(), kDir).status().code(), StatusCode::kIOError);
    fs_->RemoveAllRules();
    fs_->AddRule({.operation = FaultOperation::kRead, .path = path});
    EXPECT_EQ(Manifest::Open(fs_.get(), kDir).status().code(), StatusCode::kIOError);
    fs_->RemoveAllRules();
  }
  EXPECT_EQ(Names(), names);
}

// Does something while others think it sleeps.
class InterruptingClock final : public base::Clock {
 public:
  explicit InterruptingClock(std::function<void()> interruption)
      : interruption_(std::move(interruption)) {}
  uint64_t NowMicros() override { return 0; }
  uint64_t WallMillis() override { return 0; }
  void SleepMicros(uint64_t) override { interruption_(); }

 private:
  const std::function<void()> interruption_;
};

TEST_F(ManifestFault, AReaderFollowsAWriterThatMovesOnBetweenItsSteps) {
  ASSERT_TRUE(manifest_->LogAndApply(Adding()).ok());
  InterruptingClock clock([&] {
    ASSERT_TRUE(manifest_->LogAndApply(Adding()).ok());
    ASSERT_TRUE(manifest_->Rewrite().ok());
    ASSERT_TRUE(manifest_->RemoveObsoleteFiles().ok());
  });
  // The reader knows what CURRENT said; before it opens that manifest, it is gone.
  FaultFileSystem reader(memory_.get(), FaultFileSystem::Options{.clock = &clock});
  for (const uint64_t times : {1U, 2U, 5U}) {
    for (uint64_t nth = 1; nth <= times; ++nth) {
      reader.AddRule({.operation = FaultOperation::kOpen,
                      .path = "*MANIFEST*",
                      .nth = nth,
                      .fault = FaultRule::Fault::kDelay,
                      .delay_micros = 1});
    }
    const auto state = Manifest::Load(&reader, kDir);
    ASSERT_TRUE(state.ok()) << state.status().ToString();
    EXPECT_EQ(*state, manifest_->state());
    reader.RemoveAllRules();
  }
  EXPECT_EQ(manifest_->state().file_count(), 9u);
}

TEST_F(ManifestFault, WhatCannotBeRemovedStaysOnTheList) {
  ASSERT_TRUE(manifest_->Rewrite().ok());
  ASSERT_TRUE(manifest_->Rewrite().ok());
  ASSERT_EQ(manifest_->obsolete_files().size(), 2u);
  fs_->AddRule({.operation = FaultOperation::kRemove});
  EXPECT_FALSE(manifest_->RemoveObsoleteFiles().ok());
  EXPECT_EQ(manifest_->obsolete_files(), std::vector<std::string>{"MANIFEST-000001"});
  EXPECT_TRUE(manifest_->RemoveObsoleteFiles().ok());
  EXPECT_EQ(Names().size(), 2u);
}

// One kind of fault, at the nth call it is about, in a run of changes, rewrites and reopenings.
class ManifestFaultSweep : public ManifestFault {
 protected:
  // Returns false if the fault did not fire any more.
  bool Run(FaultRule fault, uint64_t nth) {
    Reset();
    fault.nth = nth;
    const auto rule = fs_->AddRule(fault);
    EditGenerator generator(nth);
    for (int step = 0; step < 12; ++step) {
      Change(&generator);
      if (step % 4 == 1) Retry([&] { return manifest_->Rewrite(); });
      if (step % 4 == 2) Retry([&] { return manifest_->RemoveObsoleteFiles(); });
      if (step % 6 == 5) Reopen(step == 5);
      ExpectDurable(manifest_->state());
    }
    EXPECT_LE(fs_->fired(rule), 1u);
    return fs_->fired(rule) == 1 && !HasFailure();
  }

 private:
  template <typename Function>
  void Retry(const Function& function) {
    const State before = manifest_->state();
    if (function().ok()) return;
    EXPECT_TRUE(Same(manifest_->state(), before));
    for (const State& state : Survivors()) EXPECT_TRUE(Same(state, before));
    const Status again = function();
    EXPECT_TRUE(again.ok()) << again.ToString();
  }

  void Change(EditGenerator* generator) {
    const State before = manifest_->state();
    State after = before;
    after.next_file_number = 1ULL << 40;
    const VersionEdit edit =
        generator->Next(before, [&] { return manifest_->NewFileNumber(); });
    ASSERT_TRUE(after.Apply(edit).ok());
    if (!manifest_->LogAndApply(edit).ok()) {
      EXPECT_TRUE(Same(manifest_->state(), before));
      for (const State& state : Survivors()) {
        EXPECT_TRUE(Same(state, before) || Same(state, after));
      }
      const Status again = manifest_->LogAndApply(edit);
      ASSERT_TRUE(again.ok()) << again.ToString();
    }
    EXPECT_TRUE(Same(manifest_->state(), after));
  }

  void Reopen(bool close) {
    const State before = manifest_->state();
    if (close) manifest_->Close().IgnoreError();  // An error loses nothing.
    manifest_.reset();
    auto opened = Manifest::Open(fs_.get(), kDir);
    if (!opened.ok()) {
      for (const State& state : Survivors()) EXPECT_TRUE(Same(state, before));
      opened = Manifest::Open(fs_.get(), kDir);
    }
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    manifest_ = std::move(opened).value();
    EXPECT_TRUE(Same(manifest_->state(), before));
  }
};

TEST_F(ManifestFaultSweep, EveryCallMayFailOnce) {
  std::vector<FaultRule> faults;
  for (const FaultOperation operation :
       {FaultOperation::kOpen, FaultOperation::kCreate, FaultOperation::kRead,
        FaultOperation::kWrite, FaultOperation::kSync, FaultOperation::kClose,
        FaultOperation::kRename, FaultOperation::kRemove, FaultOperation::kSyncDirectory,
        FaultOperation::kQuestion}) {
    faults.push_back({.operation = operation});
    if (operation == FaultOperation::kWrite) {
      faults.push_back({.operation = operation, .error = StatusCode::kNoSpace});
      for (const size_t bytes : {1U, 39U, 41U}) {
        faults.push_back({.operation = operation,
                          .fault = FaultRule::Fault::kShortWrite,
                          .short_bytes = bytes});
      }
    }
    if (operation == FaultOperation::kSync) {
      faults.push_back({.operation = operation, .fault = FaultRule::Fault::kLostSync});
    }
  }
  uint64_t fired = 0;
  for (const FaultRule& fault : faults) {
    uint64_t nth = 1;
    for (;; ++nth) {
      SCOPED_TRACE(std::string(vfs::FaultOperationName(fault.operation)) + " number " +
                   std::to_string(nth));
      if (!Run(fault, nth)) break;
      ASSERT_FALSE(HasFatalFailure());
    }
    EXPECT_GT(nth, 1u) << vfs::FaultOperationName(fault.operation) << " was never asked for";
    fired += nth - 1;
    if (HasFailure()) return;
  }
  EXPECT_GT(fired, 200u);
}

}  // namespace
}  // namespace nokv::manifest
