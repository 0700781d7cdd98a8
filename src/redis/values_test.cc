// Numbers, patterns, histograms, cursors and counts of expiries: the small parts without state around them.

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>

#include "base/random.h"
#include "redis/config.h"
#include "redis/expiry_counts.h"
#include "redis/glob.h"
#include "redis/latency_histogram.h"
#include "redis/number.h"
#include "redis/output_buffer.h"
#include "redis/pending_writes.h"
#include "redis/reply_writer.h"
#include "redis/scan_cursors.h"

namespace nokv::redis {
namespace {

TEST(Number, IntegersAreStrict) {
  int64_t value = 0;
  EXPECT_TRUE(ParseInt64("-9223372036854775808", &value));
  EXPECT_EQ(value, std::numeric_limits<int64_t>::min());
  EXPECT_TRUE(ParseInt64("0", &value));
  for (const char* bad : {"", "-", "-0", "+1", " 1", "1 ", "01", "1.0", "0x1", "9223372036854775808",
                          "-9223372036854775809", "99999999999999999999999"}) {
    EXPECT_FALSE(ParseInt64(bad, &value)) << bad;
  }
}

TEST(Number, CursorsAreWhatStrtoulTakes) {
  uint64_t value = 0;
  EXPECT_TRUE(ParseCursor("", &value));
  EXPECT_EQ(value, 0U);
  EXPECT_TRUE(ParseCursor("18446744073709551615", &value));
  EXPECT_TRUE(ParseCursor("007", &value));
  EXPECT_FALSE(ParseCursor("18446744073709551616", &value));
  EXPECT_FALSE(ParseCursor(" 1", &value));
  EXPECT_FALSE(ParseCursor("abc", &value));
}

TEST(Number, LongDoublesPrintAsRedisPrintsThem) {
  const auto sum = [](const char* a, const char* b) {
    long double x = 0;
    long double y = 0;
    EXPECT_TRUE(ParseLongDouble(a, &x) && ParseLongDouble(b, &y));
    return FormatLongDouble(x + y);
  };
  EXPECT_EQ(sum("3", "1.1"), "4.1");
  EXPECT_EQ(sum("10.5", "0.1"), "10.6");
  EXPECT_EQ(sum("5.0e3", "2.0e2"), "5200");
  EXPECT_EQ(sum("-1", "1"), "0");
  EXPECT_EQ(sum("1e300", "0").size(), 301U);
  long double value = 0;
  for (const char* bad : {"", " 1", "nan", "1x", "1e99999"}) EXPECT_FALSE(ParseLongDouble(bad, &value));
  EXPECT_TRUE(ParseLongDouble("inf", &value));
}

TEST(Glob, MatchesAsRedis) {
  const auto matches = [](Slice pattern, Slice text) { return GlobMatches(pattern, text); };
  EXPECT_TRUE(matches("h?llo", "hello"));
  EXPECT_TRUE(matches("h*llo", "heeeello"));
  EXPECT_TRUE(matches("h[ae]llo", "hallo"));
  EXPECT_FALSE(matches("h[^e]llo", "hello"));
  EXPECT_TRUE(matches("h[b-a]llo", "hallo"));
  EXPECT_TRUE(matches("a\\*", "a*"));
  EXPECT_FALSE(matches("a\\*", "ab"));
  EXPECT_TRUE(matches("[abc", "b"));
  EXPECT_FALSE(matches("[", "b"));
  EXPECT_TRUE(matches("[^", "b"));
  EXPECT_TRUE(matches("a**", "a"));
  EXPECT_FALSE(matches("*", ""));
  EXPECT_TRUE(matches("", ""));
  EXPECT_TRUE(matches("*a*b*", "xxaxxbxx"));
  EXPECT_FALSE(matches("*a*b*c", "xxaxxbxx"));
  EXPECT_TRUE(GlobMatches("MAX*", "maxmemory", LetterCase::kIgnored));
}

TEST(Glob, PatternsOfStarsTakeLittleTime) {
  std::string pattern;
  for (int i = 0; i < 300; ++i) pattern += "a*";
  EXPECT_FALSE(GlobMatches(pattern + "b", std::string(20'000, 'a')));
}

TEST(LatencyHistogram, PercentilesAreWithinABucket) {
  LatencyHistogram histogram;
  for (uint64_t i = 1; i <= 1000; ++i) histogram.Record(i);
  EXPECT_EQ(histogram.count(), 1000U);
  EXPECT_NEAR(static_cast<double>(histogram.Percentile(50)), 500, 65);
  EXPECT_NEAR(static_cast<double>(histogram.Percentile(99)), 990, 130);
  histogram.Record(std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(histogram.CountUpTo(7), 7U);
}

TEST(ScanCursors, ForgetsTheOldestAndNeverGivesZero) {
  ScanCursors cursors(0);
  const uint64_t first = cursors.Remember("a");
  EXPECT_NE(first, 0U);
  EXPECT_EQ(cursors.Find(first), "a");
  uint64_t last = 0;
  for (size_t i = 0; i < ScanCursors::kCursorsMax; ++i) last = cursors.Remember("b");
  EXPECT_EQ(cursors.Find(first), "");
  EXPECT_EQ(cursors.Find(last), "b");
  EXPECT_EQ(cursors.Find(last + 1), "");
}

TEST(ExpiryCounts, AgreeWithAModel) {
  const auto seed = static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed());
  SCOPED_TRACE("seed " + std::to_string(seed));
  base::Random random(seed);
  ExpiryCounts counts;
  std::multimap<uint64_t, int> model;
  uint64_t now = 1'000'000;
  for (int step = 0; step < 60'000; ++step) {
    const uint64_t choice = random.Uniform(10);
    if (choice < 7) {
      // Most in one second, so that a span changes to counters.
      const uint64_t at = now + (random.OneIn(3) ? random.Uniform(10'000'000) : random.Uniform(1000));
      counts.Add(at);
      if (at > counts.advanced_to()) model.emplace(at, 0);
    } else if (choice < 9 && !model.empty()) {
      auto chosen = model.lower_bound(now + random.Uniform(2'000'000));
      if (chosen == model.end()) chosen = model.begin();
      counts.Remove(chosen->first);
      model.erase(chosen);
    } else if (random.OneIn(20)) {
      now += random.Uniform(random.OneIn(10) ? 500'000 : 300);
      const size_t before = model.size();
      model.erase(model.begin(), model.upper_bound(now));
      ASSERT_EQ(counts.AdvanceTo(now), before - model.size());
    }
    ASSERT_EQ(counts.total(), model.size());
  }
}

TEST(OutputBuffer, KeepsBytesInOrderThroughChunks) {
  ChunkPool pool;
  OutputBuffer buffer(&pool);
  std::string expected;
  base::Random random(7);
  for (int i = 0; i < 2000; ++i) {
    const std::string piece(random.OneIn(100) ? 40'000 : random.Uniform(60), static_cast<char>('a' + i % 26));
    buffer.Append(piece);
    expected += piece;
  }
  EXPECT_EQ(buffer.size(), expected.size());
  const size_t mark = buffer.size();
  buffer.Append(std::string(50'000, 'z'));
  buffer.Truncate(mark);
  std::string got;
  while (!buffer.empty()) {
    iovec pieces[4];
    const size_t used = buffer.Pieces(pieces);
    size_t bytes = 0;
    for (size_t i = 0; i < used; ++i) {
      got.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
      bytes += pieces[i].iov_len;
    }
    // What was only partly sent comes again.
    const size_t sent = std::max<size_t>(1, bytes / 2);
    got.resize(got.size() - (bytes - sent));
    buffer.Consume(sent);
  }
  EXPECT_EQ(got, expected);
  EXPECT_EQ(buffer.chunk_count(), 0U);
}

TEST(OutputBuffer, StoresNothingBeyondItsLimit) {
  ChunkPool pool;
  OutputBuffer buffer(&pool);
  buffer.set_limit(100'000);
  ReplyWriter reply(&buffer);
  for (int i = 0; i < 100'000; ++i) reply.Bulk("0123456789");
  EXPECT_TRUE(buffer.overflowed());
  EXPECT_LE(buffer.size(), 100'000 + ChunkPool::kChunkBytes);
}

TEST(PendingWrites, FindsTheNewestChange) {
  PendingWrites pending;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 5000; ++i) {
      const std::string key = "key" + std::to_string(i % 1000);
      pending.Upsert(key)->value = pending.Copy(std::to_string(i));
    }
    EXPECT_EQ(pending.size(), 1000U);
    EXPECT_EQ(pending.Find("key7")->value, "4007");
    EXPECT_EQ(pending.Find("other"), nullptr);
    pending.Clear();
    EXPECT_EQ(pending.Find("key7"), nullptr);
  }
}

TEST(Config, SetsAllOrNothing) {
  Config config;
  const Slice bad[] = {"timeout", "10", "maxclients", "x"};
  EXPECT_EQ(config.Set(bad).message(),
            "CONFIG SET failed (possibly related to argument 'maxclients') - argument couldn't be "
            "parsed into an integer");
  EXPECT_EQ(config.settings().timeout_seconds, 0);
  const Slice good[] = {"TIMEOUT", "10", "proto-max-bulk-len", "2mb"};
  EXPECT_TRUE(config.Set(good).ok());
  EXPECT_EQ(config.settings().timeout_seconds, 10);
  EXPECT_EQ(config.settings().proto_max_bulk_len, 2 << 20);
  const Slice twice[] = {"timeout", "1", "timeout", "2"};
  EXPECT_FALSE(config.Set(twice).ok());
  const Slice immutable[] = {"databases", "2"};
  EXPECT_EQ(config.Set(immutable).message(),
            "CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config");
}

TEST(Config, EveryInitialValueIsValidAndReadsBack) {
  for (const Config::Parameter& parameter : Config::Parameters()) {
    Config config;
    const Slice name = parameter.name;
    const auto before = config.Get({&name, 1});
    ASSERT_EQ(before.size(), 1U) << name;
    if (parameter.kind == Config::Kind::kOctal || parameter.initial.empty()) continue;
    EXPECT_TRUE(config.SetAtStart(name, before[0].value).ok()) << name;
    EXPECT_EQ(config.Get({&name, 1})[0].value, before[0].value);
  }
}

TEST(Config, OutputLimitsMergeByClass) {
  Config config;
  const Slice pair[] = {"client-output-buffer-limit", "normal 10mb 5mb 60"};
  ASSERT_TRUE(config.Set(pair).ok());
  EXPECT_EQ(config.settings().output_hard_max, 10 << 20);
  EXPECT_EQ(config.settings().output_soft_seconds, 60);
  const Slice name = "client-output-buffer-limit";
  EXPECT_EQ(config.Get({&name, 1})[0].value,
            "normal 10485760 5242880 60 slave 268435456 67108864 60 pubsub 33554432 8388608 60");
}

}  // namespace
}  // namespace nokv::redis
