// Random lives of a log, each ended by a loss of power or the death of the process at a random
// operation; then replay against what must and what may be left, and another life on top.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "vfs/memory_file_system.h"
#include "wal/log_harness.h"

namespace nokv::wal {
namespace {

using vfs::CrashPolicy;
using vfs::MemoryFileSystem;

// What is known of a log from outside: what was reserved, in order, and how much of it must be
// there.
struct Knowledge {
  TestManifest manifest;
  std::vector<TestRecord> history;
  size_t durable = 0;  // so many of history survive the loss of power
  size_t written = 0;  // so many survive the death of the process
  uint64_t next_payload = 0;
};

// One life: opens the log on `fs` and works on it until something fails or it has had enough.
class Life {
 public:
  Life(MemoryFileSystem* fs, Knowledge* known, base::Random* random)
      : known_(known), random_(random), harness_(fs, known->manifest) {}
  ~Life() { known_->manifest = harness_.manifest(); }
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  // An error is expected to be the simulated crash.
  Status Run() {
    NOKV_TRY(harness_.Open());
    EXPECT_EQ(harness_.recovered_records(), known_->history);
    known_->durable = known_->written = known_->history.size();
    for (uint64_t steps = 10 + random_->Uniform(90); steps > 0; --steps)
      NOKV_TRY(Step());
    if (random_->OneIn(3)) {
      NOKV_TRY(WriteAll());
      NOKV_TRY(harness_.CloseCleanly());
      known_->durable = known_->history.size();
    }
    return Status::Ok();
  }

 private:
  struct Pending {
    Reservation place;
    size_t index;  // in history
  };

  Status Step() {
    switch (random_->Uniform(16)) {
      case 0:
      case 1:
        return Sync();
      case 2:
        return harness_.log()->PrepareNext();
      case 3:
        return random_->OneIn(3) ? harness_.log()->Rotate(random_->Uniform(6000), 1) : Status::Ok();
      case 4:
        return Release();
      case 5:
        pin_ = random_->OneIn(2) ? Log::Pin()
                                 : harness_.log()->PinFrom(known_->manifest.first_segment);
        return Status::Ok();
      case 6:
        return WriteAll();
      case 7:
      case 8:
      case 9:
      case 10:
        return pending_.empty() ? Status::Ok() : Write(random_->Uniform(pending_.size()));
      default:
        return Reserve();
    }
  }

  size_t PayloadBytes() {
    if (random_->OneIn(40))
      return 4000 + random_->Uniform(8000);  // larger than a segment, or nearly
    if (random_->OneIn(8)) return random_->Uniform(3500);
    return random_->Uniform(300);
  }

  Status Reserve() {
    std::string payload(PayloadBytes(), '\0');
    base::Random bytes(known_->next_payload++);
    for (char& c : payload)
      c = static_cast<char>(bytes.Next());
    Reservation place;
    TestRecord record;
    NOKV_TRY(harness_.Reserve(std::move(payload), static_cast<uint32_t>(random_->Uniform(3)),
                              &place, &record));
    if (random_->OneIn(5)) record.type = static_cast<RecordType>(2 + random_->Uniform(254));
    pending_.push_back({place, known_->history.size()});
    known_->history.push_back(std::move(record));
    return Status::Ok();
  }

  Status Write(size_t i) {
    const Pending pending = pending_[i];
    NOKV_TRY(harness_.WriteReserved(pending.place, known_->history[pending.index]));
    pending_.erase(pending_.begin() + static_cast<ptrdiff_t>(i));
    known_->written = pending_.empty() ? known_->history.size() : pending_.front().index;
    return Status::Ok();
  }
  Status WriteAll() {
    while (!pending_.empty())
      NOKV_TRY(Write(random_->Uniform(pending_.size())));
    return Status::Ok();
  }

  // Up to a random place among those that may be synced.
  Status Sync() {
    Log* const log = harness_.log();
    LogPosition through = log->end();
    size_t count = known_->history.size();
    if (!pending_.empty()) {
      count = pending_.front().index;
      through = pending_.front().place.position();
    } else if (!known_->history.empty() && random_->OneIn(3)) {
      count = random_->Uniform(known_->history.size());
      through = known_->history[count].at;
    }
    NOKV_TRY(log->SyncThrough(through));
    EXPECT_GE(log->synced(), through);
    known_->durable = std::max(known_->durable, count);
    return Status::Ok();
  }

  Status Release() {
    const uint32_t active = pending_.empty() ? harness_.log()->end().segment
                                             : pending_.front().place.position().segment;
    const uint32_t first = harness_.manifest().first_segment;
    if (active <= first || !random_->OneIn(2)) return Status::Ok();
    return harness_.ReleaseBefore(first + 1 +
                                  static_cast<uint32_t>(random_->Uniform(active - first)));
  }

  Knowledge* const known_;
  base::Random* const random_;
  LogHarness harness_;
  Log::Pin pin_;
  std::vector<Pending> pending_;  // in the order of reservation
};

class CrashRun {
 public:
  explicit CrashRun(uint64_t seed) : random_(seed) {}

  // A life on `fs` that ends at a random operation, then the worlds that may come of it.
  void Live(MemoryFileSystem* fs, Knowledge known, int lives_left) {
    if (!random_.OneIn(6)) {
      fs->SetCrashPoint(fs->operation_count() + 1 + random_.Uniform(120), random_.Next());
    }
    {
      Life life(fs, &known, &random_);
      const Status status = life.Run();
      ASSERT_TRUE(status.ok() || fs->crashed()) << status.ToString();
    }
    const int branch = lives_left > 0 ? static_cast<int>(random_.Uniform(7)) : -1;
    int i = 0;
    for (const CrashPolicy policy : vfs::kCrashPolicies) {
      const int repeats = policy == CrashPolicy::kRandom ? 3 : 1;
      for (int repeat = 0; repeat < repeats; ++repeat, ++i) {
        SCOPED_TRACE(testing::Message() << "policy " << vfs::CrashPolicyName(policy));
        const auto clone = fs->CrashClone(policy, random_.Next());
        Knowledge after = known;
        const bool all = policy == CrashPolicy::kMaximum;
        Check(clone.get(), all ? std::max(known.written, known.durable) : known.durable, &after);
        if (testing::Test::HasFatalFailure()) return;
        after.durable = after.history.size();
        if (i == branch) Live(clone.get(), after, lives_left - 1);
        if (testing::Test::HasFatalFailure()) return;
      }
    }
    ProcessDeath(fs, known, lives_left);
  }

  size_t states() const { return states_; }

 private:
  // The kernel lives on: all that was written is there, and can still be lost.
  void ProcessDeath(MemoryFileSystem* fs, const Knowledge& known, int lives_left) {
    SCOPED_TRACE("process death");
    const auto clone = fs->CloneAfterProcessDeath();
    Knowledge after = known;
    Check(clone.get(), std::max(known.written, known.durable), &after);
    if (lives_left <= 0 || testing::Test::HasFatalFailure()) return;
    Live(clone.get(), after, lives_left - 1);
  }

  // Replays what is on `fs`: a prefix of the history with at least its first `must` records. What
  // was found becomes the history.
  void Check(MemoryFileSystem* fs, size_t must, Knowledge* known) {
    ++states_;
    std::vector<TestRecord> expected;
    size_t must_of_expected = 0;
    size_t durable = 0;
    for (size_t i = 0; i < known->history.size(); ++i) {
      if (known->history[i].at.segment < known->manifest.first_segment) continue;
      expected.push_back(known->history[i]);
      must_of_expected += i < must;
      durable += i < known->durable;
    }
    LogHarness harness(fs, known->manifest);
    std::vector<TestRecord> records;
    const auto result = harness.Replay(&records);
    ASSERT_TRUE(result.ok()) << result.status().ToString();
    ASSERT_GE(records.size(), must_of_expected) << result->torn_description;
    ASSERT_LE(records.size(), expected.size());
    for (size_t i = 0; i < records.size(); ++i)
      ASSERT_EQ(records[i], expected[i]) << i;
    known->history = std::move(records);
    known->written = known->history.size();
    known->durable = durable;
  }

  base::Random random_;
  size_t states_ = 0;
};

TEST(WalCrash, EveryLifeEndsInAPrefixWithAllThatWasSynced) {
  constexpr uint64_t kFirstSeed = 1;
  constexpr uint64_t kSeeds = 60;
  size_t states = 0;
  for (uint64_t seed = kFirstSeed; seed < kFirstSeed + kSeeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    MemoryFileSystem fs;
    LogHarness::MakeDirectory(&fs);
    CrashRun run(seed);
    run.Live(&fs, {}, 4);
    states += run.states();
    if (HasFailure()) break;
  }
  std::printf("%zu crash states from seeds %llu to %llu\n", states,
              static_cast<unsigned long long>(kFirstSeed),
              static_cast<unsigned long long>(kFirstSeed + kSeeds - 1));
  EXPECT_TRUE(HasFailure() || states > 5'000) << states;
}

}  // namespace
}  // namespace nokv::wal
