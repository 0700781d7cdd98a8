// testdata/golden_v1 is a database's manifest and CURRENT as format version 1 writes them: what was
// written once can be read for ever, and is still written like that. To make the files anew after a
// deliberate change of a format that no release has: NOKV_REWRITE_GOLDEN=1 manifest_test.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <stdlib.h>

#include <gtest/gtest.h>

#include "manifest/manifest.h"
#include "vfs/memory_file_system.h"
#include "vfs/posix_file_system.h"

namespace nokv::manifest {
namespace {

constexpr char kDir[] = "src/manifest/testdata/golden_v1";
constexpr uint64_t kDatabaseId = 0x00c0ffee00c0ffee;

FileMeta Table(uint64_t number) {
  FileMeta file;
  file.number = number;
  file.bytes = 4096 * number;
  file.begin = std::string("\x03" "a\0", 3);
  file.end = "\x03" "m";
  file.smallest_seq = 10 * number;
  file.largest_seq = 10 * number + 9;
  file.entries = 8;
  file.deletes = 3;
  file.range_deletes = 1;
  file.min_expires_at = 1'700'000'000'000;
  file.max_expires_at = 1'800'000'000'000;
  file.expiring_entries = 2;
  file.created_at_ms = 1'750'000'000'000;
  file.raw_bytes = 9000;
  return file;
}

// Every field of an edit, over three groups; the second has two edits.
std::vector<std::vector<VersionEdit>> Groups() {
  VersionEdit families;
  families.families = {{0, "default", false}, {3, "users", false}, {4, "short-lived", false}};
  families.next_family_id = 6;
  families.log_first_segment = 1;
  families.log_created_through = 2;

  VersionEdit flush;
  flush.added = {{0, Table(2)}, {0, Table(3)}};
  flush.flushed_seq = 39;
  flush.last_seq = 50;
  flush.log_first_segment = 2;
  VersionEdit drop;
  drop.families = {{4, "", true}};

  VersionEdit last;
  last.next_file_number = 1000;
  last.removed = {{0, 2}, {0, 3}};
  last.added = {{1, Table(4)}, {6, Table(3)}};
  last.clear_clean_end = true;
  last.log_clean_end = CleanEnd{2, 8192};
  return {{families}, {flush, drop}, {last}};
}

void WriteDatabase(vfs::FileSystem* fs, const std::string& dir) {
  auto manifest = Manifest::Create(fs, dir, kDatabaseId);
  ASSERT_TRUE(manifest.ok()) << manifest.status().ToString();
  for (const auto& group : Groups()) ASSERT_TRUE((*manifest)->LogAndApply(group).ok());
  ASSERT_TRUE((*manifest)->Close().ok());
}

TEST(ManifestGolden, IsStillWrittenAlike) {
  if (::getenv("NOKV_REWRITE_GOLDEN") != nullptr) {
    std::filesystem::remove_all(kDir);
    std::filesystem::create_directories(kDir);
    WriteDatabase(vfs::PosixFileSystem::Default(), kDir);
  }
  vfs::MemoryFileSystem fs;
  ASSERT_TRUE(fs.CreateDirectory("/db").ok());
  WriteDatabase(&fs, "/db");
  for (const std::string name : {"CURRENT", "MANIFEST-000001"}) {
    std::ifstream golden(vfs::JoinPath(kDir, name), std::ios::binary);
    const std::string expected{std::istreambuf_iterator<char>(golden), {}};
    EXPECT_EQ(vfs::ReadFile(&fs, "/db/" + name, 1 << 20).value(), expected) << name;
  }
}

TEST(ManifestGolden, IsReadAsWhatItSays) {
  const auto state = Manifest::Load(vfs::PosixFileSystem::Default(), kDir);
  ASSERT_TRUE(state.ok()) << state.status().ToString();
  State expected;
  expected.database_id = kDatabaseId;
  expected.format_version = 1;
  expected.levels[1] = {Table(4)};
  expected.levels[6] = {Table(3)};
  expected.families = {{0, "default"}, {3, "users"}};
  expected.next_file_number = 1000;
  expected.next_family_id = 6;
  expected.flushed_seq = 39;
  expected.last_seq = 50;
  expected.log_first_segment = 2;
  expected.log_created_through = 2;
  expected.log_clean_end = CleanEnd{2, 8192};
  EXPECT_EQ(*state, expected) << state->ToJson();
}

}  // namespace
}  // namespace nokv::manifest
