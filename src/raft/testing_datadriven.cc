#include "raft/testing_datadriven.h"

#include <algorithm>
#include <charconv>

#include "raft/trace.h"

namespace nokv::raft {

namespace {

constexpr std::string_view kSeparator = "----";

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::vector<std::string_view> SplitLines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return lines;
}

bool HasBlankLine(std::string_view text) {
  for (const std::string_view line : SplitLines(text)) {
    if (Trim(line).empty()) return true;
  }
  return false;
}

// Reads a file directive by directive, keeping what a rewritten file repeats.
class Reader {
 public:
  explicit Reader(std::string_view text) : lines_(SplitLines(text)) {}

  // False at the end, or with `error` set.
  bool Next(Directive* directive, std::optional<TranscriptError>* error) {
    while (at_ < lines_.size()) {
      *directive = Directive();
      directive->line = static_cast<int>(at_) + 1;
      std::string line(Trim(Keep()));
      if (line.starts_with('#')) continue;
      while (line.ends_with('\\') && at_ < lines_.size()) {
        line.pop_back();
        line += Join(" ", Trim(Keep()));
      }
      if (line.empty()) continue;
      if (!ParseDirectiveLine(line, directive)) {
        *error = TranscriptError{directive->line, "cannot parse directive: " + line};
        return false;
      }
      if (directive->command == "subtest") continue;
      ReadInput(directive, error);
      return !error->has_value();
    }
    return false;
  }

  void Emit(std::string_view actual) {
    kept_ += "----\n";
    if (HasBlankLine(actual)) {
      kept_ += Join("----\n", actual, "----\n----\n\n");
    } else {
      kept_ += Join(actual, "\n");
    }
  }
  std::string TakeRewritten() {
    if (kept_.ends_with("\n\n")) kept_.pop_back();
    return std::move(kept_);
  }

 private:
  std::string_view Keep() {
    const std::string_view line = lines_[at_++];
    kept_ += Join(line, "\n");
    return line;
  }

  void ReadInput(Directive* directive, std::optional<TranscriptError>* error) {
    std::string input;
    bool separated = false;
    while (at_ < lines_.size()) {
      if (lines_[at_] == kSeparator) {
        ++at_;
        separated = true;
        break;
      }
      input += Join(Keep(), "\n");
    }
    directive->input = Trim(input);
    if (!separated || at_ == lines_.size()) return;
    if (lines_[at_] == kSeparator) {
      ++at_;
      ReadDelimited(directive, error);
      return;
    }
    while (at_ < lines_.size() && !Trim(lines_[at_]).empty()) {
      directive->expected += Join(lines_[at_++], "\n");
    }
    // The blank line that ends the output; a rewritten file gets one of its own.
    if (at_ < lines_.size()) ++at_;
  }

  void ReadDelimited(Directive* directive, std::optional<TranscriptError>* error) {
    while (at_ < lines_.size()) {
      if (lines_[at_] == kSeparator && at_ + 1 < lines_.size() && lines_[at_ + 1] == kSeparator) {
        at_ += 2;
        if (at_ < lines_.size() && !lines_[at_++].empty()) {
          *error = TranscriptError{static_cast<int>(at_),
                                   "non-blank line after end of double ---- separator section"};
        }
        return;
      }
      directive->expected += Join(lines_[at_++], "\n");
    }
  }

  std::vector<std::string_view> lines_;
  size_t at_ = 0;
  std::string kept_;
};

// "=(a, (b, c))": the values, with nested parentheses kept. Leaves `line` behind the list.
bool ParseList(std::string_view* line, std::vector<std::string>* values) {
  size_t at = 1;
  size_t start = 1;
  for (int depth = 1; depth > 0; ++at) {
    if (at == line->size()) return false;
    const char c = (*line)[at];
    if (c == '(') ++depth;
    if (c == ')') --depth;
    if (depth == 0 || (c == ',' && depth == 1)) {
      values->emplace_back(line->substr(start, at - start));
      start = at + 1;
      while (c == ',' && start < line->size() && (*line)[start] == ' ') ++start;
      if (c == ',') at = start - 1;
    }
  }
  line->remove_prefix(at);
  return true;
}

}  // namespace

const Directive::Argument* Directive::Find(std::string_view key) const {
  for (const Argument& argument : arguments) {
    if (argument.key == key) return &argument;
  }
  return nullptr;
}

bool ParseDirectiveLine(std::string_view text, Directive* directive) {
  std::string_view line = Trim(text);
  const auto until = [&line](std::string_view ends) {
    const std::string_view taken = line.substr(0, line.find_first_of(ends));
    line.remove_prefix(taken.size());
    return std::string(taken);
  };
  directive->command = until(" ");
  if (directive->command.empty()) return false;
  for (line = Trim(line); !line.empty(); line = Trim(line)) {
    Directive::Argument argument;
    argument.key = until(" =");
    if (argument.key.empty()) return false;
    if (line.starts_with('=')) {
      line.remove_prefix(1);
      if (line.starts_with('(')) {
        if (!ParseList(&line, &argument.values)) return false;
      } else {
        argument.values.push_back(until(" "));
      }
    }
    directive->arguments.push_back(std::move(argument));
  }
  return true;
}

ParsedTranscript ParseTranscript(std::string_view text) {
  ParsedTranscript parsed;
  Reader reader(text);
  Directive directive;
  while (reader.Next(&directive, &parsed.error)) parsed.directives.push_back(directive);
  return parsed;
}

TranscriptResult RunTranscript(std::string_view name, std::string_view text,
                               const Handler& handler) {
  TranscriptResult result;
  Reader reader(text);
  Directive directive;
  std::optional<TranscriptError> error;
  while (!error && reader.Next(&directive, &error)) {
    ++result.directives;
    Outcome outcome = handler(directive);
    if (outcome.fatal) {
      error = TranscriptError{directive.line, *outcome.fatal};
      break;
    }
    std::string& actual = outcome.output;
    if (!actual.empty() && !actual.ends_with('\n')) actual += '\n';
    reader.Emit(actual);
    if (actual == directive.expected) continue;
    ++result.mismatches;
    result.report += Join(name, ":", directive.line, ": ", directive.command,
                          ": output differs\n", UnifiedDiff(directive.expected, actual));
  }
  if (error) {
    ++result.mismatches;
    result.report += Join(name, ":", error->line, ": ", error->message, "\n");
  }
  result.rewritten = reader.TakeRewritten();
  return result;
}

std::string UnifiedDiff(std::string_view expected, std::string_view actual) {
  if (expected == actual) return {};
  const std::vector<std::string_view> a = SplitLines(expected);
  const std::vector<std::string_view> b = SplitLines(actual);
  // common[i][j]: the longest common subsequence of the tails from i and j.
  std::vector<std::vector<uint32_t>> common(a.size() + 1, std::vector<uint32_t>(b.size() + 1));
  for (size_t i = a.size(); i-- > 0;) {
    for (size_t j = b.size(); j-- > 0;) {
      common[i][j] = a[i] == b[j] ? common[i + 1][j + 1] + 1
                                  : std::max(common[i + 1][j], common[i][j + 1]);
    }
  }
  struct Line {
    char mark;
    std::string_view text;
    size_t a_at;
    size_t b_at;
  };
  std::vector<Line> lines;
  for (size_t i = 0, j = 0; i < a.size() || j < b.size();) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      lines.push_back({' ', a[i], i++, j++});
    } else if (i < a.size() && (j == b.size() || common[i + 1][j] >= common[i][j + 1])) {
      lines.push_back({'-', a[i], i++, j});
    } else {
      lines.push_back({'+', b[j], i, j++});
    }
  }
  constexpr size_t kContext = 3;
  std::string out = "--- expected\n+++ actual\n";
  for (size_t at = 0; at < lines.size();) {
    if (lines[at].mark == ' ') {
      ++at;
      continue;
    }
    const size_t from = at < kContext ? 0 : at - kContext;
    // A hunk ends where twice the context passes without a change.
    size_t last = at;
    for (size_t k = at; k < lines.size() && k <= last + 2 * kContext; ++k) {
      if (lines[k].mark != ' ') last = k;
    }
    const size_t to = std::min(lines.size(), last + kContext + 1);
    size_t a_count = 0;
    size_t b_count = 0;
    std::string body;
    for (size_t k = from; k < to; ++k) {
      if (lines[k].mark != '+') ++a_count;
      if (lines[k].mark != '-') ++b_count;
      body += Join(std::string(1, lines[k].mark), lines[k].text, "\n");
    }
    out += Join("@@ -", lines[from].a_at + 1, ",", a_count, " +", lines[from].b_at + 1, ",",
                b_count, " @@\n", body);
    at = to;
  }
  return out;
}

std::optional<uint64_t> ParseUnsigned(std::string_view text) {
  uint64_t value = 0;
  const std::from_chars_result r = std::from_chars(text.data(), text.data() + text.size(), value);
  if (r.ec != std::errc() || r.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<bool> ParseBool(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

}  // namespace nokv::raft
