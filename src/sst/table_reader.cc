#include "sst/table_reader.h"

#include <algorithm>
#include <utility>

#include "sst/block.h"
#include "sst/table_iterator.h"
#include "sst/tombstone_block.h"

namespace nokv::sst {

namespace {

constexpr uint64_t kLoadBytes = 256 << 10;  // of one read from the device when many blocks are wanted

}  // namespace

Result<std::unique_ptr<TableReader>> TableReader::Open(const Context& context,
                                                       std::unique_ptr<vfs::RandomAccessFile> file,
                                                       uint64_t file_number) {
  const FileIdentity identity = {context.database_id, file_number};
  std::unique_ptr<TableReader> reader(new TableReader(context, std::move(file), identity));
  NOKV_TRY(reader->Load());
  return reader;
}

Status TableReader::Load() {
  NOKV_ASSIGN_OR_RETURN(const Footer footer, ReadFooter(file_));
  std::unique_ptr<char[]> memory;
  Slice payload;
  NOKV_TRY(ReadMetaBlock(footer.properties(), &memory, &payload));
  if (const char* wrong = properties_.Decode(payload)) {
    return file_.Damaged(footer.properties_offset, wrong);
  }
  properties_.file_bytes = footer.file_bytes;
  file_.SetBlockBytesMax(properties_.block_bytes_max);

  NOKV_TRY(ReadMetaBlock(footer.index(), &memory, &payload));
  if (const char* wrong = index_.Decode(payload, footer.data_end())) {
    return file_.Damaged(footer.index_offset, wrong);
  }
  if (properties_.data_blocks != index_.block_count() ||
      properties_.data_bytes != footer.data_end()) {
    return file_.Damaged(footer.properties_offset, "the properties contradict the index");
  }
  if (footer.has_filter()) NOKV_TRY(LoadFilter(footer.filter()));
  if (footer.has_tombstones()) NOKV_TRY(LoadTombstones(footer.tombstones()));
  return {};
}

Status TableReader::LoadFilter(const BlockHandle& handle) {
  const auto payload_bytes = static_cast<size_t>(handle.payload_bytes);
  char* const memory = filter_.Allocate(payload_bytes, kTrailerBytes);
  if (memory == nullptr) return file_.Damaged(handle.offset, "a filter of impossible size");
  Slice stored;
  NOKV_TRY(file_.Read(handle.offset, payload_bytes + kTrailerBytes, memory, &stored));
  Compression compression;
  Slice payload;
  NOKV_TRY(file_.Check(stored, handle.offset, &compression, &payload));
  if (compression != Compression::kNone) {
    return file_.Damaged(handle.offset, "a filter that claims to be compressed");
  }
  if (stored.data() != memory) std::copy(stored.begin(), stored.end(), memory);
  if (const char* wrong = filter_.Adopt(payload_bytes)) return file_.Damaged(handle.offset, wrong);
  return {};
}

Status TableReader::LoadTombstones(const BlockHandle& handle) {
  std::unique_ptr<char[]> memory;
  Slice payload;
  NOKV_TRY(ReadMetaBlock(handle, &memory, &payload));
  if (const char* wrong = DecodeTombstones(payload, &tombstones_)) {
    return file_.Damaged(handle.offset, wrong);
  }
  return {};
}

Status TableReader::ReadMetaBlock(const BlockHandle& handle,
                                  std::unique_ptr<char[]>* memory,
                                  Slice* payload) const {
  const auto stored_bytes = static_cast<size_t>(handle.stored_bytes());
  *memory = std::make_unique_for_overwrite<char[]>(stored_bytes);
  Slice stored;
  NOKV_TRY(file_.Read(handle.offset, stored_bytes, memory->get(), &stored));
  Compression compression;
  NOKV_TRY(file_.Check(stored, handle.offset, &compression, payload));
  if (compression != Compression::kNone) {
    return file_.Damaged(handle.offset, "a block of metadata that claims to be compressed");
  }
  return {};
}

Status TableReader::FetchBlock(const BlockHandle& block,
                               const ReadOptions& options,
                               BlockPin* pin,
                               Slice* payload) const {
  if (cache::BlockCache* const cache = file_.cache(); cache != nullptr) {
    const cache::BlockKey key = {file_.identity().file_number, block.offset};
    if (!options.pin_value) {
      if (cache->Lookup(key, payload)) [[likely]]
        return {};
    } else if (cache::BlockCache::Handle handle = cache->LookupPinned(key)) {
      *payload = handle.block();
      *pin = BlockPin(std::move(handle));
      return {};
    }
  }
  return file_.ReadDataBlock(block, options.fill_cache, cache::BlockCache::Priority::kNormal, pin,
                             payload);
}

Status TableReader::Get(Slice key,
                        uint64_t hash,
                        key::SequenceNumber snapshot,
                        const ReadOptions& options,
                        GetResult* result) const {
  result->found = false;
  result->pin.Reset();
  if (index_.block_count() == 0) return {};
  // The first place among the versions of key that the snapshot sees.
  const uint64_t trailer = snapshot << 8 | 0xff;
  const BlockHandle handle = index_.block(index_.Find(key, trailer));
  Slice payload;
  NOKV_TRY(FetchBlock(handle, options, &result->pin, &payload));
  Block::Prefetch(payload);
  Block block;
  if (const char* wrong = block.Parse(payload)) return file_.Damaged(handle.offset, wrong);
  BlockEntry entry;
  const Block::Found found = block.Find(key, hash, trailer, &entry);
  if (found != Block::Found::kYes) result->pin.Reset();
  if (found == Block::Found::kNo) return {};
  if (found == Block::Found::kDamaged) {
    return file_.Damaged(handle.offset, "a data block with a malformed entry");
  }
  result->found = true;
  result->trailer = entry.trailer;
  result->expires_at = entry.expires_at;
  result->value = entry.value;
  return {};
}

std::unique_ptr<key::EntryIterator> TableReader::NewIterator(const IteratorOptions& options) const {
  return std::make_unique<TableIterator>(&file_, &index_, options);
}

std::string TableReader::BlockBegin(uint32_t i, uint64_t* trailer) const {
  if (i == 0) {
    *trailer = UINT64_MAX;
    return properties_.smallest_key;
  }
  *trailer = index_.FenceTrailer(i);
  return index_.FenceKey(i);
}

Status TableReader::LoadIntoCache(std::span<const uint32_t> blocks) const {
  std::unique_ptr<char[]> scratch;
  size_t scratch_bytes = 0;
  for (size_t first = 0; first < blocks.size();) {
    const uint64_t begin = index_.block(blocks[first]).offset;
    uint64_t end = begin;
    size_t next = first;
    do {
      const BlockHandle block = index_.block(blocks[next]);
      end = block.offset + block.stored_bytes();
      ++next;
    } while (next < blocks.size() && blocks[next] == blocks[next - 1] + 1 &&
             end - begin < kLoadBytes);
    const auto bytes = static_cast<size_t>(end - begin);
    if (bytes > scratch_bytes) {
      scratch = std::make_unique_for_overwrite<char[]>(bytes);
      scratch_bytes = bytes;
    }
    Slice stored;
    NOKV_TRY(file_.Read(begin, bytes, scratch.get(), &stored));
    for (; first < next; ++first) {
      const BlockHandle block = index_.block(blocks[first]);
      BlockPin pin;
      Slice payload;
      NOKV_TRY(file_.InsertIntoCache(
          stored.substr(static_cast<size_t>(block.offset - begin),
                        static_cast<size_t>(block.stored_bytes())),
          block.offset, cache::BlockCache::Priority::kLow, &pin, &payload));
    }
  }
  return {};
}

size_t TableReader::memory_bytes() const {
  size_t tombstone_bytes = 0;
  for (size_t i = 0; i < tombstones_.size(); ++i) {
    const key::RangeTombstones::Fragment& fragment = tombstones_.fragment(i);
    tombstone_bytes += sizeof fragment + fragment.begin.size() + fragment.end.size() +
                       fragment.seq_count * sizeof(key::SequenceNumber);
  }
  return sizeof *this + index_.memory_bytes() + filter_.memory_bytes() + tombstone_bytes +
         properties_.smallest_key.capacity() + properties_.end_key.capacity();
}

uint64_t TableReader::ApproximateOffsetOf(Slice key) const {
  if (key < properties_.smallest_key || index_.block_count() == 0) return 0;
  if (key >= properties_.end_key) return properties_.data_bytes;
  return index_.block(index_.Find(key, UINT64_MAX)).offset;
}

}  // namespace nokv::sst
