// Commands and connections over a Store in memory, without sockets: what goes in as bytes, comes out as
// bytes. That the replies are those of redis-server is for tests/redis/differential.py to show.

#include "redis/connection.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "redis/command_info.h"
#include "redis/memory_store.h"

namespace nokv::redis {
namespace {

class FakeService final : public Service {
 public:
  explicit FakeService(base::Clock* clock) : Service(clock, 1) {}
  ServerFacts Facts() const override { return {}; }
  std::string StoreInfo() const override { return ""; }
  void ForEachSession(FunctionRef<void(Session&)> visit) override {
    for (Session* session : sessions) visit(*session);
  }
  void CloseSession(Session& session, const Session&) override { session.close_after_reply = true; }
  void RequestShutdown() override { shut_down = true; }

  std::vector<Session*> sessions;
  bool shut_down = false;
};

class ConnectionTest : public ::testing::Test {
 protected:
  ConnectionTest() : store_(&clock_), service_(&clock_), dispatcher_(&store_, &service_) { Connect(); }

  void Connect() {
    connection_ = std::make_unique<Connection>(&dispatcher_, &service_, &pool_);
    connection_->session().authenticated = service_.settings().requirepass.empty();
    service_.sessions = {&connection_->session()};
  }
  std::string TakeOutput() {
    OutputBuffer& output = connection_->output();
    std::string text;
    while (!output.empty()) {
      iovec piece;
      output.Pieces({&piece, 1});
      text.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
      output.Consume(piece.iov_len);
    }
    return text;
  }
  // Sends bytes as they are.
  std::string Raw(Slice bytes) {
    connection_->Receive(bytes);
    return TakeOutput();
  }
  // Sends the words of an inline request.
  std::string Say(const std::string& line) { return Raw(line + "\r\n"); }

  base::ManualClock clock_;
  testing::MemoryStore store_;
  FakeService service_;
  Dispatcher dispatcher_;
  ChunkPool pool_;
  std::unique_ptr<Connection> connection_;
};

TEST_F(ConnectionTest, AnswersPipelinedRequestsInOrder) {
  EXPECT_EQ(Raw("PING\r\n*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\nSET a 1\r\nINCR a\r\nGET a\r\n"),
            "+PONG\r\n$2\r\nhi\r\n+OK\r\n:2\r\n$1\r\n2\r\n");
}

// A sanitizer sees it if the statistics of the running command move.
TEST_F(ConnectionTest, ResettingTheStatisticsCountsItself) {
  Say("GET a");
  EXPECT_EQ(Say("CONFIG RESETSTAT"), "+OK\r\n");
  const std::string info = Say("INFO commandstats");
  EXPECT_NE(info.find("cmdstat_config|resetstat:calls=1,"), std::string::npos) << info;
  EXPECT_EQ(info.find("cmdstat_get:"), std::string::npos) << info;
}

TEST_F(ConnectionTest, CommandListNamesSubcommandsAsWell) {
  const std::string names = Say("COMMAND LIST");
  EXPECT_NE(names.find("\r\nconfig|get\r\n"), std::string::npos);
  EXPECT_NE(names.find("\r\nget\r\n"), std::string::npos);
}

TEST_F(ConnectionTest, EveryCommandReadsTheMillisecondItRunsIn) {
  const uint64_t at = clock_.WallMillis() + 5000;
  EXPECT_EQ(Say("SET a v PXAT " + std::to_string(at)), "+OK\r\n");
  clock_.Advance(999);  // into the next millisecond
  ASSERT_EQ(clock_.WallMillis(), at - 4999);
  EXPECT_EQ(Say("PTTL a"), ":4999\r\n");
}

TEST_F(ConnectionTest, TimeNeverGoesBack) {
  const auto micros_of_time = [this] {
    unsigned long long seconds = 0;
    unsigned long long micros = 0;
    const std::string reply = Say("TIME");
    EXPECT_EQ(std::sscanf(reply.c_str(), "*2\r\n$%*d\r\n%llu\r\n$%*d\r\n%llu", &seconds, &micros), 2);
    return seconds * 1'000'000 + micros;
  };
  uint64_t last = micros_of_time();
  for (int i = 0; i < 5000; ++i) {
    clock_.Advance(7);
    const uint64_t now = micros_of_time();
    ASSERT_GE(now, last);
    ASSERT_EQ(now / 1000, clock_.WallMillis());
    last = now;
  }
}

TEST_F(ConnectionTest, APostponedCommandIsAnsweredInItsPlace) {
  Say("SET a 1");
  store_.set_busy_counts(3);
  EXPECT_EQ(Raw("PING\r\nDBSIZE\r\nGET a\r\n*2\r\n$4\r\nEC"), "+PONG\r\n");
  EXPECT_TRUE(connection_->can_run());
  EXPECT_FALSE(connection_->takes_input());
  connection_->Run();
  connection_->Run();
  EXPECT_EQ(TakeOutput(), "");
  connection_->Run();
  EXPECT_EQ(TakeOutput(), ":1\r\n$1\r\n1\r\n");
  EXPECT_FALSE(connection_->can_run());
  EXPECT_EQ(Raw("HO\r\n$2\r\nhi\r\n"), "$2\r\nhi\r\n");
  const std::string info = Say("INFO commandstats");
  EXPECT_NE(info.find("cmdstat_dbsize:calls=1,"), std::string::npos) << info;
}

TEST_F(ConnectionTest, InfoWaitsForTheCountAndOtherSectionsDoNot) {
  store_.set_busy_counts(1);
  EXPECT_NE(Say("INFO stats"), "");
  EXPECT_EQ(Say("INFO"), "");
  connection_->Run();
  EXPECT_NE(TakeOutput().find("# Keyspace"), std::string::npos);
}

TEST_F(ConnectionTest, ExpiredKeysAreCountedFromTheReset) {
  Say("SET a 1 PX 10");
  Say("SET b 1 PX 5000");
  clock_.Advance(20'000);
  EXPECT_NE(Say("INFO stats").find("expired_keys:1\r\n"), std::string::npos);
  Say("CONFIG RESETSTAT");
  EXPECT_NE(Say("INFO stats").find("expired_keys:0\r\n"), std::string::npos);
}

TEST_F(ConnectionTest, KeepsHalfARequestUntilTheRestComes) {
  EXPECT_EQ(Raw("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nhe"), "");
  EXPECT_GT(connection_->request_began_micros(), 0U);
  EXPECT_EQ(Raw("llo\r\nGET a"), "+OK\r\n");
  EXPECT_EQ(Raw("\r\n"), "$5\r\nhello\r\n");
  EXPECT_EQ(connection_->request_began_micros(), 0U);
}

TEST_F(ConnectionTest, ClosesAfterProtocolErrorsAndIgnoresTheRest) {
  EXPECT_EQ(Raw("*1\r\n:5\r\nPING\r\n"), "-ERR Protocol error: expected '$', got ':'\r\n");
  EXPECT_EQ(connection_->state(), Connection::State::kFinished);
  EXPECT_EQ(Raw("PING\r\n"), "");
}

TEST_F(ConnectionTest, DropsBrowsersWithoutAReply) {
  EXPECT_EQ(Raw("POST / HTTP/1.1\r\nSET a 1\r\n"), "");
  EXPECT_EQ(connection_->state(), Connection::State::kDropped);
  Connect();
  EXPECT_EQ(Say("GET a"), "$-1\r\n");
}

TEST_F(ConnectionTest, StopsRunningWhileItOwesTooMuch) {
  Say("SET big " + std::string(60'000, 'x'));
  std::string stream;
  for (int i = 0; i < 100; ++i) stream += "GET big\r\n";
  connection_->Receive(stream);
  EXPECT_FALSE(connection_->takes_input());
  EXPECT_FALSE(connection_->can_run());
  EXPECT_LT(connection_->output().size(), Connection::kPauseBytes + 61'000);
  size_t received = TakeOutput().size();
  while (connection_->can_run()) {
    connection_->Run();
    received += TakeOutput().size();
  }
  EXPECT_EQ(received, 100 * (60'000 + 2 + 8));
  EXPECT_TRUE(connection_->takes_input());
}

TEST_F(ConnectionTest, ClosesBeyondTheOutputLimit) {
  Say("SET big " + std::string(60'000, 'x'));
  Say("CONFIG SET client-output-buffer-limit \"normal 1mb 0 0\"");
  std::string keys;
  for (int i = 0; i < 30; ++i) keys += " big";
  connection_->Receive("MGET" + keys + "\r\n");
  EXPECT_EQ(connection_->state(), Connection::State::kDropped);
  EXPECT_LT(connection_->output().size(), 2U << 20);
}

TEST_F(ConnectionTest, ClosesBeyondTheQueryLimit) {
  Say("CONFIG SET client-query-buffer-limit 1mb");
  connection_->Receive("*2\r\n$4\r\nECHO\r\n$20000000\r\n");
  for (int i = 0; i < 40 && connection_->state() == Connection::State::kOpen; ++i) {
    connection_->Receive(std::string(60'000, 'x'));
  }
  EXPECT_EQ(connection_->state(), Connection::State::kDropped);
}

TEST_F(ConnectionTest, FailedTurnAnswersOneErrorInPlaceOfItsReplies) {
  Say("SET a 1");
  connection_->Receive("GET a\r\n");
  connection_->BeginTurn();
  connection_->Receive("SET a 2\r\nGET a\r\n");
  connection_->FailTurn("MISCONF no");
  EXPECT_EQ(TakeOutput(), "$1\r\n1\r\n-MISCONF no\r\n");
  EXPECT_EQ(connection_->state(), Connection::State::kFinished);
}

TEST_F(ConnectionTest, WriteErrorsReachTheClientAndNothingElse) {
  store_.set_write_error(Status::NoSpace("the disk is full"));
  EXPECT_EQ(Say("SET a 1"), "-MISCONF NoSpace: the disk is full\r\n");
  store_.set_write_error(Status::Ok());
  EXPECT_EQ(Say("GET a"), "$-1\r\n");
}

TEST_F(ConnectionTest, PasswordIsAskedFor) {
  Say("CONFIG SET requirepass secret");
  Connect();
  EXPECT_EQ(Say("GET a"), "-NOAUTH Authentication required.\r\n");
  EXPECT_EQ(Say("AUTH wrong"), "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  EXPECT_EQ(Say("AUTH default secret"), "+OK\r\n");
  EXPECT_EQ(Say("GET a"), "$-1\r\n");
  EXPECT_EQ(Say("RESET"), "+RESET\r\n");
  EXPECT_EQ(Say("GET a"), "-NOAUTH Authentication required.\r\n");
  EXPECT_EQ(Say("*11"), "-ERR Protocol error: unauthenticated multibulk length\r\n");
}

TEST_F(ConnectionTest, HelloChangesTheProtocol) {
  EXPECT_TRUE(Say("HELLO 3").starts_with("%7\r\n$6\r\nserver\r\n"));
  EXPECT_EQ(Say("GET a"), "_\r\n");
  EXPECT_EQ(Say("HELLO 4"), "-NOPROTO unsupported protocol version\r\n");
  EXPECT_TRUE(Say("HELLO 2").starts_with("*14\r\n"));
  EXPECT_EQ(Say("GET a"), "$-1\r\n");
}

TEST_F(ConnectionTest, KeysVanishAtTheirMillisecond) {
  Say("SET a 1 PX 1000");
  clock_.Advance(999'000);
  EXPECT_EQ(Say("GET a"), "$1\r\n1\r\n");
  EXPECT_EQ(Say("PTTL a"), ":1\r\n");
  clock_.Advance(1000);
  EXPECT_EQ(Say("GET a"), "$-1\r\n");
  EXPECT_EQ(Say("DBSIZE"), ":0\r\n");
  EXPECT_EQ(Say("KEYS *"), "*0\r\n");
}

TEST_F(ConnectionTest, WaitHoldsTheClientUntilItEnds) {
  EXPECT_EQ(Say("WAIT 0 0"), ":0\r\n");
  connection_->Receive("WAIT 1 100\r\nPING\r\n");
  EXPECT_EQ(TakeOutput(), "");
  EXPECT_FALSE(connection_->takes_input());
  connection_->EndWait(0);
  EXPECT_TRUE(connection_->can_run());
  connection_->Run();
  EXPECT_EQ(TakeOutput(), ":0\r\n+PONG\r\n");
}

TEST_F(ConnectionTest, ScanReturnsEveryKeyOnceInAQuietDatabase) {
  std::set<std::string> keys;
  for (int i = 0; i < 95; ++i) {
    keys.insert("key" + std::to_string(i));
    Say("SET key" + std::to_string(i) + " v");
  }
  std::set<std::string> found;
  std::string cursor = "0";
  do {
    const std::string reply = Say("SCAN " + cursor + " COUNT 7");
    // *2, $n, cursor, *m, then $n, key...
    std::vector<std::string> lines;
    for (size_t at = 0; at < reply.size();) {
      const size_t end = reply.find("\r\n", at);
      lines.push_back(reply.substr(at, end - at));
      at = end + 2;
    }
    cursor = lines[2];
    for (size_t i = 5; i < lines.size(); i += 2) EXPECT_TRUE(found.insert(lines[i]).second);
  } while (cursor != "0");
  EXPECT_EQ(found, keys);
}

TEST_F(ConnectionTest, KeysBeyondTheLimitAreRefused) {
  const std::string reply = Say("SET " + std::string((64 << 10) + 1, 'k') + " v");
  EXPECT_TRUE(reply.starts_with("-ERR ")) << reply;
  EXPECT_EQ(Say("DBSIZE"), ":0\r\n");
}

TEST_F(ConnectionTest, ErrorsAreCountedByCode) {
  Say("NOSUCH");
  Say("GET");
  Say("HELLO 9");
  EXPECT_EQ(service_.metrics().errors, 3U);
  EXPECT_EQ(service_.metrics().errors_by_code["ERR"], 2U);
  EXPECT_EQ(service_.metrics().errors_by_code["NOPROTO"], 1U);
}

TEST(CommandTable, EveryCommandIsFoundInAnyCaseAndDocumented) {
  const CommandTable& table = CommandTable::Get();
  for (size_t i = 0; i < table.count(); ++i) {
    const CommandSpec& spec = table.at(i);
    std::string upper(spec.name);
    for (char& c : upper) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
    EXPECT_EQ(table.FindByFullName(upper), &spec);
    EXPECT_EQ(table.IndexOf(spec), i);
    EXPECT_FALSE(spec.summary.empty());
    EXPECT_TRUE(spec.handler != nullptr || !spec.subcommands.empty()) << spec.name;
    ChunkPool pool;
    OutputBuffer buffer(&pool);
    ReplyWriter reply(&buffer);
    ReplyCommandDocs(reply, spec);
    ReplyCommandInfo(reply, spec);
    EXPECT_GT(buffer.size(), 0U);
  }
}

}  // namespace
}  // namespace nokv::redis
