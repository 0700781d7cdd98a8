#pragma once

// EngineModel: what the engine should answer, as simply as it can be said.
//
// A map from (family, key) to value and expiry. Copying it is taking a snapshot. Expired entries stay in
// the map and are hidden by Visible, because expiry is judged when a read happens.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace nokv::tests {

struct ModelValue {
  std::string value;
  uint64_t expires_at = 0;
  bool operator==(const ModelValue&) const = default;
  bool VisibleAt(uint64_t now_millis) const { return expires_at == 0 || expires_at > now_millis; }
};

class EngineModel {
 public:
  using Key = std::pair<uint32_t, std::string>;

  void Put(uint32_t family, const std::string& key, std::string value, uint64_t expires_at = 0) {
    entries_[{family, key}] = {std::move(value), expires_at};
  }
  void Delete(uint32_t family, const std::string& key) { entries_.erase({family, key}); }
  void DeleteRange(uint32_t family, const std::string& begin, const std::string& end) {
    if (begin >= end) return;
    entries_.erase(entries_.lower_bound({family, begin}), entries_.lower_bound({family, end}));
  }
  void DropFamily(uint32_t family) {
    entries_.erase(entries_.lower_bound({family, ""}), entries_.lower_bound({family + 1, ""}));
  }

  std::optional<std::string> Get(uint32_t family, const std::string& key, uint64_t now_millis) const {
    const auto found = entries_.find({family, key});
    if (found == entries_.end() || !found->second.VisibleAt(now_millis)) return std::nullopt;
    return found->second.value;
  }
  // What a scan of the family from `begin` (inclusive) to `end` (exclusive, empty for none) shows.
  std::vector<std::pair<std::string, std::string>> Scan(uint32_t family,
                                                        const std::string& begin,
                                                        const std::string& end,
                                                        uint64_t now_millis) const {
    std::vector<std::pair<std::string, std::string>> rows;
    for (auto it = entries_.lower_bound({family, begin}); it != entries_.end(); ++it) {
      if (it->first.first != family || (!end.empty() && it->first.second >= end)) break;
      if (it->second.VisibleAt(now_millis)) rows.emplace_back(it->first.second, it->second.value);
    }
    return rows;
  }
  const std::map<Key, ModelValue>& entries() const { return entries_; }

 private:
  std::map<Key, ModelValue> entries_;
};

}  // namespace nokv::tests
