#include "base/executor.h"

#include <utility>

#include <sys/resource.h>
#include <unistd.h>

namespace nokv::base {

ThreadPool::ThreadPool(const Options& options) {
  const struct {
    size_t threads;
    int nice;
  } lanes[kLaneCount] = {{options.flush_threads, 0},
                         {options.compaction_threads, kCompactionNice},
                         {options.maintenance_threads, 0},
                         {options.idle_threads, kIdleNice}};
  for (size_t lane = 0; lane < kLaneCount; ++lane) {
    for (size_t i = 0; i < lanes[lane].threads; ++i) {
      lanes_[lane].threads.emplace_back(&ThreadPool::Run, &lanes_[lane], lanes[lane].nice);
    }
  }
}

ThreadPool::~ThreadPool() {
  for (LaneState& lane : lanes_) {
    MutexLock lock(&lane.mu);
    lane.stopping = true;
    lane.cv.NotifyAll();
  }
  for (LaneState& lane : lanes_) {
    for (std::thread& thread : lane.threads) thread.join();
  }
}

void ThreadPool::Submit(Lane lane, Work work) {
  LaneState& state = lanes_[static_cast<size_t>(lane)];
  MutexLock lock(&state.mu);
  state.queue.push_back(std::move(work));
  state.cv.NotifyOne();
}

void ThreadPool::Run(LaneState* lane, int nice) {
  // On Linux this is of the thread alone. Without it everything works, with longer tails.
  if (nice != 0) (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), nice);
  for (;;) {
    Work work;
    {
      MutexLock lock(&lane->mu);
      while (lane->queue.empty() && !lane->stopping) lane->cv.Wait(&lane->mu);
      if (lane->queue.empty()) return;
      work = std::move(lane->queue.front());
      lane->queue.pop_front();
    }
    work();
  }
}

void ManualExecutor::Submit(Lane lane, Work work) {
  MutexLock lock(&mu_);
  queues_[static_cast<size_t>(lane)].push_back(std::move(work));
}

bool ManualExecutor::RunOne() {
  Work work;
  {
    MutexLock lock(&mu_);
    for (auto& queue : queues_) {
      if (queue.empty()) continue;
      work = std::move(queue.front());
      queue.pop_front();
      break;
    }
  }
  if (!work) return false;
  work();
  return true;
}

size_t ManualExecutor::RunAll() {
  size_t count = 0;
  while (RunOne()) ++count;
  return count;
}

size_t ManualExecutor::pending() const {
  MutexLock lock(&mu_);
  size_t count = 0;
  for (const auto& queue : queues_) count += queue.size();
  return count;
}

}  // namespace nokv::base
