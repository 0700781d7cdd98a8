#pragma once

// InteractionEnv: the nodes of one group under the hands of a transcript.
//
// Every message, write and application waits until a directive lets it happen. The directives and
// the printed forms are those of the reference harness, so its files can be run here.
//
// Threading: single-threaded.

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "raft/logger.h"
#include "raft/raw_node.h"
#include "raft/testing_datadriven.h"
#include "raft/testing_storage.h"

namespace nokv::raft {

class InteractionEnv {
 public:
  InteractionEnv();
  ~InteractionEnv();
  Outcome Handle(const Directive& directive);

 private:
  // Collects what nodes log and what handlers print, above a level.
  class Output final : public Logger {
   public:
    bool Enabled(LogLevel level) const override { return level_ <= static_cast<int>(level); }
    void Write(LogLevel level, std::string_view line) override;
    void Print(std::string_view text) {
      if (!Quiet()) text_ += text;
    }
    bool Quiet() const;
    int level_ = 0;
    std::string text_;
  };

  // Answers with the newest state applied, as if a snapshot were taken whenever one is asked for.
  class Store final : public MemoryStorage {
   public:
    SnapshotRef GetSnapshot(NodeId, Index) override { return history.back(); }
    std::vector<SnapshotRef> history;
  };

  struct Node {
    std::unique_ptr<Store> store;
    std::unique_ptr<RawNode> raw;
    Config config;
    std::deque<AppendTask> append_work;
    std::deque<ApplyTask> apply_work;
    NodeId id() const { return config.id; }
  };

  struct Recipient {
    NodeId id;
    bool drop = false;
  };

  // What went wrong: part of the output, or the end of the file.
  struct Failure {
    std::string text;
    bool fatal = false;
    bool none() const { return text.empty(); }
  };
  static Failure Fatal(std::string text) { return {std::move(text), true}; }

  Failure Dispatch(const Directive& d);
  Failure AddNodes(const Directive& d);
  Failure CreateNodes(uint64_t count, const Config& stub, const Snapshot& start);
  Failure DeliverMessages(const Directive& d);
  Failure ForEachNode(const Directive& d, std::string_view what, Failure (InteractionEnv::*f)(Node*));
  Failure ProcessReady(Node* node);
  Failure ProcessAppendThread(Node* node);
  Failure ProcessApplyThread(Node* node);
  Failure Propose(const Directive& d, Node* node);
  Failure ProposeConfChange(const Directive& d, Node* node);
  Failure Compact(const Directive& d, Node* node);
  Failure PrintLog(Node* node);
  Failure SetLogLevel(std::string_view name);
  Failure Stabilize(const Directive& d);
  Failure StabilizeNodes(const std::vector<Node*>& nodes);
  Failure TransferLeadership(const Directive& d);
  Failure SendSnapshot(const Directive& d);
  void PrintState();

  // The nodes named by bare keys; nothing when one is not a node.
  std::optional<std::vector<Node*>> NamedNodes(const Directive& d);
  Node* FirstNode(const Directive& d);
  Failure Write(Node* node, const AppendTask& task);
  Failure Apply(Node* node, const ApplyTask& task);
  size_t Deliver(std::optional<MessageType> type, const std::vector<Recipient>& recipients,
                 Failure* failure);
  void Step(Node* node, const Message& m);
  bool Waiting(NodeId to) const;
  template <typename F>
  Failure Indented(const F& f);

  Output output_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<Message> messages_;
};

// The handler of a new file: of an InteractionEnv, of the configuration algebra or of quorums,
// whichever speaks the commands of `directives`.
Handler HandlerFor(const std::vector<Directive>& directives);

// "v1 l2 r3": the changes, or what is wrong.
struct ParsedChanges {
  std::vector<ConfChangeSingle> changes;
  std::string error;
};
ParsedChanges ParseChanges(std::string_view text);

}  // namespace nokv::raft
