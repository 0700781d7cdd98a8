#include "lsm/job.h"

#include <utility>

namespace nokv::lsm {

TableOutput::Options OutputOptions(const JobEnvironment& environment,
                                   int level,
                                   const Version* inputs,
                                   const key::RangeTombstones* tombstones) {
  VersionSet* const versions = environment.versions;
  return {.fs = environment.fs,
          .directory = environment.directory,
          .database_id = versions->database_id(),
          .table = level <= 1 ? environment.upper_table : environment.lower_table,
          .file_bytes = environment.file_bytes,
          .borders = {},
          .now_millis = environment.clock->WallMillis(),
          .new_file_number = [versions] { return versions->NewFileNumber(); },
          .tombstones = tombstones,
          .blocks = environment.warmer != nullptr ? environment.warmer->NewSink(inputs) : nullptr};
}

Status InstallTables(const JobEnvironment& environment,
                     TableOutput* output,
                     const std::vector<manifest::FileMeta>& files,
                     int level,
                     const Version* inputs,
                     manifest::VersionEdit edit,
                     const VersionSet::InstallHook& hook) {
  for (const manifest::FileMeta& file : files) edit.added.emplace_back(level, file);
  NOKV_ASSIGN_OR_RETURN(const std::vector<TableRef> tables, environment.versions->OpenTables(files));
  CacheWarmer* const warmer = environment.warmer;
  std::vector<CacheWarmer::Wanted> wanted;
  if (warmer != nullptr) wanted = warmer->BeforeInstall(inputs, tables);
  bool files_taken = false;
  const Status installed = environment.versions->LogAndApply({&edit, 1}, hook, tables, &files_taken);
  if (files_taken) output->Keep();
  NOKV_TRY(installed);
  if (warmer != nullptr) warmer->AfterInstall(inputs, std::move(wanted));
  return Status::Ok();
}

}  // namespace nokv::lsm
