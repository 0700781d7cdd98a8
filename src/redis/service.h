#pragma once

// Service: what commands may see and do beyond the keys: settings, figures, other clients, the end.
// The server implements it; tests put their own behind it. Confined to the loop's thread.

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "redis/config.h"
#include "redis/function_ref.h"
#include "redis/metrics.h"
#include "redis/scan_cursors.h"
#include "redis/session.h"

namespace nokv::redis {

inline constexpr char kCompatibleVersion[] = "7.0.15";

// Facts about the process that INFO tells.
struct ServerFacts {
  std::string version;       // of this program
  std::string run_id;        // 40 hexadecimal digits, another at each start
  std::string directory;
  uint16_t port = 0;
  uint64_t started_micros = 0;
  uint64_t connections = 0;
  uint64_t clients_bytes = 0;
  // Over the last second or so.
  uint64_t commands_per_second = 0;
  uint64_t input_bytes_per_second = 0;
  uint64_t output_bytes_per_second = 0;
  bool debug_commands = false;
};

class Service {
 public:
  Service(base::Clock* clock, uint64_t seed)
      : clock_(clock), random_(seed), scan_cursors_(random_.Next()) {}
  virtual ~Service() = default;
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  const Settings& settings() const { return config_.settings(); }
  Config& config() { return config_; }
  Metrics& metrics() { return metrics_; }
  ScanCursors& scan_cursors() { return scan_cursors_; }
  base::Clock* clock() { return clock_; }
  base::Random* random() { return &random_; }

  virtual ServerFacts Facts() const = 0;
  // Statistics of the store for INFO: lines of "name:value".
  virtual std::string StoreInfo() const = 0;
  virtual void ForEachSession(FunctionRef<void(Session&)> visit) = 0;
  // Closes it: at once, or after its reply if it is the caller's own.
  virtual void CloseSession(Session& session, const Session& caller) = 0;
  // Closes everything cleanly, then the process ends with status 0.
  virtual void RequestShutdown() = 0;

 private:
  base::Clock* const clock_;
  base::Random random_;
  Config config_;
  Metrics metrics_;
  ScanCursors scan_cursors_;
};

}  // namespace nokv::redis
