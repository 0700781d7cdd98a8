#include "redis/argument.h"

#include <limits>
#include <string>

#include "redis/number.h"
#include "redis/service.h"

namespace nokv::redis {

bool ReadInt64(CommandContext& ctx, Slice text, int64_t* value) {
  if (ParseInt64(text, value)) return true;
  ctx.reply.Err(kNotAnInteger);
  return false;
}

bool ReadInt32(CommandContext& ctx, Slice text, int32_t* value) {
  int64_t wide = 0;
  if (!ReadInt64(ctx, text, &wide)) return false;
  if (wide < std::numeric_limits<int32_t>::min() || wide > std::numeric_limits<int32_t>::max()) {
    ctx.reply.Err("value is out of range, value must between -2147483648 and 2147483647");
    return false;
  }
  *value = static_cast<int32_t>(wide);
  return true;
}

void ReplyInvalidExpiry(CommandContext& ctx) {
  ctx.reply.Err("invalid expire time in '" + std::string(ctx.spec.name) + "' command");
}

bool ReadExpiry(CommandContext& ctx, Slice text, TimeUnit unit, TimeBase base, int64_t* at_ms) {
  int64_t value = 0;
  if (!ReadInt64(ctx, text, &value)) return false;
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  const auto now = static_cast<int64_t>(ctx.now_ms());
  bool fits = value > 0 && (unit == TimeUnit::kMillis || value <= kMax / 1000);
  if (fits && unit == TimeUnit::kSeconds) value *= 1000;
  if (fits && base == TimeBase::kRelative) {
    fits = value <= kMax - now;
    if (fits) value += now;
  }
  if (!fits) {
    ReplyInvalidExpiry(ctx);
    return false;
  }
  *at_ms = value;
  return true;
}

bool StringFits(const CommandContext& ctx, uint64_t size, uint64_t more) {
  const auto max = static_cast<uint64_t>(ctx.service.settings().proto_max_bulk_len);
  return size <= max && more <= max && size + more <= max;
}

void ReplyStringTooLong(CommandContext& ctx) {
  ctx.reply.Err("string exceeds maximum allowed size (proto-max-bulk-len)");
}

}  // namespace nokv::redis
