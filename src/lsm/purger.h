#pragma once

// FilePurger: removes table files that nobody needs, away from the threads that read.
//
// A reader that lets go of the last version with a table must not pay for the unlink, so the file's
// number is queued and the maintenance lane removes it. Thread-safe.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/mutex.h"
#include "vfs/file_system.h"

namespace nokv::lsm {

class FilePurger {
 public:
  // `forget` is told each number before its file goes (to empty the block cache of it).
  FilePurger(vfs::FileSystem* fs,
             std::string directory,
             base::Executor* executor,
             std::function<void(uint64_t)> forget);
  // REQUIRES: Drain was called, and nobody calls Purge any more.
  ~FilePurger() = default;

  void Purge(uint64_t number) NOKV_EXCLUDES(mu_);
  // Removes what is queued, in this thread. A file that cannot be removed is left for the next open,
  // which finds it unreferenced.
  void RunNow() NOKV_EXCLUDES(mu_);
  // Removes what is queued and waits until no work of this object is with the executor.
  void Drain() NOKV_EXCLUDES(mu_);

  uint64_t removed() const NOKV_EXCLUDES(mu_);

 private:
  vfs::FileSystem* const fs_;
  const std::string directory_;
  base::Executor* const executor_;
  const std::function<void(uint64_t)> forget_;

  mutable base::Mutex mu_;
  std::vector<uint64_t> queue_ NOKV_GUARDED_BY(mu_);
  bool scheduled_ NOKV_GUARDED_BY(mu_) = false;  // the executor has work of this object
  base::CondVar idle_;
  uint64_t removed_ NOKV_GUARDED_BY(mu_) = 0;
};

}  // namespace nokv::lsm
