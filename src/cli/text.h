#pragma once

// Bytes as text. Thread-safe: pure functions.

#include <string>

#include "nokv/slice.h"

namespace nokv::cli {

// A JSON string with its quotes. A byte above 0x7e stands as \u00XX: the reader gets the bytes back as
// Latin-1, and the output is JSON whatever the bytes are.
std::string JsonString(Slice bytes);

// For the terminal: bytes that do not print stand as \xXX, a backslash as two.
std::string Printable(Slice bytes);

// The opposite of Printable; false if the text has an incomplete or unknown escape.
bool Unescape(Slice text, std::string* bytes);

}  // namespace nokv::cli
