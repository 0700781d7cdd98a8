#include "campaign.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <system_error>
#include <thread>
#include <utility>

#include <nlohmann/json.hpp>

#include "engine.h"
#include "memory_group.h"
#include "results_table.h"
#include "worker_process.h"

namespace nokv::bench {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string AfterColon(const char* file, const std::string& name) {
  std::ifstream lines(file);
  std::string line;
  while (std::getline(lines, line)) {
    const size_t colon = line.find(':');
    if (line.rfind(name, 0) != 0 || colon == std::string::npos) continue;
    return line.substr(line.find_first_not_of(" \t", colon + 1));
  }
  return "unknown";
}

Json Machine() {
  utsname system = {};
  uname(&system);
  return {{"processor", AfterColon("/proc/cpuinfo", "model name")},
          {"cores", std::thread::hardware_concurrency()},
          {"memory", AfterColon("/proc/meminfo", "MemTotal")},
          {"kernel", std::string(system.sysname) + " " + system.release}};
}

Json ToJson(const Parameters& p) {
  return {{"workloads", p.workloads}, {"records", p.records},
          {"ops", p.ops},             {"warmup", p.warmup_ops()},
          {"threads", p.threads},     {"value_size", p.value_bytes},
          {"memory", p.memory_bytes}, {"sync", p.sync ? "always" : "none"},
          {"distribution", p.distribution}, {"seed", p.seed}};
}

class Campaign {
 public:
  explicit Campaign(const CampaignOptions& options) : options_(options) {}

  int Run() {
    if (Status status = Prepare(); !status.ok()) {
      std::cerr << "nokv-bench: " << status.ToString() << '\n';
      return 2;
    }
    bool failed = false;
    const size_t engines = options_.engines.size();
    for (uint64_t run = 1; run <= options_.runs; ++run) {
      for (size_t i = 0; i < engines; ++i) {
        const std::string& engine = options_.engines[(run - 1 + i) % engines];
        if (!IsDone(engine, run) && !RunOne(engine, run)) failed = true;
      }
    }
    std::error_code ignored;
    fs::remove_all(scratch_, ignored);
    PrintResultsTable(document_, options_.baseline);
    return failed ? 1 : 0;
  }

 private:
  Status Prepare() {
    if (Status status = Validate(options_.parameters); !status.ok()) return status;
    document_["parameters"] = ToJson(options_.parameters);
    document_["parameters"]["machine"] = Machine();
    document_["results"] = Json::array();
    document_["failures"] = Json::array();
    if (Status status = DescribeEngines(); !status.ok()) return status;
    if (options_.resume) {
      if (Status status = Resume(); !status.ok()) return status;
    }
    std::string name = (options_.directory / "nokv-bench-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
      return Status::IOError("no folder for databases could be made in " + options_.directory.string());
    }
    scratch_ = name;
    // A tenth more than the budget for what no engine accounts for, and what the driver holds.
    limit_bytes_ = options_.parameters.memory_bytes / 10 * 11 + DriverBytes(options_.parameters);
    const auto trial = MemoryGroup::Create("nokv-bench-" + std::to_string(getpid()), limit_bytes_);
    document_["parameters"]["memory_limit"] =
        trial.ok() ? "enforced by a control group, page cache included: " + std::to_string(limit_bytes_) + " bytes"
                   : "not enforced: " + std::string(trial.status().message());
    limited_ = trial.ok();
    return {};
  }

  Status DescribeEngines() {
    std::map<std::string, std::string> in_go;
    if (!options_.go_driver.empty()) {
      Status status = RunProcess({options_.go_driver.string(), "--list-engines"}, nullptr,
                                 [&](std::string_view line) {
                                   const Json about = Json::parse(line, nullptr, false);
                                   if (!about.is_object()) return;
                                   in_go[about.value("engine", "")] =
                                       about.value("version", "") + "; " + about.value("about", "");
                                 });
      if (!status.ok()) return status.WithContext("the Go driver does not list its engines");
    }
    for (const std::string& name : options_.engines) {
      if (const EngineKind* kind = FindEngine(name)) {
        document_["parameters"]["engines"][name] = kind->about;
      } else if (in_go.contains(name)) {
        document_["parameters"]["engines"][name] = in_go[name];
        go_engines_.push_back(name);
      } else {
        return Status::InvalidArgument("no engine '" + name + "' in this build (peers are built with "
                                       "-DNOKV_BENCH_PEERS=ON, those in Go need --go-driver)");
      }
    }
    return {};
  }

  Status Resume() {
    std::ifstream file(options_.json_file);
    if (!file) return {};
    const Json earlier = Json::parse(file, nullptr, false);
    if (!earlier.is_object() || !earlier.contains("parameters") || !earlier.contains("results")) {
      return Status::Corruption(options_.json_file.string() + " is not a result of ours");
    }
    const Json asked = ToJson(options_.parameters);
    for (const auto& [name, value] : asked.items()) {
      if (earlier["parameters"].value(name, Json()) != value) {
        return Status::InvalidArgument(options_.json_file.string() + " was made with another " + name);
      }
    }
    document_["results"] = earlier["results"];
    return {};
  }

  std::vector<std::string> WantedWorkloads(const std::string& engine) const {
    std::vector<std::string> wanted = options_.parameters.workloads;
    const EngineKind* kind = FindEngine(engine);
    if (kind != nullptr && !kind->scans) {
      std::erase_if(wanted, [](const std::string& name) {
        return FindWorkload(name, Distribution::kZipfian)->Has(Kind::kScan);
      });
    }
    return wanted;
  }

  bool IsDone(const std::string& engine, uint64_t run) const {
    size_t done = 0;
    for (const Json& result : document_["results"]) {
      if (result["engine"] == engine && result["run"] == run) ++done;
    }
    return done >= WantedWorkloads(engine).size();
  }

  bool RunOne(const std::string& engine, uint64_t run) {
    const fs::path database = scratch_ / (engine + "-" + std::to_string(run));
    fs::create_directories(database);
    const bool in_go = std::count(go_engines_.begin(), go_engines_.end(), engine) != 0;
    std::vector<std::string> command =
        in_go ? std::vector<std::string>{options_.go_driver.string()}
              : std::vector<std::string>{"/proc/self/exe", "worker"};
    for (const std::string& word : WorkerFlags(options_.parameters)) command.push_back(word);
    for (const std::string& word : {std::string("--engine"), engine, std::string("--run"),
                                    std::to_string(run), std::string("--directory"), database.string()}) {
      command.push_back(word);
    }
    // A worker without the limit that the results speak of would be a worker without figures.
    std::unique_ptr<MemoryGroup> group;
    Status status;
    if (limited_) {
      auto made = MemoryGroup::Create("nokv-bench-" + std::to_string(getpid()), limit_bytes_);
      if (made.ok()) group = std::move(*made);
      status = made.status();
    }
    Json results = Json::array();
    bool explained = false;
    const auto take = [&](std::string_view line) {
      const Json message = Json::parse(line, nullptr, false);
      if (!message.is_object()) return;
      if (message.value("type", "") == "failed") explained = true;
      Take(engine, run, message, &results);
    };
    if (status.ok()) status = RunProcess(command, group.get(), take);
    if (!status.ok() && !explained) {
      document_["failures"].push_back({{"engine", engine}, {"workload", ""}, {"run", run},
                                       {"message", status.ToString()}});
      std::cerr << engine << " run " << run << ": " << status.ToString() << '\n';
    }
    // Figures of a worker that failed are void.
    if (status.ok()) {
      for (Json& result : results) document_["results"].push_back(std::move(result));
    }
    std::error_code ignored;
    fs::remove_all(database, ignored);
    Save();
    return status.ok();
  }

  void Take(const std::string& engine, uint64_t run, const Json& message, Json* results) {
    const std::string type = message.value("type", "");
    const std::string workload = message.value("workload", "");
    const bool terminal = isatty(STDERR_FILENO) != 0;
    std::ostringstream text;
    text << engine << "  run " << run << "/" << options_.runs << "  " << workload << "  ";
    if (type == "progress") {
      if (!terminal) return;
      const auto total = std::max<uint64_t>(1, message.value("total", uint64_t{1}));
      text << message.value("done", uint64_t{0}) * 100 / total << " %";
      std::cerr << '\r' << text.str() << "          " << std::flush;
      return;
    }
    if (type == "result") {
      Json result = message;
      result.erase("type");
      text << static_cast<uint64_t>(result.value("ops_per_second", 0.0)) << " ops/s";
      results->push_back(std::move(result));
    } else {
      Json failure = message;
      failure.erase("type");
      text << message.value("message", "failed");
      document_["failures"].push_back(std::move(failure));
    }
    std::cerr << (terminal ? "\r" : "") << text.str() << (terminal ? "          \n" : "\n");
  }

  void Save() const {
    if (options_.json_file.empty()) return;
    const fs::path unfinished = options_.json_file.string() + ".part";
    {
      std::ofstream file(unfinished);
      file << document_.dump(1) << '\n';
    }
    std::error_code error;
    fs::rename(unfinished, options_.json_file, error);
    if (error) std::cerr << "nokv-bench: " << options_.json_file << ": " << error.message() << '\n';
  }

  const CampaignOptions options_;
  Json document_;
  std::vector<std::string> go_engines_;
  fs::path scratch_;
  uint64_t limit_bytes_ = 0;
  bool limited_ = false;
};

}  // namespace

int RunCampaign(const CampaignOptions& options) { return Campaign(options).Run(); }

}  // namespace nokv::bench
