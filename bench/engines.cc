#include "engine.h"

namespace nokv::bench {

const std::vector<EngineKind>& BuiltInEngines() {
  static const std::vector<EngineKind> engines = {
      NokvEngine(),
#ifdef NOKV_BENCH_PEERS
      RocksDbEngine(), RocksDbRowCacheEngine(), LevelDbEngine(), LmdbEngine(),
#endif
      HashEngine(),
  };
  return engines;
}

const EngineKind* FindEngine(std::string_view name) {
  for (const EngineKind& kind : BuiltInEngines()) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

}  // namespace nokv::bench
