// VerifyChecksums: reads a whole table from the device and checks it, byte by byte and entry by
// entry.

#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "sst/block.h"
#include "sst/table_iterator.h"
#include "sst/table_reader.h"
#include "sst/tombstone_block.h"

namespace nokv::sst {

namespace {

constexpr size_t kVerifyReadBytes = 1 << 20;

}  // namespace

class TableVerifier {
 public:
  explicit TableVerifier(const TableReader& reader)
      : reader_(reader),
        file_(reader.file_),
        window_(&reader.file_, &reader.index_, kVerifyReadBytes) {}

  Status Run() {
    // Footer and metadata were checked by Open; the device may have changed its mind since.
    NOKV_ASSIGN_OR_RETURN(const Footer footer, ReadFooter(file_));
    for (const BlockHandle& handle : MetaBlocks(footer)) {
      std::unique_ptr<char[]> memory;
      Slice payload;
      NOKV_TRY(reader_.ReadMetaBlock(handle, &memory, &payload));
    }
    for (uint32_t i = 0; i < reader_.index_.block_count(); ++i)
      NOKV_TRY(VerifyDataBlock(i));
    counted_.CountTombstones(reader_.tombstones_);
    return CompareProperties(footer);
  }

 private:
  static std::vector<BlockHandle> MetaBlocks(const Footer& footer) {
    std::vector<BlockHandle> handles = {footer.index(), footer.properties()};
    if (footer.has_filter()) handles.push_back(footer.filter());
    if (footer.has_tombstones()) handles.push_back(footer.tombstones());
    return handles;
  }

  Status VerifyDataBlock(uint32_t i) {
    const uint64_t offset = reader_.index_.block(i).offset;
    Slice stored;
    Slice payload;
    NOKV_TRY(window_.Fetch(i, Direction::kForward, &stored));
    NOKV_TRY(file_.Unpack(stored, offset, &unpacked_, &unpacked_bytes_, &payload));
    Block block;
    if (const char* wrong = block.Parse(payload)) return file_.Damaged(offset, wrong);
    if (const char* wrong = block.Verify()) return file_.Damaged(offset, wrong);
    if (const char* wrong = VerifyEntries(i, block)) return file_.Damaged(offset, wrong);
    ++counted_.data_blocks;
    counted_.raw_data_bytes += payload.size();
    counted_.block_bytes_max = std::max<uint64_t>(counted_.block_bytes_max, payload.size());
    return {};
  }

  // Fences stand between the blocks, and the filter knows every key.
  const char* VerifyEntries(uint32_t i, const Block& block) {
    BlockCursor cursor;
    cursor.Attach(&block);
    for (uint32_t place = 0; place < block.entry_count(); ++place) {
      if (const char* wrong = cursor.MoveTo(place)) return wrong;
      const key::Entry entry = {cursor.key(), cursor.trailer(), cursor.expires_at(),
                                cursor.value()};
      if (place == 0 && i > 0) {
        const std::string fence = reader_.index_.FenceKey(i);
        const uint64_t fence_trailer = reader_.index_.FenceTrailer(i);
        if (key::CompareEntries(last_key_, last_trailer_, fence, fence_trailer) >= 0 ||
            key::CompareEntries(fence, fence_trailer, entry.key, entry.trailer) > 0) {
          return "a data block beyond its fences";
        }
      }
      const bool new_key = counted_.entries == 0 || last_key_ != entry.key;
      if (new_key && !reader_.MayContain(base::Hash64(entry.key))) {
        return "a key that the filter does not know";
      }
      counted_.CountEntry(entry, new_key);
      last_key_ = entry.key;
      last_trailer_ = entry.trailer;
    }
    return nullptr;
  }

  Status CompareProperties(const Footer& footer) {
    counted_.data_bytes = footer.data_end();
    counted_.file_bytes = footer.file_bytes;
    counted_.creation_time = reader_.properties_.creation_time;
    if (counted_ == reader_.properties_) return {};
    return file_.Damaged(footer.properties_offset, "the properties contradict the entries");
  }

  const TableReader& reader_;
  const TableFile& file_;
  ReadWindow window_;
  std::unique_ptr<char[]> unpacked_;
  size_t unpacked_bytes_ = 0;
  TableProperties counted_;
  std::string last_key_;
  uint64_t last_trailer_ = 0;
};

Status TableReader::VerifyChecksums() const {
  return TableVerifier(*this).Run();
}

}  // namespace nokv::sst
