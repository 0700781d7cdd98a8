#pragma once

// Workloads: what README.md's table says, and the operations of one thread drawn from it.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/page_allocator.h"
#include "generator.h"
#include "nokv/result.h"

namespace nokv::bench {

enum class Distribution : uint8_t { kZipfian, kUniform, kLatest };

enum class Kind : uint8_t { kRead, kUpdate, kInsert, kScan, kReadModifyWrite, kAbsentRead };

struct Share {
  Kind kind;
  uint32_t percent;
};

struct Workload {
  std::string_view name;
  // One or two kinds that add up to 100.
  std::vector<Share> mix;
  // What --distribution says, unless the workload has its own.
  Distribution distribution;
  // Entries of a scan; drawn from 1 to that many if `vary`.
  uint32_t scan_entries = 0;
  bool vary_scan = false;
  // Operations for each thousand of --ops.
  uint32_t ops_per_thousand = 1000;

  bool Has(Kind kind) const;
};

// kInvalidArgument for an unknown name. `load` is a workload of inserts.
Result<Workload> FindWorkload(std::string_view name, Distribution distribution);
bool ParseDistribution(std::string_view name, Distribution* distribution);

// One operation in a word, so that millions of them read ahead well.
class Operation {
 public:
  Operation(Kind kind, uint32_t scan_entries, uint64_t subject)
      : word_((static_cast<uint64_t>(kind) << 60) | (static_cast<uint64_t>(scan_entries) << 44) | subject) {}
  Kind kind() const { return static_cast<Kind>(word_ >> 60); }
  uint32_t scan_entries() const { return static_cast<uint32_t>(word_ >> 44) & 0xffff; }
  // The record; with the distribution latest, how far below the newest it is; nothing for inserts.
  uint64_t subject() const { return word_ & ((1ULL << 44) - 1); }

 private:
  uint64_t word_;
};

// `count` operations over the records below n, as README.md says.
base::PageVector<Operation> DrawOperations(const Workload& workload, uint64_t n, uint64_t count,
                                           uint64_t seed);

// The records of absent reads begin here.
inline constexpr Record kFirstAbsentRecord = 1ULL << 40;

}  // namespace nokv::bench
