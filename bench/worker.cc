#include "worker.h"

#include <cstdio>
#include <iostream>
#include <memory>
#include <utility>

#include <nlohmann/json.hpp>

#include "process_figures.h"

namespace nokv::bench {
namespace {

using Json = nlohmann::ordered_json;

void Print(const Json& line) { std::cout << line.dump() << '\n' << std::flush; }

int Fail(const WorkerParameters& worker, std::string_view workload, const Status& status) {
  Print({{"type", "failed"},
         {"engine", worker.engine},
         {"workload", workload},
         {"run", worker.run},
         {"message", status.ToString()}});
  std::cerr << "nokv-bench: " << worker.engine << ", workload " << workload << ": "
            << status.ToString() << '\n';
  return 1;
}

struct Costs {
  ProcessFigures before, after_work, after_settling;
  double settle_seconds = 0;
};

Json ResultOf(const WorkerParameters& worker, std::string_view workload, const Outcome& outcome,
              const Costs& costs) {
  const auto micros = [&](double ticks) { return ticks / outcome.ticks_per_microsecond; };
  const Histogram& latency = outcome.latency;
  return {{"type", "result"},
          {"engine", worker.engine},
          {"workload", workload},
          {"run", worker.run},
          {"ops", outcome.ops},
          {"seconds", outcome.seconds},
          {"ops_per_second", static_cast<double>(outcome.ops) / outcome.seconds},
          {"mean_us", micros(latency.Mean())},
          {"p50_us", micros(latency.Quantile(0.5))},
          {"p95_us", micros(latency.Quantile(0.95))},
          {"p99_us", micros(latency.Quantile(0.99))},
          {"p999_us", micros(latency.Quantile(0.999))},
          {"max_us", micros(static_cast<double>(latency.max()))},
          {"cpu_seconds", costs.after_settling.cpu_seconds - costs.before.cpu_seconds},
          {"device_bytes_written",
           costs.after_settling.device_bytes_written - costs.before.device_bytes_written},
          {"disk_bytes", DiskBytes(worker.directory)},
          {"peak_rss_bytes", PeakMemoryBytes()},
          {"reads_verified", outcome.reads_verified},
          {"settle_seconds", costs.settle_seconds},
          {"settle_cpu_seconds", costs.after_settling.cpu_seconds - costs.after_work.cpu_seconds}};
}

}  // namespace

int RunWorker(const WorkerParameters& worker) {
  const Parameters& p = worker.parameters;
  const EngineKind* kind = FindEngine(worker.engine);
  if (kind == nullptr) {
    return Fail(worker, "", Status::InvalidArgument("this build has no engine '" + worker.engine + "'"));
  }
  const uint64_t program_bytes = MemoryBytes();
  auto engine = kind->open(
      {.memory_bytes = p.memory_bytes, .sync = p.sync, .directory = worker.directory});
  if (!engine.ok()) return Fail(worker, "open", engine.status());

  Distribution distribution = Distribution::kZipfian;
  ParseDistribution(p.distribution, &distribution);
  RunnerOptions options = {.records = p.records,
                           .ops = p.ops,
                           .warmup = p.warmup_ops(),
                           .threads = p.threads,
                           .value_bytes = p.value_bytes,
                           .run = worker.run,
                           .seed = p.seed,
                           .starting = nullptr,
                           .progress = nullptr};
  std::string_view current;
  Costs costs;
  options.starting = [&costs] {
    ResetPeakMemory();
    costs.before = ReadProcessFigures();
  };
  options.progress = [&current](uint64_t done, uint64_t total) {
    Print({{"type", "progress"}, {"workload", current}, {"done", done}, {"total", total}});
  };
  Runner runner(engine->get(), options, RecordCapacity(p));
  for (const std::string& name : p.workloads) {
    current = name;
    const auto workload = FindWorkload(name, distribution);
    if (!workload.ok()) return Fail(worker, name, workload.status());
    if (workload->Has(Kind::kScan) && !kind->scans) continue;
    if (Status status = runner.WarmUp(*workload); !status.ok()) return Fail(worker, name, status);
    // What the warm-up left for later is not the workload's.
    if (name != "load" && p.warmup_ops() != 0) Settle();
    auto outcome = std::make_unique<Outcome>();
    if (Status status = runner.Run(*workload, outcome.get()); !status.ok()) {
      return Fail(worker, name, status);
    }
    costs.after_work = ReadProcessFigures();
    costs.settle_seconds = Settle();
    costs.after_settling = ReadProcessFigures();
    Json result = ResultOf(worker, name, *outcome, costs);
    result["driver_bytes"] = program_bytes + runner.own_bytes();
    Print(result);
  }
  return 0;
}

}  // namespace nokv::bench
