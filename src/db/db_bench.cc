// What the whole engine costs per operation, on the real file system: commit and point read.
// Figures and budgets: docs/performance.md. Every value read is checked.

#include <filesystem>
#include <memory>
#include <string>

#include <benchmark/benchmark.h>

#include "nokv/db.h"

#include "base/random.h"

namespace nokv {
namespace {

constexpr size_t kValueBytes = 256;
constexpr uint64_t kKeys = 1'000'000;

std::string Key(uint64_t i) {
  std::string digits = std::to_string(i);
  return "user" + std::string(16 - digits.size(), '0') + digits;
}
std::string Value(uint64_t i) {
  std::string value(kValueBytes, static_cast<char>('a' + i % 26));
  value.replace(0, 8, std::to_string(10'000'000 + i));
  return value;
}

// A database in a directory of its own, removed at the end.
class Scratch {
 public:
  explicit Scratch(const char* name)
      : directory_(std::filesystem::temp_directory_path() / ("nokv-bench-" + std::string(name))) {
    std::filesystem::remove_all(directory_);
    Options options;
    options.memory_budget = 1ULL << 30;
    auto opened = DB::Open(options, directory_);
    if (opened.ok()) db_ = std::move(*opened);
  }
  ~Scratch() {
    db_.reset();
    std::filesystem::remove_all(directory_);
  }
  DB& db() { return *db_; }
  bool ok() const { return db_ != nullptr; }

 private:
  const std::filesystem::path directory_;
  std::unique_ptr<DB> db_;
};

std::unique_ptr<Scratch> shared;

void BM_Commit(benchmark::State& state) {
  if (state.thread_index() == 0) shared = std::make_unique<Scratch>("commit");
  const WriteOptions options{.sync = state.range(0) != 0};
  base::Random random(static_cast<uint64_t>(state.thread_index()) + 1);
  const std::string value = Value(7);
  for (auto _ : state) {
    if (!shared->db().Put(options, Key(random.Uniform(kKeys)), value).ok()) {
      state.SkipWithError("put failed");
      break;
    }
  }
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) shared.reset();
}
BENCHMARK(BM_Commit)->ArgName("sync")->Arg(0)->Threads(1)->Threads(2)->UseRealTime();
BENCHMARK(BM_Commit)->ArgName("sync")->Arg(1)->Threads(1)->Threads(2)->Threads(16)->UseRealTime();

Scratch* Loaded(bool flushed) {
  static std::unique_ptr<Scratch> in_memory;
  static std::unique_ptr<Scratch> in_tables;
  auto& slot = flushed ? in_tables : in_memory;
  if (slot == nullptr) {
    slot = std::make_unique<Scratch>(flushed ? "tables" : "memtable");
    const uint64_t keys = flushed ? kKeys : 200'000;
    for (uint64_t i = 0; i < keys; ++i) {
      if (!slot->db().Put({}, Key(i), Value(i)).ok()) return nullptr;
    }
    if (flushed && !slot->db().CompactRange({}, nullptr, "", "").ok()) return nullptr;
    // Every block once, so that what is measured is the cache and not the device.
    PinnableValue value;
    for (uint64_t i = 0; i < keys; i += 4) {
      if (!slot->db().Get({}, Key(i), &value).ok()) return nullptr;
    }
  }
  return slot.get();
}

void BM_PointRead(benchmark::State& state) {
  const bool flushed = state.range(0) != 0;
  const uint64_t keys = flushed ? kKeys : 200'000;
  Scratch* const db = Loaded(flushed);
  if (db == nullptr) {
    state.SkipWithError("load failed");
    return;
  }
  base::Random random(static_cast<uint64_t>(state.thread_index()) + 1);
  PinnableValue value;
  for (auto _ : state) {
    const uint64_t i = random.Uniform(keys);
    if (!db->db().Get({}, Key(i), &value).ok() || value.value() != Value(i)) {
      state.SkipWithError("a wrong value");
      break;
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_PointRead)->ArgName("tables")->Arg(0)->Arg(1)->UseRealTime();

void BM_AbsentRead(benchmark::State& state) {
  Scratch* const db = Loaded(true);
  base::Random random(1);
  PinnableValue value;
  for (auto _ : state) {
    if (!db->db().Get({}, Key(random.Uniform(kKeys)) + "x", &value).IsNotFound()) {
      state.SkipWithError("found what is not there");
      break;
    }
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_AbsentRead)->UseRealTime();

// Key and value of the loop itself, to be subtracted.
void BM_HarnessOnly(benchmark::State& state) {
  base::Random random(1);
  for (auto _ : state) {
    const uint64_t i = random.Uniform(kKeys);
    benchmark::DoNotOptimize(Key(i));
    benchmark::DoNotOptimize(Value(i));
  }
}
BENCHMARK(BM_HarnessOnly)->UseRealTime();

void BM_ScanPerEntry(benchmark::State& state) {
  Scratch* const db = Loaded(true);
  auto it = db->db().NewIterator({});
  it->SeekToFirst();
  for (auto _ : state) {
    if (!it->Valid()) it->SeekToFirst();
    benchmark::DoNotOptimize(it->value().data());
    it->Next();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_ScanPerEntry)->UseRealTime();

}  // namespace
}  // namespace nokv
