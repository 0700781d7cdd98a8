#include "wal/log.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "vfs/memory_file_system.h"
#include "vfs/posix_file_system.h"
#include "wal/log_harness.h"
#include "wal/segment_reader.h"

namespace nokv::wal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using vfs::CrashPolicy;
using vfs::MemoryFileSystem;

class WalLog : public testing::Test {
 protected:
  WalLog() { LogHarness::MakeDirectory(&fs_); }

  Log* log() { return harness_.log(); }
  std::vector<uint32_t> Ids() {
    std::vector<uint32_t> ids;
    for (const auto& info : log()->segments())
      ids.push_back(info.id);
    return ids;
  }
  // What a loss of power at this moment leaves at least.
  std::vector<TestRecord> SurvivingRecords() {
    const auto clone = fs_.CrashClone(CrashPolicy::kMinimum, 0);
    LogHarness after(clone.get(), harness_.manifest());
    std::vector<TestRecord> records;
    const auto result = after.Replay(&records);
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    return records;
  }
  void ExpectReplaysAppended() {
    std::vector<TestRecord> records;
    const auto result = harness_.Replay(&records);
    ASSERT_TRUE(result.ok()) << result.status().ToString();
    EXPECT_EQ(records, harness_.appended());
  }

  MemoryFileSystem fs_;
  LogHarness harness_{&fs_};
};

TEST_F(WalLog, ReservationsFollowOneAnotherWithoutAGap) {
  ASSERT_TRUE(harness_.Open().ok());
  EXPECT_EQ(log()->end(), (LogPosition{1, kDataOffset}));
  EXPECT_EQ(log()->synced(), log()->end());
  LogPosition end = log()->end();
  for (const size_t bytes : {0U, 1U, 8U, 9U, 300U}) {
    Reservation place;
    ASSERT_TRUE(log()->TryReserve(bytes, &place));
    EXPECT_EQ(place.position(), end);
    EXPECT_EQ(place.end().offset, end.offset + RecordBytes(bytes));
    end = place.end();
    EXPECT_EQ(log()->end(), end);
  }
  EXPECT_EQ(log()->stats().records, 5U);
  EXPECT_EQ(log()->stats().record_bytes, end.offset - kDataOffset);
}

TEST_F(WalLog, SegmentIsFilledToItsLastByte) {
  ASSERT_TRUE(harness_.Open().ok());
  Reservation place;
  EXPECT_FALSE(log()->TryReserve(4096 - kDataOffset - kRecordHeaderBytes + 1, &place));
  ASSERT_TRUE(harness_.Append(std::string(4096 - kDataOffset - kRecordHeaderBytes, 'x')).ok());
  EXPECT_EQ(log()->end(), (LogPosition{1, 4096}));
  EXPECT_FALSE(log()->TryReserve(0, &place));
  ExpectReplaysAppended();
  ASSERT_TRUE(harness_.Append("next").ok());
  EXPECT_EQ(log()->end().segment, 2U);
  ExpectReplaysAppended();
}

TEST_F(WalLog, RecordsWrittenInAnyOrderReplayInTheOrderOfTheirReservation) {
  ASSERT_TRUE(harness_.Open().ok());
  std::vector<std::pair<Reservation, TestRecord>> places(50);
  for (auto& [place, record] : places) {
    ASSERT_TRUE(harness_.Reserve(std::string(200, 'x'), 4, &place, &record).ok());
  }
  std::vector<TestRecord> expected;
  for (const auto& [place, record] : places)
    expected.push_back(record);
  std::reverse(places.begin(), places.end());
  for (const auto& [place, record] : places) {
    ASSERT_TRUE(harness_.WriteReserved(place, record).ok());
  }
  std::vector<TestRecord> records;
  ASSERT_TRUE(harness_.Replay(&records).ok());
  EXPECT_EQ(records, expected);
}

TEST_F(WalLog, SyncMakesOlderSegmentsDurableToo) {
  ASSERT_TRUE(harness_.Open().ok());
  while (log()->end().segment < 4)
    ASSERT_TRUE(harness_.Append(std::string(500, 'x')).ok());
  EXPECT_TRUE(SurvivingRecords().empty());
  ASSERT_TRUE(harness_.Sync().ok());
  EXPECT_EQ(log()->synced(), log()->end());
  EXPECT_EQ(SurvivingRecords(), harness_.appended());
  EXPECT_EQ(log()->stats().syncs, 4U);
}

TEST_F(WalLog, SyncThroughASealedSegmentLeavesTheActiveOneAlone) {
  ASSERT_TRUE(harness_.Open().ok());
  ASSERT_TRUE(harness_.Append("one").ok());
  const LogPosition sealed = log()->end();
  ASSERT_TRUE(log()->Rotate(0, 2).ok());
  ASSERT_TRUE(harness_.Append("two").ok());
  ASSERT_TRUE(log()->SyncThrough(sealed).ok());
  EXPECT_EQ(log()->stats().syncs, 1U);
  EXPECT_EQ(SurvivingRecords().size(), 1U);
  ASSERT_TRUE(log()->SyncThrough(sealed).ok());
  EXPECT_EQ(log()->stats().syncs, 1U) << "it was durable";
  ASSERT_TRUE(harness_.Sync().ok());
  EXPECT_EQ(log()->stats().syncs, 2U) << "the sealed segment was durable";
  EXPECT_EQ(SurvivingRecords(), harness_.appended());
}

TEST_F(WalLog, RotateTakesThePreparedSegment) {
  ASSERT_TRUE(harness_.Open().ok());
  EXPECT_FALSE(log()->has_prepared());
  ASSERT_TRUE(log()->PrepareNext().ok());
  EXPECT_TRUE(log()->has_prepared());
  ASSERT_TRUE(log()->PrepareNext().ok());
  EXPECT_EQ(harness_.manifest().created_through, 2U) << "one is enough";
  const uint64_t operations = fs_.operation_count();
  ASSERT_TRUE(log()->Rotate(100, 77).ok());
  EXPECT_EQ(fs_.operation_count(), operations + 1) << "the start record, and no other I/O";
  EXPECT_FALSE(log()->has_prepared());
  ASSERT_TRUE(log()->Rotate(100, 78).ok());
  EXPECT_EQ(log()->stats().rotations, 2U);
  EXPECT_EQ(log()->stats().rotations_unprepared, 1U);

  const auto infos = log()->segments();
  ASSERT_EQ(infos.size(), 3U);
  EXPECT_EQ(infos[0],
            (SegmentInfo{
                .id = 1, .first_word = 1, .bytes = kDataOffset, .capacity = 4096, .sealed = true}));
  EXPECT_EQ(
      infos[1],
      (SegmentInfo{
          .id = 2, .first_word = 77, .bytes = kDataOffset, .capacity = 4096, .sealed = true}));
  EXPECT_EQ(
      infos[2],
      (SegmentInfo{
          .id = 3, .first_word = 78, .bytes = kDataOffset, .capacity = 4096, .sealed = false}));
}

TEST_F(WalLog, PayloadLargerThanASegmentGetsOneOfItsOwn) {
  ASSERT_TRUE(harness_.Open().ok());
  ASSERT_TRUE(harness_.Append("small").ok());
  ASSERT_TRUE(harness_.Append(std::string(50'000, 'L')).ok());
  EXPECT_EQ(log()->end().segment, 2U);
  EXPECT_EQ(log()->segments().back().capacity, 53'248U);
  ASSERT_TRUE(harness_.Append(std::string(3'900, 's')).ok());
  EXPECT_EQ(log()->end().segment, 3U);
  EXPECT_EQ(log()->segments().back().capacity, 4096U);
  ExpectReplaysAppended();
  ASSERT_TRUE(harness_.ReleaseBefore(3).ok());
  EXPECT_EQ(log()->stats().pool.free, 1U);
  EXPECT_EQ(log()->stats().pool.removed, 1U) << "no other record would fit it";
}

TEST_F(WalLog, PreparedSegmentThatIsTooSmallIsPassedThrough) {
  ASSERT_TRUE(harness_.Open().ok());
  ASSERT_TRUE(log()->PrepareNext().ok());
  ASSERT_TRUE(harness_.Append(std::string(50'000, 'L')).ok());
  EXPECT_EQ(log()->end().segment, 3U);
  EXPECT_THAT(Ids(), ElementsAre(1U, 2U, 3U));
  ASSERT_TRUE(harness_.Append("small").ok());
  ExpectReplaysAppended();
  ASSERT_TRUE(harness_.Sync().ok());
  EXPECT_EQ(SurvivingRecords(), harness_.appended());
}

TEST_F(WalLog, LimitsAreNamed) {
  ASSERT_TRUE(harness_.Open().ok());
  Reservation place;
  EXPECT_FALSE(log()->TryReserve(kPayloadBytesMax + 1, &place));
  EXPECT_EQ(log()->Rotate(kPayloadBytesMax + 1, 1).ToString(),
            "LimitExceeded: a log record of 2147483649 bytes; the limit is 2147483648");
  EXPECT_FALSE(log()->TryReserve(SIZE_MAX, &place));
  ASSERT_TRUE(harness_.Append("still usable").ok());
  for (const uint64_t bytes : {uint64_t{4095}, kSegmentBytesMax + 1}) {
    LogOptions options;
    options.segment_bytes = bytes;
    const auto refused = Log::Open(&fs_, LogHarness::kDirectory, 1, options, {});
    EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(refused.status().ToString(),
                HasSubstr("segment_bytes is " + std::to_string(bytes)));
  }
}

TEST_F(WalLog, ReleasedSegmentsAreUsedAgainAndTheirRecordsNeverComeBack) {
  ASSERT_TRUE(harness_.Open().ok());
  for (int round = 0; round < 20; ++round) {
    while (log()->end().segment < harness_.manifest().first_segment + 2) {
      ASSERT_TRUE(harness_.Append(std::string(300, static_cast<char>('a' + round))).ok());
    }
    ASSERT_TRUE(harness_.ReleaseBefore(log()->end().segment).ok());
    ASSERT_TRUE(log()->PrepareNext().ok());

    std::vector<TestRecord> records;
    ASSERT_TRUE(harness_.Replay(&records).ok());
    std::vector<TestRecord> expected;
    for (const TestRecord& record : harness_.appended()) {
      if (record.at.segment >= harness_.manifest().first_segment) expected.push_back(record);
    }
    EXPECT_EQ(records, expected);
  }
  const LogStats stats = log()->stats();
  EXPECT_EQ(stats.pool.created, 3U);
  EXPECT_GT(stats.pool.recycled, 30U);
  EXPECT_EQ(stats.pool.removed, 0U);
  EXPECT_EQ(stats.segments, 1U);
  EXPECT_EQ(stats.oldest_segment, log()->end().segment);
}

TEST_F(WalLog, NoMoreFilesAreKeptThanAsked) {
  ASSERT_TRUE(harness_.Open().ok());
  while (log()->end().segment < 6)
    ASSERT_TRUE(log()->Rotate(0, 1).ok());
  ASSERT_TRUE(log()->Rotate(50'000, 1).ok());  // not of the standard size: never kept
  ASSERT_TRUE(log()->Rotate(0, 1).ok());
  ASSERT_TRUE(harness_.ReleaseBefore(UINT32_MAX).ok());
  EXPECT_THAT(Ids(), ElementsAre(8U)) << "the active one stays";
  EXPECT_EQ(log()->stats().pool.free, 2U);
  EXPECT_EQ(log()->stats().pool.removed, 5U);
  EXPECT_EQ(fs_.List(LogHarness::kDirectory)->size(), 3U);
}

TEST_F(WalLog, OpenUsesObsoleteSegmentsAgain) {
  ASSERT_TRUE(harness_.Open().ok());
  while (log()->end().segment < 5)
    ASSERT_TRUE(harness_.Append(std::string(900, 'x')).ok());
  ASSERT_TRUE(harness_.Sync().ok());
  harness_.Drop();
  harness_.manifest().first_segment = 5;
  ASSERT_TRUE(harness_.Open().ok());
  EXPECT_EQ(log()->stats().pool.recycled, 1U);
  EXPECT_EQ(log()->stats().pool.free, 1U);
  EXPECT_EQ(log()->stats().pool.removed, 2U);
  EXPECT_THAT(Ids(), ElementsAre(5U, 6U));
}

TEST_F(WalLog, PinHoldsSegmentsUntilItGoes) {
  ASSERT_TRUE(harness_.Open().ok());
  while (log()->end().segment < 5)
    ASSERT_TRUE(log()->Rotate(0, 1).ok());
  Log::Pin older = log()->PinFrom(2);
  Log::Pin newer = log()->PinFrom(4);
  ASSERT_TRUE(harness_.ReleaseBefore(5).ok());
  EXPECT_THAT(Ids(), ElementsAre(2U, 3U, 4U, 5U));
  EXPECT_EQ(log()->stats().pinned_from, 2U);
  Log::Pin moved = std::move(older);
  older.Release();
  ASSERT_TRUE(log()->PrepareNext().ok());
  EXPECT_THAT(Ids(), ElementsAre(2U, 3U, 4U, 5U));
  moved = std::move(newer);
  ASSERT_TRUE(log()->PrepareNext().ok());
  EXPECT_THAT(Ids(), ElementsAre(4U, 5U));
  moved.Release();
  EXPECT_EQ(log()->stats().pinned_from, 0U);
  ASSERT_TRUE(log()->ReleaseBefore(1).ok());
  EXPECT_THAT(Ids(), ElementsAre(5U));
}

TEST_F(WalLog, SegmentIsDurableWhenItIsAnnounced) {
  std::vector<uint32_t> announced;
  const auto announce = harness_.options().on_segment_created;
  harness_.options().on_segment_created = [&](uint32_t id) {
    announced.push_back(id);
    const auto clone = fs_.CrashClone(CrashPolicy::kMinimum, 0);
    auto reader = SegmentReader::Open(clone.get(), LogHarness::kDirectory, kTestDatabaseId, id);
    EXPECT_TRUE(reader.ok()) << reader.status().ToString();
    if (!reader.ok()) return reader.status();
    SegmentHeader header;
    bool valid = false;
    EXPECT_TRUE((*reader)->ReadSegmentHeader(&header, &valid).ok());
    EXPECT_TRUE(valid);
    EXPECT_EQ(header.segment, id);
    EXPECT_EQ(header.capacity, 4096U);
    auto found = SegmentReader::Found::kNothing;
    SegmentReader::Record record;
    EXPECT_TRUE((*reader)->Read(kStartOffset, &found, &record).ok());
    const bool by_open = header.origin == SegmentOrigin::kOpened;
    EXPECT_EQ(by_open, id == 1 || id == 10);
    EXPECT_EQ(found == SegmentReader::Found::kRecord, by_open);
    return announce(id);
  };
  ASSERT_TRUE(harness_.Open().ok());
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(log()->PrepareNext().ok());
    ASSERT_TRUE(log()->Rotate(0, 1).ok());
    ASSERT_TRUE(log()->Rotate(0, 1).ok());
    ASSERT_TRUE(harness_.ReleaseBefore(log()->end().segment).ok());
  }
  ASSERT_TRUE(harness_.Open().ok());
  EXPECT_THAT(announced, ElementsAre(1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U, 9U, 10U));
}

TEST_F(WalLog, SegmentWhoseAnnouncementFailedIsAnnouncedAgain) {
  ASSERT_TRUE(harness_.Open().ok());
  ASSERT_TRUE(harness_.Append("one").ok());
  harness_.set_announce_error(Status::IOError("the manifest is gone"));
  EXPECT_EQ(log()->PrepareNext().ToString(), "IOError: the manifest is gone");
  EXPECT_FALSE(log()->has_prepared());
  EXPECT_EQ(log()->Rotate(50'000, 2).ToString(), "IOError: the manifest is gone");
  ASSERT_TRUE(harness_.Append("two").ok());
  EXPECT_EQ(log()->end().segment, 1U) << "nothing has changed";
  harness_.set_announce_error(Status::Ok());
  ASSERT_TRUE(harness_.Append(std::string(50'000, 'L')).ok());
  EXPECT_EQ(log()->end().segment, 3U);
  EXPECT_EQ(harness_.manifest().created_through, 3U);
  ExpectReplaysAppended();
}

TEST_F(WalLog, OpenWhoseAnnouncementFailsCanBeRepeated) {
  ASSERT_TRUE(harness_.Open().ok());
  ASSERT_TRUE(harness_.Append("one").ok());
  harness_.Drop();
  harness_.set_announce_error(Status::IOError("the manifest is gone"));
  EXPECT_FALSE(harness_.Open().ok());
  EXPECT_FALSE(harness_.Open().ok());
  harness_.set_announce_error(Status::Ok());
  ASSERT_TRUE(harness_.Open().ok());
  EXPECT_EQ(log()->end().segment, 2U);
  ExpectReplaysAppended();
}

TEST_F(WalLog, FullDiskLeavesTheLogUsable) {
  ASSERT_TRUE(harness_.Open().ok());
  ASSERT_TRUE(harness_.Append("one").ok());
  fs_.SetCapacity(4096 + 2048);
  EXPECT_TRUE(log()->PrepareNext().IsNoSpace());
  EXPECT_TRUE(log()->Rotate(100, 2).IsNoSpace());
  EXPECT_TRUE(log()->Rotate(50'000, 2).IsNoSpace());
  ASSERT_TRUE(harness_.Append("two").ok()) << "the active segment has its space";
  EXPECT_EQ(log()->end().segment, 1U);
  ASSERT_TRUE(harness_.Sync().ok());
  fs_.SetCapacity(1 << 20);
  ASSERT_TRUE(log()->Rotate(100, 3).ok());
  ASSERT_TRUE(harness_.Append("three").ok());
  ASSERT_TRUE(harness_.Append(std::string(50'000, 'L')).ok());
  ASSERT_TRUE(harness_.Sync().ok());
  EXPECT_EQ(SurvivingRecords(), harness_.appended());
}

TEST_F(WalLog, FullDiskWithASegmentPreparedKeepsIt) {
  ASSERT_TRUE(harness_.Open().ok());
  ASSERT_TRUE(log()->PrepareNext().ok());
  fs_.SetCapacity(2 * 4096);
  EXPECT_TRUE(log()->Rotate(50'000, 1).IsNoSpace());
  EXPECT_TRUE(log()->has_prepared());
  EXPECT_EQ(log()->end().segment, 1U);
  ASSERT_TRUE(harness_.Append("one").ok());
  ASSERT_TRUE(log()->Rotate(100, 1).ok());
  ASSERT_TRUE(harness_.Append("two").ok());
  EXPECT_EQ(log()->end().segment, 2U);
  ExpectReplaysAppended();
}

TEST_F(WalLog, RecycledFilesServeWhenTheDiskIsFull) {
  ASSERT_TRUE(harness_.Open().ok());
  ASSERT_TRUE(log()->Rotate(0, 1).ok());
  ASSERT_TRUE(harness_.ReleaseBefore(2).ok());
  fs_.SetCapacity(2 * 4096);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(log()->Rotate(0, 1).ok());
    ASSERT_TRUE(harness_.Append("x").ok());
    ASSERT_TRUE(harness_.ReleaseBefore(log()->end().segment).ok());
  }
}

// The kernel forgot what a failed sync could not write; the next process sees it all the same.
TEST_F(WalLog, OpenMakesDurableWhatOnlyThePageCacheHas) {
  ASSERT_TRUE(harness_.Open().ok());
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(harness_.Append(std::string(300, 'x')).ok());
  ASSERT_TRUE(harness_.Sync().ok());
  for (int i = 0; i < 40; ++i)
    ASSERT_TRUE(harness_.Append(std::string(300, 'y')).ok());
  ASSERT_GT(log()->end().segment, 2U);
  for (const uint32_t id : Ids())
    ASSERT_TRUE(fs_.LoseUnsynced(LogHarness::PathOf(id)).ok());
  EXPECT_EQ(SurvivingRecords().size(), 3U);
  harness_.Drop();
  ASSERT_TRUE(harness_.Open().ok());
  EXPECT_EQ(harness_.recovered_records(), harness_.appended());
  EXPECT_EQ(SurvivingRecords(), harness_.appended());
}

TEST_F(WalLog, OpenAfterACleanCloseWritesNoOldSegment) {
  ASSERT_TRUE(harness_.Open().ok());
  for (int i = 0; i < 40; ++i)
    ASSERT_TRUE(harness_.Append(std::string(300, 'y')).ok());
  ASSERT_TRUE(harness_.CloseCleanly().ok());
  const uint64_t operations = fs_.operation_count();
  ASSERT_TRUE(harness_.Open().ok());
  EXPECT_EQ(fs_.operation_count() - operations, 5U)
      << "create, segment header, start record, sync, sync of the directory";
}

TEST_F(WalLog, ClosedLogRefusesToGoOn) {
  ASSERT_TRUE(harness_.Open().ok());
  ASSERT_TRUE(harness_.Append("one").ok());
  ASSERT_TRUE(harness_.CloseCleanly().ok());
  EXPECT_TRUE(log()->Close().ok()) << "twice is once";
  EXPECT_TRUE(log()->Rotate(0, 1).IsClosed());
  EXPECT_TRUE(log()->SyncThrough(log()->end()).IsClosed());
}

TEST(WalLogOnThisMachine, LivesThroughRotationRecyclingAndReopening) {
  for (const vfs::LogWrites writes : {vfs::LogWrites::kMapped, vfs::LogWrites::kPwrite}) {
    std::string dir = testing::TempDir() + "wal_log_XXXXXX";
    ASSERT_NE(::mkdtemp(dir.data()), nullptr);
    vfs::PosixFileSystem fs({.log_writes = writes});
    ReplayOptions manifest;
    LogOptions options;
    options.segment_bytes = 16 << 10;
    options.on_segment_created = [&](uint32_t id) {
      manifest.created_through = id;
      return Status::Ok();
    };
    std::vector<std::pair<uint32_t, std::string>> expected;  // with their segments
    for (int life = 0; life < 3; ++life) {
      std::vector<std::pair<uint32_t, std::string>> replayed;
      const auto collect = [&](LogPosition at, RecordType, uint32_t, uint64_t, Slice payload) {
        replayed.emplace_back(at.segment, payload);
        return Status::Ok();
      };
      auto recovered = ReplayLog(&fs, dir, 1, manifest, collect);
      ASSERT_TRUE(recovered.ok()) << recovered.status().ToString();
      ASSERT_EQ(replayed, expected);
      auto log = Log::Open(&fs, dir, 1, options, *recovered);
      ASSERT_TRUE(log.ok()) << log.status().ToString();
      for (int i = 0; i < 300; ++i) {
        std::string payload(static_cast<size_t>(i * 7 % 2000), static_cast<char>('a' + life));
        Reservation place;
        if (!(*log)->TryReserve(payload.size(), &place)) {
          ASSERT_TRUE((*log)->Rotate(payload.size(), 1).ok());
          ASSERT_TRUE((*log)->TryReserve(payload.size(), &place));
          manifest.first_segment = std::max(3U, place.position().segment) - 2;
          ASSERT_TRUE((*log)->ReleaseBefore(manifest.first_segment).ok());
          std::erase_if(expected,
                        [&](const auto& record) { return record.first < manifest.first_segment; });
          ASSERT_TRUE((*log)->PrepareNext().ok());
        }
        ASSERT_TRUE(
            (*log)->Write(place, RecordType::kBatch, 0, 1, payload, PayloadHash(payload)).ok());
        expected.emplace_back(place.position().segment, std::move(payload));
        if (i % 50 == 0) {
          ASSERT_TRUE((*log)->SyncThrough((*log)->end()).ok());
        }
      }
      EXPECT_GT((*log)->stats().pool.recycled, 5U);
    }
    std::filesystem::remove_all(dir);
  }
}

TEST_F(WalLog, PagesAheadAreDueEverySoOftenAndNotForThoseWhoSync) {
  LogHarness harness(&fs_, {}, 8 << 20);
  ASSERT_TRUE(harness.Open().ok());
  Log* const log = harness.log();
  size_t due = 0;
  Reservation place;
  for (size_t segment = 0; segment < 2; ++segment) {
    while (log->TryReserve(60'000, &place)) due += place.should_prepare ? 1 : 0;
    EXPECT_EQ(due, (segment + 1) * 4);  // at 0, 2, 4 and 6 MiB
    ASSERT_TRUE(log->Rotate(60'000, 1).ok());
  }
  EXPECT_TRUE(log->PrepareAhead());
  EXPECT_TRUE(log->PrepareAhead());
  ASSERT_TRUE(log->SyncThrough(log->end()).ok());
  EXPECT_FALSE(log->PrepareAhead());
  EXPECT_TRUE(log->PrepareAhead());
}

// Appends from several threads while others sync, prepare and release.
TEST_F(WalLog, WritersInParallelLoseNothing) {
  constexpr int kWriters = 4;
  constexpr int kRecordsEach = 400;
  LogHarness harness(&fs_, {}, 32 << 10);
  ASSERT_TRUE(harness.Open().ok());
  Log* const log = harness.log();

  base::Mutex mu;  // the caller's synchronisation: reservations, and which of them are written
  std::vector<TestRecord> reserved;
  std::vector<bool> written;
  size_t published = 0;
  std::atomic<int> writers_left{kWriters};

  const auto write = [&](uint32_t writer) {
    base::Random random(writer);
    for (int i = 0; i < kRecordsEach; ++i) {
      std::string payload(random.Uniform(600), static_cast<char>('a' + writer));
      const uint64_t hash = PayloadHash(payload);
      Reservation place;
      size_t index;
      {
        base::MutexLock lock(&mu);
        index = reserved.size();
        if (!log->TryReserve(payload.size(), &place)) {
          ASSERT_TRUE(log->Rotate(payload.size(), index).ok());
          ASSERT_TRUE(log->TryReserve(payload.size(), &place));
        }
        reserved.push_back({place.position(), RecordType::kBatch, writer, index, payload});
        written.push_back(false);
      }
      ASSERT_TRUE(log->Write(place, RecordType::kBatch, writer, index, payload, hash).ok());
      base::MutexLock lock(&mu);
      written[index] = true;
      while (published < written.size() && written[published])
        ++published;
    }
    --writers_left;
  };
  const auto sync = [&] {
    while (writers_left > 0) {
      LogPosition through;
      {
        base::MutexLock lock(&mu);
        through = published < reserved.size() ? reserved[published].at : log->end();
      }
      ASSERT_TRUE(log->SyncThrough(through).ok());
      ASSERT_GE(log->synced(), through);
    }
  };
  // Lets go of segments of which everything is durable, but keeps the first half of them pinned.
  const auto prepare = [&] {
    const Log::Pin pin = log->PinFrom(2);
    while (writers_left > 0) {
      if (!log->has_prepared()) {
        ASSERT_TRUE(log->PrepareNext().ok());
      }
      ASSERT_TRUE(log->ReleaseBefore(log->synced().segment).ok());
      ASSERT_GE(log->segments().back().id, log->synced().segment);
      ASSERT_LE(log->stats().oldest_segment, 2U);
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t writer = 0; writer < kWriters; ++writer)
    threads.emplace_back(write, writer);
  threads.emplace_back(sync);
  threads.emplace_back(prepare);
  for (std::thread& thread : threads)
    thread.join();

  ASSERT_EQ(published, size_t{kWriters * kRecordsEach});
  ASSERT_TRUE(log->SyncThrough(log->end()).ok());
  const auto clone = fs_.CrashClone(CrashPolicy::kMinimum, 0);
  LogHarness after(clone.get(), harness.manifest());
  after.manifest().first_segment = log->stats().oldest_segment;
  std::erase_if(reserved, [&](const TestRecord& record) {
    return record.at.segment < after.manifest().first_segment;
  });
  std::vector<TestRecord> records;
  const auto result = after.Replay(&records);
  ASSERT_TRUE(result.ok()) << result.status().ToString();
  EXPECT_EQ(records, reserved);
}

}  // namespace
}  // namespace nokv::wal
