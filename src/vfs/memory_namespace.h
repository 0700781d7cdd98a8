#pragma once

// Namespace: the directories of a disk in memory, as the kernel has them and as the disk has them.
//
// Every change of names is one operation in the list of its directory until SyncDirectory makes the
// whole list durable. What the power leaves behind:
//  1. of the listed operations any subset, applied in their order: a later one may survive an
//  earlier;
//  2. but of the operations on one name in a directory a front: what replaced or moved a file does
//  not
//     survive without what had put it there, so that no file is lost that nobody removed;
//  3. each of them as a whole. A rename within a directory never leaves its target without a file,
//  nor
//     the source gone and the target old;
//  4. a rename into another directory is two operations: the target's name in one list, the end of
//  the
//     source's name in the other, and the second survives only with the first. The file is never
//     lost, but may be found under both names;
//  5. a name whose directory is itself not named is gone with it.
//
// Directories are renamed within their parent only (EXDEV otherwise): then every inode that is a
// directory has one name in any state, and there are no cycles.
//
// Externally synchronised. Functions that return int return 0 or an errno.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/round.h"
#include "vfs/memory_file_data.h"

namespace nokv::vfs::memory {

struct Inode;
// Shared by the names of a file, durable and not, and by those who have it open.
using InodePtr = std::shared_ptr<Inode>;

// One change of names in one directory.
struct NameOperation {
  struct Assignment {
    std::string name;
    InodePtr inode;  // null: the name ends
  };
  uint64_t number;  // counts up over all directories
  std::vector<Assignment> assignments;
  // For the source's side of (4): the number of the target's side, and its directory.
  uint64_t requires_number = 0;
  std::weak_ptr<Inode> requires_directory;
};

using Entries = std::map<std::string, InodePtr>;

struct Inode {
  explicit Inode(bool directory) : is_directory(directory) {}

  const bool is_directory;
  // Of a directory.
  Entries entries;
  Entries durable_entries;
  std::vector<NameOperation> pending;
  // Of a file.
  FileData data;
  int link_count = 0;  // names it has, as the kernel sees it
  int open_count = 0;
  bool locked = false;
  std::string lock_holder;
};

// What of the names and of the data a power loss leaves.
enum class Survivors : unsigned char { kDurable, kAll, kRandom };

class Namespace {
 public:
  // An empty root directory.
  Namespace();

  // Where a path leads: a name in a directory, and what is there.
  struct Place {
    InodePtr directory;
    std::string name;  // empty for the root
    InodePtr inode;    // null if there is none
  };
  // Paths are taken from the root, whether or not they begin with '/'; empty parts and "." are
  // skipped.
  int Locate(const std::string& path, Place* place) const;

  // REQUIRES: place.inode is null, place.name is not empty.
  InodePtr AddFile(const Place& place);
  InodePtr AddDirectory(const Place& place);
  // REQUIRES: place.inode is null; `inode` is a file.
  void AddLink(const Place& place, const InodePtr& inode);
  // REQUIRES: place.inode is a file or an empty directory, and not the root.
  void Remove(const Place& place);
  // *displaced is what had the name `to`, or null.
  int Rename(const Place& from, const Place& to, InodePtr* displaced);
  void SyncDirectory(Inode* directory);

  // The same names and files in the same state; nothing is open or locked.
  Namespace Duplicate() const;
  // The disk after a power loss. `random` is used for Survivors::kRandom only.
  Namespace Survivor(Survivors names, Survivors data, base::Random* random) const;

  // Bytes in blocks of all files that have a name.
  uint64_t AllocatedBytes() const;

 private:
  explicit Namespace(InodePtr root) : root_(std::move(root)) {}

  void Apply(const Place& place, std::vector<NameOperation::Assignment> assignments);
  // With what it requires; leaves the list of `directory` as it is.
  static void MakeDurable(const NameOperation& operation, Inode* directory);
  // Takes the operation out of the list of `directory`, and with it those before it that it may not
  // survive without (2).
  static void MakeDurableAlone(uint64_t number, Inode* directory);

  InodePtr root_;
  uint64_t operations_ = 0;
};

// How much of the disk a file of `size` bytes takes.
inline uint64_t AllocatedBytes(uint64_t size) {
  return base::RoundUp(size, kBlockBytes);
}

}  // namespace nokv::vfs::memory
