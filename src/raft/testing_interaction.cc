#include "raft/testing_interaction.h"

#include <array>
#include <limits>

#include "raft/describe.h"
#include "raft/trace.h"

namespace nokv::raft {

namespace {

constexpr std::array<std::string_view, 6> kLevels = {"DEBUG", "INFO",  "WARN",
                                                     "ERROR", "FATAL", "NONE"};

std::optional<MessageType> ParseMessageType(std::string_view name) {
  for (int i = 0; i < kMessageTypeCount; ++i) {
    if (Name(static_cast<MessageType>(i)) == name) return static_cast<MessageType>(i);
  }
  return std::nullopt;
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; };
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (upper(a[i]) != upper(b[i])) return false;
  }
  return true;
}

// Must arrive whatever a transcript drops: it stands for a call within one node.
bool IsReliable(const Message& m) {
  return m.from == m.to || IsStorageQueue(m.from) || IsStorageQueue(m.to);
}

}  // namespace

ParsedChanges ParseChanges(std::string_view text) {
  ParsedChanges parsed;
  while (!text.empty()) {
    const size_t end = text.find(' ');
    const std::string token(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (token.size() < 2) {
      parsed.error = "unknown token " + token;
      return parsed;
    }
    constexpr std::string_view kLetters = "vrul";
    const size_t type = kLetters.find(token[0]);
    if (type == std::string_view::npos) {
      parsed.error = "unknown input: " + token;
      return parsed;
    }
    const std::optional<uint64_t> id = ParseUnsigned(std::string_view(token).substr(1));
    if (!id) {
      parsed.error = Join("strconv.ParseUint: parsing ", Quote(token.substr(1)),
                          ": invalid syntax");
      return parsed;
    }
    parsed.changes.push_back({static_cast<ConfChangeType>(type), NodeId(*id)});
  }
  return parsed;
}

void InteractionEnv::Output::Write(LogLevel level, std::string_view line) {
  Print(Join(kLevels[static_cast<size_t>(level)], " ", line, "\n"));
}

bool InteractionEnv::Output::Quiet() const {
  return level_ == static_cast<int>(kLevels.size()) - 1;
}

InteractionEnv::InteractionEnv() = default;
InteractionEnv::~InteractionEnv() = default;

Outcome InteractionEnv::Handle(const Directive& directive) {
  output_.text_.clear();
  const Failure failure = Dispatch(directive);
  if (failure.fatal) return {"", failure.text};
  if (!failure.none()) {
    if (output_.Quiet()) return {failure.text, std::nullopt};
    output_.Print(failure.text);
  }
  return {output_.text_.empty() ? "ok" : output_.text_, std::nullopt};
}

InteractionEnv::Failure InteractionEnv::Dispatch(const Directive& d) {
  const std::string& c = d.command;
  if (c == "_breakpoint") return {};
  if (c == "add-nodes") return AddNodes(d);
  if (c == "deliver-msgs") return DeliverMessages(d);
  if (c == "process-ready") return ForEachNode(d, "handling Ready", &InteractionEnv::ProcessReady);
  if (c == "process-append-thread") {
    return ForEachNode(d, "processing append thread", &InteractionEnv::ProcessAppendThread);
  }
  if (c == "process-apply-thread") {
    return ForEachNode(d, "processing apply thread", &InteractionEnv::ProcessApplyThread);
  }
  if (c == "log-level") {
    return d.arguments.empty() ? Fatal("log-level needs a level")
                               : SetLogLevel(d.arguments[0].key);
  }
  if (c == "raft-state") {
    PrintState();
    return {};
  }
  if (c == "stabilize") return Stabilize(d);
  if (c == "transfer-leadership") return TransferLeadership(d);
  if (c == "send-snapshot") return SendSnapshot(d);
  if (c == "report-unreachable") {
    const std::optional<std::vector<Node*>> nodes = NamedNodes(d);
    if (!nodes) return Fatal("no such node");
    if (nodes->size() != 2) {
      return {"must specify exactly two node indexes: node on which to report, and reported node"};
    }
    (*nodes)[0]->raw->ReportUnreachable((*nodes)[1]->id());
    return {};
  }
  constexpr std::array<std::string_view, 10> kOnOneNode = {
      "campaign", "compact",       "raft-log",       "set-randomized-election-timeout",
      "status",   "tick-election", "tick-heartbeat", "forget-leader",
      "propose",  "propose-conf-change"};
  bool known = false;
  for (const std::string_view command : kOnOneNode) known = known || c == command;
  if (!known) return {"unknown command"};
  Node* const node = FirstNode(d);
  if (node == nullptr) return Fatal(c + ": no such node");
  if (c == "campaign") node->raw->Campaign();
  if (c == "forget-leader") node->raw->ForgetLeader();
  if (c == "compact") return Compact(d, node);
  if (c == "raft-log") return PrintLog(node);
  if (c == "propose") return Propose(d, node);
  if (c == "propose-conf-change") return ProposeConfChange(d, node);
  if (c == "status" && node->raw->role() == Role::kLeader) {
    output_.Print(Describe(node->raw->tracker().progress));
  }
  if (c == "tick-election" || c == "tick-heartbeat") {
    const uint32_t ticks =
        c == "tick-election" ? node->config.election_tick : node->config.heartbeat_tick;
    for (uint32_t i = 0; i < ticks; ++i) node->raw->Tick();
  }
  if (c == "set-randomized-election-timeout") {
    const Directive::Argument* const timeout = d.Find("timeout");
    const std::optional<uint64_t> ticks = timeout == nullptr || timeout->values.empty()
                                              ? std::nullopt
                                              : ParseUnsigned(timeout->values[0]);
    if (!ticks || *ticks == 0 || *ticks > std::numeric_limits<uint32_t>::max()) {
      return Fatal("timeout= must be a positive number");
    }
    node->raw->set_election_timeout(static_cast<uint32_t>(*ticks));
  }
  return {};
}

std::optional<std::vector<InteractionEnv::Node*>> InteractionEnv::NamedNodes(const Directive& d) {
  std::vector<Node*> named;
  for (const Directive::Argument& argument : d.arguments) {
    if (!argument.values.empty()) continue;
    const std::optional<uint64_t> id = ParseUnsigned(argument.key);
    if (!id || *id == 0 || *id > nodes_.size()) return std::nullopt;
    named.push_back(nodes_[*id - 1].get());
  }
  return named;
}

InteractionEnv::Node* InteractionEnv::FirstNode(const Directive& d) {
  if (d.arguments.empty()) return nullptr;
  const std::optional<uint64_t> id = ParseUnsigned(d.arguments[0].key);
  return !id || *id == 0 || *id > nodes_.size() ? nullptr : nodes_[*id - 1].get();
}

template <typename F>
InteractionEnv::Failure InteractionEnv::Indented(const F& f) {
  std::string outer = std::move(output_.text_);
  output_.text_.clear();
  const Failure failure = f();
  std::string_view inner = output_.text_;
  while (!inner.empty()) {
    const size_t end = inner.find('\n');
    outer += Join("  ", inner.substr(0, end), "\n");
    inner.remove_prefix(end == std::string_view::npos ? inner.size() : end + 1);
  }
  output_.text_ = std::move(outer);
  return failure;
}

InteractionEnv::Failure InteractionEnv::ForEachNode(const Directive& d, std::string_view what,
                                                    Failure (InteractionEnv::*f)(Node*)) {
  const std::optional<std::vector<Node*>> nodes = NamedNodes(d);
  if (!nodes) return Fatal(d.command + ": no such node");
  for (Node* const node : *nodes) {
    Failure failure;
    if (nodes->size() > 1) {
      output_.Print(Join("> ", Decimal{node->id()}, " ", what, "\n"));
      failure = Indented([&] { return (this->*f)(node); });
    } else {
      failure = (this->*f)(node);
    }
    if (!failure.none()) return failure;
  }
  return {};
}

InteractionEnv::Failure InteractionEnv::AddNodes(const Directive& d) {
  const std::optional<uint64_t> count =
      d.arguments.empty() ? std::nullopt : ParseUnsigned(d.arguments[0].key);
  if (!count) return Fatal("add-nodes needs a number");
  Config config;
  config.election_tick = 3;
  config.size_per_message_max = kNoLimit;
  config.inflight_count_max = std::numeric_limits<int32_t>::max();
  config.check_quorum = false;
  config.pre_vote = false;
  config.step_down_on_removal = false;
  config.reference_behaviour = true;
  config.check_invariants = true;
  config.logger = &output_;
  Snapshot start;
  for (size_t i = 1; i < d.arguments.size(); ++i) {
    const std::string& key = d.arguments[i].key;
    for (const std::string& value : d.arguments[i].values) {
      const std::optional<uint64_t> number = ParseUnsigned(value);
      const std::optional<bool> truth = ParseBool(value);
      const auto bad = [&] { return Fatal(Join("add-nodes: bad value for ", key, ": ", value)); };
      if (key == "voters" || key == "learners") {
        if (!number) return bad();
        ConfState& state = start.conf_state;
        (key == "voters" ? state.voters : state.learners).push_back(NodeId(*number));
      } else if (key == "inflight") {
        if (!number || *number > std::numeric_limits<uint32_t>::max()) return bad();
        config.inflight_count_max = static_cast<uint32_t>(*number);
      } else if (key == "index") {
        if (!number) return bad();
        start.id.index = Index(*number);
        config.applied = start.id.index;
      } else if (key == "max-committed-size-per-ready") {
        if (!number) return bad();
        config.applying_bytes_max = *number;
      } else if (key == "read-only") {
        if (value != "safe" && value != "lease-based") {
          return {"invalid read-only option " + Quote(value)};
        }
        config.read_only =
            value == "safe" ? ReadOnlyOption::kSafe : ReadOnlyOption::kLeaseBased;
      } else if (key == "content") {
        return Fatal("add-nodes: content= cannot be given");
      } else {
        bool* const flag = key == "async-storage-writes" ? &config.async_storage_writes
                           : key == "prevote"            ? &config.pre_vote
                           : key == "checkquorum"        ? &config.check_quorum
                           : key == "disable-conf-change-validation"
                               ? &config.disable_conf_change_validation
                           : key == "step-down-on-removal" ? &config.step_down_on_removal
                                                           : nullptr;
        if (flag == nullptr) continue;
        if (!truth) return bad();
        *flag = *truth;
      }
    }
  }
  return CreateNodes(*count, config, start);
}

InteractionEnv::Failure InteractionEnv::CreateNodes(uint64_t count, const Config& stub,
                                                    const Snapshot& start) {
  const bool bootstrap = start.id.index != Index() || start.conf_state != ConfState();
  for (uint64_t i = 0; i < count; ++i) {
    auto node = std::make_unique<Node>();
    node->store = std::make_unique<Store>();
    auto snapshot = std::make_shared<Snapshot>(start);
    if (bootstrap) {
      if (start.id.index <= Index(1)) {
        return {"index must be specified as > 1 due to bootstrap"};
      }
      snapshot->id.term = Term(1);
      const Status applied = node->store->ApplySnapshot(snapshot);
      if (!applied.ok()) return {std::string(applied.message())};
    }
    node->store->history.push_back(std::move(snapshot));
    node->config = stub;
    node->config.id = NodeId(nodes_.size() + 1);
    node->config.storage = node->store.get();
    Result<std::unique_ptr<RawNode>> raw = RawNode::Create(node->config);
    if (!raw.ok()) return Fatal(std::string(raw.status().message()));
    node->raw = std::move(*raw);
    nodes_.push_back(std::move(node));
  }
  return {};
}

InteractionEnv::Failure InteractionEnv::Propose(const Directive& d, Node* node) {
  if (d.arguments.size() != 2 || !d.arguments[1].values.empty()) {
    return Fatal("propose: expected exactly one key with no values");
  }
  const StepResult result = node->raw->Propose(Payload(d.arguments[1].key));
  return {result == StepResult::kOk ? "" : std::string(Name(result))};
}

InteractionEnv::Failure InteractionEnv::ProposeConfChange(const Directive& d, Node* node) {
  ConfChange change;
  for (size_t i = 1; i < d.arguments.size(); ++i) {
    const std::string& key = d.arguments[i].key;
    for (const std::string& value : d.arguments[i].values) {
      if (key == "v1") {
        const std::optional<bool> v1 = ParseBool(value);
        if (!v1) return {Join("strconv.ParseBool: parsing ", Quote(value), ": invalid syntax")};
        change.v1 = *v1;
      } else if (key == "transition") {
        if (value == "auto") {
          change.transition = ConfChangeTransition::kAuto;
        } else if (value == "implicit") {
          change.transition = ConfChangeTransition::kJointImplicit;
        } else if (value == "explicit") {
          change.transition = ConfChangeTransition::kJointExplicit;
        } else {
          return {"unknown transition " + value};
        }
      } else {
        return {"unknown command " + key};
      }
    }
  }
  ParsedChanges parsed = ParseChanges(d.input);
  if (!parsed.error.empty()) return {parsed.error};
  change.changes = std::move(parsed.changes);
  if (change.v1) {
    if (change.changes.size() > 1 || change.transition != ConfChangeTransition::kAuto) {
      return {"v1 conf change can only have one operation and no transition"};
    }
    if (change.changes.empty()) return Fatal("v1 conf change needs one operation");
  }
  const StepResult result = node->raw->ProposeConfChange(change);
  return {result == StepResult::kOk ? "" : std::string(Name(result))};
}

InteractionEnv::Failure InteractionEnv::Compact(const Directive& d, Node* node) {
  const std::optional<uint64_t> index =
      d.arguments.size() < 2 ? std::nullopt : ParseUnsigned(d.arguments[1].key);
  if (!index) return Fatal("compact: expected an index");
  if (Index(*index) > node->store->LastIndex()) return Fatal("compact: beyond the last index");
  const Status compacted = node->store->Compact(Index(*index));
  if (!compacted.ok()) return {std::string(compacted.message())};
  return PrintLog(node);
}

InteractionEnv::Failure InteractionEnv::PrintLog(Node* node) {
  const std::span<const Entry> entries = node->store->entries();
  if (entries.empty()) {
    output_.Print(Join("log is empty: first index=", node->store->FirstIndex(), ", last index=",
                       node->store->LastIndex()));
  } else {
    output_.Print(DescribeLines(entries));
  }
  return {};
}

InteractionEnv::Failure InteractionEnv::SetLogLevel(std::string_view name) {
  for (size_t i = 0; i < kLevels.size(); ++i) {
    if (!EqualsIgnoringCase(kLevels[i], name)) continue;
    output_.level_ = static_cast<int>(i);
    return {};
  }
  return {"log levels must be either of [DEBUG INFO WARN ERROR FATAL NONE]"};
}

void InteractionEnv::PrintState() {
  for (const auto& node : nodes_) {
    const RawNode& raw = *node->raw;
    const bool voter = raw.tracker().config.voters.Contains(raw.id());
    output_.Print(Join(Decimal{raw.id()}, ": ", Name(raw.role()),
                       voter ? " (Voter)" : " (Non-Voter)", " Term:", raw.raft().term(), " Lead:",
                       Decimal{raw.leader()}, "\n"));
  }
}

InteractionEnv::Failure InteractionEnv::TransferLeadership(const Directive& d) {
  std::array<uint64_t, 2> ids{};
  const std::array<std::string_view, 2> keys = {"from", "to"};
  for (size_t i = 0; i < 2; ++i) {
    const Directive::Argument* const argument = d.Find(keys[i]);
    const std::optional<uint64_t> id = argument == nullptr || argument->values.size() != 1
                                           ? std::nullopt
                                           : ParseUnsigned(argument->values[0]);
    if (!id || *id == 0 || *id > nodes_.size()) {
      return Fatal(Join("expected valid \"", keys[i], "\" argument"));
    }
    ids[i] = *id;
  }
  nodes_[ids[0] - 1]->raw->TransferLeader(NodeId(ids[1]));
  return {};
}

InteractionEnv::Failure InteractionEnv::SendSnapshot(const Directive& d) {
  const std::optional<std::vector<Node*>> nodes = NamedNodes(d);
  if (!nodes || nodes->size() != 2) return Fatal("send-snapshot: expected two nodes");
  const Node& from = *(*nodes)[0];
  Message m;
  m.type = MessageType::kSnap;
  m.from = from.id();
  m.to = (*nodes)[1]->id();
  m.term = from.raw->raft().term();
  m.snapshot = from.store->history.back();
  output_.Print(Describe(m));
  messages_.push_back(std::move(m));
  return {};
}

// Storage and application. ----------------------------------------------------------------------

InteractionEnv::Failure InteractionEnv::Write(Node* node, const AppendTask& task) {
  if (task.hard_state) node->store->SetHardState(*task.hard_state);
  if (task.snapshot != nullptr) {
    if (!task.entries.empty()) return {"can't apply snapshot and entries at the same time"};
    const Status applied = node->store->ApplySnapshot(task.snapshot);
    return {std::string(applied.message())};
  }
  node->store->Append(task.entries);
  return {};
}

InteractionEnv::Failure InteractionEnv::Apply(Node* node, const ApplyTask& task) {
  for (const Entry& entry : task.entries) {
    const Snapshot& last = *node->store->history.back();
    auto next = std::make_shared<Snapshot>();
    next->id = entry.id();
    next->conf_state = last.conf_state;
    Payload update = entry.data;
    if (entry.type != EntryType::kNormal) {
      const std::optional<ConfChange> change = DecodeConfChange(entry);
      if (!change) return Fatal("an entry is not a configuration change");
      Result<ConfState> state = node->raw->ApplyConfChange(entry);
      if (!state.ok()) return Fatal(std::string(state.status().message()));
      next->conf_state = std::move(*state);
      update = change->context;
    }
    // The state machine appends what it is given.
    next->data = Payload(Join(last.data.bytes(), update.bytes()));
    node->store->history.push_back(std::move(next));
  }
  return {};
}

InteractionEnv::Failure InteractionEnv::ProcessReady(Node* node) {
  Ready ready;
  node->raw->TakeReady(&ready);
  const bool async = node->config.async_storage_writes;
  output_.Print(Describe(ready, node->id(), async));
  if (!async) {
    Failure failure = Write(node, ready.append);
    if (failure.none()) failure = Apply(node, ready.apply);
    if (!failure.none()) return failure;
  }
  for (const Message& m : ready.send_now) messages_.push_back(m);
  if (!async) {
    for (const Message& m : ready.append.responses) {
      if (m.to != node->id()) messages_.push_back(m);
    }
    node->raw->Advance(ready);
    return {};
  }
  if (!ready.append.empty()) node->append_work.push_back(std::move(ready.append));
  if (!ready.apply.empty()) node->apply_work.push_back(std::move(ready.apply));
  return {};
}

InteractionEnv::Failure InteractionEnv::ProcessAppendThread(Node* node) {
  if (node->append_work.empty()) {
    output_.Print("no append work to perform");
    return {};
  }
  const AppendTask task = std::move(node->append_work.front());
  node->append_work.pop_front();
  output_.Print(Join("Processing:\n", Describe(task, node->id(), "", false), "\n"));
  Failure failure = Write(node, task);
  if (!failure.none()) return failure;
  output_.Print("Responses:\n");
  for (const Message& m : task.responses) {
    output_.Print(Describe(m) + "\n");
    messages_.push_back(m);
  }
  return {};
}

InteractionEnv::Failure InteractionEnv::ProcessApplyThread(Node* node) {
  if (node->apply_work.empty()) {
    output_.Print("no apply work to perform");
    return {};
  }
  const ApplyTask task = std::move(node->apply_work.front());
  node->apply_work.pop_front();
  output_.Print(Join("Processing:\n", Describe(task, node->id(), "", false), "\n"));
  Failure failure = Apply(node, task);
  if (!failure.none()) return failure;
  Message response = ApplyResponse(task, node->id());
  output_.Print(Join("Responses:\n", Describe(response), "\n"));
  messages_.push_back(std::move(response));
  return {};
}

// The network. ----------------------------------------------------------------------------------

InteractionEnv::Failure InteractionEnv::DeliverMessages(const Directive& d) {
  std::optional<MessageType> type;
  std::vector<Recipient> recipients;
  for (const Directive::Argument& argument : d.arguments) {
    if (argument.values.empty()) {
      const std::optional<uint64_t> id = ParseUnsigned(argument.key);
      if (!id) return Fatal("deliver-msgs: not a node: " + argument.key);
      recipients.push_back({NodeId(*id)});
    }
    for (const std::string& value : argument.values) {
      if (argument.key == "drop") {
        const std::optional<uint64_t> id = ParseUnsigned(value);
        if (!id) return Fatal("deliver-msgs: not a node: " + value);
        for (const Recipient& r : recipients) {
          if (r.id == NodeId(*id)) {
            return Fatal(Join("can't both deliver and drop msgs to ", *id));
          }
        }
        recipients.push_back({NodeId(*id), true});
      } else if (argument.key == "type") {
        type = ParseMessageType(value);
        if (!type) return Fatal("unknown message type " + value);
      }
    }
  }
  Failure failure;
  if (Deliver(type, recipients, &failure) == 0) output_.Print("no messages\n");
  return failure;
}

size_t InteractionEnv::Deliver(std::optional<MessageType> type,
                               const std::vector<Recipient>& recipients, Failure* failure) {
  size_t count = 0;
  for (const Recipient& recipient : recipients) {
    std::vector<Message> mine;
    std::vector<Message> rest;
    for (Message& m : messages_) {
      const bool takes = m.to == recipient.id && (!type || m.type == *type) &&
                         !(recipient.drop && IsReliable(m));
      (takes ? mine : rest).push_back(std::move(m));
    }
    messages_ = std::move(rest);
    count += mine.size();
    for (const Message& m : mine) {
      output_.Print(Join(recipient.drop ? "dropped: " : "", Describe(m), "\n"));
      if (recipient.drop) continue;
      if (m.to == kNoNode || m.to.value() > nodes_.size()) {
        *failure = Fatal(Join("no node ", Decimal{m.to}));
        return count;
      }
      Step(nodes_[m.to.value() - 1].get(), m);
    }
  }
  return count;
}

void InteractionEnv::Step(Node* node, const Message& m) {
  if (m.type == MessageType::kStorageApplyResp) {
    node->raw->OnApplied(m.entries.back().index);
    return;
  }
  const StepResult result = IsReliable(m) ? node->raw->StepOwnResponse(m) : node->raw->Step(m);
  if (result != StepResult::kOk) output_.Print(Join(Name(result), "\n"));
}

bool InteractionEnv::Waiting(NodeId to) const {
  for (const Message& m : messages_) {
    if (m.to == to) return true;
  }
  return false;
}

InteractionEnv::Failure InteractionEnv::Stabilize(const Directive& d) {
  std::optional<std::vector<Node*>> nodes = NamedNodes(d);
  if (!nodes) return Fatal("stabilize: no such node");
  if (nodes->empty()) {
    for (const auto& node : nodes_) nodes->push_back(node.get());
  }
  const int level = output_.level_;
  Failure failure;
  if (const Directive::Argument* const argument = d.Find("log-level")) {
    for (const std::string& value : argument->values) {
      failure = SetLogLevel(value);
      if (!failure.none()) break;
    }
  }
  if (failure.none()) failure = StabilizeNodes(*nodes);
  output_.level_ = level;
  return failure;
}

InteractionEnv::Failure InteractionEnv::StabilizeNodes(const std::vector<Node*>& nodes) {
  const auto header = [this](const Node* node, std::string_view what) {
    output_.Print(Join("> ", Decimal{node->id()}, " ", what, "\n"));
  };
  for (bool done = false; !done;) {
    done = true;
    for (Node* const node : nodes) {
      if (!node->raw->HasReady()) continue;
      done = false;
      header(node, "handling Ready");
      const Failure failure = Indented([&] { return ProcessReady(node); });
      if (!failure.none()) return failure;
    }
    for (Node* const node : nodes) {
      if (!Waiting(node->id())) continue;
      done = false;
      header(node, "receiving messages");
      const Failure failure = Indented([&] {
        Failure inner;
        Deliver(std::nullopt, {{node->id()}}, &inner);
        return inner;
      });
      if (!failure.none()) return failure;
    }
    for (Node* const node : nodes) {
      if (node->append_work.empty()) continue;
      done = false;
      header(node, "processing append thread");
      while (!node->append_work.empty()) {
        const Failure failure = Indented([&] { return ProcessAppendThread(node); });
        if (!failure.none()) return failure;
      }
    }
    for (Node* const node : nodes) {
      if (node->apply_work.empty()) continue;
      done = false;
      header(node, "processing apply thread");
      while (!node->apply_work.empty()) {
        const Failure failure = Indented([&] { return ProcessApplyThread(node); });
        if (!failure.none()) return failure;
      }
    }
  }
  return {};
}

}  // namespace nokv::raft
