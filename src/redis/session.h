#pragma once

// Session: what the server remembers about one client between its commands, without sockets.
//
// The connection owns it; commands change it. Confined to the loop's thread.

#include <cstdint>
#include <string>

#include "net/socket.h"
#include "redis/reply_writer.h"

namespace nokv::redis {

struct CommandSpec;

struct Session {
  uint64_t id = 0;
  net::Endpoint peer;
  net::Endpoint local;
  int fd = -1;

  Protocol protocol = Protocol::kResp2;
  bool authenticated = false;
  bool no_evict = false;
  std::string name;
  std::string library_name;
  std::string library_version;

  // Set by a command: answer what is owed, then close.
  bool close_after_reply = false;
  // Set by a command that answers later: no further command runs until WAIT's time is over.
  bool waiting = false;
  uint64_t waiting_until_micros = 0;  // 0: for ever

  uint64_t connected_micros = 0;
  uint64_t active_micros = 0;
  const CommandSpec* last_command = nullptr;

  // Sizes for CLIENT LIST and the limits, refreshed by the connection.
  uint64_t input_bytes = 0;
  uint64_t output_bytes = 0;
  uint64_t commands = 0;
};

}  // namespace nokv::redis
