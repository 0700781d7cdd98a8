#pragma once

// Trace: a logger that formats only what somebody listens to.
//
// Threading: as the logger behind it. Terms and positions print in decimal, node ids in hexadecimal.

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

#include "raft/logger.h"
#include "raft/types.h"

namespace nokv::raft {

// An id where the forms want it in decimal.
struct Decimal {
  NodeId id;
};

inline void AppendText(std::string* out, std::string_view text) { out->append(text); }
template <std::integral T>
void AppendText(std::string* out, T number, int base = 10) {
  char buffer[24];
  const std::to_chars_result end = std::to_chars(buffer, buffer + sizeof buffer, number, base);
  out->append(buffer, end.ptr);
}
inline void AppendText(std::string* out, Term term) { AppendText(out, term.value()); }
inline void AppendText(std::string* out, Index index) { AppendText(out, index.value()); }
inline void AppendText(std::string* out, NodeId id) { AppendText(out, id.value(), 16); }
inline void AppendText(std::string* out, Decimal d) { AppendText(out, d.id.value()); }

template <typename... Parts>
std::string Join(const Parts&... parts) {
  std::string text;
  (AppendText(&text, parts), ...);
  return text;
}

class Trace {
 public:
  // A null logger is silent.
  explicit Trace(Logger* logger) : logger_(logger) {}

  bool Enabled(LogLevel level) const { return logger_ != nullptr && logger_->Enabled(level); }
  template <typename... Parts>
  void Write(LogLevel level, const Parts&... parts) const {
    if (Enabled(level)) logger_->Write(level, Join(parts...));
  }
  template <typename... Parts>
  void Debug(const Parts&... parts) const {
    Write(LogLevel::kDebug, parts...);
  }
  template <typename... Parts>
  void Info(const Parts&... parts) const {
    Write(LogLevel::kInfo, parts...);
  }
  template <typename... Parts>
  void Warning(const Parts&... parts) const {
    Write(LogLevel::kWarning, parts...);
  }
  template <typename... Parts>
  void Error(const Parts&... parts) const {
    Write(LogLevel::kError, parts...);
  }

 private:
  Logger* logger_;
};

}  // namespace nokv::raft
