#pragma once

// The version of this build.

namespace nokv {

// The version of the library and of the nokv command: major.minor.patch.
inline constexpr char kVersion[] = "0.1.0";

}  // namespace nokv
