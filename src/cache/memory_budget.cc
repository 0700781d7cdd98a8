#include "cache/memory_budget.h"

#include <algorithm>

#include "base/check.h"

namespace nokv::cache {

MemoryBudget::MemoryBudget(size_t limit_bytes) : limit_(limit_bytes) {}

MemoryBudget::~MemoryBudget() {
  NOKV_CHECK(consumers_.empty() && elastic_ == nullptr);
  NOKV_CHECK(reserved() == 0);
}

std::unique_ptr<MemoryBudget::Consumer> MemoryBudget::Register(std::string_view name) {
  std::unique_ptr<Consumer> consumer(new Consumer(this, name));
  base::MutexLock lock(&mu_);
  consumers_.push_back(consumer.get());
  return consumer;
}

MemoryBudget::Consumer::~Consumer() {
  if (const size_t left = bytes(); left > 0) Release(left);
  budget_->Unregister(this);
}

void MemoryBudget::Unregister(Consumer* consumer) {
  base::MutexLock lock(&mu_);
  NOKV_CHECK(std::erase(consumers_, consumer) == 1);
}

void MemoryBudget::Consumer::Reserve(size_t bytes) {
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  budget_->reserved_.fetch_add(bytes, std::memory_order_relaxed);
  budget_->MaybeResize();
}

bool MemoryBudget::Consumer::TryReserve(size_t bytes) {
  const size_t limit = budget_->limit();
  const size_t floor = budget_->floor_.load(std::memory_order_relaxed);
  size_t reserved = budget_->reserved();
  do {
    // Written so that nothing overflows: a limit may have been lowered below what is reserved.
    if (floor > limit || reserved > limit - floor || bytes > limit - floor - reserved) return false;
  } while (!budget_->reserved_.compare_exchange_weak(reserved, reserved + bytes,
                                                     std::memory_order_relaxed));
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  budget_->MaybeResize();
  return true;
}

void MemoryBudget::Consumer::Release(size_t bytes) {
  const size_t before = bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  NOKV_CHECK(before >= bytes);
  budget_->reserved_.fetch_sub(bytes, std::memory_order_relaxed);
  budget_->MaybeResize();
}

void MemoryBudget::SetElastic(std::string_view name, Elastic* elastic, ElasticBounds bounds) {
  NOKV_CHECK(bounds.floor_bytes <= bounds.ceiling_bytes);
  base::MutexLock lock(&mu_);
  NOKV_CHECK(elastic_ == nullptr);
  elastic_ = elastic;
  elastic_name_ = name;
  floor_.store(bounds.floor_bytes, std::memory_order_relaxed);
  ceiling_.store(bounds.ceiling_bytes, std::memory_order_relaxed);
  Apply();
}

void MemoryBudget::SetElasticBounds(ElasticBounds bounds) {
  NOKV_CHECK(bounds.floor_bytes <= bounds.ceiling_bytes);
  base::MutexLock lock(&mu_);
  NOKV_CHECK(elastic_ != nullptr);
  floor_.store(bounds.floor_bytes, std::memory_order_relaxed);
  ceiling_.store(bounds.ceiling_bytes, std::memory_order_relaxed);
  Apply();
}

void MemoryBudget::RemoveElastic() {
  base::MutexLock lock(&mu_);
  elastic_ = nullptr;
  // With both bounds 0 the allowance is always what was applied, so nobody asks for a resize.
  floor_.store(0, std::memory_order_relaxed);
  ceiling_.store(0, std::memory_order_relaxed);
  applied_.store(0, std::memory_order_relaxed);
}

void MemoryBudget::SetLimit(size_t bytes) {
  limit_.store(bytes, std::memory_order_relaxed);
  MaybeResize();
}

size_t MemoryBudget::allowance() const {
  const size_t limit = limit_.load(std::memory_order_relaxed);
  const size_t reserved = reserved_.load(std::memory_order_relaxed);
  const size_t floor = floor_.load(std::memory_order_relaxed);
  const size_t ceiling = ceiling_.load(std::memory_order_relaxed);
  const size_t rest = limit > reserved ? limit - reserved : 0;
  return std::max(floor, std::min(rest, ceiling));
}

size_t MemoryBudget::granule() const {
  constexpr size_t kGranuleMin = size_t{64} << 10;
  return std::max(limit_.load(std::memory_order_relaxed) / 256, kGranuleMin);
}

void MemoryBudget::MaybeResize() {
  const size_t now = allowance();
  const size_t applied = applied_.load(std::memory_order_relaxed);
  if (std::max(now, applied) - std::min(now, applied) < granule()) [[likely]]
    return;
  base::MutexLock lock(&mu_);
  if (elastic_ != nullptr) Apply();
}

// Others may reserve meanwhile; who moves the allowance by a granule more waits for the mutex and
// applies it again.
void MemoryBudget::Apply() {
  const size_t now = allowance();
  applied_.store(now, std::memory_order_relaxed);
  elastic_->Resize(now);
}

bool MemoryBudget::over_limit() const {
  base::MutexLock lock(&mu_);
  const size_t elastic = elastic_ == nullptr ? 0 : elastic_->used_bytes();
  return reserved() + elastic > limit();
}

std::vector<MemoryBudget::Usage> MemoryBudget::usage() const {
  base::MutexLock lock(&mu_);
  std::vector<Usage> usage;
  for (const Consumer* consumer : consumers_)
    usage.push_back({consumer->name(), consumer->bytes()});
  if (elastic_ != nullptr) usage.push_back({elastic_name_, elastic_->used_bytes()});
  return usage;
}

}  // namespace nokv::cache
