// What a guard, a retirement and a reclamation cost. Budget: a guard 2 to 5 ns.

#include <atomic>
#include <memory>

#include <benchmark/benchmark.h>

#include "base/epoch.h"

namespace nokv::base {
namespace {

EpochDomain* SharedDomain() {
  static EpochDomain domain;
  return &domain;
}

void BM_Guard(benchmark::State& state) {
  for (auto _ : state) {
    EpochDomain::Guard guard(SharedDomain());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_Guard)->Threads(1)->Threads(2);

void BM_NestedGuard(benchmark::State& state) {
  EpochDomain::Guard outer(SharedDomain());
  for (auto _ : state) {
    EpochDomain::Guard guard(SharedDomain());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_NestedGuard);

// A thread that alternates between two domains misses its one-entry cache each time.
void BM_GuardOfAlternatingDomains(benchmark::State& state) {
  EpochDomain domains[2];
  size_t i = 0;
  for (auto _ : state) {
    EpochDomain::Guard guard(&domains[i++ & 1]);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_GuardOfAlternatingDomains);

void BM_Retire(benchmark::State& state) {
  static int object;
  for (auto _ : state)
    SharedDomain()->Retire(&object, [](void*) {});
}
BENCHMARK(BM_Retire)->Threads(1)->Threads(2);

void BM_Reclaim(benchmark::State& state) {
  static int object;
  for (auto _ : state) {
    SharedDomain()->RetireLater(&object, [](void*) {});
    SharedDomain()->Reclaim();
  }
}
BENCHMARK(BM_Reclaim);

}  // namespace
}  // namespace nokv::base
