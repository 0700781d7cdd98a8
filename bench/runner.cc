#include "runner.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <mutex>
#include <numeric>
#include <string>
#include <thread>
#include <utility>

#include "nokv/status.h"

namespace nokv::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

double SecondsBetween(SteadyClock::time_point from, SteadyClock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

std::string Named(Record record) {
  return "record " + std::to_string(record) + " (key " + std::string(Key(record).view()) + ")";
}

// What the threads of one workload share.
struct Shared {
  Shared(uint64_t thread_count, uint64_t first)
      : counts(thread_count), first_new_record(first) {}

  struct alignas(64) Count {
    std::atomic<uint64_t> done{0};
    std::atomic<uint64_t> inserted{0};
  };

  // All records below are acknowledged: what the slowest inserter has reached.
  uint64_t AcknowledgedRecords() const {
    uint64_t least = UINT64_MAX;
    for (const Count& count : counts) {
      least = std::min(least, count.inserted.load(std::memory_order_acquire));
    }
    return first_new_record + least * counts.size();
  }
  void Fail(const Status& status) {
    const std::lock_guard<std::mutex> lock(mu);
    if (failure.ok()) failure = status;
    failed.store(true, std::memory_order_relaxed);
  }

  std::vector<Count> counts;
  const uint64_t first_new_record;
  std::atomic<bool> failed{false};
  std::mutex mu;
  Status failure;  // guarded by mu
};

// Checks the entries of one scan of a workload without updates. What needs memory far away (versions, ranks) is fetched ahead and judged at the end.
class ScanChecker final : public ScanReader {
 public:
  ScanChecker(const Values& values, const VersionTable& versions, const base::PageVector<uint32_t>& rank_of)
      : values_(values), versions_(versions), rank_of_(rank_of) {
    for (Record record = 0; record < rank_of.size(); ++record) {
      if (rank_of[record] + 1 == rank_of.size()) highest_loaded_key_ = Mix(record);
    }
  }

  // `start` exists, so that it must come first.
  void Start(Record start) {
    start_ = start;
    last_key_.clear();
    seen_.clear();
  }
  Status Entry(std::string_view key, std::string_view value) override {
    if (key <= last_key_) {
      return Status::Corruption("a scan gave key " + std::string(key) + " after " + last_key_);
    }
    last_key_.assign(key);
    Record record;
    Version version;
    if (!Key::Parse(key, &record) || record >= versions_.capacity() ||
        !values_.Check(record, value, &version)) {
      return Status::Corruption("a scan gave a key or a value that was never written, at key " +
                                std::string(key));
    }
    versions_.Prefetch(record);
    if (record < rank_of_.size()) __builtin_prefetch(&rank_of_[record]);
    seen_.push_back({record, version});
    return {};
  }
  // Judges versions and gaps. `wanted` entries were asked for.
  Status Finish(size_t wanted) const {
    if (seen_.empty() || seen_.front().record != start_) {
      return Status::Corruption("a scan did not begin with its first record");
    }
    // What is inserted later lies between loaded records, and after the last of them.
    uint32_t next_rank = kNoRank;
    for (const Seen& seen : seen_) {
      if (seen.version == 0 || seen.version < versions_.FloorOf(seen.record) ||
          seen.version > versions_.IssuedOf(seen.record)) {
        return Status::Corruption("a scan gave version " + std::to_string(seen.version) + " of " +
                                  Named(seen.record));
      }
      if (seen.record >= rank_of_.size()) continue;
      const uint32_t rank = rank_of_[seen.record];
      if (next_rank != kNoRank && rank != next_rank) {
        return Status::Corruption("a scan left out a record before " + Named(seen.record));
      }
      next_rank = rank + 1;
    }
    const bool at_the_end = next_rank == kNoRank ? Mix(start_) > highest_loaded_key_
                                                 : next_rank == rank_of_.size();
    if (seen_.size() < wanted && !at_the_end) {
      return Status::Corruption("a scan of " + std::to_string(wanted) + " ended after " +
                                std::to_string(seen_.size()) + " entries, at key " + last_key_);
    }
    return {};
  }

 private:
  static constexpr uint32_t kNoRank = UINT32_MAX;
  struct Seen {
    Record record;
    Version version;
  };

  const Values& values_;
  const VersionTable& versions_;
  const base::PageVector<uint32_t>& rank_of_;
  uint64_t highest_loaded_key_ = 0;
  Record start_ = 0;
  std::string last_key_;
  std::vector<Seen> seen_;
};

// One thread's part of a workload.
class Worker {
 public:
  Worker(Session* session, const Values& values, VersionTable* versions,
         const base::PageVector<uint32_t>& rank_of, Shared* shared, size_t thread)
      : session_(session),
        values_(values),
        versions_(*versions),
        scan_(values, *versions, rank_of),
        shared_(*shared),
        count_(shared->counts[thread]),
        thread_(thread),
        value_(values.value_bytes(), '\0') {}

  void Run(const base::PageVector<Operation>& operations, bool latest) {
    constexpr size_t kAhead = 4;
    for (size_t i = 0; i < operations.size(); ++i) {
      if (!latest && i + kAhead < operations.size()) {
        const Operation& ahead = operations[i + kAhead];
        if (ahead.subject() < versions_.capacity()) versions_.Prefetch(ahead.subject());
      }
      const Status status = Do(operations[i], latest);
      if (!status.ok()) {
        shared_.Fail(status);
        return;
      }
      count_.done.store(i + 1, std::memory_order_relaxed);
      if (shared_.failed.load(std::memory_order_relaxed)) return;
    }
  }

  const Histogram& latency() const { return latency_; }
  uint64_t reads_verified() const { return reads_verified_; }

 private:
  Status Do(const Operation& operation, bool latest) {
    switch (operation.kind()) {
      case Kind::kRead: return Read(RecordOf(operation, latest));
      case Kind::kUpdate: return Write(RecordOf(operation, latest), 0);
      case Kind::kInsert: return Insert();
      case Kind::kScan: return Scan(RecordOf(operation, latest), operation.scan_entries());
      case Kind::kReadModifyWrite: return ReadModifyWrite(RecordOf(operation, latest));
      case Kind::kAbsentRead: return AbsentRead(kFirstAbsentRecord + operation.subject());
    }
    return Status::InvalidArgument("an unknown kind of operation");
  }

  // A record that exists: the one meant, or the next lower one where inserters ended unevenly.
  Record RecordOf(const Operation& operation, bool latest) {
    Record record = operation.subject();
    if (latest) {
      const uint64_t limit = shared_.AcknowledgedRecords();
      record = limit - 1 - std::min(record, limit - 1);
    }
    while (record > 0 && versions_.IssuedOf(record) == 0) --record;
    return record;
  }

  Status Judge(Record record, std::string_view value, Version floor) {
    Version version;
    if (!values_.Check(record, value, &version)) {
      return Status::Corruption("a read of " + Named(record) + " gave " + std::to_string(value.size()) +
                                " bytes that were never written there");
    }
    const Version issued = versions_.IssuedOf(record);
    if (version == 0 || version < floor || version > issued) {
      return Status::Corruption("a read of " + Named(record) + " gave version " +
                                std::to_string(version) + " where " + std::to_string(floor) + " to " +
                                std::to_string(issued) + " were possible");
    }
    ++reads_verified_;
    return {};
  }

  // Sets what the engine's call took.
  Status ReadAndJudge(Record record, uint64_t* ticks) {
    key_.Assign(record);
    const Version floor = versions_.FloorOf(record);
    std::string_view value;
    const uint64_t from = Ticks();
    Status status = session_->Get(key_.view(), &value);
    *ticks = Ticks() - from;
    if (!status.ok()) return status.WithContext("a read of " + Named(record));
    return Judge(record, value, floor);
  }
  Status Read(Record record) {
    uint64_t ticks;
    Status status = ReadAndJudge(record, &ticks);
    latency_.Add(ticks);
    return status;
  }
  Status AbsentRead(Record record) {
    key_.Assign(record);
    std::string_view value;
    const uint64_t from = Ticks();
    Status status = session_->Get(key_.view(), &value);
    latency_.Add(Ticks() - from);
    if (status.ok()) return Status::Corruption("a read found " + Named(record) + ", never written");
    ++reads_verified_;
    return status.IsNotFound() ? Status() : status;
  }
  Status Insert() {
    const uint64_t inserted = count_.inserted.load(std::memory_order_relaxed);
    const Record record =
        shared_.first_new_record + inserted * shared_.counts.size() + thread_;
    if (record >= versions_.capacity()) return Status::LimitExceeded("more records than planned");
    Status status = Write(record, 0);
    count_.inserted.store(inserted + 1, std::memory_order_release);
    return status;
  }
  // `spent` ticks belong to the same operation.
  Status Write(Record record, uint64_t spent) {
    key_.Assign(record);
    const Version version = versions_.BeginWrite(record);
    values_.Fill(record, version, value_.data());
    const uint64_t from = Ticks();
    Status status = session_->Put(key_.view(), value_);
    latency_.Add(Ticks() - from + spent);
    versions_.EndWrite(record);
    return status.ok() ? Status() : status.WithContext("a write of " + Named(record));
  }
  Status ReadModifyWrite(Record record) {
    uint64_t spent;
    Status status = ReadAndJudge(record, &spent);
    return status.ok() ? Write(record, spent) : status;
  }
  Status Scan(Record record, size_t entries_wanted) {
    key_.Assign(record);
    scan_.Start(record);
    size_t entries = 0;
    const uint64_t from = Ticks();
    Status status = session_->Scan(key_.view(), entries_wanted, &scan_, &entries);
    latency_.Add(Ticks() - from);
    if (!status.ok()) return status.WithContext("a scan from " + Named(record));
    reads_verified_ += entries;
    return scan_.Finish(entries_wanted).WithContext("a scan from " + Named(record));
  }

  Session* const session_;
  const Values& values_;
  VersionTable& versions_;
  ScanChecker scan_;
  Shared& shared_;
  Shared::Count& count_;
  const size_t thread_;
  Key key_;
  std::string value_;
  Histogram latency_;
  uint64_t reads_verified_ = 0;
};

}  // namespace

Runner::Runner(Engine* engine, const RunnerOptions& options, uint64_t capacity)
    : engine_(engine), options_(options), values_(options.value_bytes), versions_(capacity) {}

uint64_t Runner::own_bytes() const {
  return record_count_ * sizeof(uint64_t) + rank_of_.size() * sizeof(uint32_t) + drawn_bytes_;
}

void Runner::RankLoadedRecords() {
  if (!rank_of_.empty()) return;
  const uint64_t loaded = std::min(options_.records, record_count_);
  base::PageVector<uint32_t> by_key(loaded);
  std::iota(by_key.begin(), by_key.end(), 0U);
  std::sort(by_key.begin(), by_key.end(), [](uint32_t a, uint32_t b) { return Mix(a) < Mix(b); });
  rank_of_.resize(loaded);
  for (uint32_t i = 0; i < loaded; ++i) rank_of_[by_key[i]] = i;
}

Status Runner::WarmUp(const Workload& workload) {
  if (workload.name == "load" || options_.warmup == 0) return {};
  Outcome ignored;
  return RunOperations(workload, std::string(workload.name) + "+", options_.warmup, &ignored);
}

Status Runner::Run(const Workload& workload, Outcome* outcome) {
  const bool load = workload.name == "load";
  return RunOperations(workload, workload.name, load ? options_.records : options_.ops, outcome);
}

Status Runner::RunOperations(const Workload& workload, std::string_view stream, uint64_t ops,
                             Outcome* outcome) {
  if (workload.name != "load" && record_count_ == 0) {
    return Status::InvalidArgument("workload " + std::string(workload.name) +
                                   " needs records: begin with load");
  }
  const uint64_t threads = options_.threads;
  ops = workload.ops_per_thousand == 1000
            ? ops
            : std::max<uint64_t>(10 * threads, ops * workload.ops_per_thousand / 1000);
  if (workload.Has(Kind::kScan)) RankLoadedRecords();

  std::vector<base::PageVector<Operation>> operations(threads);
  drawn_bytes_ = ops * sizeof(Operation);
  for (uint64_t t = 0; t < threads; ++t) {
    const uint64_t share = ops / threads + (t < ops % threads ? 1 : 0);
    operations[t] = DrawOperations(workload, record_count_, share,
                                   ThreadSeed(options_.seed, stream, options_.run, t));
  }
  const bool latest = workload.distribution == Distribution::kLatest;
  Shared shared(threads, record_count_);
  std::vector<std::unique_ptr<Session>> sessions;
  std::vector<std::unique_ptr<Worker>> workers;
  for (uint64_t t = 0; t < threads; ++t) {
    sessions.push_back(engine_->NewSession());
    workers.push_back(std::make_unique<Worker>(sessions.back().get(), values_, &versions_, rank_of_,
                                               &shared, t));
  }
  std::barrier start(static_cast<std::ptrdiff_t>(threads + 1));
  std::atomic<uint64_t> finished{0};
  std::vector<SteadyClock::time_point> ends(threads);
  std::vector<std::thread> running;
  for (uint64_t t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      start.arrive_and_wait();
      workers[t]->Run(operations[t], latest);
      ends[t] = SteadyClock::now();
      finished.fetch_add(1, std::memory_order_release);
      finished.notify_one();
    });
  }
  if (options_.starting) options_.starting();
  const auto begun = SteadyClock::now();
  const uint64_t begun_ticks = Ticks();
  start.arrive_and_wait();
  auto reported = begun;
  while (finished.load(std::memory_order_acquire) < threads) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (SecondsBetween(reported, SteadyClock::now()) < 0.5) continue;
    reported = SteadyClock::now();
    uint64_t done = 0;
    for (const auto& count : shared.counts) done += count.done.load(std::memory_order_relaxed);
    if (options_.progress) options_.progress(done, ops);
  }
  for (std::thread& thread : running) thread.join();
  const uint64_t ticks = Ticks() - begun_ticks;
  const double elapsed = SecondsBetween(begun, SteadyClock::now());

  for (uint64_t t = 0; t < threads; ++t) {
    const uint64_t inserted = shared.counts[t].inserted.load(std::memory_order_relaxed);
    if (inserted == 0) continue;
    record_count_ = std::max(record_count_, shared.first_new_record + (inserted - 1) * threads + t + 1);
  }
  outcome->ops = ops;
  outcome->seconds = SecondsBetween(begun, *std::max_element(ends.begin(), ends.end()));
  outcome->ticks_per_microsecond = static_cast<double>(ticks) / (elapsed * 1e6);
  for (const auto& worker : workers) {
    outcome->latency.Merge(worker->latency());
    outcome->reads_verified += worker->reads_verified();
  }
  const std::lock_guard<std::mutex> lock(shared.mu);
  return shared.failure;
}

}  // namespace nokv::bench
