#include "vfs/system_memory.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <unistd.h>

namespace nokv::vfs {

namespace {

// The number in a file; UINT64_MAX for "max", and if there is no such file.
uint64_t LimitIn(const std::string& path) {
  std::ifstream file(path);
  uint64_t limit;
  return file >> limit ? limit : UINT64_MAX;
}

// The least limit from the group at `path` up to the root.
uint64_t LeastLimit(const std::string& root, std::string path, const std::string& name) {
  uint64_t least = UINT64_MAX;
  for (;;) {
    least = std::min(least, LimitIn(root + path + "/" + name));
    if (path.empty()) return least;
    path.resize(path.rfind('/'));
  }
}

// Is `word` in a list with commas?
bool Names(const std::string& list, const std::string& word) {
  return ("," + list + ",").find("," + word + ",") != std::string::npos;
}

}  // namespace

// A line is "number:controllers:path"; in version 2 there are no controllers.
uint64_t ControlGroupMemoryLimit(const std::string& membership, const std::string& root) {
  uint64_t least = UINT64_MAX;
  std::istringstream lines(membership);
  for (std::string line; std::getline(lines, line);) {
    const size_t controllers_at = line.find(':') + 1;
    const size_t path_at = line.find(':', controllers_at) + 1;
    if (controllers_at == 0 || path_at == 0 || line.size() == path_at || line[path_at] != '/') continue;
    const std::string controllers = line.substr(controllers_at, path_at - 1 - controllers_at);
    std::string path = line.substr(path_at);
    if (path == "/") path.clear();
    if (controllers.empty()) {
      least = std::min(least, LeastLimit(root, path, "memory.max"));
    } else if (Names(controllers, "memory")) {
      least = std::min(least, LeastLimit(root + "/memory", path, "memory.limit_in_bytes"));
    }
  }
  return least;
}

uint64_t UsableMemoryBytes() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long page_bytes = ::sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_bytes <= 0) return 0;
  std::ifstream membership("/proc/self/cgroup");
  std::ostringstream text;
  text << membership.rdbuf();
  return std::min(static_cast<uint64_t>(pages) * static_cast<uint64_t>(page_bytes),
                  ControlGroupMemoryLimit(text.str(), "/sys/fs/cgroup"));
}

}  // namespace nokv::vfs
