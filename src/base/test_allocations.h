#pragma once

// Counts the allocations of a test program, by replacing operator new. To be included by one file of it. The sanitizers
// have their own operator new: NOKV_COUNTS_ALLOCATIONS says whether there is a count.

#if defined(__has_feature)
#define NOKV_HAS_FEATURE_(x) __has_feature(x)
#else
#define NOKV_HAS_FEATURE_(x) 0
#endif
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !NOKV_HAS_FEATURE_(address_sanitizer) && !NOKV_HAS_FEATURE_(thread_sanitizer)
#define NOKV_COUNTS_ALLOCATIONS 1
#else
#define NOKV_COUNTS_ALLOCATIONS 0
#endif

#if NOKV_COUNTS_ALLOCATIONS

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace nokv::base {
inline std::atomic<uint64_t> test_allocations{0};
}  // namespace nokv::base

// Not inline, or GCC takes them for a mismatch of new and free.
[[gnu::noinline]] void* operator new(size_t bytes) {
  nokv::base::test_allocations.fetch_add(1, std::memory_order_relaxed);
  void* const memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) std::abort();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

#endif
