// Commands on keys as such, whatever they hold.

#include <algorithm>
#include <string>
#include <vector>

#include "redis/argument.h"
#include "redis/commands.h"
#include "redis/glob.h"
#include "redis/number.h"
#include "redis/service.h"

namespace nokv::redis::commands {

namespace {

constexpr char kNoSuchKey[] = "no such key";
constexpr char kSameObject[] = "source and destination objects are the same";

// "*" stands for everything, the empty key included, which as a pattern it would not match.
bool KeyMatches(Slice pattern, Slice key) { return pattern == "*" || GlobMatches(pattern, key); }

// Keys to reply with, in one piece of memory, bounded by what the client may be owed at all.
class KeyList {
 public:
  explicit KeyList(size_t bytes_max) : bytes_max_(bytes_max) {}

  // False if the reply would be larger than any that can be sent.
  bool Add(Slice key) {
    bytes_.append(key);
    ends_.push_back(bytes_.size());
    return bytes_.size() <= bytes_max_;
  }
  void Reply(ReplyWriter& reply) const {
    reply.Array(ends_.size());
    size_t begin = 0;
    for (const size_t end : ends_) {
      reply.Bulk(Slice(bytes_).substr(begin, end - begin));
      begin = end;
    }
  }

 private:
  const size_t bytes_max_;
  std::string bytes_;
  std::vector<size_t> ends_;
};

size_t ReplyBytesMax(CommandContext& ctx) {
  const int64_t max = ctx.service.settings().output_hard_max;
  return max > 0 ? static_cast<size_t>(max) : ~size_t{0};
}

struct ScanOptions {
  int64_t count = 10;
  Slice pattern = "*";
  bool other_type = false;  // TYPE of something that this server does not have
};

bool ParseScanOptions(CommandContext& ctx, ScanOptions* options) {
  for (size_t i = 2; i < ctx.args.size(); i += 2) {
    const Slice word = ctx.arg(i);
    const bool has_value = i + 1 < ctx.args.size();
    if (has_value && EqualsIgnoringCase(word, "count")) {
      if (!ReadInt64(ctx, ctx.arg(i + 1), &options->count)) return false;
      if (options->count < 1) {
        ctx.reply.Err(kSyntaxError);
        return false;
      }
    } else if (has_value && EqualsIgnoringCase(word, "match")) {
      options->pattern = ctx.arg(i + 1);
    } else if (has_value && EqualsIgnoringCase(word, "type")) {
      options->other_type = !EqualsIgnoringCase(ctx.arg(i + 1), "string");
    } else {
      ctx.reply.Err(kSyntaxError);
      return false;
    }
  }
  return true;
}

// RENAME, RENAMENX and COPY: the value and expiry of one key go to another.
struct Transfer {
  bool source_exists = false;
  bool target_exists = false;
  bool done = false;
};

enum class Source : bool { kKept, kDeleted };
enum class Target : bool { kReplaced, kMustBeAbsent };

bool RunTransfer(CommandContext& ctx, Source source, Target target, Transfer* outcome) {
  const Slice keys[2] = {ctx.arg(1), ctx.arg(2)};
  std::string value;
  const Status status = ctx.store.Update(
      keys, Need::kValues, [&](std::span<const Found> found, std::vector<Mutation>* mutations) {
        outcome->source_exists = found[0].exists;
        outcome->target_exists = found[1].exists;
        outcome->done =
            found[0].exists && !(target == Target::kMustBeAbsent && found[1].exists);
        if (!outcome->done || keys[0] == keys[1]) return;
        value.assign(found[0].value);
        mutations->push_back(Mutation::Put(keys[1], value, found[0].expires_at_ms));
        if (source == Source::kDeleted) mutations->push_back(Mutation::Delete(keys[0]));
      });
  if (status.ok()) return true;
  ctx.ReplyStatus(status);
  return false;
}

bool KeyExists(CommandContext& ctx, Slice key, bool* exists) {
  PinnableValue value;
  const Status status = ctx.store.Get(key, &value);
  *exists = status.ok();
  if (status.ok() || status.IsNotFound()) return true;
  ctx.ReplyStatus(status);
  return false;
}

// What OBJECT's subcommands say of an absent key, after which they say nothing more.
bool FindObject(CommandContext& ctx, PinnableValue* value) {
  const Status status = ctx.store.Get(ctx.arg(2), value);
  if (status.ok()) return true;
  if (status.IsNotFound()) {
    ctx.reply.Null();
  } else {
    ctx.ReplyStatus(status);
  }
  return false;
}

}  // namespace

void Del(CommandContext& ctx) {
  const std::span<const Slice> keys = ctx.args.subspan(1);
  int64_t deleted = 0;
  const Status status = ctx.store.Update(
      keys, Need::kPresence, [&](std::span<const Found> found, std::vector<Mutation>* mutations) {
        deleted = 0;
        for (size_t i = 0; i < keys.size(); ++i) {
          if (found[i].exists) mutations->push_back(Mutation::Delete(keys[i]));
        }
        // A key named twice counts once.
        std::vector<Slice> distinct;
        distinct.reserve(mutations->size());
        for (const Mutation& mutation : *mutations) distinct.push_back(mutation.key);
        if (distinct.size() > 1) {
          std::sort(distinct.begin(), distinct.end());
          distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
        }
        deleted = static_cast<int64_t>(distinct.size());
      });
  if (!status.ok()) return ctx.ReplyStatus(status);
  ctx.reply.Integer(deleted);
}

void Exists(CommandContext& ctx) {
  int64_t count = 0;
  for (const Slice key : ctx.args.subspan(1)) {
    bool exists = false;
    if (!KeyExists(ctx, key, &exists)) return;
    count += exists ? 1 : 0;
  }
  ctx.reply.Integer(count);
}

void Type(CommandContext& ctx) {
  bool exists = false;
  if (KeyExists(ctx, ctx.arg(1), &exists)) ctx.reply.Simple(exists ? "string" : "none");
}

void Keys(CommandContext& ctx) {
  const Slice pattern = ctx.arg(1);
  KeyList keys(ReplyBytesMax(ctx));
  bool fits = true;
  const Status status = ctx.store.VisitKeys("", [&](Slice key, uint64_t) {
    if (KeyMatches(pattern, key)) fits = keys.Add(key);
    return fits;
  });
  if (!status.ok()) return ctx.ReplyStatus(status);
  if (!fits) return ctx.reply.Err("the reply would exceed client-output-buffer-limit; use SCAN");
  keys.Reply(ctx.reply);
}

void Scan(CommandContext& ctx) {
  uint64_t cursor = 0;
  if (!ParseCursor(ctx.arg(1), &cursor)) return ctx.reply.Err("invalid cursor");
  ScanOptions options;
  if (!ParseScanOptions(ctx, &options)) return;
  const std::string from(ctx.service.scan_cursors().Find(cursor));
  KeyList keys(ReplyBytesMax(ctx));
  std::string last;
  int64_t visited = 0;
  bool more = false;
  const Status status = ctx.store.VisitKeys(from, [&](Slice key, uint64_t) {
    if (visited == options.count) {
      more = true;
      return false;
    }
    ++visited;
    last.assign(key);
    const bool matches = !options.other_type && KeyMatches(options.pattern, key);
    if (matches && !keys.Add(key)) {  // the page ends early
      more = true;
      return false;
    }
    return true;
  });
  if (!status.ok()) return ctx.ReplyStatus(status);
  ctx.reply.Array(2);
  // Right after the last key visited.
  last.push_back('\0');
  ctx.reply.BulkInteger(
      more ? static_cast<int64_t>(ctx.service.scan_cursors().Remember(std::move(last))) : 0);
  keys.Reply(ctx.reply);
}

void RandomKey(CommandContext& ctx) {
  std::string key;
  const Status status = ctx.store.RandomKey(ctx.service.random(), &key);
  if (status.IsNotFound()) return ctx.reply.Null();
  if (!status.ok()) return ctx.ReplyStatus(status);
  ctx.reply.Bulk(key);
}

void Rename(CommandContext& ctx) {
  Transfer outcome;
  if (!RunTransfer(ctx, Source::kDeleted, Target::kReplaced, &outcome)) return;
  if (!outcome.source_exists) return ctx.reply.Err(kNoSuchKey);
  ctx.reply.Ok();
}

void RenameNx(CommandContext& ctx) {
  Transfer outcome;
  if (!RunTransfer(ctx, Source::kDeleted, Target::kMustBeAbsent, &outcome)) return;
  if (!outcome.source_exists) return ctx.reply.Err(kNoSuchKey);
  ctx.reply.Integer(outcome.done ? 1 : 0);
}

void Copy(CommandContext& ctx) {
  bool replace = false;
  for (size_t i = 3; i < ctx.args.size(); ++i) {
    if (EqualsIgnoringCase(ctx.arg(i), "replace")) {
      replace = true;
    } else if (EqualsIgnoringCase(ctx.arg(i), "db") && i + 1 < ctx.args.size()) {
      int32_t db = 0;
      if (!ReadInt32(ctx, ctx.arg(++i), &db)) return;
      if (db != 0) return ctx.reply.Err(kOutOfRangeDb);
    } else {
      return ctx.reply.Err(kSyntaxError);
    }
  }
  if (ctx.arg(1) == ctx.arg(2)) return ctx.reply.Err(kSameObject);
  Transfer outcome;
  const Target target = replace ? Target::kReplaced : Target::kMustBeAbsent;
  if (RunTransfer(ctx, Source::kKept, target, &outcome)) ctx.reply.Integer(outcome.done ? 1 : 0);
}

void Move(CommandContext& ctx) {
  int32_t db = 0;
  if (!ReadInt32(ctx, ctx.arg(2), &db)) return;
  ctx.reply.Err(db == 0 ? kSameObject : kOutOfRangeDb);
}

void DbSize(CommandContext& ctx) {
  const Result<KeyCounts> counts = ctx.store.Count();
  if (!counts.ok()) return ctx.ReplyStatus(counts.status());
  ctx.reply.Integer(static_cast<int64_t>(counts->keys));
}

void Flush(CommandContext& ctx) {
  const bool known = ctx.args.size() == 1 ||
                     (ctx.args.size() == 2 && (EqualsIgnoringCase(ctx.arg(1), "sync") ||
                                               EqualsIgnoringCase(ctx.arg(1), "async")));
  if (!known) return ctx.reply.Err(kSyntaxError);
  const Status status = ctx.store.Clear();
  if (!status.ok()) return ctx.ReplyStatus(status);
  ctx.reply.Ok();
}

void ObjectEncoding(CommandContext& ctx) {
  // Longest string that Redis keeps in one piece with its header.
  constexpr size_t kEmbeddedBytesMax = 44;
  PinnableValue value;
  if (!FindObject(ctx, &value)) return;
  int64_t number = 0;
  if (ParseInt64(value.value(), &number)) return ctx.reply.Bulk("int");
  ctx.reply.Bulk(value.value().size() <= kEmbeddedBytesMax ? "embstr" : "raw");
}

void ObjectRefcount(CommandContext& ctx) {
  PinnableValue value;
  if (FindObject(ctx, &value)) ctx.reply.Integer(1);
}

void ObjectIdletime(CommandContext& ctx) {
  PinnableValue value;
  if (FindObject(ctx, &value)) ctx.reply.Integer(0);
}

void ObjectFreq(CommandContext& ctx) {
  PinnableValue value;
  if (!FindObject(ctx, &value)) return;
  ctx.reply.Err(
      "An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
      "when switching between policies at runtime LRU and LFU data will take some time to adjust.");
}

}  // namespace nokv::redis::commands
