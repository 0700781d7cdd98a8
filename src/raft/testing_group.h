#pragma once

// Small worlds for unit tests: one node whose messages are looked at, or a few that talk.
//
// Threading: single-threaded. Everything happens when it is asked for, in a fixed order.

#include <functional>
#include <initializer_list>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "raft/raw_node.h"
#include "raft/testing_storage.h"

namespace nokv::raft {

using Tweak = std::function<void(Config&)>;

// A node in synchronous mode over a memory disk that holds entries 1.. of the given terms.
class TestNode {
 public:
  struct Start {
    std::vector<uint64_t> voters = {1, 2, 3};
    std::vector<uint64_t> learners = {};
    std::vector<uint64_t> terms = {};
    HardState hard_state = {};
    // A storage that answers with the snapshot it has, however far it was asked to reach.
    bool any_snapshot = false;
  };
  TestNode(uint64_t id, const Start& start, const Tweak& tweak = nullptr);
  explicit TestNode(uint64_t id) : TestNode(id, Start()) {}

  RawNode* operator->() { return node_.get(); }
  RawNode& raw() { return *node_; }
  const Raft& raft() const { return node_->raft(); }
  MemoryStorage& disk() { return *disk_; }
  // Writes, applies and advances until nothing is left; the messages to others, in order.
  std::vector<Message> Take();
  // Those of one type.
  std::vector<Message> Take(MessageType type);
  // Forgets everything but the disk.
  void Restart(Index applied = Index());
  // Makes it leader of its next term by answers of the other voters, and drops what it says.
  void Lead();
  void Tick(uint32_t times);
  StepResult Step(MessageType type, uint64_t from, uint64_t term);
  StepResult Step(const Message& m) { return node_->Step(m); }

  const std::vector<std::string>& applied() const { return applied_; }
  const std::vector<ReadState>& reads() const { return reads_; }
  const std::vector<uint64_t> terms() const;
  // As of the last change applied or snapshot installed.
  ConfState conf_state;

 private:
  void Create(Index applied);
  Config config_;
  std::unique_ptr<MemoryStorage> disk_;
  std::unique_ptr<RawNode> node_;
  std::vector<std::string> applied_;
  std::vector<ReadState> reads_;
};

// Nodes 1..n, all voters, that deliver to each other when told to.
class TestGroup {
 public:
  explicit TestGroup(size_t count, const Tweak& tweak = nullptr);
  explicit TestGroup(std::vector<std::unique_ptr<TestNode>> nodes) : nodes_(std::move(nodes)) {}

  TestNode& operator[](uint64_t id) { return *nodes_[id - 1]; }
  // Delivers until nobody has anything to say.
  void Settle();
  void Elect(uint64_t id);
  void Propose(uint64_t id, std::string_view text);
  // One direction of one link.
  void Cut(uint64_t from, uint64_t to) { cut_.insert({from, to}); }
  void Isolate(uint64_t id);
  void Heal() { cut_.clear(); }
  void Ignore(MessageType type) { ignored_.insert(type); }
  void Recover() {
    Heal();
    ignored_.clear();
  }
  uint64_t leader() const;

 private:
  std::vector<std::unique_ptr<TestNode>> nodes_;
  std::set<std::pair<uint64_t, uint64_t>> cut_;
  std::set<MessageType> ignored_;
};

Message MakeMessage(MessageType type, uint64_t from, uint64_t to, uint64_t term);
std::vector<Entry> MakeEntries(uint64_t first, std::initializer_list<uint64_t> terms);

}  // namespace nokv::raft
