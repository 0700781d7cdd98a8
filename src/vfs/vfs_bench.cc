// What an append, a synced append and opening cost, for each way of writing a log. Figures in
// README.md.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include <benchmark/benchmark.h>

#include "vfs/memory_file_system.h"
#include "vfs/posix_file_system.h"

namespace nokv::vfs {
namespace {

constexpr uint64_t kCapacity = 64 << 20;
constexpr size_t kRecordBytes = 300;
constexpr int kSyncs = 500;

constexpr LogWrites kWrites[] = {LogWrites::kMapped, LogWrites::kPwrite};
constexpr const char* kWritesNames[] = {"mapped", "pwrite"};

// In the current directory and not in /tmp, which may be memory.
std::string LogPath() {
  return std::filesystem::current_path() / "vfs_bench.log";
}

std::unique_ptr<LogFile> OpenOrCreate(PosixFileSystem* fs, bool recycled) {
  auto log = recycled ? fs->OpenLog(LogPath()) : fs->CreateLog(LogPath(), kCapacity);
  return log.ok() ? std::move(log).value() : nullptr;
}

// Appends records until the log is full; returns how many.
int64_t Fill(LogFile* log, uint64_t offset) {
  const std::string record(kRecordBytes, 'r');
  int64_t records = 0;
  for (; offset + kRecordBytes <= kCapacity; offset += kRecordBytes, ++records) {
    if (!log->WriteAt(offset, record).ok()) return -1;
  }
  return records;
}

// Removes the log, or leaves one that has been written from end to end and synced.
bool Prepare(PosixFileSystem* fs, bool recycled) {
  fs->Remove(LogPath()).IgnoreError();
  if (!recycled) return true;
  const auto log = OpenOrCreate(fs, false);
  return log != nullptr && Fill(log.get(), 0) > 0 && log->Sync().ok();
}

// One iteration opens a log and fills it; the time is that of the appends alone.
void BM_LogAppend(benchmark::State& state) {
  PosixFileSystem fs({.log_writes = kWrites[state.range(0)]});
  const bool recycled = state.range(1) != 0;
  state.SetLabel(kWritesNames[state.range(0)]);
  int64_t records = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto log = Prepare(&fs, recycled) ? OpenOrCreate(&fs, recycled) : nullptr;
    if (log == nullptr) return state.SkipWithError("cannot open the log");
    state.ResumeTiming();
    records += Fill(log.get(), 0);
    state.PauseTiming();
    log.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(records);
  fs.Remove(LogPath()).IgnoreError();
}
BENCHMARK(BM_LogAppend)
    ->ArgNames({"writes", "recycled"})
    ->ArgsProduct({{0, 1}, {0, 1}})
    ->Iterations(4)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// One iteration opens a log, and appends and syncs 500 records after a first one whose sync is not
// timed.
void BM_LogAppendSync(benchmark::State& state) {
  PosixFileSystem fs({.log_writes = kWrites[state.range(0)]});
  const bool recycled = state.range(1) != 0;
  state.SetLabel(kWritesNames[state.range(0)]);
  const std::string record(kRecordBytes, 's');
  for (auto _ : state) {
    state.PauseTiming();
    auto log = Prepare(&fs, recycled) ? OpenOrCreate(&fs, recycled) : nullptr;
    if (log == nullptr || !log->Sync().ok()) return state.SkipWithError("cannot open the log");
    state.ResumeTiming();
    for (uint64_t i = 0; i < kSyncs; ++i) {
      if (!log->WriteAt(i * kRecordBytes, record).ok() || !log->Sync().ok()) {
        return state.SkipWithError("cannot append");
      }
    }
    state.PauseTiming();
    log.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * kSyncs);
  fs.Remove(LogPath()).IgnoreError();
}
BENCHMARK(BM_LogAppendSync)
    ->ArgNames({"writes", "recycled"})
    ->ArgsProduct({{0, 1}, {0, 1}})
    ->Iterations(3)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// Opening, and the first sync after it: what the change to the next log costs.
void BM_LogOpenFirstSync(benchmark::State& state) {
  PosixFileSystem fs({.log_writes = kWrites[state.range(0)]});
  const bool recycled = state.range(1) != 0;
  const bool sync = state.range(2) != 0;
  state.SetLabel(kWritesNames[state.range(0)]);
  for (auto _ : state) {
    state.PauseTiming();
    if (!Prepare(&fs, recycled)) return state.SkipWithError("cannot prepare the log");
    if (!sync) state.ResumeTiming();
    auto log = OpenOrCreate(&fs, recycled);
    if (log == nullptr) return state.SkipWithError("cannot open the log");
    if (sync) state.ResumeTiming();
    if (sync && !(log->WriteAt(0, "first").ok() && log->Sync().ok())) {
      return state.SkipWithError("cannot sync");
    }
    state.PauseTiming();
    log.reset();
    state.ResumeTiming();
  }
  fs.Remove(LogPath()).IgnoreError();
}
BENCHMARK(BM_LogOpenFirstSync)
    ->ArgNames({"writes", "recycled", "sync"})
    ->ArgsProduct({{0, 1}, {0, 1}, {0, 1}})
    ->Iterations(3)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// A clone of a small database's disk as crash enumeration takes it: 40 files, one with unsynced
// blocks.
void BM_CrashClone(benchmark::State& state) {
  MemoryFileSystem fs;
  for (int i = 0; i < 40; ++i) {
    auto file = fs.CreateWritable(JoinPath("/", std::to_string(i)), FileKind::kTable);
    if (!(*file)->Append(std::string(20'000, 'x')).ok() || !(*file)->Sync().ok()) return;
  }
  if (!fs.SyncDirectory("/").ok()) return;
  const auto log = fs.CreateLog("/log", kCapacity);
  uint64_t seed = 0;
  for (auto _ : state) {
    if (!(*log)->WriteAt(++seed * 10 % 20'000, "0123456789").ok()) return;
    benchmark::DoNotOptimize(fs.CrashClone(CrashPolicy::kRandom, seed));
  }
}
BENCHMARK(BM_CrashClone)->Unit(benchmark::kMicrosecond);

void BM_MemoryLogAppend(benchmark::State& state) {
  MemoryFileSystem fs;
  const auto log = fs.CreateLog("/log", kCapacity);
  const std::string record(kRecordBytes, 'r');
  uint64_t offset = 0;
  for (auto _ : state) {
    if (!(*log)->WriteAt(offset, record).ok()) return;
    offset = (offset + kRecordBytes) % (kCapacity - kRecordBytes);
  }
}
BENCHMARK(BM_MemoryLogAppend);

}  // namespace
}  // namespace nokv::vfs
