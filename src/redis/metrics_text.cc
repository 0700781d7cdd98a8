#include "redis/metrics_text.h"

#include <array>
#include <cstdio>

#include "redis/command_table.h"

namespace nokv::redis {

namespace {

void AppendMetric(std::string* text,
                  std::string_view name,
                  std::string_view kind,
                  std::string_view help,
                  uint64_t value) {
  text->append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ");
  text->append(name).append(" ").append(kind).append("\n").append(name).append(" ");
  text->append(std::to_string(value)).append("\n");
}

// Upper bounds of the buckets of a duration, in microseconds.
constexpr std::array<uint64_t, 12> kBucketMicros{1,    5,     10,     50,      100,     500,
                                                 1000, 5000, 10'000, 100'000, 500'000, 1'000'000};

std::string SecondsText(uint64_t micros) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", static_cast<double>(micros) / 1e6);
  return text;
}

void AppendDurations(std::string* text, std::string_view command, const LatencyHistogram& micros) {
  constexpr std::string_view kName = "nokv_redis_command_duration_seconds";
  const std::string label = "{cmd=\"" + std::string(command) + "\"";
  for (const uint64_t bound : kBucketMicros) {
    text->append(kName).append("_bucket").append(label).append(",le=\"");
    text->append(SecondsText(bound)).append("\"} ");
    text->append(std::to_string(micros.CountUpTo(bound))).append("\n");
  }
  const std::string count = std::to_string(micros.count());
  text->append(kName).append("_bucket").append(label).append(",le=\"+Inf\"} ").append(count);
  text->append("\n").append(kName).append("_sum").append(label).append("} ");
  text->append(SecondsText(micros.sum())).append("\n");
  text->append(kName).append("_count").append(label).append("} ").append(count).append("\n");
}

}  // namespace

std::string PrometheusText(Service& service, Store& store) {
  const Metrics& metrics = service.metrics();
  const ServerFacts facts = service.Facts();
  std::string text;
  AppendMetric(&text, "nokv_redis_commands_processed_total", "counter", "Commands run.",
               metrics.commands);
  AppendMetric(&text, "nokv_redis_errors_total", "counter", "Error replies.", metrics.errors);
  AppendMetric(&text, "nokv_redis_connected_clients", "gauge", "Open connections.",
               facts.connections);
  AppendMetric(&text, "nokv_redis_connections_accepted_total", "counter", "Connections taken.",
               metrics.connections_accepted);
  AppendMetric(&text, "nokv_redis_connections_refused_total", "counter",
               "Connections refused: maxclients, protected mode, no descriptors.",
               metrics.connections_refused);
  AppendMetric(&text, "nokv_redis_clients_bytes", "gauge", "Bytes in the buffers of all clients.",
               facts.clients_bytes);
  AppendMetric(&text, "nokv_redis_input_bytes_total", "counter", "Bytes read from clients.",
               metrics.input_bytes);
  AppendMetric(&text, "nokv_redis_output_bytes_total", "counter", "Bytes sent to clients.",
               metrics.output_bytes);
  AppendMetric(&text, "nokv_redis_keyspace_hits_total", "counter", "Reads that found their key.",
               metrics.keyspace_hits);
  AppendMetric(&text, "nokv_redis_keyspace_misses_total", "counter", "Reads that did not.",
               metrics.keyspace_misses);
  AppendMetric(&text, "nokv_redis_expired_keys_total", "counter",
               "Keys that expired, of those whose expiry this process set.",
               store.ExpiredKeys() - metrics.expired_keys_before);
  AppendMetric(&text, "nokv_redis_closed_for_output_total", "counter",
               "Clients closed for what they were owed.", metrics.closed_for_output);
  AppendMetric(&text, "nokv_redis_closed_for_input_total", "counter",
               "Clients closed for what they sent.", metrics.closed_for_input);
  AppendMetric(&text, "nokv_redis_closed_for_idling_total", "counter",
               "Clients closed for silence.", metrics.closed_for_idling);
  AppendMetric(&text, "nokv_redis_commit_failures_total", "counter",
               "Turns or background syncs that failed.", metrics.sync_failures);
  const CommandTable& table = CommandTable::Get();
  text += "# HELP nokv_redis_commands_total Commands run, by name.\n";
  text += "# TYPE nokv_redis_commands_total counter\n";
  for (size_t i = 0; i < table.count(); ++i) {
    if (metrics.per_command[i].calls == 0) continue;
    text += "nokv_redis_commands_total{cmd=\"" + std::string(table.at(i).name) + "\"} " +
            std::to_string(metrics.per_command[i].calls) + "\n";
  }
  text += "# HELP nokv_redis_command_duration_seconds How long commands ran.\n";
  text += "# TYPE nokv_redis_command_duration_seconds histogram\n";
  for (size_t i = 0; i < table.count(); ++i) {
    const LatencyHistogram& micros = metrics.per_command[i].micros;
    if (micros.count() > 0) AppendDurations(&text, table.at(i).name, micros);
  }
  return text;
}

std::string MetricsJson(Service& service, const std::string& engine_json) {
  const Metrics& metrics = service.metrics();
  const CommandTable& table = CommandTable::Get();
  std::string operations;
  std::string latencies;
  for (size_t i = 0; i < table.count(); ++i) {
    const CommandMetrics& of = metrics.per_command[i];
    if (of.calls == 0) continue;
    std::string name(table.at(i).name);
    for (char& c : name) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - ('a' - 'A'));
    }
    const std::string key = "\"" + name + "\":";
    operations += (operations.empty() ? "" : ",") + key + std::to_string(of.calls);
    latencies += (latencies.empty() ? "" : ",") + key +
                 "{\"p50\":" + std::to_string(of.micros.Percentile(50)) +
                 ",\"p99\":" + std::to_string(of.micros.Percentile(99)) +
                 ",\"p999\":" + std::to_string(of.micros.Percentile(99.9)) + "}";
  }
  return "{\"NoKV.Stats\":{\"redis\":{\"commands_total\":" + std::to_string(metrics.commands) +
         ",\"errors_total\":" + std::to_string(metrics.errors) +
         ",\"connections_active\":" + std::to_string(service.Facts().connections) +
         ",\"connections_accepted\":" + std::to_string(metrics.connections_accepted) +
         ",\"commands_per_operation\":{" + operations + "},\"latency_micros\":{" + latencies +
         "}},\"engine\":" + engine_json + "}}\n";
}

}  // namespace nokv::redis
