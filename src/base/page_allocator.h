#pragma once

// PageAllocator: an allocator of the standard library for large arrays that live long.
//
// Arrays of kMappedBytes and more come from the operating system and go back to it. From the heap they would lie between
// what threads allocate for a moment, and its pages would stay with the process for their sake.
//
// Thread-safe, without state. No memory is fatal, as everywhere.

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include <sys/mman.h>

#include "base/check.h"

namespace nokv::base {

template <typename T>
class PageAllocator {
 public:
  using value_type = T;
  static constexpr size_t kMappedBytes = size_t{64} << 10;

  PageAllocator() = default;
  template <typename U>
  PageAllocator(const PageAllocator<U>&) noexcept {}  // NOLINT(google-explicit-constructor): as containers expect

  [[nodiscard]] T* allocate(size_t n) {
    static_assert(alignof(T) <= 4096);
    NOKV_CHECK(n <= SIZE_MAX / sizeof(T));
    const size_t bytes = n * sizeof(T);
    if (bytes < kMappedBytes) return static_cast<T*>(::operator new(bytes, std::align_val_t{alignof(T)}));
    // All of it is about to be written: one call makes its pages resident.
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    NOKV_CHECK(memory != MAP_FAILED);
    return static_cast<T*>(memory);
  }

  void deallocate(T* memory, size_t n) noexcept {
    const size_t bytes = n * sizeof(T);
    if (bytes < kMappedBytes) {
      ::operator delete(memory, bytes, std::align_val_t{alignof(T)});
    } else {
      NOKV_CHECK(::munmap(memory, bytes) == 0);
    }
  }

  template <typename U>
  bool operator==(const PageAllocator<U>&) const noexcept {
    return true;
  }
};

template <typename T>
using PageVector = std::vector<T, PageAllocator<T>>;

}  // namespace nokv::base
