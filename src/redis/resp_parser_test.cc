#include "redis/resp_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"

namespace nokv::redis {
namespace {

using namespace std::string_view_literals;
using Outcome = RespParser::Outcome;
using Request = std::vector<std::string>;

struct Parsed {
  std::vector<Request> requests;
  std::string error;
  size_t left = 0;  // bytes not consumed
};

// Feeds `stream` in pieces that end at `cuts`, as a connection would.
Parsed ParseInPieces(std::string_view stream, const std::vector<size_t>& cuts, RespParser::Limits limits) {
  RespParser parser;
  Parsed parsed;
  std::string buffer;
  size_t fed = 0;
  for (size_t i = 0; i <= cuts.size(); ++i) {
    const size_t end = i < cuts.size() ? cuts[i] : stream.size();
    // A fresh string each time: pieces move, as (1) allows.
    std::string moved = buffer + std::string(stream.substr(fed, end - fed));
    fed = end;
    buffer = std::move(moved);
    for (;;) {
      size_t consumed = 0;
      const Outcome outcome = parser.Next(buffer, limits, &consumed);
      if (outcome == Outcome::kError) {
        parsed.error = parser.error();
        return parsed;
      }
      if (outcome == Outcome::kNeedMore) break;
      Request request;
      for (const Slice arg : parser.args()) request.emplace_back(arg);
      if (!request.empty()) parsed.requests.push_back(request);
      buffer.erase(0, consumed);
    }
  }
  parsed.left = buffer.size();
  return parsed;
}

Parsed Parse(std::string_view stream, RespParser::Limits limits = {}) {
  return ParseInPieces(stream, {}, limits);
}

TEST(RespParser, ReadsPipelinedRequests) {
  const Parsed parsed = Parse("*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
  EXPECT_EQ(parsed.requests, (std::vector<Request>{{"PING"}, {"GET", ""}}));
  EXPECT_EQ(parsed.left, 0U);
}

TEST(SkipPlainRequest, SaysTheSecondArgumentOfWholeRequestsOnly) {
  const std::string first = "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n";
  const std::string stream = first + "*2\r\n$4\r\nINCR\r\n$0\r\n\r\n";
  for (size_t bytes = 0; bytes <= stream.size(); ++bytes) {
    Slice input(stream.data(), bytes);
    const Slice key = SkipPlainRequest(&input);
    EXPECT_EQ(key, bytes < first.size() ? "" : "key") << bytes;
    EXPECT_EQ(input.size(), bytes < first.size() ? bytes : bytes - first.size());
    if (bytes < first.size()) continue;
    const Slice empty = SkipPlainRequest(&input);
    EXPECT_EQ(empty.data() != nullptr, bytes == stream.size());
    EXPECT_EQ(empty.size(), 0U);
  }
  for (const std::string_view other :
       {"*1\r\n$4\r\nPING\r\n", "PING\r\n", "*-1\r\n", "*2\r\n$3\r\nGET\r\n$-1\r\n", "*2\r\n+3\r\nGET\r\n",
        "*2\r\n$1234567\r\n", "*\r\n", "*2\r"}) {
    Slice input = other;
    EXPECT_EQ(SkipPlainRequest(&input).data(), nullptr) << other;
    EXPECT_EQ(input, other);
  }
}

TEST(RespParser, SkipsEmptyRequests) {
  const Parsed parsed = Parse("\r\n*0\r\n*-1\r\n*-10\r\n\nPING\r\n");
  EXPECT_EQ(parsed.requests, (std::vector<Request>{{"PING"}}));
}

TEST(RespParser, ReadsInlineRequestsWithQuotes) {
  const Parsed parsed = Parse(
      "  set  foo   \"bar baz\"\r\nset foo 'x\\'y'\nset foo \"\\x41\\n\\r\\t\\b\\a\\q\"\r\n\"\"\r\n");
  EXPECT_EQ(parsed.requests,
            (std::vector<Request>{{"set", "foo", "bar baz"},
                                  {"set", "foo", "x'y"},
                                  {"set", "foo", "A\n\r\t\b\aq"},
                                  {""}}));
}

TEST(RespParser, RefusesWhatRedisRefuses) {
  const std::string digits(70'000, '1');
  const std::vector<std::pair<std::string, std::string>> cases{
      {"*abc\r\n", "invalid multibulk length"},
      {"*2147483648\r\n", "invalid multibulk length"},
      {"*1\r\n:5\r\n", "expected '$', got ':'"},
      {"*1\r\n$-1\r\n", "invalid bulk length"},
      {"*1\r\n$536870913\r\n", "invalid bulk length"},
      {"*1\r\n$abc\r\n", "invalid bulk length"},
      {"*1\r\n$01\r\n", "invalid bulk length"},
      {std::string("*").append(digits), "too big mbulk count string"},
      {std::string("*1\r\n$").append(digits), "too big bulk count string"},
      {std::string(70'000, 'a'), "too big inline request"},
      {"set a \"unbal\r\n", "unbalanced quotes in request"},
      {"set a \"x\"y\r\n", "unbalanced quotes in request"},
  };
  for (const auto& [stream, error] : cases) {
    EXPECT_EQ(Parse(stream).error, std::string("Protocol error: ").append(error)) << stream.substr(0, 40);
  }
}

TEST(RespParser, ALineWithANulNeverEnds) {
  // In the first place, of the number, behind it; where a header is expected and where a request is.
  const std::vector<std::string_view> streams{
      "*1\r\n\0" "4\r\nPING\r\n"sv,
      "*1\r\n$\0" "4\r\nPING\r\n"sv,
      "*1\r\n$4\0\r\nPING\r\n"sv,
      "*\0" "1\r\n$4\r\nPING\r\n"sv,
      "*1\0\r\n$4\r\nPING\r\n"sv,
      "\0PING\r\n"sv,
      "PING\0\r\n"sv,
  };
  for (const std::string_view stream : streams) {
    const Parsed parsed = Parse(stream);
    EXPECT_EQ(parsed.error, "");
    EXPECT_TRUE(parsed.requests.empty());
    EXPECT_EQ(parsed.left, stream.size());
  }
}

TEST(RespParser, BeforeAuthLessIsAllowed) {
  const RespParser::Limits unknown{.authenticated = false};
  EXPECT_EQ(Parse("*11\r\n", unknown).error, "Protocol error: unauthenticated multibulk length");
  EXPECT_EQ(Parse("*1\r\n$16385\r\n", unknown).error,
            "Protocol error: unauthenticated bulk length");
  EXPECT_EQ(Parse("*10\r\n$16384\r\n", unknown).error, "");
}

TEST(RespParser, WaitsForHugeCountsWithoutReserving) {
  EXPECT_EQ(Parse("*2147483647\r\n$536870912\r\nabc").error, "");
}

TEST(RespParser, CutsOfTheStreamDoNotMatter) {
  const auto seed = static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed());
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Random random(seed);
  for (int round = 0; round < 300; ++round) {
    std::string stream;
    std::vector<Request> expected;
    for (uint64_t i = 0; i < 1 + random.Uniform(5); ++i) {
      Request request;
      const uint64_t count = 1 + random.Uniform(4);
      stream.append("*").append(std::to_string(count)).append("\r\n");
      for (uint64_t arg = 0; arg < count; ++arg) {
        std::string text(random.Uniform(40), '\0');
        for (char& c : text) c = static_cast<char>(random.Next());
        stream.append("$").append(std::to_string(text.size())).append("\r\n");
        stream.append(text).append("\r\n");
        request.push_back(text);
      }
      expected.push_back(request);
    }
    std::vector<size_t> cuts;
    for (size_t at = 0; at < stream.size(); at += 1 + random.Uniform(9)) cuts.push_back(at);
    const Parsed parsed = ParseInPieces(stream, cuts, {});
    ASSERT_EQ(parsed.requests, expected);
    ASSERT_EQ(parsed.left, 0U);
  }
}

TEST(RespParser, AnyBytesAreParsedOrRefused) {
  const auto seed = static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed());
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Random random(seed);
  constexpr std::string_view kAlphabet = "*$0123456789-\r\n\r\n\"'\\x a\0";
  for (int round = 0; round < 20'000; ++round) {
    std::string stream;
    for (uint64_t i = 0; i < random.Uniform(40); ++i) stream += kAlphabet[random.Uniform(kAlphabet.size())];
    std::vector<size_t> cuts;
    for (size_t at = 0; at < stream.size(); at += 1 + random.Uniform(7)) cuts.push_back(at);
    const Parsed whole = Parse(stream);
    const Parsed pieces = ParseInPieces(stream, cuts, {});
    ASSERT_EQ(whole.requests, pieces.requests);
    ASSERT_EQ(whole.error, pieces.error);
  }
}

}  // namespace
}  // namespace nokv::redis
