// Commands about the server: itself, its parameters, its commands, its end.

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "redis/argument.h"
#include "redis/command_info.h"
#include "redis/command_table.h"
#include "redis/commands.h"
#include "redis/glob.h"
#include "redis/info.h"
#include "redis/number.h"
#include "redis/service.h"

namespace nokv::redis::commands {

namespace {

std::string ToUpper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - ('a' - 'A'));
  }
  return upper;
}

// "@string" or "string"; the categories are the ones of COMMAND INFO.
bool InCategory(const CommandSpec& spec, Slice category) {
  for (const std::string_view name : CommandCategories(spec)) {
    if (EqualsIgnoringCase(category, name.substr(1))) return true;
  }
  return false;
}

}  // namespace

void Command(CommandContext& ctx) {
  const std::span<const CommandSpec> commands = CommandTable::Get().commands();
  ctx.reply.Array(commands.size());
  for (const CommandSpec& spec : commands) ReplyCommandInfo(ctx.reply, spec);
}

void CommandCount(CommandContext& ctx) {
  ctx.reply.Integer(static_cast<int64_t>(CommandTable::Get().commands().size()));
}

void CommandInfo(CommandContext& ctx) {
  const std::span<const Slice> names = ctx.args.subspan(2);
  if (names.empty()) return Command(ctx);
  ctx.reply.Array(names.size());
  for (const Slice name : names) {
    const CommandSpec* spec = CommandTable::Get().FindByFullName(name);
    if (spec == nullptr) {
      ctx.reply.Null();
    } else {
      ReplyCommandInfo(ctx.reply, *spec);
    }
  }
}

void CommandList(CommandContext& ctx) {
  enum class Filter : unsigned char { kNone, kModule, kCategory, kPattern };
  Filter filter = Filter::kNone;
  Slice wanted;
  if (ctx.args.size() > 2) {
    if (ctx.args.size() != 5 || !EqualsIgnoringCase(ctx.arg(2), "filterby")) {
      return ctx.reply.Err(kSyntaxError);
    }
    wanted = ctx.arg(4);
    if (EqualsIgnoringCase(ctx.arg(3), "module")) {
      filter = Filter::kModule;
    } else if (EqualsIgnoringCase(ctx.arg(3), "aclcat")) {
      filter = Filter::kCategory;
    } else if (EqualsIgnoringCase(ctx.arg(3), "pattern")) {
      filter = Filter::kPattern;
    } else {
      return ctx.reply.Err(kSyntaxError);
    }
  }
  const CommandTable& table = CommandTable::Get();
  std::vector<std::string_view> names;
  for (size_t i = 0; i < table.count(); ++i) {
    const CommandSpec& spec = table.at(i);
    bool listed = filter == Filter::kNone;
    if (filter == Filter::kCategory) listed = InCategory(spec, wanted);
    if (filter == Filter::kPattern) {
      listed = GlobMatches(wanted, spec.name, LetterCase::kIgnored);
    }
    if (listed) names.push_back(spec.name);
  }
  ctx.reply.Array(names.size());
  for (const std::string_view name : names) ctx.reply.Bulk(name);
}

void CommandDocs(CommandContext& ctx) {
  const std::span<const Slice> names = ctx.args.subspan(2);
  std::vector<const CommandSpec*> found;
  if (names.empty()) {
    for (const CommandSpec& spec : CommandTable::Get().commands()) found.push_back(&spec);
  }
  for (const Slice name : names) {
    const CommandSpec* spec = CommandTable::Get().FindByFullName(name);
    if (spec != nullptr) found.push_back(spec);
  }
  ctx.reply.Map(found.size());
  for (const CommandSpec* spec : found) ReplyCommandDocs(ctx.reply, *spec);
}

void CommandGetKeys(CommandContext& ctx) {
  const std::span<const Slice> command = ctx.args.subspan(2);
  const CommandSpec* spec = CommandTable::Get().Find(command.front());
  if (spec != nullptr && !spec->subcommands.empty() && command.size() > 1) {
    spec = CommandTable::FindSubcommand(*spec, command[1]);
  }
  if (spec == nullptr) return ctx.reply.Err("Invalid command specified");
  if (spec->keys.first == 0) return ctx.reply.Err("The command has no key arguments");
  const auto count = static_cast<int>(command.size());
  if (spec->arity > 0 ? count != spec->arity : count < -spec->arity) {
    return ctx.reply.Err("Invalid number of arguments specified for command");
  }
  const std::vector<size_t> indexes = KeyIndexes(*spec, command.size());
  ctx.reply.Array(indexes.size());
  for (const size_t index : indexes) ctx.reply.Bulk(command[index]);
}

void Info(CommandContext& ctx) {
  std::string text;
  const Status status = BuildInfo(ctx, ctx.args.subspan(1), &text);
  if (!status.ok()) return ctx.ReplyStatus(status);
  ctx.reply.Verbatim(text);
}

void ConfigGet(CommandContext& ctx) {
  const std::vector<Config::NameValue> found = ctx.service.config().Get(ctx.args.subspan(2));
  ctx.reply.Map(found.size());
  for (const Config::NameValue& parameter : found) {
    ctx.reply.Bulk(parameter.name);
    ctx.reply.Bulk(parameter.value);
  }
}

void ConfigSet(CommandContext& ctx) {
  if (ctx.args.size() % 2 != 0) return ctx.reply.Err(kSyntaxError);
  const Status status = ctx.service.config().Set(ctx.args.subspan(2));
  if (!status.ok()) return ctx.reply.Err(status.message());
  ctx.reply.Ok();
}

void ConfigResetStat(CommandContext& ctx) {
  ctx.service.metrics().Reset();
  ctx.service.metrics().expired_keys_before = ctx.store.ExpiredKeys();
  ctx.reply.Ok();
}

void ConfigRewrite(CommandContext& ctx) {
  ctx.reply.Err("The server is running without a config file");
}

void DebugSleep(CommandContext& ctx) {
  if (!ctx.service.Facts().debug_commands) {
    return ctx.reply.Err(
        "DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you "
        "can run it from a local connection, otherwise you need to set this option in the "
        "configuration file, and then restart the server.");
  }
  if (ctx.args.size() != 3 || !EqualsIgnoringCase(ctx.arg(1), "sleep")) {
    return ctx.reply.Err("unknown subcommand or wrong number of arguments for '" +
                         std::string(ctx.arg(1).substr(0, 128)) + "'. Try DEBUG HELP.");
  }
  constexpr double kSecondsMax = 3600;
  const std::string text(ctx.arg(2));
  const double seconds = std::strtod(text.c_str(), nullptr);
  if (seconds > 0 && seconds <= kSecondsMax) {
    ctx.service.clock()->SleepMicros(static_cast<uint64_t>(seconds * 1e6));
  }
  ctx.reply.Ok();
}

void FunctionFlush(CommandContext& ctx) {
  const bool known = ctx.args.size() == 2 ||
                     (ctx.args.size() == 3 && (EqualsIgnoringCase(ctx.arg(2), "sync") ||
                                               EqualsIgnoringCase(ctx.arg(2), "async")));
  if (!known) return ctx.reply.Err("FUNCTION FLUSH only supports SYNC|ASYNC option");
  ctx.reply.Ok();
}

void Time(CommandContext& ctx) {
  const uint64_t now = ctx.service.clock()->WallMicros();
  ctx.reply.Array(2);
  ctx.reply.BulkInteger(static_cast<int64_t>(now / 1'000'000));
  ctx.reply.BulkInteger(static_cast<int64_t>(now % 1'000'000));
}

void Wait(CommandContext& ctx) {
  int64_t replicas = 0;
  if (!ReadInt64(ctx, ctx.arg(1), &replicas)) return;
  int64_t timeout_ms = 0;
  if (!ParseInt64(ctx.arg(2), &timeout_ms)) {
    return ctx.reply.Err("timeout is not an integer or out of range");
  }
  if (timeout_ms < 0) return ctx.reply.Err("timeout is negative");
  if (replicas <= 0) return ctx.reply.Integer(0);
  ctx.session.waiting = true;
  const uint64_t now = ctx.service.clock()->NowMicros();
  constexpr int64_t kTimeoutMax = 1LL << 50;
  ctx.session.waiting_until_micros =
      timeout_ms == 0 ? 0 : now + static_cast<uint64_t>(std::min(timeout_ms, kTimeoutMax)) * 1000;
}

void Shutdown(CommandContext& ctx) {
  bool save = false;
  bool nosave = false;
  bool abort = false;
  bool other = false;
  for (const Slice word : ctx.args.subspan(1)) {
    if (EqualsIgnoringCase(word, "save")) {
      save = true;
    } else if (EqualsIgnoringCase(word, "nosave")) {
      nosave = true;
    } else if (EqualsIgnoringCase(word, "abort")) {
      abort = true;
    } else if (EqualsIgnoringCase(word, "now") || EqualsIgnoringCase(word, "force")) {
      other = true;
    } else {
      return ctx.reply.Err(kSyntaxError);
    }
  }
  if ((save && nosave) || (abort && (save || nosave || other))) {
    return ctx.reply.Err(kSyntaxError);
  }
  if (abort) return ctx.reply.Err("No shutdown in progress.");
  ctx.service.RequestShutdown();
}

void LastSave(CommandContext& ctx) {
  ctx.reply.Integer(static_cast<int64_t>(ctx.now_ms() / 1000));
}

void Role(CommandContext& ctx) {
  ctx.reply.Array(3);
  ctx.reply.Bulk("master");
  ctx.reply.Integer(0);
  ctx.reply.Array(0);
}

void Help(CommandContext& ctx) {
  const CommandSpec* container = CommandTable::Get().Find(ctx.arg(0));
  const std::string name = ToUpper(container->name);
  ctx.reply.Array(1 + container->subcommands.size() * 2);
  ctx.reply.Simple(name + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
  for (const CommandSpec& subcommand : container->subcommands) {
    const std::string_view own = subcommand.name.substr(container->name.size() + 1);
    std::string line = ToUpper(own);
    if (!subcommand.arguments.empty()) line.append(" ").append(subcommand.arguments);
    ctx.reply.Simple(line);
    line.assign(4, ' ').append(subcommand.summary);
    ctx.reply.Simple(line);
  }
}

}  // namespace nokv::redis::commands
