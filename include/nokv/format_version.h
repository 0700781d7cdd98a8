#pragma once

// FormatVersion: which generation of file formats a database directory is written in.
//
// The manifest of a database records its version. A build opens every version up to kNewest and
// refuses a higher one with kNotSupported before it touches a file. An existing database keeps its
// version until it is raised on purpose, so that the build before can still open it.
//
// The list only grows: a version that was ever released keeps its number and its meaning.

#include <cstdint>

namespace nokv {

enum class FormatVersion : uint32_t {
  // The log, the tables and the manifest as described in docs/format.
  kFirst = 1,

  kNewest = kFirst,
};

}  // namespace nokv
