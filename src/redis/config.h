#pragma once

// Config: every parameter a client of Redis 7.0 may get or set, checked as Redis checks it.
//
// A few change what the server does; they are the fields of Settings. The others are accepted, kept and
// echoed without effect, so that clients and test suites that set them go on; docs/redis.md lists both
// kinds. CONFIG SET of several parameters changes all of them or none. Confined to the loop's thread.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nokv/result.h"
#include "nokv/slice.h"

namespace nokv::redis {

// When what commands wrote is made to survive a loss of power (`--sync`, appendfsync).
enum class SyncPolicy : unsigned char {
  kAlways,       // before the reply
  kEverySecond,  // at most about a second later
  kNo,           // when the engine does it by itself; the death of the process still loses nothing
};

std::string_view SyncPolicyName(SyncPolicy policy);
// False if `text` is none of always, everysec, no.
bool ParseSyncPolicy(Slice text, SyncPolicy* policy);

// The parameters with effect, as numbers.
struct Settings {
  std::string requirepass;              // empty: none
  bool protected_mode = true;
  int64_t maxclients = 10'000;
  int64_t timeout_seconds = 0;          // idle clients; 0: never
  int64_t tcp_keepalive_seconds = 300;
  int64_t proto_max_bulk_len = 512LL << 20;
  int64_t query_buffer_max = 1LL << 30;   // bytes of one unfinished request
  // Bytes owed to one client: closed beyond; 0: none. More than the largest value, so that it can be read.
  int64_t output_hard_max = 640LL << 20;
  int64_t output_soft_max = 0;            // closed when beyond for output_soft_seconds; 0: none
  int64_t output_soft_seconds = 0;
  int64_t clients_memory_max = 1LL << 30;  // bytes of all clients' buffers: the largest is closed
  SyncPolicy sync = SyncPolicy::kEverySecond;
};

class Config {
 public:
  struct NameValue {
    std::string name;
    std::string value;
  };

  Config();

  const Settings& settings() const { return settings_; }

  // What CONFIG GET answers: every parameter that one of the patterns names, each once.
  std::vector<NameValue> Get(std::span<const Slice> patterns) const;
  // What CONFIG SET does with name, value, name, value...; the error is the reply without "ERR ".
  Status Set(std::span<const Slice> pairs);
  // As Set of one parameter, also of those that clients may not change. For start-up.
  Status SetAtStart(Slice name, Slice value);

  enum class Kind : unsigned char {
    kBool, kString, kEnum, kInteger, kMemory, kMemoryOrPercent, kOctal, kSpecial
  };
  enum class Access : unsigned char { kMutable, kImmutable, kProtected };
  struct Parameter {
    std::string_view name;
    std::string_view alias;  // an older name; empty if none
    Kind kind;
    Access access;
    int64_t min;
    int64_t max;
    std::string_view words;  // of an enum, separated by blanks
    std::string_view initial;
  };
  // In order of their names.
  static std::span<const Parameter> Parameters();
  static const Parameter* Find(Slice name);
  // Does it change what the server does?
  static bool HasEffect(std::string_view name);

 private:
  Result<std::string> Normalize(const Parameter& parameter, Slice value) const;
  void Apply(std::string_view name, const std::string& value);

  std::map<std::string, std::string, std::less<>> values_;
  Settings settings_;
};

}  // namespace nokv::redis
