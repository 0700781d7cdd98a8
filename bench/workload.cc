#include "workload.h"

#include <algorithm>
#include <memory>

namespace nokv::bench {

bool Workload::Has(Kind kind) const {
  return std::any_of(mix.begin(), mix.end(), [kind](const Share& s) { return s.kind == kind; });
}

Result<Workload> FindWorkload(std::string_view name, Distribution d) {
  const Distribution uniform = Distribution::kUniform;
  const std::vector<Workload> all = {
      {.name = "load", .mix = {{Kind::kInsert, 100}}, .distribution = d},
      {.name = "A", .mix = {{Kind::kRead, 50}, {Kind::kUpdate, 50}}, .distribution = d},
      {.name = "B", .mix = {{Kind::kRead, 95}, {Kind::kUpdate, 5}}, .distribution = d},
      {.name = "C", .mix = {{Kind::kRead, 100}}, .distribution = d},
      {.name = "D",
       .mix = {{Kind::kRead, 95}, {Kind::kInsert, 5}},
       .distribution = Distribution::kLatest},
      {.name = "E",
       .mix = {{Kind::kScan, 95}, {Kind::kInsert, 5}},
       .distribution = d,
       .scan_entries = 100,
       .vary_scan = true},
      {.name = "F", .mix = {{Kind::kRead, 50}, {Kind::kReadModifyWrite, 50}}, .distribution = d},
      {.name = "G", .mix = {{Kind::kInsert, 100}}, .distribution = d},
      {.name = "U", .mix = {{Kind::kUpdate, 100}}, .distribution = d},
      {.name = "R", .mix = {{Kind::kRead, 100}}, .distribution = uniform},
      {.name = "M", .mix = {{Kind::kAbsentRead, 100}}, .distribution = uniform},
      {.name = "S",
       .mix = {{Kind::kScan, 100}},
       .distribution = uniform,
       .scan_entries = 10'000,
       .ops_per_thousand = 1},
  };
  for (const Workload& workload : all) {
    if (workload.name == name) return workload;
  }
  return Status::InvalidArgument("no workload '" + std::string(name) +
                                 "'; there are load, A, B, C, D, E, F, G, U, R, M, S");
}

bool ParseDistribution(std::string_view name, Distribution* distribution) {
  if (name == "zipfian") *distribution = Distribution::kZipfian;
  else if (name == "uniform") *distribution = Distribution::kUniform;
  else if (name == "latest") *distribution = Distribution::kLatest;
  else return false;
  return true;
}

base::PageVector<Operation> DrawOperations(const Workload& workload, uint64_t n, uint64_t count,
                                           uint64_t seed) {
  Random random(seed);
  const bool draws_records = !(workload.mix.size() == 1 && workload.Has(Kind::kInsert));
  std::unique_ptr<Zipfian> zipfian;
  if (draws_records && workload.distribution != Distribution::kUniform) {
    zipfian = std::make_unique<Zipfian>(n);
  }
  base::PageVector<Operation> operations;
  operations.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    Kind kind = workload.mix[0].kind;
    if (workload.mix.size() > 1 && random.Uniform(100) >= workload.mix[0].percent) {
      kind = workload.mix[1].kind;
    }
    uint64_t subject = 0;
    if (kind != Kind::kInsert) {
      switch (workload.distribution) {
        case Distribution::kZipfian: subject = zipfian->Scrambled(&random); break;
        case Distribution::kUniform: subject = random.Uniform(n); break;
        case Distribution::kLatest: subject = zipfian->Rank(&random); break;
      }
    }
    uint32_t scan_entries = 0;
    if (kind == Kind::kScan) {
      scan_entries = workload.vary_scan
                         ? 1 + static_cast<uint32_t>(random.Uniform(workload.scan_entries))
                         : workload.scan_entries;
    }
    operations.emplace_back(kind, scan_entries, subject);
  }
  return operations;
}

}  // namespace nokv::bench
