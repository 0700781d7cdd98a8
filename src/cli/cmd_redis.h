#pragma once

// `nokv redis`: serves one database directory to Redis clients until SIGINT, SIGTERM or SHUTDOWN.

#include <cstddef>
#include <cstdint>
#include <string>

namespace CLI {
class App;
}

namespace nokv::cli {

struct RedisCommandOptions {
  std::string directory;
  std::string listen = "127.0.0.1:6380";
  std::string sync = "everysec";  // always | everysec | no
  std::string requirepass;
  std::string metrics_addr;       // empty: none
  bool protected_mode = true;
  bool enable_debug_command = false;
  int64_t max_clients = 10'000;
  int64_t timeout_seconds = 0;
  size_t memory_mib = 512;        // the engine's budget
};

// Declares the flags on `command`, with `options` behind them; it must outlive the parsing.
void AddRedisFlags(CLI::App* command, RedisCommandOptions* options);

// Returns the exit code: 0 after a clean end. Prints where it listens when it does.
int RunRedis(const RedisCommandOptions& options);

}  // namespace nokv::cli
