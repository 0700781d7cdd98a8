// Retention, merging and versions against simple models.

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.h"
#include "key/range_tombstones.h"
#include "lsm/merging_iterator.h"
#include "lsm/range_guard.h"
#include "lsm/retention.h"

namespace nokv::lsm {
namespace {

constexpr uint64_t kSeed = 20261121;

struct Version {
  std::string key;
  uint64_t trailer;
  std::string value;
  uint64_t expires_at = 0;
};

bool Before(const Version& a, const Version& b) {
  return key::CompareEntries(a.key, a.trailer, b.key, b.trailer) < 0;
}

// Entries in a sorted vector, as a stream.
class VectorIterator final : public key::EntryIterator {
 public:
  explicit VectorIterator(std::vector<Version> versions) : versions_(std::move(versions)) {}
  bool Valid() const override { return at_ >= 0 && at_ < static_cast<int64_t>(versions_.size()); }
  void SeekToFirst() override { at_ = 0; }
  void SeekToLast() override { at_ = static_cast<int64_t>(versions_.size()) - 1; }
  void Seek(Slice key, uint64_t trailer) override {
    at_ = std::lower_bound(versions_.begin(), versions_.end(), Version{std::string(key), trailer, "", 0}, Before) -
          versions_.begin();
  }
  void SeekBefore(Slice key, uint64_t trailer) override {
    Seek(key, trailer);
    --at_;
  }
  void Next() override { ++at_; }
  void Prev() override { --at_; }
  Slice key() const override { return now().key; }
  uint64_t trailer() const override { return now().trailer; }
  uint64_t expires_at() const override { return now().expires_at; }
  Slice value() const override { return now().value; }
  Status status() const override { return failure; }

  Status failure;

 private:
  const Version& now() const { return versions_[static_cast<size_t>(at_)]; }
  const std::vector<Version> versions_;
  int64_t at_ = -1;
};

std::vector<Version> RandomVersions(base::Random* random, uint64_t keys, uint64_t count, uint64_t* seq) {
  std::vector<Version> versions;
  for (uint64_t i = 0; i < count; ++i) {
    const auto kind = random->OneIn(4) ? key::Kind::kDelete : key::Kind::kPut;
    versions.push_back({"k" + std::to_string(random->Uniform(keys)), key::PackTrailer(++*seq, kind),
                        "v" + std::to_string(*seq), random->OneIn(5) ? 1 + random->Uniform(100) : 0});
    if (kind == key::Kind::kDelete) versions.back().expires_at = 0;
  }
  std::sort(versions.begin(), versions.end(), Before);
  return versions;
}

TEST(MergingIterator, IsTheSortedUnionInEveryDirection) {
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  base::Random random(kSeed);
  for (int round = 0; round < 200; ++round) {
    uint64_t seq = 0;
    std::vector<Version> all;
    std::vector<std::unique_ptr<key::EntryIterator>> sources;
    const uint64_t count = random.Uniform(6);
    for (uint64_t i = 0; i < count; ++i) {
      auto versions = RandomVersions(&random, 20, random.Uniform(15), &seq);
      all.insert(all.end(), versions.begin(), versions.end());
      sources.push_back(std::make_unique<VectorIterator>(std::move(versions)));
    }
    std::sort(all.begin(), all.end(), Before);
    const auto merged = NewMergingIterator(std::move(sources));
    int64_t at = 0;
    merged->SeekToFirst();
    for (int move = 0; move < 200; ++move) {
      const bool valid = at >= 0 && at < static_cast<int64_t>(all.size());
      ASSERT_EQ(merged->Valid(), valid);
      if (valid) {
        ASSERT_EQ(merged->key(), all[static_cast<size_t>(at)].key);
        ASSERT_EQ(merged->trailer(), all[static_cast<size_t>(at)].trailer);
        ASSERT_EQ(merged->value(), all[static_cast<size_t>(at)].value);
      }
      const Version target{"k" + std::to_string(random.Uniform(22)), random.OneIn(2) ? UINT64_MAX : random.Next(),
                           "", 0};
      const uint64_t dice = random.Uniform(valid ? 10 : 4);
      if (dice == 0) {
        merged->Seek(target.key, target.trailer);
        at = std::lower_bound(all.begin(), all.end(), target, Before) - all.begin();
      } else if (dice == 1) {
        merged->SeekBefore(target.key, target.trailer);
        at = std::lower_bound(all.begin(), all.end(), target, Before) - all.begin() - 1;
      } else if (dice == 2) {
        merged->SeekToLast();
        at = static_cast<int64_t>(all.size()) - 1;
      } else if (dice == 3) {
        merged->SeekToFirst();
        at = 0;
      } else if (dice < 8) {
        merged->Next();
        ++at;
      } else {
        merged->Prev();
        --at;
      }
    }
  }
}

TEST(MergingIterator, EndsWithTheErrorOfAnySource) {
  uint64_t seq = 0;
  base::Random random(kSeed);
  std::vector<std::unique_ptr<key::EntryIterator>> sources;
  sources.push_back(std::make_unique<VectorIterator>(RandomVersions(&random, 5, 5, &seq)));
  auto failing = std::make_unique<VectorIterator>(std::vector<Version>{});
  failing->failure = Status::Corruption("000007.sst, offset 12");
  sources.push_back(std::move(failing));
  const auto merged = NewMergingIterator(std::move(sources));
  merged->SeekToFirst();
  EXPECT_FALSE(merged->Valid());
  EXPECT_TRUE(merged->status().IsCorruption());
}

// What a reader at `snapshot` sees of a key: the value, or nothing.
std::string Visible(const std::vector<Version>& versions,
                    const std::vector<key::RangeTombstone>& tombstones,
                    const std::string& key,
                    uint64_t snapshot,
                    uint64_t now) {
  for (const Version& version : versions) {
    if (version.key != key || key::TrailerSequence(version.trailer) > snapshot) continue;
    for (const key::RangeTombstone& t : tombstones) {
      if (t.seq <= snapshot && t.seq > key::TrailerSequence(version.trailer) && t.begin <= key && key < t.end) {
        return "";
      }
    }
    if (key::TrailerKind(version.trailer) == key::Kind::kDelete) return "";
    return version.expires_at != 0 && version.expires_at <= now ? "" : version.value;
  }
  return "";
}

TEST(Retention, NoSnapshotSeesADifferenceAndNothingUselessStays) {
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  base::Random random(kSeed);
  constexpr uint64_t kNow = 50;
  constexpr uint64_t kKeys = 6;
  for (int round = 0; round < 3000; ++round) {
    uint64_t seq = 0;
    std::vector<Version> below = RandomVersions(&random, kKeys, random.OneIn(2) ? 0 : 6, &seq);
    std::vector<Version> input = RandomVersions(&random, kKeys, 1 + random.Uniform(20), &seq);
    std::vector<key::RangeTombstone> list;
    std::vector<std::string> bounds;
    for (uint64_t i = 0; i <= kKeys; ++i) bounds.push_back("k" + std::to_string(i));
    const uint64_t tombstone_count = random.Uniform(3);
    const uint64_t first_input_seq = below.size();
    for (uint64_t i = 0; i < tombstone_count; ++i) {
      const uint64_t at = first_input_seq + random.Uniform(seq - first_input_seq + 1) + 1;
      // Sequence numbers are unique: a tombstone takes one that no version has.
      const bool taken = std::any_of(input.begin(), input.end(), [&](const Version& v) {
        return key::TrailerSequence(v.trailer) == at;
      });
      if (taken) std::erase_if(input, [&](const Version& v) { return key::TrailerSequence(v.trailer) == at; });
      list.push_back({bounds[random.Uniform(bounds.size())], bounds[random.Uniform(bounds.size())], at});
      seq = std::max(seq, at);
    }
    std::vector<key::SequenceNumber> snapshots;
    for (uint64_t s = 1; s <= seq; ++s) {
      if (random.OneIn(8)) snapshots.push_back(s);
    }
    const auto tombstones = key::RangeTombstones::Build(list);
    Retention retention({.snapshots = snapshots,
                         .now_millis = kNow,
                         .tombstones = &tombstones,
                         .any_below = [&](const key::KeyRange& range) {
                           return std::any_of(below.begin(), below.end(),
                                              [&](const Version& v) { return range.Contains(v.key); });
                         }});
    std::vector<Version> kept;
    for (const Version& version : input) {
      key::Entry entry{version.key, version.trailer, version.expires_at, version.value};
      if (retention.Keep(&entry)) {
        kept.push_back({std::string(entry.key), entry.trailer, std::string(entry.value), entry.expires_at});
      }
    }
    const auto kept_tombstones = retention.TombstonesToKeep();

    std::vector<Version> before = input;
    before.insert(before.end(), below.begin(), below.end());
    std::vector<Version> after = kept;
    after.insert(after.end(), below.begin(), below.end());
    std::sort(before.begin(), before.end(), Before);
    std::sort(after.begin(), after.end(), Before);
    std::vector<key::SequenceNumber> readers = snapshots;
    readers.push_back(key::kMaxSequence);
    for (const key::SequenceNumber snapshot : readers) {
      for (uint64_t k = 0; k < kKeys; ++k) {
        const std::string key = "k" + std::to_string(k);
        ASSERT_EQ(Visible(before, list, key, snapshot, kNow), Visible(after, kept_tombstones, key, snapshot, kNow))
            << "round " << round << ", " << key << " at " << snapshot;
      }
    }
    if (snapshots.empty()) {
      for (size_t i = 0; i < kept.size(); ++i) {
        ASSERT_TRUE(i == 0 || kept[i].key != kept[i - 1].key) << "two versions of a key and no snapshot";
        ASSERT_TRUE(kept[i].expires_at == 0 || kept[i].expires_at > kNow) << "an expired value";
        if (key::TrailerKind(kept[i].trailer) == key::Kind::kDelete) {
          ASSERT_FALSE(below.empty()) << "a tombstone over nothing";
        }
      }
      ASSERT_TRUE(kept_tombstones.empty() || !below.empty());
    }
  }
}

TEST(RangeGuard, RefusesWhatOverlapsInLevelsAndKeys) {
  RangeGuard guard;
  const auto ticket = guard.Take(0, 1, {"b", "d"});
  EXPECT_FALSE(guard.IsFree(1, 2, {"c", "e"}));
  EXPECT_TRUE(guard.IsFree(1, 2, {"d", "e"}));
  EXPECT_TRUE(guard.IsFree(2, 3, {"a", "z"}));
  guard.Release(ticket);
  EXPECT_TRUE(guard.IsFree(1, 2, {"c", "e"}));
}

}  // namespace
}  // namespace nokv::lsm
