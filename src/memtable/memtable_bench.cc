// What one operation on a memtable costs, by how many entries it holds and how many threads work on
// it. Budgets: update 100-150 ns, hot get 100-200 ns, insert 250-400 ns while the table fits the
// processor's cache and 1.2 us among 400,000 entries.
//
// Keys are 21 bytes, "\0user" and 16 digits of a mixed counter; values 256 bytes. The table fills a
// region that has been in use before, as in a running database. Each thread has its share of the
// keys.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/page_pool.h"
#include "base/random.h"
#include "memtable/memtable.h"

namespace nokv::memtable {
namespace {

constexpr size_t kValueBytes = 256;
constexpr size_t kCapacity = size_t{256} << 20;

base::PagePool& Pages() {
  static base::PagePool pool({.idle_bytes_max = 2 * kCapacity});
  return pool;
}

struct Key {
  char bytes[21];
  uint64_t hash;
  Slice slice() const { return {bytes, sizeof bytes}; }
};

Key KeyOf(uint64_t n) {
  Key key;
  uint64_t number = base::Mix64(n * 2 + 1) % 10'000'000'000'000'000ULL;
  key.bytes[0] = '\0';
  std::copy_n("user", 4, key.bytes + 1);
  for (size_t i = sizeof key.bytes; i-- > 5; number /= 10) {
    key.bytes[i] = static_cast<char>('0' + number % 10);
  }
  key.hash = base::Hash64(key.slice());
  return key;
}

// The table under test and what is done to it; made by the first thread before all start.
struct Bench {
  std::unique_ptr<Memtable> table;
  std::atomic<uint64_t> seq{0};
  std::vector<Key> present;
  std::vector<Key> absent;
  std::string value = std::string(kValueBytes, 'v');

  Bench(size_t present_count, size_t absent_count) {
    // The first one gets fresh pages and leaves them resident for the others.
    Result<std::unique_ptr<Memtable>> made = Memtable::Create(
        1, {.capacity_bytes = kCapacity, .pages = &Pages(), .resident_bytes = kCapacity});
    NOKV_CHECK(made.ok());
    table = std::move(made).value();
    for (uint64_t n = 0; n < present_count; ++n)
      present.push_back(KeyOf(n));
    for (uint64_t n = 0; n < absent_count; ++n)
      absent.push_back(KeyOf((uint64_t{1} << 40) + n));
    for (const Key& key : present)
      Reserve(1), Add(key);
  }
  void Reserve(size_t entries) {
    NOKV_CHECK(
        table->TryReserve(entries * Memtable::ChargeFor(sizeof Key::bytes, kValueBytes), entries));
  }
  void Add(const Key& key) {
    const uint64_t at = seq.fetch_add(1, std::memory_order_relaxed) + 1;
    table->Add({key.slice(), key::PackTrailer(at, key::Kind::kPut), 0, value}, key.hash);
  }
};
std::unique_ptr<Bench> bench;

void Repeated(benchmark::internal::Benchmark* benchmark) {
  benchmark->Repetitions(3)->ReportAggregatesOnly()->UseRealTime();
}

// Entries already there: range(0). Each iteration of each thread inserts one new key.
void BM_InsertNew(benchmark::State& state) {
  const auto present = static_cast<size_t>(state.range(0));
  const auto mine = static_cast<size_t>(state.max_iterations);
  if (state.thread_index() == 0) {
    bench = std::make_unique<Bench>(present, mine * static_cast<size_t>(state.threads()));
    bench->Reserve(bench->absent.size());
  }
  size_t at = mine * static_cast<size_t>(state.thread_index());
  for (auto _ : state)
    bench->Add(bench->absent[at++]);
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) bench.reset();
}
BENCHMARK(BM_InsertNew)->Arg(10'000)->Iterations(2'000)->Apply(Repeated);
BENCHMARK(BM_InsertNew)->Arg(10'000)->Iterations(1'000)->Threads(2)->Apply(Repeated);
BENCHMARK(BM_InsertNew)->Arg(400'000)->Iterations(40'000)->Apply(Repeated);
BENCHMARK(BM_InsertNew)->Arg(400'000)->Iterations(20'000)->Threads(2)->Apply(Repeated);

// The same with keys in ascending order.
void BM_InsertAscending(benchmark::State& state) {
  const auto count = static_cast<size_t>(state.max_iterations);
  bench = std::make_unique<Bench>(0, count);
  bench->Reserve(count);
  std::sort(bench->absent.begin(), bench->absent.end(),
            [](const Key& a, const Key& b) { return a.slice() < b.slice(); });
  size_t at = 0;
  for (auto _ : state)
    bench->Add(bench->absent[at++]);
  state.SetItemsProcessed(state.iterations());
  bench.reset();
}
BENCHMARK(BM_InsertAscending)->Iterations(400'000)->Apply(Repeated);

// Overwrites of range(1) of range(0) keys, at random.
void BM_Update(benchmark::State& state) {
  const auto present = static_cast<size_t>(state.range(0));
  if (state.thread_index() == 0) {
    bench = std::make_unique<Bench>(present, 0);
    bench->Reserve(static_cast<size_t>(state.max_iterations) *
                   static_cast<size_t>(state.threads()));
  }
  base::Random random(static_cast<uint64_t>(state.thread_index()) + 1);
  const auto hot = static_cast<uint64_t>(state.range(1));
  for (auto _ : state)
    bench->Add(bench->present[random.Uniform(hot)]);
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) bench.reset();
}
BENCHMARK(BM_Update)->Args({10'000, 100})->Iterations(100'000)->Apply(Repeated);
BENCHMARK(BM_Update)->Args({10'000, 100})->Iterations(50'000)->Threads(2)->Apply(Repeated);
BENCHMARK(BM_Update)->Args({400'000, 400'000})->Iterations(100'000)->Apply(Repeated);

void Gets(benchmark::State& state, bool hit) {
  const auto present = static_cast<size_t>(state.range(0));
  if (state.thread_index() == 0) bench = std::make_unique<Bench>(present, present);
  base::Random random(static_cast<uint64_t>(state.thread_index()) + 1);
  key::Entry entry;
  for (auto _ : state) {
    const std::vector<Key>& keys = hit ? bench->present : bench->absent;
    const Key& key = keys[random.Uniform(keys.size())];
    benchmark::DoNotOptimize(bench->table->Get(key.slice(), key.hash, key::kMaxSequence, &entry));
    if (hit) benchmark::DoNotOptimize(entry.value[0]);
  }
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) bench.reset();
}
void BM_GetHit(benchmark::State& state) {
  Gets(state, true);
}
void BM_GetMiss(benchmark::State& state) {
  Gets(state, false);
}
BENCHMARK(BM_GetHit)->Arg(1'000)->Arg(10'000)->Arg(400'000)->MinTime(0.2);
BENCHMARK(BM_GetHit)->Arg(400'000)->MinTime(0.2)->Threads(2)->UseRealTime();
BENCHMARK(BM_GetMiss)->Arg(10'000)->Arg(400'000)->MinTime(0.2);

void BM_Seek(benchmark::State& state) {
  const auto present = static_cast<size_t>(state.range(0));
  bench = std::make_unique<Bench>(present, present);
  base::Random random(1);
  const std::unique_ptr<key::EntryIterator> iterator = bench->table->NewIterator();
  for (auto _ : state) {
    iterator->Seek(bench->absent[random.Uniform(present)].slice(), UINT64_MAX);
    benchmark::DoNotOptimize(iterator->Valid());
  }
  state.SetItemsProcessed(state.iterations());
  bench.reset();
}
BENCHMARK(BM_Seek)->Arg(10'000)->Arg(400'000)->MinTime(0.2);

// Per entry, reading key and the first byte of the value.
void Iterates(benchmark::State& state, bool forward) {
  bench = std::make_unique<Bench>(static_cast<size_t>(state.range(0)), 0);
  const std::unique_ptr<key::EntryIterator> iterator = bench->table->NewIterator();
  size_t entries = 0;
  for (auto _ : state) {
    if (!iterator->Valid()) forward ? iterator->SeekToFirst() : iterator->SeekToLast();
    benchmark::DoNotOptimize(iterator->key()[0] + iterator->value()[0]);
    forward ? iterator->Next() : iterator->Prev();
    ++entries;
  }
  state.SetItemsProcessed(static_cast<int64_t>(entries));
  bench.reset();
}
void BM_Next(benchmark::State& state) {
  Iterates(state, true);
}
void BM_Prev(benchmark::State& state) {
  Iterates(state, false);
}
BENCHMARK(BM_Next)->Arg(10'000)->Arg(400'000)->MinTime(0.2);
BENCHMARK(BM_Prev)->Arg(10'000)->Arg(400'000)->MinTime(0.2);

// Making a table on memory that has been used: what stands between a full one and the next.
void BM_Create(benchmark::State& state) {
  for (auto _ : state) {
    auto made = Memtable::Create(1, {.capacity_bytes = size_t{128} << 20, .pages = &Pages()});
    benchmark::DoNotOptimize(made.ok());
  }
}
BENCHMARK(BM_Create)->MinTime(0.1);

}  // namespace
}  // namespace nokv::memtable
