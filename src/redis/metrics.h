#pragma once

// Metrics: what the server has done since it started or since CONFIG RESETSTAT.
// INFO and the metrics endpoint read them. Confined to the loop's thread.

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "redis/latency_histogram.h"

namespace nokv::redis {

struct CommandMetrics {
  uint64_t calls = 0;
  uint64_t rejected = 0;  // refused before the handler ran: arity, no AUTH
  uint64_t failed = 0;    // the handler replied with an error
  LatencyHistogram micros;
};

struct Metrics {
  uint64_t commands = 0;
  uint64_t errors = 0;
  uint64_t connections_accepted = 0;
  uint64_t connections_refused = 0;   // beyond maxclients, or by protected mode
  uint64_t input_bytes = 0;
  uint64_t output_bytes = 0;
  uint64_t keyspace_hits = 0;
  uint64_t keyspace_misses = 0;
  uint64_t expired_keys_before = 0;   // of the store, when these figures began
  uint64_t closed_for_output = 0;     // output limits and the memory of all clients
  uint64_t closed_for_input = 0;      // a request beyond the query buffer limit, protocol errors
  uint64_t closed_for_idling = 0;
  uint64_t turns = 0;                 // of the event loop, with commands
  uint64_t syncs = 0;
  uint64_t sync_failures = 0;
  // Error replies by their first word.
  std::map<std::string, uint64_t, std::less<>> errors_by_code;
  // By the index of the command in its table (CommandTable::IndexOf).
  std::vector<CommandMetrics> per_command;

  // The entries of per_command stay where they are: the dispatcher holds the one of the running command.
  void Reset() {
    std::vector<CommandMetrics> kept = std::move(per_command);
    *this = Metrics();
    std::fill(kept.begin(), kept.end(), CommandMetrics());
    per_command = std::move(kept);
  }
};

}  // namespace nokv::redis
