#pragma once

// CommandTable: the one list of commands. Dispatch, COMMAND, HELP, metrics and docs/redis.md read it.
// Thread-safe: constant after construction.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "redis/command.h"

namespace nokv::redis {

class CommandTable {
 public:
  static const CommandTable& Get();

  // Null if there is none. The case of letters does not matter.
  const CommandSpec* Find(Slice name) const;
  static const CommandSpec* FindSubcommand(const CommandSpec& container, Slice name);
  // "get" or "config|get".
  const CommandSpec* FindByFullName(Slice name) const;

  std::span<const CommandSpec> commands() const;
  // Commands and subcommands have numbers from 0 to count() - 1, for arrays of metrics.
  size_t count() const { return count_; }
  size_t IndexOf(const CommandSpec& spec) const;
  const CommandSpec& at(size_t index) const { return *by_index_[index]; }

 private:
  static constexpr size_t kSlots = 512;  // a power of two, much more than there are commands
  static constexpr size_t kNameBytesMax = 24;
  static constexpr size_t kCountMax = 256;

  CommandTable();
  static size_t SlotOf(const char* lower, size_t size);

  std::array<const CommandSpec*, kSlots> slots_{};
  std::array<const CommandSpec*, kCountMax> by_index_{};
  size_t count_ = 0;
};

}  // namespace nokv::redis
