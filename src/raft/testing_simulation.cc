#include "raft/testing_simulation.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <queue>
#include <vector>

#include "base/check.h"
#include "base/hash.h"
#include "base/random.h"
#include "raft/describe.h"
#include "raft/testing_checker.h"

namespace nokv::raft {

namespace {

constexpr uint64_t kTickTime = 1000;  // virtual time units
constexpr size_t kHostsMax = 7;

Payload PayloadOf(uint64_t number, size_t padding) {
  std::string bytes(sizeof number + padding, '.');
  std::memcpy(bytes.data(), &number, sizeof number);
  return Payload(bytes);
}

uint64_t NumberOf(Slice bytes) {
  uint64_t number = 0;
  if (bytes.size() >= sizeof number) std::memcpy(&number, bytes.data(), sizeof number);
  return number;
}

// The register: its version is the index of the last write.
struct Machine {
  EntryId applied;
  Index version;
  ConfState conf_state;
};

class Disk final : public MemoryStorage {
 public:
  InitialState LoadInitialState() override { return {hard_state(), durable.conf_state}; }
  SnapshotRef GetSnapshot(NodeId, Index at_least) override {
    if (machine->applied.index < at_least || machine->applied.index == Index()) return nullptr;
    if (random->OneIn(8)) return nullptr;
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->id = machine->applied;
    snapshot->conf_state = machine->conf_state;
    snapshot->data = PayloadOf(machine->version.value(), 0);
    return snapshot;
  }

  Machine durable;
  HardState synced;
  const Machine* machine = nullptr;
  base::Random* random = nullptr;
};

struct Replica {
  uint32_t group = 0;
  uint32_t host = 0;
  NodeId id;
  Disk disk;
  Machine machine;
  std::unique_ptr<RawNode> node;  // null while the host is down
  uint64_t incarnation = 0;
  Ready ready;
  std::deque<AppendTask> appends;
  std::deque<ApplyTask> applies;
  std::map<uint64_t, uint64_t> writes;  // operation: the version it must exceed
  std::map<uint64_t, uint64_t> reads;   // token: the version it must see
  std::vector<ReadState> waiting;       // answered, not yet applied far enough
  Index seen_commit;
  Index seen_last;
  Role seen_role = Role::kFollower;
  bool append_due = false;
  bool apply_due = false;
};

struct Group {
  Config config;
  ClusterChecker checker;
  std::vector<std::unique_ptr<Replica>> replicas;  // by host
  bool lease = false;
  // The proof of life after healing.
  uint64_t final_write = 0;
  Index final_index;
  bool alive = false;
};

struct Host {
  uint64_t tick_period = kTickTime;
  bool up = true;
};

enum class EventKind : uint8_t { kTick, kDeliver, kAppendDone, kApplyDone, kClient, kNemesis, kRestart };

struct Event {
  uint64_t time = 0;
  uint64_t sequence = 0;
  EventKind kind = EventKind::kTick;
  uint32_t a = 0;
  uint32_t b = 0;
  uint64_t incarnation = 0;
  bool operator<(const Event& other) const {  // the queue serves the largest first
    return time != other.time ? time > other.time : sequence > other.sequence;
  }
};

class World {
 public:
  explicit World(const SimulationOptions& options)
      : options_(options), random_(base::Mix64(options.seed)), faults_(options.faults) {
    const size_t hosts = 1 + random_.Uniform(kHostsMax);
    hosts_.resize(hosts);
    for (Host& host : hosts_) {
      if (Has(kDrift)) host.tick_period = kTickTime - 80 + random_.Uniform(161);
    }
    blocked_.assign(hosts * hosts, false);
    groups_.resize(1 + random_.Uniform(3));
    for (uint32_t g = 0; g < groups_.size(); ++g) CreateGroup(g);
  }

  SimulationResult Run() {
    for (uint32_t h = 0; h < hosts_.size(); ++h) {
      Schedule(random_.Uniform(kTickTime), EventKind::kTick, h);
    }
    Schedule(kTickTime, EventKind::kClient);
    Schedule(2 * kTickTime, EventKind::kNemesis);
    RunUntil(options_.ticks * kTickTime);
    Heal();
    const uint64_t deadline = now_ + 400 * kTickTime;
    while (Violation().empty() && now_ < deadline && !AllAlive()) RunUntil(now_ + 5 * kTickTime);
    result_.violation = Violation();
    if (result_.violation.empty() && !AllAlive()) result_.violation = DescribeDeath();
    for (const Group& group : groups_) result_.marks.elections += group.checker.elections();
    result_.trace_hash = hash_;
    return result_;
  }

 private:
  bool Has(SimulationFault fault) const { return (faults_ & fault) != 0; }
  bool Chance(uint64_t in_thousand) { return random_.Uniform(1000) < in_thousand; }
  void Mix(uint64_t value) { hash_ = base::Mix64(hash_ ^ value); }

  void Schedule(uint64_t delay, EventKind kind, uint32_t a = 0, uint32_t b = 0,
                uint64_t incarnation = 0) {
    events_.push({now_ + delay, ++sequence_, kind, a, b, incarnation});
  }

  std::string Violation() const {
    if (!broken_.empty()) return broken_;
    for (const Group& group : groups_) {
      if (!group.checker.violation().empty()) return group.checker.violation();
    }
    return {};
  }

  void CreateGroup(uint32_t g) {
    Group& group = groups_[g];
    Config& config = group.config;
    config.election_tick = 5 + static_cast<uint32_t>(random_.Uniform(8));
    config.heartbeat_tick = 1 + static_cast<uint32_t>(random_.Uniform(2));
    config.async_storage_writes = !random_.OneIn(3);
    config.pre_vote = random_.OneIn(2);
    config.check_quorum = random_.OneIn(2);
    config.check_invariants = true;
    config.size_per_message_max = random_.OneIn(3) ? 0 : random_.OneIn(2) ? 200 : kNoLimit;
    config.applying_bytes_max = random_.OneIn(2) ? kNoLimit : 1 + random_.Uniform(300);
    config.uncommitted_bytes_max = random_.OneIn(2) ? 0 : 400;
    config.inflight_count_max = 1 + static_cast<uint32_t>(random_.Uniform(8));
    group.lease = random_.OneIn(3);
    if (group.lease) {
      config.check_quorum = true;
      config.read_only = ReadOnlyOption::kLeaseBased;
    }
    ConfState start;
    for (size_t h = 0; h < hosts_.size(); ++h) {
      // Some hosts stand by, without a part in the group yet.
      if (h == 0 || !Has(kMembership) || !random_.OneIn(4)) start.voters.push_back(NodeId(h + 1));
    }
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->id = {Term(1), Index(1)};
    snapshot->conf_state = start;
    for (uint32_t h = 0; h < hosts_.size(); ++h) {
      auto replica = std::make_unique<Replica>();
      replica->group = g;
      replica->host = h;
      replica->id = NodeId(h + 1);
      replica->disk.machine = &replica->machine;
      replica->disk.random = &random_;
      if (std::find(start.voters.begin(), start.voters.end(), replica->id) != start.voters.end()) {
        NOKV_CHECK(replica->disk.ApplySnapshot(snapshot).ok());
        replica->disk.durable = {snapshot->id, Index(), start};
      }
      group.replicas.push_back(std::move(replica));
    }
    for (auto& replica : group.replicas) Start(replica.get());
  }

  // Replicas. -----------------------------------------------------------------------------------

  void Start(Replica* r) {
    ++r->incarnation;
    r->machine = r->disk.durable;
    if (r->disk.hard_state().commit < r->machine.applied.index && r->incarnation > 1) {
      ++result_.marks.commit_behind_applied;
    }
    Config config = groups_[r->group].config;
    config.id = r->id;
    config.storage = &r->disk;
    config.applied = r->machine.applied.index;
    config.seed = random_.Next();
    Result<std::unique_ptr<RawNode>> node = RawNode::Create(config);
    if (!node.ok()) {
      broken_ = "restart: " + node.status().ToString();
      return;
    }
    r->node = std::move(*node);
    r->seen_commit = r->node->raft().log().committed();
    r->seen_last = Index();
    r->seen_role = Role::kFollower;
  }

  void Observe(Replica* r) {
    const Raft& raft = r->node->raft();
    ClusterChecker& checker = groups_[r->group].checker;
    if (raft.role() == Role::kLeader &&
        (r->seen_role != Role::kLeader || raft.log().LastIndex() != r->seen_last)) {
      checker.Leads(*r->node, r->incarnation, r->disk);
    }
    r->seen_role = raft.role();
    r->seen_last = raft.log().LastIndex();
    if (raft.log().committed() > r->seen_commit) {
      checker.Committed(*r->node, r->seen_commit);
      result_.marks.commits += raft.log().committed() - r->seen_commit;
      r->seen_commit = raft.log().committed();
    }
    Mix(raft.term().value() << 40 ^ raft.log().committed().value() << 8 ^
        static_cast<uint64_t>(raft.role()));
  }

  // Does what the replica asks for. Sometimes late, so that several steps share a Ready.
  void Drive(Replica* r, bool may_wait = true) {
    Observe(r);
    if (may_wait && !healed_ && random_.OneIn(5)) return;
    const uint64_t incarnation = r->incarnation;
    while (r->node != nullptr && r->incarnation == incarnation && r->node->HasReady()) {
      Ready& ready = r->ready;
      r->node->TakeReady(&ready);
      for (const ReadState& state : ready.read_states) r->waiting.push_back(state);
      for (const Message& m : ready.send_now) Send(r, m);
      if (options_.votes_leave_early) {
        for (const Message& m : ready.append.responses) {
          if (m.type == MessageType::kVote) Send(r, m);
        }
      }
      if (groups_[r->group].config.async_storage_writes) {
        QueueTasks(r, &ready);
      } else {
        HandleSynchronously(r, &ready);
      }
      if (r->node != nullptr) Observe(r);
    }
    if (r->node != nullptr) AnswerReads(r);
  }

  void QueueTasks(Replica* r, Ready* ready) {
    if (!ready->append.empty()) {
      r->appends.push_back(std::move(ready->append));
      ready->append = AppendTask();
      ScheduleAppend(r);
    }
    if (ready->apply.empty()) return;
    r->applies.push_back(std::move(ready->apply));
    ready->apply = ApplyTask();
    ScheduleApply(r);
    if (options_.reports_applies_early) {
      r->node->OnApplied(r->applies.back().entries.back().index);
    }
  }

  void HandleSynchronously(Replica* r, Ready* ready) {
    if (Has(kDisk) && !healed_ && Chance(1) && FailWrite(r)) return;
    Write(r, ready->append);
    // Written, and nothing of it told to anybody.
    if (Has(kCrash) && !healed_ && Chance(1) && Crash(r->host)) return;
    SendResponses(r, ready->append);
    ApplyEntries(r, ready->apply.entries);
    r->node->Advance(*ready);
  }

  void SendResponses(Replica* r, const AppendTask& task) {
    for (const Message& m : task.responses) {
      if (m.to != r->id && !(options_.votes_leave_early && m.type == MessageType::kVote)) Send(r, m);
    }
  }

  void ScheduleAppend(Replica* r) {
    if (r->append_due || r->appends.empty()) return;
    r->append_due = true;
    uint64_t delay = 10 + random_.Uniform(300);
    if (Has(kDisk) && !healed_ && Chance(30)) delay = random_.Uniform(30 * kTickTime);
    Schedule(delay, EventKind::kAppendDone, r->group, r->host, r->incarnation);
  }

  void ScheduleApply(Replica* r) {
    if (r->apply_due || r->applies.empty()) return;
    r->apply_due = true;
    uint64_t delay = 1 + random_.Uniform(200);
    if (Has(kSlowApply) && !healed_ && Chance(60)) delay = random_.Uniform(40 * kTickTime);
    Schedule(delay, EventKind::kApplyDone, r->group, r->host, r->incarnation);
  }

  void AppendDone(Replica* r) {
    r->append_due = false;
    if (Has(kDisk) && !healed_ && Chance(1) && FailWrite(r)) return;
    const AppendTask task = std::move(r->appends.front());
    r->appends.pop_front();
    Write(r, task);
    r->node->OnAppended(task);
    Observe(r);
    SendResponses(r, task);
    ScheduleAppend(r);
    Drive(r);
  }

  void ApplyDone(Replica* r) {
    r->apply_due = false;
    const ApplyTask task = std::move(r->applies.front());
    r->applies.pop_front();
    ApplyEntries(r, task.entries);
    if (!options_.reports_applies_early) r->node->OnApplied(task.entries.back().index);
    ScheduleApply(r);
    Drive(r);
  }

  void Write(Replica* r, const AppendTask& task) {
    ClusterChecker& checker = groups_[r->group].checker;
    if (task.empty()) return;
    if (task.hard_state) r->disk.SetHardState(*task.hard_state);
    if (task.must_sync || task.snapshot != nullptr) r->disk.synced = r->disk.hard_state();
    if (task.snapshot != nullptr) {
      const Snapshot& snapshot = *task.snapshot;
      checker.Installed(r->id, r->machine.applied.index, snapshot);
      const Status applied = r->disk.ApplySnapshot(task.snapshot);
      if (!applied.ok()) broken_ = "snapshot: " + applied.ToString();
      r->machine = {snapshot.id, Index(NumberOf(snapshot.data.bytes())), snapshot.conf_state};
      // The state machine and the log start again from the snapshot together.
      r->disk.durable = r->machine;
      ++result_.marks.snapshots;
    }
    r->disk.Append(task.entries);
    checker.Written(task.entries, r->disk);
  }

  void ApplyEntries(Replica* r, std::span<const Entry> entries) {
    ClusterChecker& checker = groups_[r->group].checker;
    for (const Entry& entry : entries) {
      checker.Applied(r->id, r->machine.applied.index, entry);
      r->machine.applied = entry.id();
      if (entry.type != EntryType::kNormal) {
        ApplyChange(r, entry);
      } else if (!entry.data.empty()) {
        r->machine.version = entry.index;
        FinishWrite(r, NumberOf(entry.data.bytes()), entry.index);
      }
    }
    if (!entries.empty() && random_.OneIn(3)) Checkpoint(r);
  }

  void ApplyChange(Replica* r, const Entry& entry) {
    const size_t voters_before = r->machine.conf_state.voters.size();
    Result<ConfState> state = r->node->ApplyConfChange(entry);
    if (!state.ok()) {
      broken_ = "configuration change: " + state.status().ToString();
      return;
    }
    r->machine.conf_state = std::move(*state);
    const ConfState& now = r->machine.conf_state;
    if (!now.voters_outgoing.empty()) ++result_.marks.joint_configurations;
    if (now.voters.size() < voters_before) ++result_.marks.removed_voters;
  }

  // The state machine becomes durable where it stands, and the log may forget what it holds.
  void Checkpoint(Replica* r) {
    r->disk.durable = r->machine;
    if (!random_.OneIn(3)) return;
    const Index first = r->disk.FirstIndex();
    const Index last = std::min(r->machine.applied.index, r->disk.LastIndex());
    if (last < first) return;
    static_cast<void>(r->disk.Compact(first + random_.Uniform(last - first + 1)).ok());
  }

  // Clients. ------------------------------------------------------------------------------------

  void FinishWrite(Replica* r, uint64_t operation, Index index) {
    Group& group = groups_[r->group];
    if (operation == group.final_write) group.final_index = index;
    const auto at = r->writes.find(operation);
    if (at == r->writes.end()) return;
    group.checker.WriteCompleted(at->second, index);
    r->writes.erase(at);
    ++result_.marks.writes;
  }

  void AnswerReads(Replica* r) {
    std::erase_if(r->waiting, [&](const ReadState& state) {
      if (r->machine.applied.index < state.index) return false;
      const auto at = r->reads.find(state.token);
      if (at != r->reads.end()) {
        groups_[r->group].checker.ReadCompleted(at->second, r->machine.version);
        r->reads.erase(at);
        ++result_.marks.reads;
      }
      return true;
    });
  }

  void Client() {
    Schedule(kTickTime / 4 + random_.Uniform(kTickTime), EventKind::kClient);
    Group& group = groups_[random_.Uniform(groups_.size())];
    Replica* const r = group.replicas[random_.Uniform(hosts_.size())].get();
    if (r->node == nullptr) return;
    const uint64_t operation = ++operations_;
    const uint64_t floor = group.checker.Begin();
    if (random_.OneIn(2)) {
      r->reads.emplace(operation, floor);
      const bool leased = r->node->raft().LeaseValid() && group.lease;
      r->node->ReadIndex(operation);
      if (leased && !r->node->raft().read_states().empty()) ++result_.marks.lease_reads;
    } else {
      const StepResult result = r->node->Propose(PayloadOf(operation, random_.Uniform(40)));
      if (result == StepResult::kOk) r->writes.emplace(operation, floor);
    }
    Drive(r);
  }

  // The network. --------------------------------------------------------------------------------

  void Send(Replica* from, const Message& m) {
    groups_[from->group].checker.Sent(m, from->disk);
    if (m.to == kNoNode || m.to.value() > hosts_.size()) return;
    const uint64_t copies =
        Has(kDuplication) && !healed_ && m.type != MessageType::kProp && Chance(20) ? 2 : 1;
    for (uint64_t i = 0; i < copies; ++i) {
      if (Has(kLoss) && !healed_ && Chance(loss_)) {
        Lost(from, m);
        continue;
      }
      uint64_t delay = 300;
      if (Has(kReorder) && !healed_) {
        delay = 50 + random_.Uniform(1000);
        if (Chance(20)) delay = random_.Uniform(25 * kTickTime);
      }
      uint32_t slot = 0;
      if (free_slots_.empty()) {
        slot = static_cast<uint32_t>(in_flight_.size());
        in_flight_.emplace_back();
      } else {
        slot = free_slots_.back();
        free_slots_.pop_back();
      }
      in_flight_[slot] = m;
      Schedule(delay, EventKind::kDeliver, from->group, slot, from->host);
    }
  }

  // What a transport reports of a message that it could not deliver.
  void Lost(Replica* from, const Message& m) {
    if (from->node == nullptr) return;
    if (m.type == MessageType::kSnap) from->node->ReportSnapshot(m.to, false);
    if (random_.OneIn(4)) from->node->ReportUnreachable(m.to);
  }

  void Deliver(uint32_t group, uint32_t slot, size_t from) {
    const Message m = std::move(in_flight_[slot]);
    free_slots_.push_back(slot);
    const size_t to = m.to.value() - 1;
    Replica* const sender = groups_[group].replicas[from].get();
    Replica* const r = groups_[group].replicas[to].get();
    if (blocked_[from * hosts_.size() + to] || r->node == nullptr) {
      Lost(sender, m);
      return;
    }
    const StepResult result = r->node->Step(m);
    // Honest replicas never contradict each other.
    if (result == StepResult::kRefused) {
      broken_ = Join("a message was refused: ", Describe(m));
    }
    if (result == StepResult::kOk && m.type == MessageType::kTimeoutNow) ++result_.marks.transfers;
    // A driver owes the fate of each snapshot: the receiver's own answer may be lost.
    if (m.type == MessageType::kSnap && sender->node != nullptr) {
      sender->node->ReportSnapshot(m.to, true);
      Drive(sender);
    }
    Drive(r);
  }

  // Faults. -------------------------------------------------------------------------------------

  size_t HostsDown() const {
    return static_cast<size_t>(
        std::count_if(hosts_.begin(), hosts_.end(), [](const Host& h) { return !h.up; }));
  }

  // False when too many are down already.
  bool Crash(uint32_t h) {
    if (!hosts_[h].up || (HostsDown() + 1) * 2 > hosts_.size() + 1) return false;
    hosts_[h].up = false;
    ++result_.marks.crashes;
    for (Group& group : groups_) {
      Replica* const r = group.replicas[h].get();
      // Part of what was under way may have reached the disk unnoticed.
      for (size_t n = random_.Uniform(r->appends.size() + 1); n > 0; --n) {
        if (r->appends.front().snapshot != nullptr && !r->applies.empty()) break;
        Write(r, r->appends.front());
        r->appends.pop_front();
      }
      // A commit index alone is not synced.
      if (random_.OneIn(2)) {
        HardState hard = r->disk.hard_state();
        if (hard.term == r->disk.synced.term && hard.vote == r->disk.synced.vote) {
          hard.commit = r->disk.synced.commit;
          r->disk.SetHardState(hard);
        }
      }
      if (options_.forgets_votes) {
        const HardState& hard = r->disk.hard_state();
        r->disk.SetHardState({hard.term, kNoNode, hard.commit});
      }
      r->node.reset();
      r->appends.clear();
      r->applies.clear();
      r->writes.clear();
      r->reads.clear();
      r->waiting.clear();
      r->append_due = false;
      r->apply_due = false;
    }
    Schedule(random_.Uniform(30 * kTickTime) + 1, EventKind::kRestart, h);
    return true;
  }

  bool FailWrite(Replica* r) {
    if (!Crash(r->host)) return false;
    ++result_.marks.failed_writes;
    return true;
  }

  void Restart(uint32_t h) {
    if (hosts_[h].up) return;
    hosts_[h].up = true;
    for (Group& group : groups_) {
      Start(group.replicas[h].get());
      if (!broken_.empty()) return;
    }
  }

  void Nemesis() {
    Schedule(kTickTime + random_.Uniform(12 * kTickTime), EventKind::kNemesis);
    if (Has(kPartition) && random_.OneIn(3)) Partition();
    if (Has(kCrash) && random_.OneIn(4)) {
      Crash(static_cast<uint32_t>(random_.Uniform(hosts_.size())));
    }
    loss_ = random_.OneIn(3) ? random_.Uniform(250) : random_.Uniform(30);
    Group& group = groups_[random_.Uniform(groups_.size())];
    Replica* const leader = AnyLeader(group);
    if (leader == nullptr) return;
    if (Has(kMembership) && random_.OneIn(2)) ChangeMembership(leader);
    if (Has(kTransfer) && random_.OneIn(4)) {
      leader->node->TransferLeader(NodeId(1 + random_.Uniform(hosts_.size())));
    }
    Drive(leader);
  }

  void Partition() {
    const size_t n = hosts_.size();
    std::fill(blocked_.begin(), blocked_.end(), false);
    const uint64_t shape = random_.Uniform(6);
    const size_t one = random_.Uniform(n);
    const size_t other = random_.Uniform(n);
    const uint64_t side = random_.Next();
    for (size_t a = 0; a < n; ++a) {
      for (size_t b = 0; b < n; ++b) {
        if (a == b) continue;
        const bool cut = shape == 0   ? (side >> a & 1) != (side >> b & 1)
                         : shape == 1 ? a == one || b == one
                         : shape == 2 ? a == one && b == other
                         : shape == 3 ? a == one
                         : shape == 4 ? b == one
                                      : false;
        blocked_[a * n + b] = cut;
      }
    }
  }

  Replica* AnyLeader(Group& group) {
    Replica* best = nullptr;
    for (auto& r : group.replicas) {
      if (r->node == nullptr || r->node->role() != Role::kLeader) continue;
      if (best == nullptr || best->node->raft().term() < r->node->raft().term()) best = r.get();
    }
    return best;
  }

  void ChangeMembership(Replica* leader) {
    const Configuration& config = leader->node->tracker().config;
    ConfChange change;
    if (config.voters.joint()) {
      if (config.auto_leave || random_.OneIn(2)) return;
    } else {
      const size_t count = 1 + (random_.OneIn(2) ? random_.Uniform(3) : 0);
      IdSet voters = config.voters.incoming;
      for (size_t i = 0; i < count; ++i) {
        const NodeId node(1 + random_.Uniform(hosts_.size()));
        ConfChangeType type = ConfChangeType::kAddNode;
        if (random_.OneIn(3)) type = ConfChangeType::kAddLearnerNode;
        if (random_.OneIn(3)) type = ConfChangeType::kRemoveNode;
        if (type == ConfChangeType::kAddNode) voters.Insert(node);
        if (type != ConfChangeType::kAddNode) {
          if (node == leader->id) return;
          voters.Erase(node);
        }
        change.changes.push_back({type, node});
      }
      if (voters.size() < std::min<size_t>(3, config.voters.incoming.size() + 1)) return;
      if (random_.OneIn(3)) {
        change.transition = random_.OneIn(2) ? ConfChangeTransition::kJointImplicit
                                             : ConfChangeTransition::kJointExplicit;
      }
      change.v1 = count == 1 && change.transition == ConfChangeTransition::kAuto && random_.OneIn(2);
    }
    static_cast<void>(leader->node->ProposeConfChange(change));
  }

  // The end. ------------------------------------------------------------------------------------

  void Heal() {
    healed_ = true;
    std::fill(blocked_.begin(), blocked_.end(), false);
    for (uint32_t h = 0; h < hosts_.size(); ++h) Restart(h);
  }

  bool AllAlive() {
    bool all = true;
    for (Group& group : groups_) {
      Replica* const leader = AnyLeader(group);
      if (leader == nullptr || !Alive(group, leader)) all = false;
    }
    return all;
  }

  // Whether a write proposed after healing is applied by every voter, and no joint configuration
  // is left over. Brings about what is missing.
  bool Alive(Group& group, Replica* leader) {
    if (group.alive) return true;
    const Configuration& config = leader->node->tracker().config;
    if (config.voters.joint() && !config.auto_leave) {
      static_cast<void>(leader->node->ProposeConfChange(ConfChange()));
      Drive(leader, false);
      return false;
    }
    if (group.final_index == Index()) {
      group.final_write = ++operations_;
      static_cast<void>(leader->node->Propose(PayloadOf(group.final_write, 0)));
      Drive(leader, false);
      return false;
    }
    for (const NodeId id : config.voters.Union()) {
      if (group.replicas[id.value() - 1]->machine.applied.index < group.final_index) return false;
    }
    group.alive = !config.voters.joint();
    return group.alive;
  }

  std::string DescribeDeath() {
    std::string out = "liveness: a group does not recover:";
    for (Group& group : groups_) {
      if (group.alive) continue;
      for (auto& r : group.replicas) {
        const Raft& raft = r->node->raft();
        out += Join("\n  ", r->id, " ", Name(raft.role()), " term ", raft.term(), " leader ",
                    raft.leader(), " ", Describe(raft.log()), " ", Describe(raft.tracker().config));
        if (raft.role() == Role::kLeader) out += Join("\n", Describe(raft.tracker().progress));
      }
    }
    return out;
  }

  void RunUntil(uint64_t end) {
    while (!events_.empty() && events_.top().time <= end && Violation().empty()) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.time;
      ++result_.events;
      Mix(now_ ^ static_cast<uint64_t>(event.kind) << 56);
      Handle(event);
    }
    now_ = std::max(now_, end);
  }

  void Handle(const Event& event) {
    switch (event.kind) {
      case EventKind::kTick:
        Schedule(hosts_[event.a].tick_period, EventKind::kTick, event.a);
        for (Group& group : groups_) {
          Replica* const r = group.replicas[event.a].get();
          if (r->node == nullptr) continue;
          r->node->Tick();
          Drive(r);
        }
        return;
      case EventKind::kDeliver:
        Deliver(event.a, event.b, event.incarnation);
        return;
      case EventKind::kAppendDone:
      case EventKind::kApplyDone: {
        Replica* const r = groups_[event.a].replicas[event.b].get();
        if (r->node == nullptr || r->incarnation != event.incarnation) return;
        if (event.kind == EventKind::kAppendDone) {
          AppendDone(r);
        } else {
          ApplyDone(r);
        }
        return;
      }
      case EventKind::kClient:
        Client();
        return;
      case EventKind::kNemesis:
        if (!healed_) Nemesis();
        return;
      case EventKind::kRestart:
        Restart(event.a);
        return;
    }
  }

  const SimulationOptions options_;
  base::Random random_;
  const uint32_t faults_;
  SimulationResult result_;
  std::string broken_;
  uint64_t now_ = 0;
  uint64_t sequence_ = 0;
  uint64_t hash_ = 0;
  uint64_t operations_ = 0;
  uint64_t loss_ = 10;  // messages in a thousand
  bool healed_ = false;
  std::vector<Host> hosts_;
  std::vector<bool> blocked_;
  std::vector<Message> in_flight_;
  std::vector<uint32_t> free_slots_;
  std::priority_queue<Event> events_;
  std::vector<Group> groups_;
};

}  // namespace

void SimulationResult::Marks::Add(const Marks& other) {
  elections += other.elections;
  commits += other.commits;
  writes += other.writes;
  reads += other.reads;
  lease_reads += other.lease_reads;
  crashes += other.crashes;
  failed_writes += other.failed_writes;
  snapshots += other.snapshots;
  joint_configurations += other.joint_configurations;
  removed_voters += other.removed_voters;
  transfers += other.transfers;
  commit_behind_applied += other.commit_behind_applied;
}

SimulationResult RunSimulation(const SimulationOptions& options) { return World(options).Run(); }

SimulationOptions ShrinkSimulation(const SimulationOptions& failing) {
  SimulationOptions best = failing;
  const auto fails = [](const SimulationOptions& o) { return !RunSimulation(o).violation.empty(); };
  for (uint32_t fault = 1; fault <= kSlowApply; fault <<= 1) {
    SimulationOptions smaller = best;
    smaller.faults &= ~fault;
    if (smaller.faults != best.faults && fails(smaller)) best = smaller;
  }
  for (uint32_t cut = best.ticks / 2; cut > 0; cut /= 2) {
    SimulationOptions smaller = best;
    if (cut >= smaller.ticks) continue;
    smaller.ticks -= cut;
    if (fails(smaller)) best = smaller;
  }
  return best;
}

}  // namespace nokv::raft
