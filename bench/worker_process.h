#pragma once

// WorkerProcess: starts one worker, in a memory group if there is one, and hands on its lines.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "memory_group.h"

namespace nokv::bench {

// Runs `command` until it ends, calling `line` for each line of its standard output. OK if it ended with status 0; otherwise
// how it ended. `group` may be null.
Status RunProcess(const std::vector<std::string>& command, const MemoryGroup* group,
                  const std::function<void(std::string_view)>& line);

}  // namespace nokv::bench
