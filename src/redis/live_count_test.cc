// LiveCount and ExpiringKeys against a model that knows every key, in simulated time.

#include "redis/live_count.h"

#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "redis/expiring_keys.h"

namespace nokv::redis {
namespace {

uint64_t TestSeed() {
  return static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed());
}

// Keys with their moments (0: never), as a store holds them: expired ones stay until they are replaced.
class Model {
 public:
  explicit Model(uint64_t seed) : random(seed) {}

  bool IsLive(uint64_t at_ms) const { return at_ms == 0 || at_ms > now; }
  KeyCounts Counts() const {
    KeyCounts counts;
    for (const auto& [key, at_ms] : keys) {
      counts.keys += IsLive(at_ms) ? 1U : 0U;
      counts.expiring += at_ms != 0 && IsLive(at_ms) ? 1U : 0U;
    }
    return counts;
  }
  // Mostly soon, so that much expires while a scan is on its way.
  uint64_t SomeMoment() { return random.OneIn(3) ? 0 : now + 1 + random.Uniform(random.OneIn(4) ? 100'000 : 60); }

  // Changes one key at random and tells `count`, if there is one.
  void Change(LiveCount* count) {
    const uint64_t key = random.Uniform(400);
    const auto found = keys.find(key);
    if (count != nullptr && found != keys.end() && IsLive(found->second)) count->Remove(found->second);
    if (random.OneIn(3)) {
      keys.erase(key);
    } else {
      const uint64_t at_ms = SomeMoment();
      keys[key] = at_ms;
      if (count != nullptr) count->Add(at_ms);
    }
  }

  base::Random random;
  uint64_t now = 1'000'000;
  std::map<uint64_t, uint64_t> keys;
};

TEST(LiveCount, IsExactAfterAScanAmongChanges) {
  SCOPED_TRACE("seed " + std::to_string(TestSeed()));
  Model model(TestSeed());
  LiveCount count;
  for (int round = 0; round < 300; ++round) {
    // As it is before: anything may have happened that nobody counted.
    for (int i = 0; i < 200; ++i) model.Change(nullptr);
    const std::map<uint64_t, uint64_t> state = model.keys;
    count.BeginScan(model.now);
    for (const auto& [key, at_ms] : state) {
      if (model.random.OneIn(4)) model.now += model.random.Uniform(10);
      while (model.random.OneIn(2)) model.Change(&count);
      if (model.IsLive(at_ms)) count.Scanned(at_ms);
    }
    count.Observe(model.now);
    ASSERT_TRUE(count.on());
    count.EndScan(model.now);
    for (int i = 0; i < 50; ++i) {
      ASSERT_EQ(count.At(model.now).keys, model.Counts().keys) << "round " << round << " step " << i;
      ASSERT_EQ(count.At(model.now).expiring, model.Counts().expiring);
      model.Change(&count);
      model.now += model.random.Uniform(20);
    }
  }
}

TEST(LiveCount, StopsWhenTheClockGoesBack) {
  LiveCount count;
  count.SetEmpty(1000);
  count.Add(1500);
  count.Observe(2000);
  ASSERT_TRUE(count.on());
  EXPECT_EQ(count.At(2000).keys, 0U);
  count.Observe(1400);  // the key lives again
  EXPECT_FALSE(count.on());
}

TEST(ExpiringKeys, CountsEachMomentThatComes) {
  SCOPED_TRACE("seed " + std::to_string(TestSeed()));
  base::Random random(TestSeed());
  ExpiringKeys keys;
  std::map<uint64_t, uint64_t> model;
  uint64_t expired = 0;
  uint64_t now = 1000;
  for (int step = 0; step < 200'000; ++step) {
    const uint64_t choice = random.Uniform(100'000);
    if (choice < 5) {
      EXPECT_EQ(keys.Expired(now), [&] {
        expired += std::erase_if(model, [&](const auto& entry) { return entry.second <= now; });
        return expired;
      }()) << "step " << step;
    } else if (choice < 6) {
      keys.Clear(now);
      expired += std::erase_if(model, [&](const auto& entry) { return entry.second <= now; });
      model.clear();
    } else {
      const uint64_t key = base::Mix64(random.Uniform(3000));
      const uint64_t at_ms = random.OneIn(4) ? 0 : now + 1 + random.Uniform(5000);
      keys.Set(key, at_ms, now);
      const auto found = model.find(key);
      if (found != model.end()) {
        expired += found->second <= now ? 1U : 0U;
        model.erase(found);
      }
      if (at_ms != 0) model[key] = at_ms;
    }
    if (random.OneIn(10)) now += random.Uniform(20);
  }
  now += 10'000;
  EXPECT_EQ(keys.Expired(now), expired + model.size());
  EXPECT_TRUE(keys.empty());
}

TEST(ExpiringKeys, FollowsABoundedNumber) {
  ExpiringKeys keys;
  const uint64_t many = ExpiringKeys::kKeysMax + 1000;
  for (uint64_t i = 1; i <= many; ++i) keys.Set(base::Mix64(i), 2000, 1000);
  EXPECT_EQ(keys.Expired(1999), 0U);
  EXPECT_EQ(keys.Expired(2000), ExpiringKeys::kKeysMax);
  // With room again, others are followed.
  keys.Set(base::Mix64(many + 1), 3000, 2500);
  EXPECT_EQ(keys.Expired(3000), ExpiringKeys::kKeysMax + 1);
}

}  // namespace
}  // namespace nokv::redis
