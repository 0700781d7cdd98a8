#include "cli/cmd_redis.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <random>
#include <utility>

#include <signal.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>

#include "nokv/db.h"
#include "nokv/version.h"

#include "base/clock.h"
#include "base/executor.h"
#include "cli/exit_code.h"
#include "redis/embedded_store.h"
#include "redis/server.h"

namespace nokv::cli {

namespace {

// Descriptors besides those of clients: the engine's files, listeners, the loop's own.
constexpr int64_t kOtherDescriptors = 1024;

// The one server of the process, for the signal handler.
std::atomic<redis::Server*> running_server{nullptr};

void StopOnSignal(int) {
  redis::Server* const server = running_server.load(std::memory_order_acquire);
  if (server != nullptr) server->RequestStop();
}

// SIGINT and SIGTERM stop the server while one of these lives.
class SignalHandling {
 public:
  explicit SignalHandling(redis::Server* server) {
    running_server.store(server, std::memory_order_release);
    struct sigaction action{};
    action.sa_handler = StopOnSignal;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGINT, &action, &old_interrupt_);
    ::sigaction(SIGTERM, &action, &old_terminate_);
  }
  SignalHandling(const SignalHandling&) = delete;
  SignalHandling& operator=(const SignalHandling&) = delete;
  ~SignalHandling() {
    ::sigaction(SIGINT, &old_interrupt_, nullptr);
    ::sigaction(SIGTERM, &old_terminate_, nullptr);
    running_server.store(nullptr, std::memory_order_release);
  }

 private:
  struct sigaction old_interrupt_{};
  struct sigaction old_terminate_{};
};

// As many descriptors as the system allows; returns how many clients that leaves room for.
int64_t MakeRoomForClients(int64_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const auto allowed = static_cast<int64_t>(std::min<rlim_t>(limit.rlim_cur, 1 << 30));
  return std::clamp<int64_t>(allowed - kOtherDescriptors, 1, wanted);
}

int Report(const Status& status) {
  std::fprintf(stderr, "nokv redis: %s\n", status.ToString().c_str());
  return ExitCodeOf(status);
}

Status ToServerOptions(const RedisCommandOptions& options, redis::ServerOptions* server) {
  NOKV_ASSIGN_OR_RETURN(server->listen, net::ParseEndpoint(options.listen));
  if (!options.metrics_addr.empty()) {
    NOKV_ASSIGN_OR_RETURN(server->metrics, net::ParseEndpoint(options.metrics_addr));
    server->serve_metrics = true;
  }
  if (!redis::ParseSyncPolicy(options.sync, &server->sync)) {
    return Status::InvalidArgument("--sync is always, everysec or no, not '" + options.sync + "'");
  }
  server->requirepass = options.requirepass;
  server->protected_mode = options.protected_mode;
  server->debug_commands = options.enable_debug_command;
  server->idle_timeout_seconds = options.timeout_seconds;
  server->maxclients = MakeRoomForClients(options.max_clients);
  if (server->maxclients < options.max_clients) {
    std::fprintf(stderr,
                 "nokv redis: the limit of open files leaves room for %lld clients, not %lld\n",
                 static_cast<long long>(server->maxclients),
                 static_cast<long long>(options.max_clients));
  }
  server->directory = options.directory;
  server->version = kVersion;
  std::random_device entropy;
  server->seed = (uint64_t{entropy()} << 32) ^ entropy();
  return Status::Ok();
}

Status Serve(const RedisCommandOptions& options, DB* db) {
  base::Clock* const clock = base::Clock::System();
  redis::ServerOptions server_options;
  NOKV_TRY(ToServerOptions(options, &server_options));
  NOKV_ASSIGN_OR_RETURN(const std::unique_ptr<redis::EmbeddedStore> store,
                        redis::EmbeddedStore::Open(db, clock));
  // Destroyed before the store: its work uses it.
  base::ThreadPool executor({.flush_threads = 0, .compaction_threads = 0, .maintenance_threads = 1});
  NOKV_ASSIGN_OR_RETURN(const std::unique_ptr<redis::Server> server,
                        redis::Server::Open(server_options, store.get(), clock, &executor));
  server->set_store_json([db] { return db->GetStats().ToJson(); });
  server->set_store_info([db] {
    std::string text;
    return db->GetProperty("nokv.stats", &text) ? text : std::string();
  });
  const SignalHandling signals(server.get());
  const std::string endpoint = server->endpoint().ToString();
  const size_t colon = endpoint.rfind(':');
  std::printf("nokv redis: listening on %s, sync %s\n", endpoint.c_str(), options.sync.c_str());
  std::printf("nokv redis: data in %s\n", options.directory.c_str());
  std::printf("nokv redis: try redis-cli -h %s -p %s set hello world\n",
              endpoint.substr(0, colon).c_str(),
              endpoint.substr(colon + 1).c_str());
  if (server_options.serve_metrics) {
    std::printf("nokv redis: metrics on http://%s/metrics\n",
                server->metrics_endpoint().ToString().c_str());
  }
  std::fflush(stdout);
  return server->Run();
}

}  // namespace

void AddRedisFlags(CLI::App* command, RedisCommandOptions* options) {
  command->add_option("-d,--dir", options->directory, "The database directory; made if it is not there")
      ->required();
  command->add_option("--listen", options->listen, "HOST:PORT; port 0 takes a free one")
      ->capture_default_str();
  command->add_option("--sync", options->sync,
                      "When writes survive a loss of power: always (before the reply), everysec, no")
      ->check(CLI::IsMember({"always", "everysec", "no"}))
      ->capture_default_str();
  command->add_option("--requirepass", options->requirepass, "The password that AUTH and HELLO ask for")
      ->envname("NOKV_REQUIREPASS");
  command->add_option("--metrics-addr", options->metrics_addr,
                      "HOST:PORT for /metrics, /debug/vars and /healthz over HTTP");
  command->add_option("--protected-mode", options->protected_mode,
                      "Without a password, serve only clients on this machine (yes or no)")
      ->capture_default_str();
  command->add_option("--max-clients", options->max_clients, "Connections at the same time")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000}))
      ->capture_default_str();
  command->add_option("--timeout", options->timeout_seconds,
                      "Close clients that are silent for so many seconds; 0 never")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 31))
      ->capture_default_str();
  command->add_option("--memory", options->memory_mib, "MiB for the engine: memtables, caches, indexes")
      ->check(CLI::Range(size_t{16}, size_t{1} << 20))
      ->capture_default_str();
  command->add_flag("--enable-debug-command", options->enable_debug_command, "Allow DEBUG SLEEP");
}

int RunRedis(const RedisCommandOptions& options) {
  Options engine;
  engine.memory_budget = options.memory_mib << 20;
  Result<std::unique_ptr<DB>> db = DB::Open(engine, options.directory);
  if (!db.ok()) return Report(db.status());
  const Status served = Serve(options, db->get());
  const Status closed = (*db)->Close();
  if (!served.ok()) return Report(served);
  if (!closed.ok()) return Report(closed);
  std::printf("nokv redis: bye\n");
  return kOk;
}

}  // namespace nokv::cli
