#include "vfs/memory_namespace.h"

#include <algorithm>
#include <cerrno>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/check.h"

namespace nokv::vfs::memory {

namespace {

using Assignments = std::vector<NameOperation::Assignment>;

void Assign(const Assignments& assignments, Entries* entries) {
  for (const auto& [name, inode] : assignments) {
    if (inode == nullptr) {
      entries->erase(name);
    } else {
      (*entries)[name] = inode;
    }
  }
}

// Calls visit(inode) once for every inode that `root` reaches: by current names only, or by durable
// and pending ones too. In an order that depends on names and numbers only.
template <typename Visit>
void VisitReachable(const InodePtr& root, bool durable_too, const Visit& visit) {
  std::unordered_set<const Inode*> seen;
  std::vector<const Inode*> todo;
  const auto reach = [&](const InodePtr& inode) {
    if (inode != nullptr && seen.insert(inode.get()).second) todo.push_back(inode.get());
  };
  reach(root);
  while (!todo.empty()) {
    const Inode* inode = todo.back();
    todo.pop_back();
    visit(*inode);
    for (const auto& [name, child] : inode->entries)
      reach(child);
    if (!durable_too) continue;
    for (const auto& [name, child] : inode->durable_entries)
      reach(child);
    for (const NameOperation& operation : inode->pending) {
      for (const auto& assignment : operation.assignments)
        reach(assignment.inode);
    }
  }
}

bool Touches(const NameOperation& operation, const std::set<std::string>& names) {
  return std::any_of(operation.assignments.begin(), operation.assignments.end(),
                     [&](const auto& each) { return names.contains(each.name); });
}

void AddNames(const NameOperation& operation, std::set<std::string>* names) {
  for (const auto& [name, inode] : operation.assignments)
    names->insert(name);
}

// Chooses the pending operations that survive, over all directories, by (1), (2) and (4).
std::unordered_set<uint64_t> ChooseOperations(const InodePtr& root, base::Random* random) {
  std::map<uint64_t, std::pair<const Inode*, const NameOperation*>> pending;
  VisitReachable(root, true, [&](const Inode& inode) {
    for (const NameOperation& each : inode.pending)
      pending[each.number] = {&inode, &each};
  });
  // A journal keeps a front of them; anything else is what POSIX does not rule out.
  const uint64_t manner = random->Uniform(4);
  const size_t border = random->Uniform(pending.size() + 1);
  std::unordered_set<uint64_t> chosen;
  std::unordered_map<const Inode*, std::set<std::string>> names_left_behind;
  size_t position = 0;
  for (const auto& [number, where] : pending) {
    const auto& [directory, operation] = where;
    bool survives = manner == 0   ? position < border
                    : manner == 1 ? position >= border
                    : manner == 2 ? random->OneIn(2)
                                  : !random->OneIn(4);
    const uint64_t required = operation->requires_number;
    if (required != 0 && pending.contains(required) && !chosen.contains(required)) survives = false;
    if (Touches(*operation, names_left_behind[directory])) survives = false;
    if (survives) {
      chosen.insert(number);
    } else {
      AddNames(*operation, &names_left_behind[directory]);
    }
    ++position;
  }
  return chosen;
}

// Copies a tree as a power loss leaves it.
class SurvivorBuilder {
 public:
  SurvivorBuilder(Survivors names, Survivors data, base::Random* random, const InodePtr& root)
      : names_(names), data_(data), random_(random) {
    if (names_ == Survivors::kRandom) chosen_ = ChooseOperations(root, random_);
  }

  InodePtr Copy(const Inode& from) {
    InodePtr& copy = copies_[&from];
    if (copy != nullptr) return copy;
    copy = std::make_shared<Inode>(from.is_directory);
    if (!from.is_directory) {
      copy->data = SurvivorOf(from.data);
      return copy;
    }
    for (const auto& [name, child] : EntriesOf(from)) {
      const InodePtr child_copy = Copy(*child);
      ++child_copy->link_count;
      copy->entries.emplace_hint(copy->entries.end(), name, child_copy);
    }
    copy->durable_entries = copy->entries;
    return copy;
  }

 private:
  FileData SurvivorOf(const FileData& data) const {
    switch (data_) {
      case Survivors::kDurable:
        return data.SurvivorDurable();
      case Survivors::kAll:
        return data.SurvivorAll();
      case Survivors::kRandom:
        return data.SurvivorRandom(random_);
    }
    return {};
  }

  Entries EntriesOf(const Inode& directory) const {
    if (names_ == Survivors::kAll || directory.pending.empty()) return directory.entries;
    Entries entries = directory.durable_entries;
    for (const NameOperation& operation : directory.pending) {
      if (chosen_.contains(operation.number)) Assign(operation.assignments, &entries);
    }
    return entries;
  }

  const Survivors names_;
  const Survivors data_;
  base::Random* const random_;
  std::unordered_set<uint64_t> chosen_;
  std::unordered_map<const Inode*, InodePtr> copies_;
};

}  // namespace

Namespace::Namespace() : root_(std::make_shared<Inode>(true)) {
  root_->link_count = 1;
}

int Namespace::Locate(const std::string& path, Place* place) const {
  *place = {root_, "", root_};
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty() || part == ".") continue;
    if (place->inode == nullptr) return ENOENT;
    if (!place->inode->is_directory) return ENOTDIR;
    const InodePtr directory = place->inode;
    const auto entry = directory->entries.find(part);
    *place = {directory, part, entry == directory->entries.end() ? nullptr : entry->second};
  }
  return 0;
}

InodePtr Namespace::AddFile(const Place& place) {
  auto inode = std::make_shared<Inode>(false);
  AddLink(place, inode);
  return inode;
}

InodePtr Namespace::AddDirectory(const Place& place) {
  auto inode = std::make_shared<Inode>(true);
  AddLink(place, inode);
  return inode;
}

void Namespace::AddLink(const Place& place, const InodePtr& inode) {
  NOKV_CHECK(place.inode == nullptr);
  NOKV_CHECK(!place.name.empty());
  ++inode->link_count;
  Apply(place, {{place.name, inode}});
}

void Namespace::Remove(const Place& place) {
  NOKV_CHECK(place.inode != nullptr);
  NOKV_CHECK(place.inode->entries.empty());
  NOKV_CHECK(!place.name.empty());
  --place.inode->link_count;
  Apply(place, {{place.name, nullptr}});
}

int Namespace::Rename(const Place& from, const Place& to, InodePtr* displaced) {
  displaced->reset();
  if (from.inode == nullptr) return ENOENT;
  if (from.name.empty() || to.name.empty()) return EBUSY;
  if (from.inode == to.inode) return 0;  // Two names of one file both stay: POSIX.
  if (from.inode->is_directory && from.directory != to.directory) return EXDEV;
  if (to.inode != nullptr) {
    if (to.inode->is_directory && !from.inode->is_directory) return EISDIR;
    if (!to.inode->is_directory && from.inode->is_directory) return ENOTDIR;
    if (!to.inode->entries.empty()) return ENOTEMPTY;
    --to.inode->link_count;
    *displaced = to.inode;
  }
  if (from.directory == to.directory) {
    Apply(to, {{to.name, from.inode}, {from.name, nullptr}});
    return 0;
  }
  Apply(to, {{to.name, from.inode}});
  Apply(from, {{from.name, nullptr}});
  NameOperation& source_side = from.directory->pending.back();
  source_side.requires_number = to.directory->pending.back().number;
  source_side.requires_directory = to.directory;
  return 0;
}

void Namespace::SyncDirectory(Inode* directory) {
  for (const NameOperation& operation : directory->pending)
    MakeDurable(operation, directory);
  directory->pending.clear();
}

void Namespace::Apply(const Place& place, Assignments assignments) {
  Assign(assignments, &place.directory->entries);
  place.directory->pending.push_back({++operations_, std::move(assignments), 0, {}});
}

void Namespace::MakeDurable(const NameOperation& operation, Inode* directory) {
  if (const InodePtr target = operation.requires_directory.lock(); target != nullptr) {
    MakeDurableAlone(operation.requires_number, target.get());
  }
  Assign(operation.assignments, &directory->durable_entries);
}

void Namespace::MakeDurableAlone(uint64_t number, Inode* directory) {
  auto& pending = directory->pending;
  const auto last = std::find_if(pending.begin(), pending.end(),
                                 [&](const auto& each) { return each.number == number; });
  if (last == pending.end()) return;
  // Backwards, for each operation found to belong to it adds names.
  std::set<std::string> names;
  std::vector<NameOperation> found;
  AddNames(*last, &names);
  for (auto each = last + 1; each-- != pending.begin();) {
    if (!Touches(*each, names)) continue;
    AddNames(*each, &names);
    found.insert(found.begin(), *each);
  }
  std::erase_if(pending, [&](const auto& each) {
    return std::any_of(found.begin(), found.end(),
                       [&](const auto& one) { return one.number == each.number; });
  });
  for (const NameOperation& each : found)
    MakeDurable(each, directory);
}

Namespace Namespace::Duplicate() const {
  std::unordered_map<const Inode*, InodePtr> copies;
  VisitReachable(root_, true, [&](const Inode& inode) {
    auto copy = std::make_shared<Inode>(inode.is_directory);
    copy->data = inode.data.Duplicate();
    copy->link_count = inode.link_count;
    copies.emplace(&inode, std::move(copy));
  });
  const auto copy_of = [&](const InodePtr& inode) {
    return inode == nullptr ? nullptr : copies.at(inode.get());
  };
  for (const auto& [inode, copy] : copies) {
    for (const auto& [name, child] : inode->entries)
      copy->entries[name] = copy_of(child);
    for (const auto& [name, child] : inode->durable_entries) {
      copy->durable_entries[name] = copy_of(child);
    }
    copy->pending = inode->pending;
    for (NameOperation& operation : copy->pending) {
      for (auto& assignment : operation.assignments)
        assignment.inode = copy_of(assignment.inode);
      const auto target = copies.find(operation.requires_directory.lock().get());
      operation.requires_directory = target == copies.end() ? nullptr : target->second;
    }
  }
  Namespace duplicate(copies.at(root_.get()));
  duplicate.operations_ = operations_;
  return duplicate;
}

Namespace Namespace::Survivor(Survivors names, Survivors data, base::Random* random) const {
  SurvivorBuilder builder(names, data, random, root_);
  Namespace survivor(builder.Copy(*root_));
  survivor.root_->link_count = 1;
  return survivor;
}

uint64_t Namespace::AllocatedBytes() const {
  uint64_t bytes = 0;
  VisitReachable(root_, false,
                 [&](const Inode& inode) { bytes += memory::AllocatedBytes(inode.data.size()); });
  return bytes;
}

}  // namespace nokv::vfs::memory
