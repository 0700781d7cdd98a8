#include "memory_group.h"

#include <fstream>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace nokv::bench {
namespace {

namespace fs = std::filesystem;

bool WriteTo(const fs::path& file, const std::string& text) {
  std::ofstream out(file);
  out << text << std::flush;
  return out.good();
}

}  // namespace

MemoryGroup::MemoryGroup(fs::path directory)
    : directory_(std::move(directory)), members_((directory_ / "cgroup.procs").string()) {}

MemoryGroup::~MemoryGroup() {
  std::error_code ignored;
  fs::remove(directory_, ignored);
}

Result<std::unique_ptr<MemoryGroup>> MemoryGroup::Create(const std::string& name,
                                                         uint64_t limit_bytes) {
  const fs::path root = "/sys/fs/cgroup";
  const bool version1 = fs::exists(root / "memory" / "memory.limit_in_bytes");
  if (!version1 && !fs::exists(root / "cgroup.controllers")) {
    return Status::NotSupported("the system has no control groups of memory");
  }
  const fs::path directory = (version1 ? root / "memory" : root) / name;
  std::error_code error;
  fs::create_directory(directory, error);
  if (error) {
    return Status::NotSupported("no control group could be made: " + error.message());
  }
  std::unique_ptr<MemoryGroup> group(new MemoryGroup(directory));
  const std::string limit = std::to_string(limit_bytes);
  const bool limited = version1 ? WriteTo(directory / "memory.limit_in_bytes", limit)
                                : WriteTo(directory / "memory.max", limit);
  if (!limited) return Status::NotSupported("the control group takes no limit of memory");
  return group;
}

bool MemoryGroup::Enter() const {
  const int file = open(members_.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool entered = write(file, "0", 1) == 1;
  close(file);
  return entered;
}

}  // namespace nokv::bench
