#pragma once

// ReaderRegistry: who holds on to an old view of the database, since when, and what that costs (law 7).
//
// Iterators register for as long as they live. What a reader holds back is what would be gone without it:
// the tables of its version and the memtables of its view that the current view does not have any more.
// Thread-safe.

#include <algorithm>
#include <cstdint>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "nokv/stats.h"

#include "base/clock.h"
#include "base/mutex.h"
#include "db/read_view.h"
#include "key/entry.h"

namespace nokv::db {

class ReaderRegistry {
  struct Reader {
    std::string label;
    key::SequenceNumber sequence;
    uint64_t since_micros;
    const ReadView* view;
  };

 public:
  explicit ReaderRegistry(base::Clock* clock) : clock_(clock) {}

  // Registered until it ends. Move-only; the registry outlives it.
  class Entry {
   public:
    Entry() = default;
    Entry(Entry&& other) noexcept
        : registry_(std::exchange(other.registry_, nullptr)), reader_(other.reader_) {}
    Entry& operator=(Entry&&) = delete;
    ~Entry() {
      if (registry_ != nullptr) registry_->Remove(reader_);
    }

   private:
    friend class ReaderRegistry;
    Entry(ReaderRegistry* registry, std::list<Reader>::iterator reader)
        : registry_(registry), reader_(reader) {}
    ReaderRegistry* registry_ = nullptr;
    std::list<Reader>::iterator reader_;
  };

  // REQUIRES: `view` is pinned longer than the entry lives.
  Entry Add(Slice label, key::SequenceNumber sequence, const ReadView* view) {
    const base::MutexLock lock(&mu_);
    readers_.push_front({std::string(label), sequence, clock_->NowMicros(), view});
    return {this, readers_.begin()};
  }

  // Oldest first.
  std::vector<Stats::Reader> List(const ReadView& current) const {
    const base::MutexLock lock(&mu_);
    std::vector<Stats::Reader> list;
    const uint64_t now = clock_->NowMicros();
    for (auto reader = readers_.rbegin(); reader != readers_.rend(); ++reader) {
      list.push_back({.kind = "iterator",
                      .label = reader->label,
                      .sequence = reader->sequence,
                      .age_ms = (now - reader->since_micros) / 1000,
                      .held_bytes = HeldBytes(*reader->view, current)});
    }
    return list;
  }

 private:
  void Remove(std::list<Reader>::iterator reader) {
    const base::MutexLock lock(&mu_);
    readers_.erase(reader);
  }

  static uint64_t HeldBytes(const ReadView& view, const ReadView& current) {
    uint64_t bytes = 0;
    for (const MemtableRef& memtable : view.memtables) {
      if (std::find(current.memtables.begin(), current.memtables.end(), memtable) ==
          current.memtables.end()) {
        bytes += memtable->memory_bytes();
      }
    }
    if (view.version == current.version) return bytes;
    std::vector<const lsm::Table*> present = current.version->Tables();
    std::sort(present.begin(), present.end());
    for (const lsm::Table* table : view.version->Tables()) {
      if (!std::binary_search(present.begin(), present.end(), table)) bytes += table->meta().bytes;
    }
    return bytes;
  }

  base::Clock* const clock_;
  mutable base::Mutex mu_;
  std::list<Reader> readers_ NOKV_GUARDED_BY(mu_);  // newest first
};

}  // namespace nokv::db
