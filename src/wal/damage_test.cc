// Every kind of damage to a log of several segments: replay says which file and where, or delivers
// a prefix where nothing can prove that more was durable. It never delivers anything else.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "vfs/memory_file_system.h"
#include "wal/log_harness.h"

namespace nokv::wal {
namespace {

using testing::HasSubstr;
using vfs::MemoryFileSystem;

// A log of four segments, of which the last two are recycled files; four records in each of its
// first three, all durable, then `unsynced` in the last.
class WalDamage : public testing::Test {
 protected:
  WalDamage() { LogHarness::MakeDirectory(&fs_); }

  void MakeLog(size_t unsynced) {
    ASSERT_TRUE(harness_.Open().ok());
    for (int i = 0; i < 60; ++i)
      ASSERT_TRUE(harness_.Append(std::string(300, 'o')).ok());
    ASSERT_TRUE(log()->Rotate(0, 1).ok());
    ASSERT_TRUE(harness_.ReleaseBefore(log()->end().segment).ok());
    for (int segment = 0; segment < 3; ++segment) {
      for (const size_t bytes : {0U, 5U, 64U, 1000U}) {
        ASSERT_TRUE(harness_.Append(std::string(bytes, static_cast<char>('a' + segment))).ok());
      }
      ASSERT_TRUE(log()->Rotate(0, 1).ok());
    }
    ASSERT_TRUE(harness_.Append("durable").ok());
    ASSERT_TRUE(harness_.Sync().ok());
    for (size_t i = 0; i < unsynced; ++i)
      ASSERT_TRUE(harness_.Append("not durable").ok());
    ASSERT_GE(log()->stats().pool.recycled, 2U);
    records_ = harness_.appended();
    const uint32_t first = harness_.manifest().first_segment;
    std::erase_if(records_, [&](const TestRecord& record) { return record.at.segment < first; });
    ASSERT_EQ(records_.size(), 13 + unsynced);
  }

  Log* log() { return harness_.log(); }

  // Replays; what was delivered is a prefix in any case.
  Status Replay(size_t* delivered) {
    std::vector<TestRecord> records;
    const auto result = harness_.Replay(&records);
    *delivered = records.size();
    EXPECT_LE(records.size(), records_.size());
    EXPECT_TRUE(std::equal(records.begin(), records.end(), records_.begin()));
    return result.status();
  }

  // With the bit flipped, replay fails and names `at`.
  void ExpectFlipIsDamage(LogPosition at, uint64_t offset, unsigned bit) {
    const std::string path = LogHarness::PathOf(at.segment);
    FlipBit(&fs_, path, offset, bit);
    size_t delivered;
    const Status status = Replay(&delivered);
    EXPECT_TRUE(status.IsCorruption()) << status.ToString();
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(path + ": offset " + std::to_string(at.offset) + ": "));
    FlipBit(&fs_, path, offset, bit);
    ++flips_;
  }

  void FlipEveryBit(LogPosition at, uint64_t offset, uint64_t bytes) {
    for (uint64_t bit = 0; bit < bytes * 8; ++bit) {
      ExpectFlipIsDamage(at, offset + bit / 8, static_cast<unsigned>(bit % 8));
    }
  }

  void FlipRandomBits(LogPosition at, uint64_t offset, uint64_t bytes, int count) {
    for (int i = 0; i < count; ++i) {
      ExpectFlipIsDamage(at, offset + random_.Uniform(bytes),
                         static_cast<unsigned>(random_.Uniform(8)));
    }
  }

  // Everything in the segments that was durable, by its first `durable` records.
  void FlipAllThatWasDurable(size_t durable) {
    const uint32_t first = records_.front().at.segment;
    for (uint32_t id = first; id <= log()->end().segment; ++id) {
      FlipEveryBit({id, 0}, 0, kSegmentHeaderBytes);
      FlipEveryBit({id, kStartOffset}, kStartOffset, kDataOffset - kStartOffset);
      if (HasFailure()) return;
    }
    for (size_t i = 0; i < durable; ++i) {
      const TestRecord& record = records_[i];
      FlipEveryBit(record.at, record.at.offset, kRecordHeaderBytes);
      if (!record.payload.empty()) {
        FlipRandomBits(record.at, record.at.offset + kRecordHeaderBytes, record.payload.size(),
                       100);
      }
      if (HasFailure()) return;
    }
  }

  void ExpectDamage(const std::string& what) {
    size_t delivered;
    const Status status = Replay(&delivered);
    EXPECT_TRUE(status.IsCorruption()) << what << ": " << status.ToString();
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
  }

  static constexpr uint64_t kSeed = 20240607;
  base::Random random_{kSeed};
  MemoryFileSystem fs_;
  LogHarness harness_{&fs_};
  std::vector<TestRecord> records_;
  size_t flips_ = 0;
};

TEST_F(WalDamage, EveryBitAfterACleanClose) {
  MakeLog(3);
  ASSERT_TRUE(harness_.CloseCleanly().ok());
  FlipAllThatWasDurable(records_.size());
  std::printf("%zu bits flipped, seed %llu\n", flips_, static_cast<unsigned long long>(kSeed));
  size_t delivered;
  EXPECT_TRUE(Replay(&delivered).ok());
  EXPECT_EQ(delivered, records_.size());
}

TEST_F(WalDamage, EveryBitThatAMarkVouchesFor) {
  MakeLog(1);
  FlipAllThatWasDurable(records_.size() - 1);
  std::printf("%zu bits flipped, seed %llu\n", flips_, static_cast<unsigned long long>(kSeed));
}

TEST_F(WalDamage, BitsNobodyVouchesForEndTheLogThere) {
  MakeLog(4);
  for (size_t i = records_.size() - 4; i < records_.size(); ++i) {
    for (uint64_t bit = 0; bit < (kRecordHeaderBytes + records_[i].payload.size()) * 8; ++bit) {
      const std::string path = LogHarness::PathOf(records_[i].at.segment);
      FlipBit(&fs_, path, records_[i].at.offset + bit / 8, bit % 8);
      size_t delivered;
      const Status status = Replay(&delivered);
      EXPECT_TRUE(status.ok()) << status.ToString();
      EXPECT_EQ(delivered, i);
      FlipBit(&fs_, path, records_[i].at.offset + bit / 8, bit % 8);
    }
  }
}

TEST_F(WalDamage, AnyRunOfBytesReplacedIsNeverAWrongAnswer) {
  MakeLog(4);
  const uint32_t first = records_.front().at.segment;
  size_t refused = 0;
  for (int i = 0; i < 3000; ++i) {
    const uint32_t id =
        first + static_cast<uint32_t>(random_.Uniform(log()->end().segment - first + 1));
    const std::string path = LogHarness::PathOf(id);
    const std::string before = FileBytes(&fs_, path);
    std::string noise(1 + random_.Uniform(200), '\0');
    if (!random_.OneIn(3)) {
      for (char& c : noise)
        c = static_cast<char>(random_.Next());
    }
    OverwriteBytes(&fs_, path, random_.Uniform(before.size() - noise.size()), noise);
    size_t delivered;
    const Status status = Replay(&delivered);
    // In the last segment one run may take a record together with all that vouches for it.
    EXPECT_TRUE(status.ok() ? delivered >= 12 : status.IsCorruption()) << status.ToString();
    refused += !status.ok();
    OverwriteBytes(&fs_, path, 0, before);
    if (HasFailure()) break;
  }
  EXPECT_GT(refused, 500U);
}

TEST_F(WalDamage, SegmentsSwappedAreNamed) {
  MakeLog(1);
  const uint32_t first = records_.front().at.segment;
  for (uint32_t a = first; a <= log()->end().segment; ++a) {
    for (uint32_t b = a + 1; b <= log()->end().segment; ++b) {
      const std::string bytes_a = FileBytes(&fs_, LogHarness::PathOf(a));
      const std::string bytes_b = FileBytes(&fs_, LogHarness::PathOf(b));
      OverwriteBytes(&fs_, LogHarness::PathOf(a), 0, bytes_b);
      OverwriteBytes(&fs_, LogHarness::PathOf(b), 0, bytes_a);
      ExpectDamage(LogHarness::PathOf(a) + ": offset 0: holds segment " + std::to_string(b));
      // Even with the headers made right the records are in the wrong place; only the last segment
      // vouches for what is durable here.
      OverwriteBytes(&fs_, LogHarness::PathOf(a), 0, Slice(bytes_a).substr(0, kSegmentHeaderBytes));
      OverwriteBytes(&fs_, LogHarness::PathOf(b), 0, Slice(bytes_b).substr(0, kSegmentHeaderBytes));
      size_t delivered;
      const Status status = Replay(&delivered);
      EXPECT_TRUE(b == log()->end().segment ? status.ok() : status.IsCorruption())
          << status.ToString();
      EXPECT_EQ(delivered, (a - first) * 4);
      OverwriteBytes(&fs_, LogHarness::PathOf(a), 0, bytes_a);
      OverwriteBytes(&fs_, LogHarness::PathOf(b), 0, bytes_b);
    }
  }
}

TEST_F(WalDamage, RecordsMovedWithinTheirSegmentAreDamage) {
  MakeLog(1);
  const TestRecord& record = records_[1];
  const std::string path = LogHarness::PathOf(record.at.segment);
  const std::string bytes = FileBytes(&fs_, path);
  const auto size = static_cast<size_t>(RecordBytes(record.payload.size()));
  OverwriteBytes(&fs_, path, records_[2].at.offset, Slice(bytes).substr(record.at.offset, size));
  ExpectDamage(path + ": offset " + std::to_string(records_[2].at.offset));
}

TEST_F(WalDamage, TruncatedExtendedOrEmptySegmentIsNamed) {
  MakeLog(1);
  const uint32_t first = records_.front().at.segment;
  for (uint32_t id = first; id <= log()->end().segment; ++id) {
    const std::string path = LogHarness::PathOf(id);
    const std::string bytes = FileBytes(&fs_, path);
    for (const size_t size : {size_t{0}, size_t{10}, size_t{64}, size_t{112}, size_t{500},
                              size_t{4095}, size_t{4096 + 8}, size_t{8192}}) {
      std::string resized = bytes;
      resized.resize(size);
      SetFileBytes(&fs_, path, resized);
      ExpectDamage(path + ": offset 0: ");
    }
    SetFileBytes(&fs_, path, bytes);
  }
  size_t delivered;
  EXPECT_TRUE(Replay(&delivered).ok());
}

TEST_F(WalDamage, DeletedSegmentIsNamed) {
  MakeLog(1);
  const uint32_t first = records_.front().at.segment;
  for (uint32_t id = first; id <= log()->end().segment; ++id) {
    const std::string path = LogHarness::PathOf(id);
    const std::string bytes = FileBytes(&fs_, path);
    ASSERT_TRUE(fs_.Remove(path).ok());
    ExpectDamage(path + ": log segment missing");
    SetFileBytes(&fs_, path, bytes);
  }
}

TEST_F(WalDamage, SegmentZeroedBehindItsHeaderIsDamageIfItWasDurable) {
  MakeLog(1);
  const uint32_t first = records_.front().at.segment;
  for (uint32_t id = first; id < log()->end().segment; ++id) {
    const std::string path = LogHarness::PathOf(id);
    const std::string bytes = FileBytes(&fs_, path);
    OverwriteBytes(&fs_, path, kStartOffset, std::string(bytes.size() - kStartOffset, '\0'));
    ExpectDamage(path + ": offset 64: ");
    OverwriteBytes(&fs_, path, 0, bytes);
  }
}

TEST_F(WalDamage, OlderImageOfASegmentIsDamage) {
  MakeLog(0);
  const TestRecord last = records_.back();
  const std::string path = LogHarness::PathOf(last.at.segment);
  const std::string before = FileBytes(&fs_, path);
  ASSERT_TRUE(harness_.Append("durable").ok());
  ASSERT_TRUE(harness_.CloseCleanly().ok());
  OverwriteBytes(&fs_, path, 0, before);
  records_ = harness_.appended();
  std::erase_if(records_, [&](const TestRecord& record) {
    return record.at.segment < harness_.manifest().first_segment;
  });
  ExpectDamage(path + ": offset " + std::to_string(records_.back().at.offset));
}

}  // namespace
}  // namespace nokv::wal
