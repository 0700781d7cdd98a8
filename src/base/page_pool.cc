#include "base/page_pool.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <sys/mman.h>

#include "base/check.h"
#include "base/poison.h"
#include "base/round.h"

namespace nokv::base {
namespace {

constexpr size_t kSmallPageBytes = size_t{4} << 10;
constexpr size_t kHugePageBytes = size_t{2} << 20;
constexpr size_t kSmallClassBytes = size_t{64} << 10;  // the step between classes below a huge page
constexpr size_t kPopulateStepBytes = size_t{4} << 20;

void Unmap(char* data, size_t size) {
  // The next mapping at these addresses must not inherit the poison.
  Unpoison(data, size);
  NOKV_CHECK(::munmap(data, size) == 0);
}

// Maps `size` bytes; big regions start at a huge page, so that all of them can be one.
Result<char*> MapFresh(size_t size) {
  const size_t padding = size >= kHugePageBytes ? kHugePageBytes - kSmallPageBytes : 0;
  void* mapped = ::mmap(nullptr, size + padding, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) {
    return Status::IOError("map " + std::to_string(size) +
                           " bytes of memory: " + std::strerror(errno));
  }
  char* const begin = static_cast<char*>(mapped);
  if (padding == 0) return begin;

  const size_t misaligned = reinterpret_cast<uintptr_t>(begin) % kHugePageBytes;
  const size_t skip = misaligned == 0 ? 0 : kHugePageBytes - misaligned;
  if (skip > 0) NOKV_CHECK(::munmap(begin, skip) == 0);
  if (padding > skip) NOKV_CHECK(::munmap(begin + skip + size, padding - skip) == 0);
  // Advice: without huge pages everything works, slower.
  (void)::madvise(begin + skip, size, MADV_HUGEPAGE);
  return begin + skip;
}

// For kernels without MADV_POPULATE_WRITE (before 5.14): writes every page without changing it.
#if defined(__clang__) || defined(__GNUC__)
__attribute__((no_sanitize("address", "thread")))
#endif
void TouchPages(char* from, size_t bytes) {
  for (size_t at = 0; at < bytes; at += kSmallPageBytes) {
    __atomic_fetch_or(from + at, char{0}, __ATOMIC_RELAXED);
  }
}

}  // namespace

Result<PageRegion> PageRegion::Map(size_t bytes) {
  NOKV_CHECK(bytes > 0);
  const size_t size = PagePool::SizeClass(bytes);
  NOKV_ASSIGN_OR_RETURN(char* const data, MapFresh(size));
  return PageRegion(nullptr, data, size, true);
}

PageRegion::PageRegion(PageRegion&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      zeroed_(std::exchange(other.zeroed_, false)) {}

PageRegion& PageRegion::operator=(PageRegion&& other) noexcept {
  if (this != &other) {
    Release();
    pool_ = std::exchange(other.pool_, nullptr);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    zeroed_ = std::exchange(other.zeroed_, false);
  }
  return *this;
}

PageRegion::~PageRegion() {
  Release();
}

void PageRegion::Release() {
  if (data_ == nullptr) return;
  if (pool_ != nullptr) {
    pool_->Return(data_, size_);
  } else {
    Unmap(data_, size_);
  }
  data_ = nullptr;
}

void PageRegion::Populate(size_t offset, size_t bytes) const {
  NOKV_CHECK(offset <= size_ && bytes <= size_ - offset);
  size_t at = offset / kSmallPageBytes * kSmallPageBytes;
  const size_t end = RoundUp(offset + bytes, kSmallPageBytes);
  for (; at < end; at += kPopulateStepBytes) {
    const size_t step = std::min(kPopulateStepBytes, end - at);
    if (::madvise(data_ + at, step, MADV_POPULATE_WRITE) == 0) continue;
    // EINVAL: the kernel does not know the advice. Anything else (no memory): the owner's own first
    // touch meets it, or does not.
    if (errno != EINVAL) return;
    TouchPages(data_ + at, step);
  }
}

PagePool::~PagePool() {
  Trim(0);
  MutexLock lock(&mu_);
  NOKV_CHECK(stats_.in_use_bytes == 0);  // (3)
}

size_t PagePool::SizeClass(size_t bytes) {
  if (bytes <= kHugePageBytes) return RoundUp(std::max<size_t>(bytes, 1), kSmallClassBytes);
  return RoundUp(bytes, std::max(kHugePageBytes, std::bit_floor(bytes) / 8));
}

Result<PageRegion> PagePool::Acquire(size_t bytes) {
  NOKV_CHECK(bytes > 0);
  const size_t size = SizeClass(bytes);
  {
    MutexLock lock(&mu_);
    // The newest first: its pages are the likeliest to be in a cache.
    const auto found =
        std::find_if(idle_.rbegin(), idle_.rend(), [&](const Idle& i) { return i.size == size; });
    if (found != idle_.rend()) {
      char* const data = found->data;
      idle_.erase(std::next(found).base());
      stats_.idle_bytes -= size;
      stats_.in_use_bytes += size;
      ++stats_.recycled_count;
      Unpoison(data, size);
      return PageRegion(this, data, size, false);
    }
  }
  NOKV_ASSIGN_OR_RETURN(char* const data, MapFresh(size));
  MutexLock lock(&mu_);
  stats_.in_use_bytes += size;
  ++stats_.mapped_count;
  return PageRegion(this, data, size, true);
}

void PagePool::Return(char* data, size_t size) {
  std::vector<Idle> surplus;
  {
    MutexLock lock(&mu_);
    NOKV_CHECK(stats_.in_use_bytes >= size);
    stats_.in_use_bytes -= size;
    if (size > options_.idle_bytes_max) {
      surplus.push_back({data, size});
    } else {
      // What was given back last is the size that is in demand; older ones make room for it.
      surplus = TakeOldest(options_.idle_bytes_max - size);
      Poison(data, size);
      idle_.push_back({data, size});
      stats_.idle_bytes += size;
    }
  }
  for (const Idle& region : surplus)
    Unmap(region.data, region.size);
}

void PagePool::Trim(size_t idle_bytes) {
  std::vector<Idle> surplus;
  {
    MutexLock lock(&mu_);
    surplus = TakeOldest(idle_bytes);
  }
  for (const Idle& region : surplus)
    Unmap(region.data, region.size);
}

std::vector<PagePool::Idle> PagePool::TakeOldest(size_t idle_bytes) {
  size_t count = 0;
  while (stats_.idle_bytes > idle_bytes)
    stats_.idle_bytes -= idle_[count++].size;
  const auto end = idle_.begin() + static_cast<ptrdiff_t>(count);
  std::vector<Idle> taken(idle_.begin(), end);
  idle_.erase(idle_.begin(), end);
  return taken;
}

PagePool::Stats PagePool::stats() const {
  MutexLock lock(&mu_);
  return stats_;
}

}  // namespace nokv::base
