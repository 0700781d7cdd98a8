#include "manifest/state.h"

#include <map>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "manifest/file_names.h"
#include "manifest/test_edits.h"

namespace nokv::manifest {
namespace {

FileMeta File(uint64_t number) {
  FileMeta file;
  file.number = number;
  file.begin = "a";
  file.end = "b";
  file.smallest_seq = 1;
  file.largest_seq = 2;
  return file;
}

// A state with file 7 in level 1 and family 3.
State Sample() {
  State state;
  VersionEdit edit;
  edit.next_file_number = 100;
  edit.added = {{1, File(7)}};
  edit.families = {{3, "users", false}};
  edit.flushed_seq = 50;
  edit.log_first_segment = 4;
  edit.log_created_through = 6;
  EXPECT_TRUE(state.Apply(edit).ok());
  return state;
}

// The outcome of an edit that must be refused: its message. Checks that nothing has changed.
std::string Refusal(const VersionEdit& edit) {
  State state = Sample();
  const Status status = state.Apply(edit);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << edit.DebugString();
  EXPECT_EQ(state, Sample());
  return std::string(status.message());
}

VersionEdit Adding(int level, FileMeta file) {
  VersionEdit edit;
  edit.added.emplace_back(level, std::move(file));
  return edit;
}

VersionEdit Removing(int level, uint64_t number) {
  VersionEdit edit;
  edit.removed.emplace_back(level, number);
  return edit;
}

TEST(State, RefusesFilesThatMakeNoSense) {
  EXPECT_EQ(Refusal(Adding(1, File(7))), "file 7: added to level 1, but level 1 holds it");
  EXPECT_EQ(Refusal(Adding(3, File(7))), "file 7: added to level 3, but level 1 holds it");
  EXPECT_EQ(Refusal(Adding(0, File(100))),
            "file 100: its number is not below next_file_number 100");
  EXPECT_EQ(Refusal(Adding(0, File(0))), "file 0: its number is not below next_file_number 100");
  EXPECT_EQ(Refusal(Adding(7, File(8))), "file 8: there is no level 7");
  EXPECT_EQ(Refusal(Adding(-1, File(8))), "file 8: there is no level -1");
  FileMeta empty = File(8);
  empty.end = empty.begin;
  EXPECT_EQ(Refusal(Adding(0, empty)), "file 8: its key range is empty");
  FileMeta backwards = File(8);
  backwards.smallest_seq = 3;
  EXPECT_EQ(Refusal(Adding(0, backwards)), "file 8: its sequence range 3..2 is impossible");
  VersionEdit twice = Adding(0, File(8));
  twice.added.emplace_back(0, File(8));
  EXPECT_EQ(Refusal(twice), "file 8: added to level 0, but level 0 holds it");
}

TEST(State, RefusesToRemoveWhatIsNotThere) {
  EXPECT_EQ(Refusal(Removing(1, 8)), "file 8: removed from level 1, which does not hold it");
  EXPECT_EQ(Refusal(Removing(2, 7)), "file 7: removed from level 2, which does not hold it");
  EXPECT_EQ(Refusal(Removing(-1, 8)), "file 8: removed from level -1, which does not hold it");
  VersionEdit twice = Removing(1, 7);
  twice.removed.emplace_back(1, 7);
  EXPECT_EQ(Refusal(twice), "file 7: removed from level 1, which does not hold it");
}

TEST(State, RefusesCountersThatGoBack) {
  VersionEdit edit;
  edit.flushed_seq = 49;
  EXPECT_EQ(Refusal(edit), "flushed_seq goes back from 50 to 49");
  edit = {};
  edit.log_first_segment = 3;
  EXPECT_EQ(Refusal(edit), "log_first_segment goes back from 4 to 3");
  edit = {};
  edit.log_created_through = 5;
  EXPECT_EQ(Refusal(edit), "log_created_through goes back from 6 to 5");
  edit = {};
  edit.next_file_number = kFileNumberMax + 1;
  EXPECT_EQ(Refusal(edit), "next_file_number is over the limit of 4611686018427387903");
}

TEST(State, RefusesFamiliesThatMakeNoSense) {
  const auto refusal = [](const FamilyEdit& family) {
    VersionEdit edit;
    edit.families = {family};
    return Refusal(edit);
  };
  EXPECT_EQ(refusal({3, "other", false}), "family 3: added, but it exists");
  EXPECT_EQ(refusal({4, "users", false}), "family 4: its name is that of family 3");
  EXPECT_EQ(refusal({4, "", false}), "family 4: it has no name");
  EXPECT_EQ(refusal({5, "", true}), "family 5: dropped, but there is none");
}

TEST(State, NeverTakesADroppedFamilysIdAgain) {
  State state = Sample();
  VersionEdit drop;
  drop.families = {{3, "", true}};
  ASSERT_TRUE(state.Apply(drop).ok());
  VersionEdit again;
  again.families = {{3, "users", false}};
  EXPECT_EQ(state.Apply(again).message(), "family 3: the id was given out before");
  again.families = {{4, "users", false}};
  EXPECT_TRUE(state.Apply(again).ok()) << "the name is free";
  EXPECT_EQ(state.next_family_id, 5u);
}

TEST(State, MovesAFileBetweenLevelsInOneEdit) {
  State state = Sample();
  VersionEdit edit = Removing(1, 7);
  edit.added = {{2, File(7)}};
  ASSERT_TRUE(state.Apply(edit).ok());
  int level = -1;
  ASSERT_NE(state.Find(7, &level), nullptr);
  EXPECT_EQ(level, 2);
  EXPECT_TRUE(state.levels[1].empty());
  EXPECT_EQ(state.file_count(), 1u);
}

TEST(State, CountersAreAtLeastWhatIsKnown) {
  State state = Sample();
  FileMeta file = File(8);
  file.largest_seq = 777;
  ASSERT_TRUE(state.Apply(Adding(0, file)).ok());
  EXPECT_EQ(state.last_seq, 777u);
  VersionEdit lower;
  lower.last_seq = 5;
  lower.next_file_number = 5;
  lower.next_family_id = 1;
  ASSERT_TRUE(state.Apply(lower).ok());
  EXPECT_EQ(state.last_seq, 777u);
  EXPECT_EQ(state.next_file_number, 100u);
  EXPECT_EQ(state.next_family_id, 4u);
}

TEST(State, ForgetsTheCleanEndWhenTold) {
  State state = Sample();
  VersionEdit closing;
  closing.log_clean_end = CleanEnd{6, 100};
  ASSERT_TRUE(state.Apply(closing).ok());
  EXPECT_EQ(state.log_clean_end, (CleanEnd{6, 100}));
  VersionEdit opening;
  opening.clear_clean_end = true;
  ASSERT_TRUE(state.Apply(opening).ok());
  EXPECT_EQ(state.log_clean_end, std::nullopt);
}

TEST(State, ShowsItselfToPrograms) {
  EXPECT_EQ(Sample().ToJson(),
            R"({"database_id":"0","format_version":0,"next_file_number":100,"flushed_seq":50,)"
            R"("last_seq":2,"log_first_segment":4,"log_created_through":6,"next_family_id":4,)"
            R"("families":[{"id":3,"name":"users"}],"files":[{"level":1,"number":7,"bytes":0,)"
            R"("begin":"a","end":"b","smallest_seq":1,"largest_seq":2,"entries":0,"deletes":0,)"
            R"("range_deletes":0,"min_expires_at":0,"max_expires_at":0,"expiring_entries":0,)"
            R"("created_at_ms":0,"raw_bytes":0}]})");
}

// The files of a state, kept in the most obvious way.
using FileModel = std::map<uint64_t, std::pair<int, FileMeta>>;

void ApplyToModel(const VersionEdit& edit, FileModel* model) {
  for (const auto& [level, number] : edit.removed) model->erase(number);
  for (const auto& [level, file] : edit.added) (*model)[file.number] = {level, file};
}

FileModel FilesOf(const State& state) {
  FileModel files;
  for (int level = 0; level < kLevelCount; ++level) {
    uint64_t previous = 0;
    for (const FileMeta& file : state.levels[static_cast<size_t>(level)]) {
      EXPECT_GT(file.number, previous) << "files stand in order of number";
      previous = file.number;
      EXPECT_TRUE(files.emplace(file.number, std::pair(level, file)).second);
    }
  }
  return files;
}

TEST(State, FoldsRandomEditsLikeTheModel) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    EditGenerator generator(seed);
    State one_by_one;
    FileModel model;
    State folded;
    StateFold fold(folded);
    uint64_t next = 1;
    for (int i = 0; i < 200; ++i) {
      VersionEdit edit = generator.Next(one_by_one, [&] { return next++; });
      edit.next_file_number = next;
      ApplyToModel(edit, &model);
      ASSERT_TRUE(one_by_one.Apply(edit).ok()) << edit.DebugString();
      ASSERT_TRUE(fold.Add(edit).ok());
      ASSERT_EQ(FilesOf(one_by_one), model);
      ASSERT_EQ(one_by_one.file_count(), model.size());
    }
    fold.CommitTo(&folded);
    EXPECT_EQ(folded, one_by_one);

    State at_once;
    StateFold whole(at_once);
    for (const VersionEdit& edit : one_by_one.ToEdits(500)) ASSERT_TRUE(whole.Add(edit).ok());
    whole.CommitTo(&at_once);
    EXPECT_EQ(at_once, one_by_one);
  }
}

}  // namespace
}  // namespace nokv::manifest
