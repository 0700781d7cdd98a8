#include "results_table.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <vector>

#include <nlohmann/json.hpp>

namespace nokv::bench {
namespace {

using Json = nlohmann::ordered_json;

// All results of one engine in one workload.
class Cell {
 public:
  void Add(const Json& result) { results_.push_back(&result); }
  bool empty() const { return results_.empty(); }
  size_t runs() const { return results_.size(); }

  double Median(const char* field) const { return Quantile(field, 0.5); }
  double Least(const char* field) const { return Quantile(field, 0); }
  double Most(const char* field) const { return Quantile(field, 1); }
  // A cost of all operations, for each.
  double PerOperation(const char* field) const { return Median(field) / Median("ops"); }

 private:
  double Quantile(const char* field, double share) const {
    std::vector<double> values;
    for (const Json* result : results_) values.push_back(result->value(field, 0.0));
    std::sort(values.begin(), values.end());
    const double place = share * static_cast<double>(values.size() - 1);
    const auto lower = static_cast<size_t>(place);
    const size_t upper = std::min(lower + 1, values.size() - 1);
    const double rest = place - static_cast<double>(lower);
    return values[lower] * (1 - rest) + values[upper] * rest;
  }

  std::vector<const Json*> results_;
};

void PrintRow(const std::string& engine, const Cell& cell, const Cell& baseline) {
  const double median = cell.Median("ops_per_second");
  char ratio[32] = "-";
  if (!baseline.empty()) {
    std::snprintf(ratio, sizeof(ratio), "%.2f", median / baseline.Median("ops_per_second"));
  }
  std::printf("%-17s %11.0f [%9.0f %9.0f] %6s %9.2f %9.2f %9.2f %9.2f %10.2f %11.1f %8.2f %8.0f %8.0f %8.0f\n",
              engine.c_str(), median, cell.Least("ops_per_second"), cell.Most("ops_per_second"), ratio,
              cell.Median("mean_us"), cell.Median("p50_us"), cell.Median("p95_us"),
              cell.Median("p99_us"), cell.Median("p999_us"), cell.Median("max_us"),
              cell.PerOperation("cpu_seconds") * 1e6, cell.PerOperation("device_bytes_written"),
              cell.Median("disk_bytes") / 1048576, cell.Median("peak_rss_bytes") / 1048576);
}

}  // namespace

void PrintResultsTable(const Json& document, const std::string& baseline) {
  std::vector<std::string> workloads, engines;
  std::map<std::string, std::map<std::string, Cell>> cells;
  for (const Json& result : document["results"]) {
    cells[result["workload"]][result["engine"]].Add(result);
  }
  for (const Json& workload : document["parameters"]["workloads"]) {
    auto& row = cells[workload];
    if (row.empty()) continue;
    std::printf("\n%s\n%-17s %11s %21s %6s %9s %9s %9s %9s %10s %11s %8s %8s %8s %8s\n",
                workload.get<std::string>().c_str(), "engine", "ops/s", "[least      most]", "ratio",
                "mean us", "p50", "p95", "p99", "p99.9", "max", "cpu us", "B/op", "disk MiB", "peak MiB");
    for (const auto& [engine, about] : document["parameters"]["engines"].items()) {
      if (!row[engine].empty()) PrintRow(engine, row[engine], row[baseline]);
    }
  }
  std::printf("\nratio: of throughput to %s; cpu and bytes written are those of one operation, with the work that it left for later;\nmemory: %s\n",
              baseline.c_str(), document["parameters"].value("memory_limit", "").c_str());
  for (const Json& failure : document["failures"]) {
    std::printf("failed: %s\n", failure.dump().c_str());
  }
}

}  // namespace nokv::bench
