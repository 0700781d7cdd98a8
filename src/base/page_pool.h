#pragma once

// PagePool: big regions of memory from the operating system, recycled.
//
// The first touch of a fresh page costs microseconds, and a big structure that is filled once and
// thrown away (an arena, a cache's frames) would pay that for every page of its life. The pool
// keeps regions that were given back, up to a limit, and hands them out again: their pages are
// resident. A fresh region asks for huge pages, and whoever owns it can make parts of it resident
// before they are needed (Populate), from a background thread.
//
// Sizes are rounded up to size classes, at most an eighth larger, so that regions of about the same
// size serve each other. A recycled region holds the bytes of its earlier life; zeroed() tells.
//
// Invariants:
//  1. A region is owned by one PageRegion, or idle in the pool, or unmapped.
//  2. idle bytes never exceed Options::idle_bytes_max.
//  3. The pool outlives its regions (checked).
//
// Thread safety: PagePool is thread-safe. A PageRegion belongs to one owner; Populate is
// thread-safe. Under AddressSanitizer the bytes of an idle region are poisoned.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "nokv/result.h"

#include "base/mutex.h"

namespace nokv::base {

class PagePool;

// A mapped region; gives itself back to its pool, or to the system, when it goes. Movable.
class PageRegion {
 public:
  PageRegion() = default;
  // A region without a pool: unmapped at the end of its life.
  static Result<PageRegion> Map(size_t bytes);

  PageRegion(PageRegion&& other) noexcept;
  PageRegion& operator=(PageRegion&& other) noexcept;
  PageRegion(const PageRegion&) = delete;
  PageRegion& operator=(const PageRegion&) = delete;
  ~PageRegion();

  char* data() const { return data_; }
  // At least what was asked for: the size class.
  size_t size() const { return size_; }
  // True if nobody has had this region before: every byte that the owner has not written is zero.
  bool zeroed() const { return zeroed_; }

  // Makes the pages that hold [offset, offset + bytes) resident, a few MiB per system call so that
  // page faults of other threads get their turn. Changes no byte; safe beside readers and writers
  // of the region. Costs 0.15-0.3 us per fresh KiB: call it from the background. Cheap where pages
  // are resident.
  void Populate(size_t offset, size_t bytes) const;

 private:
  friend class PagePool;
  PageRegion(PagePool* pool, char* data, size_t size, bool zeroed)
      : pool_(pool), data_(data), size_(size), zeroed_(zeroed) {}
  void Release();

  PagePool* pool_ = nullptr;
  char* data_ = nullptr;
  size_t size_ = 0;
  bool zeroed_ = false;
};

class PagePool {
 public:
  struct Options {
    // Memory kept for reuse while nobody needs it. Enough for the regions that are usually given
    // back before the next one is asked for; 0 recycles nothing.
    size_t idle_bytes_max = size_t{256} << 20;
  };
  struct Stats {
    size_t in_use_bytes = 0;      // owned by PageRegions
    size_t idle_bytes = 0;        // kept for reuse
    uint64_t mapped_count = 0;    // regions that came from the operating system
    uint64_t recycled_count = 0;  // regions that were handed out again
  };

  explicit PagePool(const Options& options) : options_(options) {}
  PagePool() : PagePool(Options{}) {}
  PagePool(const PagePool&) = delete;
  PagePool& operator=(const PagePool&) = delete;
  ~PagePool();

  // A region of at least `bytes`: an idle one of the same size class, or a fresh one. Fails with
  // kIOError if the system has no memory to map. REQUIRES: bytes > 0.
  Result<PageRegion> Acquire(size_t bytes);

  // Unmaps idle regions, oldest first, until at most `idle_bytes` are kept: for memory pressure.
  void Trim(size_t idle_bytes);

  Stats stats() const;

  // The size of the region that Acquire(bytes) returns.
  static size_t SizeClass(size_t bytes);

 private:
  friend class PageRegion;
  struct Idle {
    char* data;
    size_t size;
  };

  void Return(char* data, size_t size);
  // Takes the oldest idle regions out until `idle_bytes` remain; the caller unmaps them without the
  // lock.
  std::vector<Idle> TakeOldest(size_t idle_bytes) NOKV_REQUIRES(mu_);

  const Options options_;
  mutable Mutex mu_;
  std::vector<Idle> idle_ NOKV_GUARDED_BY(mu_);  // oldest first; a handful
  Stats stats_ NOKV_GUARDED_BY(mu_);
};

}  // namespace nokv::base
