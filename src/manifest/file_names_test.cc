#include "manifest/file_names.h"

#include <string>

#include <gtest/gtest.h>

namespace nokv::manifest {
namespace {

TEST(FileNames, ParseBackToTypeAndNumber) {
  FileType type;
  uint64_t number;
  for (const uint64_t n : {uint64_t{1}, uint64_t{999'999}, uint64_t{1'000'000}, kFileNumberMax}) {
    ASSERT_TRUE(ParseFileName(TableFileName(n), &type, &number));
    EXPECT_EQ(type, FileType::kTable);
    EXPECT_EQ(number, n);
    ASSERT_TRUE(ParseFileName(ManifestFileName(n), &type, &number));
    EXPECT_EQ(type, FileType::kManifest);
    EXPECT_EQ(number, n);
    ASSERT_TRUE(ParseFileName(TemporaryFileName(TableFileName(n)), &type, &number));
    EXPECT_EQ(type, FileType::kTemporary);
    EXPECT_EQ(number, n);
  }
  ASSERT_TRUE(ParseFileName(LogFileName(UINT32_MAX), &type, &number));
  EXPECT_EQ(type, FileType::kLog);
  EXPECT_EQ(number, UINT32_MAX);
  ASSERT_TRUE(ParseFileName("CURRENT", &type, &number));
  EXPECT_EQ(type, FileType::kCurrent);
  ASSERT_TRUE(ParseFileName("LOCK", &type, &number));
  EXPECT_EQ(type, FileType::kLock);
  ASSERT_TRUE(ParseFileName("CURRENT.tmp", &type, &number));
  EXPECT_EQ(type, FileType::kTemporary);
  EXPECT_EQ(number, 0u);
}

TEST(FileNames, ArePermanent) {
  EXPECT_EQ(ManifestFileName(12), "MANIFEST-000012");
  EXPECT_EQ(TableFileName(1'234'567), "1234567.sst");
  EXPECT_EQ(LogFileName(7), "000007.wal");
}

TEST(FileNames, RefusesWhatIsNotOurs) {
  FileType type;
  uint64_t number;
  for (const char* name :
       {"", ".", "CURRENT2", "current", "LOCK.", "MANIFEST-", "MANIFEST-12", "MANIFEST-0000012",
        "MANIFEST-00001x", "MANIFEST-000000", "12.sst", "0000012.sst", "000012.sst ", "+00012.sst",
        "-00012.sst", "000012.SST", "000012.sst.tmp.tmp", "000012.ldb", ".sst", ".tmp", ".wal",
        "4611686018427387904.sst", "99999999999999999999999.sst", "4294967296.wal", "000000.wal",
        "notes.txt"}) {
    EXPECT_FALSE(ParseFileName(name, &type, &number)) << name;
  }
}

}  // namespace
}  // namespace nokv::manifest
