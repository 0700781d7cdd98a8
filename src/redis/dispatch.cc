#include "redis/dispatch.h"

#include <string>

#include "redis/number.h"

namespace nokv::redis {

namespace {

// Longest text of a client that an error repeats.
constexpr size_t kQuotedBytesMax = 128;

Slice Quoted(Slice text, size_t bytes_max = kQuotedBytesMax) {
  return text.substr(0, text.find('\0')).substr(0, bytes_max);
}

void ReplyUnknownCommand(std::span<const Slice> args, ReplyWriter* reply) {
  std::string quoted;
  for (size_t i = 1; i < args.size() && quoted.size() < kQuotedBytesMax; ++i) {
    const size_t left = kQuotedBytesMax - quoted.size();
    quoted.append("'").append(Quoted(args[i], left)).append("' ");
  }
  std::string text("unknown command '");
  text.append(Quoted(args[0])).append("', with args beginning with: ").append(quoted);
  reply->Err(text);
}

void ReplyUnknownSubcommand(const CommandSpec& container, Slice name, ReplyWriter* reply) {
  std::string upper(container.name);
  for (char& c : upper) c = static_cast<char>(c - ('a' - 'A'));
  std::string text("unknown subcommand '");
  text.append(Quoted(name)).append("'. Try ").append(upper).append(" HELP.");
  reply->Err(text);
}

void ReplyArityOf(const CommandSpec& spec, ReplyWriter* reply) {
  reply->Err("wrong number of arguments for '" + std::string(spec.name) + "' command");
}

bool HasArity(const CommandSpec& spec, size_t count) {
  const auto n = static_cast<int>(count);
  return spec.arity > 0 ? n == spec.arity : n >= -spec.arity;
}

}  // namespace

uint64_t CommandContext::now_ms() {
  if (sampled_ms == 0) sampled_ms = service.clock()->WallMillis();
  return sampled_ms;
}

void CommandContext::ReplyArity() const { ReplyArityOf(spec, &reply); }

void CommandContext::ReplyStatus(const Status& status) {
  switch (status.code()) {
    case StatusCode::kBusy:
      postponed = true;
      return;
    case StatusCode::kLimitExceeded:
    case StatusCode::kInvalidArgument:
      return reply.Err(status.message());
    case StatusCode::kNoSpace:
    case StatusCode::kReadOnly:
    case StatusCode::kIOError:
      return reply.Error("MISCONF " + status.ToString());
    default:
      return reply.Err(status.ToString());
  }
}

Dispatcher::Dispatcher(Store* store, Service* service)
    : store_(store), service_(service), table_(CommandTable::Get()) {
  service_->metrics().per_command.resize(table_.count());
}

const CommandSpec* Dispatcher::Resolve(std::span<const Slice> args, ReplyWriter* reply) {
  const CommandSpec* spec = table_.Find(args[0]);
  if (spec == nullptr) {
    ReplyUnknownCommand(args, reply);
    return nullptr;
  }
  if (spec->subcommands.empty() || args.size() < 2) return spec;
  const CommandSpec* subcommand = CommandTable::FindSubcommand(*spec, args[1]);
  if (subcommand == nullptr) ReplyUnknownSubcommand(*spec, args[1], reply);
  return subcommand;
}

bool Dispatcher::MayRun(const CommandSpec& spec,
                        std::span<const Slice> args,
                        const Session& session,
                        ReplyWriter* reply) {
  if (!HasArity(spec, args.size()) || spec.handler == nullptr) {
    ReplyArityOf(spec, reply);
    return false;
  }
  if (!session.authenticated && (spec.flags & kNoAuth) == 0 &&
      !service_->settings().requirepass.empty()) {
    reply->Error("NOAUTH Authentication required.");
    return false;
  }
  return true;
}

Dispatcher::Outcome Dispatcher::Run(std::span<const Slice> args,
                                    Session* session,
                                    ReplyWriter* reply,
                                    uint64_t started_micros,
                                    uint64_t* ended_micros) {
  *ended_micros = started_micros;
  if (args[0].size() <= 5 &&
      (EqualsIgnoringCase(args[0], "post") || EqualsIgnoringCase(args[0], "host:"))) {
    return Outcome::kDrop;
  }
  Metrics& metrics = service_->metrics();
  const uint64_t errors_before = reply->errors();
  const CommandSpec* spec = Resolve(args, reply);
  CommandMetrics* of = nullptr;
  if (spec != nullptr) {
    of = &metrics.per_command[table_.IndexOf(*spec)];
    if (MayRun(*spec, args, *session, reply)) {
      session->last_command = spec;
      CommandContext ctx{args, *spec, *session, *store_, *reply, *service_};
      spec->handler(ctx);
      *ended_micros = service_->clock()->NowMicros();
      if (ctx.postponed) return Outcome::kPostponed;
      ++metrics.commands;
      ++of->calls;
      of->micros.Record(*ended_micros - started_micros);
      if (reply->errors() != errors_before) ++of->failed;
    } else {
      ++of->rejected;
    }
  }
  ++session->commands;
  if (reply->errors() != errors_before) [[unlikely]] {
    ++metrics.errors;
    // As many codes as clients can be made to see; a bound all the same.
    constexpr size_t kCodesMax = 128;
    if (metrics.errors_by_code.size() < kCodesMax) ++metrics.errors_by_code[reply->last_error_code()];
  }
  return Outcome::kReplied;
}

}  // namespace nokv::redis
