#include "vfs/system_memory.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

namespace nokv::vfs {
namespace {

class ControlGroups : public testing::Test {
 protected:
  ControlGroups() : root_(std::filesystem::path(testing::TempDir()) / ("groups_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(root_);
  }
  ~ControlGroups() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  uint64_t Limit(const std::string& membership) { return ControlGroupMemoryLimit(membership, root_.string()); }

  const std::filesystem::path root_;
};

TEST_F(ControlGroups, NoLimitIsNone) {
  EXPECT_EQ(Limit(""), UINT64_MAX);
  EXPECT_EQ(Limit("0::/\n"), UINT64_MAX);
  EXPECT_EQ(Limit("nonsense\n::\n7:memory\n8:memory:relative\n"), UINT64_MAX);
  Write("a/memory.max", "max\n");
  EXPECT_EQ(Limit("0::/a\n"), UINT64_MAX);
}

TEST_F(ControlGroups, TheLeastOfAGroupAndThoseAroundItCounts) {
  Write("a/b/memory.max", "3000\n");
  Write("a/memory.max", "2000\n");
  EXPECT_EQ(Limit("0::/a/b\n"), 2000U);
  EXPECT_EQ(Limit("0::/a\n"), 2000U);
  Write("a/b/c/memory.max", "1000\n");
  EXPECT_EQ(Limit("0::/a/b/c\n"), 1000U);
  // As a container sees it: the group's path is not there, its own group is the root.
  Write("memory.max", "1500\n");
  EXPECT_EQ(Limit("0::/elsewhere/x\n"), 1500U);
}

TEST_F(ControlGroups, Version1NamesItsControllers) {
  Write("memory/group/memory.limit_in_bytes", "4096\n");
  Write("memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(Limit("9:name=systemd:/\n4:cpu,memory:/group\n0::/\n"), 4096U);
  EXPECT_EQ(Limit("4:memory:/\n"), 9223372036854771712U);
  EXPECT_EQ(Limit("4:memories:/group\n"), UINT64_MAX);
}

TEST(SystemMemory, IsThatOfThisMachineAtMost) {
  EXPECT_GT(UsableMemoryBytes(), uint64_t{16} << 20);
  EXPECT_LT(UsableMemoryBytes(), uint64_t{1} << 50);
}

}  // namespace
}  // namespace nokv::vfs
