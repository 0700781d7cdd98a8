// What an append costs, alone and with a sync, on the file system of this machine. Figures in
// README.md.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <time.h>

#include <benchmark/benchmark.h>

#include "base/mutex.h"
#include "vfs/posix_file_system.h"
#include "wal/log.h"

namespace nokv::wal {
namespace {

constexpr size_t kPayloadBytes = 300;
constexpr uint64_t kDatabaseId = 1;

// A log in the current directory (/tmp may be memory), and the lock that its caller has.
class BenchLog {
 public:
  BenchLog() {
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directory(directory_);
    auto log = Log::Open(vfs::PosixFileSystem::Default(), directory_, kDatabaseId, {}, {});
    if (log.ok()) log_ = std::move(log).value();
  }
  ~BenchLog() {
    log_.reset();
    std::filesystem::remove_all(directory_);
  }

  Log* log() { return log_.get(); }

  // As a commit does it: hash, reserve under the lock, write. False if the segment is full.
  bool Append(Slice payload) {
    const uint64_t hash = PayloadHash(payload);
    Reservation place;
    {
      base::SpinLockHolder lock(&mu_);
      if (!log_->TryReserve(payload.size(), &place)) return false;
    }
    return log_->Write(place, RecordType::kBatch, 0, 1, payload, hash).ok();
  }

  // Goes over to a segment with nothing in it, a recycled one but for the first few.
  bool NextSegment() {
    return log_->PrepareNext().ok() && log_->Rotate(0, 1).ok() &&
           log_->ReleaseBefore(log_->end().segment).ok();
  }

 private:
  const std::string directory_ = std::filesystem::current_path() / "wal_bench.dir";
  std::unique_ptr<Log> log_;
  base::SpinLock mu_;
};

// Processor time of this process, all threads.
double ProcessorSeconds() {
  timespec now;
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// One iteration fills a recycled segment with records of 300 bytes from `range(0)` threads.
// `append` is the elapsed time per record, `processor` the processor time, which says more on a
// shared machine.
void BM_Append(benchmark::State& state) {
  BenchLog bench;
  if (bench.log() == nullptr) return state.SkipWithError("no log");
  const std::string payload(kPayloadBytes, 'r');
  const auto fill = [&] {
    while (bench.Append(payload)) {
    }
  };
  fill();
  if (!bench.NextSegment()) return state.SkipWithError("no segment");
  uint64_t records = 0;
  double processor = 0;
  for (auto _ : state) {
    if (!bench.NextSegment()) return state.SkipWithError("no segment");
    const uint64_t before = bench.log()->stats().records;
    const double processor_start = ProcessorSeconds();
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    for (int64_t i = 1; i < state.range(0); ++i)
      threads.emplace_back(fill);
    fill();
    for (std::thread& thread : threads)
      thread.join();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    state.SetIterationTime(elapsed.count());
    processor += ProcessorSeconds() - processor_start;
    records += bench.log()->stats().records - before;
  }
  state.counters["append"] = benchmark::Counter(
      static_cast<double>(records), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["processor"] = processor / static_cast<double>(records);
}
BENCHMARK(BM_Append)->ArgName("threads")->Arg(1)->Arg(2)->UseManualTime()->Iterations(6);

// The same record again and again at places that are in the processor's cache: what the log itself
// costs.
void BM_AppendInCache(benchmark::State& state) {
  BenchLog bench;
  if (bench.log() == nullptr) return state.SkipWithError("no log");
  const std::string payload(kPayloadBytes, 'r');
  const uint64_t hash = PayloadHash(payload);
  Reservation places[16];
  for (Reservation& place : places) {
    if (!bench.log()->TryReserve(payload.size(), &place)) return state.SkipWithError("no room");
  }
  size_t i = 0;
  for (auto _ : state) {
    const Status status =
        bench.log()->Write(places[i++ % 16], RecordType::kBatch, 0, 1, payload, hash);
    benchmark::DoNotOptimize(status.ok());
  }
}
BENCHMARK(BM_AppendInCache);

// One record, then the sync that makes it durable.
void BM_AppendSync(benchmark::State& state) {
  BenchLog bench;
  if (bench.log() == nullptr) return state.SkipWithError("no log");
  const std::string payload(kPayloadBytes, 'r');
  while (bench.Append(payload)) {
  }
  if (!bench.NextSegment() || !bench.NextSegment()) return state.SkipWithError("no segment");
  for (auto _ : state) {
    if (!bench.Append(payload) || !bench.log()->SyncThrough(bench.log()->end()).ok()) {
      return state.SkipWithError("append or sync failed");
    }
  }
}
BENCHMARK(BM_AppendSync)->UseRealTime()->Iterations(2000);

}  // namespace
}  // namespace nokv::wal
