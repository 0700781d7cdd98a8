#pragma once

// Status: the outcome of an operation that can fail.
//
// A Status is OK or an error: a code for programs and a message for people, which names the file,
// key or limit concerned. An OK status is one null pointer and costs nothing to make or return.
// Thread safety: like a std::string; a Status shared between threads must not change meanwhile.

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace nokv {

enum class StatusCode : unsigned char {
  kOk = 0,
  kNotFound,          // the key, family or file is not there
  kCorruption,        // bytes on disk are not what was written; names file and offset
  kInvalidArgument,   // the caller's argument can never work
  kIOError,           // the operating system refused; names the file and the reason
  kNoSpace,           // the disk is full; writes resume by themselves when space is back
  kBusy,              // somebody else holds it: a directory lock, a running compaction
  kConflict,          // a transaction met a newer write
  kTimedOut,          // a deadline passed
  kReadOnly,          // the database takes no writes: opened so, or after a failed sync
  kAborted,           // given up on request
  kLimitExceeded,     // beyond a stated limit; names it
  kHotKeyThrottled,   // the optional limit on writes to one key
  kClosed,            // the database is closed
  kNotSupported,      // a feature or format this build does not have
};

// The name of a code, for logs and tests: "NotFound".
std::string_view StatusCodeName(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string_view message)
      : rep_(code == StatusCode::kOk ? nullptr : new Rep{code, std::string(message)}) {}

  Status(const Status& other) : rep_(other.rep_ ? new Rep(*other.rep_) : nullptr) {}
  Status& operator=(const Status& other) {
    if (this != &other) rep_.reset(other.rep_ ? new Rep(*other.rep_) : nullptr);
    return *this;
  }
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;
  ~Status() = default;

  static Status Ok() { return {}; }
  static Status NotFound(std::string_view m) { return {StatusCode::kNotFound, m}; }
  static Status Corruption(std::string_view m) { return {StatusCode::kCorruption, m}; }
  static Status InvalidArgument(std::string_view m) { return {StatusCode::kInvalidArgument, m}; }
  static Status IOError(std::string_view m) { return {StatusCode::kIOError, m}; }
  static Status NoSpace(std::string_view m) { return {StatusCode::kNoSpace, m}; }
  static Status Busy(std::string_view m) { return {StatusCode::kBusy, m}; }
  static Status Conflict(std::string_view m) { return {StatusCode::kConflict, m}; }
  static Status TimedOut(std::string_view m) { return {StatusCode::kTimedOut, m}; }
  static Status ReadOnly(std::string_view m) { return {StatusCode::kReadOnly, m}; }
  static Status Aborted(std::string_view m) { return {StatusCode::kAborted, m}; }
  static Status LimitExceeded(std::string_view m) { return {StatusCode::kLimitExceeded, m}; }
  static Status HotKeyThrottled(std::string_view m) { return {StatusCode::kHotKeyThrottled, m}; }
  static Status Closed(std::string_view m) { return {StatusCode::kClosed, m}; }
  static Status NotSupported(std::string_view m) { return {StatusCode::kNotSupported, m}; }

  bool ok() const { return rep_ == nullptr; }
  StatusCode code() const { return rep_ ? rep_->code : StatusCode::kOk; }
  // Empty for OK. Valid as long as this Status.
  std::string_view message() const { return rep_ ? std::string_view(rep_->message) : ""; }

  bool IsNotFound() const { return code() == StatusCode::kNotFound; }
  bool IsCorruption() const { return code() == StatusCode::kCorruption; }
  bool IsNoSpace() const { return code() == StatusCode::kNoSpace; }
  bool IsReadOnly() const { return code() == StatusCode::kReadOnly; }
  bool IsClosed() const { return code() == StatusCode::kClosed; }

  // "OK", or "<CodeName>: <message>".
  std::string ToString() const;

  // The same error with "<context>: " before its message; OK stays OK.
  Status WithContext(std::string_view context) const;

  // For the rare place where an error can have no consequence; the comment there says why.
  void IgnoreError() const {}

 private:
  struct Rep {
    StatusCode code;
    std::string message;
  };
  std::unique_ptr<Rep> rep_;
};

}  // namespace nokv

// Returns from the enclosing function with the error, if `expression` yields one.
#define NOKV_TRY(expression)                                  \
  do {                                                        \
    if (::nokv::Status nokv_status_ = (expression); !nokv_status_.ok()) return nokv_status_; \
  } while (false)
