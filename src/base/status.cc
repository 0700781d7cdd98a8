#include "nokv/status.h"

namespace nokv {

std::string_view StatusCodeName(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return "OK";
    case StatusCode::kNotFound: return "NotFound";
    case StatusCode::kCorruption: return "Corruption";
    case StatusCode::kInvalidArgument: return "InvalidArgument";
    case StatusCode::kIOError: return "IOError";
    case StatusCode::kNoSpace: return "NoSpace";
    case StatusCode::kBusy: return "Busy";
    case StatusCode::kConflict: return "Conflict";
    case StatusCode::kTimedOut: return "TimedOut";
    case StatusCode::kReadOnly: return "ReadOnly";
    case StatusCode::kAborted: return "Aborted";
    case StatusCode::kLimitExceeded: return "LimitExceeded";
    case StatusCode::kHotKeyThrottled: return "HotKeyThrottled";
    case StatusCode::kClosed: return "Closed";
    case StatusCode::kNotSupported: return "NotSupported";
  }
  return "Unknown";
}

std::string Status::ToString() const {
  if (ok()) return "OK";
  std::string text(StatusCodeName(code()));
  text += ": ";
  text += message();
  return text;
}

Status Status::WithContext(std::string_view context) const {
  if (ok()) return *this;
  std::string text(context);
  text += ": ";
  text += message();
  return {code(), text};
}

}  // namespace nokv
