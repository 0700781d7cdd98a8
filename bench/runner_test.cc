// What the runner must notice: an engine that loses, delays, mixes up or invents.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "engine.h"
#include "histogram.h"
#include "runner.h"
#include "version_table.h"

namespace nokv::bench {
namespace {

// A map that does as it is told.
class Liar final : public Engine {
 public:
  // What a read gets to see of the stored value; nothing for "not found".
  std::function<const std::string*(const std::string& key, const std::string& value)> on_read;
  std::function<bool(const std::string& key)> drops_write;
  std::function<bool(const std::string& key)> skips_in_scan;

  std::unique_ptr<Session> NewSession() override { return std::make_unique<LiarSession>(this); }

 private:
  class LiarSession final : public Session {
   public:
    explicit LiarSession(Liar* liar) : liar_(liar) {}
    Status Put(std::string_view key, std::string_view value) override {
      const std::lock_guard<std::mutex> lock(liar_->mu_);
      const std::string name(key);
      if (liar_->drops_write && liar_->drops_write(name)) return {};
      liar_->map_[name] = std::string(value);
      return {};
    }
    Status Get(std::string_view key, std::string_view* value) override {
      const std::lock_guard<std::mutex> lock(liar_->mu_);
      const auto it = liar_->map_.find(std::string(key));
      if (it == liar_->map_.end()) return Status::NotFound("no such key");
      const std::string* seen = &it->second;
      if (liar_->on_read) seen = liar_->on_read(it->first, it->second);
      if (seen == nullptr) return Status::NotFound("no such key");
      copy_ = *seen;
      *value = copy_;
      return {};
    }
    Status Scan(std::string_view start, size_t count, ScanReader* reader, size_t* entries) override {
      const std::lock_guard<std::mutex> lock(liar_->mu_);
      *entries = 0;
      for (auto it = liar_->map_.lower_bound(std::string(start)); it != liar_->map_.end(); ++it) {
        if (liar_->skips_in_scan && liar_->skips_in_scan(it->first)) continue;
        Status status = reader->Entry(it->first, it->second);
        if (!status.ok()) return status;
        if (++*entries == count) break;
      }
      return {};
    }

   private:
    Liar* const liar_;
    std::string copy_;
  };

  std::mutex mu_;
  std::map<std::string, std::string> map_;
};

class RunnerTest : public ::testing::Test {
 protected:
  RunnerTest()
      : runner_(&engine_, {.records = 1000, .ops = 4000, .warmup = 100, .threads = 2, .value_bytes = 64, .starting = nullptr, .progress = nullptr},
                20'000) {}
  Status Run(std::string_view name) {
    outcome_ = {};
    return runner_.Run(*FindWorkload(name, Distribution::kZipfian), &outcome_);
  }

  Liar engine_;
  Runner runner_;
  Outcome outcome_;
};

TEST_F(RunnerTest, AnHonestEnginePassesEverything) {
  ASSERT_TRUE(Run("load").ok());
  EXPECT_EQ(outcome_.ops, 1000U);
  for (const char* name : {"A", "B", "C", "D", "E", "F", "G", "U", "R", "M", "S", "D", "E"}) {
    const Status warm = runner_.WarmUp(*FindWorkload(name, Distribution::kZipfian));
    EXPECT_TRUE(warm.ok()) << warm.ToString();
    const Status status = Run(name);
    EXPECT_TRUE(status.ok()) << name << ": " << status.ToString();
    EXPECT_EQ(outcome_.latency.count(), outcome_.ops);
    EXPECT_EQ(outcome_.ops, name == std::string("S") ? 20U : 4000U);
  }
}

TEST_F(RunnerTest, ALostRecordIsNoticed) {
  engine_.drops_write = [](const std::string& key) { return key == Key(17).view(); };
  ASSERT_TRUE(Run("load").ok());
  EXPECT_TRUE(Run("R").IsNotFound());
  EXPECT_TRUE(Run("S").IsCorruption());
}

TEST_F(RunnerTest, AnOldVersionIsNoticed) {
  std::map<std::string, std::string> first;
  engine_.on_read = [&](const std::string& key, const std::string& value) {
    return &first.emplace(key, value).first->second;
  };
  ASSERT_TRUE(Run("load").ok());
  ASSERT_TRUE(Run("C").ok());
  ASSERT_TRUE(Run("U").ok());
  const Status status = Run("C");
  EXPECT_TRUE(status.IsCorruption()) << status.ToString();
  EXPECT_NE(status.message().find("version 1"), std::string::npos) << status.ToString();
}

TEST_F(RunnerTest, AnotherRecordsValueIsNoticed) {
  std::string other(64, '\0');
  Values(64).Fill(5, 1, other.data());
  engine_.on_read = [&](const std::string& key, const std::string& value) {
    return key == Key(0).view() ? &other : &value;
  };
  ASSERT_TRUE(Run("load").ok());
  EXPECT_TRUE(Run("R").IsCorruption());
}

TEST_F(RunnerTest, AFalseHitIsNoticed) {
  ASSERT_TRUE(Run("load").ok());
  const auto session = engine_.NewSession();
  for (uint64_t i = 0; i < 1000; ++i) ASSERT_TRUE(session->Put(Key(kFirstAbsentRecord + i).view(), "x").ok());
  EXPECT_TRUE(Run("M").IsCorruption());
}

TEST_F(RunnerTest, AGapInAScanIsNoticed) {
  ASSERT_TRUE(Run("load").ok());
  ASSERT_TRUE(Run("E").ok());
  engine_.skips_in_scan = [](const std::string& key) { return key == Key(400).view(); };
  EXPECT_TRUE(Run("S").IsCorruption());
}

TEST(VersionTable, AnyOfOverlappingWritesMayBeTheLast) {
  VersionTable versions(2);
  EXPECT_EQ(versions.FloorOf(1), 0U);
  EXPECT_EQ(versions.BeginWrite(1), 1U);
  EXPECT_EQ(versions.FloorOf(1), 0U);
  versions.EndWrite(1);
  EXPECT_EQ(versions.FloorOf(1), 1U);
  EXPECT_EQ(versions.BeginWrite(1), 2U);
  EXPECT_EQ(versions.BeginWrite(1), 3U);
  versions.EndWrite(1);
  EXPECT_EQ(versions.FloorOf(1), 1U);
  versions.EndWrite(1);
  EXPECT_EQ(versions.FloorOf(1), 2U);
  EXPECT_EQ(versions.IssuedOf(1), 3U);
  EXPECT_EQ(versions.IssuedOf(0), 0U);
}

TEST(Histogram, QuantilesAreWithinABucketOfTheTruth) {
  Histogram histogram;
  for (uint64_t i = 1; i <= 100'000; ++i) histogram.Add(i);
  for (const double share : {0.5, 0.95, 0.99, 0.999}) {
    EXPECT_NEAR(histogram.Quantile(share), share * 100'000, share * 100'000 * 0.016);
  }
  EXPECT_EQ(histogram.max(), 100'000U);
  EXPECT_DOUBLE_EQ(histogram.Mean(), 50'000.5);
  Histogram one;
  one.Add(7);
  EXPECT_EQ(one.Quantile(0.5), 7.0);
}

}  // namespace
}  // namespace nokv::bench
