#pragma once

// Poison: tells AddressSanitizer which bytes of memory that we manage ourselves may be touched.
//
// Memory that does not come from malloc has no red zones and no use-after-free detection. A manager
// poisons what nobody owns and unpoisons what it hands out; a stray access then ends the process
// with a report. Without AddressSanitizer both functions are empty. Thread-safe.

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define NOKV_HAS_ASAN_ 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NOKV_HAS_ASAN_ 1
#endif
#endif

#if defined(NOKV_HAS_ASAN_)
#include <sanitizer/asan_interface.h>
#endif

namespace nokv::base {

#if defined(NOKV_HAS_ASAN_)
// Bytes that an allocator adds behind each block and never unpoisons, so that an overrun is seen.
inline constexpr size_t kRedZoneBytes = 16;
inline void Poison(const void* from, size_t bytes) {
  __asan_poison_memory_region(from, bytes);
}
inline void Unpoison(const void* from, size_t bytes) {
  __asan_unpoison_memory_region(from, bytes);
}
#else
inline constexpr size_t kRedZoneBytes = 0;
inline void Poison(const void*, size_t) {}
inline void Unpoison(const void*, size_t) {}
#endif

}  // namespace nokv::base
