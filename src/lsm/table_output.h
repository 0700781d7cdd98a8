#pragma once

// TableOutput: writes a stream of entries as one or more new tables. Flush and compaction share it.
//
// Each table follows the safe order of file operations: built under a temporary name, synced, renamed,
// and its directory synced once for all of them in Finish. The caller enters them in the manifest
// afterwards. Until then the files are its own: Abandon, or the destructor, removes them.
//
// A table is cut only between two keys, never between two versions of one key. Range tombstones are
// clipped to the stretch of keys that each table stands for. Confined to one thread.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "key/entry.h"
#include "key/range_tombstones.h"
#include "manifest/version_edit.h"
#include "sst/table_builder.h"
#include "vfs/file_system.h"

namespace nokv::lsm {

class TableOutput {
 public:
  struct Options {
    vfs::FileSystem* fs = nullptr;
    std::string directory;
    uint64_t database_id = 0;
    sst::TableOptions table;
    uint64_t file_bytes = 32ULL << 20;
    // Where tables of the next level begin, ascending: a table at least half full is cut there.
    std::vector<std::string> borders;
    uint64_t now_millis = 0;
    std::function<uint64_t()> new_file_number;
    // The range tombstones to write. Outlives this object.
    const key::RangeTombstones* tombstones = nullptr;
    // Gets the blocks; may be null.
    std::unique_ptr<sst::BlockSink> blocks;
  };

  explicit TableOutput(Options options);
  ~TableOutput();
  TableOutput(const TableOutput&) = delete;
  TableOutput& operator=(const TableOutput&) = delete;

  // `at_new_key`: this entry's key differs from the previous one's.
  Status Add(const key::Entry& entry, bool at_new_key);
  // Completes the last table and makes all of them durable. Returns their metadata, in key order.
  Result<std::vector<manifest::FileMeta>> Finish();
  // The tables belong to the manifest from here on: the destructor leaves them alone.
  void Keep() { kept_ = true; }

  uint64_t bytes_written() const { return bytes_written_; }

 private:
  Status StartTable();
  // Completes the open table, which stands for the keys before `limit` (all the rest if null).
  Status FinishTable(const Slice* limit);
  bool ShouldCut(Slice key);
  bool TombstonesBefore(const Slice* limit) const;
  void Abandon();

  const Options options_;
  std::string lower_;  // the open table stands for keys from here on
  bool bounded_below_ = false;
  size_t next_border_ = 0;
  std::unique_ptr<vfs::WritableFile> file_;
  std::unique_ptr<sst::TableBuilder> builder_;
  uint64_t number_ = 0;
  std::vector<manifest::FileMeta> finished_;
  uint64_t bytes_written_ = 0;
  bool kept_ = false;
};

}  // namespace nokv::lsm
