#include "key/batch.h"

#include "base/coding.h"
#include "key/family.h"

namespace nokv {

void WriteBatch::Add(unsigned char tag, const ColumnFamily* family, Slice key,
                     uint64_t expires_at_ms) {
  if (expires_at_ms != 0) tag |= key::kExpiryFlag;
  rep_.push_back(static_cast<char>(tag));
  if (expires_at_ms != 0) base::PutFixed64(&rep_, expires_at_ms);
  char prefix[key::kFamilyPrefixBytesMax];
  const size_t prefix_length =
      key::EncodeFamily(prefix, family == nullptr ? key::kDefaultFamily : family->id());
  base::PutVarint64(&rep_, prefix_length + key.size());
  rep_.append(prefix, prefix_length).append(key);
  ++count_;
}

void WriteBatch::Put(const ColumnFamily* family, Slice key, Slice value) {
  PutExpiring(family, key, value, 0);
}

void WriteBatch::PutExpiring(const ColumnFamily* family, Slice key, Slice value,
                             uint64_t expires_at_ms) {
  rep_.reserve(rep_.size() + key.size() + value.size() + 32);
  Add(static_cast<unsigned char>(key::Kind::kPut), family, key, expires_at_ms);
  base::PutLengthPrefixed(&rep_, value);
}

void WriteBatch::Delete(const ColumnFamily* family, Slice key) {
  Add(static_cast<unsigned char>(key::Kind::kDelete), family, key, 0);
}

void WriteBatch::DeleteRange(const ColumnFamily* family, Slice begin, Slice end) {
  if (begin >= end) return;
  Add(static_cast<unsigned char>(key::Kind::kRangeDelete), family, begin, 0);
  base::PutLengthPrefixed(
      &rep_, key::EngineKey(family == nullptr ? key::kDefaultFamily : family->id(), end));
}

void WriteBatch::Clear() {
  rep_.clear();
  count_ = 0;
}

}  // namespace nokv

namespace nokv::key {

bool BatchReader::Next(Entry* entry) {
  if (input_.empty() || !status_.ok()) return false;
  const auto tag = static_cast<uint8_t>(input_[0]);
  input_.remove_prefix(1);
  const auto kind = static_cast<uint8_t>(tag & ~kExpiryFlag);
  if (kind > static_cast<uint8_t>(Kind::kRangeDelete)) {
    status_ = Status::Corruption("batch: unknown operation tag " + std::to_string(tag));
    return false;
  }
  *entry = Entry{};
  entry->trailer = PackTrailer(0, static_cast<Kind>(kind));
  bool whole = true;
  if ((tag & kExpiryFlag) != 0) whole = base::GetFixed64(&input_, &entry->expires_at);
  whole = whole && base::GetLengthPrefixed(&input_, &entry->key);
  if (whole && static_cast<Kind>(kind) != Kind::kDelete) {
    whole = base::GetLengthPrefixed(&input_, &entry->value);
  }
  if (!whole || entry->key.empty()) {
    status_ = Status::Corruption("batch: operation ends early");
    return false;
  }
  return true;
}

Status ValidateBatch(Slice rep, uint64_t* count) {
  BatchReader reader(rep);
  Entry entry;
  *count = 0;
  while (reader.Next(&entry)) ++*count;
  return reader.status();
}

Status WithExpiry(const WriteBatch& batch, uint64_t expires_at_ms, WriteBatch* to) {
  to->Clear();
  BatchReader reader(batch.rep());
  Entry entry;
  while (reader.Next(&entry)) {
    FamilyId id;
    Slice user_key;
    if (!ParseEngineKey(entry.key, &id, &user_key)) {
      return Status::InvalidArgument("the batch holds a malformed key");
    }
    const ColumnFamily family("", id);
    switch (entry.kind()) {
      case Kind::kPut:
        to->PutExpiring(&family, user_key, entry.value,
                        entry.expires_at != 0 ? entry.expires_at : expires_at_ms);
        break;
      case Kind::kDelete:
        to->Delete(&family, user_key);
        break;
      default: {
        FamilyId end_id;
        Slice end;
        if (!ParseEngineKey(entry.value, &end_id, &end) || end_id != id) {
          return Status::InvalidArgument("the batch holds a malformed range");
        }
        to->DeleteRange(&family, user_key, end);
      }
    }
  }
  return reader.status();
}

}  // namespace nokv::key
