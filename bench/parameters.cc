#include "parameters.h"

namespace nokv::bench {
namespace {

std::string Joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return text;
}

}  // namespace

Status Validate(const Parameters& p) {
  Distribution distribution;
  if (!ParseDistribution(p.distribution, &distribution)) {
    return Status::InvalidArgument("--distribution is zipfian, uniform or latest, not '" +
                                   p.distribution + "'");
  }
  for (const std::string& name : p.workloads) {
    const auto workload = FindWorkload(name, distribution);
    if (!workload.ok()) return workload.status();
  }
  if (p.workloads.empty() || p.workloads.front() != "load") {
    return Status::InvalidArgument("--workloads must begin with load: databases begin empty");
  }
  if (p.records < 1000) return Status::InvalidArgument("--records must be at least 1000");
  if (p.ops < 1000) return Status::InvalidArgument("--ops must be at least 1000");
  if (p.threads < 1 || p.threads > 255) {
    return Status::InvalidArgument("--threads must be 1 to 255");
  }
  if (p.value_bytes < kValueHeaderBytes || p.value_bytes > kValueBytesMax) {
    return Status::InvalidArgument("--value-size must be 16 to 65536 bytes");
  }
  if (p.memory_bytes < (16ULL << 20)) {
    return Status::InvalidArgument("--memory must be at least 16MiB");
  }
  return {};
}

std::vector<std::string> WorkerFlags(const Parameters& p) {
  return {"--workloads",    Joined(p.workloads),
          "--records",      std::to_string(p.records),
          "--ops",          std::to_string(p.ops),
          "--warmup",       std::to_string(p.warmup_ops()),
          "--threads",      std::to_string(p.threads),
          "--value-size",   std::to_string(p.value_bytes),
          "--memory",       std::to_string(p.memory_bytes),
          "--sync",         p.sync ? "always" : "none",
          "--distribution", p.distribution,
          "--seed",         std::to_string(p.seed)};
}

uint64_t RecordCapacity(const Parameters& p) {
  uint64_t capacity = p.records;
  for (const std::string& name : p.workloads) {
    const uint64_t ops = p.ops + p.warmup_ops() + 2 * p.threads;
    if (name == "G") capacity += ops;
    // A twentieth of them are inserts, on average; threads end unevenly.
    if (name == "D" || name == "E") capacity += ops / 8 + 10'000;
  }
  return capacity;
}

uint64_t DriverBytes(const Parameters& p) {
  constexpr uint64_t kProgram = 64ULL << 20;
  const uint64_t ops = p.records > p.ops ? p.records : p.ops;
  return kProgram + RecordCapacity(p) * 16 + ops * sizeof(Operation);
}

}  // namespace nokv::bench
