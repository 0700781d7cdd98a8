#include "raft/log.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/mutants.h"
#include "raft/trace.h"

namespace nokv::raft {

std::optional<Index> Unstable::FirstIndex() const {
  if (snapshot_ == nullptr) return std::nullopt;
  return snapshot_->id.index + 1;
}

std::optional<Index> Unstable::LastIndex() const {
  if (size() > 0) return end() - 1;
  if (snapshot_ != nullptr) return snapshot_->id.index;
  return std::nullopt;
}

std::optional<Term> Unstable::TermAt(Index index) const {
  if (index >= offset_) {
    if (index >= end()) return std::nullopt;
    return entries()[index - offset_].term;
  }
  if (snapshot_ != nullptr && snapshot_->id.index == index) return snapshot_->id.term;
  return std::nullopt;
}

std::span<const Entry> Unstable::Slice(Index lo, Index hi) const {
  NOKV_CHECK(offset_ <= lo && lo <= hi && hi <= end());
  return entries().subspan(lo - offset_, hi - lo);
}

void Unstable::AcceptInProgress() {
  in_progress_ = end();
  if (snapshot_ != nullptr) snapshot_in_progress_ = true;
}

void Unstable::Drop(size_t count) {
  for (size_t i = 0; i < count; ++i) entries_[dropped_ + i].data = Payload();
  dropped_ += count;
  if (dropped_ == entries_.size()) {
    // A burst must not pin its room for ever, nor may a steady stream allocate again and again.
    constexpr size_t kRoomKept = 1024;
    if (entries_.capacity() > kRoomKept) {
      entries_ = {};
    } else {
      entries_.clear();
    }
    dropped_ = 0;
  } else if (dropped_ > entries_.size() - dropped_) {
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(dropped_));
    dropped_ = 0;
  }
}

void Unstable::StableTo(EntryId id, const Trace& trace) {
  const std::optional<Term> term = TermAt(id.index);
  if (!term) {
    trace.Info("entry at index ", id.index, " missing from unstable log; ignoring");
    return;
  }
  if (id.index < offset_) {
    trace.Info("entry at index ", id.index, " matched unstable snapshot; ignoring");
    return;
  }
  if (*term != id.term) {
    // What was written has been replaced since; the write of the replacement is still to come.
    trace.Info("entry at (index,term)=(", id.index, ",", id.term, ") mismatched with entry at (",
               id.index, ",", *term, ") in unstable log; ignoring");
    return;
  }
  Drop(id.index + 1 - offset_);
  offset_ = id.index + 1;
  in_progress_ = std::max(in_progress_, offset_);
}

void Unstable::StableSnapshotTo(Index index) {
  if (snapshot_ == nullptr || snapshot_->id.index != index) return;
  snapshot_ = nullptr;
  snapshot_in_progress_ = false;
}

void Unstable::Restore(SnapshotRef snapshot) {
  Drop(size());
  offset_ = snapshot->id.index + 1;
  in_progress_ = offset_;
  snapshot_ = std::move(snapshot);
  snapshot_in_progress_ = false;
}

void Unstable::TruncateAndAppend(std::span<const Entry> entries, const Trace& trace) {
  const Index from = entries.front().index;
  if (from == end()) {
    // The usual case: nothing is replaced.
  } else if (from <= offset_) {
    trace.Info("replace the unstable entries from index ", from);
    Drop(size());
    offset_ = from;
    in_progress_ = from;
  } else {
    trace.Info("truncate the unstable entries before index ", from);
    entries_.resize(dropped_ + (from - offset_));
    in_progress_ = std::min(in_progress_, from);
  }
  entries_.insert(entries_.end(), entries.begin(), entries.end());
}

bool AppendSlice::Valid(Term term) const {
  EntryId before = previous;
  if (before.index > kIndexMax) return false;
  for (const Entry& entry : entries) {
    if (entry.index != before.index + 1 || entry.term < before.term) return false;
    if (entry.type > EntryType::kConfChangeV2) return false;
    before = entry.id();
  }
  return before.term <= term;
}

RaftLog::RaftLog(Storage* storage, uint64_t applying_bytes_max)
    : storage_(storage),
      unstable_(storage->LastIndex() + 1),
      committed_(storage->FirstIndex() - 1),
      applying_(committed_),
      applied_(committed_),
      applying_bytes_max_(applying_bytes_max) {}

Index RaftLog::FirstIndex() const {
  if (const std::optional<Index> index = unstable_.FirstIndex()) return *index;
  return storage_->FirstIndex();
}

Index RaftLog::LastIndex() const {
  if (const std::optional<Index> index = unstable_.LastIndex()) return *index;
  return storage_->LastIndex();
}

std::optional<Term> RaftLog::TermAt(Index index) const {
  if (const std::optional<Term> term = unstable_.TermAt(index)) return term;
  if (index + 1 < FirstIndex() || index > LastIndex()) return std::nullopt;
  return storage_->TermAt(index);
}

EntryId RaftLog::LastId() const {
  const Index index = LastIndex();
  const std::optional<Term> term = TermAt(index);
  NOKV_CHECK(term.has_value());
  return {*term, index};
}

bool RaftLog::IsUpToDate(EntryId candidate_last) const {
  if (Mutated(Mutant::kVoteForStaleLog)) return true;
  const EntryId own = LastId();
  return candidate_last.term > own.term ||
         (candidate_last.term == own.term && candidate_last.index >= own.index);
}

EntryId RaftLog::FindConflictByTerm(Index index, Term term) const {
  for (; index > Index(); index = index - 1) {
    const std::optional<Term> own = TermAt(index);
    if (!own) return {Term(), index};
    if (*own <= term) return {*own, index};
  }
  return {};
}

std::optional<size_t> RaftLog::FindConflict(std::span<const Entry> entries,
                                            const Trace& trace) const {
  for (size_t i = 0; i < entries.size(); ++i) {
    const EntryId id = entries[i].id();
    if (Matches(id)) continue;
    if (id.index <= LastIndex()) {
      if (Mutated(Mutant::kConflictNotReplaced)) continue;
      trace.Info("found conflict at index ", id.index, " [existing term: ", TermOrZero(id.index),
                 ", conflicting term: ", id.term, "]");
    }
    return i;
  }
  return std::nullopt;
}

RaftLog::AppendResult RaftLog::MaybeAppend(const AppendSlice& slice, Index commit,
                                           const Trace& trace) {
  const bool matches = Mutated(Mutant::kPrevTermNotChecked)
                           ? slice.previous.index <= LastIndex()
                           : Matches(slice.previous);
  if (!matches) return AppendResult::kMismatch;
  if (const std::optional<size_t> conflict = FindConflict(slice.entries, trace)) {
    const std::span<const Entry> fresh = slice.entries.subspan(*conflict);
    // Nobody who keeps the protocol sends this; the message is refused, not the process ended.
    if (fresh.front().index <= committed_) return AppendResult::kConflictsWithCommitted;
    unstable_.TruncateAndAppend(fresh, trace);
  }
  const Index known = Mutated(Mutant::kFollowerCommitNotClamped) ? LastIndex() : slice.last();
  CommitTo(std::min(commit, known));
  return AppendResult::kAppended;
}

void RaftLog::Append(std::span<const Entry> entries, const Trace& trace) {
  if (entries.empty()) return;
  NOKV_CHECK(entries.front().index > committed_);
  unstable_.TruncateAndAppend(entries, trace);
}

void RaftLog::CommitTo(Index index) {
  if (index <= committed_) return;
  NOKV_CHECK(index <= LastIndex());
  committed_ = index;
}

bool RaftLog::MaybeCommit(EntryId id) {
  if (id.index <= committed_ || id.term == Term()) return false;
  if (Mutated(Mutant::kCommitOlderTerm) ? id.index > LastIndex() : !Matches(id)) return false;
  CommitTo(id.index);
  return true;
}

void RaftLog::Restore(SnapshotRef snapshot) {
  committed_ = snapshot->id.index;
  unstable_.Restore(std::move(snapshot));
}

bool RaftLog::ReadFrom(Index lo, uint64_t size_max, std::vector<Entry>* out) const {
  const Index last = LastIndex();
  return lo > last || Read(lo, last + 1, size_max, out);
}

bool RaftLog::Read(Index lo, Index hi, uint64_t size_max, std::vector<Entry>* out) const {
  NOKV_CHECK(lo <= hi && hi <= LastIndex() + 1);
  if (lo < FirstIndex()) return false;
  if (lo == hi) return true;
  const auto add = [out](std::span<const Entry> entries) {
    out->insert(out->end(), entries.begin(), entries.end());
  };
  const Index offset = unstable_.offset();
  if (lo >= offset) {
    const std::span<const Entry> entries = unstable_.Slice(lo, hi);
    add(entries.first(CountWithin(entries, size_max)));
    return true;
  }
  const Index cut = std::min(hi, offset);
  const size_t before = out->size();
  if (!storage_->ReadEntries(lo, cut, size_max, out)) return false;
  const std::span<const Entry> read = std::span<const Entry>(*out).subspan(before);
  NOKV_CHECK(!read.empty() && read.front().index == lo);
  if (hi <= offset || read.size() < cut - lo) return true;
  const uint64_t size = size_max == kNoLimit ? 0 : EncodedSize(read);
  if (size >= size_max) return true;
  const std::span<const Entry> tail = unstable_.Slice(offset, hi);
  const uint64_t rest = size_max == kNoLimit ? kNoLimit : size_max - size;
  const size_t count = CountWithin(tail, rest);
  // CountWithin lets one entry pass whatever its size; here something was taken already.
  if (count == 1 && EncodedSize(tail.front()) > rest) return true;
  add(tail.first(count));
  return true;
}

Index RaftLog::AppliableTo(bool allow_unstable) const {
  if (allow_unstable || Mutated(Mutant::kApplyUnstable)) return committed_;
  return std::min(committed_, unstable_.offset() - 1);
}

bool RaftLog::HasNextCommitted(bool allow_unstable) const {
  if (applying_paused_ || unstable_.snapshot() != nullptr) return false;
  return applying_ < AppliableTo(allow_unstable);
}

void RaftLog::NextCommitted(bool allow_unstable, std::vector<Entry>* out) const {
  if (!HasNextCommitted(allow_unstable)) return;
  NOKV_CHECK(applying_bytes_ < applying_bytes_max_);
  const uint64_t quota = applying_bytes_max_ == kNoLimit || Mutated(Mutant::kApplyQuotaIgnored)
                             ? kNoLimit
                             : applying_bytes_max_ - applying_bytes_;
  NOKV_CHECK(Read(applying_ + 1, AppliableTo(allow_unstable) + 1, quota, out));
}

void RaftLog::AcceptApplying(Index last, uint64_t bytes, bool allow_unstable) {
  NOKV_CHECK(applying_ < last && last <= committed_);
  applying_ = last;
  applying_bytes_ += bytes;
  // A batch that was cut says that the next entry would go over the quota as well.
  applying_paused_ = (applying_bytes_ >= applying_bytes_max_ ||
                      last < AppliableTo(allow_unstable)) &&
                     !Mutated(Mutant::kApplyQuotaIgnored);
}

void RaftLog::AppliedTo(Index index, uint64_t bytes) {
  NOKV_CHECK(applied_ <= index && index <= committed_);
  applied_ = index;
  applying_ = std::max(applying_, index);
  applying_bytes_ -= std::min(applying_bytes_, bytes);
  applying_paused_ = applying_bytes_ >= applying_bytes_max_;
}

}  // namespace nokv::raft
