// The nokv command: flags in, one call out. Every subcommand is a thin caller of cmd_*.h.

#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>

#include "nokv/version.h"

#include "cli/cmd_data.h"
#include "cli/cmd_inspect.h"
#include "cli/cmd_redis.h"
#include "cli/exit_code.h"

namespace nokv::cli {
namespace {

constexpr char kFooter[] =
    "Examples:\n"
    "  nokv redis --dir data                      serve ./data to Redis clients on 127.0.0.1:6380\n"
    "  nokv put --dir data greeting 'hello'       write one key (the server must not be running)\n"
    "  nokv get --dir data greeting               read it back (also beside a running server)\n"
    "  nokv scan --dir data --prefix user: --json one JSON object a line\n"
    "  nokv stats --dir data                      tables, levels, sequence numbers\n"
    "\n"
    "Exit codes: 0 done, 1 no such key, 2 wrong usage or a limit, 3 damaged database, 4 held by another\n"
    "process, 5 input/output error or full disk, 6 no database there, 7 anything else.";

void AddDirectory(CLI::App* command, std::string* directory) {
  command->add_option("-d,--dir", *directory, "The database directory")->required();
}

void AddDataOptions(CLI::App* command, DataOptions* options, bool reads) {
  AddDirectory(command, &options->directory);
  command->add_option("--family", options->family, "The column family")->capture_default_str();
  command->add_flag("--escaped", options->escaped,
                    "Keys and values hold \\xXX escapes, on the command line and in the output");
  if (reads) command->add_flag("--json", options->json, "Print JSON, one object a line");
}

int Run(int argc, char** argv) {
  CLI::App app{"nokv: a durable, ordered key-value database"};
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Help for every subcommand");
  int exit_code = kOk;

  DataOptions data;
  std::string key;
  std::string value;

  CLI::App* const get = app.add_subcommand("get", "Print the value of a key");
  AddDataOptions(get, &data, true);
  get->add_option("key", key, "The key")->required();
  get->callback([&] { exit_code = RunGet(data, key); });

  PutOptions put_options;
  int64_t ttl_ms = 0;
  CLI::App* const put = app.add_subcommand("put", "Write a key, durably; creates the database if needed");
  AddDataOptions(put, &data, false);
  put->add_option("key", key, "The key")->required();
  put->add_option("value", value, "The value")->required();
  put->add_option("--ttl-ms", ttl_ms, "Expire after this many milliseconds")->check(CLI::PositiveNumber);
  put->callback([&] {
    put_options.ttl = std::chrono::milliseconds(ttl_ms);
    exit_code = RunPut(data, key, value, put_options);
  });

  CLI::App* const del = app.add_subcommand("delete", "Delete a key, durably");
  AddDataOptions(del, &data, false);
  del->add_option("key", key, "The key")->required();
  del->callback([&] { exit_code = RunDelete(data, key); });

  ScanOptions scan_options;
  CLI::App* const scan = app.add_subcommand("scan", "Print keys and values in order, a line each");
  AddDataOptions(scan, &data, true);
  scan->add_option("--from", scan_options.from, "Begin at this key (inclusive)");
  scan->add_option("--to", scan_options.to, "End before this key");
  scan->add_option("--prefix", scan_options.prefix, "Only keys that begin with this");
  scan->add_option("--limit", scan_options.limit, "At most this many");
  scan->add_flag("--keys-only", scan_options.keys_only, "Leave out the values");
  scan->add_flag("--reverse", scan_options.reverse, "From the last key to the first");
  scan->add_flag("--count", scan_options.count, "Print only how many there are");
  scan->callback([&] { exit_code = RunScan(data, scan_options); });

  InspectOptions inspect;
  CLI::App* const stats = app.add_subcommand("stats", "Print what the database holds");
  AddDirectory(stats, &inspect.directory);
  stats->add_flag("--json", inspect.json, "Print JSON");
  stats->callback([&] { exit_code = RunStats(inspect); });

  bool log = false;
  CLI::App* const manifest = app.add_subcommand("manifest", "Print which files make up the database");
  AddDirectory(manifest, &inspect.directory);
  manifest->add_flag("--json", inspect.json, "Print JSON");
  manifest->add_flag("--log", log, "Print every edit with its offset instead of the state they lead to");
  manifest->callback([&] { exit_code = RunManifest(inspect, log); });

  RedisCommandOptions redis_options;
  CLI::App* const redis = app.add_subcommand("redis", "Serve a database to Redis clients");
  AddRedisFlags(redis, &redis_options);
  redis->callback([&] { exit_code = RunRedis(redis_options); });

  app.add_subcommand("version", "Print the version")->callback([] { std::printf("nokv %s\n", kVersion); });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  return exit_code;
}

}  // namespace
}  // namespace nokv::cli

int main(int argc, char** argv) { return nokv::cli::Run(argc, argv); }
