#pragma once

// MemoryFileSystem: a disk in memory that can lose its power.
//
// The model is that of a kernel with a write-back cache over a disk: what was synced survives;
// unsynced bytes and unsynced directory operations survive in any subset, and blocks torn at any
// byte (memory_file_data.h and memory_namespace.h say exactly which states are possible). Between
// the caller and the kernel stands the same buffer of WritableFile as on a real file system
// (buffered_writable_file.h): its bytes are lost when the process dies.
//
// How a test uses it:
//   run a script to its end and read operation_count(); then, for every n up to it, run the script
//   again after SetCrashPoint(n) until a call fails, take CrashClone(policy, seed) for each policy,
//   recover on the clone and check it against a model.
// A clone costs O(files + dirty blocks), for clones share the blocks.
//
// It differs from a POSIX file system in three ways: paths are taken from one root, "." included;
// links are hard links only; directories are renamed within their parent only.
//
// Thread-safe; one lock guards everything. Open files keep the disk alive and may outlive this
// object.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vfs/file_system.h"

namespace nokv::vfs {

// Which of the unsynced state a power loss leaves.
enum class CrashPolicy : unsigned char {
  kMinimum,    // neither bytes nor names (P-min)
  kMaximum,    // all of it (P-max)
  kDataLost,   // names, but no bytes: empty and short files (P-data)
  kNamesLost,  // bytes, but no names: new files gone, renames undone (P-name)
  kRandom,     // any subset, with torn blocks; by the seed (P-rand)
};
inline constexpr CrashPolicy kCrashPolicies[] = {CrashPolicy::kMinimum, CrashPolicy::kMaximum,
                                                 CrashPolicy::kDataLost, CrashPolicy::kNamesLost,
                                                 CrashPolicy::kRandom};
std::string_view CrashPolicyName(CrashPolicy policy);

class MemoryFileSystem final : public FileSystem {
  class Disk;

 public:
  // An empty disk.
  MemoryFileSystem();
  // For clones; nobody else can name a Disk.
  explicit MemoryFileSystem(std::shared_ptr<Disk> disk);
  ~MemoryFileSystem() override;

  // The disk as found after a power loss at this moment; everything on it is durable. `seed`
  // matters for kRandom only. This file system stays as it is.
  std::unique_ptr<MemoryFileSystem> CrashClone(CrashPolicy policy, uint64_t seed) const;

  // The disk after the death of the process: the kernel lives, and what it had not written to the
  // disk can still be lost by a crash of the clone. Locks are free.
  std::unique_ptr<MemoryFileSystem> CloneAfterProcessDeath() const;

  // How many calls have changed the state or tried to: writes that reach the kernel, syncs of files
  // and directories, creations, locks, renames, links, removals.
  uint64_t operation_count() const;

  // The power fails at the operation of this number (the first is 1): it and every call after it
  // fail with kIOError, "simulated crash", and have no effect. With `torn_seed` a write that the
  // crash hits leaves a random front of its bytes.
  void SetCrashPoint(uint64_t operation, std::optional<uint64_t> torn_seed = std::nullopt);
  // Whether the crash point was reached.
  bool crashed() const;

  // The size of the disk, counted in blocks of 4 KiB for the bytes of files; names cost nothing.
  // What needs more fails with kNoSpace; a write leaves the front of its bytes that had room.
  void SetCapacity(uint64_t bytes);

  // What a kernel does whose disk refuses a sync: the unsynced bytes of the file count as written
  // from here on, although they never were. Readers still see them; the next power loss takes them.
  Status LoseUnsynced(const std::string& path);

  Result<std::unique_ptr<RandomAccessFile>> OpenRandomAccess(const std::string& path,
                                                             FileKind kind,
                                                             AccessPattern pattern) override;
  Result<std::unique_ptr<WritableFile>> CreateWritable(const std::string& path,
                                                       FileKind kind) override;
  Result<std::unique_ptr<LogFile>> CreateLog(const std::string& path, uint64_t capacity) override;
  Result<std::unique_ptr<LogFile>> OpenLog(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Link(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status CreateDirectory(const std::string& path) override;
  Status RemoveDirectory(const std::string& path) override;
  Status SyncDirectory(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& path) override;
  bool Exists(const std::string& path) override;
  Result<uint64_t> FileSize(const std::string& path) override;
  Result<uint64_t> FreeSpace(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> LockFile(const std::string& path,
                                             const std::string& holder) override;

 private:
  class OpenInode;
  class MemoryRandomAccessFile;
  class MemoryWritableFile;
  class MemoryLogFile;
  class MemoryFileLock;

  // Shared with the open files.
  const std::shared_ptr<Disk> disk_;
};

}  // namespace nokv::vfs
