// The append path allocates nothing. Replaces operator new in this test program; the sanitizers
// have their own, and the test is not built with them.

#include <gtest/gtest.h>

#if defined(__has_feature)
#define NOKV_HAS_FEATURE_(x) __has_feature(x)
#else
#define NOKV_HAS_FEATURE_(x) 0
#endif
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !NOKV_HAS_FEATURE_(address_sanitizer) && !NOKV_HAS_FEATURE_(thread_sanitizer)

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <string>

#include "vfs/posix_file_system.h"
#include "wal/log.h"

namespace {
std::atomic<uint64_t> allocations{0};
}  // namespace

// Not inline, or GCC takes them for a mismatch of new and free.
[[gnu::noinline]] void* operator new(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* const memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) std::abort();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

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
  const uint64_t before = allocations;
  bool ok = true;
  for (int i = 0; i < 100; ++i) {
    for (const Slice payload : {Slice(small), Slice(large)}) {
      Reservation place;
      ok = ok && log->TryReserve(payload.size(), &place);
      ok = ok && log->Write(place, RecordType::kBatch, 0, 1, payload, PayloadHash(payload)).ok();
    }
  }
  ok = ok && log->SyncThrough(log->end()).ok();
  EXPECT_EQ(allocations - before, 0U);
  EXPECT_TRUE(ok);
  opened->reset();
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace nokv::wal

#endif
