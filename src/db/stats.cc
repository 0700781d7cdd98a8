#include "nokv/stats.h"

#include <cstdio>

namespace nokv {

namespace {

// Writes one JSON object, field by field.
class JsonObject {
 public:
  explicit JsonObject(std::string* out) : out_(out) { out_->push_back('{'); }
  void Field(const char* name, uint64_t value) { Begin(name) += std::to_string(value); }
  void Field(const char* name, int value) { Begin(name) += std::to_string(value); }
  void Field(const char* name, double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.4g", value);
    Begin(name) += text;
  }
  void Field(const char* name, const std::string& value) {
    std::string& out = Begin(name);
    out.push_back('"');
    for (const char c : value) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        out.push_back('\\');
        out.push_back(c);
      } else if (byte < 0x20 || byte > 0x7e) {
        char escape[8];
        std::snprintf(escape, sizeof escape, "\\u%04x", byte);
        out += escape;
      } else {
        out.push_back(c);
      }
    }
    out.push_back('"');
  }
  // The name and colon of a field whose value the caller writes.
  std::string& Begin(const char* name) {
    if (!first_) out_->push_back(',');
    first_ = false;
    *out_ += '"';
    *out_ += name;
    *out_ += "\":";
    return *out_;
  }
  void End() { out_->push_back('}'); }

 private:
  std::string* const out_;
  bool first_ = true;
};

void AddWrite(const Stats::Write& write, JsonObject* top) {
  JsonObject o(&top->Begin("write"));
  o.Field("commits", write.commits);
  o.Field("operations", write.operations);
  o.Field("bytes", write.bytes);
  o.Field("synced_commits", write.synced_commits);
  o.Field("syncs", write.syncs);
  o.Field("delayed", write.delayed);
  o.Field("delay_micros", write.delay_micros);
  o.Field("stopped", write.stopped);
  o.Field("stop_micros", write.stop_micros);
  o.Field("pressure", write.pressure);
  o.Field("pressure_reason", write.pressure_reason);
  o.End();
}

void AddRead(const Stats::Read& read, JsonObject* top) {
  JsonObject o(&top->Begin("read"));
  o.Field("iterators", read.iterators);
  o.Field("snapshots", read.snapshots);
  o.Field("oldest_snapshot_sequence", read.oldest_snapshot_sequence);
  o.Field("oldest_snapshot_age_ms", read.oldest_snapshot_age_ms);
  o.Field("pinned_views", read.pinned_views);
  o.End();
}

void AddFlush(const Stats::Flush& flush, JsonObject* top) {
  JsonObject o(&top->Begin("flush"));
  o.Field("pending", flush.pending);
  o.Field("completed", flush.completed);
  o.Field("failed", flush.failed);
  o.Field("bytes_written", flush.bytes_written);
  o.Field("prepare_micros", flush.prepare_micros);
  o.Field("build_micros", flush.build_micros);
  o.Field("install_micros", flush.install_micros);
  o.Field("release_micros", flush.release_micros);
  o.Field("entries_in", flush.entries_in);
  o.Field("entries_out", flush.entries_out);
  o.End();
}

void AddCompaction(const Stats::Compaction& compaction, JsonObject* top) {
  JsonObject o(&top->Begin("compaction"));
  o.Field("backlog", compaction.backlog);
  o.Field("running", compaction.running);
  o.Field("runs", compaction.runs);
  o.Field("moves", compaction.moves);
  o.Field("failed", compaction.failed);
  o.Field("max_score", compaction.max_score);
  o.Field("debt_bytes", compaction.debt_bytes);
  o.Field("bytes_read", compaction.bytes_read);
  o.Field("bytes_written", compaction.bytes_written);
  o.Field("micros", compaction.micros);
  o.Field("entries_in", compaction.entries_in);
  o.Field("entries_out", compaction.entries_out);
  o.End();
}

void AddLevels(const std::vector<Stats::Level>& levels, JsonObject* top) {
  std::string& out = top->Begin("levels");
  out.push_back('[');
  for (size_t i = 0; i < levels.size(); ++i) {
    if (i > 0) out.push_back(',');
    JsonObject o(&out);
    o.Field("level", levels[i].level);
    o.Field("tables", levels[i].tables);
    o.Field("size_bytes", levels[i].size_bytes);
    o.Field("entries", levels[i].entries);
    o.Field("deletes", levels[i].deletes);
    o.Field("range_deletes", levels[i].range_deletes);
    o.Field("score", levels[i].score);
    o.End();
  }
  out.push_back(']');
}

void AddStorage(const Stats& stats, JsonObject* top) {
  JsonObject wal(&top->Begin("wal"));
  wal.Field("active_segment", stats.wal.active_segment);
  wal.Field("segment_count", stats.wal.segment_count);
  wal.Field("bytes", stats.wal.bytes);
  wal.Field("recycled", stats.wal.recycled);
  wal.Field("syncs", stats.wal.syncs);
  wal.Field("replayed_records", stats.wal.replayed_records);
  wal.Field("dropped_tail_bytes", stats.wal.dropped_tail_bytes);
  wal.End();
  JsonObject manifest(&top->Begin("manifest"));
  manifest.Field("number", stats.manifest.number);
  manifest.Field("bytes", stats.manifest.bytes);
  manifest.Field("edits", stats.manifest.edits);
  manifest.Field("rewrites", stats.manifest.rewrites);
  manifest.End();
  JsonObject cache(&top->Begin("cache"));
  cache.Field("capacity_bytes", stats.cache.capacity_bytes);
  cache.Field("used_bytes", stats.cache.used_bytes);
  cache.Field("pinned_bytes", stats.cache.pinned_bytes);
  cache.Field("hits", stats.cache.hits);
  cache.Field("misses", stats.cache.misses);
  cache.Field("inserts", stats.cache.inserts);
  cache.Field("rejections", stats.cache.rejections);
  cache.Field("evictions", stats.cache.evictions);
  cache.End();
  JsonObject memory(&top->Begin("memory"));
  memory.Field("budget_bytes", stats.memory.budget_bytes);
  memory.Field("memtable_bytes", stats.memory.memtable_bytes);
  memory.Field("cache_bytes", stats.memory.cache_bytes);
  memory.Field("table_bytes", stats.memory.table_bytes);
  memory.End();
}

}  // namespace

std::string Stats::ToJson() const {
  std::string out;
  JsonObject top(&out);
  top.Field("entries", entries);
  top.Field("last_sequence", last_sequence);
  top.Field("database_id", database_id);
  top.Field("state", state);
  top.Field("background_error", background_error);
  AddWrite(write, &top);
  AddRead(read, &top);
  std::string& readers_out = top.Begin("readers");
  readers_out.push_back('[');
  for (size_t i = 0; i < readers.size(); ++i) {
    if (i > 0) readers_out.push_back(',');
    JsonObject o(&readers_out);
    o.Field("kind", readers[i].kind);
    o.Field("label", readers[i].label);
    o.Field("sequence", readers[i].sequence);
    o.Field("age_ms", readers[i].age_ms);
    o.Field("held_bytes", readers[i].held_bytes);
    o.End();
  }
  readers_out.push_back(']');
  JsonObject tables(&top.Begin("memtables"));
  tables.Field("active_bytes", memtables.active_bytes);
  tables.Field("immutable_count", memtables.immutable_count);
  tables.Field("immutable_bytes", memtables.immutable_bytes);
  tables.End();
  AddFlush(flush, &top);
  AddCompaction(compaction, &top);
  AddLevels(levels, &top);
  AddStorage(*this, &top);
  std::string& families = top.Begin("column_families");
  families.push_back('[');
  for (size_t i = 0; i < column_families.size(); ++i) {
    if (i > 0) families.push_back(',');
    JsonObject o(&families);
    o.Field("name", column_families[i].name);
    o.Field("id", uint64_t{column_families[i].id});
    o.End();
  }
  families.push_back(']');
  top.End();
  return out;
}

}  // namespace nokv
