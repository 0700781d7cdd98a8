#include "cli/report.h"

#include <cstdio>

#include "cli/exit_code.h"
#include "manifest/file_names.h"
#include "vfs/posix_file_system.h"

namespace nokv::cli {

int Report(const Status& status) {
  std::fprintf(stderr, "nokv: %s\n", status.ToString().c_str());
  return ExitCodeOf(status);
}

int CheckDatabaseExists(const std::string& directory) {
  vfs::FileSystem* const fs = vfs::PosixFileSystem::Default();
  if (const Result<std::vector<std::string>> names = fs->List(directory); names.ok()) {
    manifest::FileType type;
    uint64_t number;
    for (const std::string& name : *names) {
      // Any file of ours makes it a database: one that lost its CURRENT is damaged, not absent.
      if (manifest::ParseFileName(name, &type, &number) && type != manifest::FileType::kLock &&
          type != manifest::FileType::kTemporary) {
        return kOk;
      }
    }
  }
  std::fprintf(stderr, "nokv: there is no database in '%s' (see --dir)\n", directory.c_str());
  return kNoDatabase;
}

}  // namespace nokv::cli
