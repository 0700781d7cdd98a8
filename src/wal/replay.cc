#include "wal/replay.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "wal/segment_reader.h"

namespace nokv::wal {

namespace {

using Found = SegmentReader::Found;
using Record = SegmentReader::Record;

constexpr size_t kMissingNamesMax = 8;

// What is known of one segment before its records are read.
struct SegmentState {
  uint32_t id = 0;
  uint32_t capacity = 0;
  bool opened = false;     // its origin is kOpened
  bool has_start = false;  // its start record is whole; the two below are only then set
  SegmentStart start;
  uint64_t first_word = 0;
  std::optional<uint32_t> limit;  // where its records end, if its successor or a clean end says so
  uint32_t end = 0;               // behind the last record that counts; 0: none does
};

// The place where a log stops being whole.
struct Hole {
  size_t index = 0;  // in the chain
  uint32_t offset = 0;
};

// One replay: the steps of Run, with what they find out in the members.
class Replay {
 public:
  Replay(vfs::FileSystem* fs,
         const std::string& dir,
         uint64_t database_id,
         const ReplayOptions& options,
         const ReplayFn& deliver)
      : fs_(fs), dir_(dir), database_id_(database_id), options_(options), deliver_(deliver) {}

  Result<ReplayResult> Run() {
    NOKV_TRY(FindSegments());
    NOKV_TRY(CheckNoneMissing());
    NOKV_TRY(SetUnusedAside());
    for (const uint32_t id : ids_)
      NOKV_TRY(Examine(id));
    NOKV_TRY(LinkChain());
    NOKV_TRY(ApplyCleanEnd());
    NOKV_TRY(DeliverChain());
    if (hole_.has_value()) NOKV_TRY(JudgeHole());
    NOKV_TRY(CheckCleanEnd());
    return Summarise();
  }

 private:
  std::string PathOf(uint32_t id) const { return vfs::JoinPath(dir_, SegmentFileName(id)); }
  Result<std::unique_ptr<SegmentReader>> OpenReader(uint32_t id) const {
    return SegmentReader::Open(fs_, dir_, database_id_, id);
  }

  Status FindSegments();
  Status CheckNoneMissing() const;
  Status SetUnusedAside();
  Status HoldsData(uint32_t id, bool* holds) const;
  Status Examine(uint32_t id);
  Status ExamineHeader(SegmentReader* reader, SegmentState* state) const;
  Status ExamineStart(SegmentReader* reader, SegmentState* state) const;
  Status LinkChain();
  Result<size_t> FindPredecessor(const SegmentState& state) const;
  Status ApplyCleanEnd();
  Status DeliverChain();
  Status DeliverSegment(size_t index);
  void LearnDurable(LogPosition through);
  Status JudgeHole();
  Status SeekProof(size_t index, uint32_t from, uint32_t durable_above, const LogPosition& blame);
  Status NotDurable(const LogPosition& blame, const std::string& proof) const;
  Status CheckCleanEnd() const;
  ReplayResult Summarise();

  SegmentState& chain(size_t index) { return segments_[chain_[index]]; }
  const SegmentState& chain(size_t index) const { return segments_[chain_[index]]; }

  vfs::FileSystem* const fs_;
  const std::string& dir_;
  const uint64_t database_id_;
  const ReplayOptions& options_;
  const ReplayFn& deliver_;

  std::vector<uint32_t> ids_;  // of the segments from first_segment on that may count, ascending
  std::vector<SegmentState> segments_;  // one for each of them
  std::vector<size_t> chain_;           // indexes of those that follow one another, ascending
  std::optional<Hole> hole_;
  ReplayResult result_;
};

Status Replay::FindSegments() {
  NOKV_ASSIGN_OR_RETURN(const auto names, fs_->List(dir_));
  for (const std::string& name : names) {
    uint32_t id;
    if (!ParseSegmentFileName(name, &id)) continue;
    (id < options_.first_segment ? result_.obsolete : ids_).push_back(id);
  }
  std::sort(result_.obsolete.begin(), result_.obsolete.end());
  std::sort(ids_.begin(), ids_.end());
  return Status::Ok();
}

Status Replay::CheckNoneMissing() const {
  std::string missing;
  size_t count = 0;
  auto next = ids_.begin();
  for (uint64_t id = std::max(1U, options_.first_segment); id <= options_.created_through; ++id) {
    if (next != ids_.end() && *next == id) {
      ++next;
    } else if (++count <= kMissingNamesMax) {
      missing += (count == 1 ? "" : ", ") + PathOf(static_cast<uint32_t>(id));
    }
  }
  if (count == 0) return Status::Ok();
  if (count > kMissingNamesMax)
    missing += " and " + std::to_string(count - kMissingNamesMax) + " more";
  return Status::Corruption(missing + ": log segment missing");
}

// A segment is announced (created_through) before its first use. The newest files beyond that which
// hold no record of theirs were being made when the process died: whatever is in them is no part of
// the log.
Status Replay::SetUnusedAside() {
  while (!ids_.empty() && ids_.back() > options_.created_through) {
    bool holds;
    NOKV_TRY(HoldsData(ids_.back(), &holds));
    if (holds) break;
    result_.unused.insert(result_.unused.begin(), ids_.back());
    ids_.pop_back();
  }
  if (options_.created_through < UINT32_MAX && (ids_.empty() || ids_.back() < UINT32_MAX)) {
    return Status::Ok();
  }
  return Status::LimitExceeded(dir_ + ": the log has used up its segment numbers");
}

Status Replay::HoldsData(uint32_t id, bool* holds) const {
  NOKV_ASSIGN_OR_RETURN(const auto reader, OpenReader(id));
  // Another database's or another build's segment is not ours to remove: Examine refuses it.
  SegmentHeader header;
  NOKV_TRY(reader->ReadSegmentHeader(&header, holds));
  *holds =
      *holds && (header.version != kSegmentFormatVersion || header.database_id != database_id_);
  if (*holds) return Status::Ok();
  Record record;
  return reader->Find(kDataOffset, reader->limit(), holds, &record);
}

Status Replay::Examine(uint32_t id) {
  SegmentState state;
  state.id = id;
  NOKV_ASSIGN_OR_RETURN(const auto reader, OpenReader(id));
  NOKV_TRY(ExamineHeader(reader.get(), &state));
  NOKV_TRY(ExamineStart(reader.get(), &state));
  segments_.push_back(state);
  return Status::Ok();
}

// The header was durable before the segment was announced, so that nothing but damage explains a
// wrong one.
Status Replay::ExamineHeader(SegmentReader* reader, SegmentState* state) const {
  SegmentHeader header;
  bool valid;
  NOKV_TRY(reader->ReadSegmentHeader(&header, &valid));
  const auto damage = [&](const std::string& what) {
    return CorruptionAt(reader->path(), 0, what);
  };
  if (!valid) return damage("the segment header is damaged");
  if (header.version != kSegmentFormatVersion) {
    return Status::NotSupported(reader->path() + ": offset 8: log format version " +
                                std::to_string(header.version) + "; this build reads version " +
                                std::to_string(kSegmentFormatVersion));
  }
  if (header.database_id != database_id_) return damage("the log of another database");
  if (header.segment != state->id) {
    return damage("holds segment " + std::to_string(header.segment) + " instead of " +
                  std::to_string(state->id));
  }
  if (header.capacity != reader->bytes() || header.capacity > kSegmentBytesMax) {
    return damage("the file has " + std::to_string(reader->bytes()) + " bytes instead of " +
                  std::to_string(header.capacity));
  }
  state->capacity = static_cast<uint32_t>(header.capacity);
  state->opened = header.origin == SegmentOrigin::kOpened;
  return Status::Ok();
}

Status Replay::ExamineStart(SegmentReader* reader, SegmentState* state) const {
  Found found;
  Record record;
  NOKV_TRY(reader->Read(kStartOffset, &found, &record));
  const auto damage = [&](const char* what) {
    return CorruptionAt(reader->path(), kStartOffset, what);
  };
  if (found != Found::kRecord) {
    if (state->opened) return damage("the start record is damaged");
    return Status::Ok();
  }
  if (record.header.type != RecordType::kSegmentStart ||
      !DecodeSegmentStart(record.payload, &state->start) ||
      state->start.predecessor_end.segment >= state->id) {
    return damage("not a start record");
  }
  state->has_start = true;
  state->first_word = record.header.word;
  return Status::Ok();
}

// Follows the start records back from the newest segment. What they pass over (segments that an
// earlier recovery gave up with a torn tail) is not in the chain. A segment without a start record
// was made ahead of need by the log whose newest segment is the one before it.
Status Replay::LinkChain() {
  for (size_t next = segments_.size(); next > 0;) {
    const size_t index = next - 1;
    chain_.push_back(index);
    const SegmentState& state = segments_[index];
    if (!state.has_start) {
      next = index;
      continue;
    }
    const LogPosition before = state.start.predecessor_end;
    if (before.segment < options_.first_segment || before.segment == 0) break;
    NOKV_ASSIGN_OR_RETURN(const size_t predecessor, FindPredecessor(state));
    segments_[predecessor].limit = before.offset;
    next = predecessor + 1;
  }
  std::reverse(chain_.begin(), chain_.end());
  return Status::Ok();
}

Result<size_t> Replay::FindPredecessor(const SegmentState& state) const {
  const LogPosition end = state.start.predecessor_end;
  const auto found = std::find(ids_.begin(), ids_.end(), end.segment);
  if (found == ids_.end()) {
    return Status::Corruption(PathOf(end.segment) + ": log segment missing, which " +
                              PathOf(state.id) + " continues");
  }
  const auto index = static_cast<size_t>(found - ids_.begin());
  if (end.offset < kDataOffset || end.offset > segments_[index].capacity ||
      end.offset % kRecordAlignment != 0) {
    return CorruptionAt(PathOf(state.id), kStartOffset,
                        "says that the segment before it ends at " + std::to_string(end.offset));
  }
  return index;
}

Status Replay::ApplyCleanEnd() {
  if (!options_.clean_end.has_value()) return Status::Ok();
  const LogPosition end = *options_.clean_end;
  for (const size_t index : chain_) {
    SegmentState& state = segments_[index];
    if (state.id != end.segment) continue;
    if (state.limit.value_or(end.offset) == end.offset && end.offset <= state.capacity) {
      state.limit = end.offset;
      return Status::Ok();
    }
  }
  if (end == LogPosition{}) return Status::Ok();
  return CorruptionAt(PathOf(end.segment), end.offset,
                      "the log was closed cleanly here and does not reach this place");
}

Status Replay::DeliverChain() {
  for (size_t index = 0; index < chain_.size() && !hole_.has_value(); ++index) {
    NOKV_TRY(DeliverSegment(index));
  }
  return Status::Ok();
}

// Delivers the records of one segment up to its limit, or sets hole_.
Status Replay::DeliverSegment(size_t index) {
  SegmentState& state = chain(index);
  if (!state.has_start) {
    hole_ = {.index = index, .offset = kStartOffset};
    return Status::Ok();
  }
  LearnDurable({state.start.predecessor_end.segment, state.start.predecessor_mark});
  NOKV_ASSIGN_OR_RETURN(const auto reader, OpenReader(state.id));
  for (uint32_t at = kDataOffset;;) {
    state.end = at;
    if (at == state.limit) return Status::Ok();
    if (!state.limit.has_value() && state.capacity - at < kRecordHeaderBytes) return Status::Ok();
    Found found;
    Record record;
    NOKV_TRY(reader->Read(at, &found, &record));
    if (found != Found::kRecord) {
      hole_ = {.index = index, .offset = at};
      return Status::Ok();
    }
    if (record.end > state.limit.value_or(state.capacity)) {
      return CorruptionAt(
          reader->path(), at,
          "a record that reaches beyond the end of the segment at " + std::to_string(*state.limit));
    }
    if (record.header.type == RecordType::kSegmentStart) {
      return CorruptionAt(reader->path(), at, "a start record within the segment");
    }
    LearnDurable({state.id, record.header.synced_mark});
    const Status delivered = deliver_({state.id, at}, record.header.type, record.header.stream,
                                      record.header.word, record.payload);
    if (!delivered.ok()) {
      return delivered.WithContext(reader->path() + ": offset " + std::to_string(at));
    }
    ++result_.records;
    result_.payload_bytes += record.payload.size();
    at = record.end;
  }
}

// Takes the word of a valid record; an offset of 0 says nothing.
void Replay::LearnDurable(LogPosition through) {
  if (through.offset > 0) result_.durable = std::max(result_.durable, through);
}

// Decides whether what follows hole_ was ever durable (then this is damage) or is a torn tail.
Status Replay::JudgeHole() {
  const size_t first = hole_->index;
  const LogPosition hole = {chain(first).id, hole_->offset};
  // Where the end of the broken segment is not known, its records may well be whole, and what is
  // damaged is the start record of the next one.
  const bool next_has_start = first + 1 == chain_.size() || chain(first + 1).has_start;
  const LogPosition later_blame =
      next_has_start ? hole : LogPosition{chain(first + 1).id, kStartOffset};

  if (options_.clean_end.has_value() && hole < *options_.clean_end) {
    return NotDurable(options_.clean_end->segment == hole.segment ? hole : later_blame,
                      "the log was closed cleanly at " + options_.clean_end->ToString());
  }
  NOKV_TRY(SeekProof(first, hole.offset, hole.offset, hole));
  for (size_t index = first + 1; index < chain_.size(); ++index) {
    const SegmentState& later = chain(index);
    const uint32_t hole_in_predecessor = index == first + 1 ? hole.offset : 0;
    if (later.has_start && later.start.predecessor_mark > hole_in_predecessor) {
      return NotDurable(later_blame,
                        "the start of " + PathOf(later.id) + " says that this was durable");
    }
    NOKV_TRY(SeekProof(index, kStartOffset, 0, later_blame));
  }
  return Status::Ok();
}

Status Replay::NotDurable(const LogPosition& blame, const std::string& proof) const {
  return CorruptionAt(PathOf(blame.segment), blame.offset, "no valid record, but " + proof);
}

// Looks at every valid record of a segment from `from` on: one whose synced mark is above
// `durable_above` proves that `blame` was durable. Counts what is given up if there is none.
Status Replay::SeekProof(size_t index,
                         uint32_t from,
                         uint32_t durable_above,
                         const LogPosition& blame) {
  const SegmentState& state = chain(index);
  const uint32_t limit = state.limit.value_or(state.capacity);
  NOKV_ASSIGN_OR_RETURN(const auto reader, OpenReader(state.id));
  Found at_hole;
  Record record;
  NOKV_TRY(reader->Read(from, &at_hole, &record));
  uint32_t extent = at_hole == Found::kTorn ? record.end : from;
  for (uint32_t at = from;;) {
    bool found;
    NOKV_TRY(reader->Find(at, limit, &found, &record));
    if (!found) break;
    if (record.header.synced_mark > durable_above) {
      return NotDurable(blame, "the record at offset " + std::to_string(record.offset) + " of " +
                                   reader->path() + " says that this was durable");
    }
    at = record.end;
    extent = std::max(extent, at);
  }
  if (state.limit.has_value()) extent = std::max(extent, limit);
  if (extent > from) {
    result_.torn_tail = true;
    result_.dropped_bytes += extent - from;
  }
  return Status::Ok();
}

// The records reach the clean end, or JudgeHole would have said so. Behind it may stand what
// Log::Open makes before anything can be written, and no more.
Status Replay::CheckCleanEnd() const {
  if (!options_.clean_end.has_value()) return Status::Ok();
  const LogPosition clean = *options_.clean_end;
  const auto damage = [&](LogPosition at) {
    return CorruptionAt(PathOf(at.segment), at.offset,
                        "holds records behind the clean end " + clean.ToString() + " of the log");
  };
  for (size_t index = 0; index < chain_.size(); ++index) {
    const SegmentState& state = chain(index);
    const bool in_use = state.end > kDataOffset || result_.torn_tail;
    if (state.id > clean.segment && in_use) return damage({state.id, kDataOffset});
    if (state.id != clean.segment) continue;
    NOKV_ASSIGN_OR_RETURN(const auto reader, OpenReader(state.id));
    Found found;
    Record record;
    NOKV_TRY(reader->Read(clean.offset, &found, &record));
    if (found == Found::kRecord) return damage(clean);
  }
  return Status::Ok();
}

ReplayResult Replay::Summarise() {
  for (const size_t index : chain_) {
    const SegmentState& state = segments_[index];
    if (state.end > 0) result_.end = {state.id, state.end};
  }
  for (const SegmentState& state : segments_) {
    result_.segments.push_back({.id = state.id,
                                .first_word = state.first_word,
                                .bytes = state.end,
                                .capacity = state.capacity,
                                .sealed = true});
  }
  if (options_.clean_end.has_value()) LearnDurable(*options_.clean_end);
  const uint32_t newest = ids_.empty() ? 0 : ids_.back();
  result_.next_segment =
      std::max({options_.first_segment, options_.created_through + 1, newest + 1});
  if (result_.torn_tail) {
    const std::string where = result_.end.segment == 0
                                  ? "no record of the log in " + dir_ + " counts"
                                  : "the log ends at offset " + std::to_string(result_.end.offset) +
                                        " of " + PathOf(result_.end.segment);
    result_.torn_description = where + "; " + std::to_string(result_.dropped_bytes) +
                               " bytes behind it were written but never durable";
  }
  return std::move(result_);
}

}  // namespace

Result<ReplayResult> ReplayLog(vfs::FileSystem* fs,
                               const std::string& dir,
                               uint64_t database_id,
                               const ReplayOptions& options,
                               const ReplayFn& deliver) {
  return Replay(fs, dir, database_id, options, deliver).Run();
}

}  // namespace nokv::wal
