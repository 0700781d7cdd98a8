// The string commands, but for those on numbers.

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "redis/argument.h"
#include "redis/commands.h"
#include "redis/number.h"
#include "redis/service.h"

namespace nokv::redis::commands {

namespace {

// What SET and GETEX may say after their fixed arguments.
struct SetOptions {
  bool if_absent = false;
  bool if_present = false;
  bool get = false;
  bool keep_ttl = false;
  bool persist = false;
  Slice expiry;            // the number as sent; meaningful if has_expiry()
  TimeUnit unit = TimeUnit::kSeconds;
  TimeBase base = TimeBase::kRelative;
  enum class ExpiryKind : unsigned char { kNone, kEx, kPx, kExAt, kPxAt } kind = ExpiryKind::kNone;

  bool has_expiry() const { return kind != ExpiryKind::kNone; }
};

enum class OptionSet : bool { kSet, kGetEx };

// One of EX, PX, EXAT, PXAT: the same one may be repeated and the last wins; two different ones may not.
bool ParseExpiryOption(Slice word, SetOptions* options) {
  using Kind = SetOptions::ExpiryKind;
  struct Row {
    std::string_view word;
    Kind kind;
    TimeUnit unit;
    TimeBase base;
  };
  static constexpr std::array<Row, 4> kRows{{
      {"ex", Kind::kEx, TimeUnit::kSeconds, TimeBase::kRelative},
      {"px", Kind::kPx, TimeUnit::kMillis, TimeBase::kRelative},
      {"exat", Kind::kExAt, TimeUnit::kSeconds, TimeBase::kAbsolute},
      {"pxat", Kind::kPxAt, TimeUnit::kMillis, TimeBase::kAbsolute},
  }};
  if (options->keep_ttl || options->persist) return false;
  for (const Row& row : kRows) {
    if (!EqualsIgnoringCase(word, row.word)) continue;
    if (options->has_expiry() && options->kind != row.kind) return false;
    options->kind = row.kind;
    options->unit = row.unit;
    options->base = row.base;
    return true;
  }
  return false;
}

bool ParseOptions(CommandContext& ctx, size_t first, OptionSet allowed, SetOptions* options) {
  const bool set = allowed == OptionSet::kSet;
  for (size_t i = first; i < ctx.args.size(); ++i) {
    const Slice word = ctx.arg(i);
    if (set && EqualsIgnoringCase(word, "nx") && !options->if_present) {
      options->if_absent = true;
    } else if (set && EqualsIgnoringCase(word, "xx") && !options->if_absent) {
      options->if_present = true;
    } else if (set && EqualsIgnoringCase(word, "get")) {
      options->get = true;
    } else if (set && EqualsIgnoringCase(word, "keepttl") && !options->has_expiry()) {
      options->keep_ttl = true;
    } else if (!set && EqualsIgnoringCase(word, "persist") && !options->has_expiry()) {
      options->persist = true;
    } else if (i + 1 < ctx.args.size() && ParseExpiryOption(word, options)) {
      options->expiry = ctx.arg(++i);
    } else {
      ctx.reply.Err(kSyntaxError);
      return false;
    }
  }
  return true;
}

// A put, or a delete if the moment of expiry has come already.
Mutation PutOrExpire(CommandContext& ctx, Slice key, Slice value, int64_t expires_at_ms) {
  const auto at = static_cast<uint64_t>(expires_at_ms);
  if (at != 0 && at <= ctx.now_ms()) return Mutation::Delete(key);
  return Mutation::Put(key, value, at);
}

void CountLookup(CommandContext& ctx, bool found) {
  Metrics& metrics = ctx.service.metrics();
  ++(found ? metrics.keyspace_hits : metrics.keyspace_misses);
}

void ReplyValueOrNull(CommandContext& ctx, bool exists, Slice value) {
  if (exists) {
    ctx.reply.Bulk(value);
  } else {
    ctx.reply.Null();
  }
}

// SET with any of its options; `abort_reply` of SETNX is an integer.
struct ConditionalSet {
  Slice key;
  Slice value;
  int64_t expires_at_ms;  // 0: never
  const SetOptions& options;
};

// Returns false after an error reply. `*done` tells whether the value was set, `*old_exists` and `*old`
// what was there (the value only if options.get).
bool RunConditionalSet(CommandContext& ctx,
                       const ConditionalSet& set,
                       bool* done,
                       bool* old_exists,
                       std::string* old) {
  const Status status = ctx.store.Update(
      {&set.key, 1},
      set.options.get ? Need::kValues : Need::kPresence,
      [&](std::span<const Found> found, std::vector<Mutation>* mutations) {
        const Found& now = found.front();
        *old_exists = now.exists;
        if (set.options.get) old->assign(now.value);
        *done = !(set.options.if_absent && now.exists) && !(set.options.if_present && !now.exists);
        if (!*done) return;
        const int64_t at = set.options.keep_ttl && now.exists
                               ? static_cast<int64_t>(now.expires_at_ms)
                               : set.expires_at_ms;
        mutations->push_back(PutOrExpire(ctx, set.key, set.value, at));
      });
  if (status.ok()) return true;
  ctx.ReplyStatus(status);
  return false;
}

void SetExpiring(CommandContext& ctx, TimeUnit unit) {
  int64_t at_ms = 0;
  if (!ReadExpiry(ctx, ctx.arg(2), unit, TimeBase::kRelative, &at_ms)) return;
  const Mutation put = PutOrExpire(ctx, ctx.arg(1), ctx.arg(3), at_ms);
  const Status status = ctx.store.Write({&put, 1});
  if (!status.ok()) return ctx.ReplyStatus(status);
  ctx.reply.Ok();
}

bool CollectPairs(CommandContext& ctx, std::vector<Mutation>* mutations) {
  if (ctx.args.size() % 2 == 0) {
    ctx.ReplyArity();
    return false;
  }
  mutations->reserve(ctx.args.size() / 2);
  for (size_t i = 1; i < ctx.args.size(); i += 2) {
    mutations->push_back(Mutation::Put(ctx.arg(i), ctx.arg(i + 1)));
  }
  return true;
}

}  // namespace

void Get(CommandContext& ctx) {
  PinnableValue value;
  const Status status = ctx.store.Get(ctx.arg(1), &value);
  CountLookup(ctx, status.ok());
  if (status.ok()) return ctx.reply.Bulk(value.value());
  if (status.IsNotFound()) return ctx.reply.Null();
  ctx.ReplyStatus(status);
}

void Set(CommandContext& ctx) {
  SetOptions options;
  if (ctx.args.size() > 3 && !ParseOptions(ctx, 3, OptionSet::kSet, &options)) return;
  int64_t at_ms = 0;
  if (options.has_expiry() &&
      !ReadExpiry(ctx, options.expiry, options.unit, options.base, &at_ms)) {
    return;
  }
  const bool looks = options.if_absent || options.if_present || options.get || options.keep_ttl;
  if (!looks) {
    const Mutation put = PutOrExpire(ctx, ctx.arg(1), ctx.arg(2), at_ms);
    const Status status = ctx.store.Write({&put, 1});
    if (!status.ok()) return ctx.ReplyStatus(status);
    return ctx.reply.Ok();
  }
  bool done = false;
  bool old_exists = false;
  std::string old;
  const ConditionalSet set{ctx.arg(1), ctx.arg(2), at_ms, options};
  if (!RunConditionalSet(ctx, set, &done, &old_exists, &old)) return;
  if (options.get) return ReplyValueOrNull(ctx, old_exists, old);
  if (done) return ctx.reply.Ok();
  ctx.reply.Null();
}

void SetNx(CommandContext& ctx) {
  SetOptions options;
  options.if_absent = true;
  bool done = false;
  bool old_exists = false;
  std::string unused;
  const ConditionalSet set{ctx.arg(1), ctx.arg(2), 0, options};
  if (RunConditionalSet(ctx, set, &done, &old_exists, &unused)) ctx.reply.Integer(done ? 1 : 0);
}

void SetEx(CommandContext& ctx) { SetExpiring(ctx, TimeUnit::kSeconds); }
void PSetEx(CommandContext& ctx) { SetExpiring(ctx, TimeUnit::kMillis); }

void GetSet(CommandContext& ctx) {
  SetOptions options;
  options.get = true;
  bool done = false;
  bool old_exists = false;
  std::string old;
  const ConditionalSet set{ctx.arg(1), ctx.arg(2), 0, options};
  if (RunConditionalSet(ctx, set, &done, &old_exists, &old)) ReplyValueOrNull(ctx, old_exists, old);
}

void GetDel(CommandContext& ctx) {
  const Slice key = ctx.arg(1);
  bool exists = false;
  std::string old;
  const Status status = ctx.store.Update(
      {&key, 1}, Need::kValues, [&](std::span<const Found> found, std::vector<Mutation>* mutations) {
        exists = found.front().exists;
        old.assign(found.front().value);
        if (exists) mutations->push_back(Mutation::Delete(key));
      });
  if (!status.ok()) return ctx.ReplyStatus(status);
  ReplyValueOrNull(ctx, exists, old);
}

void GetEx(CommandContext& ctx) {
  SetOptions options;
  if (!ParseOptions(ctx, 2, OptionSet::kGetEx, &options)) return;
  if (!options.has_expiry() && !options.persist) return Get(ctx);
  const Slice key = ctx.arg(1);
  // The number is looked at only if the key is there: a wrong one on an absent key answers null.
  PinnableValue present;
  const Status read = ctx.store.Get(key, &present);
  if (read.IsNotFound()) return ctx.reply.Null();
  if (!read.ok()) return ctx.ReplyStatus(read);
  int64_t at_ms = 0;
  if (options.has_expiry() &&
      !ReadExpiry(ctx, options.expiry, options.unit, options.base, &at_ms)) {
    return;
  }
  bool exists = false;
  std::string value;
  const Status status = ctx.store.Update(
      {&key, 1}, Need::kValues, [&](std::span<const Found> found, std::vector<Mutation>* mutations) {
        exists = found.front().exists;
        value.assign(found.front().value);
        if (!exists || (options.persist && found.front().expires_at_ms == 0)) return;
        mutations->push_back(PutOrExpire(ctx, key, value, at_ms));
      });
  if (!status.ok()) return ctx.ReplyStatus(status);
  ReplyValueOrNull(ctx, exists, value);
}

void MGet(CommandContext& ctx) {
  // In groups, so that one command pins a bounded number of values.
  constexpr size_t kGroup = 32;
  std::array<PinnableValue, kGroup> values;
  std::array<Status, kGroup> statuses;
  const std::span<const Slice> keys = ctx.args.subspan(1);
  const size_t before = ctx.reply.out()->size();
  ctx.reply.Array(keys.size());
  for (size_t start = 0; start < keys.size() && !ctx.reply.out()->overflowed(); start += kGroup) {
    const std::span<const Slice> group = keys.subspan(start, std::min(kGroup, keys.size() - start));
    ctx.store.MultiGet(
        group, {values.data(), group.size()}, {statuses.data(), group.size()});
    for (size_t i = 0; i < group.size(); ++i) {
      CountLookup(ctx, statuses[i].ok());
      if (statuses[i].ok()) {
        ctx.reply.Bulk(values[i].value());
      } else if (statuses[i].IsNotFound()) {
        ctx.reply.Null();
      } else {
        ctx.reply.out()->Truncate(before);
        return ctx.ReplyStatus(statuses[i]);
      }
      values[i].Reset();
    }
  }
}

void MSet(CommandContext& ctx) {
  std::vector<Mutation> mutations;
  if (!CollectPairs(ctx, &mutations)) return;
  const Status status = ctx.store.Write(mutations);
  if (!status.ok()) return ctx.ReplyStatus(status);
  ctx.reply.Ok();
}

void MSetNx(CommandContext& ctx) {
  std::vector<Mutation> pairs;
  if (!CollectPairs(ctx, &pairs)) return;
  std::vector<Slice> keys;
  keys.reserve(pairs.size());
  for (const Mutation& pair : pairs) keys.push_back(pair.key);
  bool set = false;
  const Status status = ctx.store.Update(
      keys, Need::kPresence, [&](std::span<const Found> found, std::vector<Mutation>* mutations) {
        set = std::none_of(found.begin(), found.end(), [](const Found& f) { return f.exists; });
        if (set) *mutations = pairs;
      });
  if (!status.ok()) return ctx.ReplyStatus(status);
  ctx.reply.Integer(set ? 1 : 0);
}

void Append(CommandContext& ctx) {
  const Slice key = ctx.arg(1);
  std::string value;
  bool fits = true;
  const Status status = ctx.store.Update(
      {&key, 1}, Need::kValues, [&](std::span<const Found> found, std::vector<Mutation>* mutations) {
        const Found& now = found.front();
        fits = !now.exists || StringFits(ctx, now.value.size(), ctx.arg(2).size());
        if (!fits) return;
        value.reserve(now.value.size() + ctx.arg(2).size());
        value.assign(now.value);
        value.append(ctx.arg(2));
        mutations->push_back(Mutation::Put(key, value, now.expires_at_ms));
      });
  if (!status.ok()) return ctx.ReplyStatus(status);
  if (!fits) return ReplyStringTooLong(ctx);
  ctx.reply.Integer(static_cast<int64_t>(value.size()));
}

void StrLen(CommandContext& ctx) {
  PinnableValue value;
  const Status status = ctx.store.Get(ctx.arg(1), &value);
  if (!status.ok() && !status.IsNotFound()) return ctx.ReplyStatus(status);
  ctx.reply.Integer(static_cast<int64_t>(value.value().size()));
}

void GetRange(CommandContext& ctx) {
  int64_t start = 0;
  int64_t end = 0;
  if (!ReadInt64(ctx, ctx.arg(2), &start) || !ReadInt64(ctx, ctx.arg(3), &end)) return;
  PinnableValue pinned;
  const Status status = ctx.store.Get(ctx.arg(1), &pinned);
  if (!status.ok() && !status.IsNotFound()) return ctx.ReplyStatus(status);
  const Slice value = pinned.value();
  const auto length = static_cast<int64_t>(value.size());
  if (start < 0 && end < 0 && start > end) return ctx.reply.Bulk("");
  if (start < 0) start = std::max<int64_t>(0, start + length);
  if (end < 0) end = std::max<int64_t>(0, end + length);
  end = std::min(end, length - 1);
  if (start > end || length == 0) return ctx.reply.Bulk("");
  ctx.reply.Bulk(value.substr(static_cast<size_t>(start), static_cast<size_t>(end - start + 1)));
}

void SetRange(CommandContext& ctx) {
  int64_t offset = 0;
  if (!ReadInt64(ctx, ctx.arg(2), &offset)) return;
  if (offset < 0) return ctx.reply.Err("offset is out of range");
  const Slice key = ctx.arg(1);
  const Slice patch = ctx.arg(3);
  const auto at = static_cast<size_t>(offset);
  std::string value;
  bool fits = true;
  const Status status = ctx.store.Update(
      {&key, 1}, Need::kValues, [&](std::span<const Found> found, std::vector<Mutation>* mutations) {
        const Found& now = found.front();
        value.assign(now.value);
        if (patch.empty()) return;
        fits = StringFits(ctx, at, patch.size());
        if (!fits) return;
        if (value.size() < at + patch.size()) value.resize(at + patch.size(), '\0');
        value.replace(at, patch.size(), patch);
        mutations->push_back(Mutation::Put(key, value, now.expires_at_ms));
      });
  if (!status.ok()) return ctx.ReplyStatus(status);
  if (!fits) return ReplyStringTooLong(ctx);
  ctx.reply.Integer(static_cast<int64_t>(value.size()));
}

}  // namespace nokv::redis::commands
