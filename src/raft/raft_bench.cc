// What the core costs. docs/benchmarks/raft.md has the figures and the peers.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <malloc.h>

#include "raft/raw_node.h"
#include "raft/testing_storage.h"

namespace {

// Plain counters: the benchmarks are single-threaded.
uint64_t allocations = 0;
int64_t live_bytes = 0;

}  // namespace

// Not inlined: the compiler pairs calls of new with calls of free otherwise, and warns.
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  void* const memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  live_bytes += static_cast<int64_t>(malloc_usable_size(memory));
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  live_bytes -= static_cast<int64_t>(malloc_usable_size(memory));
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  operator delete(memory);
}

namespace nokv::raft {
namespace {

SnapshotRef Start() {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->id = {Term(1), Index(1)};
  snapshot->conf_state.voters = {NodeId(1), NodeId(2), NodeId(3)};
  return snapshot;
}

std::unique_ptr<RawNode> Create(const Config& config) {
  Result<std::unique_ptr<RawNode>> node = RawNode::Create(config);
  if (!node.ok()) std::abort();
  return std::move(*node);
}

struct Replica {
  Replica(uint64_t id, const SnapshotRef& start, uint32_t election_tick = 10) : disk(start) {
    Config config;
    config.id = NodeId(id);
    config.storage = &disk;
    config.applied = start->id.index;
    config.election_tick = election_tick;
    config.check_quorum = false;
    config.pre_vote = false;
    config.size_per_message_max = kNoLimit;
    config.seed = id;
    node = Create(config);
  }
  // Writes, applies and advances once; what is for others goes to `out`.
  void Process(MessageList* out) {
    node->TakeReady(&ready);
    if (ready.append.hard_state) disk.SetHardState(*ready.append.hard_state);
    disk.Append(ready.append.entries);
    applied += ready.apply.entries.size();
    for (MessageList* list : {&ready.send_now, &ready.append.responses}) {
      for (Message& m : *list) {
        if (m.to != node->id()) std::swap(out->Add(), m);
      }
    }
    node->Advance(ready);
  }
  MemoryStorage disk;
  std::unique_ptr<RawNode> node;
  Ready ready;
  uint64_t applied = 0;
};

class Three {
 public:
  Three() {
    const SnapshotRef start = Start();
    for (uint64_t id = 1; id <= 3; ++id) replicas.push_back(std::make_unique<Replica>(id, start));
    replicas[0]->node->Campaign();
    Settle();
  }
  void Settle() {
    for (bool busy = true; busy;) {
      busy = false;
      for (auto& r : replicas) {
        while (r->node->HasReady()) {
          r->Process(&queue);
          busy = true;
        }
      }
      current.Clear();
      current.Swap(queue);
      for (const Message& m : current) {
        static_cast<void>(replicas[m.to.value() - 1]->node->Step(m));
        ++messages;
      }
    }
  }
  std::vector<std::unique_ptr<Replica>> replicas;
  MessageList queue;
  MessageList current;
  uint64_t messages = 0;
};

void FollowerTick(benchmark::State& state) {
  Replica r(1, Start(), 1 << 30);
  const uint64_t before = allocations;
  for (auto _ : state) {
    r.node->Tick();
    benchmark::ClobberMemory();
  }
  state.counters["allocations"] = static_cast<double>(allocations - before);
}
BENCHMARK(FollowerTick);

void LeaderTickWithHeartbeatsToTwo(benchmark::State& state) {
  Three three;
  RawNode& leader = *three.replicas[0]->node;
  Ready ready;
  for (auto _ : state) {
    leader.Tick();
    leader.TakeReady(&ready);
    leader.Advance(ready);
  }
}
BENCHMARK(LeaderTickWithHeartbeatsToTwo);

void HeartbeatSteppedByFollower(benchmark::State& state) {
  Three three;
  RawNode& follower = *three.replicas[1]->node;
  Message m;
  m.type = MessageType::kHeartbeat;
  m.from = NodeId(1);
  m.to = NodeId(2);
  m.term = Term(1);
  m.commit = Index(2);
  Ready ready;
  const uint64_t before = allocations;
  for (auto _ : state) {
    benchmark::DoNotOptimize(follower.Step(m));
    follower.TakeReady(&ready);
    follower.Advance(ready);
  }
  state.counters["allocations"] = static_cast<double>(allocations - before);
}
BENCHMARK(HeartbeatSteppedByFollower);

void AnswerSteppedByLeader(benchmark::State& state) {
  Three three;
  RawNode& leader = *three.replicas[0]->node;
  Message m;
  m.type = MessageType::kHeartbeatResp;
  m.from = NodeId(2);
  m.to = NodeId(1);
  m.term = Term(1);
  for (auto _ : state) benchmark::DoNotOptimize(leader.Step(m));
}
BENCHMARK(AnswerSteppedByLeader);

void HasReadyOfIdleNode(benchmark::State& state) {
  Three three;
  for (auto _ : state) benchmark::DoNotOptimize(three.replicas[1]->node->HasReady());
}
BENCHMARK(HasReadyOfIdleNode);

// Proposals of 128 bytes through three replicas in one thread: every message and every write.
void ProposeThroughThree(benchmark::State& state) {
  Three three;
  const auto batch_size = static_cast<size_t>(state.range(0));
  std::vector<Payload> batch(batch_size);
  const std::string bytes(128, 'x');
  uint64_t compact_at = 0;
  const uint64_t messages_before = three.messages;
  const uint64_t before = allocations;
  for (auto _ : state) {
    for (Payload& payload : batch) payload = Payload(bytes);
    benchmark::DoNotOptimize(three.replicas[0]->node->ProposeBatch(batch));
    three.Settle();
    compact_at += batch_size;
    if (compact_at < 4096) continue;
    compact_at = 0;
    for (auto& r : three.replicas) {
      static_cast<void>(r->disk.Compact(r->node->raft().log().applied()).ok());
    }
  }
  const auto proposals = static_cast<double>(state.iterations()) * static_cast<double>(batch_size);
  state.counters["proposals/s"] = benchmark::Counter(proposals, benchmark::Counter::kIsRate);
  state.counters["messages/proposal"] =
      static_cast<double>(three.messages - messages_before) / proposals;
  state.counters["allocations/proposal"] = static_cast<double>(allocations - before) / proposals;
}
BENCHMARK(ProposeThroughThree)->Arg(1)->Arg(16)->Arg(128);

// One proposal each in its own call, `range` calls between deliveries.
void ProposeOneByOneThroughThree(benchmark::State& state) {
  Three three;
  const std::string bytes(128, 'x');
  uint64_t compact_at = 0;
  for (auto _ : state) {
    for (int64_t i = 0; i < state.range(0); ++i) {
      benchmark::DoNotOptimize(three.replicas[0]->node->Propose(Payload(bytes)));
    }
    three.Settle();
    compact_at += static_cast<uint64_t>(state.range(0));
    if (compact_at < 4096) continue;
    compact_at = 0;
    for (auto& r : three.replicas) {
      static_cast<void>(r->disk.Compact(r->node->raft().log().applied()).ok());
    }
  }
  const auto proposals =
      static_cast<double>(state.iterations()) * static_cast<double>(state.range(0));
  state.counters["proposals/s"] = benchmark::Counter(proposals, benchmark::Counter::kIsRate);
}
BENCHMARK(ProposeOneByOneThroughThree)->Arg(1)->Arg(16)->Arg(128);

void TenThousandIdleGroupsTicked(benchmark::State& state) {
  constexpr size_t kGroups = 10000;
  const SnapshotRef start = Start();
  std::vector<std::unique_ptr<Replica>> groups;
  for (size_t i = 0; i < kGroups; ++i) {
    groups.push_back(std::make_unique<Replica>(1 + i % 3, start, 1 << 30));
  }
  std::vector<RawNode*> nodes;
  for (auto& group : groups) nodes.push_back(group->node.get());
  for (auto _ : state) {
    for (RawNode* const node : nodes) node->Tick();
  }
}
BENCHMARK(TenThousandIdleGroupsTicked)->Unit(benchmark::kMillisecond);

// Without its storage, which is the driver's.
void MemoryOfIdleReplica(benchmark::State& state) {
  constexpr size_t kReplicas = 1000;
  const SnapshotRef start = Start();
  MemoryStorage disk(start);
  double per_replica = 0;
  for (auto _ : state) {
    Config config;
    config.id = NodeId(1);
    config.storage = &disk;
    config.applied = start->id.index;
    std::vector<std::unique_ptr<RawNode>> nodes;
    nodes.reserve(kReplicas);
    const int64_t before = live_bytes;
    for (size_t i = 0; i < kReplicas; ++i) nodes.push_back(Create(config));
    per_replica = static_cast<double>(live_bytes - before) / kReplicas;
  }
  state.counters["bytes"] = per_replica;
  state.counters["sizeof(RawNode)"] = sizeof(RawNode);
}
BENCHMARK(MemoryOfIdleReplica)->Iterations(1);

}  // namespace
}  // namespace nokv::raft
