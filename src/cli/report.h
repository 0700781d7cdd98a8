#pragma once

// How a command ends in an error.

#include <string>

#include "nokv/status.h"

namespace nokv::cli {

// Writes "nokv: <message>" to the standard error; returns the exit code.
int Report(const Status& status);

// kNoDatabase with a hint, if `directory` holds no database at all; kOk otherwise.
int CheckDatabaseExists(const std::string& directory);

}  // namespace nokv::cli
