#pragma once

// INFO: sections of "name:value" lines, with the names that clients and dashboards of Redis read.

#include <span>
#include <string>

#include "nokv/slice.h"
#include "redis/command.h"

namespace nokv::redis {

// The sections that INFO <names...> asks for; the usual ones if there are none. Fills *text.
Status BuildInfo(CommandContext& ctx, std::span<const Slice> names, std::string* text);

}  // namespace nokv::redis
