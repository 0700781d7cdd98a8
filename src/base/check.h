#pragma once

// Checks for the third kind of error: we are wrong (style guide, "Errors are of three kinds").
//
// NOKV_CHECK(condition) ends the process in every build; NOKV_DCHECK only where NDEBUG is not set or
// NOKV_ALWAYS_DCHECK is. Never use either on bytes from disk or wire: those are a Status.

namespace nokv::base {

// Writes "file:line: check failed: text" to the standard error and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* text);

}  // namespace nokv::base

#define NOKV_CHECK(condition)                                           \
  do {                                                                  \
    if (!(condition)) [[unlikely]]                                      \
      ::nokv::base::CheckFailed(__FILE__, __LINE__, #condition);        \
  } while (false)

#if !defined(NDEBUG) || defined(NOKV_ALWAYS_DCHECK)
#define NOKV_DCHECK(condition) NOKV_CHECK(condition)
#define NOKV_DCHECK_IS_ON 1
#else
#define NOKV_DCHECK(condition) \
  do {                         \
    if (false) {               \
      (void)(condition);       \
    }                          \
  } while (false)
#define NOKV_DCHECK_IS_ON 0
#endif
