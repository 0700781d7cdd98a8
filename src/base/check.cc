#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace nokv::base {

void CheckFailed(const char* file, int line, const char* text) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, text);
  std::fflush(stderr);
  std::abort();
}

}  // namespace nokv::base
