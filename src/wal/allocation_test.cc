// The append path allocates nothing. Replaces operator new in this test program; the sanitizers
// have their own, and the test is not built with them.

#include <gtest/gtest.h>

#include "base/test_allocations.h"

#if NOKV_COUNTS_ALLOCATIONS

#include <cstdlib>
#include <filesystem>
#include <string>

#include "vfs/posix_file_system.h"
#include "wal/log.h"

namespace nokv::wal {
namespace {

TEST(WalAllocation, AppendingAndSyncingAllocateNothing) {
  std::string dir = testing::TempDir() + "wal_allocation_XXXXXX";
  ASSERT_NE(::mkdtemp(dir.data()), nullptr);
  LogOptions options;
  options.segment_bytes = 1 << 20;
  auto opened = Log::Open(vfs::PosixFileSystem::Default(), dir, 1, options, {});
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  Log* const log = opened->get();
  const std::string small(300, 's');
  const std::string large(5000, 'l');
  const uint64_t before = base::test_allocations;
  bool ok = true;
  for (int i = 0; i < 100; ++i) {
    for (const Slice payload : {Slice(small), Slice(large)}) {
      Reservation place;
      ok = ok && log->TryReserve(payload.size(), &place);
      ok = ok && log->Write(place, RecordType::kBatch, 0, 1, payload, PayloadHash(payload)).ok();
    }
  }
  ok = ok && log->SyncThrough(log->end()).ok();
  EXPECT_EQ(base::test_allocations - before, 0U);
  EXPECT_TRUE(ok);
  opened->reset();
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace nokv::wal

#endif
