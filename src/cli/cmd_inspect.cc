#include "cli/cmd_inspect.h"

#include <cinttypes>
#include <cstdio>
#include <memory>

#include "nokv/db.h"

#include "cli/exit_code.h"
#include "cli/report.h"
#include "cli/text.h"
#include "manifest/manifest_reader.h"
#include "vfs/posix_file_system.h"

namespace nokv::cli {

namespace {

void PrintStats(const Stats& stats) {
  std::printf("database      %016" PRIx64 "\n", stats.database_id);
  std::printf("last sequence %" PRIu64 "\n", stats.last_sequence);
  std::printf("entries       %" PRIu64 "\n", stats.entries);
  std::printf("log           %" PRIu64 " records replayed, %" PRIu64 " bytes of torn tail\n",
              stats.wal.replayed_records, stats.wal.dropped_tail_bytes);
  std::printf("families     ");
  for (const Stats::Family& family : stats.column_families) {
    std::printf(" %s(%u)", Printable(family.name).c_str(), family.id);
  }
  std::printf("\nlevel  tables       bytes     entries     deletes  range deletes\n");
  for (const Stats::Level& level : stats.levels) {
    if (level.tables == 0) continue;
    std::printf("%5d %7" PRIu64 " %11" PRIu64 " %11" PRIu64 " %11" PRIu64 " %14" PRIu64 "\n", level.level,
                level.tables, level.size_bytes, level.entries, level.deletes, level.range_deletes);
  }
}

void PrintState(const manifest::State& state) {
  std::printf("database           %016" PRIx64 ", format %u\n", state.database_id, state.format_version);
  std::printf("next file number   %" PRIu64 "\n", state.next_file_number);
  std::printf("flushed sequence   %" PRIu64 "\n", state.flushed_seq);
  std::printf("last sequence      %" PRIu64 "\n", state.last_seq);
  std::printf("log segments       %u to %u\n", state.log_first_segment, state.log_created_through);
  if (state.log_clean_end) {
    std::printf("closed cleanly     log ends at %u:%u\n", state.log_clean_end->segment,
                state.log_clean_end->offset);
  }
  for (const auto& [id, name] : state.families) {
    std::printf("column family      %s (%u)\n", Printable(name).c_str(), id);
  }
  for (size_t level = 0; level < state.levels.size(); ++level) {
    for (const manifest::FileMeta& file : state.levels[level]) {
      std::printf("L%zu  %06" PRIu64 ".sst  %" PRIu64 " bytes  %" PRIu64 " entries  [%s, %s)\n", level,
                  file.number, file.bytes, file.entries, Printable(file.begin).c_str(),
                  Printable(file.end).c_str());
    }
  }
}

Status Manifest(const InspectOptions& options, bool log) {
  vfs::FileSystem* const fs = vfs::PosixFileSystem::Default();
  if (!log) {
    NOKV_ASSIGN_OR_RETURN(const manifest::LoadedState loaded,
                          manifest::LoadDirectory(fs, options.directory));
    if (options.json) {
      std::printf("%s\n", loaded.state.ToJson().c_str());
    } else {
      PrintState(loaded.state);
    }
    return Status::Ok();
  }
  NOKV_ASSIGN_OR_RETURN(const manifest::CurrentFile current,
                        manifest::ReadCurrent(fs, options.directory));
  const std::string path =
      vfs::JoinPath(options.directory, current.manifest_name());
  return manifest::EnumerateManifest(fs, path, [&](const manifest::LoggedGroup& group) {
           for (const manifest::VersionEdit& edit : group.edits) {
             if (options.json) {
               std::printf("{\"offset\":%" PRIu64 ",\"edit\":%s}\n", group.offset, edit.ToJson().c_str());
             } else {
               std::printf("%8" PRIu64 "  %s\n", group.offset, edit.DebugString().c_str());
             }
           }
         })
      .status();
}

}  // namespace

int RunStats(const InspectOptions& options) {
  if (const int code = CheckDatabaseExists(options.directory); code != kOk) return code;
  Options open;
  open.read_only = true;
  const auto db = DB::Open(open, options.directory);
  if (!db.ok()) return Report(db.status());
  const Stats stats = (*db)->GetStats();
  if (options.json) {
    std::printf("%s\n", stats.ToJson().c_str());
  } else {
    PrintStats(stats);
  }
  return kOk;
}

int RunManifest(const InspectOptions& options, bool log) {
  if (const int code = CheckDatabaseExists(options.directory); code != kOk) return code;
  const Status status = Manifest(options, log);
  return status.ok() ? kOk : Report(status);
}

}  // namespace nokv::cli
