#include "raft/types.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <string>

#include "base/check.h"

namespace nokv::raft {

Payload::Payload(Slice bytes) {
  if (bytes.empty()) return;
  NOKV_CHECK(bytes.size() < std::numeric_limits<uint32_t>::max());
  void* memory = ::operator new(sizeof(Block) + bytes.size());
  block_ = ::new (memory) Block{1, static_cast<uint32_t>(bytes.size())};
  std::memcpy(block_->data(), bytes.data(), bytes.size());
}

void Payload::Free(Block* block) {
  block->~Block();
  ::operator delete(block);
}

namespace {

size_t VarintSize(uint64_t value) {
  size_t size = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++size;
  }
  return size;
}

void PutVarint(std::string* out, uint64_t value) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>((value & 0x7f) | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

void PutField(std::string* out, uint32_t field, uint64_t value) {
  PutVarint(out, field << 3);
  PutVarint(out, value);
}

void PutField(std::string* out, uint32_t field, Slice value) {
  PutVarint(out, field << 3 | 2);
  PutVarint(out, value.size());
  out->append(value);
}

// Takes fields off protocol-buffer bytes. Unknown fields of the two wire types in use are passed
// over; anything else ends the reading with ok() false.
class FieldReader {
 public:
  explicit FieldReader(Slice bytes) : rest_(bytes) {}

  bool Next() {
    if (rest_.empty() || !ok_) return false;
    uint64_t key = 0;
    if (!TakeVarint(&key) || key >> 3 == 0 || key >> 3 > UINT32_MAX) return Fail();
    field_ = static_cast<uint32_t>(key >> 3);
    number_ = 0;
    bytes_ = Slice();
    is_bytes_ = (key & 7) == 2;
    if ((key & 7) == 0) return TakeVarint(&number_) || Fail();
    uint64_t size = 0;
    if (!is_bytes_ || !TakeVarint(&size) || size > rest_.size()) return Fail();
    bytes_ = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }
  bool ok() const { return ok_; }
  uint32_t field() const { return field_; }
  bool is_bytes() const { return is_bytes_; }
  uint64_t number() const { return number_; }
  Slice bytes() const { return bytes_; }

 private:
  bool Fail() {
    ok_ = false;
    return false;
  }
  bool TakeVarint(uint64_t* value) {
    uint64_t result = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      result |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) {
        *value = result;
        return true;
      }
    }
    return false;
  }

  Slice rest_;
  Slice bytes_;
  uint64_t number_ = 0;
  uint32_t field_ = 0;
  bool is_bytes_ = false;
  bool ok_ = true;
};

bool SetType(uint64_t number, ConfChangeSingle* single) {
  if (number > static_cast<uint64_t>(ConfChangeType::kAddLearnerNode)) return false;
  single->type = static_cast<ConfChangeType>(number);
  return true;
}

std::optional<ConfChangeSingle> DecodeSingle(Slice bytes) {
  ConfChangeSingle single;
  FieldReader reader(bytes);
  while (reader.Next()) {
    if (reader.field() > 2) continue;
    if (reader.is_bytes()) return std::nullopt;
    if (reader.field() == 1 && !SetType(reader.number(), &single)) return std::nullopt;
    if (reader.field() == 2) single.node = NodeId(reader.number());
  }
  if (!reader.ok()) return std::nullopt;
  return single;
}

std::optional<ConfChange> DecodeV1(Slice bytes) {
  ConfChange change;
  change.v1 = true;
  ConfChangeSingle single;
  FieldReader reader(bytes);
  while (reader.Next()) {
    if (reader.field() > 4) continue;
    if (reader.is_bytes() != (reader.field() == 4)) return std::nullopt;
    if (reader.field() == 2 && !SetType(reader.number(), &single)) return std::nullopt;
    if (reader.field() == 3) single.node = NodeId(reader.number());
    if (reader.field() == 4) change.context = Payload(reader.bytes());
  }
  if (!reader.ok()) return std::nullopt;
  change.changes.push_back(single);
  return change;
}

std::optional<ConfChange> DecodeV2(Slice bytes) {
  ConfChange change;
  FieldReader reader(bytes);
  while (reader.Next()) {
    if (reader.field() > 3) continue;
    if (reader.is_bytes() == (reader.field() == 1)) return std::nullopt;
    if (reader.field() == 1) {
      if (reader.number() > static_cast<uint64_t>(ConfChangeTransition::kJointExplicit)) {
        return std::nullopt;
      }
      change.transition = static_cast<ConfChangeTransition>(reader.number());
    } else if (reader.field() == 2) {
      const std::optional<ConfChangeSingle> single = DecodeSingle(reader.bytes());
      if (!single) return std::nullopt;
      change.changes.push_back(*single);
    } else {
      change.context = Payload(reader.bytes());
    }
  }
  if (!reader.ok()) return std::nullopt;
  return change;
}

}  // namespace

uint64_t EncodedSize(const Entry& entry) {
  uint64_t size = 2 + VarintSize(entry.term.value()) + VarintSize(entry.index.value());
  if (entry.type != EntryType::kNormal || entry.replaces_change) size += 2;
  if (!entry.data.empty()) size += 1 + VarintSize(entry.data.size()) + entry.data.size();
  return size;
}

uint64_t EncodedSize(std::span<const Entry> entries) {
  uint64_t size = 0;
  for (const Entry& entry : entries) size += EncodedSize(entry);
  return size;
}

uint64_t PayloadSize(std::span<const Entry> entries) {
  uint64_t size = 0;
  for (const Entry& entry : entries) size += entry.data.size();
  return size;
}

size_t CountWithin(std::span<const Entry> entries, uint64_t size_max) {
  if (size_max == kNoLimit || entries.empty()) return entries.size();
  uint64_t size = EncodedSize(entries[0]);
  for (size_t count = 1; count < entries.size(); ++count) {
    size += EncodedSize(entries[count]);
    if (size > size_max) return count;
  }
  return entries.size();
}

bool ConfState::Contains(NodeId id) const {
  const auto in = [id](const std::vector<NodeId>& ids) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  };
  return in(voters) || in(learners) || in(voters_outgoing);
}

bool ConfState::Equivalent(const ConfState& other) const {
  ConfState a = *this;
  ConfState b = other;
  for (ConfState* state : {&a, &b}) {
    std::sort(state->voters.begin(), state->voters.end());
    std::sort(state->voters_outgoing.begin(), state->voters_outgoing.end());
    std::sort(state->learners.begin(), state->learners.end());
    std::sort(state->learners_next.begin(), state->learners_next.end());
  }
  return a == b;
}

ConfChange::Joint ConfChange::EntersJoint() const {
  if (transition == ConfChangeTransition::kAuto && changes.size() <= 1) return {};
  return {true, transition != ConfChangeTransition::kJointExplicit};
}

Entry EncodeConfChange(const ConfChange& change) {
  std::string bytes;
  Entry entry;
  if (change.v1) {
    NOKV_CHECK(change.changes.size() == 1);
    NOKV_CHECK(change.transition == ConfChangeTransition::kAuto);
    PutField(&bytes, 2, static_cast<uint64_t>(change.changes[0].type));
    PutField(&bytes, 3, change.changes[0].node.value());
    if (!change.context.empty()) PutField(&bytes, 4, change.context.bytes());
    entry.type = EntryType::kConfChange;
  } else {
    PutField(&bytes, 1, static_cast<uint64_t>(change.transition));
    for (const ConfChangeSingle& single : change.changes) {
      std::string nested;
      PutField(&nested, 1, static_cast<uint64_t>(single.type));
      PutField(&nested, 2, single.node.value());
      PutField(&bytes, 2, Slice(nested));
    }
    if (!change.context.empty()) PutField(&bytes, 3, change.context.bytes());
    entry.type = EntryType::kConfChangeV2;
  }
  entry.data = Payload(bytes);
  return entry;
}

std::optional<ConfChange> DecodeConfChange(const Entry& entry) {
  if (entry.type == EntryType::kConfChange) return DecodeV1(entry.data.bytes());
  if (entry.type == EntryType::kConfChangeV2) return DecodeV2(entry.data.bytes());
  return std::nullopt;
}

bool IsLocalMessage(MessageType type) {
  switch (type) {
    case MessageType::kHup:
    case MessageType::kBeat:
    case MessageType::kUnreachable:
    case MessageType::kSnapStatus:
    case MessageType::kCheckQuorum:
    case MessageType::kStorageAppend:
    case MessageType::kStorageAppendResp:
    case MessageType::kStorageApply:
    case MessageType::kStorageApplyResp:
      return true;
    default:
      return false;
  }
}

bool IsResponseMessage(MessageType type) {
  switch (type) {
    case MessageType::kAppResp:
    case MessageType::kVoteResp:
    case MessageType::kHeartbeatResp:
    case MessageType::kUnreachable:
    case MessageType::kReadIndexResp:
    case MessageType::kPreVoteResp:
    case MessageType::kStorageAppendResp:
    case MessageType::kStorageApplyResp:
      return true;
    default:
      return false;
  }
}

void Message::Reset() {
  std::vector<Entry> room = std::move(entries);
  room.clear();
  *this = Message();
  entries = std::move(room);
}

Message& MessageList::Add() {
  if (size_ == slots_.size()) slots_.emplace_back();
  return slots_[size_++];
}

void MessageList::Clear() {
  // Emptied here and not on reuse: a cleared list must not keep payloads alive.
  for (Message& message : span()) message.Reset();
  size_ = 0;
}

}  // namespace nokv::raft
