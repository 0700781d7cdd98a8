#pragma once

// What the process tells the shell. The numbers are part of the interface: scripts test them.

#include "nokv/status.h"

namespace nokv::cli {

enum ExitCode : int {
  kOk = 0,
  kNotFound = 1,      // the key is not there
  kUsage = 2,         // wrong flags or arguments, or a limit was exceeded
  kCorruption = 3,    // the database is damaged
  kBusy = 4,          // another process holds the directory
  kIoError = 5,       // the operating system refused, or the disk is full
  kNoDatabase = 6,    // there is no database in that directory
  kFailed = 7,        // anything else
};

inline int ExitCodeOf(const Status& status) {
  switch (status.code()) {
    case StatusCode::kOk: return kOk;
    case StatusCode::kNotFound: return kNoDatabase;  // what was opened; an absent key is not an error
    case StatusCode::kInvalidArgument:
    case StatusCode::kLimitExceeded: return kUsage;
    case StatusCode::kCorruption: return kCorruption;
    case StatusCode::kBusy: return kBusy;
    case StatusCode::kIOError:
    case StatusCode::kNoSpace: return kIoError;
    default: return kFailed;
  }
}

}  // namespace nokv::cli
