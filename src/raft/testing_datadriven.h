#pragma once

// The language of transcripts: files of directives, each with its input and the output it had.
//
//   # a comment
//   command key key=value key=(a, b)
//   input, possibly several lines
//   ----
//   expected output, up to a blank line
//
// A directive line that ends in a backslash goes on in the next. Output with blank lines stands
// between two double lines of dashes. State lasts for one file.
//
// Threading: pure functions over strings.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nokv::raft {

struct Directive {
  struct Argument {
    std::string key;
    std::vector<std::string> values;
  };
  std::string command;
  std::vector<Argument> arguments;
  std::string input;
  std::string expected;
  int line = 0;

  // The argument of that key, or null.
  const Argument* Find(std::string_view key) const;
};

// Thrown away with the file it stands in: what the harness cannot make sense of.
struct TranscriptError {
  int line = 0;
  std::string message;
};

// What a directive does: its output, or an error that ends the file.
struct Outcome {
  std::string output;
  std::optional<std::string> fatal;
};
using Handler = std::function<Outcome(const Directive&)>;

// All directives of `text`, or what is wrong with it.
struct ParsedTranscript {
  std::vector<Directive> directives;
  std::optional<TranscriptError> error;
};
ParsedTranscript ParseTranscript(std::string_view text);
// One directive line: its command and arguments, or nothing if it is not one.
bool ParseDirectiveLine(std::string_view line, Directive* directive);

struct TranscriptResult {
  int directives = 0;
  int mismatches = 0;
  // Differences and errors, for people.
  std::string report;
  // The file as it would be with the output there was.
  std::string rewritten;
};
TranscriptResult RunTranscript(std::string_view name, std::string_view text,
                               const Handler& handler);

// How to get from one text to the other; empty when they are equal.
std::string UnifiedDiff(std::string_view expected, std::string_view actual);

// strconv-like readers for arguments.
std::optional<uint64_t> ParseUnsigned(std::string_view text);
std::optional<bool> ParseBool(std::string_view text);

}  // namespace nokv::raft
