#pragma once

// Families: the column families of an open database, by name and by id.
//
// A family object is never freed while the database is open: a caller may still hold a dropped one, and
// gets kInvalidArgument for it. Thread-safe.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "nokv/column_family.h"
#include "nokv/result.h"
#include "nokv/status.h"

#include "base/mutex.h"
#include "key/family.h"

namespace nokv::db {

class Families {
 public:
  // The three that always exist.
  Families() {
    Add("default", key::kDefaultFamily);
    Add("lock", key::kLockFamily);
    Add("write", key::kWriteFamily);
  }

  ColumnFamily* Add(std::string name, key::FamilyId id) {
    const base::MutexLock lock(&mu_);
    auto family = std::make_unique<ColumnFamily>(std::move(name), id);
    ColumnFamily* const result = family.get();
    by_id_[id] = result;
    owned_.push_back(std::move(family));
    return result;
  }
  void Remove(key::FamilyId id) {
    const base::MutexLock lock(&mu_);
    by_id_.erase(id);
  }
  ColumnFamily* Find(Slice name) const {
    const base::MutexLock lock(&mu_);
    for (const auto& [id, family] : by_id_) {
      if (family->name() == name) return family;
    }
    return nullptr;
  }
  ColumnFamily* FindById(key::FamilyId id) const {
    const base::MutexLock lock(&mu_);
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second;
  }
  std::vector<ColumnFamily*> List() const {
    const base::MutexLock lock(&mu_);
    std::vector<ColumnFamily*> list;
    for (const auto& [id, family] : by_id_) list.push_back(family);
    return list;
  }

  // The built-in families are alive without a look.
  Status CheckAlive(key::FamilyId id) const {
    if (id < key::kFirstUserFamily) return Status::Ok();
    if (FindById(id) != nullptr) return Status::Ok();
    return Status::InvalidArgument("column family " + std::to_string(id) + " was dropped");
  }

 private:
  mutable base::Mutex mu_;
  std::map<key::FamilyId, ColumnFamily*> by_id_ NOKV_GUARDED_BY(mu_);
  std::vector<std::unique_ptr<ColumnFamily>> owned_ NOKV_GUARDED_BY(mu_);
};

}  // namespace nokv::db
