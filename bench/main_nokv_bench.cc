// nokv-bench: storage engines side by side. README.md says what is measured.

#include <iostream>
#include <string>
#include <system_error>

#include <CLI/CLI.hpp>

#include "campaign.h"
#include "engine.h"
#include "worker.h"

namespace nokv::bench {
namespace {

void AddParameters(CLI::App* app, Parameters* p) {
  app->add_option("--workloads", p->workloads, "load, A to G, U, R, M, S; load comes first")
      ->delimiter(',')
      ->capture_default_str();
  app->add_option("--records", p->records, "records that load writes")->capture_default_str();
  app->add_option("--ops", p->ops, "operations of each other workload")->capture_default_str();
  app->add_option("--warmup", p->warmup, "operations before, not counted; a tenth of --ops unless given");
  app->add_option("--threads", p->threads, "threads")->capture_default_str();
  app->add_option("--value-size", p->value_bytes, "bytes of a value, 16 to 64 KiB")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  app->add_option("--memory", p->memory_bytes, "budget of caches and write buffers, for example 512MiB")
      ->transform(CLI::AsSizeValue(false))
      ->capture_default_str();
  app->add_option_function<std::string>(
         "--sync", [p](const std::string& mode) { p->sync = mode == "always"; },
         "none, or always: each write survives a loss of power before it returns")
      ->check(CLI::IsMember({"none", "always"}))
      ->default_str("none");
  app->add_option("--distribution", p->distribution, "of the records that are read and updated")
      ->check(CLI::IsMember({"zipfian", "uniform", "latest"}))
      ->capture_default_str();
  app->add_option("--seed", p->seed, "of all chance")->capture_default_str();
}

int Main(int argc, char** argv) {
  CLI::App app("Storage engines side by side: the same operations, every read checked.");
  app.require_subcommand(1);
  std::error_code no_temporary;

  CampaignOptions campaign;
  campaign.engines = {"nokv"};
  campaign.directory = std::filesystem::temp_directory_path(no_temporary);
  CLI::App* ycsb = app.add_subcommand("ycsb", "run workloads on engines in turn and compare them");
  AddParameters(ycsb, &campaign.parameters);
  ycsb->add_option("--engines", campaign.engines, "engines, see 'nokv-bench engines'")
      ->delimiter(',')
      ->capture_default_str();
  ycsb->add_option("--runs", campaign.runs, "runs of each engine")->capture_default_str();
  ycsb->add_option("--baseline", campaign.baseline, "engine that ratios refer to")->capture_default_str();
  ycsb->add_option("--directory", campaign.directory, "where databases are made and removed");
  ycsb->add_option("--json", campaign.json_file, "file for all results");
  ycsb->add_flag("--resume", campaign.resume, "keep what the file has and do the rest");
  ycsb->add_option("--go-driver", campaign.go_driver, "the program of bench/go/kv");

  WorkerParameters worker;
  CLI::App* one = app.add_subcommand("worker", "one engine, one run, in this process: what ycsb starts");
  AddParameters(one, &worker.parameters);
  one->add_option("--engine", worker.engine, "engine")->required();
  one->add_option("--run", worker.run, "number of the run")->capture_default_str();
  one->add_option("--directory", worker.directory, "an empty folder for the database")->required();

  CLI::App* list = app.add_subcommand("engines", "the engines of this build");
  CLI11_PARSE(app, argc, argv);

  if (list->parsed()) {
    for (const EngineKind& kind : BuiltInEngines()) std::cout << kind.name << ": " << kind.about << '\n';
    return 0;
  }
  if (one->parsed()) return RunWorker(worker);
  return RunCampaign(campaign);
}

}  // namespace
}  // namespace nokv::bench

int main(int argc, char** argv) { return nokv::bench::Main(argc, argv); }
