#include "redis/embedded_store.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "base/random.h"

namespace nokv::redis {

Result<std::unique_ptr<EmbeddedStore>> EmbeddedStore::Open(DB* db, base::Clock* clock) {
  ColumnFamily* family = db->FindColumnFamily(kFamilyName);
  if (family == nullptr) {
    NOKV_ASSIGN_OR_RETURN(family, db->CreateColumnFamily(kFamilyName));
  }
  return std::unique_ptr<EmbeddedStore>(new EmbeddedStore(db, clock, family));
}

EmbeddedStore::EmbeddedStore(DB* db, base::Clock* clock, ColumnFamily* family)
    : db_(db), clock_(clock), family_(family) {}

EmbeddedStore::Place EmbeddedStore::Locate(Slice key) const {
  if (key.empty()) [[unlikely]] return {family_, kEmptyKey};
  return {nullptr, key};
}

Status EmbeddedStore::CheckKey(Slice key) const {
  if (key.size() <= kKeyBytesMax) [[likely]] return Status::Ok();
  return Status::LimitExceeded("key is longer than the limit of " + std::to_string(kKeyBytesMax) +
                               " bytes");
}

// --- Reading ---------------------------------------------------------------------------------------

Status EmbeddedStore::Read(Slice key, PinnableValue* value) {
  const Place place = Locate(key);
  return db_->Get(ReadOptions(), place.family, place.key, value);
}

Status EmbeddedStore::Get(Slice key, PinnableValue* value) {
  NOKV_TRY(CheckKey(key));
  if (!pending_.empty()) {
    if (const PendingWrites::Entry* entry = pending_.Find(key); entry != nullptr && !entry->untouched) {
      const bool expired = entry->expires_at_ms != 0 && entry->expires_at_ms <= clock_->WallMillis();
      if (entry->deleted || expired) return Status::NotFound("");
      value->SetCopy(entry->value, entry->expires_at_ms);
      return Status::Ok();
    }
  }
  return Read(key, value);
}

void EmbeddedStore::MultiGet(std::span<const Slice> keys,
                             std::span<PinnableValue> values,
                             std::span<Status> statuses) {
  const bool ordinary =
      pending_.empty() && std::all_of(keys.begin(), keys.end(), [](Slice key) {
        return !key.empty() && key.size() <= kKeyBytesMax;
      });
  if (ordinary) return db_->MultiGet(ReadOptions(), nullptr, keys, values, statuses);
  for (size_t i = 0; i < keys.size(); ++i) statuses[i] = Get(keys[i], &values[i]);
}

Status EmbeddedStore::FindOne(Slice key, PinnableValue* value, Found* found) {
  const Status status = Get(key, value);
  if (status.IsNotFound()) {
    *found = Found{};
    return Status::Ok();
  }
  NOKV_TRY(status);
  *found = Found{true, value->value(), value->expires_at()};
  return Status::Ok();
}

Status EmbeddedStore::VisitKeys(Slice from, KeyVisitor visit) {
  NOKV_TRY(HandOver());
  if (from.empty()) {
    PinnableValue value;
    const Status status = Read("", &value);
    if (!status.ok() && !status.IsNotFound()) return status;
    if (status.ok() && !visit("", value.expires_at())) return Status::Ok();
  }
  ReadOptions options;
  options.lower_bound = from;
  options.keys_only = true;
  options.fill_cache = false;
  const std::unique_ptr<Iterator> iterator = db_->NewIterator(options, nullptr);
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
    if (!visit(iterator->key(), iterator->expires_at())) break;
  }
  return iterator->status();
}

// Uniform among up to kSampled keys; of more, one of the kSampled that follow a random place between the
// first key and the last, where keys that follow a gap are likelier.
Status EmbeddedStore::RandomKey(base::Random* random, std::string* key) {
  constexpr uint64_t kSampled = 128;
  const auto sample = [&](Slice from, uint64_t* seen) {
    return VisitKeys(from, [&](Slice at, uint64_t) {
      ++*seen;
      if (random->OneIn(*seen)) key->assign(at);
      return *seen < kSampled;
    });
  };
  uint64_t seen = 0;
  NOKV_TRY(sample("", &seen));
  if (seen == 0) return Status::NotFound("");
  if (seen < kSampled) return Status::Ok();
  const std::unique_ptr<Iterator> iterator = db_->NewIterator(ReadOptions(), nullptr);
  iterator->SeekToFirst();
  if (!iterator->Valid()) return iterator->status();
  const std::string first(iterator->key());
  iterator->SeekToLast();
  if (!iterator->Valid()) return iterator->status();
  const std::string last(iterator->key());
  // A place between the two: what they share, then eight bytes in between, then anything.
  const auto differ = std::mismatch(first.begin(), first.end(), last.begin(), last.end()).first;
  std::string place(first.begin(), differ);
  const auto head = [&](const std::string& text) {
    uint64_t value = 0;
    for (size_t i = 0; i < sizeof value; ++i) {
      const size_t at = place.size() + i;
      value = value << 8 | (at < text.size() ? static_cast<unsigned char>(text[at]) : 0U);
    }
    return value;
  };
  const uint64_t low = head(first);
  const uint64_t high = head(last);
  const uint64_t between = low + (high > low ? random->Uniform(high - low) : 0);
  for (unsigned shift = 64; shift > 0; shift -= 8) {
    place += static_cast<char>(between >> (shift - 8) & 0xff);
  }
  seen = 0;
  return sample(place, &seen);
}

// --- Writing ---------------------------------------------------------------------------------------

Status EmbeddedStore::Write(std::span<const Mutation> mutations) {
  for (const Mutation& mutation : mutations) NOKV_TRY(CheckKey(mutation.key));
  return Apply(mutations, {}, {});
}

Status EmbeddedStore::Update(std::span<const Slice> keys, Need need, UpdateFunction function) {
  found_.resize(keys.size());
  const bool values = need == Need::kValues;
  while (values_.size() < (values ? keys.size() : 1)) {
    values_.push_back(std::make_unique<PinnableValue>());
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    PinnableValue* const value = values_[values ? i : 0].get();
    NOKV_TRY(FindOne(keys[i], value, &found_[i]));
    if (!values) found_[i].value = {};
  }
  mutations_.clear();
  function(found_, &mutations_);
  Status status;
  if (!mutations_.empty()) status = Apply(mutations_, keys, found_);
  constexpr size_t kValuesKept = 16;
  if (values_.size() > kValuesKept) values_.resize(kValuesKept);
  for (const auto& value : values_) value->Reset();
  return status;
}

// `found` is what an Update saw under `keys`: worth remembering for the count.
Status EmbeddedStore::Apply(std::span<const Mutation> mutations,
                            std::span<const Slice> keys,
                            std::span<const Found> found) {
  if (direct_) return ApplyDirectly(mutations);
  size_t bytes = 0;
  bool large = false;
  for (const Mutation& mutation : mutations) {
    bytes += mutation.key.size() + mutation.value.size();
    large = large || mutation.value.size() >= kLargeValueBytes;
  }
  if (batch_.size_bytes() + bytes > kPendingBytesMax && !batch_.empty()) {
    NOKV_TRY(HandOver());
    if (direct_) return ApplyDirectly(mutations);
  }
  if (live_.on()) NoteBefore(keys, found);
  for (const Mutation& mutation : mutations) Append(mutation);
  return large ? HandOver() : Status::Ok();
}

void EmbeddedStore::AddToBatch(WriteBatch* batch, const Place& place, const Mutation& mutation) {
  if (mutation.kind == Mutation::Kind::kDelete) {
    batch->Delete(place.family, place.key);
  } else if (mutation.expires_at_ms == 0) {
    batch->Put(place.family, place.key, mutation.value);
  } else {
    batch->PutExpiring(place.family, place.key, mutation.value, mutation.expires_at_ms);
  }
}

// After a failed commit: each write on its own, with its own answer.
Status EmbeddedStore::ApplyDirectly(std::span<const Mutation> mutations) {
  StopCounting();
  WriteBatch batch;
  for (const Mutation& mutation : mutations) AddToBatch(&batch, Locate(mutation.key), mutation);
  NOKV_TRY(db_->Write(WriteOptions(), std::move(batch)));
  const uint64_t now = clock_->WallMillis();
  for (const Mutation& mutation : mutations) {
    expiring_.Set(base::Hash64(mutation.key), mutation.expires_at_ms, now);
  }
  unsynced_.store(true, std::memory_order_release);
  direct_ = false;
  return Status::Ok();
}

void EmbeddedStore::NoteBefore(std::span<const Slice> keys, std::span<const Found> found) {
  for (size_t i = 0; i < keys.size(); ++i) {
    if (pending_.Find(keys[i]) != nullptr) continue;
    PendingWrites::Entry* entry = pending_.Upsert(keys[i]);
    entry->before = found[i].exists ? PendingWrites::Before::kPresent : PendingWrites::Before::kAbsent;
    entry->before_expires_at_ms = found[i].expires_at_ms;
    // Until Append changes it, the key is as it was: readers must not take it for deleted or empty.
    entry->untouched = true;
  }
}

void EmbeddedStore::Append(const Mutation& mutation) {
  AddToBatch(&batch_, Locate(mutation.key), mutation);
  PendingWrites::Entry* entry = pending_.Upsert(mutation.key);
  entry->untouched = false;
  entry->deleted = mutation.kind == Mutation::Kind::kDelete;
  entry->expires_at_ms = entry->deleted ? 0 : mutation.expires_at_ms;
  expiry_in_batch_ = expiry_in_batch_ || entry->expires_at_ms != 0;
  entry->value = mutation.value.size() < kLargeValueBytes ? pending_.Copy(mutation.value) : Slice();
}

// Gives the engine what has gathered. Between two commands, or at the end of one with a large value.
Status EmbeddedStore::HandOver() {
  if (batch_.empty()) {
    pending_.Clear();
    return Status::Ok();
  }
  if (live_.on()) ObserveTime();
  // If a look-up fails, the write may go well all the same.
  if (live_.on() && !ResolveBefore().ok()) StopCounting();
  const Status status = db_->Write(WriteOptions(), std::move(batch_));
  batch_.Clear();
  if (status.ok()) {
    if (live_.on()) CountPending();
    NoteExpiries();
    unsynced_.store(true, std::memory_order_release);
  } else {
    StopCounting();
    direct_ = true;
    failure_ = status;
  }
  expiry_in_batch_ = false;
  pending_.Clear();
  return status;
}

Status EmbeddedStore::Commit(Durability durability) {
  // Who asked does so in every turn until there is an answer: nobody waits for it any more.
  if (scan_ != nullptr && !scanned_in_turn_) StopCounting();
  scanned_in_turn_ = false;
  const Status handed_over = HandOver();
  if (!failure_.ok()) return std::exchange(failure_, Status::Ok());
  NOKV_TRY(handed_over);
  return durability == Durability::kPower ? Sync() : Status::Ok();
}

Status EmbeddedStore::Sync() {
  if (!unsynced_.exchange(false, std::memory_order_acq_rel)) return Status::Ok();
  Status status = db_->SyncLog();
  if (!status.ok()) unsynced_.store(true, std::memory_order_release);
  return status;
}

Status EmbeddedStore::Clear() {
  NOKV_TRY(HandOver());
  WriteBatch batch;
  const Place empty = Locate("");
  batch.Delete(empty.family, empty.key);
  {
    ReadOptions options;
    options.keys_only = true;
    const std::unique_ptr<Iterator> iterator = db_->NewIterator(options, nullptr);
    // A few keys one by one: cheaper for reads afterwards than a range that all of them must look at.
    constexpr size_t kOneByOne = 64;
    size_t keys = 0;
    for (iterator->SeekToFirst(); iterator->Valid() && keys <= kOneByOne; iterator->Next(), ++keys) {
      batch.Delete(nullptr, iterator->key());
    }
    if (keys > kOneByOne) {
      iterator->SeekToLast();
      if (iterator->Valid()) {
        // Up to the last key, and that one by itself: no key of the engine is beyond it.
        const std::string last(iterator->key());
        batch.DeleteRange(nullptr, Slice("\0", 1), last);
        batch.Delete(nullptr, last);
      }
    }
    NOKV_TRY(iterator->status());
  }
  NOKV_TRY(db_->Write(WriteOptions(), std::move(batch)));
  unsynced_.store(true, std::memory_order_release);
  const uint64_t now = clock_->WallMillis();
  StopCounting();
  live_.SetEmpty(now);
  lookups_ = 0;
  lookups_max_ = kLookupsMin;
  expiring_.Clear(now);
  return Status::Ok();
}

// --- Counting --------------------------------------------------------------------------------------

// Looks up what the pending writes replace, where no Update has looked already.
Status EmbeddedStore::ResolveBefore() {
  PinnableValue value;
  for (PendingWrites::Entry& entry : pending_.entries()) {
    if (entry.untouched || entry.before != PendingWrites::Before::kUnknown) continue;
    const Status status = Read(entry.key, &value);
    if (!status.ok() && !status.IsNotFound()) return status;
    entry.before = status.ok() ? PendingWrites::Before::kPresent : PendingWrites::Before::kAbsent;
    entry.before_expires_at_ms = status.ok() ? value.expires_at() : 0;
    ++lookups_;
  }
  return Status::Ok();
}

void EmbeddedStore::CountPending() {
  for (const PendingWrites::Entry& entry : pending_.entries()) {
    if (entry.untouched) continue;
    if (entry.before == PendingWrites::Before::kPresent) live_.Remove(entry.before_expires_at_ms);
    if (!entry.deleted) live_.Add(entry.expires_at_ms);
  }
  if (scan_ == nullptr && lookups_ > lookups_max_) StopCounting();
}

void EmbeddedStore::NoteExpiries() {
  if (!expiry_in_batch_ && expiring_.empty()) return;
  const uint64_t now = clock_->WallMillis();
  for (const PendingWrites::Entry& entry : pending_.entries()) {
    if (!entry.untouched) expiring_.Set(entry.hash, entry.expires_at_ms, now);
  }
}

void EmbeddedStore::StopCounting() {
  live_.Stop();
  scan_.reset();
}

// REQUIRES: nothing is pending, so that the iterator sees the state from which changes are told.
Status EmbeddedStore::BeginScan(uint64_t now_ms) {
  StopCounting();
  PinnableValue value;
  const Status empty_key = Read("", &value);
  if (!empty_key.ok() && !empty_key.IsNotFound()) return empty_key;
  ReadOptions options;
  options.keys_only = true;
  options.fill_cache = false;
  options.label = "redis count";
  scan_ = db_->NewIterator(options, nullptr);
  scan_->SeekToFirst();
  live_.BeginScan(now_ms);
  if (empty_key.ok()) live_.Scanned(value.expires_at());
  scanned_ = 0;
  return Status::Ok();
}

Status EmbeddedStore::Scan() {
  scanned_in_turn_ = true;
  const uint64_t end = clock_->NowMicros() + kSliceMicros;
  while (scan_->Valid()) {
    live_.Scanned(scan_->expires_at());
    scan_->Next();
    if (++scanned_ % kKeysBetweenLooks == 0 && clock_->NowMicros() >= end) return Status::Ok();
  }
  const Status status = scan_->status();
  scan_.reset();
  if (!status.ok()) {
    StopCounting();
    return status;
  }
  const uint64_t now = ObserveTime();
  if (live_.on()) live_.EndScan(now);
  return Status::Ok();
}

// A clock that went back brings expired keys back: what was counted is of no use.
uint64_t EmbeddedStore::ObserveTime() {
  const uint64_t now = clock_->WallMillis();
  live_.Observe(now);
  if (!live_.on()) scan_.reset();
  return now;
}

Result<KeyCounts> EmbeddedStore::Count() {
  NOKV_TRY(HandOver());
  const uint64_t began = ObserveTime();
  if (!live_.on()) NOKV_TRY(BeginScan(began));
  if (scan_ != nullptr && !scanned_in_turn_) NOKV_TRY(Scan());
  const uint64_t now = ObserveTime();
  if (live_.state() != LiveCount::State::kKnown) return Status::Busy("the keys are being counted");
  const KeyCounts counts = live_.At(now);
  lookups_ = 0;
  lookups_max_ = counts.keys + kLookupsMin;
  return counts;
}

}  // namespace nokv::redis
