#include "lsm/version.h"

#include <algorithm>
#include <string>
#include <utility>

namespace nokv::lsm {

Run::Run(int level, std::vector<TableRef> tables) : level_(level), tables_(std::move(tables)) {
  end_heads_.reserve(tables_.size());
  for (const TableRef& table : tables_) end_heads_.push_back(key::KeyHead(table->meta().end));
}

size_t Run::FirstEndingAfter(Slice key) const {
  const uint64_t head = key::KeyHead(key);
  size_t low = 0;
  size_t high = tables_.size();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    const bool ends_after = end_heads_[middle] != head ? end_heads_[middle] > head
                                                       : tables_[middle]->meta().end > key;
    if (ends_after) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

const Table* Run::Find(Slice key) const {
  const size_t i = FirstEndingAfter(key);
  if (i == tables_.size() || key < tables_[i]->meta().begin) return nullptr;
  return tables_[i].get();
}

Result<std::shared_ptr<const Version>> Version::Create(Levels levels) {
  std::shared_ptr<Version> version(new Version);
  version->levels_ = std::move(levels);
  version->ArrangeLevel0();
  for (size_t level = 0; level < version->levels_.size(); ++level) {
    auto& tables = version->levels_[level];
    for (const TableRef& table : tables) {
      version->level_bytes_[level] += table->meta().bytes;
      version->has_range_tombstones_ |= table->meta().range_deletes > 0;
    }
    if (level == 0 || tables.empty()) continue;
    std::sort(tables.begin(), tables.end(), [](const TableRef& a, const TableRef& b) {
      return a->meta().begin < b->meta().begin;
    });
    for (size_t i = 1; i < tables.size(); ++i) {
      if (tables[i - 1]->meta().end > tables[i]->meta().begin) {
        return Status::Corruption("level " + std::to_string(level) + ": tables " +
                                  std::to_string(tables[i - 1]->meta().number) + " and " +
                                  std::to_string(tables[i]->meta().number) + " overlap");
      }
    }
    version->runs_.emplace_back(static_cast<int>(level), tables);
  }
  return std::shared_ptr<const Version>(std::move(version));
}

void Version::ArrangeLevel0() {
  auto& tables = levels_[0];
  std::sort(tables.begin(), tables.end(), [](const TableRef& a, const TableRef& b) {
    if (a->meta().largest_seq != b->meta().largest_seq) {
      return a->meta().largest_seq > b->meta().largest_seq;
    }
    return a->meta().begin < b->meta().begin;
  });
  // From the oldest up: each table goes one sublevel above the highest older table that it overlaps.
  std::vector<std::vector<TableRef>> sublevels;
  for (auto table = tables.rbegin(); table != tables.rend(); ++table) {
    size_t sublevel = 0;
    for (size_t s = sublevels.size(); s > 0 && sublevel == 0; --s) {
      for (const TableRef& older : sublevels[s - 1]) {
        if (older->range().Overlaps((*table)->range())) {
          sublevel = s;
          break;
        }
      }
    }
    if (sublevel == sublevels.size()) sublevels.emplace_back();
    sublevels[sublevel].push_back(*table);
  }
  level0_runs_ = sublevels.size();
  for (auto run = sublevels.rbegin(); run != sublevels.rend(); ++run) {
    std::sort(run->begin(), run->end(), [](const TableRef& a, const TableRef& b) {
      return a->meta().begin < b->meta().begin;
    });
    runs_.emplace_back(0, std::move(*run));
  }
}

Status Version::Get(const Lookup& lookup,
                    key::SequenceNumber covering,
                    sst::GetResult* result,
                    bool* found) const {
  *found = false;
  for (const Run& run : runs_) {
    // A tombstone in a newer run hides whatever older runs hold of this key (2).
    if (covering != 0) return Status::Ok();
    const Table* table = run.Find(lookup.key);
    if (table == nullptr) continue;
    if (table->meta().range_deletes != 0) {
      covering = table->reader().NewestCovering(lookup.key, lookup.snapshot);
    }
    if (!table->reader().MayContain(lookup.hash)) continue;
    NOKV_TRY(table->reader().Get(lookup.key, lookup.hash, lookup.snapshot, lookup.options, result));
    if (!result->found) continue;
    *found = result->seq() > covering;
    return Status::Ok();
  }
  return Status::Ok();
}

std::vector<const Table*> Version::Tables() const {
  std::vector<const Table*> tables;
  for (const auto& level : levels_) {
    for (const TableRef& table : level) tables.push_back(table.get());
  }
  return tables;
}

TableRef Version::FindTable(int level, uint64_t number) const {
  const std::vector<TableRef>& tables = levels_[static_cast<size_t>(level)];
  const auto found = std::find_if(tables.begin(), tables.end(), [&](const TableRef& table) {
    return table->meta().number == number;
  });
  return found == tables.end() ? nullptr : *found;
}

bool Version::AnyBelow(int level, const key::KeyRange& range) const {
  for (const Run& run : runs_) {
    if (run.level() <= level) continue;
    const size_t i = run.FirstEndingAfter(range.begin);
    if (i < run.tables().size() && run.tables()[i]->meta().begin < range.end) return true;
  }
  return false;
}

}  // namespace nokv::lsm
