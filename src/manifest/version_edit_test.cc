#include "manifest/version_edit.h"

#include <string>

#include <gtest/gtest.h>

#include "base/coding.h"
#include "base/random.h"
#include "manifest/state.h"
#include "manifest/test_edits.h"

namespace nokv::manifest {
namespace {

std::string Encoded(const VersionEdit& edit) {
  std::string bytes;
  edit.EncodeTo(&bytes);
  return bytes;
}

// An edit with every field in it.
VersionEdit FullEdit() {
  VersionEdit edit;
  edit.next_file_number = 300;
  edit.removed = {{0, 7}, {1, 9}};
  FileMeta file;
  file.number = 12;
  file.bytes = 4096;
  file.begin = std::string("\x03""a\0", 3);
  file.end = "\x03""b";
  file.smallest_seq = 5;
  file.largest_seq = 90;
  file.entries = 20;
  file.deletes = 3;
  file.range_deletes = 1;
  file.min_expires_at = 1'700'000'000'000;
  file.max_expires_at = 1'800'000'000'000;
  file.expiring_entries = 2;
  file.created_at_ms = 1'750'000'000'000;
  file.raw_bytes = 9000;
  edit.added = {{2, file}};
  edit.families = {{3, "users", false}, {4, "", true}};
  edit.next_family_id = 5;
  edit.flushed_seq = 80;
  edit.last_seq = 90;
  edit.log_first_segment = 2;
  edit.log_created_through = 4;
  edit.clear_clean_end = true;
  edit.log_clean_end = CleanEnd{4, 8192};
  return edit;
}

TEST(VersionEdit, EncodesEveryField) {
  VersionEdit decoded;
  ASSERT_TRUE(VersionEdit::Decode(Encoded(FullEdit()), &decoded).ok());
  EXPECT_EQ(decoded, FullEdit());
  ASSERT_TRUE(VersionEdit::Decode("", &decoded).ok());
  EXPECT_EQ(decoded, VersionEdit());
}

TEST(VersionEdit, RandomEditsRoundTrip) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    EditGenerator generator(seed);
    State state;
    for (int i = 0; i < 100; ++i) {
      VersionEdit edit =
          generator.Next(state, [&] { return state.next_file_number++; });
      if (generator.random().OneIn(2)) edit.next_file_number = generator.Number();
      ASSERT_TRUE(state.Apply(edit).ok());
      VersionEdit decoded;
      ASSERT_TRUE(VersionEdit::Decode(Encoded(edit), &decoded).ok());
      ASSERT_EQ(decoded, edit) << edit.DebugString();
    }
  }
}

TEST(VersionEdit, RefusesFieldsThatMustBeUnderstood) {
  for (const uint64_t tag : {40ULL << 1, 40ULL << 1 | 1, 63ULL << 1}) {
    std::string bytes = Encoded(FullEdit());
    base::PutVarint64(&bytes, tag);
    base::PutVarint64(&bytes, 0);
    VersionEdit decoded;
    const Status status = VersionEdit::Decode(bytes, &decoded);
    EXPECT_EQ(status.code(), StatusCode::kNotSupported) << status.ToString();
    EXPECT_NE(status.message().find("written by a newer version"), std::string::npos);
  }
}

TEST(VersionEdit, StepsOverFieldsThatMayBeSkipped) {
  std::string bytes;
  base::PutVarint64(&bytes, 64ULL << 1);  // a number
  base::PutVarint64(&bytes, 1ULL << 60);
  base::PutVarint64(&bytes, 70'000ULL << 1 | 1);  // bytes
  base::PutLengthPrefixed(&bytes, "of the future");
  bytes += Encoded(FullEdit());
  VersionEdit decoded;
  ASSERT_TRUE(VersionEdit::Decode(bytes, &decoded).ok());
  EXPECT_EQ(decoded, FullEdit());
}

TEST(VersionEdit, RefusesMalformedFields) {
  const auto decode = [](Slice bytes) {
    VersionEdit edit;
    return VersionEdit::Decode(bytes, &edit).code();
  };
  constexpr auto kCorruption = StatusCode::kCorruption;
  EXPECT_EQ(decode(Slice("\0\0", 2)), kCorruption) << "field 0";
  EXPECT_EQ(decode("\x02"), kCorruption) << "no value";
  EXPECT_EQ(decode("\x03\x01\x05"), kCorruption) << "bytes where a number belongs";
  EXPECT_EQ(decode("\x02\x05\x02\x05"), kCorruption) << "next_file_number twice";
  EXPECT_EQ(decode("\x0c\x01\x0c\x01"), kCorruption) << "flushed_seq twice";
  EXPECT_EQ(decode("\x14\x02"), kCorruption) << "a flag that is 2";
  EXPECT_EQ(decode("\x05\x02\x07\x01"), kCorruption) << "level 7";
  EXPECT_EQ(decode("\x05\x03\x01\x01\x01"), kCorruption) << "bytes behind a removal";
  EXPECT_EQ(decode(Slice("\x04\0", 2)), kCorruption) << "a removal that is a number";
  EXPECT_EQ(decode(Slice("\x08\0", 2)), kCorruption) << "a family that is a number";
  EXPECT_EQ(decode("\x10\x80\x80\x80\x80\x10"), kCorruption) << "a segment over 32 bits";
  EXPECT_EQ(decode("\x17\x01\x01"), kCorruption) << "a clean end without offset";
}

TEST(VersionEdit, EveryPrefixIsRefusedOrAnEdit) {
  const std::string bytes = Encoded(FullEdit());
  for (size_t size = 0; size < bytes.size(); ++size) {
    VersionEdit decoded;
    const Status status = VersionEdit::Decode(Slice(bytes).substr(0, size), &decoded);
    EXPECT_TRUE(status.ok() || status.IsCorruption()) << status.ToString();
    EXPECT_NE(decoded, FullEdit());
  }
}

TEST(VersionEdit, RandomBytesNeverHurt) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    EditGenerator generator(seed);
    base::Random& random = generator.random();
    for (int i = 0; i < 2000; ++i) {
      std::string bytes = random.OneIn(2) ? generator.Bytes(64) : Encoded(FullEdit());
      for (uint64_t n = random.Uniform(4); n > 0 && !bytes.empty(); --n) {
        bytes[random.Uniform(bytes.size())] = static_cast<char>(random.Next());
      }
      VersionEdit decoded;
      if (!VersionEdit::Decode(bytes, &decoded).ok()) continue;
      // What was accepted means something, and means the same again.
      VersionEdit again;
      ASSERT_TRUE(VersionEdit::Decode(Encoded(decoded), &again).ok());
      ASSERT_EQ(again, decoded);
      State state;
      state.Apply(decoded).IgnoreError();  // Most make no sense; none may crash.
    }
  }
}

TEST(VersionEdit, ShowsItselfToPeople) {
  EXPECT_EQ(FullEdit().DebugString(),
            "next file 300; -L0 #7; -L1 #9; "
            "+L2 #12 [\"\\x03a\\x00\", \"\\x03b\") 4096 B, seq 5..90; "
            "+family 3 \"users\"; -family 4 \"\"; next family 5; flushed seq 80; last seq 90; "
            "log from 2; log through 4; no clean end; clean end 4:8192");
  EXPECT_EQ(VersionEdit().DebugString(), "");
}

TEST(VersionEdit, ShowsItselfToPrograms) {
  EXPECT_EQ(
      FullEdit().ToJson(),
      R"({"next_file_number":300,"removed":[{"level":0,"number":7},{"level":1,"number":9}],)"
      R"("added":[{"level":2,"number":12,"bytes":4096,"begin":"\u0003a\u0000","end":"\u0003b",)"
      R"("smallest_seq":5,"largest_seq":90,"entries":20,"deletes":3,"range_deletes":1,)"
      R"("min_expires_at":1700000000000,"max_expires_at":1800000000000,"expiring_entries":2,)"
      R"("created_at_ms":1750000000000,"raw_bytes":9000}],)"
      R"("families":[{"id":3,"name":"users"},{"id":4,"name":"","dropped":true}],)"
      R"("next_family_id":5,"flushed_seq":80,"last_seq":90,"log_first_segment":2,)"
      R"("log_created_through":4,"clear_clean_end":true,)"
      R"("log_clean_end":{"segment":4,"offset":8192}})");
  EXPECT_EQ(VersionEdit().ToJson(), "{}");
  VersionEdit odd;
  odd.families = {{3, "\"\\/\n\xff", false}};
  EXPECT_EQ(odd.ToJson(), R"({"families":[{"id":3,"name":"\"\\/\u000a\u00ff"}]})");
}

}  // namespace
}  // namespace nokv::manifest
