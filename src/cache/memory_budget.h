#pragma once

// MemoryBudget: one limit for everything that holds memory, and who uses how much of it.
//
// Consumers with fixed needs (memtables, indexes, buffers) reserve and release bytes under their
// name. One elastic consumer, the block cache, gets what the others leave, between a floor and a
// ceiling: when they grow it shrinks, when they shrink it may grow again.
//
// Invariants:
//  1. allowance() == clamp(limit - sum of the consumers, floor, ceiling) whenever nobody is inside
//     Reserve, Release or SetLimit; the elastic consumer was told a value that differs from it by
//     less than granule().
//  2. a consumer gives back exactly what it reserved; what is left at its end is given back then.
//
// Reserve and Release cost two relaxed additions; about once per granule the calling thread resizes
// the elastic consumer, which takes time in proportion to what the cache evicts.
//
// Thread-safe. The budget outlives its consumers.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/thread_annotations.h"

namespace nokv::cache {

class MemoryBudget {
 public:
  // Memory with a name in the statistics. Thread-safe. Gives back what it holds when it ends.
  class Consumer {
   public:
    ~Consumer();
    Consumer(const Consumer&) = delete;
    Consumer& operator=(const Consumer&) = delete;

    // Accounts for memory that is taken in any case; may go beyond the limit.
    void Reserve(size_t bytes);
    // Accounts for `bytes` if they fit beside the other consumers and the floor of the elastic one.
    [[nodiscard]] bool TryReserve(size_t bytes);
    // REQUIRES: `bytes` were reserved.
    void Release(size_t bytes);

    const std::string& name() const { return name_; }
    size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

   private:
    friend class MemoryBudget;
    Consumer(MemoryBudget* budget, std::string_view name) : budget_(budget), name_(name) {}

    MemoryBudget* const budget_;
    const std::string name_;
    std::atomic<size_t> bytes_{0};
  };

  // Who gives memory back on request.
  class Elastic {
   public:
    virtual ~Elastic() = default;
    // Holds at most `bytes` from now on. Calls are never concurrent.
    virtual void Resize(size_t bytes) = 0;
    virtual size_t used_bytes() const = 0;
  };

  struct Usage {
    std::string name;
    size_t bytes;
  };

  explicit MemoryBudget(size_t limit_bytes);
  // REQUIRES: every consumer has ended, and the elastic one has gone.
  ~MemoryBudget();
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  std::unique_ptr<Consumer> Register(std::string_view name) NOKV_EXCLUDES(mu_);

  // Names the elastic consumer and tells it its allowance. It never gets less than `floor_bytes`,
  // nor more than `ceiling_bytes`. REQUIRES: there is none yet; floor_bytes <= ceiling_bytes.
  struct ElasticBounds {
    size_t floor_bytes;
    size_t ceiling_bytes;
  };
  void SetElastic(std::string_view name, Elastic* elastic, ElasticBounds bounds) NOKV_EXCLUDES(mu_);
  void SetElasticBounds(ElasticBounds bounds) NOKV_EXCLUDES(mu_);
  // After this returns the elastic consumer is not called any more.
  void RemoveElastic() NOKV_EXCLUDES(mu_);

  void SetLimit(size_t bytes) NOKV_EXCLUDES(mu_);
  size_t limit() const { return limit_.load(std::memory_order_relaxed); }
  // What the fixed consumers hold.
  size_t reserved() const { return reserved_.load(std::memory_order_relaxed); }
  // What the elastic consumer may hold now.
  size_t allowance() const;
  // Fixed and elastic together are beyond the limit: the caller that can wait should.
  bool over_limit() const NOKV_EXCLUDES(mu_);
  // Per consumer, in the order of registration, the elastic one last.
  std::vector<Usage> usage() const NOKV_EXCLUDES(mu_);

  // Changes of the allowance below this are not passed on.
  size_t granule() const;

 private:
  void Unregister(Consumer* consumer) NOKV_EXCLUDES(mu_);
  void MaybeResize() NOKV_EXCLUDES(mu_);
  void Apply() NOKV_REQUIRES(mu_);

  std::atomic<size_t> limit_;
  std::atomic<size_t> reserved_{0};
  std::atomic<size_t> floor_{0};
  std::atomic<size_t> ceiling_{0};
  std::atomic<size_t> applied_{0};  // what the elastic consumer was told last

  mutable base::Mutex mu_;
  std::vector<Consumer*> consumers_ NOKV_GUARDED_BY(mu_);
  Elastic* elastic_ NOKV_GUARDED_BY(mu_) = nullptr;
  std::string elastic_name_ NOKV_GUARDED_BY(mu_);
};

}  // namespace nokv::cache
