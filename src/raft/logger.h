#pragma once

// Where the core tells an operator what it does.
//
// Threading: called by the owner of the group, one call at a time per group. A logger shared by
// groups of several threads must be thread-safe itself. Nothing is formatted for a level that is
// not enabled, so a silent logger costs one virtual call.

#include <cstdint>
#include <string_view>

namespace nokv::raft {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };

class Logger {
 public:
  virtual ~Logger() = default;
  virtual bool Enabled(LogLevel level) const = 0;
  // `line` has no newline and is borrowed for the call.
  virtual void Write(LogLevel level, std::string_view line) = 0;
};

}  // namespace nokv::raft
