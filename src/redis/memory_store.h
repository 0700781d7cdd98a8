#pragma once

// MemoryStore: a Store over std::map, for tests and for comparing with.
//
// It keeps no promise of durability; Commit and Sync can be made to fail. Externally synchronised.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "redis/store.h"

namespace nokv::redis::testing {

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(base::Clock* clock) : clock_(clock) {}

  size_t key_bytes_max() const override { return 64 << 10; }

  Status Get(Slice key, PinnableValue* value) override {
    if (key.size() > key_bytes_max()) return TooLong();
    const Entry* entry = Find(key);
    if (entry == nullptr) return Status::NotFound("");
    value->SetCopy(entry->value, entry->expires_at_ms);
    return Status::Ok();
  }
  void MultiGet(std::span<const Slice> keys,
                std::span<PinnableValue> values,
                std::span<Status> statuses) override {
    for (size_t i = 0; i < keys.size(); ++i) statuses[i] = Get(keys[i], &values[i]);
  }
  void Prefetch(std::span<const Slice> /*keys*/) override {}
  Status Write(std::span<const Mutation> mutations) override {
    if (!write_error_.ok()) return write_error_;
    for (const Mutation& mutation : mutations) {
      if (mutation.key.size() > key_bytes_max()) return TooLong();
    }
    for (const Mutation& mutation : mutations) {
      if (mutation.kind == Mutation::Kind::kDelete) {
        const auto found = entries_.find(mutation.key);
        if (found != entries_.end()) entries_.erase(found);
      } else {
        entries_[std::string(mutation.key)] = {std::string(mutation.value), mutation.expires_at_ms};
      }
    }
    ++writes_;
    return Status::Ok();
  }
  Status Update(std::span<const Slice> keys, Need need, UpdateFunction function) override {
    std::vector<Found> found;
    for (const Slice key : keys) {
      if (key.size() > key_bytes_max()) return TooLong();
      const Entry* entry = Find(key);
      found.push_back(entry == nullptr
                          ? Found{}
                          : Found{true, need == Need::kValues ? Slice(entry->value) : Slice(),
                                  entry->expires_at_ms});
    }
    std::vector<Mutation> mutations;
    function(found, &mutations);
    return mutations.empty() ? Status::Ok() : Write(mutations);
  }
  Status Clear() override {
    entries_.clear();
    return Status::Ok();
  }
  Status VisitKeys(Slice from, KeyVisitor visit) override {
    for (auto at = entries_.lower_bound(from); at != entries_.end(); ++at) {
      if (IsLive(at->second) && !visit(at->first, at->second.expires_at_ms)) break;
    }
    return Status::Ok();
  }
  Status RandomKey(base::Random* random, std::string* key) override {
    const uint64_t live = Count()->keys;
    if (live == 0) return Status::NotFound("");
    uint64_t skip = random->Uniform(live);
    return VisitKeys("", [&](Slice at, uint64_t) {
      key->assign(at);
      return skip-- > 0;
    });
  }
  Result<KeyCounts> Count() override {
    if (busy_counts_ > 0) {
      --busy_counts_;
      return Status::Busy("counting");
    }
    KeyCounts counts;
    for (const auto& [key, entry] : entries_) {
      if (!IsLive(entry)) continue;
      ++counts.keys;
      if (entry.expires_at_ms != 0) ++counts.expiring;
    }
    return counts;
  }
  uint64_t ExpiredKeys() override {
    uint64_t expired = 0;
    for (const auto& [key, entry] : entries_) expired += IsLive(entry) ? 0U : 1U;
    return expired;
  }
  Status Commit(Durability) override {
    ++commits_;
    return commit_error_;
  }
  Status Sync() override { return Status::Ok(); }

  void set_write_error(Status error) { write_error_ = std::move(error); }
  void set_commit_error(Status error) { commit_error_ = std::move(error); }
  // The next `calls` of Count say that they are not through.
  void set_busy_counts(int calls) { busy_counts_ = calls; }
  uint64_t writes() const { return writes_; }
  uint64_t commits() const { return commits_; }

 private:
  struct Entry {
    std::string value;
    uint64_t expires_at_ms = 0;
  };

  Status TooLong() const {
    return Status::LimitExceeded("key is longer than " + std::to_string(key_bytes_max()) +
                                 " bytes");
  }
  bool IsLive(const Entry& entry) const {
    return entry.expires_at_ms == 0 || entry.expires_at_ms > clock_->WallMillis();
  }
  const Entry* Find(Slice key) const {
    const auto found = entries_.find(key);
    return found == entries_.end() || !IsLive(found->second) ? nullptr : &found->second;
  }

  base::Clock* const clock_;
  std::map<std::string, Entry, std::less<>> entries_;
  Status write_error_;
  Status commit_error_;
  int busy_counts_ = 0;
  uint64_t writes_ = 0;
  uint64_t commits_ = 0;
};

}  // namespace nokv::redis::testing
