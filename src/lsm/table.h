#pragma once

// Table: one table file that a version refers to.
//
// Versions share their tables: a table stays open, and its file on disk, as long as any version that
// somebody reads still holds it. That is why it is held by shared_ptr: the last reader to let go, in
// whichever thread, closes it, and if the manifest has forgotten it by then, hands its file to the
// purger (law 6: no file is removed before the manifest that forgets it is durable and no reader holds
// it). Thread-safe.

#include <atomic>
#include <cstdint>
#include <memory>

#include "cache/memory_budget.h"
#include "lsm/purger.h"
#include "manifest/version_edit.h"
#include "sst/table_reader.h"

namespace nokv::lsm {

class Table {
 public:
  // `budget` accounts for the index and filter; may be null.
  Table(manifest::FileMeta meta,
        std::unique_ptr<sst::TableReader> reader,
        FilePurger* purger,
        cache::MemoryBudget::Consumer* budget)
      : meta_(std::move(meta)),
        reader_(std::move(reader)),
        purger_(purger),
        budget_(budget),
        memory_bytes_(reader_->memory_bytes()) {
    if (budget_ != nullptr) budget_->Reserve(memory_bytes_);
  }
  ~Table() {
    if (budget_ != nullptr) budget_->Release(memory_bytes_);
    if (!obsolete_.load(std::memory_order_acquire)) return;
    reader_.reset();
    purger_->Purge(meta_.number);
  }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  const manifest::FileMeta& meta() const { return meta_; }
  const sst::TableReader& reader() const { return *reader_; }
  key::KeyRange range() const { return {meta_.begin, meta_.end}; }

  // The durable manifest does not name this file any more: it goes with its last reader.
  void MarkObsolete() { obsolete_.store(true, std::memory_order_release); }

 private:
  const manifest::FileMeta meta_;
  std::unique_ptr<sst::TableReader> reader_;
  FilePurger* const purger_;
  cache::MemoryBudget::Consumer* const budget_;
  const size_t memory_bytes_;
  std::atomic<bool> obsolete_{false};
};

using TableRef = std::shared_ptr<Table>;

}  // namespace nokv::lsm
