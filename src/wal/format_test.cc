#include "wal/format.h"

#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "base/random.h"

namespace nokv::wal {
namespace {

std::string Hex(Slice bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0 && i % 8 == 0) hex += ' ';
    const auto byte = static_cast<unsigned char>(bytes[i]);
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

std::string EncodedRecord(uint64_t database_id,
                          uint32_t segment,
                          uint32_t offset,
                          const RecordHeader& header,
                          Slice payload) {
  std::string record(kRecordHeaderBytes, '\0');
  EncodeRecordHeader(header, RecordSeed(SegmentSeed(database_id, segment), offset),
                     PayloadHash(payload), record.data());
  return record.append(payload);
}

bool IsRecord(uint64_t database_id, uint32_t segment, uint32_t offset, Slice bytes) {
  DecodedHeader decoded;
  const uint32_t limit =
      offset + static_cast<uint32_t>(RecordBytes(bytes.size() - kRecordHeaderBytes));
  if (!DecodeRecordHeader(bytes.data(), SegmentSeed(database_id, segment), offset, limit,
                          &decoded)) {
    return false;
  }
  return decoded.header.length <= bytes.size() - kRecordHeaderBytes &&
         decoded.Matches(PayloadHash(bytes.substr(kRecordHeaderBytes, decoded.header.length)));
}

// The worked example of docs/format/wal.md. If this fails, logs that exist cannot be read any more.
TEST(WalFormat, BytesArePermanent) {
  char header[kSegmentHeaderBytes];
  EncodeSegmentHeader({.segment = 7, .database_id = 0x0102030405060708, .capacity = 4096}, header);
  EXPECT_EQ(Hex(Slice(header, sizeof header)),
            "4e6f4b5677616c0a 0100000007000000 0807060504030201 0010000000000000 "
            "0000000000000000 0000000000000000 0000000000000000 c31a8f2ba44c9751");

  char start[kStartPayloadBytes];
  EncodeSegmentStart({.predecessor_end = {6, 4000}, .predecessor_mark = 3504}, start);
  EXPECT_EQ(Hex(EncodedRecord(
                0x0102030405060708, 7, kStartOffset,
                {.length = kStartPayloadBytes, .word = 1000, .type = RecordType::kSegmentStart},
                Slice(start, sizeof start))),
            "116183710b888aee 1000000000000000 e803000000000000 00000000019d531d "
            "06000000a00f0000 b00d000000000000");
  EXPECT_EQ(
      Hex(EncodedRecord(0x0102030405060708, 7, kDataOffset,
                        {.length = 5, .synced_mark = 112, .word = 1000, .stream = 3}, "hello")),
      "c6936493589c9840 0500000070000000 e803000000000000 0300000002a80e94 "
      "68656c6c6f");
}

TEST(WalFormat, SegmentHeaderReadsBackAndEveryBitIsCovered) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  EncodeSegmentHeader(
      {.segment = 9, .database_id = 77, .capacity = 1 << 20, .origin = SegmentOrigin::kOpened},
      bytes.data());
  SegmentHeader header;
  ASSERT_TRUE(DecodeSegmentHeader(bytes, &header));
  EXPECT_EQ(header.version, kSegmentFormatVersion);
  EXPECT_EQ(header.segment, 9U);
  EXPECT_EQ(header.database_id, 77U);
  EXPECT_EQ(header.capacity, 1U << 20);
  EXPECT_EQ(header.origin, SegmentOrigin::kOpened);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(DecodeSegmentHeader(bytes, &header)) << bit;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  }
  EXPECT_FALSE(DecodeSegmentHeader(Slice(bytes).substr(0, kSegmentHeaderBytes - 1), &header));
  EXPECT_FALSE(DecodeSegmentHeader(std::string(kSegmentHeaderBytes, '\0'), &header));
}

TEST(WalFormat, RecordReadsBackAndEveryBitIsCovered) {
  for (const size_t length : {0U, 1U, 7U, 8U, 300U}) {
    std::string record = EncodedRecord(5, 6, 4096,
                                       {.length = static_cast<uint32_t>(length),
                                        .synced_mark = 4000,
                                        .word = 0x1234567890,
                                        .stream = 11,
                                        .type = static_cast<RecordType>(200)},
                                       std::string(length, 'x'));
    DecodedHeader decoded;
    ASSERT_TRUE(DecodeRecordHeader(record.data(), SegmentSeed(5, 6), 4096, 8192, &decoded));
    EXPECT_EQ(decoded.header.length, length);
    EXPECT_EQ(decoded.header.synced_mark, 4000U);
    EXPECT_EQ(decoded.header.word, 0x1234567890U);
    EXPECT_EQ(decoded.header.stream, 11U);
    EXPECT_EQ(decoded.header.type, static_cast<RecordType>(200));
    ASSERT_TRUE(IsRecord(5, 6, 4096, record));
    for (size_t bit = 0; bit < record.size() * 8; ++bit) {
      record[bit / 8] = static_cast<char>(record[bit / 8] ^ (1 << bit % 8));
      EXPECT_FALSE(IsRecord(5, 6, 4096, record)) << bit;
      record[bit / 8] = static_cast<char>(record[bit / 8] ^ (1 << bit % 8));
    }
  }
}

TEST(WalFormat, RecordIsWorthlessAnywhereElse) {
  const std::string record = EncodedRecord(5, 6, 4096, {.length = 3}, "abc");
  EXPECT_TRUE(IsRecord(5, 6, 4096, record));
  EXPECT_FALSE(IsRecord(4, 6, 4096, record)) << "another database";
  EXPECT_FALSE(IsRecord(5, 7, 4096, record)) << "another segment";
  EXPECT_FALSE(IsRecord(5, 6, 4104, record)) << "another offset";
}

TEST(WalFormat, ZerosAndNoiseAreNoRecords) {
  const std::string zeros(64, '\0');
  EXPECT_FALSE(IsRecord(0, 0, 0, zeros));
  EXPECT_FALSE(IsRecord(5, 6, 4096, zeros));
  base::Random random(1);
  for (int i = 0; i < 100'000; ++i) {
    std::string noise(kRecordHeaderBytes, '\0');
    for (char& c : noise)
      c = static_cast<char>(random.Next());
    // Makes the cheap tests pass.
    std::memset(&noise[8], 0, 8);
    EXPECT_FALSE(IsRecord(5, 6, 4096, noise)) << i;
  }
}

TEST(WalFormat, HeaderThatCannotStandThereIsNone) {
  const std::string record = EncodedRecord(5, 6, 4096, {.length = 100, .synced_mark = 4096}, "");
  DecodedHeader decoded;
  const uint64_t seed = SegmentSeed(5, 6);
  EXPECT_TRUE(DecodeRecordHeader(record.data(), seed, 4096, 4096 + 136, &decoded));
  EXPECT_FALSE(DecodeRecordHeader(record.data(), seed, 4096, 4096 + 135, &decoded)) << "too long";
  EXPECT_FALSE(DecodeRecordHeader(record.data(), seed, 4096, 100, &decoded)) << "beyond the limit";
  const std::string ahead = EncodedRecord(5, 6, 4096, {.length = 0, .synced_mark = 4104}, "");
  EXPECT_FALSE(DecodeRecordHeader(ahead.data(), seed, 4096, 8192, &decoded))
      << "mark ahead of itself";
}

TEST(WalFormat, OneSegmentHasOneName) {
  EXPECT_EQ(SegmentFileName(7), "000007.wal");
  EXPECT_EQ(SegmentFileName(UINT32_MAX), "4294967295.wal");
  for (const uint32_t id : {1U, 999'999U, 1'000'000U, UINT32_MAX}) {
    uint32_t parsed;
    ASSERT_TRUE(ParseSegmentFileName(SegmentFileName(id), &parsed));
    EXPECT_EQ(parsed, id);
  }
  for (const char* name : {"", ".wal", "7.wal", "00007.wal", "0000007.wal", "000000.wal",
                           "00000x.wal", "000007.wal.tmp", "000007.sst", "4294967296.wal",
                           "99999999999.wal", "-00007.wal", "000007wal"}) {
    uint32_t parsed;
    EXPECT_FALSE(ParseSegmentFileName(name, &parsed)) << name;
  }
}

}  // namespace
}  // namespace nokv::wal
