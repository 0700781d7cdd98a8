// A raft group driven by hand: one node, its log in memory, everything in one loop.
//
// A real driver differs in three places only: the write goes to a disk and waits for it, messages
// go to other nodes, and a timer calls Tick.

#include <cstdio>

#include "raft/raw_node.h"
#include "raft/testing_storage.h"

using namespace nokv::raft;

int main() {
  auto start = std::make_shared<Snapshot>();
  start->id = {Term(1), Index(1)};
  start->conf_state.voters = {NodeId(1)};
  MemoryStorage storage(start);
  Config config;
  config.id = NodeId(1);
  config.storage = &storage;
  config.applied = start->id.index;

  auto created = RawNode::Create(config);
  if (!created.ok()) return std::fprintf(stderr, "%s\n", created.status().ToString().c_str()), 1;
  RawNode& node = **created;

  bool proposed = false;
  bool done = false;
  for (Ready ready; !done; node.Tick()) {
    if (node.role() == Role::kLeader && !proposed) {
      proposed = node.Propose(Payload("hello")) == StepResult::kOk;
    }
    while (node.HasReady()) {
      node.TakeReady(&ready);
      if (ready.append.hard_state) storage.SetHardState(*ready.append.hard_state);  // 1. write
      storage.Append(ready.append.entries);
      // 2. send ready.send_now and what of ready.append.responses is not for this node
      for (const Entry& entry : ready.apply.entries) {  // 3. apply
        if (entry.data.empty()) continue;
        std::printf("applied %.*s\n", static_cast<int>(entry.data.size()), entry.data.bytes().data());
        done = true;
      }
      node.Advance(ready);  // 4. go on
    }
  }
}
