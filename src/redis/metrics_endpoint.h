#pragma once

// MetricsEndpoint: GET /metrics (Prometheus), /debug/vars (JSON) and /healthz over HTTP/1.0, on the
// server's own loop. One request per connection, at most kRequestBytesMax of it, at most kClientsMax
// connections at once, each for at most kSecondsMax. Confined to the loop's thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "net/event_loop.h"
#include "net/socket.h"
#include "nokv/result.h"

namespace nokv::redis {

class MetricsEndpoint final : private net::EventLoop::Handler {
 public:
  static constexpr size_t kRequestBytesMax = 8 * 1024;
  static constexpr size_t kClientsMax = 32;
  static constexpr uint64_t kSecondsMax = 10;

  struct Pages {
    std::function<std::string()> prometheus;
    std::function<std::string()> json;
  };

  // `loop` and `clock` outlive the endpoint.
  static Result<std::unique_ptr<MetricsEndpoint>> Open(const net::Endpoint& endpoint,
                                                       net::EventLoop* loop,
                                                       base::Clock* clock,
                                                       Pages pages);
  ~MetricsEndpoint();

  net::Endpoint endpoint() const { return net::LocalEndpoint(listener_); }
  // Closes who has been connected for too long.
  void CloseStalled();

 private:
  class Visitor;

  MetricsEndpoint(net::Socket listener, net::EventLoop* loop, base::Clock* clock, Pages pages);
  void OnReady(net::Events events) override;
  std::string Answer(std::string_view request) const;
  void Remove(Visitor* visitor);

  const net::Socket listener_;
  net::EventLoop* const loop_;
  base::Clock* const clock_;
  const Pages pages_;
  std::unordered_map<Visitor*, std::unique_ptr<Visitor>> visitors_;
};

}  // namespace nokv::redis
