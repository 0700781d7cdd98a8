#include "redis/command_table.h"

#include <algorithm>
#include <functional>
#include <string>

#include "base/check.h"
#include "redis/commands.h"
#include "redis/number.h"

namespace nokv::redis {

namespace {

using Group = CommandGroup;
namespace c = commands;

constexpr uint32_t kAdminFlags = kAdmin | kNoScript | kLoading | kStale;
constexpr uint32_t kPlainFlags = kNoScript | kLoading | kStale;
constexpr uint32_t kGreetingFlags = kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy;

constexpr KeyPositions kNoKeys{0, 0, 0};
constexpr KeyPositions kOneKey{1, 1, 1};
constexpr KeyPositions kTwoKeys{1, 2, 1};
constexpr KeyPositions kAllKeys{1, -1, 1};
constexpr KeyPositions kPairs{1, -1, 2};
constexpr KeyPositions kSecond{2, 2, 1};

constexpr char kSum[] = "request_policy:multi_shard response_policy:agg_sum";
constexpr char kAllShards[] = "request_policy:all_shards response_policy:all_succeeded";
constexpr char kSumOfShards[] = "request_policy:all_shards response_policy:agg_sum";
constexpr char kVaries[] = "nondeterministic_output";
constexpr char kVariesInOrder[] = "nondeterministic_output_order";

// clang-format off
// name, arity, flags, categories, group, keys, use, tips, since, arguments, summary, notes, handler
constexpr CommandSpec kClientCommands[] = {
    {"client|getname", 2, kPlainFlags, kConnectionCategory, Group::kConnection, kNoKeys, KeyUse::kNone,
     "", "2.6.9", "", "Tells the name of this connection.", "", c::ClientGetName},
    {"client|help", 2, kLoading | kStale, kConnectionCategory, Group::kConnection, kNoKeys, KeyUse::kNone,
     "", "5.0.0", "", "Lists the subcommands.", "", c::Help},
    {"client|id", 2, kPlainFlags, kConnectionCategory, Group::kConnection, kNoKeys, KeyUse::kNone,
     "", "5.0.0", "", "Tells the number of this connection.", "", c::ClientId},
    {"client|info", 2, kPlainFlags, kConnectionCategory, Group::kConnection, kNoKeys, KeyUse::kNone,
     kVaries, "6.2.0", "", "Describes this connection.", "", c::ClientInfo},
    {"client|kill", -3, kAdminFlags, kConnectionCategory, Group::kConnection, kNoKeys, KeyUse::kNone,
     "", "2.4.0", "[ip:port] [ID client-id] [TYPE type] [ADDR ip:port] [LADDR ip:port] [SKIPME yes/no]",
     "Closes connections.", "", c::ClientKill},
    {"client|list", -2, kAdminFlags, kConnectionCategory, Group::kConnection, kNoKeys, KeyUse::kNone,
     kVaries, "2.4.0", "[TYPE type|ID client-id ...]", "Describes connections.", "", c::ClientList},
    {"client|no-evict", 3, kAdminFlags, kConnectionCategory, Group::kConnection, kNoKeys, KeyUse::kNone,
     "", "7.0.0", "(ON|OFF)", "Spares this connection when client memory runs out.", "", c::ClientNoEvict},
    {"client|setinfo", 4, kPlainFlags, kConnectionCategory, Group::kConnection, kNoKeys, KeyUse::kNone,
     "", "7.2.0", "(LIB-NAME libname|LIB-VER libver)", "Names the client library.", "", c::ClientSetInfo},
    {"client|setname", 3, kPlainFlags, kConnectionCategory, Group::kConnection, kNoKeys, KeyUse::kNone,
     "", "2.6.9", "connection-name", "Names this connection.", "", c::ClientSetName},
};

constexpr CommandSpec kCommandCommands[] = {
    {"command|count", 2, kLoading | kStale, kConnectionCategory, Group::kServer, kNoKeys, KeyUse::kNone,
     "", "2.8.13", "", "Tells how many commands there are.", "", c::CommandCount},
    {"command|docs", -2, kLoading | kStale, kConnectionCategory, Group::kServer, kNoKeys, KeyUse::kNone,
     kVariesInOrder, "7.0.0", "[command-name ...]", "Tells what commands are for.", "", c::CommandDocs},
    {"command|getkeys", -4, kLoading | kStale, kConnectionCategory, Group::kServer, kNoKeys, KeyUse::kNone,
     "", "2.8.13", "command [arg ...]", "Picks the keys out of a whole command.", "", c::CommandGetKeys},
    {"command|help", 2, kLoading | kStale, kConnectionCategory, Group::kServer, kNoKeys, KeyUse::kNone,
     "", "5.0.0", "", "Lists the subcommands.", "", c::Help},
    {"command|info", -2, kLoading | kStale, kConnectionCategory, Group::kServer, kNoKeys, KeyUse::kNone,
     kVariesInOrder, "2.8.13", "[command-name ...]", "Describes commands to programs.", "", c::CommandInfo},
    {"command|list", -2, kLoading | kStale, kConnectionCategory, Group::kServer, kNoKeys, KeyUse::kNone,
     kVariesInOrder, "7.0.0", "[FILTERBY (MODULE module-name|ACLCAT category|PATTERN pattern)]",
     "Lists the names of commands.", "", c::CommandList},
};

constexpr CommandSpec kConfigCommands[] = {
    {"config|get", -3, kAdminFlags, 0, Group::kServer, kNoKeys, KeyUse::kNone,
     "", "2.0.0", "parameter ...", "Reads parameters by pattern.", "", c::ConfigGet},
    {"config|help", 2, kLoading | kStale, 0, Group::kServer, kNoKeys, KeyUse::kNone,
     "", "5.0.0", "", "Lists the subcommands.", "", c::Help},
    {"config|resetstat", 2, kAdminFlags, 0, Group::kServer, kNoKeys, KeyUse::kNone,
     "", "2.0.0", "", "Sets the statistics of INFO back to zero.", "", c::ConfigResetStat},
    {"config|rewrite", 2, kAdminFlags, 0, Group::kServer, kNoKeys, KeyUse::kNone,
     "", "2.8.0", "", "Always refused: there is no file of parameters.", "", c::ConfigRewrite},
    {"config|set", -4, kAdminFlags, 0, Group::kServer, kNoKeys, KeyUse::kNone,
     "request_policy:all_nodes response_policy:all_succeeded", "2.0.0", "(parameter value) ...",
     "Changes parameters, all of them or none.", "", c::ConfigSet},
};

constexpr CommandSpec kFunctionCommands[] = {
    {"function|flush", -2, kWrite | kNoScript, kScriptingCategory, Group::kScripting, kNoKeys, KeyUse::kNone,
     kAllShards, "7.0.0", "[ASYNC|SYNC]", "Does nothing: there are no functions.", "", c::FunctionFlush},
    {"function|help", 2, kLoading | kStale, kScriptingCategory, Group::kScripting, kNoKeys, KeyUse::kNone,
     "", "7.0.0", "", "Lists the subcommands.", "", c::Help},
};

constexpr CommandSpec kObjectCommands[] = {
    {"object|encoding", 3, kReadonly, kKeyspaceCategory, Group::kGeneric, kSecond, KeyUse::kInspect,
     kVaries, "2.2.3", "key", "Tells how Redis would hold the value in memory.", "", c::ObjectEncoding},
    {"object|freq", 3, kReadonly, kKeyspaceCategory, Group::kGeneric, kSecond, KeyUse::kInspect,
     kVaries, "4.0.0", "key", "Always refused: access is not counted.", "", c::ObjectFreq},
    {"object|help", 2, kLoading | kStale, kKeyspaceCategory, Group::kGeneric, kNoKeys, KeyUse::kNone,
     "", "6.2.0", "", "Lists the subcommands.", "", c::Help},
    {"object|idletime", 3, kReadonly, kKeyspaceCategory, Group::kGeneric, kSecond, KeyUse::kInspect,
     kVaries, "2.2.3", "key", "Always 0: access is not timed.", "", c::ObjectIdletime},
    {"object|refcount", 3, kReadonly, kKeyspaceCategory, Group::kGeneric, kSecond, KeyUse::kInspect,
     kVaries, "2.2.3", "key", "Always 1: values are not shared.", "", c::ObjectRefcount},
};

constexpr CommandSpec kCommands[] = {
    {"append", 3, kWrite | kDenyOom | kFast, kStringCategory, Group::kString, kOneKey, KeyUse::kExtend,
     "", "2.0.0", "key value", "Appends to a string, or makes it.", "", c::Append},
    {"auth", -2, kGreetingFlags, kConnectionCategory, Group::kConnection, kNoKeys, KeyUse::kNone,
     "", "1.0.0", "[username] password", "Shows the password to the server.", "", c::Auth},
    {"client", -2, 0, 0, Group::kConnection, kNoKeys, KeyUse::kNone,
     "", "2.4.0", "", "Commands about connections.", "", nullptr, kClientCommands},
    {"command", -1, kLoading | kStale, kConnectionCategory, Group::kServer, kNoKeys, KeyUse::kNone,
     kVariesInOrder, "2.8.13", "", "Describes all commands to programs.", "", c::Command, kCommandCommands},
    {"config", -2, 0, 0, Group::kServer, kNoKeys, KeyUse::kNone,
     "", "2.0.0", "", "Commands about parameters.", "", nullptr, kConfigCommands},
    {"copy", -3, kWrite | kDenyOom, kKeyspaceCategory, Group::kGeneric, kTwoKeys, KeyUse::kCopy,
     "", "6.2.0", "source-key destination-key [DB destination-db] [REPLACE]",
     "Copies a key with its value and expiry.", "", c::Copy},
    {"dbsize", 1, kReadonly | kFast, kKeyspaceCategory, Group::kServer, kNoKeys, KeyUse::kNone,
     kSumOfShards, "1.0.0", "", "Counts the keys.", "", c::DbSize},
    {"debug", -2, kAdminFlags, 0, Group::kServer, kNoKeys, KeyUse::kNone,
     "", "1.0.0", "SLEEP seconds", "Makes the server sleep; off unless the server was started with it.", "", c::DebugSleep},
    {"decr", 2, kWrite | kDenyOom | kFast, kStringCategory, Group::kString, kOneKey, KeyUse::kReadModify,
     "", "1.0.0", "key", "Subtracts one from a number.", "", c::Decr},
    {"decrby", 3, kWrite | kDenyOom | kFast, kStringCategory, Group::kString, kOneKey, KeyUse::kReadModify,
     "", "1.0.0", "key decrement:integer", "Subtracts from a number.", "", c::DecrBy},
    {"del", -2, kWrite, kKeyspaceCategory, Group::kGeneric, kAllKeys, KeyUse::kRemove,
     kSum, "1.0.0", "key ...", "Deletes keys.", "", c::Del},
    {"echo", 2, kLoading | kStale | kFast, kConnectionCategory, Group::kConnection, kNoKeys, KeyUse::kNone,
     "", "1.0.0", "message", "Sends the message back.", "", c::Echo},
    {"exists", -2, kReadonly | kFast, kKeyspaceCategory, Group::kGeneric, kAllKeys, KeyUse::kInspect,
     kSum, "1.0.0", "key ...", "Counts which of the keys exist.", "", c::Exists},
    {"expire", -3, kWrite | kFast, kKeyspaceCategory, Group::kGeneric, kOneKey, KeyUse::kModify,
     "", "1.0.0", "key seconds:integer [NX|XX|GT|LT]", "Lets a key expire after so many seconds.", "", c::Expire},
    {"expireat", -3, kWrite | kFast, kKeyspaceCategory, Group::kGeneric, kOneKey, KeyUse::kModify,
     "", "1.2.0", "key unix-time-seconds [NX|XX|GT|LT]", "Lets a key expire at a second.", "", c::ExpireAt},
    {"expiretime", 2, kReadonly | kFast, kKeyspaceCategory, Group::kGeneric, kOneKey, KeyUse::kRead,
     "", "7.0.0", "key", "Tells the second at which a key expires.", "", c::ExpireTime},
    {"flushall", -1, kWrite, kKeyspaceCategory | kDangerousCategory, Group::kServer, kNoKeys, KeyUse::kNone,
     kAllShards, "1.0.0", "[ASYNC|SYNC]", "Deletes all keys.", "", c::Flush},
    {"flushdb", -1, kWrite, kKeyspaceCategory | kDangerousCategory, Group::kServer, kNoKeys, KeyUse::kNone,
     kAllShards, "1.0.0", "[ASYNC|SYNC]", "Deletes all keys.", "", c::Flush},
    {"function", -2, 0, 0, Group::kScripting, kNoKeys, KeyUse::kNone,
     "", "7.0.0", "", "Commands about functions, of which there are none.", "", nullptr, kFunctionCommands},
    {"get", 2, kReadonly | kFast, kStringCategory, Group::kString, kOneKey, KeyUse::kRead,
     "", "1.0.0", "key", "Reads a string.", "", c::Get},
    {"getdel", 2, kWrite | kFast, kStringCategory, Group::kString, kOneKey, KeyUse::kReadDelete,
     "", "6.2.0", "key", "Reads a string and deletes it.", "", c::GetDel},
    {"getex", -2, kWrite | kFast, kStringCategory, Group::kString, kOneKey, KeyUse::kReadModify,
     "", "6.2.0",
     "key [EX seconds:integer|PX milliseconds:integer|EXAT unix-time-seconds|PXAT unix-time-milliseconds|PERSIST]",
     "Reads a string and changes when it expires.", "RW and UPDATE because it changes the TTL", c::GetEx},
    {"getrange", 4, kReadonly, kStringCategory, Group::kString, kOneKey, KeyUse::kRead,
     "", "2.4.0", "key start:integer end:integer", "Reads a part of a string.", "", c::GetRange},
    {"getset", 3, kWrite | kDenyOom | kFast, kStringCategory, Group::kString, kOneKey, KeyUse::kReadModify,
     "", "1.0.0", "key value", "Sets a string and reads what it was.", "", c::GetSet},
    {"hello", -1, kGreetingFlags, kConnectionCategory, Group::kConnection, kNoKeys, KeyUse::kNone,
     "", "6.0.0", "[protover:integer [AUTH username password] [SETNAME clientname]]",
     "Chooses the protocol and tells who the server is.", "", c::Hello},
    {"incr", 2, kWrite | kDenyOom | kFast, kStringCategory, Group::kString, kOneKey, KeyUse::kReadModify,
     "", "1.0.0", "key", "Adds one to a number.", "", c::Incr},
    {"incrby", 3, kWrite | kDenyOom | kFast, kStringCategory, Group::kString, kOneKey, KeyUse::kReadModify,
     "", "1.0.0", "key increment:integer", "Adds to a number.", "", c::IncrBy},
    {"incrbyfloat", 3, kWrite | kDenyOom | kFast, kStringCategory, Group::kString, kOneKey, KeyUse::kReadModify,
     "", "2.6.0", "key increment:double", "Adds to a number with decimals.", "", c::IncrByFloat},
    {"info", -1, kLoading | kStale, kDangerousCategory, Group::kServer, kNoKeys, KeyUse::kNone,
     "nondeterministic_output request_policy:all_shards response_policy:special", "1.0.0", "[section ...]",
     "Tells how the server is.", "", c::Info},
    {"keys", 2, kReadonly, kKeyspaceCategory | kDangerousCategory, Group::kGeneric, kNoKeys, KeyUse::kNone,
     "request_policy:all_shards nondeterministic_output_order", "1.0.0", "pattern",
     "Lists all keys that match a pattern.", "", c::Keys},
    {"lastsave", 1, kLoading | kStale | kFast, kDangerousCategory, Group::kServer, kNoKeys, KeyUse::kNone,
     kVaries, "1.0.0", "", "Tells when the data was last durable: now.", "", c::LastSave},
    {"mget", -2, kReadonly | kFast, kStringCategory, Group::kString, kAllKeys, KeyUse::kRead,
     "request_policy:multi_shard", "1.0.0", "key ...", "Reads several strings.", "", c::MGet},
    {"move", 3, kWrite | kFast, kKeyspaceCategory, Group::kGeneric, kOneKey, KeyUse::kReadModify,
     "", "1.0.0", "key db:integer", "Always refused: there is one database.", "", c::Move},
    {"mset", -3, kWrite | kDenyOom, kStringCategory, Group::kString, kPairs, KeyUse::kOverwrite,
     "request_policy:multi_shard response_policy:all_succeeded", "1.0.1", "(key value) ...",
     "Sets several strings at once.", "", c::MSet},
    {"msetnx", -3, kWrite | kDenyOom, kStringCategory, Group::kString, kPairs, KeyUse::kInsert,
     "request_policy:multi_shard response_policy:agg_min", "1.0.1", "(key value) ...",
     "Sets several strings at once if none of them exists.", "", c::MSetNx},
    {"object", -2, 0, 0, Group::kGeneric, kNoKeys, KeyUse::kNone,
     "", "2.2.3", "", "Commands about how values are held.", "", nullptr, kObjectCommands},
    {"persist", 2, kWrite | kFast, kKeyspaceCategory, Group::kGeneric, kOneKey, KeyUse::kModify,
     "", "2.2.0", "key", "Takes the expiry off a key.", "", c::Persist},
    {"pexpire", -3, kWrite | kFast, kKeyspaceCategory, Group::kGeneric, kOneKey, KeyUse::kModify,
     "", "2.6.0", "key milliseconds:integer [NX|XX|GT|LT]", "Lets a key expire after so many milliseconds.", "", c::PExpire},
    {"pexpireat", -3, kWrite | kFast, kKeyspaceCategory, Group::kGeneric, kOneKey, KeyUse::kModify,
     "", "2.6.0", "key unix-time-milliseconds [NX|XX|GT|LT]", "Lets a key expire at a millisecond.", "", c::PExpireAt},
    {"pexpiretime", 2, kReadonly | kFast, kKeyspaceCategory, Group::kGeneric, kOneKey, KeyUse::kRead,
     "", "7.0.0", "key", "Tells the millisecond at which a key expires.", "", c::PExpireTime},
    {"ping", -1, kFast, kConnectionCategory, Group::kConnection, kNoKeys, KeyUse::kNone,
     kAllShards, "1.0.0", "[message]", "Shows that the server answers.", "", c::Ping},
    {"psetex", 4, kWrite | kDenyOom, kStringCategory, Group::kString, kOneKey, KeyUse::kOverwrite,
     "", "2.6.0", "key milliseconds:integer value", "Sets a string that expires.", "", c::PSetEx},
    {"pttl", 2, kReadonly | kFast, kKeyspaceCategory, Group::kGeneric, kOneKey, KeyUse::kRead,
     kVaries, "2.6.0", "key", "Tells in how many milliseconds a key expires.", "", c::PTtl},
    {"quit", -1, kGreetingFlags, kConnectionCategory, Group::kConnection, kNoKeys, KeyUse::kNone,
     "", "1.0.0", "", "Closes the connection.", "", c::Quit},
    {"randomkey", 1, kReadonly, kKeyspaceCategory, Group::kGeneric, kNoKeys, KeyUse::kNone,
     "request_policy:all_shards nondeterministic_output", "1.0.0", "", "Tells one key of all.", "", c::RandomKey},
    {"rename", 3, kWrite, kKeyspaceCategory, Group::kGeneric, kTwoKeys, KeyUse::kRename,
     "", "1.0.0", "key newkey", "Renames a key, over another if need be.", "", c::Rename},
    {"renamenx", 3, kWrite | kFast, kKeyspaceCategory, Group::kGeneric, kTwoKeys, KeyUse::kRenameNx,
     "", "1.0.0", "key newkey", "Renames a key unless the other exists.", "", c::RenameNx},
    {"reset", 1, kGreetingFlags, kConnectionCategory, Group::kConnection, kNoKeys, KeyUse::kNone,
     "", "6.2.0", "", "Makes the connection as good as new.", "", c::Reset},
    {"role", 1, kNoScript | kLoading | kStale | kFast | kAdmin, 0, Group::kServer, kNoKeys, KeyUse::kNone,
     "", "2.8.12", "", "Tells the part in replication: a master without replicas.", "", c::Role},
    {"scan", -2, kReadonly, kKeyspaceCategory, Group::kGeneric, kNoKeys, KeyUse::kNone,
     "nondeterministic_output request_policy:special", "2.8.0",
     "cursor:integer [MATCH pattern] [COUNT count:integer] [TYPE type]", "Walks through the keys page by page.", "", c::Scan},
    {"select", 2, kLoading | kStale | kFast, kConnectionCategory, Group::kConnection, kNoKeys, KeyUse::kNone,
     "", "1.0.0", "index:integer", "Chooses the database: 0 is the only one.", "", c::Select},
    {"set", -3, kWrite | kDenyOom, kStringCategory, Group::kString, kOneKey, KeyUse::kSet,
     "", "1.0.0",
     "key value [NX|XX] [GET] [EX seconds:integer|PX milliseconds:integer|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL]",
     "Sets a string.", "RW and ACCESS due to the optional `GET` argument", c::Set},
    {"setex", 4, kWrite | kDenyOom, kStringCategory, Group::kString, kOneKey, KeyUse::kOverwrite,
     "", "2.0.0", "key seconds:integer value", "Sets a string that expires.", "", c::SetEx},
    {"setnx", 3, kWrite | kDenyOom | kFast, kStringCategory, Group::kString, kOneKey, KeyUse::kInsert,
     "", "1.0.0", "key value", "Sets a string if the key does not exist.", "", c::SetNx},
    {"setrange", 4, kWrite | kDenyOom, kStringCategory, Group::kString, kOneKey, KeyUse::kModify,
     "", "2.2.0", "key offset:integer value", "Overwrites a part of a string.", "", c::SetRange},
    {"shutdown", -1, kAdminFlags | kNoMulti | kAllowBusy, 0, Group::kServer, kNoKeys, KeyUse::kNone,
     "", "1.0.0", "[NOSAVE|SAVE] [NOW] [FORCE] [ABORT]", "Closes everything and ends the server.", "", c::Shutdown},
    {"strlen", 2, kReadonly | kFast, kStringCategory, Group::kString, kOneKey, KeyUse::kInspect,
     "", "2.2.0", "key", "Tells how long a string is.", "", c::StrLen},
    {"substr", 4, kReadonly, kStringCategory, Group::kString, kOneKey, KeyUse::kRead,
     "", "1.0.0", "key start:integer end:integer", "GETRANGE under its old name.", "", c::GetRange},
    {"time", 1, kLoading | kStale | kFast, 0, Group::kServer, kNoKeys, KeyUse::kNone,
     kVaries, "2.6.0", "", "Tells the time of the server.", "", c::Time},
    {"touch", -2, kReadonly | kFast, kKeyspaceCategory, Group::kGeneric, kAllKeys, KeyUse::kInspect,
     kSum, "3.2.1", "key ...", "Counts which of the keys exist.", "", c::Exists},
    {"ttl", 2, kReadonly | kFast, kKeyspaceCategory, Group::kGeneric, kOneKey, KeyUse::kRead,
     kVaries, "1.0.0", "key", "Tells in how many seconds a key expires.", "", c::Ttl},
    {"type", 2, kReadonly | kFast, kKeyspaceCategory, Group::kGeneric, kOneKey, KeyUse::kInspect,
     "", "1.0.0", "key", "Tells what a key holds.", "", c::Type},
    {"unlink", -2, kWrite | kFast, kKeyspaceCategory, Group::kGeneric, kAllKeys, KeyUse::kRemove,
     kSum, "4.0.0", "key ...", "Deletes keys.", "", c::Del},
    {"wait", 3, kNoScript, kConnectionCategory, Group::kGeneric, kNoKeys, KeyUse::kNone,
     "request_policy:all_shards response_policy:agg_min", "3.0.0", "numreplicas:integer timeout:integer",
     "Waits for replicas, of which there are none.", "", c::Wait},
};
// clang-format on

}  // namespace

const CommandTable& CommandTable::Get() {
  static const CommandTable table;
  return table;
}

std::span<const CommandSpec> CommandTable::commands() const { return kCommands; }

size_t CommandTable::SlotOf(const char* lower, size_t size) {
  uint32_t hash = 2166136261U;  // FNV-1a
  for (size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<unsigned char>(lower[i])) * 16777619U;
  return (hash ^ (hash >> 15)) % kSlots;
}

CommandTable::CommandTable() {
  for (const CommandSpec& spec : kCommands) {
    NOKV_CHECK(spec.name.size() <= kNameBytesMax);
    size_t slot = SlotOf(spec.name.data(), spec.name.size());
    while (slots_[slot] != nullptr) slot = (slot + 1) % kSlots;
    slots_[slot] = &spec;
    by_index_[count_++] = &spec;
  }
  for (const CommandSpec& spec : kCommands) {
    for (const CommandSpec& subcommand : spec.subcommands) by_index_[count_++] = &subcommand;
  }
}

const CommandSpec* CommandTable::Find(Slice name) const {
  if (name.size() > kNameBytesMax) return nullptr;
  char lower[kNameBytesMax];
  for (size_t i = 0; i < name.size(); ++i) lower[i] = ToLower(name[i]);
  const std::string_view wanted(lower, name.size());
  for (size_t slot = SlotOf(lower, name.size());; slot = (slot + 1) % kSlots) {
    const CommandSpec* spec = slots_[slot];
    if (spec == nullptr || spec->name == wanted) return spec;
  }
}

const CommandSpec* CommandTable::FindSubcommand(const CommandSpec& container, Slice name) {
  for (const CommandSpec& subcommand : container.subcommands) {
    if (EqualsIgnoringCase(name, subcommand.name.substr(container.name.size() + 1))) {
      return &subcommand;
    }
  }
  return nullptr;
}

const CommandSpec* CommandTable::FindByFullName(Slice name) const {
  const size_t bar = name.find('|');
  const CommandSpec* spec = Find(name.substr(0, bar));
  if (spec == nullptr || bar == Slice::npos) return spec;
  return FindSubcommand(*spec, name.substr(bar + 1));
}

size_t CommandTable::IndexOf(const CommandSpec& spec) const {
  const std::less<const CommandSpec*> before;
  if (!before(&spec, std::begin(kCommands)) && before(&spec, std::end(kCommands))) {
    return static_cast<size_t>(&spec - std::begin(kCommands));
  }
  const auto found = std::find(by_index_.begin(), by_index_.begin() + count_, &spec);
  return static_cast<size_t>(found - by_index_.begin());
}

}  // namespace nokv::redis
