#pragma once

// MemoryGroup: a limit of memory for a process and all it starts, page cache included, by a control group of Linux (version 1 or
// 2). Confined to one thread.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "nokv/result.h"

namespace nokv::bench {

class MemoryGroup {
 public:
  // kNotSupported, with the reason, if the system does not let us.
  static Result<std::unique_ptr<MemoryGroup>> Create(const std::string& name, uint64_t limit_bytes);
  // Removes the group; its processes must be gone.
  ~MemoryGroup();
  MemoryGroup(const MemoryGroup&) = delete;
  MemoryGroup& operator=(const MemoryGroup&) = delete;

  // Puts the calling process in; false if the system refuses. Safe between fork and exec.
  bool Enter() const;

 private:
  explicit MemoryGroup(std::filesystem::path directory);
  const std::filesystem::path directory_;
  const std::string members_;
};

}  // namespace nokv::bench
