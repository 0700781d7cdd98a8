#include "redis/info.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

#include <malloc.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "redis/command_table.h"
#include "redis/number.h"
#include "redis/service.h"

namespace nokv::redis {

namespace {

constexpr uint64_t kMicrosPerSecond = 1'000'000;

// Lines of one section.
class Lines {
 public:
  explicit Lines(std::string* text) : text_(text) {}

  Lines& Add(std::string_view name, std::string_view value) {
    text_->append(name).append(":").append(value).append("\r\n");
    return *this;
  }
  Lines& Add(std::string_view name, uint64_t value) { return Add(name, std::to_string(value)); }

 private:
  std::string* const text_;
};

std::string Fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string Human(uint64_t bytes) {
  constexpr std::array<char, 5> kUnits{'B', 'K', 'M', 'G', 'T'};
  if (bytes < 1024) return std::to_string(bytes) + "B";
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return Fixed(value, 2) + kUnits[unit];
}

std::string Seconds(const timeval& time) {
  return Fixed(static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6, 6);
}

double Ratio(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

Status Server(CommandContext& ctx, Lines lines) {
  const ServerFacts facts = ctx.service.Facts();
  utsname system{};
  ::uname(&system);
  const uint64_t uptime =
      (ctx.service.clock()->NowMicros() - facts.started_micros) / kMicrosPerSecond;
  lines.Add("redis_version", kCompatibleVersion)
      .Add("redis_git_sha1", "00000000")
      .Add("redis_git_dirty", "0")
      .Add("redis_build_id", "0")
      .Add("redis_mode", "standalone")
      .Add("nokv_version", facts.version)
      .Add("os", std::string(system.sysname) + " " + system.release + " " + system.machine)
      .Add("arch_bits", "64")
      .Add("monotonic_clock", "POSIX clock_gettime")
      .Add("multiplexing_api", "epoll")
      .Add("process_id", static_cast<uint64_t>(::getpid()))
      .Add("process_supervised", "no")
      .Add("run_id", facts.run_id)
      .Add("tcp_port", facts.port)
      .Add("server_time_usec", ctx.service.clock()->WallMicros())
      .Add("uptime_in_seconds", uptime)
      .Add("uptime_in_days", uptime / 86'400)
      .Add("hz", "10")
      .Add("configured_hz", "10")
      .Add("executable", "nokv")
      .Add("config_file", "")
      .Add("io_threads_active", "0");
  return Status::Ok();
}

Status Clients(CommandContext& ctx, Lines lines) {
  const ServerFacts facts = ctx.service.Facts();
  uint64_t waiting = 0;
  uint64_t input = 0;
  uint64_t output = 0;
  ctx.service.ForEachSession([&](Session& session) {
    waiting += session.waiting ? 1 : 0;
    input = std::max(input, session.input_bytes);
    output = std::max(output, session.output_bytes);
  });
  lines.Add("connected_clients", facts.connections)
      .Add("cluster_connections", "0")
      .Add("maxclients", static_cast<uint64_t>(ctx.service.settings().maxclients))
      .Add("client_recent_max_input_buffer", input)
      .Add("client_recent_max_output_buffer", output)
      .Add("blocked_clients", waiting)
      .Add("tracking_clients", "0")
      .Add("clients_in_timeout_table", "0");
  return Status::Ok();
}

Status Memory(CommandContext& ctx, Lines lines) {
  const struct mallinfo2 heap = ::mallinfo2();
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const uint64_t used = heap.uordblks + heap.hblkhd;
  const uint64_t peak = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  lines.Add("used_memory", used)
      .Add("used_memory_human", Human(used))
      .Add("used_memory_rss", peak)
      .Add("used_memory_rss_human", Human(peak))
      .Add("used_memory_peak", std::max(peak, used))
      .Add("used_memory_peak_human", Human(std::max(peak, used)))
      .Add("used_memory_lua", "0")
      .Add("used_memory_scripts", "0")
      .Add("number_of_functions", "0")
      .Add("maxmemory", "0")
      .Add("maxmemory_human", "0B")
      .Add("maxmemory_policy", "noeviction")
      .Add("mem_fragmentation_ratio", Fixed(Ratio(peak, used), 2))
      .Add("mem_clients_normal", ctx.service.Facts().clients_bytes)
      .Add("mem_clients_slaves", "0")
      .Add("mem_allocator", "libc")
      .Add("active_defrag_running", "0")
      .Add("lazyfree_pending_objects", "0")
      .Add("lazyfreed_objects", "0");
  return Status::Ok();
}

Status Persistence(CommandContext& ctx, Lines lines) {
  lines.Add("loading", "0")
      .Add("async_loading", "0")
      .Add("rdb_changes_since_last_save", "0")
      .Add("rdb_bgsave_in_progress", "0")
      .Add("rdb_last_save_time", ctx.now_ms() / 1000)
      .Add("rdb_last_bgsave_status", "ok")
      .Add("aof_enabled", "1")
      .Add("aof_rewrite_in_progress", "0")
      .Add("aof_rewrite_scheduled", "0")
      .Add("aof_last_bgrewrite_status", "ok")
      .Add("aof_last_write_status", ctx.service.metrics().sync_failures == 0 ? "ok" : "err")
      .Add("nokv_sync", SyncPolicyName(ctx.service.settings().sync));
  return Status::Ok();
}

Status Stats(CommandContext& ctx, Lines lines) {
  const Metrics& metrics = ctx.service.metrics();
  const ServerFacts facts = ctx.service.Facts();
  const auto kib = [](uint64_t bytes) { return Fixed(static_cast<double>(bytes) / 1024, 2); };
  lines.Add("total_connections_received", metrics.connections_accepted)
      .Add("total_commands_processed", metrics.commands)
      .Add("instantaneous_ops_per_sec", facts.commands_per_second)
      .Add("total_net_input_bytes", metrics.input_bytes)
      .Add("total_net_output_bytes", metrics.output_bytes)
      .Add("instantaneous_input_kbps", kib(facts.input_bytes_per_second))
      .Add("instantaneous_output_kbps", kib(facts.output_bytes_per_second))
      .Add("rejected_connections", metrics.connections_refused)
      .Add("sync_full", "0")
      .Add("sync_partial_ok", "0")
      .Add("sync_partial_err", "0")
      .Add("expired_keys", ctx.store.ExpiredKeys() - metrics.expired_keys_before)
      .Add("evicted_keys", "0")
      .Add("evicted_clients", metrics.closed_for_output)
      .Add("keyspace_hits", metrics.keyspace_hits)
      .Add("keyspace_misses", metrics.keyspace_misses)
      .Add("pubsub_channels", "0")
      .Add("pubsub_patterns", "0")
      .Add("latest_fork_usec", "0")
      .Add("total_forks", "0")
      .Add("tracking_total_keys", "0")
      .Add("tracking_total_items", "0")
      .Add("tracking_total_prefixes", "0")
      .Add("unexpected_error_replies", "0")
      .Add("total_error_replies", metrics.errors)
      .Add("nokv_turns", metrics.turns)
      .Add("nokv_syncs", metrics.syncs)
      .Add("nokv_closed_for_input", metrics.closed_for_input)
      .Add("nokv_closed_for_idling", metrics.closed_for_idling);
  return Status::Ok();
}

Status Replication(CommandContext& ctx, Lines lines) {
  lines.Add("role", "master")
      .Add("connected_slaves", "0")
      .Add("master_failover_state", "no-failover")
      .Add("master_replid", ctx.service.Facts().run_id)
      .Add("master_replid2", std::string(40, '0'))
      .Add("master_repl_offset", "0")
      .Add("second_repl_offset", "-1")
      .Add("repl_backlog_active", "0")
      .Add("repl_backlog_size", "0")
      .Add("repl_backlog_first_byte_offset", "0")
      .Add("repl_backlog_histlen", "0");
  return Status::Ok();
}

Status Cpu(CommandContext&, Lines lines) {
  rusage process{};
  rusage thread{};
  ::getrusage(RUSAGE_SELF, &process);
  ::getrusage(RUSAGE_THREAD, &thread);
  lines.Add("used_cpu_sys", Seconds(process.ru_stime))
      .Add("used_cpu_user", Seconds(process.ru_utime))
      .Add("used_cpu_sys_children", "0.000000")
      .Add("used_cpu_user_children", "0.000000")
      .Add("used_cpu_sys_main_thread", Seconds(thread.ru_stime))
      .Add("used_cpu_user_main_thread", Seconds(thread.ru_utime));
  return Status::Ok();
}

Status Modules(CommandContext&, Lines) { return Status::Ok(); }

Status CommandStats(CommandContext& ctx, Lines lines) {
  const CommandTable& table = CommandTable::Get();
  for (size_t i = 0; i < table.count(); ++i) {
    const CommandMetrics& of = ctx.service.metrics().per_command[i];
    if (of.calls + of.rejected == 0) continue;
    lines.Add("cmdstat_" + std::string(table.at(i).name),
              "calls=" + std::to_string(of.calls) + ",usec=" + std::to_string(of.micros.sum()) +
                  ",usec_per_call=" + Fixed(Ratio(of.micros.sum(), of.calls), 2) +
                  ",rejected_calls=" + std::to_string(of.rejected) +
                  ",failed_calls=" + std::to_string(of.failed));
  }
  return Status::Ok();
}

Status LatencyStats(CommandContext& ctx, Lines lines) {
  const CommandTable& table = CommandTable::Get();
  for (size_t i = 0; i < table.count(); ++i) {
    const LatencyHistogram& of = ctx.service.metrics().per_command[i].micros;
    if (of.count() == 0) continue;
    const auto at = [&](double percent) {
      return Fixed(static_cast<double>(of.Percentile(percent)), 3);
    };
    lines.Add("latency_percentiles_usec_" + std::string(table.at(i).name),
              "p50=" + at(50) + ",p99=" + at(99) + ",p99.9=" + at(99.9));
  }
  return Status::Ok();
}

Status ErrorStats(CommandContext& ctx, Lines lines) {
  for (const auto& [code, count] : ctx.service.metrics().errors_by_code) {
    lines.Add("errorstat_" + code, "count=" + std::to_string(count));
  }
  return Status::Ok();
}

Status Cluster(CommandContext&, Lines lines) {
  lines.Add("cluster_enabled", "0");
  return Status::Ok();
}

Status Keyspace(CommandContext& ctx, Lines lines) {
  const Result<KeyCounts> counts = ctx.store.Count();
  if (!counts.ok()) return counts.status();
  if (counts->keys == 0) return Status::Ok();
  lines.Add("db0",
            "keys=" + std::to_string(counts->keys) +
                ",expires=" + std::to_string(counts->expiring) + ",avg_ttl=0");
  return Status::Ok();
}

struct Section {
  std::string_view name;   // lower-case, as asked for
  std::string_view title;
  bool usual;              // part of INFO without arguments
  bool with_all;           // part of INFO all; "modules" is only part of INFO everything
  Status (*build)(CommandContext&, Lines);
};

constexpr std::array<Section, 13> kSections{{
    {"server", "Server", true, true, Server},
    {"clients", "Clients", true, true, Clients},
    {"memory", "Memory", true, true, Memory},
    {"persistence", "Persistence", true, true, Persistence},
    {"stats", "Stats", true, true, Stats},
    {"replication", "Replication", true, true, Replication},
    {"cpu", "CPU", true, true, Cpu},
    {"modules", "Modules", true, false, Modules},
    {"commandstats", "Commandstats", false, true, CommandStats},
    {"errorstats", "Errorstats", true, true, ErrorStats},
    {"latencystats", "Latencystats", false, true, LatencyStats},
    {"cluster", "Cluster", true, true, Cluster},
    {"keyspace", "Keyspace", true, true, Keyspace},
}};

bool IsWanted(const Section& section, std::span<const Slice> names) {
  if (names.empty()) return section.usual;
  return std::any_of(names.begin(), names.end(), [&](Slice name) {
    if (EqualsIgnoringCase(name, "default")) return section.usual;
    if (EqualsIgnoringCase(name, "all")) return section.with_all;
    return EqualsIgnoringCase(name, "everything") || EqualsIgnoringCase(name, section.name);
  });
}

}  // namespace

Status BuildInfo(CommandContext& ctx, std::span<const Slice> names, std::string* text) {
  for (const Section& section : kSections) {
    if (!IsWanted(section, names)) continue;
    if (!text->empty()) text->append("\r\n");
    text->append("# ").append(section.title).append("\r\n");
    NOKV_TRY(section.build(ctx, Lines(text)));
  }
  const bool asks_for_engine = std::any_of(names.begin(), names.end(), [](Slice name) {
    return EqualsIgnoringCase(name, "nokv") || EqualsIgnoringCase(name, "everything");
  });
  if (asks_for_engine) {
    if (!text->empty()) text->append("\r\n");
    text->append("# Nokv\r\n").append(ctx.service.StoreInfo());
  }
  return Status::Ok();
}

}  // namespace nokv::redis
