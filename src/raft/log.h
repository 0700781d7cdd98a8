#pragma once

// RaftLog: one sequence of entries, of which the front is in storage and the rest is not yet.
//
// Threading: confined to the owner of the group.
//
// Invariants:
// (1) applied <= applying <= committed <= last index.
// (2) Unstable entries are contiguous from offset(); offset() <= in_progress() <= end.
// (3) committed never falls and nothing at or below it is ever replaced (state machine safety,
//     paper figure 3).
// (4) While a snapshot waits to be written, nothing is handed out to be applied.
//
// Unstable keeps entries until storage says they are durable *and* no write under way can still
// overwrite them (see Raft::StorageAppended).

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "raft/storage.h"
#include "raft/types.h"

namespace nokv::raft {

class Trace;

// The tail that is not known to be durable: possibly a snapshot, then entries.
class Unstable {
 public:
  explicit Unstable(Index offset) : offset_(offset), in_progress_(offset) {}

  Index offset() const { return offset_; }
  Index in_progress() const { return in_progress_; }
  Index end() const { return offset_ + size(); }
  size_t size() const { return entries_.size() - dropped_; }
  std::span<const Entry> entries() const { return {entries_.data() + dropped_, size()}; }
  const SnapshotRef& snapshot() const { return snapshot_; }
  bool snapshot_in_progress() const { return snapshot_in_progress_; }

  std::optional<Index> FirstIndex() const;
  std::optional<Index> LastIndex() const;
  std::optional<Term> TermAt(Index index) const;
  // REQUIRES: offset() <= lo <= hi <= end().
  std::span<const Entry> Slice(Index lo, Index hi) const;

  // What no Ready has handed out yet.
  std::span<const Entry> NextEntries() const { return Slice(in_progress_, end()); }
  bool HasNextSnapshot() const { return snapshot_ != nullptr && !snapshot_in_progress_; }
  // Everything has been handed out to be written.
  void AcceptInProgress();

  // Entries up to `id` are durable, if they are still the ones meant.
  void StableTo(EntryId id, const Trace& trace);
  void StableSnapshotTo(Index index);
  void Restore(SnapshotRef snapshot);
  // Appends, after dropping what stands at or after the first of `entries`. Not empty.
  void TruncateAndAppend(std::span<const Entry> entries, const Trace& trace);

 private:
  void Drop(size_t count);

  SnapshotRef snapshot_;
  // The first dropped_ slots are empty: entries leave the front without moving the rest.
  std::vector<Entry> entries_;
  size_t dropped_ = 0;
  Index offset_;
  // Entries before it have been handed out to be written.
  Index in_progress_;
  bool snapshot_in_progress_ = false;
};

// An append as a message describes it.
struct AppendSlice {
  EntryId previous;
  std::span<const Entry> entries;
  Index last() const { return previous.index + entries.size(); }
  // Contiguous after `previous`, terms not falling and not above `term`: what a leader of `term`
  // can have sent. Bytes from elsewhere are judged by this before anything else happens.
  bool Valid(Term term) const;
};

class RaftLog {
 public:
  // `storage` is borrowed for the life of the log.
  RaftLog(Storage* storage, uint64_t applying_bytes_max);

  Index FirstIndex() const;
  Index LastIndex() const;
  EntryId LastId() const;
  // Nothing when compacted or beyond the end.
  std::optional<Term> TermAt(Index index) const;
  // As printed: zero when unknown.
  Term TermOrZero(Index index) const { return TermAt(index).value_or(Term()); }
  bool Matches(EntryId id) const { return TermAt(id.index) == id.term; }
  // Election restriction (paper, section 5.4.1).
  bool IsUpToDate(EntryId candidate_last) const;
  // The largest position at or before `index` whose term is at most `term`, and that term; a
  // position whose term is unknown counts, with term zero.
  EntryId FindConflictByTerm(Index index, Term term) const;

  enum class AppendResult : uint8_t {
    kAppended,
    kMismatch,  // what precedes the entries is not in this log
    kConflictsWithCommitted,
  };
  // The receiver's half of log matching; moves commit to min(commit, slice.last()).
  AppendResult MaybeAppend(const AppendSlice& slice, Index commit, const Trace& trace);
  // The leader's own entries. REQUIRES: they follow the last index.
  void Append(std::span<const Entry> entries, const Trace& trace);
  // REQUIRES: index <= LastIndex().
  void CommitTo(Index index);
  // Commits `id` if it is ahead and of the term it says (paper, section 5.4.2).
  bool MaybeCommit(EntryId id);
  void Restore(SnapshotRef snapshot);

  // Appends to `out` entries from `lo` on, as CountWithin says. False when `lo` is compacted.
  bool Read(Index lo, Index hi, uint64_t size_max, std::vector<Entry>* out) const;
  bool ReadFrom(Index lo, uint64_t size_max, std::vector<Entry>* out) const;

  // Up to where entries may be handed out; unstable ones only if `allow_unstable`.
  bool HasNextCommitted(bool allow_unstable) const;
  void NextCommitted(bool allow_unstable, std::vector<Entry>* out) const;
  // They were handed out; `bytes` is their EncodedSize.
  void AcceptApplying(Index last, uint64_t bytes, bool allow_unstable);
  // They are applied. REQUIRES: applied() <= index <= committed().
  void AppliedTo(Index index, uint64_t bytes);

  Index committed() const { return committed_; }
  Index applying() const { return applying_; }
  Index applied() const { return applied_; }
  uint64_t applying_bytes_max() const { return applying_bytes_max_; }
  bool applying_paused() const { return applying_paused_; }
  // Only for bootstrap and for a state loaded from storage.
  void set_committed(Index index) { committed_ = index; }
  Unstable& unstable() { return unstable_; }
  const Unstable& unstable() const { return unstable_; }
  Storage& storage() const { return *storage_; }

 private:
  Index AppliableTo(bool allow_unstable) const;
  // The position of the first of `entries` that this log does not hold, or nothing.
  std::optional<size_t> FindConflict(std::span<const Entry> entries, const Trace& trace) const;

  Storage* const storage_;
  Unstable unstable_;
  Index committed_;
  Index applying_;
  Index applied_;
  // The quota: bytes handed out and not reported back.
  const uint64_t applying_bytes_max_;
  uint64_t applying_bytes_ = 0;
  bool applying_paused_ = false;
};

}  // namespace nokv::raft
