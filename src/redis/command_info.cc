#include "redis/command_info.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "redis/number.h"

namespace nokv::redis {

namespace {

struct FlagName {
  uint32_t flag;
  std::string_view name;
};

// In the order in which Redis lists them.
constexpr std::array<FlagName, 11> kFlagNames{{{kWrite, "write"},
                                               {kReadonly, "readonly"},
                                               {kDenyOom, "denyoom"},
                                               {kAdmin, "admin"},
                                               {kNoScript, "noscript"},
                                               {kLoading, "loading"},
                                               {kStale, "stale"},
                                               {kFast, "fast"},
                                               {kNoAuth, "no_auth"},
                                               {kNoMulti, "no_multi"},
                                               {kAllowBusy, "allow_busy"}}};

struct KeySpec {
  std::vector<std::string_view> flags;
  int index;
  int last;  // relative to index; negative: from the end
  int step;
};

std::vector<KeySpec> KeySpecs(const CommandSpec& spec) {
  const KeyPositions& keys = spec.keys;
  const int last = keys.last < 0 ? keys.last : keys.last - keys.first;
  const auto one = [&](std::vector<std::string_view> flags) {
    return std::vector<KeySpec>{{std::move(flags), keys.first, last, keys.step}};
  };
  const auto two = [&](std::vector<std::string_view> source, std::vector<std::string_view> target) {
    return std::vector<KeySpec>{{std::move(source), 1, 0, 1}, {std::move(target), 2, 0, 1}};
  };
  switch (spec.key_use) {
    case KeyUse::kNone: return {};
    case KeyUse::kRead: return one({"RO", "access"});
    case KeyUse::kInspect: return one({"RO"});
    case KeyUse::kSet: return one({"RW", "access", "update", "variable_flags"});
    case KeyUse::kReadModify: return one({"RW", "access", "update"});
    case KeyUse::kReadDelete: return one({"RW", "access", "delete"});
    case KeyUse::kModify: return one({"RW", "update"});
    case KeyUse::kExtend: return one({"RW", "insert"});
    case KeyUse::kOverwrite: return one({"OW", "update"});
    case KeyUse::kInsert: return one({"OW", "insert"});
    case KeyUse::kRemove: return one({"RM", "delete"});
    case KeyUse::kRename: return two({"RW", "access", "delete"}, {"OW", "update"});
    case KeyUse::kRenameNx: return two({"RW", "access", "delete"}, {"OW", "insert"});
    case KeyUse::kCopy: return two({"RO", "access"}, {"OW", "update"});
  }
  return {};
}

void ReplyKeySpec(ReplyWriter& reply, const CommandSpec& spec, const KeySpec& keys) {
  reply.Map(spec.notes.empty() ? 3 : 4);
  if (!spec.notes.empty()) {
    reply.Bulk("notes");
    reply.Bulk(spec.notes);
  }
  reply.Bulk("flags");
  reply.Set(keys.flags.size());
  for (const std::string_view flag : keys.flags) reply.Simple(flag);
  reply.Bulk("begin_search");
  reply.Map(2);
  reply.Bulk("type");
  reply.Bulk("index");
  reply.Bulk("spec");
  reply.Map(1);
  reply.Bulk("index");
  reply.Integer(keys.index);
  reply.Bulk("find_keys");
  reply.Map(2);
  reply.Bulk("type");
  reply.Bulk("range");
  reply.Bulk("spec");
  reply.Map(3);
  reply.Bulk("lastkey");
  reply.Integer(keys.last);
  reply.Bulk("keystep");
  reply.Integer(keys.step);
  reply.Bulk("limit");
  reply.Integer(0);
}

std::vector<std::string_view> SplitTips(std::string_view tips) {
  std::vector<std::string_view> words;
  while (!tips.empty()) {
    const size_t end = std::min(tips.find(' '), tips.size());
    words.push_back(tips.substr(0, end));
    tips.remove_prefix(std::min(end + 1, tips.size()));
  }
  return words;
}

// --- The grammar of CommandSpec::arguments ---------------------------------------------------------

struct Argument {
  std::string name;
  std::string token;
  std::string_view kind = "string";
  bool optional = false;
  bool multiple = false;
  std::vector<Argument> parts;  // of a choice or a block
};

class ArgumentParser {
 public:
  explicit ArgumentParser(std::string_view text) : text_(text) {}

  std::vector<Argument> Sequence() {
    std::vector<Argument> arguments;
    for (;;) {
      while (Peek() == ' ') ++at_;
      if (at_ == text_.size() || Peek() == ']' || Peek() == ')' || Peek() == '|') return arguments;
      if (text_.substr(at_).starts_with("...")) {
        at_ += 3;
        if (!arguments.empty()) arguments.back().multiple = true;
        continue;
      }
      arguments.push_back(One());
    }
  }

 private:
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  Argument One() {
    const char open = Peek();
    if (open == '[' || open == '(') {
      ++at_;
      Argument argument = Choice();
      ++at_;  // the closing bracket
      if (open == '[') argument.optional = true;
      return argument;
    }
    return Word();
  }

  // What stands between brackets: alternatives, each a sequence.
  Argument Choice() {
    std::vector<Argument> alternatives;
    for (;;) {
      alternatives.push_back(AsOne(Sequence()));
      if (Peek() != '|') break;
      ++at_;
    }
    if (alternatives.size() == 1) return std::move(alternatives.front());
    Argument choice;
    choice.kind = "oneof";
    choice.name = "condition";
    choice.parts = std::move(alternatives);
    return choice;
  }

  // A token takes the argument after it; several arguments become a block.
  static Argument AsOne(std::vector<Argument> sequence) {
    if (sequence.size() == 1) return std::move(sequence.front());
    Argument one;
    if (!sequence.empty() && sequence.front().kind == "pure-token") {
      if (sequence.size() == 2) {
        one = std::move(sequence[1]);
        one.token = sequence.front().token;
        return one;
      }
      one.token = sequence.front().token;
      sequence.erase(sequence.begin());
    }
    one.kind = "block";
    one.name = sequence.empty() ? "block" : sequence.front().name;
    one.parts = std::move(sequence);
    return one;
  }

  Argument Word() {
    const size_t end = std::min(text_.find_first_of(" []()|", at_), text_.size());
    std::string_view word = text_.substr(at_, end - at_);
    at_ = end;
    Argument argument;
    if (word.front() >= 'A' && word.front() <= 'Z') {
      argument.kind = "pure-token";
      argument.token = word;
      argument.name = ToLower(word);
      return argument;
    }
    if (word.ends_with(":integer")) {
      argument.kind = "integer";
      word.remove_suffix(8);
    } else if (word.ends_with(":double")) {
      argument.kind = "double";
      word.remove_suffix(7);
    } else if (word.starts_with("unix-time")) {
      argument.kind = "unix-time";
    } else if (word == "pattern") {
      argument.kind = "pattern";
    } else if (word == "key" || word.ends_with("key")) {
      argument.kind = "key";
    }
    argument.name = word;
    return argument;
  }

  const std::string_view text_;
  size_t at_ = 0;
};

void ReplyArguments(ReplyWriter& reply, const std::vector<Argument>& arguments) {
  reply.Array(arguments.size());
  for (const Argument& argument : arguments) {
    const bool key = argument.kind == "key";
    const bool flags = argument.optional || argument.multiple;
    const bool token = !argument.token.empty();
    reply.Map(2U + (key ? 1U : 0U) + (token ? 1U : 0U) + (flags ? 1U : 0U) +
              (argument.parts.empty() ? 0U : 1U));
    reply.Bulk("name");
    reply.Bulk(argument.name);
    reply.Bulk("type");
    reply.Bulk(argument.kind);
    if (key) {
      reply.Bulk("key_spec_index");
      reply.Integer(argument.name == "newkey" || argument.name == "destination-key" ? 1 : 0);
    }
    if (token) {
      reply.Bulk("token");
      reply.Bulk(argument.token);
    }
    if (flags) {
      reply.Bulk("flags");
      reply.Set((argument.optional ? 1U : 0U) + (argument.multiple ? 1U : 0U));
      if (argument.optional) reply.Simple("optional");
      if (argument.multiple) reply.Simple("multiple");
    }
    if (!argument.parts.empty()) {
      reply.Bulk("arguments");
      ReplyArguments(reply, argument.parts);
    }
  }
}

}  // namespace

std::vector<std::string_view> CommandCategories(const CommandSpec& spec) {
  std::vector<std::string_view> names;
  const auto add = [&](bool condition, std::string_view name) {
    if (condition) names.push_back(name);
  };
  const bool admin = (spec.flags & kAdmin) != 0;
  const bool fast = (spec.flags & kFast) != 0;
  add((spec.categories & kKeyspaceCategory) != 0, "@keyspace");
  add((spec.flags & kReadonly) != 0, "@read");
  add((spec.flags & kWrite) != 0, "@write");
  add((spec.categories & kStringCategory) != 0, "@string");
  add(admin || spec.name == "lastsave", "@admin");
  add(fast, "@fast");
  add(!fast, "@slow");
  add(admin || (spec.categories & kDangerousCategory) != 0, "@dangerous");
  add((spec.categories & kConnectionCategory) != 0, "@connection");
  add((spec.categories & kScriptingCategory) != 0, "@scripting");
  return names;
}

std::string_view GroupName(CommandGroup group) {
  switch (group) {
    case CommandGroup::kConnection: return "connection";
    case CommandGroup::kGeneric: return "generic";
    case CommandGroup::kScripting: return "scripting";
    case CommandGroup::kServer: return "server";
    case CommandGroup::kString: return "string";
  }
  return "";
}

void ReplyCommandInfo(ReplyWriter& reply, const CommandSpec& spec) {
  reply.Array(10);
  reply.Bulk(spec.name);
  reply.Integer(spec.arity);
  size_t flags = 0;
  for (const FlagName& row : kFlagNames) flags += (spec.flags & row.flag) != 0 ? 1U : 0U;
  reply.Set(flags);
  for (const FlagName& row : kFlagNames) {
    if ((spec.flags & row.flag) != 0) reply.Simple(row.name);
  }
  reply.Integer(spec.keys.first);
  reply.Integer(spec.keys.last);
  reply.Integer(spec.keys.step);
  const std::vector<std::string_view> categories = CommandCategories(spec);
  reply.Set(categories.size());
  for (const std::string_view category : categories) reply.Simple(category);
  const std::vector<std::string_view> tips = SplitTips(spec.tips);
  reply.Set(tips.size());
  for (const std::string_view tip : tips) reply.Bulk(tip);
  const std::vector<KeySpec> keys = KeySpecs(spec);
  reply.Set(keys.size());
  for (const KeySpec& key : keys) ReplyKeySpec(reply, spec, key);
  reply.Set(spec.subcommands.size());
  for (const CommandSpec& subcommand : spec.subcommands) ReplyCommandInfo(reply, subcommand);
}

void ReplyCommandDocs(ReplyWriter& reply, const CommandSpec& spec) {
  const std::vector<Argument> arguments = ArgumentParser(spec.arguments).Sequence();
  reply.Bulk(spec.name);
  reply.Map(3U + (arguments.empty() ? 0U : 1U) + (spec.subcommands.empty() ? 0U : 1U));
  reply.Bulk("summary");
  reply.Bulk(spec.summary);
  reply.Bulk("since");
  reply.Bulk(spec.since);
  reply.Bulk("group");
  reply.Bulk(GroupName(spec.group));
  if (!arguments.empty()) {
    reply.Bulk("arguments");
    ReplyArguments(reply, arguments);
  }
  if (!spec.subcommands.empty()) {
    reply.Bulk("subcommands");
    reply.Map(spec.subcommands.size());
    for (const CommandSpec& subcommand : spec.subcommands) ReplyCommandDocs(reply, subcommand);
  }
}

std::vector<size_t> KeyIndexes(const CommandSpec& spec, size_t argument_count) {
  std::vector<size_t> indexes;
  if (spec.keys.first == 0) return indexes;
  const int last = spec.keys.last < 0 ? static_cast<int>(argument_count) + spec.keys.last
                                      : spec.keys.last;
  for (int i = spec.keys.first; i <= last; i += spec.keys.step) {
    indexes.push_back(static_cast<size_t>(i));
  }
  return indexes;
}

}  // namespace nokv::redis
