#pragma once

// Server: sockets around connections. Accepts, reads, lets connections run, makes their writes durable,
// sends what they owe, and closes who goes beyond a limit.
//
// One loop, one thread, as in Redis: commands of all clients run one after the other, which is what makes
// a single command atomic. The loop goes in turns:
//   1. every socket that is readable is read once, and its requests run;
//   2. connections that were held back earlier run, if they may;
//   3. the store commits what the turn has written: once for all clients;
//   4. every connection that owes bytes sends them with one system call.
//
// Invariants:
// (1) Nothing that a turn has produced is sent before its commit succeeded. If it fails, every client
//     that ran a request in the turn gets an error instead of its replies, and is closed: what the turn
//     had written may be there or not, and some of those replies may show it.
// (2) At most maxclients connections; one more is answered with an error and closed.
// (3) The memory of all connections' buffers stays within clients_memory_max: the largest is closed.
//
// Confined to the thread that calls Run, but for RequestStop, which is thread-safe and
// async-signal-safe.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "net/event_loop.h"
#include "net/socket.h"
#include "redis/connection.h"
#include "redis/metrics_endpoint.h"
#include "redis/service.h"
#include "redis/store.h"

namespace nokv::redis {

struct ServerOptions {
  net::Endpoint listen{.host = "127.0.0.1", .port = 6380};
  // Where /metrics, /debug/vars and /healthz are served; an empty host and port 0 for nowhere.
  net::Endpoint metrics;
  bool serve_metrics = false;
  SyncPolicy sync = SyncPolicy::kEverySecond;
  std::string requirepass;
  bool protected_mode = true;
  int64_t maxclients = 10'000;
  int64_t idle_timeout_seconds = 0;
  // A request that arrives slower than kRequestBytesPerSecondMin is given up after this long, and so is
  // a client that takes none of the bytes it is owed.
  int64_t stall_seconds = 60;
  bool debug_commands = false;
  std::string directory;        // for INFO
  std::string version;          // of this program
  uint64_t seed = 0;            // of cursors, RANDOMKEY and the run id
};

class Server final : public Service {
 public:
  static constexpr uint64_t kRequestBytesPerSecondMin = 1024;

  // Listens. `store`, `clock` and `executor` outlive the server. `executor` runs the sync of everysec.
  static Result<std::unique_ptr<Server>> Open(const ServerOptions& options,
                                              Store* store,
                                              base::Clock* clock,
                                              base::Executor* executor);
  ~Server() override;

  // Where it listens: the port it got if options.listen.port was 0.
  net::Endpoint endpoint() const { return endpoint_; }
  net::Endpoint metrics_endpoint() const;

  // Serves until RequestStop or SHUTDOWN; then everything acknowledged is committed and all connections
  // are closed. An error means that the loop itself failed.
  Status Run();
  void RequestStop();

  // --- Service ---------------------------------------------------------------------------------------
  ServerFacts Facts() const override;
  std::string StoreInfo() const override;
  void ForEachSession(FunctionRef<void(Session&)> visit) override;
  void CloseSession(Session& session, const Session& caller) override;
  void RequestShutdown() override { RequestStop(); }

  // Text for INFO's section about the engine and for the metrics endpoint, set by who knows the engine.
  void set_store_info(std::function<std::string()> info) { store_info_ = std::move(info); }
  void set_store_json(std::function<std::string()> json) { store_json_ = std::move(json); }

 private:
  class Client;
  class Listener;

  Server(const ServerOptions& options, Store* store, base::Clock* clock, base::Executor* executor,
         std::unique_ptr<net::EventLoop> loop);

  void Accept();
  void PauseAccepting();
  bool Admit(const net::Socket& socket);
  void AddClient(net::Socket socket);
  void MarkForEndOfTurn(Client* client);
  void EndTurn();
  void ResumeHeldBack();
  void FailTurn(const Status& status);
  void Settle(Client* client);
  void Remove(Client* client);
  void StartWait(Client* client);
  void EverySecond();
  void MeasureRates(uint64_t now);
  void CloseStalled(uint64_t now);
  void KeepMemoryWithinLimit();
  void SyncInBackground();
  void CloseAll();

  // Constant after construction.
  const ServerOptions options_;
  Store* const store_;
  base::Executor* const executor_;
  const std::unique_ptr<net::EventLoop> loop_;
  const uint64_t started_micros_;
  std::string run_id_;
  net::Endpoint endpoint_;

  std::atomic<bool> stop_requested_{false};
  std::function<std::string()> store_info_;
  std::function<std::string()> store_json_;

  Dispatcher dispatcher_;
  ChunkPool chunks_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<MetricsEndpoint> metrics_http_;
  std::unordered_map<uint64_t, std::unique_ptr<Client>> clients_;
  uint64_t last_client_id_ = 0;
  uint64_t buffered_bytes_ = 0;             // of all clients, as they last settled
  std::vector<Client*> turn_;               // ran or must send in this turn
  std::vector<Client*> held_back_;          // can run although nothing new arrived
  std::unique_ptr<char[]> read_buffer_;

  // What the figures were at the last tick, and how fast they grew since the one before.
  struct Pace {
    uint64_t at_micros = 0;
    uint64_t commands = 0;
    uint64_t input_bytes = 0;
    uint64_t output_bytes = 0;
  };
  Pace last_tick_;
  Pace per_second_;

  // The sync of everysec: at most one at a time.
  struct BackgroundSync {
    std::atomic<bool> running{false};
    std::atomic<uint64_t> completed{0};
    std::atomic<uint64_t> failed{0};
  };
  const std::shared_ptr<BackgroundSync> background_sync_;
};

}  // namespace nokv::redis
