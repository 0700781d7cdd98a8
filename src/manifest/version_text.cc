// Edits and states as text: one line for people, JSON for programs.

#include <string>

#include "manifest/state.h"
#include "manifest/version_edit.h"

namespace nokv::manifest {

namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

// Printable ASCII as it is, the rest as \xNN, within quotes.
std::string Quoted(Slice bytes) {
  std::string text = "\"";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      text += c;
    } else {
      text += {'\\', 'x', kHexDigits[byte >> 4], kHexDigits[byte & 15]};
    }
  }
  return text + "\"";
}

// A JSON string in which each byte is one character: the bytes are read as Latin-1, so that any of
// them can be told from the text.
std::string JsonString(Slice bytes) {
  std::string text = "\"";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      text += {'\\', c};
    } else if (byte >= 0x20 && byte < 0x7f) {
      text += c;
    } else {
      text += {'\\', 'u', '0', '0', kHexDigits[byte >> 4], kHexDigits[byte & 15]};
    }
  }
  return text + "\"";
}

// Joins pieces with a separator between the brackets it is given.
class Joined {
 public:
  Joined(const char* open, const char* separator, const char* close)
      : text_(open), separator_(separator), close_(close) {}

  void Add(const std::string& piece) {
    if (!first_) text_ += separator_;
    first_ = false;
    text_ += piece;
  }
  void Member(const char* name, const std::string& value) {
    Add(JsonString(name) + ":" + value);
  }
  void Member(const char* name, uint64_t value) { Member(name, std::to_string(value)); }
  template <typename Integer>
  void Member(const char* name, const std::optional<Integer>& value) {
    if (value) Member(name, uint64_t{*value});
  }
  std::string Text() const { return text_ + close_; }

 private:
  std::string text_;
  const char* const separator_;
  const char* const close_;
  bool first_ = true;
};

Joined JsonObject() { return {"{", ",", "}"}; }
Joined JsonArray() { return {"[", ",", "]"}; }

std::string FileJson(int level, const FileMeta& file) {
  Joined object = JsonObject();
  object.Member("level", static_cast<uint64_t>(level));
  object.Member("number", file.number);
  object.Member("bytes", file.bytes);
  object.Member("begin", JsonString(file.begin));
  object.Member("end", JsonString(file.end));
  object.Member("smallest_seq", file.smallest_seq);
  object.Member("largest_seq", file.largest_seq);
  object.Member("entries", file.entries);
  object.Member("deletes", file.deletes);
  object.Member("range_deletes", file.range_deletes);
  object.Member("min_expires_at", file.min_expires_at);
  object.Member("max_expires_at", file.max_expires_at);
  object.Member("expiring_entries", file.expiring_entries);
  object.Member("created_at_ms", file.created_at_ms);
  object.Member("raw_bytes", file.raw_bytes);
  return object.Text();
}

std::string RemovedJson(int level, uint64_t number) {
  Joined object = JsonObject();
  object.Member("level", static_cast<uint64_t>(level));
  object.Member("number", number);
  return object.Text();
}

std::string FamilyJson(const FamilyEdit& family) {
  Joined object = JsonObject();
  object.Member("id", uint64_t{family.id});
  object.Member("name", JsonString(family.name));
  if (family.dropped) object.Member("dropped", "true");
  return object.Text();
}

std::string CleanEndJson(const CleanEnd& end) {
  Joined object = JsonObject();
  object.Member("segment", uint64_t{end.segment});
  object.Member("offset", uint64_t{end.offset});
  return object.Text();
}

}  // namespace

std::string VersionEdit::DebugString() const {
  Joined line("", "; ", "");
  const auto number = [&](const char* name, const auto& value) {
    if (value) line.Add(std::string(name) + " " + std::to_string(*value));
  };
  number("next file", next_file_number);
  for (const auto& [level, file] : removed) {
    line.Add("-L" + std::to_string(level) + " #" + std::to_string(file));
  }
  for (const auto& [level, file] : added) {
    line.Add("+L" + std::to_string(level) + " #" + std::to_string(file.number) + " [" +
             Quoted(file.begin) + ", " + Quoted(file.end) + ") " + std::to_string(file.bytes) +
             " B, seq " + std::to_string(file.smallest_seq) + ".." +
             std::to_string(file.largest_seq));
  }
  for (const FamilyEdit& family : families) {
    line.Add((family.dropped ? "-family " : "+family ") + std::to_string(family.id) + " " +
             Quoted(family.name));
  }
  number("next family", next_family_id);
  number("flushed seq", flushed_seq);
  number("last seq", last_seq);
  number("log from", log_first_segment);
  number("log through", log_created_through);
  if (clear_clean_end) line.Add("no clean end");
  if (log_clean_end) {
    line.Add("clean end " + std::to_string(log_clean_end->segment) + ":" +
             std::to_string(log_clean_end->offset));
  }
  return line.Text();
}

std::string VersionEdit::ToJson() const {
  Joined object = JsonObject();
  object.Member("next_file_number", next_file_number);
  if (!removed.empty()) {
    Joined array = JsonArray();
    for (const auto& [level, number] : removed) array.Add(RemovedJson(level, number));
    object.Member("removed", array.Text());
  }
  if (!added.empty()) {
    Joined array = JsonArray();
    for (const auto& [level, file] : added) array.Add(FileJson(level, file));
    object.Member("added", array.Text());
  }
  if (!families.empty()) {
    Joined array = JsonArray();
    for (const FamilyEdit& family : families) array.Add(FamilyJson(family));
    object.Member("families", array.Text());
  }
  object.Member("next_family_id", next_family_id);
  object.Member("flushed_seq", flushed_seq);
  object.Member("last_seq", last_seq);
  object.Member("log_first_segment", log_first_segment);
  object.Member("log_created_through", log_created_through);
  if (clear_clean_end) object.Member("clear_clean_end", "true");
  if (log_clean_end) object.Member("log_clean_end", CleanEndJson(*log_clean_end));
  return object.Text();
}

std::string State::ToJson() const {
  Joined object = JsonObject();
  // As text: readers of JSON keep no 64 bits of a number.
  object.Member("database_id", JsonString(std::to_string(database_id)));
  object.Member("format_version", uint64_t{format_version});
  object.Member("next_file_number", next_file_number);
  object.Member("flushed_seq", flushed_seq);
  object.Member("last_seq", last_seq);
  object.Member("log_first_segment", uint64_t{log_first_segment});
  object.Member("log_created_through", uint64_t{log_created_through});
  if (log_clean_end) object.Member("log_clean_end", CleanEndJson(*log_clean_end));
  object.Member("next_family_id", uint64_t{next_family_id});
  Joined family_array = JsonArray();
  for (const auto& [id, name] : families) family_array.Add(FamilyJson({id, name, false}));
  object.Member("families", family_array.Text());
  Joined file_array = JsonArray();
  for (int level = 0; level < kLevelCount; ++level) {
    for (const FileMeta& file : levels[static_cast<size_t>(level)]) {
      file_array.Add(FileJson(level, file));
    }
  }
  object.Member("files", file_array.Text());
  return object.Text();
}

}  // namespace nokv::manifest
