#pragma once

// What COMMAND tells about commands, derived from their rows: flags, categories, key specifications and
// the tree of arguments. Thread-safe: functions over constants.
//
// CommandSpec::arguments is written in this grammar, from which redis-cli's hints, COMMAND DOCS and
// docs/redis.md come:
//   word            an argument; its name tells its kind (key, pattern, integer, double, unix-time)
//   WORD            a literal
//   WORD word...    a literal with the argument that follows it, inside brackets or a choice
//   [x]             optional
//   x|y             a choice, inside brackets or parentheses
//   (x y)           a block
//   x ...           may be repeated

#include <cstddef>
#include <string_view>
#include <vector>

#include "redis/command.h"
#include "redis/reply_writer.h"

namespace nokv::redis {

// One element of COMMAND and COMMAND INFO.
void ReplyCommandInfo(ReplyWriter& reply, const CommandSpec& spec);
// One name and its documentation, of COMMAND DOCS.
void ReplyCommandDocs(ReplyWriter& reply, const CommandSpec& spec);

// "@read", "@string"...
std::vector<std::string_view> CommandCategories(const CommandSpec& spec);
std::string_view GroupName(CommandGroup group);

// The indexes of the arguments that are keys. REQUIRES: the arity is right.
std::vector<size_t> KeyIndexes(const CommandSpec& spec, size_t argument_count);

}  // namespace nokv::redis
