#include "lsm/purger.h"

#include <utility>

#include "manifest/file_names.h"

namespace nokv::lsm {

FilePurger::FilePurger(vfs::FileSystem* fs,
                       std::string directory,
                       base::Executor* executor,
                       std::function<void(uint64_t)> forget)
    : fs_(fs),
      directory_(std::move(directory)),
      executor_(executor),
      forget_(std::move(forget)) {}

void FilePurger::Purge(uint64_t number) {
  {
    base::MutexLock lock(&mu_);
    queue_.push_back(number);
    if (scheduled_) return;
    scheduled_ = true;
  }
  executor_->Submit(base::Lane::kMaintenance, [this] {
    for (;;) {
      RunNow();
      const base::MutexLock lock(&mu_);
      if (!queue_.empty()) continue;  // came meanwhile, and was not scheduled
      scheduled_ = false;
      idle_.NotifyAll();
      return;
    }
  });
}

void FilePurger::Drain() {
  RunNow();
  const base::MutexLock lock(&mu_);
  while (scheduled_) {
    mu_.Unlock();
    const bool ran = executor_->RunOne();
    mu_.Lock();
    if (!ran && scheduled_) idle_.WaitFor(&mu_, std::chrono::milliseconds(10));
  }
}

void FilePurger::RunNow() {
  std::vector<uint64_t> numbers;
  {
    base::MutexLock lock(&mu_);
    numbers.swap(queue_);
  }
  for (const uint64_t number : numbers) {
    forget_(number);
    const Status removed =
        fs_->Remove(vfs::JoinPath(directory_, manifest::TableFileName(number)));
    base::MutexLock lock(&mu_);
    if (removed.ok()) ++removed_;
  }
}

uint64_t FilePurger::removed() const {
  base::MutexLock lock(&mu_);
  return removed_;
}

}  // namespace nokv::lsm
