#include "base/arena.h"

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/mutex.h"
#include "base/random.h"

namespace nokv::base {
namespace {

struct Block {
  Arena::Ref ref;
  size_t bytes;
};

// Memory for an arena, with a canary behind it.
class Memory {
 public:
  explicit Memory(size_t bytes) : bytes_(bytes), words_((bytes + kCanaryBytes) / 8, kCanary) {}
  ~Memory() { Unpoison(data(), bytes_); }
  char* data() { return reinterpret_cast<char*>(words_.data()); }
  bool canary_is_whole() const {
    return std::all_of(words_.end() - kCanaryBytes / 8, words_.end(),
                       [](uint64_t word) { return word == kCanary; });
  }

 private:
  static constexpr size_t kCanaryBytes = 4096;
  static constexpr uint64_t kCanary = 0xdeadbeefcafef00dULL;
  const size_t bytes_;
  std::vector<uint64_t> words_;
};

TEST(Arena, BlocksAreDisjointAlignedAndWithinTheCapacity) {
  Memory memory(4096);
  Arena arena(memory.data(), 4096);
  std::vector<Block> blocks;
  for (size_t bytes = 1; arena.TryReserve(Arena::BlockBytes(bytes)); bytes = bytes % 61 + 1) {
    blocks.push_back({arena.Claim(bytes, bytes), bytes});
    std::memset(arena.At<char>(blocks.back().ref), static_cast<int>(blocks.size()), bytes);
  }
  EXPECT_TRUE(memory.canary_is_whole());
  EXPECT_GT(arena.claimed_bytes(), 4096U - 64 - kRedZoneBytes);
  EXPECT_EQ(arena.claimed_bytes(), arena.reserved_bytes());
  for (size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_NE(blocks[i].ref, Arena::kNull);
    const char* at = arena.At<char>(blocks[i].ref);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(at) % Arena::kUnitBytes, 0U);
    EXPECT_TRUE(std::all_of(at, at + blocks[i].bytes,
                            [&](char c) { return c == static_cast<char>(i + 1); }));
  }
}

TEST(Arena, AClaimGivesBackWhatItDoesNotNeed) {
  Memory memory(4096);
  Arena arena(memory.data(), 4096);
  const size_t promised = Arena::BlockBytes(3000);
  ASSERT_TRUE(arena.TryReserve(promised));
  EXPECT_FALSE(arena.TryReserve(promised));
  arena.Claim(100, 3000);
  EXPECT_EQ(arena.claimed_bytes(), Arena::kUnitBytes + Arena::BlockBytes(100));
  EXPECT_EQ(arena.reserved_bytes(), arena.claimed_bytes());
  EXPECT_TRUE(arena.TryReserve(promised));
}

TEST(Arena, ReservesExactlyItsCapacity) {
  Memory memory(4096);
  Arena arena(memory.data(), 4096);
  EXPECT_FALSE(arena.TryReserve(4096));
  EXPECT_FALSE(arena.TryReserve(size_t{1} << 40));
  EXPECT_TRUE(arena.TryReserve(4096 - Arena::kUnitBytes));
  EXPECT_FALSE(arena.TryReserve(Arena::kUnitBytes));
  EXPECT_TRUE(arena.TryReserve(0));
}

#if defined(NOKV_HAS_ASAN_)
TEST(Arena, BytesOutsideOfBlocksArePoisoned) {
  Memory memory(4096);
  Arena arena(memory.data(), 4096);
  ASSERT_TRUE(arena.TryReserve(Arena::BlockBytes(100)));
  const char* block = arena.At<char>(arena.Claim(100, 100));
  EXPECT_EQ(__asan_region_is_poisoned(const_cast<char*>(block), 100), nullptr);
  EXPECT_TRUE(__asan_address_is_poisoned(block - 1));
  EXPECT_TRUE(__asan_address_is_poisoned(block + 100));
  EXPECT_TRUE(__asan_address_is_poisoned(memory.data() + 4095));
  EXPECT_FALSE(__asan_address_is_poisoned(memory.data() + 4096));
}
#endif

TEST(Arena, ParallelClaimsNeverOverlap) {
  constexpr uint64_t kSeed = 11;
  SCOPED_TRACE(kSeed);
  constexpr size_t kBytes = size_t{1} << 20;
  Memory memory(kBytes);
  Arena arena(memory.data(), kBytes);
  Mutex reservation;
  std::vector<std::vector<Block>> claimed(3);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < claimed.size(); ++t) {
    threads.emplace_back([&, t] {
      Random random(kSeed + t);
      for (;;) {
        const size_t most = 1 + random.Uniform(200);
        {
          MutexLock lock(&reservation);
          if (!arena.TryReserve(Arena::BlockBytes(most))) return;
        }
        const size_t bytes = 1 + random.Uniform(most);
        const Arena::Ref ref = arena.Claim(bytes, most);
        std::memset(arena.At<char>(ref), static_cast<int>(t), bytes);
        claimed[t].push_back({ref, bytes});
      }
    });
  }
  for (auto& thread : threads)
    thread.join();

  EXPECT_TRUE(memory.canary_is_whole());
  std::vector<Block> all;
  for (size_t t = 0; t < claimed.size(); ++t) {
    for (const Block& block : claimed[t]) {
      const char* at = arena.At<char>(block.ref);
      EXPECT_TRUE(
          std::all_of(at, at + block.bytes, [&](char c) { return c == static_cast<char>(t); }));
      all.push_back(block);
    }
  }
  std::sort(all.begin(), all.end(), [](const Block& a, const Block& b) { return a.ref < b.ref; });
  size_t sum = Arena::kUnitBytes;
  for (const Block& block : all) {
    EXPECT_EQ(size_t{block.ref} * Arena::kUnitBytes, sum);
    sum += Arena::BlockBytes(block.bytes);
  }
  EXPECT_EQ(arena.claimed_bytes(), sum);
  EXPECT_EQ(arena.reserved_bytes(), sum);
}

}  // namespace
}  // namespace nokv::base
