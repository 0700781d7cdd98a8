#pragma once

// How much memory this process may use: that of the machine, or the limit of its control group (Linux, version 1 or 2),
// whichever is less. In a container the page cache counts against that limit.
//
// Thread-safe.

#include <cstdint>
#include <string>

namespace nokv::vfs {

// 0 if the system does not say.
uint64_t UsableMemoryBytes();

// The least limit of the memory control groups that `membership`, the contents of /proc/<pid>/cgroup, names, and of those
// they are in; UINT64_MAX if there is none. `root` is where control groups are mounted.
uint64_t ControlGroupMemoryLimit(const std::string& membership, const std::string& root);

}  // namespace nokv::vfs
