// The power-loss model judged by what it says about small protocols whose safety is known: it has
// to break every bad one at some crash, and no good one at any.
//
// A protocol is a script over a file system that notes what it has promised, and a check that looks
// at the disk afterwards. The harness cuts the power at every operation of the script, with every
// policy, and hands what is left to the check. The names F1 to F11 are those of well-known file
// protocols: log append, log rotation, flush, manifest append, CURRENT, recycling, checkpoint.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/coding.h"
#include "base/hash.h"
#include "vfs/memory_file_system.h"

namespace nokv::vfs {
namespace {

constexpr uint64_t kSeeds = 40;

// What a script has told its caller.
struct Promises {
  int begun = 0;  // writes handed in
  int acked = 0;  // writes acknowledged
};

struct Protocol {
  const char* name;
  // Makes the disk the script starts from; everything on it is durable.
  std::function<Status(FileSystem*)> prepare;
  std::function<Status(FileSystem*, Promises*)> run;
  // Empty, or what is wrong.
  std::function<std::string(FileSystem*, const Promises&)> check;
};

// What GoogleTest prints for a parameter.
void PrintTo(const Protocol& protocol, std::ostream* out) {
  *out << protocol.name;
}

struct Verdict {
  int states = 0;
  int violations = 0;
  std::string first;
};

Verdict Judge(const Protocol& protocol) {
  MemoryFileSystem blank;
  EXPECT_TRUE(protocol.prepare(&blank).ok());
  const auto base = blank.CrashClone(CrashPolicy::kMaximum, 0);

  const auto complete = base->CloneAfterProcessDeath();
  Promises all;
  const Status status = protocol.run(complete.get(), &all);
  EXPECT_TRUE(status.ok()) << status.ToString();
  const uint64_t operations = complete->operation_count();

  Verdict verdict;
  const auto look = [&](const MemoryFileSystem& disk, const Promises& promises, uint64_t at,
                        CrashPolicy policy, uint64_t seed) {
    const auto left = disk.CrashClone(policy, seed);
    ++verdict.states;
    const std::string wrong = protocol.check(left.get(), promises);
    if (wrong.empty()) return;
    ++verdict.violations;
    if (!verdict.first.empty()) return;
    verdict.first = "operation " + std::to_string(at) + " of " + std::to_string(operations) +
                    ", policy " + std::string(CrashPolicyName(policy)) + ", seed " +
                    std::to_string(seed) + ": " + wrong;
  };
  for (uint64_t at = 1; at <= operations + 1; ++at) {
    for (const bool torn : {false, true}) {
      const auto disk = base->CloneAfterProcessDeath();
      disk->SetCrashPoint(at, torn ? std::optional<uint64_t>(at) : std::nullopt);
      Promises promises;
      const Status outcome = protocol.run(disk.get(), &promises);
      EXPECT_EQ(outcome.ok(), at > operations);
      for (const CrashPolicy policy : kCrashPolicies) {
        const uint64_t seeds = policy == CrashPolicy::kRandom ? kSeeds : 1;
        for (uint64_t seed = 0; seed < seeds; ++seed)
          look(*disk, promises, at, policy, seed);
      }
    }
  }
  return verdict;
}

// --- A small log: records with a length, a number and a checksum, one after another
// ------------------

constexpr uint64_t kLogBytes = 40'000;

// `salt` binds a record to its log; 0 binds it to nothing.
std::string Record(int number, uint64_t salt, size_t payload_bytes = 300) {
  std::string body;
  base::PutFixed32(&body, static_cast<uint32_t>(number));
  for (size_t i = 0; i < payload_bytes; ++i) {
    body += static_cast<char>('a' + (i + static_cast<size_t>(number)) % 26);
  }
  std::string record;
  base::PutFixed64(&record, base::Checksum64(body, salt));
  base::PutFixed32(&record, static_cast<uint32_t>(body.size()));
  return record + body;
}

// The numbers of the records up to the first that is not whole.
std::vector<int> Replay(FileSystem* fs, const std::string& path, uint64_t salt) {
  std::vector<int> numbers;
  const auto bytes = ReadFile(fs, path, 1 << 20);
  if (!bytes.ok()) return numbers;
  for (Slice rest = *bytes; rest.size() >= 16;) {
    const uint64_t checksum = base::DecodeFixed64(rest.data());
    const uint32_t length = base::DecodeFixed32(rest.data() + 8);
    if (length < 4 || length > rest.size() - 12) break;
    const Slice body = rest.substr(12, length);
    if (base::Checksum64(body, salt) != checksum) break;
    numbers.push_back(static_cast<int>(base::DecodeFixed32(body.data())));
    rest.remove_prefix(12 + length);
  }
  return numbers;
}

// Empty if `numbers` is 1, 2, ... up to something between what was acknowledged and what was begun.
std::string CheckPrefix(const std::vector<int>& numbers, const Promises& promises) {
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] != static_cast<int>(i) + 1) {
      return "record " + std::to_string(numbers[i]) + " stands at place " + std::to_string(i + 1);
    }
  }
  const int found = static_cast<int>(numbers.size());
  if (found < promises.acked) {
    return "acknowledged " + std::to_string(promises.acked) + ", found " + std::to_string(found);
  }
  if (found > promises.begun) return "found more than was written";
  return "";
}

std::string CheckLog(FileSystem* fs, const Promises& promises) {
  return CheckPrefix(Replay(fs, "/db/1.log", 1), promises);
}

Status PrepareDirectory(FileSystem* fs) {
  return fs->CreateDirectory("/db");
}

// Appends records to a new log; the flags are the steps that a careless author leaves out.
struct LogSteps {
  bool sync_name = true;
  bool sync_before_ack = true;
};
Status RunLog(FileSystem* fs, Promises* promises, LogSteps steps) {
  NOKV_ASSIGN_OR_RETURN(const auto log, fs->CreateLog("/db/1.log", kLogBytes));
  if (steps.sync_name) NOKV_TRY(fs->SyncDirectory("/db"));
  uint64_t offset = 0;
  for (int number = 1; number <= 12; ++number) {
    const std::string record = Record(number, 1, number % 3 == 0 ? 5000 : 200);
    promises->begun = number;
    NOKV_TRY(log->WriteAt(offset, record));
    offset += record.size();
    if (!steps.sync_before_ack) promises->acked = number;
    if (number % 2 != 0) continue;  // Groups of two.
    NOKV_TRY(log->Sync());
    promises->acked = number;
  }
  return Status::Ok();
}

// F2: records 1 to 4 go to the first log, 5 to 8 to the second.
struct RotationSteps {
  bool sync_old = true;
  bool sync_name = true;
};
Status RunRotation(FileSystem* fs, Promises* promises, RotationSteps steps) {
  NOKV_ASSIGN_OR_RETURN(const auto first, fs->CreateLog("/db/1.log", kLogBytes));
  NOKV_TRY(fs->SyncDirectory("/db"));
  uint64_t offset = 0;
  for (int number = 1; number <= 4; ++number) {
    promises->begun = number;
    const std::string record = Record(number, 1, 3000);
    NOKV_TRY(first->WriteAt(offset, record));
    offset += record.size();
  }
  if (steps.sync_old) NOKV_TRY(first->Sync());
  NOKV_ASSIGN_OR_RETURN(const auto second, fs->CreateLog("/db/2.log", kLogBytes));
  if (steps.sync_name) NOKV_TRY(fs->SyncDirectory("/db"));
  offset = 0;
  for (int number = 5; number <= 8; ++number) {
    promises->begun = number;
    const std::string record = Record(number, 2);
    NOKV_TRY(second->WriteAt(offset, record));
    offset += record.size();
    NOKV_TRY(second->Sync());
    promises->acked = number;
  }
  return Status::Ok();
}
std::string CheckRotation(FileSystem* fs, const Promises& promises) {
  std::vector<int> numbers = Replay(fs, "/db/1.log", 1);
  for (const int number : Replay(fs, "/db/2.log", 2))
    numbers.push_back(number);
  return CheckPrefix(numbers, promises);
}

// Recycling: a log full of old records gets a new name and new records.
Status PrepareRecycling(FileSystem* fs, uint64_t salt) {
  NOKV_TRY(fs->CreateDirectory("/db"));
  NOKV_ASSIGN_OR_RETURN(const auto log, fs->CreateLog("/db/0.log", kLogBytes));
  uint64_t offset = 0;
  for (int number = 1; number <= 12; ++number) {
    const std::string record = Record(number, salt, 2000);
    NOKV_TRY(log->WriteAt(offset, record));
    offset += record.size();
  }
  return log->Sync();
}
Status RunRecycling(FileSystem* fs, Promises* promises, bool sync_name) {
  NOKV_TRY(fs->Rename("/db/0.log", "/db/1.log"));
  if (sync_name) NOKV_TRY(fs->SyncDirectory("/db"));
  NOKV_ASSIGN_OR_RETURN(const auto log, fs->OpenLog("/db/1.log"));
  uint64_t offset = 0;
  for (int number = 1; number <= 5; ++number) {
    promises->begun = number;
    const std::string record = Record(number, 1, 2000);
    NOKV_TRY(log->WriteAt(offset, record));
    offset += record.size();
    NOKV_TRY(log->Sync());
    promises->acked = number;
  }
  return Status::Ok();
}

// F6, the part with one file: CURRENT names one of two versions, both complete and known.
struct ReplaceSteps {
  bool sync_bytes = true;
  bool sync_name = true;
};
std::string Version(int number) {
  return "version " + std::to_string(number) + std::string(6000, static_cast<char>('0' + number));
}
Status PrepareVersion(FileSystem* fs) {
  NOKV_TRY(fs->CreateDirectory("/db"));
  return ReplaceFile(fs, "/db/CURRENT", FileKind::kCurrent, Version(0));
}
Status RunReplace(FileSystem* fs, Promises* promises, ReplaceSteps steps) {
  for (int number = 1; number <= 3; ++number) {
    promises->begun = number;
    {
      NOKV_ASSIGN_OR_RETURN(const auto file,
                            fs->CreateWritable("/db/CURRENT.tmp", FileKind::kCurrent));
      NOKV_TRY(file->Append(Version(number)));
      if (steps.sync_bytes) NOKV_TRY(file->Sync());
      NOKV_TRY(file->Close());
    }
    NOKV_TRY(fs->Rename("/db/CURRENT.tmp", "/db/CURRENT"));
    if (steps.sync_name) NOKV_TRY(fs->SyncDirectory("/db"));
    promises->acked = number;
  }
  return Status::Ok();
}
Status RunReplaceFile(FileSystem* fs, Promises* promises) {
  for (int number = 1; number <= 3; ++number) {
    promises->begun = number;
    NOKV_TRY(ReplaceFile(fs, "/db/CURRENT", FileKind::kCurrent, Version(number)));
    promises->acked = number;
  }
  return Status::Ok();
}
std::string CheckVersion(FileSystem* fs, const Promises& promises) {
  const auto bytes = ReadFile(fs, "/db/CURRENT", 1 << 20);
  if (!bytes.ok()) return bytes.status().ToString();
  for (int number = promises.acked; number <= promises.begun; ++number) {
    if (*bytes == Version(number)) return "";
  }
  return "neither the acknowledged version nor the next";
}

// The same in place, in one log file: nothing keeps the old version while the new one arrives.
Status PrepareInPlace(FileSystem* fs) {
  NOKV_TRY(fs->CreateDirectory("/db"));
  NOKV_ASSIGN_OR_RETURN(const auto file, fs->CreateLog("/db/CURRENT", Version(0).size()));
  return file->WriteAt(0, Version(0));
}
Status RunInPlace(FileSystem* fs, Promises* promises) {
  NOKV_ASSIGN_OR_RETURN(const auto file, fs->OpenLog("/db/CURRENT"));
  for (int number = 1; number <= 3; ++number) {
    promises->begun = number;
    NOKV_TRY(file->WriteAt(0, Version(number)));
    NOKV_TRY(file->Sync());
    promises->acked = number;
  }
  return Status::Ok();
}

// F6 in full: CURRENT names a manifest, which has to be there and whole.
struct ManifestSteps {
  bool sync_bytes = true;
  bool sync_name = true;
  bool sync_current = true;
};
Status WriteFile(FileSystem* fs, const std::string& path, Slice bytes, bool sync) {
  NOKV_ASSIGN_OR_RETURN(const auto file, fs->CreateWritable(path, FileKind::kManifest));
  NOKV_TRY(file->Append(bytes));
  if (sync) NOKV_TRY(file->Sync());
  return file->Close();
}
Status PrepareManifest(FileSystem* fs) {
  NOKV_TRY(fs->CreateDirectory("/db"));
  NOKV_TRY(WriteFile(fs, "/db/MANIFEST-0", Version(0), true));
  return WriteFile(fs, "/db/CURRENT", "MANIFEST-0", true);
}
Status RunManifest(FileSystem* fs, Promises* promises, ManifestSteps steps) {
  for (int number = 1; number <= 2; ++number) {
    promises->begun = number;
    const std::string name = "MANIFEST-" + std::to_string(number);
    NOKV_TRY(WriteFile(fs, JoinPath("/db", name), Version(number), steps.sync_bytes));
    if (steps.sync_name) NOKV_TRY(fs->SyncDirectory("/db"));
    NOKV_TRY(WriteFile(fs, "/db/CURRENT.tmp", name, true));
    NOKV_TRY(fs->Rename("/db/CURRENT.tmp", "/db/CURRENT"));
    if (steps.sync_current) NOKV_TRY(fs->SyncDirectory("/db"));
    NOKV_TRY(fs->Remove("/db/MANIFEST-" + std::to_string(number - 1)));
    if (!steps.sync_current) NOKV_TRY(fs->SyncDirectory("/db"));
    promises->acked = number;
  }
  return Status::Ok();
}
std::string CheckManifest(FileSystem* fs, const Promises& promises) {
  const auto name = ReadFile(fs, "/db/CURRENT", 100);
  if (!name.ok()) return name.status().ToString();
  const auto bytes = ReadFile(fs, JoinPath("/db", *name), 1 << 20);
  if (!bytes.ok()) return "CURRENT names " + *name + ": " + bytes.status().ToString();
  for (int number = promises.acked; number <= promises.begun; ++number) {
    if (*bytes == Version(number)) return "";
  }
  return *name + " is damaged or old";
}

// F3: the data is in the log until the manifest, which is a log too, names a whole table.
struct FlushSteps {
  bool sync_table = true;
  bool sync_table_name = true;
  bool sync_manifest = true;
  bool remove_log_last = true;
};
Status PrepareFlush(FileSystem* fs) {
  NOKV_TRY(fs->CreateDirectory("/db"));
  NOKV_ASSIGN_OR_RETURN(const auto manifest, fs->CreateLog("/db/MANIFEST", kLogBytes));
  return WriteFile(fs, "/db/1.log", Version(7), true);
}
Status RunFlush(FileSystem* fs, Promises* /*promises*/, FlushSteps steps) {
  if (!steps.remove_log_last) NOKV_TRY(fs->Remove("/db/1.log"));
  NOKV_TRY(WriteFile(fs, "/db/2.table.tmp", Version(7), steps.sync_table));
  NOKV_TRY(fs->Rename("/db/2.table.tmp", "/db/2.table"));
  if (steps.sync_table_name) NOKV_TRY(fs->SyncDirectory("/db"));
  NOKV_ASSIGN_OR_RETURN(const auto manifest, fs->OpenLog("/db/MANIFEST"));
  NOKV_TRY(manifest->WriteAt(0, Record(1, 9)));
  if (steps.sync_manifest) NOKV_TRY(manifest->Sync());
  if (steps.remove_log_last) NOKV_TRY(fs->Remove("/db/1.log"));
  return fs->SyncDirectory("/db");
}
std::string CheckFlush(FileSystem* fs, const Promises& /*promises*/) {
  const bool flushed = !Replay(fs, "/db/MANIFEST", 9).empty();
  const auto bytes = ReadFile(fs, flushed ? "/db/2.table" : "/db/1.log", 1 << 20);
  if (!bytes.ok()) return bytes.status().ToString();
  return *bytes == Version(7) ? "" : "the data is damaged";
}

// Two parts of one write in two places under one sync: the second says that the first is complete.
Status RunMark(FileSystem* fs, Promises* promises, bool sync_between) {
  NOKV_ASSIGN_OR_RETURN(const auto file, fs->CreateLog("/db/data", kLogBytes));
  NOKV_TRY(fs->SyncDirectory("/db"));
  promises->begun = 1;
  NOKV_TRY(file->WriteAt(8192, Version(1)));
  if (sync_between) NOKV_TRY(file->Sync());
  NOKV_TRY(file->WriteAt(0, "complete"));
  NOKV_TRY(file->Sync());
  promises->acked = 1;
  return Status::Ok();
}
std::string CheckMark(FileSystem* fs, const Promises& promises) {
  const auto bytes = ReadFile(fs, "/db/data", 1 << 20);
  if (!bytes.ok()) return promises.acked == 0 ? "" : bytes.status().ToString();
  const bool marked = bytes->starts_with("complete");
  if (!marked) return promises.acked == 0 ? "" : "the mark is lost";
  const bool complete = bytes->size() > 8192 && Slice(*bytes).substr(8192).starts_with(Version(1));
  return complete ? "" : "marked but not complete";
}

// A database's directory is made and a file in it acknowledged.
Status RunNewDirectory(FileSystem* fs, Promises* promises, bool sync_parent) {
  NOKV_TRY(fs->CreateDirectory("/new"));
  if (sync_parent) NOKV_TRY(fs->SyncDirectory("/"));
  promises->begun = 1;
  NOKV_TRY(ReplaceFile(fs, "/new/CURRENT", FileKind::kCurrent, Version(1)));
  promises->acked = 1;
  return Status::Ok();
}
std::string CheckNewDirectory(FileSystem* fs, const Promises& promises) {
  const auto bytes = ReadFile(fs, "/new/CURRENT", 1 << 20);
  if (!bytes.ok()) return promises.acked == 0 ? "" : bytes.status().ToString();
  return *bytes == Version(1) ? "" : "damaged";
}

// F11: a checkpoint links a table, then says by a marker that it is complete.
Status PrepareCheckpoint(FileSystem* fs) {
  NOKV_TRY(fs->CreateDirectory("/db"));
  NOKV_TRY(fs->CreateDirectory("/checkpoint"));
  return WriteFile(fs, "/db/1.table", Version(4), true);
}
Status RunCheckpoint(FileSystem* fs, Promises* promises, bool links_first) {
  promises->begun = 1;
  NOKV_TRY(fs->Link("/db/1.table", "/checkpoint/1.table"));
  if (links_first) NOKV_TRY(fs->SyncDirectory("/checkpoint"));
  NOKV_TRY(ReplaceFile(fs, "/checkpoint/COMPLETE", FileKind::kOther, "yes"));
  promises->acked = 1;
  return Status::Ok();
}
std::string CheckCheckpoint(FileSystem* fs, const Promises& promises) {
  if (!fs->Exists("/checkpoint/COMPLETE")) return promises.acked == 0 ? "" : "the marker is lost";
  const auto bytes = ReadFile(fs, "/checkpoint/1.table", 1 << 20);
  return bytes.ok() && *bytes == Version(4) ? "" : "complete without its table";
}

// A file moves into an archive; whoever is told so may make another one under the old name.
Status PrepareArchive(FileSystem* fs) {
  NOKV_TRY(fs->CreateDirectory("/db"));
  NOKV_TRY(fs->CreateDirectory("/archive"));
  return WriteFile(fs, "/db/1.log", Version(5), true);
}
Status RunArchive(FileSystem* fs, Promises* promises, bool sync_source) {
  promises->begun = 1;
  NOKV_TRY(fs->Rename("/db/1.log", "/archive/1.log"));
  NOKV_TRY(fs->SyncDirectory("/archive"));
  if (sync_source) NOKV_TRY(fs->SyncDirectory("/db"));
  promises->acked = 1;
  return Status::Ok();
}
std::string CheckArchive(FileSystem* fs, const Promises& promises) {
  const bool at_source = fs->Exists("/db/1.log");
  const bool at_target = fs->Exists("/archive/1.log");
  if (!at_source && !at_target) return "the file is lost";
  if (promises.acked == 1 && !at_target) return "the move is undone";
  if (promises.acked == 1 && at_source) return "the old name is back";
  return "";
}

// A file is removed and the caller told that it is gone.
Status RunRemove(FileSystem* fs, Promises* promises, bool sync_name) {
  promises->begun = 1;
  NOKV_TRY(fs->Remove("/db/CURRENT"));
  if (sync_name) NOKV_TRY(fs->SyncDirectory("/db"));
  promises->acked = 1;
  return Status::Ok();
}
std::string CheckRemove(FileSystem* fs, const Promises& promises) {
  return promises.acked == 1 && fs->Exists("/db/CURRENT") ? "the file is back" : "";
}

// A sync fails; the author tries again and believes the second answer (law 4).
Status RunRetriedSync(FileSystem* fs, Promises* promises, bool retry) {
  NOKV_ASSIGN_OR_RETURN(const auto log, fs->CreateLog("/db/1.log", kLogBytes));
  NOKV_TRY(log->Sync());
  NOKV_TRY(fs->SyncDirectory("/db"));
  promises->begun = 1;
  NOKV_TRY(log->WriteAt(0, Record(1, 1)));
  // As if this sync had failed: the kernel counts the bytes as written.
  NOKV_TRY(dynamic_cast<MemoryFileSystem*>(fs)->LoseUnsynced("/db/1.log"));
  if (!retry) return Status::Ok();
  NOKV_TRY(log->Sync());
  promises->acked = 1;
  return Status::Ok();
}

// --- The lists
// ---------------------------------------------------------------------------------------

template <typename Steps>
std::function<Status(FileSystem*, Promises*)> With(Status (*run)(FileSystem*, Promises*, Steps),
                                                   Steps steps) {
  return [=](FileSystem* fs, Promises* promises) {
    return run(fs, promises, steps);
  };
}

std::vector<Protocol> GoodProtocols() {
  const auto recycled = [](FileSystem* fs) {
    return PrepareRecycling(fs, 77);
  };
  return {
      {"LogAppend", PrepareDirectory, With(RunLog, LogSteps{}), CheckLog},
      {"LogRotation", PrepareDirectory, With(RunRotation, RotationSteps{}), CheckRotation},
      {"LogRecycling", recycled, With(RunRecycling, true), CheckLog},
      {"ReplaceByHand", PrepareVersion, With(RunReplace, ReplaceSteps{}), CheckVersion},
      {"ReplaceFile", PrepareVersion, RunReplaceFile, CheckVersion},
      {"ManifestSwitch", PrepareManifest, With(RunManifest, ManifestSteps{}), CheckManifest},
      {"Flush", PrepareFlush, With(RunFlush, FlushSteps{}), CheckFlush},
      {"CompletionMark", PrepareDirectory, With(RunMark, true), CheckMark},
      {"NewDirectory", PrepareDirectory, With(RunNewDirectory, true), CheckNewDirectory},
      {"Checkpoint", PrepareCheckpoint, With(RunCheckpoint, true), CheckCheckpoint},
      {"Archive", PrepareArchive, With(RunArchive, true), CheckArchive},
      {"Remove", PrepareVersion, With(RunRemove, true), CheckRemove},
      {"FailedSyncIsFinal", PrepareDirectory, With(RunRetriedSync, false), CheckLog},
  };
}

std::vector<Protocol> BadProtocols() {
  const auto unbound = [](FileSystem* fs) {
    return PrepareRecycling(fs, 1);
  };
  const auto recycled = [](FileSystem* fs) {
    return PrepareRecycling(fs, 77);
  };
  return {
      {"AckBeforeSync", PrepareDirectory, With(RunLog, LogSteps{.sync_before_ack = false}),
       CheckLog},
      {"NewLogsNameNotSynced", PrepareDirectory, With(RunLog, LogSteps{.sync_name = false}),
       CheckLog},
      {"RotationLeavesOldTailUnsynced", PrepareDirectory,
       With(RunRotation, RotationSteps{.sync_old = false}), CheckRotation},
      {"RotationLeavesNewNameUnsynced", PrepareDirectory,
       With(RunRotation, RotationSteps{.sync_name = false}), CheckRotation},
      {"RecycledRecordsNotBoundToTheirLog", unbound, With(RunRecycling, true), CheckLog},
      {"RecycledLogsNameNotSynced", recycled, With(RunRecycling, false), CheckLog},
      {"RenameBeforeSync", PrepareVersion, With(RunReplace, ReplaceSteps{.sync_bytes = false}),
       CheckVersion},
      {"RenameWithoutDirectorySync", PrepareVersion,
       With(RunReplace, ReplaceSteps{.sync_name = false}), CheckVersion},
      {"OverwriteInPlace", PrepareInPlace, RunInPlace, CheckVersion},
      {"CurrentBeforeManifestsBytes", PrepareManifest,
       With(RunManifest, ManifestSteps{.sync_bytes = false}), CheckManifest},
      {"CurrentBeforeManifestsName", PrepareManifest,
       With(RunManifest, ManifestSteps{.sync_name = false}), CheckManifest},
      {"OldManifestRemovedBeforeCurrentIsDurable", PrepareManifest,
       With(RunManifest, ManifestSteps{.sync_current = false}), CheckManifest},
      {"FlushWithoutTableSync", PrepareFlush, With(RunFlush, FlushSteps{.sync_table = false}),
       CheckFlush},
      {"FlushWithoutTableNameSync", PrepareFlush,
       With(RunFlush, FlushSteps{.sync_table_name = false}), CheckFlush},
      {"FlushRemovesLogBeforeManifestSync", PrepareFlush,
       With(RunFlush, FlushSteps{.sync_manifest = false}), CheckFlush},
      {"FlushRemovesLogFirst", PrepareFlush, With(RunFlush, FlushSteps{.remove_log_last = false}),
       CheckFlush},
      {"MarkUnderTheSameSync", PrepareDirectory, With(RunMark, false), CheckMark},
      {"NewDirectoryNotNamedInItsParent", PrepareDirectory, With(RunNewDirectory, false),
       CheckNewDirectory},
      {"CheckpointMarkerBeforeItsLinks", PrepareCheckpoint, With(RunCheckpoint, false),
       CheckCheckpoint},
      {"ArchiveSyncsTheTargetOnly", PrepareArchive, With(RunArchive, false), CheckArchive},
      {"RemoveNotSynced", PrepareVersion, With(RunRemove, false), CheckRemove},
      {"RetriedSyncBelieved", PrepareDirectory, With(RunRetriedSync, true), CheckLog},
  };
}

class PowerLoss : public testing::TestWithParam<Protocol> {};
class GoodProtocol : public PowerLoss {};
class BadProtocol : public PowerLoss {};

TEST_P(GoodProtocol, SurvivesEveryCrash) {
  const Verdict verdict = Judge(GetParam());
  EXPECT_EQ(verdict.violations, 0) << verdict.first;
  EXPECT_GT(verdict.states, 100);
}

TEST_P(BadProtocol, IsCaught) {
  const Verdict verdict = Judge(GetParam());
  EXPECT_GT(verdict.violations, 0) << "in " << verdict.states << " states";
}

const auto kNameOf = [](const auto& protocol) {
  return std::string(protocol.param.name);
};
INSTANTIATE_TEST_SUITE_P(All, GoodProtocol, testing::ValuesIn(GoodProtocols()), kNameOf);
INSTANTIATE_TEST_SUITE_P(All, BadProtocol, testing::ValuesIn(BadProtocols()), kNameOf);

}  // namespace
}  // namespace nokv::vfs
