#pragma once

// What many handlers do with their arguments: read numbers, expiries and sizes, and answer as Redis does
// when they are wrong. Functions return false after they have replied with the error.

#include <cstdint>

#include "nokv/slice.h"
#include "redis/command.h"

namespace nokv::redis {

inline constexpr char kNotAnInteger[] = "value is not an integer or out of range";
inline constexpr char kNotAFloat[] = "value is not a valid float";
inline constexpr char kSyntaxError[] = "syntax error";
inline constexpr char kOutOfRangeDb[] = "DB index is out of range";

bool ReadInt64(CommandContext& ctx, Slice text, int64_t* value);
bool ReadInt32(CommandContext& ctx, Slice text, int32_t* value);

enum class TimeUnit : unsigned char { kSeconds, kMillis };
enum class TimeBase : unsigned char { kRelative, kAbsolute };

// The positive expiry of SET, SETEX and GETEX as milliseconds since the epoch.
bool ReadExpiry(CommandContext& ctx, Slice text, TimeUnit unit, TimeBase base, int64_t* at_ms);
void ReplyInvalidExpiry(CommandContext& ctx);

// May a string of `size + more` bytes exist? Replies nothing.
bool StringFits(const CommandContext& ctx, uint64_t size, uint64_t more);
void ReplyStringTooLong(CommandContext& ctx);

}  // namespace nokv::redis
