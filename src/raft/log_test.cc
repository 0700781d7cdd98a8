#include "raft/log.h"

#include <gtest/gtest.h>

#include "raft/testing_group.h"
#include "raft/trace.h"

namespace nokv::raft {
namespace {

const Trace kSilent(nullptr);

struct LogWorld {
  explicit LogWorld(std::initializer_list<uint64_t> terms, uint64_t quota = kNoLimit) {
    storage.Append(MakeEntries(1, terms));
    log = std::make_unique<RaftLog>(&storage, quota);
  }
  void Stabilise() {
    const EntryId last = log->LastId();
    storage.Append(log->unstable().entries());
    log->unstable().StableTo(last, kSilent);
  }
  MemoryStorage storage;
  std::unique_ptr<RaftLog> log;
};

SnapshotRef SnapshotAt(uint64_t index, uint64_t term) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->id = {Term(term), Index(index)};
  return snapshot;
}

TEST(RaftLog, IsUpToDateByTermThenIndex) {
  const LogWorld w({1, 2, 3});
  EXPECT_TRUE(w.log->IsUpToDate({Term(4), Index(1)}));
  EXPECT_TRUE(w.log->IsUpToDate({Term(3), Index(3)}));
  EXPECT_TRUE(w.log->IsUpToDate({Term(3), Index(4)}));
  EXPECT_FALSE(w.log->IsUpToDate({Term(3), Index(2)}));
  EXPECT_FALSE(w.log->IsUpToDate({Term(2), Index(9)}));
}

struct AppendCase {
  const char* name;
  uint64_t previous_term, previous_index, commit;
  std::vector<Entry> entries;
  RaftLog::AppendResult result;
  uint64_t last, committed;
};
class LogAppend : public ::testing::TestWithParam<AppendCase> {};
TEST_P(LogAppend, MatchesBeforeItWrites) {
  const AppendCase& c = GetParam();
  LogWorld w({1, 2, 3});
  w.log->CommitTo(Index(1));
  const AppendSlice slice{{Term(c.previous_term), Index(c.previous_index)}, c.entries};
  EXPECT_EQ(w.log->MaybeAppend(slice, Index(c.commit), kSilent), c.result);
  EXPECT_EQ(w.log->LastIndex(), Index(c.last));
  EXPECT_EQ(w.log->committed(), Index(c.committed));
}
constexpr auto kYes = RaftLog::AppendResult::kAppended;
constexpr auto kNo = RaftLog::AppendResult::kMismatch;
INSTANTIATE_TEST_SUITE_P(
    Table, LogAppend,
    ::testing::Values(
        AppendCase{"TermDiffers", 2, 3, 3, MakeEntries(4, {4}), kNo, 3, 1},
        AppendCase{"BeyondTheEnd", 3, 4, 3, MakeEntries(5, {4}), kNo, 3, 1},
        AppendCase{"CommitsWithoutEntries", 3, 3, 3, {}, kYes, 3, 3},
        AppendCase{"CommitIsClampedToTheMessage", 3, 3, 9, {}, kYes, 3, 3},
        AppendCase{"CommitIsClampedBelowTheLog", 2, 2, 9, {}, kYes, 3, 2},
        AppendCase{"CommitNeverFalls", 3, 3, 0, {}, kYes, 3, 1},
        AppendCase{"FromTheVeryStart", 0, 0, 3, {}, kYes, 3, 1},
        AppendCase{"AppendsOne", 3, 3, 3, MakeEntries(4, {4}), kYes, 4, 3},
        AppendCase{"AppendsAndCommits", 3, 3, 4, MakeEntries(4, {4}), kYes, 4, 4},
        AppendCase{"CommitIsClampedToTheNew", 3, 3, 9, MakeEntries(4, {4, 4}), kYes, 5, 5},
        AppendCase{"ReplacesTheLast", 2, 2, 3, MakeEntries(3, {4}), kYes, 3, 3},
        AppendCase{"ReplacesTwo", 1, 1, 1, MakeEntries(2, {4}), kYes, 2, 1},
        AppendCase{"WhatIsThereStays", 1, 1, 2, MakeEntries(2, {2}), kYes, 3, 2},
        AppendCase{"NeverReplacesCommitted", 0, 0, 1, MakeEntries(1, {4}),
                   RaftLog::AppendResult::kConflictsWithCommitted, 3, 1}),
    [](const auto& instance) { return std::string(instance.param.name); });

struct ConflictCase {
  const char* name;
  std::vector<uint64_t> terms;  // from index 0
  uint64_t index, term, expected_index, expected_term;
};
class LogConflict : public ::testing::TestWithParam<ConflictCase> {};
TEST_P(LogConflict, IsSoughtByTerm) {
  const ConflictCase& c = GetParam();
  MemoryStorage storage;
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->id = {Term(c.terms[0]), Index(c.terms[0] == 0 ? 0 : 10)};
  const Index base = snapshot->id.index;
  if (base > Index()) {
    ASSERT_TRUE(storage.ApplySnapshot(snapshot).ok());
  }
  std::vector<Entry> entries;
  for (size_t i = 1; i < c.terms.size(); ++i) {
    Entry entry;
    entry.index = base + i;
    entry.term = Term(c.terms[i]);
    entries.push_back(entry);
  }
  storage.Append(entries);
  const RaftLog log(&storage, kNoLimit);
  const EntryId found = log.FindConflictByTerm(Index(c.index), Term(c.term));
  EXPECT_EQ(found.index, Index(c.expected_index));
  EXPECT_EQ(found.term, Term(c.expected_term));
}
INSTANTIATE_TEST_SUITE_P(
    Table, LogConflict,
    ::testing::Values(ConflictCase{"SameTerm", {0, 2, 2, 5, 5, 5}, 5, 5, 5, 5},
                      ConflictCase{"LowerTermSkipsTheRun", {0, 2, 2, 5, 5, 5}, 5, 4, 2, 2},
                      ConflictCase{"BelowEverything", {0, 2, 2, 5, 5, 5}, 5, 1, 0, 0},
                      ConflictCase{"FromTheMiddle", {0, 2, 2, 5, 5, 5}, 3, 5, 3, 5},
                      ConflictCase{"BeyondTheEndIsUnknown", {0, 2, 2}, 9, 2, 9, 0},
                      ConflictCase{"CompactedIsUnknown", {3, 4, 4}, 12, 2, 9, 0},
                      ConflictCase{"AtTheSnapshot", {3, 4, 4}, 12, 3, 10, 3}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(RaftLog, CommitsOnlyTheTermAskedFor) {
  LogWorld w({1, 2, 2});
  EXPECT_FALSE(w.log->MaybeCommit({Term(3), Index(2)}));
  EXPECT_FALSE(w.log->MaybeCommit({Term(2), Index(1)}));
  EXPECT_TRUE(w.log->MaybeCommit({Term(2), Index(2)}));
  EXPECT_FALSE(w.log->MaybeCommit({Term(2), Index(2)}));
  EXPECT_FALSE(w.log->MaybeCommit({Term(0), Index(3)}));
  EXPECT_EQ(w.log->committed(), Index(2));
}

TEST(RaftLog, TermsAreKnownFromBeforeTheFirstToTheLast) {
  MemoryStorage storage;
  ASSERT_TRUE(storage.ApplySnapshot(SnapshotAt(10, 3)).ok());
  storage.Append(MakeEntries(11, {3, 4}));
  RaftLog log(&storage, kNoLimit);
  log.Append(MakeEntries(13, {5}), kSilent);
  EXPECT_EQ(log.TermAt(Index(9)), std::nullopt);
  EXPECT_EQ(log.TermAt(Index(10)), Term(3));
  EXPECT_EQ(log.TermAt(Index(12)), Term(4));
  EXPECT_EQ(log.TermAt(Index(13)), Term(5));
  EXPECT_EQ(log.TermAt(Index(14)), std::nullopt);
}

TEST(RaftLog, ReadsAcrossStorageAndTail) {
  LogWorld w({1, 1});
  w.log->Append(MakeEntries(3, {1, 1}), kSilent);
  std::vector<Entry> all;
  EXPECT_TRUE(w.log->ReadFrom(Index(1), kNoLimit, &all));
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all.back().index, Index(4));
  const uint64_t one = EncodedSize(all[0]);
  for (uint64_t count = 1; count <= 4; ++count) {
    std::vector<Entry> some;
    EXPECT_TRUE(w.log->ReadFrom(Index(1), one * count, &some));
    EXPECT_EQ(some.size(), count);
  }
  std::vector<Entry> least;
  EXPECT_TRUE(w.log->ReadFrom(Index(2), 0, &least));
  EXPECT_EQ(least.size(), 1U);
}

TEST(RaftLog, SaysThatCompactedEntriesAreGone) {
  LogWorld w({1, 1, 1, 1});
  ASSERT_TRUE(w.storage.Compact(Index(3)).ok());
  std::vector<Entry> out;
  EXPECT_FALSE(w.log->Read(Index(3), Index(5), kNoLimit, &out));
  EXPECT_TRUE(w.log->Read(Index(4), Index(5), kNoLimit, &out));
  EXPECT_EQ(out.size(), 1U);
}

TEST(RaftLog, HandsOutWhatIsCommittedOnce) {
  LogWorld w({1, 1, 1});
  w.log->CommitTo(Index(2));
  std::vector<Entry> out;
  w.log->NextCommitted(true, &out);
  ASSERT_EQ(out.size(), 2U);
  w.log->AcceptApplying(Index(2), EncodedSize(out), true);
  EXPECT_FALSE(w.log->HasNextCommitted(true));
  EXPECT_EQ(w.log->applied(), Index());
  w.log->AppliedTo(Index(2), EncodedSize(out));
  EXPECT_EQ(w.log->applied(), Index(2));
}

TEST(RaftLog, HandsOutUnstableEntriesOnlyWhenAllowed) {
  LogWorld w({1, 1});
  w.log->Append(MakeEntries(3, {1}), kSilent);
  w.log->CommitTo(Index(3));
  std::vector<Entry> stable;
  w.log->NextCommitted(false, &stable);
  EXPECT_EQ(stable.size(), 2U);
  std::vector<Entry> all;
  w.log->NextCommitted(true, &all);
  EXPECT_EQ(all.size(), 3U);
}

TEST(RaftLog, HandsOutNothingBesideASnapshot) {
  LogWorld w({1, 1});
  w.log->CommitTo(Index(2));
  w.log->Restore(SnapshotAt(9, 1));
  EXPECT_FALSE(w.log->HasNextCommitted(true));
  w.log->unstable().StableSnapshotTo(Index(9));
  w.log->AppliedTo(Index(9), 0);
  EXPECT_FALSE(w.log->HasNextCommitted(true));
}

TEST(RaftLog, PausesApplyingAtTheQuota) {
  const uint64_t one = EncodedSize(MakeEntries(1, {1})[0]);
  LogWorld w({1, 1, 1, 1}, 2 * one);
  w.log->CommitTo(Index(4));
  std::vector<Entry> out;
  w.log->NextCommitted(true, &out);
  ASSERT_EQ(out.size(), 2U);
  w.log->AcceptApplying(Index(2), 2 * one, true);
  EXPECT_FALSE(w.log->HasNextCommitted(true));
  w.log->AppliedTo(Index(1), one);
  EXPECT_TRUE(w.log->HasNextCommitted(true));
  out.clear();
  w.log->NextCommitted(true, &out);
  EXPECT_EQ(out.size(), 1U);
}

TEST(RaftLog, PausesWhenABatchWasCutShort) {
  const uint64_t one = EncodedSize(MakeEntries(1, {1})[0]);
  LogWorld w({1, 1, 1}, 2 * one - 1);
  w.log->CommitTo(Index(3));
  std::vector<Entry> out;
  w.log->NextCommitted(true, &out);
  ASSERT_EQ(out.size(), 1U);
  w.log->AcceptApplying(Index(1), one, true);
  EXPECT_TRUE(w.log->applying_paused());
}

TEST(RaftLogDeathTest, CommittingWhatIsNotThereIsMisuse) {
  LogWorld w({1});
  EXPECT_DEATH(w.log->CommitTo(Index(2)), "check failed");
  EXPECT_DEATH(w.log->AppliedTo(Index(1), 0), "check failed");
}

TEST(Unstable, ForgetsWhatIsStable) {
  Unstable u(Index(5));
  u.TruncateAndAppend(MakeEntries(5, {1, 1}), kSilent);
  u.AcceptInProgress();
  u.StableTo({Term(1), Index(5)}, kSilent);
  EXPECT_EQ(u.offset(), Index(6));
  EXPECT_EQ(u.size(), 1U);
  EXPECT_EQ(u.in_progress(), Index(7));
  u.StableTo({Term(1), Index(6)}, kSilent);
  EXPECT_EQ(u.size(), 0U);
}

TEST(Unstable, IgnoresStabilityOfAnotherTerm) {
  Unstable u(Index(5));
  u.TruncateAndAppend(MakeEntries(5, {2}), kSilent);
  u.StableTo({Term(1), Index(5)}, kSilent);
  EXPECT_EQ(u.size(), 1U);
}

TEST(Unstable, IgnoresStabilityOfWhatItDoesNotHold) {
  Unstable u(Index(5));
  u.StableTo({Term(1), Index(4)}, kSilent);
  u.StableTo({Term(1), Index(5)}, kSilent);
  EXPECT_EQ(u.offset(), Index(5));
}

TEST(Unstable, StabilityAtTheSnapshotConcernsNoEntry) {
  Unstable u(Index(5));
  u.Restore(SnapshotAt(7, 1));
  u.TruncateAndAppend(MakeEntries(8, {1}), kSilent);
  u.StableTo({Term(1), Index(7)}, kSilent);
  EXPECT_EQ(u.size(), 1U);
}

TEST(Unstable, ReplacesFromTheFrontAndFromTheMiddle) {
  Unstable u(Index(5));
  u.TruncateAndAppend(MakeEntries(5, {1, 1, 1}), kSilent);
  u.AcceptInProgress();
  u.TruncateAndAppend(MakeEntries(6, {2}), kSilent);
  EXPECT_EQ(u.end(), Index(7));
  EXPECT_EQ(u.in_progress(), Index(6));
  EXPECT_EQ(u.TermAt(Index(6)), Term(2));
  u.TruncateAndAppend(MakeEntries(4, {3, 3}), kSilent);
  EXPECT_EQ(u.offset(), Index(4));
  EXPECT_EQ(u.in_progress(), Index(4));
  EXPECT_EQ(u.end(), Index(6));
}

TEST(Unstable, HandsEachEntryOutOnce) {
  Unstable u(Index(5));
  u.TruncateAndAppend(MakeEntries(5, {1, 1}), kSilent);
  EXPECT_EQ(u.NextEntries().size(), 2U);
  u.AcceptInProgress();
  EXPECT_TRUE(u.NextEntries().empty());
  u.TruncateAndAppend(MakeEntries(7, {1}), kSilent);
  EXPECT_EQ(u.NextEntries().size(), 1U);
}

TEST(Unstable, HandsASnapshotOutOnce) {
  Unstable u(Index(5));
  u.Restore(SnapshotAt(9, 2));
  EXPECT_TRUE(u.HasNextSnapshot());
  EXPECT_EQ(u.LastIndex(), Index(9));
  EXPECT_EQ(u.TermAt(Index(9)), Term(2));
  u.AcceptInProgress();
  EXPECT_FALSE(u.HasNextSnapshot());
  u.StableSnapshotTo(Index(8));
  EXPECT_NE(u.snapshot(), nullptr);
  u.StableSnapshotTo(Index(9));
  EXPECT_EQ(u.snapshot(), nullptr);
}

TEST(Unstable, LongStreamsKeepTheirRoom) {
  Unstable u(Index(1));
  for (uint64_t i = 1; i < 10000; ++i) {
    u.TruncateAndAppend(MakeEntries(i, {1}), kSilent);
    if (i > 3) u.StableTo({Term(1), Index(i - 3)}, kSilent);
  }
  EXPECT_EQ(u.size(), 3U);
  EXPECT_EQ(u.entries().front().index, Index(9997));
}

TEST(AppendSlice, IsValidOnlyIfALeaderCanHaveSentIt) {
  const auto valid = [](uint64_t term, EntryId previous, const std::vector<Entry>& entries) {
    return AppendSlice{previous, entries}.Valid(Term(term));
  };
  const EntryId at{Term(2), Index(3)};
  EXPECT_TRUE(valid(5, at, MakeEntries(4, {2, 3, 5})));
  EXPECT_FALSE(valid(5, at, MakeEntries(5, {2})));       // a gap
  EXPECT_FALSE(valid(5, at, MakeEntries(4, {1})));       // a term falls
  EXPECT_FALSE(valid(5, at, MakeEntries(4, {3, 2})));    // within the entries
  EXPECT_FALSE(valid(5, at, MakeEntries(4, {6})));       // from a term to come
  EXPECT_FALSE(valid(1, at, {}));
}

TEST(EntrySizes, CountBytesAndLimits) {
  std::vector<Entry> entries = MakeEntries(1, {1, 1, 1});
  EXPECT_EQ(EncodedSize(entries[0]), 4U);
  entries[1].data = Payload("0123456789");
  EXPECT_EQ(EncodedSize(entries[1]), 16U);
  EXPECT_EQ(PayloadSize(entries), 10U);
  EXPECT_EQ(CountWithin(entries, 0), 1U);
  EXPECT_EQ(CountWithin(entries, 19), 1U);
  EXPECT_EQ(CountWithin(entries, 20), 2U);
  EXPECT_EQ(CountWithin(entries, 24), 3U);
  EXPECT_EQ(CountWithin(entries, kNoLimit), 3U);
  EXPECT_EQ(CountWithin({}, 0), 0U);
}

TEST(Payload, IsSharedNotCopied) {
  const Payload one("bytes");
  const Payload two = one;
  EXPECT_TRUE(one.SharesBlockWith(two));
  EXPECT_EQ(two.bytes(), "bytes");
  EXPECT_FALSE(one.SharesBlockWith(Payload("bytes")));
  EXPECT_EQ(one, Payload("bytes"));
  EXPECT_TRUE(Payload("").empty());
}

TEST(MemoryStorageAppend, CutsOffAndPassesOver) {
  MemoryStorage storage;
  ASSERT_TRUE(storage.ApplySnapshot(SnapshotAt(3, 1)).ok());
  storage.Append(MakeEntries(4, {1, 1}));
  storage.Append(MakeEntries(2, {1, 1, 2}));
  EXPECT_EQ(storage.LastIndex(), Index(4));
  EXPECT_EQ(storage.TermAt(Index(4)), Term(2));
  storage.Append(MakeEntries(1, {1, 1}));
  EXPECT_EQ(storage.LastIndex(), Index(4));
}

TEST(MemoryStorageCompact, KeepsWhatTheLogContinuesFrom) {
  MemoryStorage storage;
  storage.Append(MakeEntries(1, {1, 2, 3}));
  ASSERT_TRUE(storage.Compact(Index(2)).ok());
  EXPECT_EQ(storage.FirstIndex(), Index(3));
  EXPECT_EQ(storage.TermAt(Index(2)), Term(2));
  EXPECT_EQ(storage.TermAt(Index(1)), std::nullopt);
  EXPECT_FALSE(storage.Compact(Index(2)).ok());
}

TEST(MemoryStorageSnapshot, NeverGoesBack) {
  MemoryStorage storage;
  storage.Append(MakeEntries(1, {1, 2, 3}));
  ASSERT_TRUE(storage.CreateSnapshot(Index(2), nullptr, Payload("x")).ok());
  EXPECT_FALSE(storage.CreateSnapshot(Index(1), nullptr, Payload()).ok());
  EXPECT_FALSE(storage.ApplySnapshot(SnapshotAt(2, 2)).ok());
  EXPECT_TRUE(storage.ApplySnapshot(SnapshotAt(4, 3)).ok());
  EXPECT_EQ(storage.GetSnapshot(NodeId(1), Index(5)), nullptr);
  EXPECT_NE(storage.GetSnapshot(NodeId(1), Index(4)), nullptr);
}

}  // namespace
}  // namespace nokv::raft
