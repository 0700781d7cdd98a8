#pragma once

// Manifest: the writer of the log of changes to what the database consists of.
//
// One directory has one manifest in use, the one CURRENT names. Changes are appended to it in
// groups; each is checked against the state, written, synced, and only then applied. How a
// manifest is read, and which damage can be told from a crash, is in manifest_reader.h; the bytes
// are in manifest_format.h.
//
// Invariants:
//  1. state() is durable: it is what a reader finds after a loss of power. While a LogAndApply
//     runs, or after one has failed (see there), the reader may find its group applied as well.
//  2. nothing is ever appended behind a failed append or sync: the file is given up, and the next
//     change begins a new manifest.
//  3. a new manifest holds the whole state before CURRENT names it, and CURRENT names it durably
//     before any change is appended to it or an older one may be removed. It never carries a
//     change of its own, so that a failure on the way leaves the state as it was, whichever of the
//     two is found.
//  4. Open begins a new manifest, always. To append to an old one would mean to truncate a torn
//     tail, which is never done; and what Open found may be in the kernel's memory only, when just
//     the process had died: acting on it (removing a file, say) needs it to be durable first.
//
// Threads: NewFileNumber may be called by any thread at any time. The rest is externally
// synchronised: one call at a time.

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "nokv/format_version.h"
#include "nokv/result.h"
#include "nokv/slice.h"
#include "nokv/status.h"

#include "manifest/file_names.h"
#include "manifest/manifest_format.h"
#include "manifest/manifest_reader.h"
#include "manifest/state.h"
#include "manifest/version_edit.h"
#include "vfs/file_system.h"

namespace nokv::manifest {

inline constexpr uint32_t kFormatVersion = static_cast<uint32_t>(FormatVersion::kNewest);

// Since the manifest was opened, unless it says otherwise.
struct ManifestStats {
  uint64_t manifest_number = 0;     // of the file in use
  uint64_t bytes = 0;               // its size
  uint64_t snapshot_bytes = 0;      // the part of it that repeats the state it began with
  uint64_t groups_appended = 0;     // acknowledged
  uint64_t edits_appended = 0;      // in these groups
  uint64_t appends_failed = 0;      // LogAndApply calls that an append or a sync ended
  uint64_t manifests_begun = 0;     // CURRENT was switched this often
  uint64_t switches_failed = 0;     // a new manifest could not be put in place
  uint64_t torn_bytes_dropped = 0;  // behind the last whole group, found by Open
};

class Manifest {
  struct Token {
    explicit Token() = default;
  };

 public:
  // Makes `dir` a database with an empty state. REQUIRES: the directory exists, and the caller
  // holds its lock. kInvalidArgument if it is a database; kCorruption if it holds files of one but
  // no CURRENT. A creation that a crash cut off is no database, and may simply be done again: for
  // this to work no table and no log segment may be made before Create has returned.
  static Result<std::unique_ptr<Manifest>> Create(vfs::FileSystem* fs,
                                                  std::string dir,
                                                  uint64_t database_id);

  // Reads the state and continues it in a new manifest (4). REQUIRES: the caller holds the
  // directory's lock. kNotFound if there is no database.
  static Result<std::unique_ptr<Manifest>> Open(vfs::FileSystem* fs, std::string dir);

  // Reads the state and changes no byte. Needs no lock.
  static Result<State> Load(vfs::FileSystem* fs, const std::string& dir);

  // For Create and Open.
  Manifest(Token, vfs::FileSystem* fs, std::string dir, State state);
  // Closes without a word, like the death of the process: nothing is lost.
  ~Manifest() = default;
  Manifest(const Manifest&) = delete;
  Manifest& operator=(const Manifest&) = delete;

  const State& state() const { return state_; }

  // Appends the edits as one atomic group, syncs it, and applies it to state(). kInvalidArgument
  // and kLimitExceeded: the group was refused and nothing was written.
  //
  // After any other error nothing is applied, and the group is lost for good once a later
  // LogAndApply or Rewrite has returned OK. Until then its fate after a crash is open: its bytes
  // may be on the disk. So files that it adds must not be removed before that, nor files that it
  // removes.
  Status LogAndApply(std::span<const VersionEdit> group);
  Status LogAndApply(const VersionEdit& edit) { return LogAndApply(std::span(&edit, 1)); }

  // A number no file of this database has or had; for tables and manifests. Each manifest reserves
  // numbers ahead of those in use, and Open goes on above the reservation and above every name it
  // finds. So a number comes twice only if it was handed out beyond a reservation, within the same
  // run, and left neither a name in the directory nor a word in the manifest.
  uint64_t NewFileNumber() { return next_file_number_.fetch_add(1, std::memory_order_relaxed); }

  // True if the manifest has outgrown its state, or was given up and awaits the next one.
  bool needs_rewrite() const;
  // Continues in a new manifest. After an error the old one is continued if it is sound and
  // CURRENT still names it; otherwise the next LogAndApply tries again.
  Status Rewrite();

  // Names of manifests that are not in use any more, and of what cut-off attempts left: CURRENT
  // durably names a newer one, so they may be removed.
  const std::vector<std::string>& obsolete_files() const { return obsolete_; }
  // Removes them. Those it cannot remove stay in the list, and the first reason is returned.
  Status RemoveObsoleteFiles();

  // Makes CURRENT say how long the manifest is, so that after an orderly end the loss of any part
  // of it is noticed. Everything fails with kClosed afterwards. Idempotent. An error loses
  // nothing.
  Status Close();

  // The file in use, or the one given up.
  uint64_t manifest_number() const { return identity_.manifest_number; }
  ManifestStats stats() const;

 private:
  // Goes on above every number found on the disk, and takes note of the manifests there.
  Status SurveyDirectory();

  Status BeginManifest();
  Result<std::unique_ptr<vfs::WritableFile>> WriteSnapshot(const std::string& name,
                                                           const FileIdentity& identity,
                                                           uint64_t next_file_number);
  void AbandonNewManifest(const std::string& name, const FileIdentity& identity);

  // The record for `group`, with a reservation of file numbers in it if it is time for one; *fold
  // has taken up all of it.
  Result<std::string> EncodeChecked(std::span<const VersionEdit> group, StateFold* fold) const;
  Status AppendSynced(Slice bytes);
  void AppendSeal();

  void RaiseNextFileNumber(uint64_t number);
  uint64_t next_file_number() const { return next_file_number_.load(std::memory_order_relaxed); }
  std::string Path(const std::string& name) const { return vfs::JoinPath(dir_, name); }

  // Constant after construction.
  vfs::FileSystem* const fs_;
  const std::string dir_;

  State state_;
  std::atomic<uint64_t> next_file_number_;  // relaxed: a counter that orders nothing else

  // The manifest in use. file_ is null while there is none: at first, and after a failure (2).
  FileIdentity identity_;
  std::unique_ptr<vfs::WritableFile> file_;
  uint64_t snapshot_bytes_ = 0;
  uint64_t synced_ = 0;             // bytes of file_ that are durable
  uint64_t synced_in_current_ = 0;  // what CURRENT says of it
  bool closed_ = false;

  std::vector<std::string> superseded_;  // become obsolete when CURRENT has been switched
  std::vector<std::string> obsolete_;
  ManifestStats stats_;
};

}  // namespace nokv::manifest
