#pragma once

// Environment: what a database takes from the outside world: files, time, threads and chance (law 9).
// DB::Open makes the real one; tests and the simulator bring their own.

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/executor.h"
#include "vfs/file_system.h"

namespace nokv::db {

struct Environment {
  vfs::FileSystem* fs = nullptr;
  base::Clock* clock = nullptr;
  // Null: the database makes a thread pool of its own. Not null: it outlives the database.
  base::Executor* executor = nullptr;
  // Where a new database's identity comes from.
  uint64_t random_seed = 0;
  // Memory that this process may use, page cache included; 0: unknown.
  uint64_t usable_memory_bytes = 0;
  // What a second opener is told about this one ("pid 4711").
  std::string holder;
};

}  // namespace nokv::db
