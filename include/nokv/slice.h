#pragma once

// Slice: a borrowed run of bytes.
//
// Keys and values are byte strings: any byte may occur in them, and they compare as unsigned bytes,
// shorter before longer. A Slice owns nothing; whoever makes one says how long it stays valid.

#include <string_view>

namespace nokv {

using Slice = std::string_view;

}  // namespace nokv
