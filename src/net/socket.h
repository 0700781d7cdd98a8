#pragma once

// Socket and what is done with one: listen, accept, connect, read, write, names of both ends.
//
// Every socket made here is non-blocking and closed on exec. An outcome that is part of normal work (no
// bytes yet, the peer has closed) is a value; a refusal of the operating system is a Status.
//
// Socket is confined to one thread; the functions are thread-safe.

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "nokv/result.h"
#include "nokv/slice.h"
#include "nokv/status.h"

namespace nokv::net {

// Owns a file descriptor.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    if (this != &other) {
      Close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Socket() { Close(); }

  bool valid() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  void Close();

 private:
  int fd_ = -1;
};

// "<operation>: <what errno means>".
Status SystemError(std::string_view operation, int error);

struct Endpoint {
  std::string host;
  uint16_t port = 0;

  // "127.0.0.1:6380", "[::1]:6380"; IPv6 hosts in brackets.
  std::string ToString() const;
};

// Reads "HOST:PORT", "[IPV6]:PORT" or ":PORT" (every address).
Result<Endpoint> ParseEndpoint(std::string_view text);

// Listens on a numeric address or a name; port 0 takes a free one (see LocalEndpoint).
Result<Socket> Listen(const Endpoint& endpoint, int backlog);
// Waits until connected. For clients and tests.
Result<Socket> Connect(const Endpoint& endpoint);

enum class IoState : unsigned char { kDone, kWouldBlock, kEndOfFile, kFailed };

struct IoResult {
  IoState state = IoState::kDone;
  size_t bytes = 0;
  int error = 0;  // errno when kFailed
};

// A new connection in *accepted, or why there is none.
IoResult Accept(const Socket& listener, Socket* accepted);
IoResult ReadSome(const Socket& socket, std::span<char> into);
// One system call; never raises SIGPIPE.
IoResult WriteSome(const Socket& socket, std::span<const iovec> pieces);

Endpoint LocalEndpoint(const Socket& socket);
Endpoint PeerEndpoint(const Socket& socket);
// Is the address one of this machine's loopback ones? Unix and unknown families are not.
bool PeerIsLoopback(const Socket& socket);
bool IsLoopbackHost(std::string_view host);

// No delay of small packets, and detection of dead peers after `keepalive_seconds` (0: none). A socket
// that refuses works all the same, so nothing is returned.
void TuneConnection(const Socket& socket, int keepalive_seconds);

}  // namespace nokv::net
