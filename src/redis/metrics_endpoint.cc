#include "redis/metrics_endpoint.h"

#include <utility>
#include <vector>

namespace nokv::redis {

namespace {

std::string Response(std::string_view status, std::string_view type, std::string_view body) {
  std::string text = "HTTP/1.0 ";
  text.append(status).append("\r\nContent-Type: ").append(type);
  text.append("\r\nContent-Length: ").append(std::to_string(body.size()));
  text.append("\r\nConnection: close\r\n\r\n").append(body);
  return text;
}

}  // namespace

// One connection: reads until the empty line, then writes the answer.
class MetricsEndpoint::Visitor final : public net::EventLoop::Handler {
 public:
  Visitor(MetricsEndpoint* endpoint, net::Socket socket)
      : endpoint_(endpoint),
        socket_(std::move(socket)),
        connected_micros_(endpoint->clock_->NowMicros()) {}
  ~Visitor() { endpoint_->loop_->Forget(socket_.fd(), this); }

  Status Watch() { return endpoint_->loop_->Watch(socket_.fd(), net::kReadable, this); }
  uint64_t connected_micros() const { return connected_micros_; }

  void OnReady(net::Events) override {
    if (answer_.empty() ? Read() : Write()) return;
    endpoint_->Remove(this);
  }

 private:
  // False when the connection is over.
  bool Read() {
    char bytes[1024];
    const net::IoResult got = net::ReadSome(socket_, bytes);
    if (got.state == net::IoState::kWouldBlock) return true;
    if (got.state != net::IoState::kDone) return false;
    request_.append(bytes, got.bytes);
    if (request_.size() > kRequestBytesMax) return false;
    if (request_.find("\r\n\r\n") == std::string::npos &&
        request_.find("\n\n") == std::string::npos) {
      return true;
    }
    answer_ = endpoint_->Answer(request_);
    return Write();
  }
  bool Write() {
    const iovec piece{answer_.data() + sent_, answer_.size() - sent_};
    const net::IoResult put = net::WriteSome(socket_, {&piece, 1});
    if (put.state == net::IoState::kFailed) return false;
    sent_ += put.bytes;
    if (sent_ == answer_.size()) return false;
    return endpoint_->loop_->Change(socket_.fd(), net::kWritable, this).ok();
  }

  MetricsEndpoint* const endpoint_;
  const net::Socket socket_;
  const uint64_t connected_micros_;
  std::string request_;
  std::string answer_;
  size_t sent_ = 0;
};

Result<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Open(const net::Endpoint& endpoint,
                                                               net::EventLoop* loop,
                                                               base::Clock* clock,
                                                               Pages pages) {
  NOKV_ASSIGN_OR_RETURN(net::Socket listener, net::Listen(endpoint, 16));
  const int fd = listener.fd();
  std::unique_ptr<MetricsEndpoint> opened(
      new MetricsEndpoint(std::move(listener), loop, clock, std::move(pages)));
  NOKV_TRY(loop->Watch(fd, net::kReadable, opened.get()));
  return opened;
}

MetricsEndpoint::MetricsEndpoint(net::Socket listener,
                                 net::EventLoop* loop,
                                 base::Clock* clock,
                                 Pages pages)
    : listener_(std::move(listener)), loop_(loop), clock_(clock), pages_(std::move(pages)) {}

MetricsEndpoint::~MetricsEndpoint() {
  visitors_.clear();
  loop_->Forget(listener_.fd(), this);
}

void MetricsEndpoint::OnReady(net::Events) {
  net::Socket socket;
  if (net::Accept(listener_, &socket).state != net::IoState::kDone) return;
  if (visitors_.size() >= kClientsMax) return;
  auto visitor = std::make_unique<Visitor>(this, std::move(socket));
  if (!visitor->Watch().ok()) return;
  Visitor* const key = visitor.get();
  visitors_.emplace(key, std::move(visitor));
}

void MetricsEndpoint::Remove(Visitor* visitor) { visitors_.erase(visitor); }

void MetricsEndpoint::CloseStalled() {
  const uint64_t now = clock_->NowMicros();
  std::vector<Visitor*> stalled;
  for (const auto& [key, visitor] : visitors_) {
    if (now - visitor->connected_micros() > kSecondsMax * 1'000'000) stalled.push_back(key);
  }
  for (Visitor* visitor : stalled) visitors_.erase(visitor);
}

std::string MetricsEndpoint::Answer(std::string_view request) const {
  if (!request.starts_with("GET ")) {
    return Response("405 Method Not Allowed", "text/plain", "only GET is served here\n");
  }
  std::string_view path = request.substr(4, request.find_first_of(" \r\n", 4) - 4);
  path = path.substr(0, path.find('?'));
  if (path == "/metrics") {
    return Response("200 OK", "text/plain; version=0.0.4; charset=utf-8", pages_.prometheus());
  }
  if (path == "/debug/vars") {
    return Response("200 OK", "application/json; charset=utf-8", pages_.json());
  }
  if (path == "/healthz") return Response("200 OK", "text/plain", "ok\n");
  return Response("404 Not Found", "text/plain", "/metrics, /debug/vars and /healthz are here\n");
}

}  // namespace nokv::redis
