#pragma once

// errno as a Status. Thread-safe: a pure function.

#include <string_view>

#include "nokv/status.h"

namespace nokv::vfs {

// "path: operation: reason", with the code that rule 3 of file_system.h asks for.
Status ErrorFromErrno(std::string_view path, std::string_view operation, int error);

}  // namespace nokv::vfs
