// The bound: hash maps in memory, one for each of 64 shards, behind spin locks. No order, no durability, no limit of
// memory: what a store costs that does nothing but remember.

#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <unordered_map>

#include "engine.h"

namespace nokv::bench {
namespace {

class Shard {
 public:
  void Put(std::string_view key, std::string_view value) {
    const Locked locked(&busy_);
    const auto it = map_.find(key);
    if (it != map_.end()) {
      it->second.assign(value);
    } else {
      map_.emplace(key, value);
    }
  }
  bool Get(std::string_view key, std::string* value) {
    const Locked locked(&busy_);
    const auto it = map_.find(key);
    if (it == map_.end()) return false;
    value->assign(it->second);
    return true;
  }

 private:
  class Locked {
   public:
    explicit Locked(std::atomic_flag* busy) : busy_(busy) {
      while (busy_->test_and_set(std::memory_order_acquire)) {
      }
    }
    ~Locked() { busy_->clear(std::memory_order_release); }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

   private:
    std::atomic_flag* const busy_;
  };
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  alignas(64) std::atomic_flag busy_;
  std::unordered_map<std::string, std::string, TextHash, std::equal_to<>> map_;
};

class Hash final : public Engine {
 public:
  std::unique_ptr<Session> NewSession() override { return std::make_unique<HashSession>(this); }

 private:
  class HashSession final : public Session {
   public:
    explicit HashSession(Hash* hash) : hash_(hash) {}
    Status Put(std::string_view key, std::string_view value) override {
      hash_->ShardOf(key)->Put(key, value);
      return {};
    }
    Status Get(std::string_view key, std::string_view* value) override {
      if (!hash_->ShardOf(key)->Get(key, &value_)) return Status::NotFound("no such key");
      *value = value_;
      return {};
    }
    Status Scan(std::string_view, size_t, ScanReader*, size_t*) override {
      return Status::NotSupported("a hash map has no order");
    }

   private:
    Hash* const hash_;
    std::string value_;
  };

  Shard* ShardOf(std::string_view key) {
    return &shards_[(std::hash<std::string_view>()(key) >> 48) % shards_.size()];
  }

  std::array<Shard, 64> shards_;
};

}  // namespace

EngineKind HashEngine() {
  return {.name = "hash",
          .about = "64 hash maps in memory behind spin locks: no order, no durability, no limit of memory",
          .scans = false,
          .open = [](const EngineOptions&) -> Result<std::unique_ptr<Engine>> {
            return std::unique_ptr<Engine>(std::make_unique<Hash>());
          }};
}

}  // namespace nokv::bench
