#include "vfs/error.h"

#include <cerrno>
#include <string>
#include <system_error>

namespace nokv::vfs {

Status ErrorFromErrno(std::string_view path, std::string_view operation, int error) {
  std::string message(path);
  message += ": ";
  message += operation;
  message += ": ";
  message += std::generic_category().message(error);
  switch (error) {
    case ENOENT:
      return Status::NotFound(message);
    case ENOSPC:
    case EDQUOT:
      return Status::NoSpace(message);
    default:
      return Status::IOError(message);
  }
}

}  // namespace nokv::vfs
