#include "redis/server.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "redis/metrics_text.h"

namespace nokv::redis {

namespace {

constexpr int kBacklog = 511;
constexpr size_t kReadBytes = 64 * 1024;
constexpr uint64_t kSecond = 1'000'000;
constexpr uint64_t kAcceptPauseMicros = 100'000;
// Connections taken from the backlog in one turn, so that a flood of them does not starve the others.
constexpr int kAcceptsPerTurn = 64;
// Pieces of one writev: more than a turn usually produces, less than the system's limit.
constexpr size_t kPiecesMax = 64;

std::string HexDigits(base::Random* random, size_t count) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < count; ++i) text += kDigits[static_cast<size_t>(random->Uniform(16))];
  return text;
}

}  // namespace

// A connection with its socket.
class Server::Client final : public net::EventLoop::Handler {
 public:
  Client(Server* server, net::Socket socket)
      : connection(&server->dispatcher_, server, &server->chunks_),
        server_(server),
        socket_(std::move(socket)) {}
  ~Client() { server_->loop_->Forget(socket_.fd(), this); }

  Status Watch() { return server_->loop_->Watch(socket_.fd(), interest_, this); }

  void OnReady(net::Events events) override {
    server_->MarkForEndOfTurn(this);
    if ((events & net::kReadable) != 0 && connection.takes_input()) Read();
    // A broken socket that is not read (its client owes a read) would report for ever.
    if ((events & net::kBroken) != 0 && !connection.takes_input()) connection.Drop();
  }

  // Sends what is owed; false if the connection is over.
  bool Send() {
    OutputBuffer& output = connection.output();
    while (!output.empty()) {
      std::array<iovec, kPiecesMax> pieces;
      const size_t count = output.Pieces(pieces);
      const net::IoResult sent = net::WriteSome(socket_, {pieces.data(), count});
      if (sent.state == net::IoState::kFailed) return false;
      if (sent.state == net::IoState::kWouldBlock) break;
      server_->metrics().output_bytes += sent.bytes;
      output.Consume(sent.bytes);
      progress_micros = server_->clock()->NowMicros();
      if (count < kPiecesMax) break;
    }
    return true;
  }

  // Asks the loop for exactly what can be used.
  Status UpdateInterest() {
    net::Events wanted = 0;
    if (connection.takes_input()) wanted |= net::kReadable;
    if (!connection.output().empty()) wanted |= net::kWritable;
    if (wanted == interest_) return Status::Ok();
    interest_ = wanted;
    return server_->loop_->Change(socket_.fd(), wanted, this);
  }

  const net::Socket& socket() const { return socket_; }

  Connection connection;
  bool in_turn = false;
  bool in_held_back = false;
  bool ran_in_turn = false;         // FailTurn concerns it
  uint64_t settled_bytes = 0;       // its part of Server::buffered_bytes_
  uint64_t progress_micros = 0;     // when the peer last took bytes or owed none
  uint64_t soft_since_micros = 0;   // beyond the soft output limit since; 0: not
  uint64_t request_bytes = 0;       // arrived since the unfinished request began

 private:
  void Read() {
    const net::IoResult got = net::ReadSome(socket_, {server_->read_buffer_.get(), kReadBytes});
    if (got.state == net::IoState::kWouldBlock) return;
    if (got.state != net::IoState::kDone) return connection.Drop();
    server_->metrics().input_bytes += got.bytes;
    if (!ran_in_turn) {
      connection.BeginTurn();
      ran_in_turn = true;
    }
    connection.Receive({server_->read_buffer_.get(), got.bytes});
    request_bytes = connection.request_began_micros() == 0 ? 0 : request_bytes + got.bytes;
  }

  Server* const server_;
  const net::Socket socket_;
  net::Events interest_ = net::kReadable;
};

class Server::Listener final : public net::EventLoop::Handler {
 public:
  Listener(Server* server, net::Socket listening)
      : socket(std::move(listening)), server_(server) {}
  ~Listener() { server_->loop_->Forget(socket.fd(), this); }
  void OnReady(net::Events) override { server_->Accept(); }

  const net::Socket socket;

 private:
  Server* const server_;
};

Result<std::unique_ptr<Server>> Server::Open(const ServerOptions& options,
                                             Store* store,
                                             base::Clock* clock,
                                             base::Executor* executor) {
  NOKV_ASSIGN_OR_RETURN(std::unique_ptr<net::EventLoop> loop, net::EventLoop::Create(clock));
  NOKV_ASSIGN_OR_RETURN(net::Socket socket, net::Listen(options.listen, kBacklog));
  std::unique_ptr<Server> server(new Server(options, store, clock, executor, std::move(loop)));
  server->endpoint_ = net::LocalEndpoint(socket);
  Config& config = server->config();
  NOKV_TRY(config.SetAtStart("requirepass", options.requirepass));
  NOKV_TRY(config.SetAtStart("protected-mode", options.protected_mode ? "yes" : "no"));
  NOKV_TRY(config.SetAtStart("maxclients", std::to_string(options.maxclients)));
  NOKV_TRY(config.SetAtStart("timeout", std::to_string(options.idle_timeout_seconds)));
  NOKV_TRY(config.SetAtStart("appendfsync", SyncPolicyName(options.sync)));
  NOKV_TRY(config.SetAtStart("dir", options.directory));
  NOKV_TRY(config.SetAtStart("bind", server->endpoint_.host));
  NOKV_TRY(config.SetAtStart("port", std::to_string(server->endpoint_.port)));
  server->listener_ = std::make_unique<Listener>(server.get(), std::move(socket));
  NOKV_TRY(server->loop_->Watch(
      server->listener_->socket.fd(), net::kReadable, server->listener_.get()));
  if (options.serve_metrics) {
    Server* const raw = server.get();
    MetricsEndpoint::Pages pages{
        .prometheus = [raw] { return PrometheusText(*raw, *raw->store_); },
        .json = [raw] { return MetricsJson(*raw, raw->store_json_ ? raw->store_json_() : "{}"); }};
    NOKV_ASSIGN_OR_RETURN(
        server->metrics_http_,
        MetricsEndpoint::Open(options.metrics, server->loop_.get(), clock, std::move(pages)));
  }
  return server;
}

Server::Server(const ServerOptions& options,
               Store* store,
               base::Clock* clock,
               base::Executor* executor,
               std::unique_ptr<net::EventLoop> loop)
    : Service(clock, options.seed),
      options_(options),
      store_(store),
      executor_(executor),
      loop_(std::move(loop)),
      started_micros_(clock->NowMicros()),
      run_id_(HexDigits(random(), 40)),
      dispatcher_(store, this),
      read_buffer_(std::make_unique_for_overwrite<char[]>(kReadBytes)),
      background_sync_(std::make_shared<BackgroundSync>()) {}

Server::~Server() = default;

net::Endpoint Server::metrics_endpoint() const {
  return metrics_http_ == nullptr ? net::Endpoint() : metrics_http_->endpoint();
}

void Server::RequestStop() {
  // release: pairs with acquire in Run.
  stop_requested_.store(true, std::memory_order_release);
  loop_->Wake();
}

Status Server::Run() {
  EverySecond();
  while (!stop_requested_.load(std::memory_order_acquire)) {
    if (!held_back_.empty()) loop_->Wake();
    NOKV_TRY(loop_->RunTurn());
    ResumeHeldBack();
    EndTurn();
  }
  CloseAll();
  return Status::Ok();
}

void Server::CloseAll() {
  listener_.reset();
  metrics_http_.reset();
  // Every turn has committed and sent what it could; what a slow client still owes to read is lost.
  clients_.clear();
  turn_.clear();
  held_back_.clear();
}

// --- Accepting -------------------------------------------------------------------------------------

void Server::Accept() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    net::Socket socket;
    const net::IoResult result = net::Accept(listener_->socket, &socket);
    if (result.state == net::IoState::kWouldBlock) return;
    if (result.state == net::IoState::kFailed) {
      const bool exhausted = result.error == EMFILE || result.error == ENFILE ||
                             result.error == ENOBUFS || result.error == ENOMEM;
      if (exhausted) PauseAccepting();
      return;
    }
    if (Admit(socket)) AddClient(std::move(socket));
  }
}

// Out of file descriptors: the backlog waits instead of making the loop spin.
void Server::PauseAccepting() {
  ++metrics().connections_refused;
  if (!loop_->Change(listener_->socket.fd(), 0, listener_.get()).ok()) return;
  loop_->CallAt(clock()->NowMicros() + kAcceptPauseMicros, [this] {
    if (listener_ == nullptr) return;
    const Status status =
        loop_->Change(listener_->socket.fd(), net::kReadable, listener_.get());
    if (!status.ok()) RequestStop();
  });
}

bool Server::Admit(const net::Socket& socket) {
  Slice refusal;
  if (clients_.size() >= static_cast<size_t>(settings().maxclients)) {
    refusal = "-ERR max number of clients reached\r\n";
  } else if (settings().protected_mode && settings().requirepass.empty() &&
             !net::PeerIsLoopback(socket)) {
    refusal =
        "-DENIED Redis is running in protected mode because protected mode is enabled and no "
        "password is set: only clients on this machine are served. Start the server with "
        "--requirepass, or with --protected-mode no on a network that you trust.\r\n";
  } else {
    return true;
  }
  ++metrics().connections_refused;
  // The kernel's buffer of a fresh connection takes it; if not, closing says enough.
  const iovec piece{const_cast<char*>(refusal.data()), refusal.size()};
  static_cast<void>(net::WriteSome(socket, {&piece, 1}));
  return false;
}

void Server::AddClient(net::Socket socket) {
  net::TuneConnection(socket, static_cast<int>(std::min<int64_t>(
                                  settings().tcp_keepalive_seconds, 1 << 20)));
  auto client = std::make_unique<Client>(this, std::move(socket));
  Session& session = client->connection.session();
  session.id = ++last_client_id_;
  session.peer = net::PeerEndpoint(client->socket());
  session.local = net::LocalEndpoint(client->socket());
  session.fd = client->socket().fd();
  session.authenticated = settings().requirepass.empty();
  session.connected_micros = session.active_micros = clock()->NowMicros();
  client->progress_micros = session.connected_micros;
  if (!client->Watch().ok()) return;
  ++metrics().connections_accepted;
  clients_.emplace(session.id, std::move(client));
}

void Server::Remove(Client* client) {
  buffered_bytes_ -= client->settled_bytes;
  if (client->in_held_back) std::erase(held_back_, client);
  if (client->in_turn) std::erase(turn_, client);
  clients_.erase(client->connection.session().id);
}

// --- Turns -----------------------------------------------------------------------------------------

void Server::MarkForEndOfTurn(Client* client) {
  if (client->in_turn) return;
  client->in_turn = true;
  turn_.push_back(client);
}

void Server::ResumeHeldBack() {
  std::vector<Client*> resumed;
  resumed.swap(held_back_);
  for (Client* client : resumed) {
    client->in_held_back = false;
    MarkForEndOfTurn(client);
    if (!client->connection.can_run()) continue;
    if (!client->ran_in_turn) {
      client->connection.BeginTurn();
      client->ran_in_turn = true;
    }
    client->connection.Run();
  }
}

void Server::EndTurn() {
  if (turn_.empty()) return;
  const bool power = settings().sync == SyncPolicy::kAlways;
  const Status status = store_->Commit(power ? Durability::kPower : Durability::kProcess);
  ++metrics().turns;
  if (!status.ok()) FailTurn(status);  // (1)
  std::vector<Client*> turn;
  turn.swap(turn_);
  for (Client* client : turn) {
    client->in_turn = false;
    client->ran_in_turn = false;
  }
  // Who is told that another client was killed finds that one's connection closed.
  std::erase_if(turn, [this](Client* client) {
    const bool dropped = client->connection.state() == Connection::State::kDropped;
    if (dropped) Remove(client);
    return dropped;
  });
  for (Client* client : turn) Settle(client);
  turn.clear();
  if (turn_.empty()) turn_.swap(turn);  // keeps the vector's memory
  KeepMemoryWithinLimit();
}

void Server::FailTurn(const Status& status) {
  ++metrics().sync_failures;
  const std::string error = "MISCONF the write may be lost: " + status.ToString();
  for (Client* client : turn_) {
    if (client->ran_in_turn) client->connection.FailTurn(error);
  }
}

// Sends, and decides what becomes of a client after its turn.
void Server::Settle(Client* client) {
  Connection& connection = client->connection;
  using State = Connection::State;
  if (connection.state() != State::kDropped && !connection.output().empty() && !client->Send()) {
    connection.Drop();
  }
  const bool finished = connection.state() == State::kFinished && connection.output().empty();
  if (connection.state() == State::kDropped || finished) return Remove(client);
  if (connection.session().waiting) StartWait(client);
  if (connection.can_run() && !client->in_held_back) {
    client->in_held_back = true;
    held_back_.push_back(client);
  }
  if (!client->UpdateInterest().ok()) return Remove(client);
  const uint64_t bytes = connection.buffered_bytes();
  buffered_bytes_ += bytes - client->settled_bytes;
  client->settled_bytes = bytes;
  connection.session().output_bytes = connection.output().size();
  if (connection.output().empty()) client->progress_micros = connection.session().active_micros;
}

void Server::StartWait(Client* client) {
  Session& session = client->connection.session();
  if (session.waiting_until_micros == 0) return;
  const uint64_t id = session.id;
  loop_->CallAt(std::exchange(session.waiting_until_micros, 0), [this, id] {
    const auto found = clients_.find(id);
    if (found == clients_.end()) return;
    found->second->connection.EndWait(0);
    MarkForEndOfTurn(found->second.get());
  });
}

// --- Limits ----------------------------------------------------------------------------------------

void Server::EverySecond() {
  const uint64_t now = clock()->NowMicros();
  MeasureRates(now);
  CloseStalled(now);
  if (metrics_http_ != nullptr) metrics_http_->CloseStalled();
  if (settings().sync == SyncPolicy::kEverySecond) SyncInBackground();
  loop_->CallAt(now + kSecond, [this] { EverySecond(); });
}

void Server::MeasureRates(uint64_t now) {
  const Metrics& all = metrics();
  const Pace tick{now, all.commands, all.input_bytes, all.output_bytes};
  const uint64_t micros = std::max<uint64_t>(1, now - last_tick_.at_micros);
  // CONFIG RESETSTAT starts the figures anew in between.
  const auto rate = [micros](uint64_t before, uint64_t after) {
    return (after < before ? after : after - before) * kSecond / micros;
  };
  per_second_ = {.at_micros = now,
                 .commands = rate(last_tick_.commands, tick.commands),
                 .input_bytes = rate(last_tick_.input_bytes, tick.input_bytes),
                 .output_bytes = rate(last_tick_.output_bytes, tick.output_bytes)};
  last_tick_ = tick;
}

void Server::CloseStalled(uint64_t now) {
  const Settings& limits = settings();
  const auto stall = static_cast<uint64_t>(options_.stall_seconds) * kSecond;
  const auto idle = static_cast<uint64_t>(limits.timeout_seconds) * kSecond;
  const auto soft = static_cast<uint64_t>(limits.output_soft_seconds) * kSecond;
  std::vector<Client*> idling;
  std::vector<Client*> owing;
  for (const auto& [id, client] : clients_) {
    const Connection& connection = client->connection;
    const Session& session = connection.session();
    const size_t owed = client->connection.output().size();
    const auto longer_than = [&](uint64_t since, uint64_t limit) {
      return limit > 0 && now > since && now - since > limit;
    };
    const bool past_soft =
        limits.output_soft_max > 0 && owed > static_cast<size_t>(limits.output_soft_max);
    if (!past_soft) client->soft_since_micros = 0;
    if (past_soft && client->soft_since_micros == 0) client->soft_since_micros = now;
    const uint64_t began = connection.request_began_micros();
    const bool creeps = began != 0 && longer_than(began, stall) &&
                        client->request_bytes <
                            (now - began) / kSecond * kRequestBytesPerSecondMin;
    const bool silent = !session.authenticated && !limits.requirepass.empty() &&
                        longer_than(session.connected_micros, stall);
    if (creeps || silent || (!session.waiting && longer_than(session.active_micros, idle))) {
      idling.push_back(client.get());
    } else if ((owed > 0 && longer_than(client->progress_micros, stall)) ||
               (past_soft && longer_than(client->soft_since_micros, soft))) {
      owing.push_back(client.get());
    }
  }
  metrics().closed_for_idling += idling.size();
  metrics().closed_for_output += owing.size();
  for (Client* client : idling) Remove(client);
  for (Client* client : owing) Remove(client);
}

void Server::KeepMemoryWithinLimit() {
  const auto limit = static_cast<uint64_t>(std::max<int64_t>(0, settings().clients_memory_max));
  while (limit > 0 && buffered_bytes_ > limit) {  // (3)
    Client* largest = nullptr;
    for (const auto& [id, client] : clients_) {
      if (client->connection.session().no_evict) continue;
      if (largest == nullptr || client->settled_bytes > largest->settled_bytes) {
        largest = client.get();
      }
    }
    if (largest == nullptr || largest->settled_bytes == 0) return;
    ++metrics().closed_for_output;
    Remove(largest);
  }
}

void Server::SyncInBackground() {
  metrics().syncs = background_sync_->completed.load(std::memory_order_relaxed);
  metrics().sync_failures += background_sync_->failed.exchange(0, std::memory_order_relaxed);
  if (background_sync_->running.exchange(true)) return;
  // The state is shared, because the work may outlive the server; the store outlives the executor's work.
  executor_->Submit(base::Lane::kMaintenance, [store = store_, state = background_sync_] {
    const bool ok = store->Sync().ok();
    (ok ? state->completed : state->failed).fetch_add(1, std::memory_order_relaxed);
    state->running.store(false);
  });
}

// --- Service ---------------------------------------------------------------------------------------

ServerFacts Server::Facts() const {
  return {.version = options_.version,
          .run_id = run_id_,
          .directory = options_.directory,
          .port = endpoint_.port,
          .started_micros = started_micros_,
          .connections = clients_.size(),
          .clients_bytes = buffered_bytes_,
          .commands_per_second = per_second_.commands,
          .input_bytes_per_second = per_second_.input_bytes,
          .output_bytes_per_second = per_second_.output_bytes,
          .debug_commands = options_.debug_commands};
}

std::string Server::StoreInfo() const { return store_info_ ? store_info_() : std::string(); }

void Server::ForEachSession(FunctionRef<void(Session&)> visit) {
  for (const auto& [id, client] : clients_) visit(client->connection.session());
}

void Server::CloseSession(Session& session, const Session& caller) {
  const auto found = clients_.find(session.id);
  if (found == clients_.end()) return;
  if (session.id == caller.id) {
    session.close_after_reply = true;
    return;
  }
  found->second->connection.Drop();
  MarkForEndOfTurn(found->second.get());
}

}  // namespace nokv::redis
