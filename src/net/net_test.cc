#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <sys/socket.h>

#include "base/clock.h"
#include "net/event_loop.h"
#include "net/socket.h"

namespace nokv::net {
namespace {

class Recorder final : public EventLoop::Handler {
 public:
  void OnReady(Events events) override {
    seen.push_back(events);
    if (then) then();
  }
  std::vector<Events> seen;
  std::function<void()> then;
};

struct Pair {
  Socket a, b;
};

Pair MakePair() {
  int fds[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
  return {Socket(fds[0]), Socket(fds[1])};
}

void Send(const Socket& socket, std::string text) {
  const iovec piece{text.data(), text.size()};
  ASSERT_EQ(WriteSome(socket, {&piece, 1}).bytes, text.size());
}

TEST(EventLoop, TellsReadableAndBroken) {
  auto loop = EventLoop::Create(base::Clock::System());
  ASSERT_TRUE(loop.ok());
  Pair pair = MakePair();
  Recorder recorder;
  ASSERT_TRUE((*loop)->Watch(pair.a.fd(), kReadable, &recorder).ok());
  Send(pair.b, "x");
  ASSERT_TRUE((*loop)->RunTurn().ok());
  ASSERT_EQ(recorder.seen, std::vector<Events>{kReadable});
  pair.b.Close();
  ASSERT_TRUE((*loop)->RunTurn().ok());
  ASSERT_EQ(recorder.seen.size(), 2U);
  EXPECT_NE(recorder.seen[1] & kBroken, 0U);
}

TEST(EventLoop, ForgottenHandlerIsNotCalledInTheSameTurn) {
  auto loop = EventLoop::Create(base::Clock::System());
  ASSERT_TRUE(loop.ok());
  Pair first = MakePair();
  Pair second = MakePair();
  Recorder one, two;
  ASSERT_TRUE((*loop)->Watch(first.a.fd(), kReadable, &one).ok());
  ASSERT_TRUE((*loop)->Watch(second.a.fd(), kReadable, &two).ok());
  one.then = [&] { (*loop)->Forget(second.a.fd(), &two); };
  two.then = [&] { (*loop)->Forget(first.a.fd(), &one); };
  Send(first.b, "x");
  Send(second.b, "x");
  ASSERT_TRUE((*loop)->RunTurn().ok());
  EXPECT_EQ(one.seen.size() + two.seen.size(), 1U);
}

TEST(EventLoop, TimersRunInOrderAndNewOnesInALaterTurn) {
  base::ManualClock clock;
  auto loop = EventLoop::Create(&clock);
  ASSERT_TRUE(loop.ok());
  std::string order;
  (*loop)->CallAt(30, [&] { order += "c"; });
  (*loop)->CallAt(10, [&] {
    order += "a";
    (*loop)->CallAt(5, [&] { order += "n"; });
  });
  (*loop)->CallAt(20, [&] { order += "b"; });
  const auto cancelled = (*loop)->CallAt(15, [&] { order += "!"; });
  (*loop)->Cancel(cancelled);
  clock.Advance(25);
  ASSERT_TRUE((*loop)->RunTurn().ok());
  EXPECT_EQ(order, "ab");
  clock.Advance(25);
  ASSERT_TRUE((*loop)->RunTurn().ok());
  EXPECT_EQ(order, "abnc");
}

TEST(EventLoop, WakeEndsATurnWithoutEvents) {
  auto loop = EventLoop::Create(base::Clock::System());
  ASSERT_TRUE(loop.ok());
  (*loop)->Wake();
  EXPECT_TRUE((*loop)->RunTurn().ok());
}

TEST(Socket, ListensConnectsAndNamesBothEnds) {
  auto listener = Listen({.host = "127.0.0.1", .port = 0}, 16);
  ASSERT_TRUE(listener.ok()) << listener.status().ToString();
  const Endpoint endpoint = LocalEndpoint(*listener);
  auto client = Connect(endpoint);
  ASSERT_TRUE(client.ok());
  Socket server;
  ASSERT_EQ(Accept(*listener, &server).state, IoState::kDone);
  EXPECT_EQ(PeerEndpoint(server).port, LocalEndpoint(*client).port);
  EXPECT_TRUE(PeerIsLoopback(server));
  Send(*client, "hello");
  char into[16];
  const IoResult got = ReadSome(server, into);
  EXPECT_EQ(std::string(into, got.bytes), "hello");
  EXPECT_EQ(ReadSome(server, into).state, IoState::kWouldBlock);
  client->Close();
  EXPECT_EQ(ReadSome(server, into).state, IoState::kEndOfFile);
}

TEST(Socket, BusyPortIsAnErrorThatNamesIt) {
  auto listener = Listen({.host = "127.0.0.1", .port = 0}, 16);
  ASSERT_TRUE(listener.ok());
  const Endpoint endpoint = LocalEndpoint(*listener);
  auto second = Listen(endpoint, 16);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().message().find(endpoint.ToString()), std::string_view::npos);
}

TEST(Endpoint, ParsesAndRefuses) {
  EXPECT_EQ(ParseEndpoint("127.0.0.1:6380")->port, 6380);
  EXPECT_EQ(ParseEndpoint("[::1]:1")->host, "::1");
  EXPECT_EQ(ParseEndpoint(":1")->host, "");
  for (const char* bad : {"", "localhost", "h:", "h:x", "h:65536", "::1:80", "h:-1"}) {
    EXPECT_FALSE(ParseEndpoint(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace nokv::net
