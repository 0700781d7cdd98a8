#include "nokv/options.h"

#include <string>

namespace nokv {

namespace {

class Complaints {
 public:
  void Unless(bool good, const std::string& sentence) {
    if (good) return;
    if (!text_.empty()) text_ += "; ";
    text_ += sentence;
  }
  Status ToStatus() const { return text_.empty() ? Status::Ok() : Status::InvalidArgument(text_); }

 private:
  std::string text_;
};

}  // namespace

Status ValidateOptions(const Options& options) {
  Complaints complaints;
  complaints.Unless(options.memory_budget >= (16ULL << 20), "memory_budget must be at least 16 MiB");
  complaints.Unless(options.memtable_bytes == 0 || options.memtable_bytes >= (64ULL << 10),
                    "memtable_bytes must be 0 or at least 64 KiB");
  complaints.Unless(options.memtable_bytes <= options.memory_budget / 4,
                    "memtable_bytes must be at most a quarter of memory_budget");
  complaints.Unless(options.immutable_memtables_max >= 1, "immutable_memtables_max must be at least 1");
  complaints.Unless(options.max_batch_bytes >= 1024 && options.max_batch_bytes <= (2ULL << 30),
                    "max_batch_bytes must be from 1 KiB to 2 GiB");
  complaints.Unless(options.compaction_threads >= 1 && options.compaction_threads <= 64,
                    "compaction_threads must be from 1 to 64");
  complaints.Unless(options.log.segment_bytes >= (64ULL << 10) && options.log.segment_bytes <= (1ULL << 30),
                    "log.segment_bytes must be from 64 KiB to 1 GiB");
  complaints.Unless(options.table.block_bytes == 0 || (options.table.block_bytes >= 256 &&
                                                       options.table.block_bytes <= (1ULL << 20)),
                    "table.block_bytes must be 0 or from 256 B to 1 MiB");
  complaints.Unless(options.table.bloom_bits_per_key >= 0 && options.table.bloom_bits_per_key <= 32,
                    "table.bloom_bits_per_key must be from 0 to 32");
  complaints.Unless(options.table.zstd_level >= -7 && options.table.zstd_level <= 22,
                    "table.zstd_level must be from -7 to 22");
  complaints.Unless(options.table.file_bytes >= (16ULL << 10) && options.table.file_bytes <= (1ULL << 30),
                    "table.file_bytes must be from 16 KiB to 1 GiB");
  complaints.Unless(options.compaction.level0_runs >= 1, "compaction.level0_runs must be at least 1");
  complaints.Unless(options.compaction.level0_runs_slow > options.compaction.level0_runs,
                    "compaction.level0_runs_slow must be more than compaction.level0_runs");
  complaints.Unless(options.compaction.level1_bytes == 0 || options.compaction.level1_bytes >= (16ULL << 10),
                    "compaction.level1_bytes must be 0 or at least 16 KiB");
  complaints.Unless(options.compaction.level_ratio >= 2 && options.compaction.level_ratio <= 100,
                    "compaction.level_ratio must be from 2 to 100");
  complaints.Unless(options.back_pressure.delay_micros_max <= 1000,
                    "back_pressure.delay_micros_max must be at most 1000");
  return complaints.ToStatus();
}

}  // namespace nokv
