// Keys and time: EXPIRE, TTL and their relatives.

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "redis/argument.h"
#include "redis/commands.h"
#include "redis/number.h"

namespace nokv::redis::commands {

namespace {

struct ExpireConditions {
  bool if_none = false;     // NX
  bool if_any = false;      // XX
  bool if_greater = false;  // GT
  bool if_less = false;     // LT

  // A key without expiry counts as one that expires at the end of time.
  bool Allow(int64_t at_ms, uint64_t current_ms) const {
    const bool has = current_ms != 0;
    const auto current = static_cast<int64_t>(current_ms);
    if (if_none && has) return false;
    if (if_any && !has) return false;
    if (if_greater && (!has || at_ms <= current)) return false;
    return !(if_less && has && at_ms >= current);
  }
};

bool ParseConditions(CommandContext& ctx, ExpireConditions* conditions) {
  for (size_t i = 3; i < ctx.args.size(); ++i) {
    const Slice word = ctx.arg(i);
    if (EqualsIgnoringCase(word, "nx")) {
      conditions->if_none = true;
    } else if (EqualsIgnoringCase(word, "xx")) {
      conditions->if_any = true;
    } else if (EqualsIgnoringCase(word, "gt")) {
      conditions->if_greater = true;
    } else if (EqualsIgnoringCase(word, "lt")) {
      conditions->if_less = true;
    } else {
      ctx.reply.Err("Unsupported option " + std::string(word.substr(0, word.find('\0'))));
      return false;
    }
  }
  if (conditions->if_none &&
      (conditions->if_any || conditions->if_greater || conditions->if_less)) {
    ctx.reply.Err("NX and XX, GT or LT options at the same time are not compatible");
    return false;
  }
  if (conditions->if_greater && conditions->if_less) {
    ctx.reply.Err("GT and LT options at the same time are not compatible");
    return false;
  }
  return true;
}

// Unlike SET, EXPIRE takes a moment in the past, and deletes then.
bool ReadMoment(CommandContext& ctx, TimeUnit unit, TimeBase base, int64_t* at_ms) {
  if (!ReadInt64(ctx, ctx.arg(2), at_ms)) return false;
  bool fits = true;
  if (unit == TimeUnit::kSeconds) fits = !__builtin_mul_overflow(*at_ms, 1000, at_ms);
  if (fits && base == TimeBase::kRelative) {
    fits = !__builtin_add_overflow(*at_ms, static_cast<int64_t>(ctx.now_ms()), at_ms);
  }
  if (!fits) ReplyInvalidExpiry(ctx);
  return fits;
}

void SetExpiry(CommandContext& ctx, TimeUnit unit, TimeBase base) {
  ExpireConditions conditions;
  if (!ParseConditions(ctx, &conditions)) return;
  int64_t at_ms = 0;
  if (!ReadMoment(ctx, unit, base, &at_ms)) return;
  const Slice key = ctx.arg(1);
  bool changed = false;
  std::string value;
  const Status status = ctx.store.Update(
      {&key, 1}, Need::kValues, [&](std::span<const Found> found, std::vector<Mutation>* mutations) {
        const Found& now = found.front();
        changed = now.exists && conditions.Allow(at_ms, now.expires_at_ms);
        if (!changed) return;
        if (at_ms <= static_cast<int64_t>(ctx.now_ms())) {
          mutations->push_back(Mutation::Delete(key));
          return;
        }
        value.assign(now.value);
        mutations->push_back(Mutation::Put(key, value, static_cast<uint64_t>(at_ms)));
      });
  if (!status.ok()) return ctx.ReplyStatus(status);
  ctx.reply.Integer(changed ? 1 : 0);
}

constexpr int64_t kAbsentKey = -2;
constexpr int64_t kNoExpiry = -1;

void ReplyExpiry(CommandContext& ctx, TimeUnit unit, TimeBase base) {
  PinnableValue value;
  const Status status = ctx.store.Get(ctx.arg(1), &value);
  if (status.IsNotFound()) return ctx.reply.Integer(kAbsentKey);
  if (!status.ok()) return ctx.ReplyStatus(status);
  if (value.expires_at() == 0) return ctx.reply.Integer(kNoExpiry);
  auto at = static_cast<int64_t>(value.expires_at());
  if (base == TimeBase::kRelative) at = std::max<int64_t>(0, at - static_cast<int64_t>(ctx.now_ms()));
  if (unit == TimeUnit::kSeconds) {
    at = static_cast<int64_t>((static_cast<uint64_t>(at) + 500) / 1000);
  }
  ctx.reply.Integer(at);
}

}  // namespace

void Expire(CommandContext& ctx) { SetExpiry(ctx, TimeUnit::kSeconds, TimeBase::kRelative); }
void PExpire(CommandContext& ctx) { SetExpiry(ctx, TimeUnit::kMillis, TimeBase::kRelative); }
void ExpireAt(CommandContext& ctx) { SetExpiry(ctx, TimeUnit::kSeconds, TimeBase::kAbsolute); }
void PExpireAt(CommandContext& ctx) { SetExpiry(ctx, TimeUnit::kMillis, TimeBase::kAbsolute); }

void Ttl(CommandContext& ctx) { ReplyExpiry(ctx, TimeUnit::kSeconds, TimeBase::kRelative); }
void PTtl(CommandContext& ctx) { ReplyExpiry(ctx, TimeUnit::kMillis, TimeBase::kRelative); }
void ExpireTime(CommandContext& ctx) { ReplyExpiry(ctx, TimeUnit::kSeconds, TimeBase::kAbsolute); }
void PExpireTime(CommandContext& ctx) { ReplyExpiry(ctx, TimeUnit::kMillis, TimeBase::kAbsolute); }

void Persist(CommandContext& ctx) {
  const Slice key = ctx.arg(1);
  bool changed = false;
  std::string value;
  const Status status = ctx.store.Update(
      {&key, 1}, Need::kValues, [&](std::span<const Found> found, std::vector<Mutation>* mutations) {
        const Found& now = found.front();
        changed = now.exists && now.expires_at_ms != 0;
        if (!changed) return;
        value.assign(now.value);
        mutations->push_back(Mutation::Put(key, value));
      });
  if (!status.ok()) return ctx.ReplyStatus(status);
  ctx.reply.Integer(changed ? 1 : 0);
}

}  // namespace nokv::redis::commands
