#pragma once

// Dispatch: from the arguments of a request to its reply. Finds the command, refuses what may not run
// (unknown, wrong arity, no AUTH), runs the handler and counts. Confined to the loop's thread.

#include <cstdint>
#include <span>

#include "redis/command.h"
#include "redis/command_table.h"
#include "redis/service.h"

namespace nokv::redis {

class Dispatcher {
 public:
  Dispatcher(Store* store, Service* service);

  enum class Outcome : unsigned char {
    kReplied,
    kPostponed,  // nothing is done or replied: the same request is to run again in the next turn
    kDrop,  // close at once without a reply: the "request" is an HTTP header sent by a browser
  };

  // A hint that requests with these keys are about to run.
  void Prefetch(std::span<const Slice> keys) { store_->Prefetch(keys); }

  // Runs one request. `started_micros` is when it began; returns in *ended_micros when it was done.
  // REQUIRES: args is not empty.
  Outcome Run(std::span<const Slice> args,
              Session* session,
              ReplyWriter* reply,
              uint64_t started_micros,
              uint64_t* ended_micros);

 private:
  const CommandSpec* Resolve(std::span<const Slice> args, ReplyWriter* reply);
  bool MayRun(const CommandSpec& spec, std::span<const Slice> args, const Session& session,
              ReplyWriter* reply);

  Store* const store_;
  Service* const service_;
  const CommandTable& table_;
};

}  // namespace nokv::redis
