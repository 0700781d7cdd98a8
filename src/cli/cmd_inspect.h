#pragma once

// nokv stats, nokv manifest: what is in a database directory. Both only read: they take no lock, change no
// byte and work beside a running server. Each returns the process's exit code.

#include <string>

namespace nokv::cli {

struct InspectOptions {
  std::string directory;
  bool json = false;
};

int RunStats(const InspectOptions& options);

// Prints the state that the manifest leads to; with `log`, every group of edits in it, with its offset.
int RunManifest(const InspectOptions& options, bool log);

}  // namespace nokv::cli
