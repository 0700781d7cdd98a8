#pragma once

// The names of the files in a database directory, and what a name says.
//
//   CURRENT           names the manifest in use
//   LOCK              held by the process that writes
//   MANIFEST-000012   a manifest
//   000345.sst        a table
//   000007.wal        a log segment; segments have numbers of their own
//   <name>.tmp        one of the above while it is being made; never referred to
//
// Numbers have at least six digits, and one number has one name: "0000012.sst" is not ours. The
// names are permanent. Thread-safe: pure functions.

#include <cstdint>
#include <string>

#include "nokv/slice.h"

namespace nokv::manifest {

inline constexpr char kCurrentName[] = "CURRENT";
inline constexpr char kLockName[] = "LOCK";
inline constexpr char kTemporarySuffix[] = ".tmp";

// Numbers of tables and manifests are in [1, kFileNumberMax].
inline constexpr uint64_t kFileNumberMax = (1ULL << 62) - 1;

enum class FileType : unsigned char { kCurrent, kLock, kManifest, kTable, kLog, kTemporary };

std::string ManifestFileName(uint64_t number);
std::string TableFileName(uint64_t number);
std::string LogFileName(uint32_t segment);
// What the file `name` is called until it is whole.
std::string TemporaryFileName(const std::string& name);

// False if `name` is not a name of ours. *number is the number in it, 0 if it has none; a temporary
// file has the number of what it becomes.
bool ParseFileName(Slice name, FileType* type, uint64_t* number);

}  // namespace nokv::manifest
