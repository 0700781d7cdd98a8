#include "manifest/manifest.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <stdlib.h>

#include <gtest/gtest.h>

#include "manifest/test_edits.h"
#include "vfs/memory_file_system.h"
#include "vfs/posix_file_system.h"

namespace nokv::manifest {
namespace {

using vfs::JoinPath;
using vfs::MemoryFileSystem;

constexpr uint64_t kDatabaseId = 0xc0ffee;
constexpr char kDir[] = "/db";

FileMeta File(uint64_t number) {
  FileMeta file;
  file.number = number;
  file.bytes = 1000;
  file.begin = "a";
  file.end = "b";
  file.smallest_seq = number;
  file.largest_seq = number + 10;
  return file;
}

VersionEdit Adding(int level, uint64_t number) {
  VersionEdit edit;
  edit.added.emplace_back(level, File(number));
  return edit;
}

class ManifestTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(fs_.CreateDirectory(dir_).ok()); }

  std::unique_ptr<Manifest> Create() {
    auto manifest = Manifest::Create(&fs_, dir_, kDatabaseId);
    EXPECT_TRUE(manifest.ok()) << manifest.status().ToString();
    return std::move(manifest).value();
  }
  std::unique_ptr<Manifest> Open() {
    auto manifest = Manifest::Open(&fs_, dir_);
    EXPECT_TRUE(manifest.ok()) << manifest.status().ToString();
    return std::move(manifest).value();
  }
  State Load() {
    auto state = Manifest::Load(&fs_, dir_);
    EXPECT_TRUE(state.ok()) << state.status().ToString();
    return state.ok() ? *state : State();
  }
  std::vector<std::string> Names() {
    auto names = fs_.List(dir_);
    EXPECT_TRUE(names.ok());
    std::sort(names->begin(), names->end());
    return *names;
  }
  std::string Contents(const std::string& name) {
    return vfs::ReadFile(&fs_, JoinPath(dir_, name), 1 << 30).value();
  }
  void Write(const std::string& name, Slice bytes) {
    auto file = fs_.CreateWritable(JoinPath(dir_, name), vfs::FileKind::kOther);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->Append(bytes).ok());
    ASSERT_TRUE((*file)->Close().ok());
  }

  std::string dir_ = kDir;
  MemoryFileSystem fs_;
};

TEST_F(ManifestTest, CreatesAnEmptyDatabase) {
  const auto manifest = Create();
  EXPECT_EQ(Names(), (std::vector<std::string>{"CURRENT", "MANIFEST-000001"}));
  EXPECT_EQ(manifest->manifest_number(), 1u);
  const State state = Load();
  EXPECT_EQ(state, manifest->state());
  EXPECT_EQ(state.database_id, kDatabaseId);
  EXPECT_EQ(state.format_version, kFormatVersion);
  EXPECT_EQ(state.file_count(), 0u);
  EXPECT_EQ(state.next_family_id, key::kFirstUserFamily);
  EXPECT_TRUE(manifest->obsolete_files().empty());
}

TEST_F(ManifestTest, KeepsWhatWasLogged) {
  auto manifest = Create();
  const uint64_t number = manifest->NewFileNumber();
  VersionEdit edit = Adding(0, number);
  edit.flushed_seq = 9;
  ASSERT_TRUE(manifest->LogAndApply(edit).ok());
  EXPECT_EQ(Load(), manifest->state());
  const State before = manifest->state();
  manifest.reset();  // no Close: the process died

  manifest = Open();
  State after = manifest->state();
  EXPECT_EQ(after, Load());
  EXPECT_GT(after.next_file_number, before.next_file_number);
  after.next_file_number = before.next_file_number;
  EXPECT_EQ(after, before);
  ASSERT_EQ(after.levels[0].size(), 1u);
  EXPECT_EQ(after.levels[0][0], File(number));
}

TEST_F(ManifestTest, AppliesAGroupAsAWhole) {
  const auto manifest = Create();
  std::vector<VersionEdit> group(2);
  group[0].families = {{3, "users", false}};
  group[1] = Adding(0, manifest->NewFileNumber());
  ASSERT_TRUE(manifest->LogAndApply(group).ok());
  EXPECT_EQ(manifest->state().families.size(), 1u);

  // The second edit makes no sense, so the first does not happen either.
  const State before = manifest->state();
  const uint64_t bytes = manifest->stats().bytes;
  group[0] = Adding(0, manifest->NewFileNumber());
  group[1] = Adding(1, group[0].added[0].second.number);
  const Status status = manifest->LogAndApply(group);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
  EXPECT_EQ(manifest->state(), before);
  EXPECT_EQ(manifest->stats().bytes, bytes);
  EXPECT_EQ(Load(), before);
  // Nothing was written, so nothing is in doubt.
  EXPECT_FALSE(manifest->needs_rewrite());
  group[1] = Adding(1, manifest->NewFileNumber());
  EXPECT_TRUE(manifest->LogAndApply(group).ok());
  EXPECT_EQ(Load(), manifest->state());
}

TEST_F(ManifestTest, RefusesAGroupOverTheLimit) {
  const auto manifest = Create();
  FileMeta file = File(manifest->NewFileNumber());
  file.end = std::string(kGroupBytesMax, 'z');
  VersionEdit edit;
  edit.added.emplace_back(0, std::move(file));
  const Status status = manifest->LogAndApply(edit);
  EXPECT_EQ(status.code(), StatusCode::kLimitExceeded) << status.ToString();
  EXPECT_NE(status.message().find("/db/MANIFEST-000001"), std::string::npos);
  EXPECT_EQ(manifest->state().file_count(), 0u);
  EXPECT_TRUE(manifest->LogAndApply(Adding(0, manifest->NewFileNumber())).ok());
}

TEST_F(ManifestTest, OpenContinuesInANewManifest) {
  auto manifest = Create();
  ASSERT_TRUE(manifest->LogAndApply(Adding(0, manifest->NewFileNumber())).ok());
  const std::string first = Contents("MANIFEST-000001");
  manifest.reset();

  manifest = Open();
  const std::string second = ManifestFileName(manifest->manifest_number());
  EXPECT_NE(second, "MANIFEST-000001");
  EXPECT_EQ(Contents("MANIFEST-000001"), first) << "not a byte of the old one is touched";
  EXPECT_EQ(manifest->obsolete_files(), std::vector<std::string>{"MANIFEST-000001"});
  ASSERT_TRUE(manifest->RemoveObsoleteFiles().ok());
  EXPECT_TRUE(manifest->obsolete_files().empty());
  EXPECT_EQ(Names(), (std::vector<std::string>{"CURRENT", second}));
  EXPECT_EQ(Load(), manifest->state());
}

TEST_F(ManifestTest, LoadChangesNoByte) {
  auto manifest = Create();
  ASSERT_TRUE(manifest->LogAndApply(Adding(0, manifest->NewFileNumber())).ok());
  manifest.reset();
  const uint64_t operations = fs_.operation_count();
  Load();
  EXPECT_TRUE(Manifest::Load(&fs_, "/nowhere").status().IsNotFound());
  EXPECT_EQ(fs_.operation_count(), operations);
}

TEST_F(ManifestTest, RefusesToCreateOverADatabase) {
  Create();
  const auto again = Manifest::Create(&fs_, kDir, 1);
  EXPECT_EQ(again.status().ToString(), "InvalidArgument: /db: already holds a database");
  ASSERT_TRUE(fs_.Remove("/db/CURRENT").ok());
  Write("CURRENT", "gibberish");
  EXPECT_TRUE(Manifest::Create(&fs_, kDir, 1).status().IsCorruption());
}

TEST_F(ManifestTest, TellsAMissingDatabaseFromALostOne) {
  EXPECT_EQ(Manifest::Open(&fs_, kDir).status().ToString(),
            "NotFound: /db: holds no database");
  EXPECT_TRUE(Manifest::Open(&fs_, "/nowhere").status().IsNotFound());
  Write("notes.txt", "not ours");
  Write("LOCK", "");
  Write("CURRENT.tmp", "half of a");
  EXPECT_TRUE(Manifest::Open(&fs_, kDir).status().IsNotFound());

  auto manifest = Create();
  ASSERT_TRUE(manifest->LogAndApply(Adding(0, manifest->NewFileNumber())).ok());
  manifest.reset();
  ASSERT_TRUE(fs_.Remove("/db/CURRENT").ok());
  EXPECT_EQ(Manifest::Open(&fs_, kDir).status().ToString(),
            "Corruption: /db/CURRENT is missing but MANIFEST-000001 exists");
  EXPECT_TRUE(Manifest::Create(&fs_, kDir, 1).status().IsCorruption());
  ASSERT_TRUE(fs_.Remove("/db/MANIFEST-000001").ok());
  Write("000004.wal", "");
  EXPECT_EQ(Manifest::Load(&fs_, kDir).status().ToString(),
            "Corruption: /db/CURRENT is missing but 000004.wal exists");
}

TEST_F(ManifestTest, NamesAMissingManifest) {
  Create();
  ASSERT_TRUE(fs_.Remove("/db/MANIFEST-000001").ok());
  EXPECT_EQ(Manifest::Open(&fs_, kDir).status().ToString(),
            "Corruption: /db/MANIFEST-000001 is missing but CURRENT names it");
}

TEST_F(ManifestTest, CreatesOverACreationThatWasCutOff) {
  Create();
  ASSERT_TRUE(fs_.Remove("/db/CURRENT").ok());
  EXPECT_TRUE(Manifest::Open(&fs_, kDir).status().IsNotFound());
  const auto manifest = Create();
  EXPECT_EQ(manifest->manifest_number(), 2u) << "the leftover is not overwritten";
  EXPECT_EQ(manifest->obsolete_files(), std::vector<std::string>{"MANIFEST-000001"});
  EXPECT_EQ(Load(), manifest->state());
}

TEST_F(ManifestTest, NeverGivesOutAFileNumberTwice) {
  std::set<uint64_t> seen;
  auto manifest = Create();
  seen.insert(manifest->manifest_number());
  for (int life = 0; life < 5; ++life) {
    for (int group = 0; group < 5; ++group) {
      for (int i = 0; i < 100; ++i) EXPECT_TRUE(seen.insert(manifest->NewFileNumber()).second);
      ASSERT_TRUE(manifest->LogAndApply(Adding(0, *seen.rbegin())).ok());
      // More than any reservation, between two groups: their names on the disk stand in for it.
      if (group != 3) continue;
      for (int i = 0; i < 1000; ++i) EXPECT_TRUE(seen.insert(manifest->NewFileNumber()).second);
      Write(TemporaryFileName(TableFileName(*seen.rbegin())), "");
    }
    manifest.reset();
    manifest = Open();
    EXPECT_TRUE(seen.insert(manifest->manifest_number()).second);
  }
}

TEST_F(ManifestTest, GoesOnAboveANumberThatTheCallerNames) {
  auto manifest = Create();
  VersionEdit edit;
  edit.next_file_number = 5000;
  ASSERT_TRUE(manifest->LogAndApply(edit).ok());
  EXPECT_EQ(manifest->NewFileNumber(), 5000u);
}

TEST_F(ManifestTest, GivesOutNumbersToAllThreadsWhileItLogs) {
  const auto manifest = Create();
  constexpr size_t kThreads = 3;
  std::vector<std::vector<uint64_t>> numbers(kThreads);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) numbers[t].push_back(manifest->NewFileNumber());
    });
  }
  std::vector<uint64_t> mine;
  for (int i = 0; i < 50; ++i) {
    mine.push_back(manifest->NewFileNumber());
    ASSERT_TRUE(manifest->LogAndApply(Adding(0, mine.back())).ok());
  }
  for (auto& thread : threads) thread.join();
  std::set<uint64_t> all(mine.begin(), mine.end());
  for (const auto& part : numbers) all.insert(part.begin(), part.end());
  EXPECT_EQ(all.size(), mine.size() + kThreads * 2000);
}

TEST_F(ManifestTest, RewritesWhatHasOutgrownItsState) {
  auto manifest = Create();
  FileMeta file = File(manifest->NewFileNumber());
  file.begin = std::string(40'000, 'a');
  file.end = std::string(40'000, 'b');
  VersionEdit edit;
  edit.added.emplace_back(0, file);
  ASSERT_TRUE(manifest->LogAndApply(edit).ok());
  // The same file moves to and fro: the state stays small, the manifest does not.
  int moves = 0;
  for (; !manifest->needs_rewrite(); ++moves) {
    VersionEdit move;
    move.removed.emplace_back(moves % 2, file.number);
    move.added.emplace_back((moves + 1) % 2, file);
    ASSERT_TRUE(manifest->LogAndApply(move).ok());
  }
  EXPECT_GT(manifest->stats().bytes, 1u << 20);
  EXPECT_LT(moves, 20);
  const State before = manifest->state();
  const std::string old = ManifestFileName(manifest->manifest_number());
  ASSERT_TRUE(manifest->Rewrite().ok());
  EXPECT_FALSE(manifest->needs_rewrite());
  EXPECT_LT(manifest->stats().bytes, 100'000u);
  EXPECT_EQ(manifest->obsolete_files(), std::vector<std::string>{old});
  State after = manifest->state();
  after.next_file_number = before.next_file_number;
  EXPECT_EQ(after, before);
  EXPECT_EQ(Load(), manifest->state());
}

TEST_F(ManifestTest, CutsALargeSnapshotIntoGroups) {
  auto manifest = Create();
  for (int i = 0; i < 40; ++i) {
    FileMeta file = File(manifest->NewFileNumber());
    file.end = std::string(65'000, 'z');
    VersionEdit edit;
    edit.added.emplace_back(i % kLevelCount, std::move(file));
    ASSERT_TRUE(manifest->LogAndApply(edit).ok());
  }
  ASSERT_TRUE(manifest->Rewrite().ok());
  EXPECT_EQ(Load(), manifest->state());
  uint64_t groups = 0;
  const auto summary = EnumerateManifest(
      &fs_, JoinPath(kDir, ManifestFileName(manifest->manifest_number())),
      [&](const LoggedGroup& group) {
        ++groups;
        EXPECT_LT(group.bytes, 2u << 20);
      });
  ASSERT_TRUE(summary.ok());
  EXPECT_EQ(summary->groups, groups);
  EXPECT_EQ(groups, 3u);
}

TEST_F(ManifestTest, RandomUseAgreesWithAModelState) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    dir_ = "/db" + std::to_string(seed);
    ASSERT_TRUE(fs_.CreateDirectory(dir_).ok());
    EditGenerator generator(seed);
    auto manifest = Create();
    State model = manifest->state();
    const auto same = [&](State found) {
      found.next_file_number = model.next_file_number;
      return found == model;
    };
    for (int step = 0; step < 150; ++step) {
      std::vector<VersionEdit> group(1 + generator.random().Uniform(3));
      for (VersionEdit& edit : group) {
        edit = generator.Next(model, [&] { return manifest->NewFileNumber(); });
        model.next_file_number = 1ULL << 40;  // the writer's business
        ASSERT_TRUE(model.Apply(edit).ok());
      }
      ASSERT_TRUE(manifest->LogAndApply(group).ok());
      ASSERT_TRUE(same(manifest->state()));
      if (generator.random().OneIn(10)) {
        ASSERT_TRUE(manifest->Rewrite().ok());
      }
      if (generator.random().OneIn(10)) {
        ASSERT_TRUE(manifest->RemoveObsoleteFiles().ok());
      }
      if (generator.random().OneIn(15)) {
        if (generator.random().OneIn(2)) {
          ASSERT_TRUE(manifest->Close().ok());
        }
        manifest.reset();
        manifest = Open();
        ASSERT_TRUE(same(manifest->state()));
      }
      ASSERT_TRUE(same(Load()));
    }
    EXPECT_LE(Names().size(), 40u);
  }
}

TEST_F(ManifestTest, CloseIsIdempotentAndFinal) {
  const auto manifest = Create();
  ASSERT_TRUE(manifest->LogAndApply(Adding(0, manifest->NewFileNumber())).ok());
  EXPECT_TRUE(manifest->Close().ok());
  EXPECT_TRUE(manifest->Close().ok());
  EXPECT_TRUE(manifest->LogAndApply(Adding(0, manifest->NewFileNumber())).IsClosed());
  EXPECT_TRUE(manifest->Rewrite().IsClosed());
  EXPECT_EQ(Load(), manifest->state());
  EXPECT_EQ(ReadCurrent(&fs_, kDir)->synced, Contents("MANIFEST-000001").size());
}

TEST_F(ManifestTest, ReadersFollowAWriterThatMovesOn) {
  auto manifest = Create();
  const std::string stale = Contents("CURRENT");
  ASSERT_TRUE(manifest->Rewrite().ok());
  ASSERT_TRUE(manifest->RemoveObsoleteFiles().ok());
  // A reader that read CURRENT just before finds no manifest, and CURRENT still the same: damage.
  const std::string current = Contents("CURRENT");
  ASSERT_TRUE(vfs::ReplaceFile(&fs_, "/db/CURRENT", vfs::FileKind::kCurrent, stale).ok());
  EXPECT_TRUE(Manifest::Load(&fs_, kDir).status().IsCorruption());
  ASSERT_TRUE(vfs::ReplaceFile(&fs_, "/db/CURRENT", vfs::FileKind::kCurrent, current).ok());

  // Beside a writer that does nothing else but move on, every load finds the state.
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 300; ++i) {
      ASSERT_TRUE(manifest->LogAndApply(Adding(0, manifest->NewFileNumber())).ok());
      ASSERT_TRUE(manifest->Rewrite().ok());
      ASSERT_TRUE(manifest->RemoveObsoleteFiles().ok());
    }
    done = true;
  });
  size_t seen = 0;
  while (!done) {
    const auto state = Manifest::Load(&fs_, kDir);
    if (!state.ok()) {
      // Possible only when the writer overtook the reader again and again.
      EXPECT_NE(state.status().message().find("is missing but CURRENT names it"),
                std::string::npos)
          << state.status().ToString();
      continue;
    }
    EXPECT_GE(state->file_count(), seen);
    seen = state->file_count();
  }
  writer.join();
  EXPECT_EQ(Load().file_count(), 300u);
}

// The seal behind the last group is in the kernel's hands as soon as the group is acknowledged.
TEST_F(ManifestTest, TheSealOutlivesTheProcess) {
  std::string pattern = JoinPath(testing::TempDir(), "manifest_XXXXXX");
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  vfs::FileSystem* const posix = vfs::PosixFileSystem::Default();
  {
    auto manifest = Manifest::Create(posix, pattern, kDatabaseId);
    ASSERT_TRUE(manifest.ok()) << manifest.status().ToString();
    ASSERT_TRUE((*manifest)->LogAndApply(Adding(0, (*manifest)->NewFileNumber())).ok());
    EXPECT_EQ(posix->FileSize(JoinPath(pattern, "MANIFEST-000001")).value(),
              (*manifest)->stats().bytes);
    EXPECT_EQ(Manifest::Load(posix, pattern).value(), (*manifest)->state());
  }
  auto reopened = Manifest::Open(posix, pattern);
  ASSERT_TRUE(reopened.ok());
  EXPECT_EQ((*reopened)->state().file_count(), 1u);
  EXPECT_TRUE((*reopened)->Close().ok());
  std::filesystem::remove_all(pattern);
}

}  // namespace
}  // namespace nokv::manifest
