#pragma once

// Executor: where background work runs. No module starts a thread; it is handed an Executor.
//
// ThreadPool has one queue and one set of threads per lane, so that a long compaction never delays a
// flush. ManualExecutor runs nothing by itself: a test or the simulator says when each piece of work
// runs, in one thread, in a repeatable order.

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace nokv::base {

// kIdle: for work that nobody waits for.
enum class Lane : unsigned char { kFlush = 0, kCompaction = 1, kMaintenance = 2, kIdle = 3 };
inline constexpr size_t kLaneCount = 4;

// Thread-safe.
class Executor {
 public:
  using Work = std::function<void()>;
  virtual ~Executor() = default;

  // Queues `work`; runs of one lane start in the order of submission.
  virtual void Submit(Lane lane, Work work) = 0;

  // Runs one piece of queued work in the calling thread if this executor has no threads of its own, and
  // returns true if it did. A thread that waits for background work calls this before it sleeps.
  // REQUIRES: the caller holds no lock that background work takes.
  virtual bool RunOne() { return false; }
};

// Threads that live as long as the pool. Threads of kCompaction and kIdle leave the processor to those that somebody
// waits for: their niceness is kCompactionNice and kIdleNice. The destructor runs what is queued, then joins.
class ThreadPool final : public Executor {
 public:
  static constexpr int kCompactionNice = 5;
  static constexpr int kIdleNice = 10;

  struct Options {
    size_t flush_threads = 1;
    size_t compaction_threads = 1;
    size_t maintenance_threads = 1;
    size_t idle_threads = 1;
  };
  explicit ThreadPool(const Options& options);
  ~ThreadPool() override;
  void Submit(Lane lane, Work work) override;

 private:
  struct LaneState {
    Mutex mu;
    CondVar cv;
    std::deque<Work> queue NOKV_GUARDED_BY(mu);
    bool stopping NOKV_GUARDED_BY(mu) = false;
    std::vector<std::thread> threads;
  };
  static void Run(LaneState* lane, int nice);
  LaneState lanes_[kLaneCount];
};

// Work waits until somebody calls RunOne or RunAll.
class ManualExecutor final : public Executor {
 public:
  void Submit(Lane lane, Work work) override;
  // Lanes in their order.
  bool RunOne() override;
  // Runs until nothing is queued; returns how many pieces ran.
  size_t RunAll();
  size_t pending() const;

 private:
  mutable Mutex mu_;
  std::deque<Work> queues_[kLaneCount] NOKV_GUARDED_BY(mu_);
};

}  // namespace nokv::base
