#pragma once

// Reading manifests: groups one after the other, and the verdict on where they stop.
//
// Every group is synced before it is acknowledged, and a failed append is never followed by
// another in the same file. So what may be incomplete after a crash is the very end: the last seal
// and the one group that was being appended, none of it acknowledged. The reader takes bytes that
// are not a record for such a torn tail only if nothing says otherwise:
//  1. CURRENT says how much of the file was durable when CURRENT was written.
//  2. each group and seal, found anywhere behind the broken bytes, says how much of the file was
//     durable when it was written.
// Broken bytes below any of these marks are damage: kCorruption with file and offset. What no
// reader can tell from a torn append is the loss of the last acknowledged group together with its
// seal. Nothing here writes.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "nokv/result.h"
#include "nokv/slice.h"
#include "nokv/status.h"

#include "manifest/manifest_format.h"
#include "manifest/state.h"
#include "manifest/version_edit.h"
#include "vfs/file_system.h"

namespace nokv::manifest {

// One atomic group as it stands in the file.
struct LoggedGroup {
  uint64_t offset = 0;
  uint64_t bytes = 0;  // with its header
  std::vector<VersionEdit> edits;
};

// Walks over the bytes of one manifest. Confined to one thread.
class ManifestReader {
 public:
  // `file` must outlive the reader. `path` is for messages. `synced` is what CURRENT says of this
  // file, 0 if that is not known.
  ManifestReader(Slice file, std::string path, uint64_t synced);

  // Must be the first call.
  Status ReadFileHeader();
  const FileHeader& file_header() const { return file_header_; }

  // The next group; false at the end and at damage: see status().
  bool Next(LoggedGroup* group);
  const Status& status() const { return status_; }

  // At the end: bytes behind the last whole record, which an append left that was never
  // acknowledged.
  uint64_t torn_bytes() const { return torn_bytes_; }

 private:
  // What is at an offset.
  struct Record {
    RecordHeader header;
    Slice payload;
  };
  // Ok, or why there is no whole record.
  Status ReadRecord(uint64_t offset, Record* record) const;
  // True if the record that cannot be read at offset_ was never acknowledged; stops otherwise.
  bool IsTornTail(const Status& problem);
  // The greatest mark of any header at or behind `offset`.
  uint64_t SyncedMarkBehind(uint64_t offset) const;
  bool DecodeGroup(const Record& record, LoggedGroup* group);
  bool Stop(const Status& status);

  const Slice file_;
  const std::string path_;
  FileHeader file_header_;
  uint64_t synced_;  // everything below is known to have been durable
  uint64_t offset_ = 0;
  uint64_t torn_bytes_ = 0;
  Status status_;
};

// Reads CURRENT. If there is none: kNotFound if the directory is missing, empty, or holds no more
// than the beginnings of a database whose creation was cut off; kCorruption, naming a file that
// must not be there without CURRENT, otherwise.
Result<CurrentFile> ReadCurrent(vfs::FileSystem* fs, const std::string& dir);

// The state a directory describes, and how it was found.
struct LoadedState {
  State state;
  CurrentFile current;
  uint64_t manifest_bytes = 0;
  uint64_t groups = 0;
  uint64_t torn_bytes = 0;
};

// Follows CURRENT to the manifest and folds its groups. Changes nothing. May run beside a writer
// in another process, also while that one moves on to a new manifest.
Result<LoadedState> LoadDirectory(vfs::FileSystem* fs, const std::string& dir);

// What EnumerateManifest saw besides the groups.
struct ManifestSummary {
  FileHeader header;
  uint64_t file_bytes = 0;
  uint64_t groups = 0;
  uint64_t torn_bytes = 0;
};

// Shows each group of the manifest file `path`, whether CURRENT names it or not. At damage, the
// groups before it have been shown.
Result<ManifestSummary> EnumerateManifest(vfs::FileSystem* fs,
                                          const std::string& path,
                                          const std::function<void(const LoggedGroup&)>& visit);

}  // namespace nokv::manifest
