// The rules of replay.h, one by one.

#include "wal/replay.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vfs/memory_file_system.h"
#include "wal/log_harness.h"
#include "wal/segment_reader.h"

namespace nokv::wal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using vfs::CrashPolicy;
using vfs::MemoryFileSystem;

class WalReplay : public testing::Test {
 protected:
  WalReplay() { LogHarness::MakeDirectory(&fs_); }

  // What replay delivers; an empty list and a failure if it does not succeed.
  std::vector<TestRecord> Replayed() {
    std::vector<TestRecord> records;
    auto result = harness_.Replay(&records);
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    if (!result.ok()) return {};
    result_ = *result;
    return records;
  }
  std::string ReplayError() {
    std::vector<TestRecord> records;
    const auto result = harness_.Replay(&records);
    EXPECT_TRUE(result.status().IsCorruption()) << result.status().ToString();
    return std::string(result.status().message());
  }
  void Append(size_t count, size_t bytes = 100) {
    for (size_t i = 0; i < count; ++i) {
      ASSERT_TRUE(harness_.Append(std::string(bytes, static_cast<char>('a' + i % 26))).ok());
    }
  }
  std::vector<TestRecord> Appended(size_t count) {
    return {harness_.appended().begin(),
            harness_.appended().begin() + static_cast<ptrdiff_t>(count)};
  }
  // Makes the record invalid.
  void Break(LogPosition at) { FlipBit(&fs_, LogHarness::PathOf(at.segment), at.offset, 3); }
  Log* log() { return harness_.log(); }

  MemoryFileSystem fs_;
  LogHarness harness_{&fs_};
  ReplayResult result_;
};

TEST_F(WalReplay, EmptyDirectoryIsAnEmptyLog) {
  EXPECT_TRUE(Replayed().empty());
  EXPECT_EQ(result_.next_segment, 1U);
  EXPECT_EQ(result_.end, LogPosition{});
  EXPECT_FALSE(result_.torn_tail);
}

TEST_F(WalReplay, MissingDirectoryIsAnError) {
  const auto result = ReplayLog(&fs_, "nowhere", 1, {}, nullptr);
  EXPECT_TRUE(result.status().IsNotFound()) << result.status().ToString();
}

TEST_F(WalReplay, DeliversWhatWasAppendedAcrossSegments) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(100);
  ASSERT_GT(log()->end().segment, 2U);
  EXPECT_EQ(Replayed(), harness_.appended());
  EXPECT_EQ(result_.records, 100U);
  EXPECT_EQ(result_.payload_bytes, 10'000U);
  EXPECT_EQ(result_.end, log()->end());
  EXPECT_EQ(result_.next_segment, log()->end().segment + 1);
  EXPECT_FALSE(result_.torn_tail);
  const auto infos = log()->segments();
  ASSERT_EQ(result_.segments.size(), infos.size());
  for (size_t i = 0; i < infos.size(); ++i) {
    EXPECT_EQ(result_.segments[i].id, infos[i].id);
    EXPECT_EQ(result_.segments[i].first_word, infos[i].first_word);
    EXPECT_EQ(result_.segments[i].bytes, infos[i].bytes);
    EXPECT_EQ(result_.segments[i].capacity, infos[i].capacity);
  }
}

TEST_F(WalReplay, HandsUnknownTypesAndStreamsToTheCallback) {
  ASSERT_TRUE(harness_.Open().ok());
  Reservation place;
  ASSERT_TRUE(log()->TryReserve(3, &place));
  ASSERT_TRUE(log()
                  ->Write(place, static_cast<RecordType>(255), UINT32_MAX, UINT64_MAX, "abc",
                          PayloadHash("abc"))
                  .ok());
  const auto records = Replayed();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0], (TestRecord{place.position(), static_cast<RecordType>(255), UINT32_MAX,
                                    UINT64_MAX, "abc"}));
}

TEST_F(WalReplay, ErrorOfTheCallbackEndsItAndNamesThePlace) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(3);
  int calls = 0;
  const auto result = ReplayLog(&fs_, LogHarness::kDirectory, kTestDatabaseId, {}, [&](auto&&...) {
    return ++calls == 2 ? Status::NotSupported("no such type") : Status::Ok();
  });
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(result.status().ToString(), "NotSupported: log/000001.wal: offset " +
                                            std::to_string(harness_.appended()[1].at.offset) +
                                            ": no such type");
}

TEST_F(WalReplay, PayloadsLargerThanTheWindowComeWhole) {
  LogHarness big(&fs_, {}, 4 << 20);
  ASSERT_TRUE(big.Open().ok());
  for (const size_t bytes : {SegmentReader::kWindowBytes - 1, SegmentReader::kWindowBytes,
                             SegmentReader::kWindowBytes + 1, size_t{1} << 20, size_t{5},
                             SegmentReader::kWindowBytes - kRecordHeaderBytes}) {
    ASSERT_TRUE(big.Append(std::string(bytes, 'x')).ok());
  }
  std::vector<TestRecord> records;
  ASSERT_TRUE(big.Replay(&records).ok());
  EXPECT_EQ(records, big.appended());
}

TEST_F(WalReplay, StopsAtATornTailAndReportsIt) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(5);
  Break(harness_.appended()[3].at);
  EXPECT_EQ(Replayed(), Appended(3));
  EXPECT_TRUE(result_.torn_tail);
  EXPECT_EQ(result_.end, harness_.appended()[3].at);
  EXPECT_EQ(result_.dropped_bytes, log()->end().offset - result_.end.offset);
  EXPECT_EQ(result_.torn_description,
            "the log ends at offset " + std::to_string(result_.end.offset) +
                " of log/000001.wal; " + std::to_string(result_.dropped_bytes) +
                " bytes behind it were written but never durable");
}

TEST_F(WalReplay, TornLastRecordIsReportedWithTheBytesItWasToHave) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(2);
  const TestRecord& last = harness_.appended()[1];
  FlipBit(&fs_, LogHarness::PathOf(1), last.at.offset + kRecordHeaderBytes + 5, 1);
  EXPECT_EQ(Replayed(), Appended(1));
  EXPECT_TRUE(result_.torn_tail);
  EXPECT_EQ(result_.dropped_bytes, RecordBytes(100));
}

TEST_F(WalReplay, HoleBeforeALaterRecordsMarkIsDamage) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(3);
  ASSERT_TRUE(harness_.Sync().ok());
  Append(1);
  for (size_t i = 0; i < 3; ++i) {
    Break(harness_.appended()[i].at);
    EXPECT_THAT(ReplayError(), HasSubstr("log/000001.wal: offset " +
                                         std::to_string(harness_.appended()[i].at.offset) + ": "));
    Break(harness_.appended()[i].at);
  }
  EXPECT_EQ(Replayed().size(), 4U);
  EXPECT_EQ(result_.durable, harness_.appended()[3].at);
}

TEST_F(WalReplay, HoleAtOrBehindEveryMarkIsATornTail) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(3);
  ASSERT_TRUE(harness_.Sync().ok());
  Append(2);
  Break(harness_.appended()[3].at);
  EXPECT_EQ(Replayed(), Appended(3));
  EXPECT_TRUE(result_.torn_tail);
}

TEST_F(WalReplay, HoleInASealedSegmentIsATornTailIfNothingProvesMore) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(2);
  ASSERT_TRUE(log()->Rotate(0, 7).ok());
  Append(2);
  Break(harness_.appended()[1].at);
  EXPECT_EQ(Replayed(), Appended(1));
  EXPECT_TRUE(result_.torn_tail);
  EXPECT_EQ(result_.end, harness_.appended()[1].at);
  EXPECT_EQ(result_.dropped_bytes, RecordBytes(100) + log()->end().offset - kStartOffset);
}

TEST_F(WalReplay, LostTailOfASealedSegmentIsSeenAndNothingLaterIsDelivered) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(3);
  const LogPosition last = harness_.appended()[2].at;
  ASSERT_TRUE(log()->Rotate(0, 7).ok());
  Append(1);
  OverwriteBytes(&fs_, LogHarness::PathOf(1), last.offset, std::string(RecordBytes(100), '\0'));
  EXPECT_EQ(Replayed(), Appended(2));
  EXPECT_TRUE(result_.torn_tail);
  EXPECT_EQ(result_.end, last);
}

TEST_F(WalReplay, StartOfALaterSegmentProvesItsPredecessorDurable) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(2);
  ASSERT_TRUE(harness_.Sync().ok());
  Append(1);
  ASSERT_TRUE(log()->Rotate(0, 7).ok());
  Break(harness_.appended()[1].at);
  EXPECT_THAT(ReplayError(), HasSubstr("log/000001.wal: offset " +
                                       std::to_string(harness_.appended()[1].at.offset)));
  Break(harness_.appended()[1].at);
  Break(harness_.appended()[2].at);
  EXPECT_EQ(Replayed(), Appended(2));
}

TEST_F(WalReplay, MarkInALaterSegmentProvesAllOlderOnesDurable) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(2);
  ASSERT_TRUE(log()->Rotate(0, 7).ok());
  Append(1);
  ASSERT_TRUE(log()->Rotate(0, 8).ok());
  Append(1);
  ASSERT_TRUE(harness_.Sync().ok());
  Append(1);
  for (size_t i = 0; i < 3; ++i) {
    const LogPosition at = harness_.appended()[i].at;
    Break(at);
    EXPECT_THAT(ReplayError(), HasSubstr(LogHarness::PathOf(at.segment) + ": offset " +
                                         std::to_string(at.offset)));
    Break(at);
  }
}

TEST_F(WalReplay, StartTwoSegmentsLaterProvesTheFirstDurable) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(2);
  ASSERT_TRUE(log()->Rotate(0, 7).ok());
  ASSERT_TRUE(harness_.Sync().ok());
  ASSERT_TRUE(log()->Rotate(0, 8).ok());
  Break(harness_.appended()[1].at);
  EXPECT_THAT(ReplayError(), HasSubstr("log/000001.wal: offset " +
                                       std::to_string(harness_.appended()[1].at.offset)));
}

TEST_F(WalReplay, LostStartRecordIsATornTailIfNothingProvesMore) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(2);
  ASSERT_TRUE(log()->Rotate(0, 7).ok());
  Append(2);
  Break({2, kStartOffset});
  EXPECT_EQ(Replayed(), Appended(2));
  EXPECT_TRUE(result_.torn_tail);
  EXPECT_EQ(result_.end.segment, 1U);
}

TEST_F(WalReplay, LostStartRecordThatWasDurableIsDamage) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(2);
  ASSERT_TRUE(log()->Rotate(0, 7).ok());
  Append(1);
  ASSERT_TRUE(harness_.Sync().ok());
  Append(1);
  Break({2, kStartOffset});
  EXPECT_THAT(ReplayError(), HasSubstr("log/000002.wal: offset 64: "));
}

TEST_F(WalReplay, CleanEndMustBeReached) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(40);
  ASSERT_TRUE(harness_.CloseCleanly().ok());
  EXPECT_EQ(Replayed(), harness_.appended());
  EXPECT_FALSE(result_.torn_tail);
  EXPECT_EQ(result_.durable, result_.end);
  const TestRecord& last = harness_.appended().back();
  Break(last.at);
  EXPECT_THAT(ReplayError(), HasSubstr(LogHarness::PathOf(last.at.segment) + ": offset " +
                                       std::to_string(last.at.offset)));
  Break(last.at);

  const LogPosition end = *harness_.manifest().clean_end;
  harness_.manifest().clean_end->offset += 8;
  EXPECT_THAT(ReplayError(), HasSubstr("offset " + std::to_string(end.offset)));
  harness_.manifest().clean_end = {end.segment + 1, kDataOffset};
  EXPECT_THAT(ReplayError(), HasSubstr(LogHarness::PathOf(end.segment + 1)));
}

TEST_F(WalReplay, RecordsBehindACleanEndAreDamage) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(2);
  const LogPosition earlier = log()->end();
  ASSERT_TRUE(log()->Rotate(0, 7).ok());
  Append(1);
  harness_.manifest().clean_end = earlier;
  EXPECT_THAT(ReplayError(), HasSubstr("log/000002.wal: offset 112: "));
  harness_.manifest().clean_end = LogPosition{1, harness_.appended()[1].at.offset};
  EXPECT_THAT(ReplayError(), HasSubstr("log/000001.wal"));
  harness_.manifest().clean_end = LogPosition{};
  ReplayError();
}

TEST_F(WalReplay, RecordsBehindACleanEndInItsOwnSegmentAreDamage) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(3);
  const LogPosition earlier = harness_.appended()[2].at;
  harness_.manifest().clean_end = earlier;
  EXPECT_THAT(ReplayError(), HasSubstr("log/000001.wal: offset " + std::to_string(earlier.offset) +
                                       ": holds records behind the clean end"));
}

TEST_F(WalReplay, OpenMayHaveBegunBehindACleanEnd) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(2);
  ASSERT_TRUE(harness_.CloseCleanly().ok());
  const auto clean_end = harness_.manifest().clean_end;
  ASSERT_TRUE(harness_.Open().ok());
  harness_.manifest().clean_end = clean_end;  // as if the announcement had said nothing of it
  EXPECT_EQ(Replayed(), harness_.appended());
}

TEST_F(WalReplay, MissingSegmentIsDamageAndNamed) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(120);
  const uint32_t newest = log()->end().segment;
  ASSERT_GE(newest, 4U);
  ASSERT_TRUE(fs_.Remove(LogHarness::PathOf(2)).ok());
  EXPECT_EQ(ReplayError(), "log/000002.wal: log segment missing");
  ASSERT_TRUE(fs_.Remove(LogHarness::PathOf(newest)).ok());
  EXPECT_EQ(ReplayError(),
            "log/000002.wal, " + LogHarness::PathOf(newest) + ": log segment missing");
  harness_.manifest().created_through = 40;
  EXPECT_THAT(ReplayError(), HasSubstr(" more: log segment missing"));
}

TEST_F(WalReplay, MissingPredecessorIsDamageEvenIfNobodyKnewOfIt) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(120);
  harness_.manifest().created_through = 0;
  EXPECT_EQ(Replayed(), harness_.appended());
  ASSERT_TRUE(fs_.Remove(LogHarness::PathOf(3)).ok());
  EXPECT_THAT(ReplayError(), HasSubstr("log/000003.wal: log segment missing"));
}

TEST_F(WalReplay, DamagedSegmentHeaderIsDamage) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(60);
  ASSERT_TRUE(log()->PrepareNext().ok());
  for (uint32_t id = 1; id <= harness_.manifest().created_through; ++id) {
    for (uint32_t bit = 0; bit < kSegmentHeaderBytes * 8; bit += 5) {
      FlipBit(&fs_, LogHarness::PathOf(id), bit / 8, bit % 8);
      EXPECT_EQ(ReplayError(),
                LogHarness::PathOf(id) + ": offset 0: the segment header is damaged");
      FlipBit(&fs_, LogHarness::PathOf(id), bit / 8, bit % 8);
    }
  }
  Replayed();
}

TEST_F(WalReplay, DamagedHeaderOverRecordsIsDamageEvenIfNobodyKnewOfTheSegment) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(3);
  harness_.manifest().created_through = 0;
  FlipBit(&fs_, LogHarness::PathOf(1), 12, 0);
  EXPECT_EQ(ReplayError(), "log/000001.wal: offset 0: the segment header is damaged");
}

TEST_F(WalReplay, SegmentsInEachOthersPlaceAreDamage) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(60);
  ASSERT_TRUE(fs_.Rename(LogHarness::PathOf(1), "log/aside").ok());
  ASSERT_TRUE(fs_.Rename(LogHarness::PathOf(2), LogHarness::PathOf(1)).ok());
  ASSERT_TRUE(fs_.Rename("log/aside", LogHarness::PathOf(2)).ok());
  EXPECT_EQ(ReplayError(), "log/000001.wal: offset 0: holds segment 2 instead of 1");
}

TEST_F(WalReplay, SegmentOfAnotherSizeIsDamage) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(60);
  const std::string bytes = FileBytes(&fs_, LogHarness::PathOf(1));
  for (const size_t size : {size_t{4095}, size_t{64}, size_t{4097}}) {
    std::string resized = bytes;
    resized.resize(size);
    SetFileBytes(&fs_, LogHarness::PathOf(1), resized);
    EXPECT_EQ(ReplayError(), "log/000001.wal: offset 0: the file has " + std::to_string(size) +
                                 " bytes instead of 4096");
  }
  for (const size_t size : {size_t{0}, size_t{63}}) {
    SetFileBytes(&fs_, LogHarness::PathOf(1), Slice(bytes).substr(0, size));
    EXPECT_EQ(ReplayError(), "log/000001.wal: offset 0: the segment header is damaged");
  }
}

TEST_F(WalReplay, LogOfAnotherDatabaseIsRefused) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(3);
  for (const uint32_t created_through : {0U, 1U}) {
    const auto result = ReplayLog(&fs_, LogHarness::kDirectory, kTestDatabaseId + 1,
                                  {.created_through = created_through}, nullptr);
    EXPECT_EQ(result.status().ToString(),
              "Corruption: log/000001.wal: offset 0: the log of another database");
  }
}

TEST_F(WalReplay, UnknownFormatVersionIsNotSupported) {
  ASSERT_TRUE(harness_.Open().ok());
  char header[kSegmentHeaderBytes];
  EncodeSegmentHeader(
      {.version = 2, .segment = 1, .database_id = kTestDatabaseId, .capacity = 4096}, header);
  OverwriteBytes(&fs_, LogHarness::PathOf(1), 0, Slice(header, sizeof header));
  for (const uint32_t created_through : {0U, 1U}) {
    harness_.manifest().created_through = created_through;
    std::vector<TestRecord> records;
    EXPECT_EQ(
        harness_.Replay(&records).status().ToString(),
        "NotSupported: log/000001.wal: offset 8: log format version 2; this build reads version 1");
  }
}

TEST_F(WalReplay, WhatWasBeingMadeIsUnused) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(3);
  // A file that was created and no more, and a recycled one with the header and the records of its
  // earlier life: both beyond what was announced.
  SetFileBytes(&fs_, LogHarness::PathOf(2), "");
  SetFileBytes(&fs_, LogHarness::PathOf(3), FileBytes(&fs_, LogHarness::PathOf(1)));
  EXPECT_EQ(Replayed(), harness_.appended());
  EXPECT_EQ(result_.next_segment, 2U);
  EXPECT_THAT(result_.unused, ElementsAre(2U, 3U));
  harness_.Drop();
  ASSERT_TRUE(harness_.Open().ok());
  EXPECT_EQ(log()->end(), (LogPosition{2, kDataOffset}));
  EXPECT_FALSE(fs_.Exists(LogHarness::PathOf(3)));
  EXPECT_EQ(Replayed(), harness_.appended());
}

TEST_F(WalReplay, PreparedSegmentIsNoPartOfTheLog) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(3);
  ASSERT_TRUE(log()->PrepareNext().ok());
  EXPECT_EQ(Replayed(), harness_.appended());
  EXPECT_FALSE(result_.torn_tail);
  EXPECT_EQ(result_.end.segment, 1U);
  EXPECT_EQ(result_.next_segment, 3U);
}

TEST_F(WalReplay, OlderSegmentsAreObsoleteWhateverIsInThem) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(120);
  const uint32_t needed = log()->end().segment - 1;
  Break({1, 0});
  ASSERT_TRUE(fs_.Remove(LogHarness::PathOf(2)).ok());
  harness_.manifest().first_segment = needed;
  const auto records = Replayed();
  ASSERT_FALSE(records.empty());
  EXPECT_EQ(records.front().at, (LogPosition{needed, kDataOffset}));
  EXPECT_EQ(records.back(), harness_.appended().back());
  EXPECT_EQ(result_.obsolete.front(), 1U);
  EXPECT_EQ(result_.obsolete.back(), needed - 1);
}

TEST_F(WalReplay, NamesOfOthersAreLeftAlone) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(2);
  for (const char* name :
       {"log/MANIFEST-000001", "log/000001.sst", "log/1.wal", "log/000002.wal.tmp"}) {
    SetFileBytes(&fs_, name, "x");
  }
  EXPECT_EQ(Replayed(), harness_.appended());
  EXPECT_TRUE(result_.unused.empty());
}

TEST_F(WalReplay, SecondRecoveryIgnoresWhatTheFirstGaveUp) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(3);
  ASSERT_TRUE(log()->Rotate(0, 4).ok());
  Append(3);
  ASSERT_TRUE(log()->Rotate(0, 7).ok());
  Append(2);
  // The second record of segment 1 did not arrive; segments 2 and 3 did.
  Break(harness_.appended()[1].at);
  harness_.Drop();
  ASSERT_TRUE(harness_.Open().ok());
  EXPECT_TRUE(harness_.recovered().torn_tail);
  EXPECT_EQ(harness_.recovered_records(), Appended(1));
  ASSERT_TRUE(harness_.Append("after").ok());
  ASSERT_TRUE(harness_.Sync().ok());
  ASSERT_TRUE(harness_.Append("after, with a mark").ok());

  // Nothing behind the place where segment 1 ended is read again, valid or not, old or new.
  std::vector<TestRecord> expected = Appended(1);
  expected.insert(expected.end(), harness_.appended().end() - 2, harness_.appended().end());
  EXPECT_EQ(Replayed(), expected);
  EXPECT_FALSE(result_.torn_tail);
  EXPECT_EQ(result_.end.segment, 4U);
  Break(harness_.appended()[1].at);
  EXPECT_EQ(Replayed(), expected) << "the record is whole again, and still given up";
  ASSERT_EQ(result_.segments.size(), 4U);
  EXPECT_EQ(result_.segments[1].bytes, 0U);
  EXPECT_EQ(result_.segments[2].bytes, 0U);

  // But what the first recovery did read is known to be durable since.
  Break(harness_.appended()[0].at);
  EXPECT_THAT(ReplayError(), HasSubstr("log/000001.wal: offset 112: "));
  Break(harness_.appended()[0].at);
  // And the start record that says all this cannot be lost in silence.
  Break({4, kStartOffset});
  EXPECT_EQ(ReplayError(), "log/000004.wal: offset 64: the start record is damaged");
}

TEST_F(WalReplay, RecoveryOfNothingIsRemembered) {
  ASSERT_TRUE(harness_.Open().ok());
  ASSERT_TRUE(log()->Rotate(0, 1).ok());
  harness_.manifest().first_segment = 2;
  Append(2);
  Break({2, kStartOffset});  // never durable
  EXPECT_TRUE(Replayed().empty());
  EXPECT_EQ(result_.end, LogPosition{});
  EXPECT_TRUE(result_.torn_tail);
  harness_.Drop();
  ASSERT_TRUE(harness_.Open().ok());
  ASSERT_TRUE(harness_.Append("after").ok());
  Break({2, kStartOffset});
  const auto records = Replayed();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].payload, "after");
}

TEST_F(WalReplay, ReplayingChangesNothing) {
  ASSERT_TRUE(harness_.Open().ok());
  Append(50);
  Break(harness_.appended()[40].at);
  std::vector<std::string> before;
  for (const auto& info : log()->segments())
    before.push_back(FileBytes(&fs_, LogHarness::PathOf(info.id)));
  const uint64_t operations = fs_.operation_count();
  const auto first = Replayed();
  EXPECT_EQ(Replayed(), first);
  EXPECT_EQ(fs_.operation_count(), operations);
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(FileBytes(&fs_, LogHarness::PathOf(static_cast<uint32_t>(i + 1))), before[i]);
  }
}

TEST_F(WalReplay, NumbersThatAreUsedUpAreALimit) {
  harness_.manifest() = {.first_segment = UINT32_MAX, .created_through = UINT32_MAX};
  SetFileBytes(&fs_, LogHarness::PathOf(UINT32_MAX), "");
  std::vector<TestRecord> records;
  EXPECT_EQ(harness_.Replay(&records).status().code(), StatusCode::kLimitExceeded);
}

}  // namespace
}  // namespace nokv::wal
