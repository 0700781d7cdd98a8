#pragma once

// What reading tables counts. Only reads from the device are counted: a hit in the cache touches no
// shared memory here. Thread-safe: relaxed counters.

#include <atomic>
#include <cstdint>

namespace nokv::sst {

struct Metrics {
  std::atomic<uint64_t> device_reads{0};     // calls to the file, one or more blocks each
  std::atomic<uint64_t> device_bytes{0};     // bytes they returned
  std::atomic<uint64_t> blocks_checked{0};   // blocks whose checksum was computed
  std::atomic<uint64_t> blocks_damaged{0};   // blocks refused, whatever was wrong with them
  std::atomic<uint64_t> blocks_unpacked{0};  // data blocks that were decompressed
};

}  // namespace nokv::sst
