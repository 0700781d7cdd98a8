#include "base/page_allocator.h"

#include <cstdint>
#include <numeric>
#include <utility>

#include <gtest/gtest.h>

namespace nokv::base {
namespace {

constexpr size_t kMappedInts = PageAllocator<uint64_t>::kMappedBytes / sizeof(uint64_t);

struct alignas(64) Line {
  uint64_t words[8];
};

bool AtPage(const void* memory) {
  return reinterpret_cast<uintptr_t>(memory) % 4096 == 0;
}

TEST(PageAllocator, KeepsWhatIsWrittenAcrossTheBorderOfMappedArrays) {
  for (const size_t n : {size_t{1}, kMappedInts - 1, kMappedInts, kMappedInts + 1, 3 * kMappedInts}) {
    PageVector<uint64_t> numbers(n);
    EXPECT_EQ(numbers[n - 1], 0U);
    std::iota(numbers.begin(), numbers.end(), n);
    numbers.push_back(7);  // moves to a larger array
    for (size_t i = 0; i < n; ++i) ASSERT_EQ(numbers[i], n + i);
  }
}

TEST(PageAllocator, LargeArraysBeginAtAPageOfTheirOwn) {
  const PageVector<uint64_t> a(kMappedInts);
  const PageVector<uint64_t> b(kMappedInts);
  EXPECT_TRUE(AtPage(a.data()));
  EXPECT_TRUE(AtPage(b.data()));
  EXPECT_NE(a.data(), b.data());
}

TEST(PageAllocator, KeepsTheAlignmentOfTheType) {
  for (const size_t n : {1U, 3U, 100U, 5000U}) {
    const PageVector<Line> lines(n);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(lines.data()) % alignof(Line), 0U);
  }
}

TEST(PageAllocator, MovedArraysKeepTheirPlace) {
  PageVector<char> from(PageAllocator<char>::kMappedBytes, 'x');
  const char* const place = from.data();
  const PageVector<char> to = std::move(from);
  EXPECT_EQ(to.data(), place);
  EXPECT_EQ(to.back(), 'x');
}

}  // namespace
}  // namespace nokv::base
