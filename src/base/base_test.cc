#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "nokv/result.h"
#include "nokv/status.h"

#include "base/clock.h"
#include "base/coding.h"
#include "base/event_count.h"
#include "base/executor.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "base/random.h"

namespace nokv::base {
namespace {

TEST(Status, SaysCodeAndMessage) {
  EXPECT_EQ(Status::Ok().ToString(), "OK");
  const Status status = Status::Corruption("000007.sst, offset 12").WithContext("read block");
  EXPECT_EQ(status.code(), StatusCode::kCorruption);
  EXPECT_EQ(status.ToString(), "Corruption: read block: 000007.sst, offset 12");
  const Status copy = status;
  EXPECT_EQ(copy.ToString(), status.ToString());
}

Result<int> Half(int n) {
  if (n % 2 != 0) return Status::InvalidArgument("odd");
  return n / 2;
}
Result<int> Quarter(int n) {
  NOKV_ASSIGN_OR_RETURN(const int half, Half(n));
  return Half(half);
}

TEST(Result, CarriesValueOrStatus) {
  EXPECT_EQ(Quarter(12).value(), 3);
  EXPECT_EQ(Quarter(6).status().code(), StatusCode::kInvalidArgument);
}

TEST(Coding, VarintsRoundTripAtEveryWidth) {
  for (unsigned bit = 0; bit < 64; ++bit) {
    for (const uint64_t value : {1ULL << bit, (1ULL << bit) - 1, (1ULL << bit) + 1}) {
      std::string bytes;
      PutVarint64(&bytes, value);
      EXPECT_EQ(bytes.size(), VarintLength(value));
      Slice input = bytes;
      uint64_t decoded;
      ASSERT_TRUE(GetVarint64(&input, &decoded));
      EXPECT_EQ(decoded, value);
      EXPECT_TRUE(input.empty());
      for (size_t cut = 0; cut < bytes.size(); ++cut) {
        Slice truncated = Slice(bytes).substr(0, cut);
        EXPECT_FALSE(GetVarint64(&truncated, &decoded));
      }
    }
  }
}

TEST(Coding, RefusesVarintsThatDoNotFit) {
  Slice eleven("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  uint64_t wide;
  EXPECT_FALSE(GetVarint64(&eleven, &wide));
  std::string bytes;
  PutVarint64(&bytes, 1ULL << 32);
  Slice input = bytes;
  uint32_t narrow;
  EXPECT_FALSE(GetVarint32(&input, &narrow));
}

TEST(Hash, ChecksumDependsOnThePlace) {
  EXPECT_NE(Checksum64("block", PlaceSeed(7, 0)), Checksum64("block", PlaceSeed(7, 4096)));
  EXPECT_NE(Checksum64("block", PlaceSeed(7, 0)), Checksum64("block", PlaceSeed(8, 0)));
}

TEST(SpinLock, ExcludesUnderContention) {
  SpinLock lock;
  int64_t counter = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        SpinLockHolder holder(&lock);
        ++counter;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(counter, 80'000);
}

TEST(ThreadPool, RunsEverythingBeforeItEnds) {
  std::atomic<int> ran{0};
  {
    ThreadPool pool({});
    for (int i = 0; i < 100; ++i) pool.Submit(Lane::kFlush, [&] { ran.fetch_add(1); });
    for (int i = 0; i < 100; ++i) pool.Submit(Lane::kCompaction, [&] { ran.fetch_add(1); });
    for (int i = 0; i < 100; ++i) pool.Submit(Lane::kIdle, [&] { ran.fetch_add(1); });
  }
  EXPECT_EQ(ran.load(), 300);
}

TEST(ManualExecutor, RunsFlushesFirstAndOnlyWhenAsked) {
  ManualExecutor executor;
  std::string order;
  executor.Submit(Lane::kCompaction, [&] { order += 'c'; });
  executor.Submit(Lane::kFlush, [&] { order += 'f'; });
  EXPECT_EQ(order, "");
  EXPECT_EQ(executor.RunAll(), 2U);
  EXPECT_EQ(order, "fc");
}

TEST(Random, RepeatsFromItsSeedAndStaysInBounds) {
  Random a(42);
  Random b(42);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(a.Next(), b.Next());
    EXPECT_LT(a.Uniform(7), 7U);
    b.Next();
  }
}

TEST(ManualClock, MovesOnlyWhenTold) {
  ManualClock clock(1000);
  const uint64_t start = clock.NowMicros();
  clock.SleepMicros(5'000);
  EXPECT_EQ(clock.NowMicros(), start + 5'000);
  EXPECT_EQ(clock.WallMillis(), 1005U);
}

// Two threads hand a number to and fro; a lost wake-up would leave both asleep.
TEST(EventCount, NoWakeUpIsLost) {
  constexpr uint32_t kHandOvers = 20'000;
  EventCount changed;
  std::atomic<uint32_t> number{0};
  const auto play = [&](uint32_t parity) {
    for (uint32_t turn = parity; turn < kHandOvers; turn += 2) {
      changed.Await([&] { return number.load(std::memory_order_acquire) == turn; });
      number.store(turn + 1, std::memory_order_release);
      changed.Notify();
    }
  };
  std::thread other([&] { play(1); });
  play(0);
  other.join();
  EXPECT_EQ(number.load(), kHandOvers);
}

TEST(EventCount, NotifyWakesEverySleeper) {
  EventCount changed;
  std::atomic<bool> open{false};
  std::atomic<int> through{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      changed.Await([&] { return open.load(std::memory_order_acquire); });
      through.fetch_add(1);
    });
  }
  open.store(true, std::memory_order_release);
  changed.Notify();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(through.load(), 8);
}

}  // namespace
}  // namespace nokv::base
