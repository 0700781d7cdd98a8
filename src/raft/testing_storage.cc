#include "raft/testing_storage.h"

#include <utility>

#include "base/check.h"

namespace nokv::raft {

MemoryStorage::MemoryStorage() : snapshot_(std::make_shared<Snapshot>()), entries_(1) {}

MemoryStorage::MemoryStorage(SnapshotRef snapshot) : MemoryStorage() {
  const Status applied = ApplySnapshot(std::move(snapshot));
  NOKV_CHECK(applied.ok());
}

Storage::InitialState MemoryStorage::LoadInitialState() {
  return {hard_state_, snapshot_->conf_state};
}

bool MemoryStorage::ReadEntries(Index lo, Index hi, uint64_t size_max, std::vector<Entry>* out) {
  if (lo < FirstIndex()) return false;
  NOKV_CHECK(lo < hi && hi <= LastIndex() + 1);
  const std::span<const Entry> range =
      std::span<const Entry>(entries_).subspan(lo - entries_.front().index, hi - lo);
  const std::span<const Entry> taken = range.first(CountWithin(range, size_max));
  out->insert(out->end(), taken.begin(), taken.end());
  return true;
}

std::optional<Term> MemoryStorage::TermAt(Index index) {
  if (index < entries_.front().index || index > LastIndex()) return std::nullopt;
  return entries_[index - entries_.front().index].term;
}

SnapshotRef MemoryStorage::GetSnapshot(NodeId, Index at_least) {
  return snapshot_->id.index < at_least ? nullptr : snapshot_;
}

Status MemoryStorage::ApplySnapshot(SnapshotRef snapshot) {
  if (snapshot_->id.index != Index() && snapshot_->id.index >= snapshot->id.index) {
    return Status::InvalidArgument("requested index is older than the existing snapshot");
  }
  entries_.assign(1, Entry());
  entries_.front().index = snapshot->id.index;
  entries_.front().term = snapshot->id.term;
  snapshot_ = std::move(snapshot);
  return Status::Ok();
}

void MemoryStorage::Append(std::span<const Entry> entries) {
  if (entries.empty() || entries.back().index < FirstIndex()) return;
  if (entries.front().index < FirstIndex()) {
    entries = entries.subspan(FirstIndex() - entries.front().index);
  }
  NOKV_CHECK(entries.front().index <= LastIndex() + 1);
  entries_.resize(entries.front().index - entries_.front().index);
  entries_.insert(entries_.end(), entries.begin(), entries.end());
}

Status MemoryStorage::Compact(Index index) {
  if (index <= entries_.front().index) {
    return Status::InvalidArgument("requested index is unavailable due to compaction");
  }
  NOKV_CHECK(index <= LastIndex());
  const auto count = static_cast<std::ptrdiff_t>(index - entries_.front().index);
  entries_.erase(entries_.begin(), entries_.begin() + count);
  entries_.front().data = Payload();
  entries_.front().type = EntryType::kNormal;
  return Status::Ok();
}

Result<SnapshotRef> MemoryStorage::CreateSnapshot(Index index, const ConfState* conf_state,
                                                  Payload data) {
  if (index <= snapshot_->id.index) {
    return Status::InvalidArgument("requested index is older than the existing snapshot");
  }
  const std::optional<Term> term = TermAt(index);
  NOKV_CHECK(term.has_value());
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->id = {*term, index};
  snapshot->conf_state = conf_state != nullptr ? *conf_state : snapshot_->conf_state;
  snapshot->data = std::move(data);
  snapshot_ = std::move(snapshot);
  return snapshot_;
}

}  // namespace nokv::raft
