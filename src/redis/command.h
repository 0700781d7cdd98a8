#pragma once

// A command: its row in the table, and what its handler is given.
//
// Handlers are plain functions over a CommandContext; they see a Store, a reply, the client's Session
// and the Service around them, and neither sockets nor threads. Confined to the loop's thread.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nokv/slice.h"
#include "nokv/status.h"
#include "redis/reply_writer.h"
#include "redis/session.h"
#include "redis/store.h"

namespace nokv::redis {

class Service;
struct CommandContext;
using Handler = void (*)(CommandContext&);

// What COMMAND INFO calls flags.
enum CommandFlag : uint32_t {
  kWrite = 1U << 0,
  kReadonly = 1U << 1,
  kDenyOom = 1U << 2,
  kAdmin = 1U << 3,
  kNoScript = 1U << 4,
  kLoading = 1U << 5,
  kStale = 1U << 6,
  kFast = 1U << 7,
  kNoAuth = 1U << 8,
  kAllowBusy = 1U << 9,
  kNoMulti = 1U << 10,
};

// Categories that do not follow from the flags; the others are derived (command_info.cc).
enum CommandCategory : uint32_t {
  kKeyspaceCategory = 1U << 0,
  kStringCategory = 1U << 1,
  kDangerousCategory = 1U << 2,
  kConnectionCategory = 1U << 3,
  kScriptingCategory = 1U << 4,
};

enum class CommandGroup : unsigned char { kConnection, kGeneric, kScripting, kServer, kString };

// What a command does to the keys it names, in the words of COMMAND INFO.
enum class KeyUse : unsigned char {
  kNone,
  kRead,          // RO access
  kInspect,       // RO
  kSet,           // RW access update variable_flags
  kReadModify,    // RW access update
  kReadDelete,    // RW access delete
  kModify,        // RW update
  kExtend,        // RW insert
  kOverwrite,     // OW update
  kInsert,        // OW insert
  kRemove,        // RM delete
  kRename,        // source RW access delete, target OW update
  kRenameNx,      // source RW access delete, target OW insert
  kCopy,          // source RO access, target OW update
};

struct KeyPositions {
  int first = 0;
  int last = 0;  // negative: from the end
  int step = 0;
};

struct CommandSpec {
  std::string_view name;       // lower-case; "config|get" for a subcommand
  int arity;                   // with the name; negative: at least so many
  uint32_t flags;
  uint32_t categories;
  CommandGroup group;
  KeyPositions keys;
  KeyUse key_use;
  std::string_view tips;       // separated by blanks
  std::string_view since;      // of Redis
  std::string_view arguments;  // grammar in command_info.h
  std::string_view summary;
  std::string_view notes;      // of the key specification; usually none
  Handler handler;             // null for a container
  std::span<const CommandSpec> subcommands = {};
};

struct CommandContext {
  std::span<const Slice> args;   // args[0] is the name; of a subcommand, args[1] as well
  const CommandSpec& spec;
  Session& session;
  Store& store;
  ReplyWriter& reply;
  Service& service;
  uint64_t sampled_ms = 0;       // see now_ms
  bool postponed = false;        // it will run again, in the next turn, as if for the first time

  // The wall clock, read when a command first asks and the same until it is done.
  uint64_t now_ms();

  Slice arg(size_t i) const { return args[i]; }

  // "-ERR wrong number of arguments for '<name>' command".
  void ReplyArity() const;
  // What the store could not do. kBusy postpones the command instead.
  // REQUIRES: nothing is replied yet.
  void ReplyStatus(const Status& status);
};

}  // namespace nokv::redis
