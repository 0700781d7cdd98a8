// A script of changes, with the tables they speak of, cut off at every operation of the file
// system and recovered from everything that a power loss or the death of the process may leave.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "manifest/manifest.h"
#include "manifest/test_edits.h"
#include "vfs/memory_file_system.h"

namespace nokv::manifest {
namespace {

using vfs::CrashPolicy;
using vfs::MemoryFileSystem;

constexpr char kDir[] = "/db";
constexpr uint64_t kDatabaseId = 99;
constexpr uint64_t kAnyNumber = 1ULL << 40;

std::string TablePath(uint64_t number) { return vfs::JoinPath(kDir, TableFileName(number)); }

// Equal but for the reservation of numbers, which the writer makes as it likes.
bool Same(State a, const State& b) {
  a.next_file_number = b.next_file_number;
  return a == b;
}

// What the outside world knows: a recovery must find `acknowledged`, or `in_flight` whole.
struct Knowledge {
  std::optional<State> acknowledged;  // nothing before the database is created
  std::optional<State> in_flight;
  uint64_t largest_number = 0;  // of those handed out for tables

  bool Allows(const State& found) const {
    return (acknowledged && Same(found, *acknowledged)) || (in_flight && Same(found, *in_flight));
  }
};

// The part of a storage engine that deals with the manifest: makes tables durable before it logs
// them, removes them after they are forgotten, and clears the directory when it opens.
class Engine {
 public:
  Engine(MemoryFileSystem* fs, Knowledge* knowledge) : fs_(fs), knowledge_(knowledge) {}

  Status Create() {
    State created;
    created.database_id = kDatabaseId;
    created.format_version = kFormatVersion;
    knowledge_->in_flight = created;
    NOKV_ASSIGN_OR_RETURN(manifest_, Manifest::Create(fs_, kDir, kDatabaseId));
    Acknowledge();
    return Status::Ok();
  }

  Status Open() {
    NOKV_ASSIGN_OR_RETURN(manifest_, Manifest::Open(fs_, kDir));
    EXPECT_TRUE(knowledge_->Allows(manifest_->state()));
    knowledge_->acknowledged = manifest_->state();
    knowledge_->in_flight.reset();
    NOKV_ASSIGN_OR_RETURN(const std::vector<std::string> names, fs_->List(kDir));
    for (const std::string& name : names) {
      FileType type;
      uint64_t number;
      int level;
      if (!ParseFileName(name, &type, &number) || type != FileType::kTable) continue;
      if (manifest_->state().Find(number, &level) != nullptr) continue;
      NOKV_TRY(fs_->Remove(TablePath(number)));
    }
    return manifest_->RemoveObsoleteFiles();
  }

  Status Change(EditGenerator* generator) {
    // Without the reservation; it is logged with the group.
    State next = manifest_->state();
    next.next_file_number = kAnyNumber;
    std::vector<VersionEdit> group(1 + generator->random().Uniform(2));
    for (VersionEdit& edit : group) {
      edit = generator->Next(next, [&] { return manifest_->NewFileNumber(); });
      EXPECT_TRUE(next.Apply(edit).ok());
    }
    NOKV_TRY(MakeTables(next));
    const State before = manifest_->state();
    knowledge_->in_flight = next;
    NOKV_TRY(manifest_->LogAndApply(group));
    Acknowledge();
    EXPECT_TRUE(Same(manifest_->state(), next));
    return RemoveTables(before);
  }

  Status Rewrite() {
    NOKV_TRY(manifest_->Rewrite());
    return manifest_->RemoveObsoleteFiles();
  }

  Status Close() { return manifest_->Close(); }

 private:
  void Acknowledge() {
    knowledge_->acknowledged = manifest_->state();
    knowledge_->in_flight.reset();
  }

  // The tables of `next` that are not there yet.
  Status MakeTables(const State& next) {
    for (const auto& level : next.levels) {
      for (const FileMeta& file : level) {
        if (fs_->Exists(TablePath(file.number))) continue;
        knowledge_->largest_number = std::max(knowledge_->largest_number, file.number);
        NOKV_ASSIGN_OR_RETURN(
            const auto table, fs_->CreateWritable(TablePath(file.number), vfs::FileKind::kTable));
        NOKV_TRY(table->Sync());
      }
    }
    return fs_->SyncDirectory(kDir);
  }

  // The tables of `before` that the manifest has forgotten.
  Status RemoveTables(const State& before) {
    for (const auto& files : before.levels) {
      for (const FileMeta& file : files) {
        int level;
        if (manifest_->state().Find(file.number, &level) != nullptr) continue;
        NOKV_TRY(fs_->Remove(TablePath(file.number)));
      }
    }
    return Status::Ok();
  }

  MemoryFileSystem* const fs_;
  Knowledge* const knowledge_;
  std::unique_ptr<Manifest> manifest_;
};

// Runs until the end or the crash. The same seed does the same.
Status RunScript(MemoryFileSystem* fs, Knowledge* knowledge, uint64_t seed) {
  EditGenerator generator(seed);
  NOKV_TRY(fs->CreateDirectory(kDir));
  NOKV_TRY(fs->SyncDirectory("/"));
  auto engine = std::make_unique<Engine>(fs, knowledge);
  NOKV_TRY(engine->Create());
  for (int step = 0; step < 24; ++step) {
    NOKV_TRY(engine->Change(&generator));
    if (step % 7 == 4) NOKV_TRY(engine->Rewrite());
    if (step % 6 != 5) continue;
    if (step % 12 == 5) NOKV_TRY(engine->Close());
    engine = std::make_unique<Engine>(fs, knowledge);
    NOKV_TRY(engine->Open());
  }
  return engine->Close();
}

// Checks that the directory is a database in an allowed state, or none if none was promised.
// False if there is none.
bool CheckState(MemoryFileSystem* fs, const Knowledge& knowledge) {
  const auto found = Manifest::Load(fs, kDir);
  if (!found.ok()) {
    EXPECT_TRUE(found.status().IsNotFound()) << found.status().ToString();
    EXPECT_FALSE(knowledge.acknowledged) << "the database is gone: " << found.status().ToString();
    return false;
  }
  EXPECT_TRUE(knowledge.Allows(*found)) << found->ToJson();
  for (const auto& level : found->levels) {
    for (const FileMeta& file : level) {
      EXPECT_TRUE(fs->Exists(TablePath(file.number))) << "table " << file.number << " is gone";
    }
  }
  return true;
}

// Opens what is left, goes on, and looks again.
Status Recover(MemoryFileSystem* fs, Knowledge* knowledge, uint64_t seed) {
  auto engine = std::make_unique<Engine>(fs, knowledge);
  NOKV_TRY(engine->Open());
  EXPECT_GT(knowledge->acknowledged->next_file_number, knowledge->largest_number);
  EditGenerator generator(seed);
  return engine->Change(&generator);
}

// Everything that a crash of `fs` may leave.
std::vector<std::unique_ptr<MemoryFileSystem>> Aftermaths(const MemoryFileSystem& fs,
                                                          uint64_t seed) {
  std::vector<std::unique_ptr<MemoryFileSystem>> found;
  for (const CrashPolicy policy : vfs::kCrashPolicies) {
    const int count = policy == CrashPolicy::kRandom ? 3 : 1;
    for (int i = 0; i < count; ++i) found.push_back(fs.CrashClone(policy, seed * 3 + uint64_t(i)));
  }
  found.push_back(fs.CloneAfterProcessDeath());
  return found;
}

// Cuts the recovery off at one of its first operations, and recovers from that. Returns from how
// many states.
uint64_t CrashDuringRecovery(const MemoryFileSystem& left, Knowledge knowledge, uint64_t point) {
  const auto fs = left.CloneAfterProcessDeath();
  fs->SetCrashPoint(fs->operation_count() + 1 + point);
  if (Recover(fs.get(), &knowledge, 1001).ok()) return 0;
  EXPECT_TRUE(fs->crashed());
  uint64_t states = 0;
  for (const auto& twice : Aftermaths(*fs, point)) {
    ++states;
    Knowledge then = knowledge;
    if (!CheckState(twice.get(), then)) continue;
    const Status recovered = Recover(twice.get(), &then, 1002);
    EXPECT_TRUE(recovered.ok()) << recovered.ToString();
  }
  return states;
}

uint64_t CountOperations(uint64_t seed) {
  MemoryFileSystem fs;
  Knowledge knowledge;
  EXPECT_TRUE(RunScript(&fs, &knowledge, seed).ok());
  return fs.operation_count();
}

class ManifestCrash : public testing::TestWithParam<uint64_t> {};

TEST_P(ManifestCrash, RecoversOneOfTwoStatesFromEveryPoint) {
  const uint64_t seed = GetParam();
  const uint64_t operations = CountOperations(seed);
  uint64_t states = 0;
  uint64_t double_crashes = 0;
  for (uint64_t point = 1; point <= operations; ++point) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ", crash at " + std::to_string(point));
    MemoryFileSystem fs;
    Knowledge knowledge;
    fs.SetCrashPoint(point, point % 2 == 0 ? std::optional(point) : std::nullopt);
    ASSERT_FALSE(RunScript(&fs, &knowledge, seed).ok());
    ASSERT_TRUE(fs.crashed());
    for (const auto& left : Aftermaths(fs, point)) {
      ++states;
      if (!CheckState(left.get(), knowledge)) continue;

      if (states % 3 == 0) double_crashes += CrashDuringRecovery(*left, knowledge, states / 3 % 24);
      Knowledge then = knowledge;
      ASSERT_TRUE(Recover(left.get(), &then, 1003).ok());
      ASSERT_TRUE(CheckState(left->CrashClone(CrashPolicy::kMinimum, 0).get(), then));
      if (testing::Test::HasFailure()) return;
    }
  }
  std::printf("seed %llu: %llu operations, %llu crash states, %llu after a second crash\n",
              static_cast<unsigned long long>(seed), static_cast<unsigned long long>(operations),
              static_cast<unsigned long long>(states),
              static_cast<unsigned long long>(double_crashes));
  EXPECT_GT(states, 1000u);
  EXPECT_GT(double_crashes, 1000u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ManifestCrash, testing::Values(1, 2));

}  // namespace
}  // namespace nokv::manifest
