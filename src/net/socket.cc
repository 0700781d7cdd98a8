#include "net/socket.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <system_error>

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace nokv::net {

namespace {

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Result<AddressList> Resolve(const Endpoint& endpoint, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const char* host = endpoint.host.empty() ? nullptr : endpoint.host.c_str();
  const int error = ::getaddrinfo(host, std::to_string(endpoint.port).c_str(), &hints, &found);
  if (error != 0) {
    return Status::InvalidArgument("address " + endpoint.ToString() + ": " + ::gai_strerror(error));
  }
  return AddressList(found, &::freeaddrinfo);
}

Socket OpenFor(const addrinfo& address) {
  return Socket(::socket(address.ai_family,
                         address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                         address.ai_protocol));
}


Endpoint ToEndpoint(const sockaddr_storage& storage) {
  char text[INET6_ADDRSTRLEN] = "";
  Endpoint endpoint;
  if (storage.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &storage, sizeof v4);
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    endpoint.port = ntohs(v4.sin_port);
  } else if (storage.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &storage, sizeof v6);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    endpoint.port = ntohs(v6.sin6_port);
  }
  endpoint.host = text;
  return endpoint;
}

IoResult FromErrno(int error) {
  if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR) {
    return {.state = IoState::kWouldBlock};
  }
  return {.state = IoState::kFailed, .error = error};
}

void SetOption(const Socket& socket, int level, int name, int value) {
  ::setsockopt(socket.fd(), level, name, &value, sizeof value);
}

}  // namespace

void Socket::Close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Status SystemError(std::string_view operation, int error) {
  return Status::IOError(std::string(operation) + ": " +
                         std::error_code(error, std::generic_category()).message());
}

std::string Endpoint::ToString() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Endpoint> ParseEndpoint(std::string_view text) {
  const auto refuse = [&](std::string_view why) {
    return Status::InvalidArgument("address '" + std::string(text) + "': " + std::string(why));
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return refuse("HOST:PORT is expected");
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return refuse("an IPv6 address is written in brackets");
  }
  Endpoint endpoint;
  endpoint.host = host;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  if (error != std::errc() || end != port.data() + port.size()) {
    return refuse("the port is a number from 0 to 65535");
  }
  return endpoint;
}

Result<Socket> Listen(const Endpoint& endpoint, int backlog) {
  NOKV_ASSIGN_OR_RETURN(const AddressList addresses, Resolve(endpoint, AI_PASSIVE));
  int error = EADDRNOTAVAIL;
  for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) {
    Socket socket = OpenFor(*at);
    if (!socket.valid()) {
      error = errno;
      continue;
    }
    SetOption(socket, SOL_SOCKET, SO_REUSEADDR, 1);
    if (at->ai_family == AF_INET6) SetOption(socket, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (::bind(socket.fd(), at->ai_addr, at->ai_addrlen) == 0 &&
        ::listen(socket.fd(), backlog) == 0) {
      return socket;
    }
    error = errno;
  }
  return SystemError("listen on " + endpoint.ToString(), error);
}

Result<Socket> Connect(const Endpoint& endpoint) {
  NOKV_ASSIGN_OR_RETURN(const AddressList addresses, Resolve(endpoint, 0));
  int error = EADDRNOTAVAIL;
  for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) {
    Socket socket(::socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol));
    if (socket.valid() && ::connect(socket.fd(), at->ai_addr, at->ai_addrlen) == 0) {
      ::fcntl(socket.fd(), F_SETFL, ::fcntl(socket.fd(), F_GETFL) | O_NONBLOCK);
      return socket;
    }
    error = errno;
  }
  return SystemError("connect to " + endpoint.ToString(), error);
}

IoResult Accept(const Socket& listener, Socket* accepted) {
  const int fd = ::accept4(listener.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return FromErrno(errno);
  *accepted = Socket(fd);
  return {};
}

IoResult ReadSome(const Socket& socket, std::span<char> into) {
  const ssize_t got = ::recv(socket.fd(), into.data(), into.size(), 0);
  if (got > 0) return {.bytes = static_cast<size_t>(got)};
  if (got == 0) return {.state = IoState::kEndOfFile};
  return FromErrno(errno);
}

IoResult WriteSome(const Socket& socket, std::span<const iovec> pieces) {
  ssize_t sent;
  if (pieces.size() == 1) {
    sent = ::send(socket.fd(), pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL);
  } else {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces.data());
    message.msg_iovlen = std::min<size_t>(pieces.size(), IOV_MAX);
    sent = ::sendmsg(socket.fd(), &message, MSG_NOSIGNAL);
  }
  if (sent >= 0) return {.bytes = static_cast<size_t>(sent)};
  return FromErrno(errno);
}

Endpoint LocalEndpoint(const Socket& socket) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  ::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&storage), &length);
  return ToEndpoint(storage);
}

Endpoint PeerEndpoint(const Socket& socket) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  ::getpeername(socket.fd(), reinterpret_cast<sockaddr*>(&storage), &length);
  return ToEndpoint(storage);
}

bool PeerIsLoopback(const Socket& socket) { return IsLoopbackHost(PeerEndpoint(socket).host); }

bool IsLoopbackHost(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.") ||
         host.starts_with("::ffff:127.");
}

void TuneConnection(const Socket& socket, int keepalive_seconds) {
  SetOption(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  if (keepalive_seconds <= 0) return;
  SetOption(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(socket, IPPROTO_TCP, TCP_KEEPIDLE, keepalive_seconds);
  SetOption(socket, IPPROTO_TCP, TCP_KEEPINTVL, std::max(1, keepalive_seconds / 3));
  SetOption(socket, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

}  // namespace nokv::net
