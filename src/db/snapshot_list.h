#pragma once

// SnapshotList: the moments that readers hold on to.
//
// A snapshot is registered in the same critical section in which its sequence number is read, and a flush
// or compaction lists them under the same lock. So a job that lists the snapshots after its inputs were
// fixed cannot miss one that needs them: a later snapshot is at least as new as the inputs.
//
// Thread-safe.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "nokv/snapshot.h"
#include "nokv/stats.h"

#include "base/clock.h"
#include "base/mutex.h"
#include "key/entry.h"

namespace nokv::db {

class SnapshotList {
 public:
  explicit SnapshotList(base::Clock* clock) : clock_(clock) {}

  // `visible` is asked for the sequence number inside the critical section.
  Snapshot Take(const std::function<key::SequenceNumber()>& visible) {
    const base::MutexLock lock(&mu_);
    const key::SequenceNumber seq = visible();
    Held& held = live_[seq];
    if (held.count++ == 0) held.since_micros = clock_->NowMicros();
    ++count_;
    return Snapshot(std::make_unique<Entry>(this, seq));
  }

  // Distinct, ascending.
  std::vector<key::SequenceNumber> Sequences() const {
    const base::MutexLock lock(&mu_);
    std::vector<key::SequenceNumber> sequences;
    sequences.reserve(live_.size());
    for (const auto& [seq, held] : live_) sequences.push_back(seq);
    return sequences;
  }
  // kMaxSequence if there is none.
  key::SequenceNumber Oldest() const {
    const base::MutexLock lock(&mu_);
    return live_.empty() ? key::kMaxSequence : live_.begin()->first;
  }

  std::vector<Stats::Reader> List() const {
    const base::MutexLock lock(&mu_);
    std::vector<Stats::Reader> list;
    for (const auto& [seq, held] : live_) {
      Stats::Reader reader;
      reader.kind = "snapshot";
      reader.sequence = seq;
      reader.age_ms = (clock_->NowMicros() - held.since_micros) / 1000;
      list.push_back(std::move(reader));
    }
    return list;
  }

  struct Summary {
    uint64_t count = 0;
    key::SequenceNumber oldest = 0;
    uint64_t oldest_age_ms = 0;
  };
  Summary Summarise() const {
    const base::MutexLock lock(&mu_);
    if (live_.empty()) return {};
    const auto& [seq, held] = *live_.begin();
    return {count_, seq, (clock_->NowMicros() - held.since_micros) / 1000};
  }

 private:
  struct Held {
    uint64_t count = 0;
    uint64_t since_micros = 0;
  };
  class Entry final : public Snapshot::Registration {
   public:
    Entry(SnapshotList* list, key::SequenceNumber seq) : list_(list), seq_(seq) {}
    ~Entry() override { list_->Release(seq_); }
    uint64_t sequence() const override { return seq_; }

   private:
    SnapshotList* const list_;
    const key::SequenceNumber seq_;
  };

  void Release(key::SequenceNumber seq) {
    const base::MutexLock lock(&mu_);
    const auto found = live_.find(seq);
    if (--found->second.count == 0) live_.erase(found);
    --count_;
  }

  base::Clock* const clock_;
  mutable base::Mutex mu_;
  std::map<key::SequenceNumber, Held> live_ NOKV_GUARDED_BY(mu_);
  uint64_t count_ NOKV_GUARDED_BY(mu_) = 0;
};

}  // namespace nokv::db
