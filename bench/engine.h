#pragma once

// Engine: what the benchmark asks of a storage engine. One implementation a file, engine_<name>.cc, whose top says
// which settings it gives and why.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "nokv/result.h"
#include "nokv/status.h"

namespace nokv::bench {

struct EngineOptions {
  // Bytes for caches and write buffers together.
  uint64_t memory_bytes = 512ULL << 20;
  // Whether each write must survive a loss of power before it returns.
  bool sync = false;
  std::filesystem::path directory;
};

// Takes the entries of a scan in order, and says what is wrong with one.
class ScanReader {
 public:
  virtual ~ScanReader() = default;
  virtual Status Entry(std::string_view key, std::string_view value) = 0;
};

// What one thread uses. Confined to it.
class Session {
 public:
  virtual ~Session() = default;

  virtual Status Put(std::string_view key, std::string_view value) = 0;
  // Sets `value`, valid until the session's next call; kNotFound if there is none.
  virtual Status Get(std::string_view key, std::string_view* value) = 0;
  // Up to `count` entries from the first at or after `start`, each read with its value; sets how many there were.
  virtual Status Scan(std::string_view start, size_t count, ScanReader* reader, size_t* entries) = 0;
};

// Thread-safe. Sessions must be gone before it is.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::unique_ptr<Session> NewSession() = 0;
};

struct EngineKind {
  std::string name;
  // Version and settings in a sentence, for the report.
  std::string about;
  bool scans = true;
  Result<std::unique_ptr<Engine>> (*open)(const EngineOptions&) = nullptr;
};

// Those of this build, in the order in which tables show them.
const std::vector<EngineKind>& BuiltInEngines();
// Null if there is none of that name.
const EngineKind* FindEngine(std::string_view name);

EngineKind NokvEngine();
EngineKind HashEngine();
EngineKind RocksDbEngine();
EngineKind RocksDbRowCacheEngine();
EngineKind LevelDbEngine();
EngineKind LmdbEngine();

}  // namespace nokv::bench
