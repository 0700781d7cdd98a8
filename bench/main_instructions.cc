// nokv-instructions: a fixed script over the public API, to be run under callgrind (scripts/instructions.sh).
//
//   nokv-instructions DIRECTORY      an empty or absent directory; the database in it is removed at the end
//
// Elapsed times on shared machines differ by tens of percents; instructions executed hardly differ at all, so a
// change that costs 5 % is seen. What has to hold for that:
//  1. Keys, values and order are the same in every run, and made before a phase begins: a phase holds calls of the
//     engine and the comparison of what was read, nothing else.
//  2. Nothing happens in the background of a phase but the phase's own flush and compaction: no automatic compaction,
//     and one memtable and one segment of the log that hold everything.
//  3. Point reads and scans find their blocks in the cache: everything was read once before.
// A phase ends in a dump of callgrind's counters under the phase's name; its line on standard output says how many
// operations it had. Single-threaded but for the engine's own threads.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "nokv/db.h"

#include "generator.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_ZERO_STATS static_cast<void>(0)
#define CALLGRIND_DUMP_STATS_AT(name) static_cast<void>(name)
#endif

namespace nokv::bench {
namespace {

constexpr size_t kRecords = 100'000;
constexpr size_t kValueBytes = 256;
constexpr size_t kReads = 50'000;
constexpr size_t kScans = 1'000;
constexpr size_t kScanEntries = 100;
constexpr Record kAbsent = 1ULL << 40;

[[noreturn]] void Fail(std::string_view what, const std::string& why) {
  std::fprintf(stderr, "nokv-instructions: %.*s: %s\n", static_cast<int>(what.size()), what.data(), why.c_str());
  std::exit(1);
}

void Check(const Status& status, std::string_view what) {
  if (!status.ok()) Fail(what, status.ToString());
}

// The calls between construction and destruction are a phase.
class Phase {
 public:
  Phase(const char* name, size_t operations) : name_(name), operations_(operations) {
    CALLGRIND_ZERO_STATS;
  }
  ~Phase() {
    CALLGRIND_DUMP_STATS_AT(name_);
    std::printf("%s %zu\n", name_, operations_);
    std::fflush(stdout);
  }
  Phase(const Phase&) = delete;
  Phase& operator=(const Phase&) = delete;

 private:
  const char* const name_;
  const size_t operations_;
};

// One value for each record, at one version.
class ValueTable {
 public:
  explicit ValueTable(Version version) : bytes_(kRecords * kValueBytes, '\0') {
    const Values values(kValueBytes);
    for (Record i = 0; i < kRecords; ++i) values.Fill(i, version, bytes_.data() + i * kValueBytes);
  }
  Slice operator[](Record i) const { return {bytes_.data() + i * kValueBytes, kValueBytes}; }

 private:
  std::string bytes_;
};

class Script {
 public:
  explicit Script(const std::filesystem::path& directory) {
    for (Record i = 0; i < kRecords; ++i) keys_.emplace_back(i);
    for (size_t i = 0; i < kReads; ++i) absent_.emplace_back(kAbsent + i);

    Options options;
    options.error_if_exists = true;
    options.memory_budget = 512ULL << 20;
    options.memtable_bytes = 128ULL << 20;
    options.log.segment_bytes = 256ULL << 20;
    options.compaction.automatic = false;
    auto opened = DB::Open(options, directory);
    Check(opened.status(), "open");
    db_ = std::move(*opened);
  }

  void Run() {
    Write("load", first_, [](size_t i) { return i; });
    const std::vector<Record> order = Chosen("overwrite", kRecords);
    Write("overwrite", second_, [&](size_t i) { return order[i]; });
    // A record that the overwriting did not choose gets its second version here, outside the count.
    for (Record i = 0; i < kRecords; ++i) Check(db_->Put({}, keys_[i].view(), second_[i]), "put");

    PointReads("read_memtable");
    {
      const Phase phase("flush_and_compact", kRecords);
      Check(db_->Flush({}), "flush");
      Check(db_->CompactRange({}, nullptr, "", ""), "compaction");
    }
    ReadEverything();
    PointReads("read_tables");
    AbsentReads();
    Scans();
    Check(db_->Close(), "close");
  }

 private:
  static std::vector<Record> Chosen(std::string_view name, size_t count) {
    Random random(ThreadSeed(1, name, 1, 0));
    std::vector<Record> records(count);
    for (Record& record : records) record = random.Uniform(kRecords);
    return records;
  }

  template <typename RecordAt>
  void Write(const char* name, const ValueTable& values, RecordAt record_at) {
    const Phase phase(name, kRecords);
    for (size_t i = 0; i < kRecords; ++i) {
      const Record record = record_at(i);
      Check(db_->Put({}, keys_[record].view(), values[record]), "put");
    }
  }

  void PointReads(const char* name) {
    const std::vector<Record> order = Chosen(name, kReads);
    PinnableValue value;
    const Phase phase(name, kReads);
    for (const Record record : order) {
      Check(db_->Get({}, keys_[record].view(), &value), "get");
      if (value.value() != second_[record]) Fail("get", "a value that was not written");
    }
  }

  void AbsentReads() {
    PinnableValue value;
    const Phase phase("read_absent", kReads);
    for (const Key& key : absent_) {
      if (!db_->Get({}, key.view(), &value).IsNotFound()) Fail("get", "found what was never written");
    }
  }

  void Scans() {
    // The last records may have fewer entries after them; a scan of theirs is as long as there are entries.
    const std::vector<Record> order = Chosen("scan", kScans);
    size_t entries = 0;
    {
      const Phase phase("scan_100", kScans);
      for (const Record record : order) {
        const std::unique_ptr<Iterator> iter = db_->NewIterator({});
        iter->Seek(keys_[record].view());
        if (!iter->Valid() || iter->key() != keys_[record].view()) Fail("scan", "began elsewhere");
        for (size_t i = 0; i < kScanEntries && iter->Valid(); ++i, iter->Next()) {
          if (iter->value().size() != kValueBytes) Fail("scan", "a value that was not written");
          ++entries;
        }
        Check(iter->status(), "scan");
      }
    }
    if (entries < kScans * kScanEntries * 99 / 100) Fail("scan", "too few entries");
  }

  void ReadEverything() {
    size_t entries = 0;
    const std::unique_ptr<Iterator> iter = db_->NewIterator({});
    for (iter->SeekToFirst(); iter->Valid(); iter->Next(), ++entries) {
      Record record = 0;
      if (!Key::Parse(iter->key(), &record) || record >= kRecords || iter->value() != second_[record]) {
        Fail("scan", "an entry that was not written");
      }
    }
    Check(iter->status(), "scan");
    if (entries != kRecords) Fail("scan", std::to_string(entries) + " entries");
    PinnableValue value;
    for (const Key& key : keys_) Check(db_->Get({}, key.view(), &value), "get");
    AwaitWarming();
  }

  // The first read called everything into the cache; the thread that does it must be done before the next phase (2).
  void AwaitWarming() {
    uint64_t before = 0;
    uint64_t now = db_->GetStats().cache.inserts;
    do {
      before = now;
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      now = db_->GetStats().cache.inserts;
    } while (now != before);
    // What that thread has counted is in the next dump, whoever zeroes the counters before.
    CALLGRIND_DUMP_STATS_AT("not_counted");
  }

  const ValueTable first_{1}, second_{2};
  std::vector<Key> keys_, absent_;
  std::unique_ptr<DB> db_;
};

int Main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: nokv-instructions DIRECTORY\n", stderr);
    return 2;
  }
  std::printf("about compiler %s\n", __VERSION__);
  const std::filesystem::path directory = argv[1];
  Script(directory).Run();
  Check(DB::Destroy(directory), "remove");
  return 0;
}

}  // namespace
}  // namespace nokv::bench

int main(int argc, char** argv) {
  return nokv::bench::Main(argc, argv);
}
