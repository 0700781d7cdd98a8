// Strings that are numbers: INCR and its relatives.

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "redis/argument.h"
#include "redis/commands.h"
#include "redis/number.h"

namespace nokv::redis::commands {

namespace {

void Add(CommandContext& ctx, int64_t delta) {
  const Slice key = ctx.arg(1);
  const char* error = nullptr;
  int64_t value = 0;
  char digits[kInt64DigitsMax];
  const Status status = ctx.store.Update(
      {&key, 1}, Need::kValues, [&](std::span<const Found> found, std::vector<Mutation>* mutations) {
        const Found& now = found.front();
        error = nullptr;
        int64_t old = 0;
        if (now.exists && !ParseInt64(now.value, &old)) {
          error = kNotAnInteger;
        } else if (__builtin_add_overflow(old, delta, &value)) {
          error = "increment or decrement would overflow";
        } else {
          mutations->push_back(Mutation::Put(key, FormatInt64(value, digits), now.expires_at_ms));
        }
      });
  if (!status.ok()) return ctx.ReplyStatus(status);
  if (error != nullptr) return ctx.reply.Err(error);
  ctx.reply.Integer(value);
}

}  // namespace

void Incr(CommandContext& ctx) { Add(ctx, 1); }
void Decr(CommandContext& ctx) { Add(ctx, -1); }

void IncrBy(CommandContext& ctx) {
  int64_t delta = 0;
  if (ReadInt64(ctx, ctx.arg(2), &delta)) Add(ctx, delta);
}

void DecrBy(CommandContext& ctx) {
  int64_t delta = 0;
  if (!ReadInt64(ctx, ctx.arg(2), &delta)) return;
  if (delta == std::numeric_limits<int64_t>::min()) {
    return ctx.reply.Err("decrement would overflow");
  }
  Add(ctx, -delta);
}

void IncrByFloat(CommandContext& ctx) {
  const Slice key = ctx.arg(1);
  const char* error = nullptr;
  std::string sum;
  const Status status = ctx.store.Update(
      {&key, 1}, Need::kValues, [&](std::span<const Found> found, std::vector<Mutation>* mutations) {
        const Found& now = found.front();
        error = nullptr;
        long double value = 0;
        long double delta = 0;
        if ((now.exists && !ParseLongDouble(now.value, &value)) ||
            !ParseLongDouble(ctx.arg(2), &delta)) {
          error = kNotAFloat;
          return;
        }
        value += delta;
        if (std::isnan(value) || std::isinf(value)) {
          error = "increment would produce NaN or Infinity";
          return;
        }
        sum = FormatLongDouble(value);
        mutations->push_back(Mutation::Put(key, sum, now.expires_at_ms));
      });
  if (!status.ok()) return ctx.ReplyStatus(status);
  if (error != nullptr) return ctx.reply.Err(error);
  ctx.reply.Bulk(sum);
}

}  // namespace nokv::redis::commands
