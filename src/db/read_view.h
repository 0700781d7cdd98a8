#pragma once

// ReadView: everything a read looks at, as one pointer.
//
// A view holds the memtables, newest first, and the version of the tree under them. It never changes;
// a memtable switch, a flush and a compaction each publish a new one. A point read borrows the current
// view under an epoch guard and counts nothing. Whoever needs it longer (an iterator, a pinned value)
// takes a counted Pin under such a guard.
//
// Thread-safe.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/epoch.h"
#include "base/mutex.h"
#include "lsm/version.h"
#include "memtable/memtable.h"

namespace nokv::db {

using MemtableRef = std::shared_ptr<memtable::Memtable>;

struct ReadView {
  std::vector<MemtableRef> memtables;  // newest first; shared with the flush that turns them into tables
  std::shared_ptr<const lsm::Version> version;

 private:
  friend class ReadViews;
  friend class ViewPin;
  mutable std::atomic<uint64_t> references{1};  // one for being current
};

// Keeps a view alive. Move-only.
class ViewPin {
 public:
  ViewPin() = default;
  ViewPin(ViewPin&& other) noexcept
      : view_(std::exchange(other.view_, nullptr)), count_(std::exchange(other.count_, nullptr)) {}
  ViewPin& operator=(ViewPin&& other) noexcept {
    std::swap(view_, other.view_);
    std::swap(count_, other.count_);
    return *this;
  }
  ~ViewPin() {
    if (view_ == nullptr) return;
    // Before the view goes, so that whoever sees no pins left may end what the view refers to.
    std::atomic<uint64_t>* const count = count_;
    Drop(view_);
    count->fetch_sub(1, std::memory_order_release);
  }
  explicit operator bool() const { return view_ != nullptr; }
  const ReadView& operator*() const { return *view_; }
  const ReadView* operator->() const { return view_; }

 private:
  friend class ReadViews;
  ViewPin(const ReadView* view, std::atomic<uint64_t>* count) : view_(view), count_(count) {
    view->references.fetch_add(1, std::memory_order_relaxed);
    count->fetch_add(1, std::memory_order_relaxed);
  }
  static void Drop(const ReadView* view) {
    // acq_rel: the last one to let go sees all uses by the others.
    if (view->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      std::unique_ptr<const ReadView>(view).reset();
    }
  }

  const ReadView* view_ = nullptr;
  std::atomic<uint64_t>* count_ = nullptr;
};

// The current view.
class ReadViews {
 public:
  explicit ReadViews(base::EpochDomain* epochs) : epochs_(epochs) {}
  // REQUIRES: no pin and no guard is left.
  ~ReadViews() { Clear(); }

  // The current view, valid as long as the caller's guard of the epoch domain.
  const ReadView* Borrow() const { return current_.load(std::memory_order_acquire); }
  // Empty if the views were cleared.
  ViewPin Pin() {
    const base::EpochDomain::Guard guard(epochs_);
    ReadView* const view = current_.load(std::memory_order_acquire);
    if (view == nullptr) return {};
    // The reference of being current is dropped only after this guard has ended.
    return {view, &pins_};
  }
  // A pin of what Borrow returned. REQUIRES: the guard of that Borrow is alive.
  ViewPin PinBorrowed(const ReadView* view) { return {view, &pins_}; }

  // Publishes what `change` makes of a copy of the current view. Changes are serialised.
  void Update(const std::function<void(ReadView*)>& change) {
    {
      const base::MutexLock lock(&mu_);
      auto next = std::make_unique<ReadView>();
      ReadView* const before = current_.load(std::memory_order_relaxed);
      if (before != nullptr) {
        next->memtables = before->memtables;
        next->version = before->version;
      }
      change(next.get());
      current_.store(next.release(), std::memory_order_release);
      if (before != nullptr) epochs_->RetireLater(before, &DropCurrent);
    }
    // Outside the lock: the last reference to a memtable or a table may end here.
    epochs_->Reclaim();
  }

  // Ends what was replaced and nobody reads any more.
  void Reclaim() { epochs_->Reclaim(); }

  uint64_t pins() const { return pins_.load(std::memory_order_acquire); }

  // Ends the current view; Borrow is null afterwards.
  void Clear() {
    ReadView* const last = current_.exchange(nullptr, std::memory_order_acq_rel);
    if (last != nullptr) epochs_->Retire(last, &DropCurrent);
    epochs_->Drain();
  }

 private:
  static void DropCurrent(void* view) { ViewPin::Drop(static_cast<ReadView*>(view)); }

  base::EpochDomain* const epochs_;
  base::Mutex mu_;
  std::atomic<ReadView*> current_{nullptr};
  std::atomic<uint64_t> pins_{0};
};

}  // namespace nokv::db
