#include "raft/describe.h"

#include <algorithm>
#include <array>

#include "raft/trace.h"

namespace nokv::raft {

namespace {

template <typename T, size_t N>
std::string_view At(const std::array<std::string_view, N>& names, T value) {
  const auto i = static_cast<size_t>(value);
  return i < N ? names[i] : "unknown";
}

std::string_view Bool(bool value) { return value ? "true" : "false"; }

void AppendIds(std::string* out, const std::vector<NodeId>& ids) {
  out->push_back('[');
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i > 0) out->push_back(' ');
    AppendText(out, Decimal{ids[i]});
  }
  out->push_back(']');
}

std::string Target(NodeId id) {
  if (id == kNoNode) return "None";
  if (id == kAppendThread) return "AppendThread";
  if (id == kApplyThread) return "ApplyThread";
  return Join(id);
}

// Takes one code point off the front; U+FFFFFFFF when the first byte starts none.
char32_t TakeCodePoint(Slice* bytes) {
  constexpr char32_t kBad = 0xffffffff;
  const auto byte = [bytes](size_t i) { return static_cast<unsigned char>((*bytes)[i]); };
  const unsigned char first = byte(0);
  size_t length = 1;
  char32_t point = first;
  char32_t least = 0;
  if (first >= 0xf0 && first < 0xf5) {
    length = 4;
    point = first & 0x07;
    least = 0x10000;
  } else if (first >= 0xe0 && first < 0xf0) {
    length = 3;
    point = first & 0x0f;
    least = 0x800;
  } else if (first >= 0xc2 && first < 0xe0) {
    length = 2;
    point = first & 0x1f;
    least = 0x80;
  } else if (first >= 0x80) {
    return kBad;
  }
  if (length > bytes->size()) return kBad;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return kBad;
    point = point << 6 | (byte(i) & 0x3f);
  }
  if (point < least || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return kBad;
  bytes->remove_prefix(length);
  return point;
}

bool Printable(char32_t c) {
  const auto within = [c](char32_t lo, char32_t hi) { return c >= lo && c <= hi; };
  return !(c < 0x20 || within(0x7f, 0xa0) || c == 0xad || within(0x2000, 0x200f) ||
           within(0x2028, 0x202f) || within(0x205f, 0x206f) || c == 0x3000 ||
           within(0xe000, 0xf8ff) || c == 0xfeff || within(0xfff0, 0xfffb) ||
           within(0xfffe, 0xffff) || c >= 0xe0000);
}

void AppendHex(std::string* out, uint32_t value, int digits) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (int i = digits - 1; i >= 0; --i) out->push_back(kDigits[(value >> (4 * i)) & 15]);
}

void AppendResponses(std::string* out, const MessageList& responses, std::string_view indent) {
  out->append(" Responses:[");
  for (const Message& m : responses) {
    out->push_back('\n');
    out->append(Describe(m, Join(indent, "  ")));
  }
  out->push_back('\n');
  out->append(indent);
  out->push_back(']');
}

// The part of a message that follows its first line's fixed fields.
void AppendEntries(std::string* out, std::span<const Entry> entries, std::string_view indent) {
  if (entries.empty()) return;
  if (entries.size() == 1) {
    out->append(Join(" Entries:[", Describe(entries[0]), "]"));
    return;
  }
  out->append(" Entries:[");
  for (const Entry& entry : entries) out->append(Join("\n", indent, "  ", Describe(entry)));
  out->append(Join("\n", indent, "]"));
}

}  // namespace

std::string_view Name(Role role) {
  constexpr std::array<std::string_view, 4> kNames = {"StateFollower", "StateCandidate",
                                                      "StateLeader", "StatePreCandidate"};
  return At(kNames, role);
}

std::string_view Name(MessageType type) {
  constexpr std::array<std::string_view, kMessageTypeCount> kNames = {
      "MsgHup",          "MsgBeat",           "MsgProp",        "MsgApp",
      "MsgAppResp",      "MsgVote",           "MsgVoteResp",    "MsgSnap",
      "MsgHeartbeat",    "MsgHeartbeatResp",  "MsgUnreachable", "MsgSnapStatus",
      "MsgCheckQuorum",  "MsgTransferLeader", "MsgTimeoutNow",  "MsgReadIndex",
      "MsgReadIndexResp", "MsgPreVote",       "MsgPreVoteResp", "MsgStorageAppend",
      "MsgStorageAppendResp", "MsgStorageApply", "MsgStorageApplyResp", "MsgForgetLeader"};
  return At(kNames, type);
}

std::string_view Name(EntryType type) {
  constexpr std::array<std::string_view, 3> kNames = {"EntryNormal", "EntryConfChange",
                                                      "EntryConfChangeV2"};
  return At(kNames, type);
}

std::string_view Name(ProgressState state) {
  constexpr std::array<std::string_view, 3> kNames = {"StateProbe", "StateReplicate",
                                                      "StateSnapshot"};
  return At(kNames, state);
}

std::string_view Name(VoteResult result) {
  constexpr std::array<std::string_view, 3> kNames = {"VotePending", "VoteLost", "VoteWon"};
  return At(kNames, result);
}

std::string_view Name(StepResult result) {
  constexpr std::array<std::string_view, 5> kNames = {
      "ok", "raft proposal dropped", "raft: cannot step as peer not found",
      "raft: cannot step raft local message", "raft: message refused"};
  return At(kNames, result);
}

std::string Quote(Slice bytes) {
  std::string out = "\"";
  constexpr std::string_view kSpecial = "\a\b\f\n\r\t\v\\\"";
  constexpr std::string_view kLetters = "abfnrtv\\\"";
  while (!bytes.empty()) {
    const char first = bytes.front();
    if (const size_t at = kSpecial.find(first); at != std::string_view::npos) {
      out.push_back('\\');
      out.push_back(kLetters[at]);
      bytes.remove_prefix(1);
      continue;
    }
    const Slice before = bytes;
    const char32_t point = TakeCodePoint(&bytes);
    if (point == 0xffffffff || point < 0x20 || point == 0x7f) {
      out.append("\\x");
      AppendHex(&out, static_cast<unsigned char>(first), 2);
      if (point == 0xffffffff) bytes.remove_prefix(1);
    } else if (Printable(point)) {
      out.append(before.substr(0, before.size() - bytes.size()));
    } else if (point < 0x10000) {
      out.append("\\u");
      AppendHex(&out, point, 4);
    } else {
      out.append("\\U");
      AppendHex(&out, point, 8);
    }
  }
  out.push_back('"');
  return out;
}

std::string Describe(const IdSet& ids) {
  std::string out = "(";
  for (const NodeId id : ids) {
    if (out.size() > 1) out.push_back(' ');
    AppendText(&out, id);
  }
  out.push_back(')');
  return out;
}

std::string Describe(const JointConfig& voters) {
  std::string out = Describe(voters.incoming);
  if (voters.joint()) out += Join("&&", Describe(voters.outgoing));
  return out;
}

std::string Describe(const Configuration& config) {
  std::string out = Join("voters=", Describe(config.voters));
  if (!config.learners.empty()) out += Join(" learners=", Describe(config.learners));
  if (!config.learners_next.empty()) out += Join(" learners_next=", Describe(config.learners_next));
  if (config.auto_leave) out += " autoleave";
  return out;
}

std::string Describe(const Progress& progress) {
  std::string out =
      Join(Name(progress.state), " match=", progress.match, " next=", progress.next);
  if (progress.is_learner) out += " learner";
  if (progress.Paused()) out += " paused";
  if (progress.pending_snapshot > Index()) out += Join(" pendingSnap=", progress.pending_snapshot);
  if (!progress.recent_active) out += " inactive";
  if (progress.inflights.count() > 0) {
    out += Join(" inflight=", progress.inflights.count());
    if (progress.inflights.Full()) out += "[full]";
  }
  return out;
}

std::string Describe(const ProgressMap& map) {
  std::string out;
  for (const Progress& progress : map) {
    out += Join(Decimal{progress.id}, ": ", Describe(progress), "\n");
  }
  return out;
}

std::string Describe(const ConfState& state) {
  std::string out = "Voters:";
  AppendIds(&out, state.voters);
  out += " VotersOutgoing:";
  AppendIds(&out, state.voters_outgoing);
  out += " Learners:";
  AppendIds(&out, state.learners);
  out += " LearnersNext:";
  AppendIds(&out, state.learners_next);
  out += Join(" AutoLeave:", Bool(state.auto_leave));
  return out;
}

std::string DescribeFields(const ConfState& state) {
  std::string out;
  const auto add = [&out](std::string_view name, const std::vector<NodeId>& ids) {
    for (const NodeId id : ids) out += Join(name, ":", Decimal{id}, " ");
  };
  add("voters", state.voters);
  add("learners", state.learners);
  add("voters_outgoing", state.voters_outgoing);
  add("learners_next", state.learners_next);
  return out + Join("auto_leave:", Bool(state.auto_leave));
}

std::string Describe(const HardState& state) {
  std::string out = Join("Term:", state.term);
  if (state.vote != kNoNode) out += Join(" Vote:", Decimal{state.vote});
  return out + Join(" Commit:", state.commit);
}

std::string Describe(const SoftState& state) {
  return Join("Lead:", Decimal{state.leader}, " State:", Name(state.role));
}

std::string Describe(const Snapshot& snapshot) {
  return Join("Index:", snapshot.id.index, " Term:", snapshot.id.term, " ConfState:",
              Describe(snapshot.conf_state));
}

std::string Describe(const RaftLog& log) {
  const Unstable& unstable = log.unstable();
  return Join("committed=", log.committed(), ", applied=", log.applied(), ", applying=",
              log.applying(), ", unstable.offset=", unstable.offset(),
              ", unstable.offsetInProgress=", unstable.in_progress(), ", len(unstable.Entries)=",
              unstable.size());
}

std::string DescribeOperations(std::span<const ConfChangeSingle> changes) {
  std::string out;
  constexpr std::string_view kLetters = "vrul";
  for (const ConfChangeSingle& change : changes) {
    if (!out.empty()) out.push_back(' ');
    out.push_back(kLetters[static_cast<size_t>(change.type)]);
    AppendText(&out, Decimal{change.node});
  }
  return out;
}

std::string Describe(const Entry& entry) {
  std::string text;
  if (entry.type == EntryType::kNormal) {
    text = Quote(entry.data.bytes());
  } else if (const std::optional<ConfChange> change = DecodeConfChange(entry)) {
    text = DescribeOperations(change->changes);
  } else {
    text = "not a configuration change";
  }
  std::string out = Join(entry.term, "/", entry.index, " ", Name(entry.type));
  if (!text.empty()) out += Join(" ", text);
  return out;
}

std::string DescribeLines(std::span<const Entry> entries) {
  std::string out;
  for (const Entry& entry : entries) out += Describe(entry) + "\n";
  return out;
}

std::string Describe(const Message& m, std::string_view indent) {
  std::string out = Join(indent, Target(m.from), "->", Target(m.to), " ", Name(m.type), " Term:",
                         m.term, " Log:", m.log_term, "/", m.index);
  if (m.reject) out += Join(" Rejected (Hint: ", m.reject_hint, ")");
  if (m.commit != Index()) out += Join(" Commit:", m.commit);
  AppendEntries(&out, m.entries, indent);
  if (m.snapshot != nullptr && m.snapshot->id.index != Index()) {
    out += Join("\n", indent, "  Snapshot: ", Describe(*m.snapshot));
  }
  return out;
}

std::string Describe(const ConfChange& change) {
  constexpr std::array<std::string_view, 3> kTransitions = {
      "ConfChangeTransitionAuto", "ConfChangeTransitionJointImplicit",
      "ConfChangeTransitionJointExplicit"};
  constexpr std::array<std::string_view, 4> kTypes = {"ConfChangeAddNode", "ConfChangeRemoveNode",
                                                      "ConfChangeUpdateNode",
                                                      "ConfChangeAddLearnerNode"};
  std::string out = Join("transition:", At(kTransitions, change.transition));
  for (const ConfChangeSingle& single : change.changes) {
    out += Join(" changes:{type:", At(kTypes, single.type), " node_id:", Decimal{single.node}, "}");
  }
  if (!change.context.empty()) out += Join(" context:", Quote(change.context.bytes()));
  return out;
}

std::string Describe(const AppendTask& task, NodeId self, std::string_view indent,
                     bool with_responses) {
  const HardState hard_state = task.hard_state.value_or(HardState());
  std::string out = Join(indent, Target(self), "->AppendThread MsgStorageAppend Term:",
                         hard_state.term, " Log:0/0");
  if (hard_state.commit != Index()) out += Join(" Commit:", hard_state.commit);
  if (hard_state.vote != kNoNode) out += Join(" Vote:", Decimal{hard_state.vote});
  AppendEntries(&out, task.entries, indent);
  if (task.snapshot != nullptr) {
    out += Join("\n", indent, "  Snapshot: ", Describe(*task.snapshot));
  }
  if (with_responses && !task.responses.empty()) AppendResponses(&out, task.responses, indent);
  return out;
}

Message ApplyResponse(const ApplyTask& task, NodeId self) {
  Message m;
  m.type = MessageType::kStorageApplyResp;
  m.from = kApplyThread;
  m.to = self;
  m.entries = task.entries;
  return m;
}

std::string Describe(const ApplyTask& task, NodeId self, std::string_view indent,
                     bool with_response) {
  std::string out = Join(indent, Target(self), "->ApplyThread MsgStorageApply Term:0 Log:0/0");
  AppendEntries(&out, task.entries, indent);
  if (with_response) {
    MessageList responses;
    responses.Add() = ApplyResponse(task, self);
    AppendResponses(&out, responses, indent);
  }
  return out;
}

std::string Describe(const Ready& ready, NodeId self, bool async_storage_writes) {
  std::string out;
  if (ready.soft_state) out += Join(Describe(*ready.soft_state), "\n");
  if (ready.append.hard_state) out += Join("HardState ", Describe(*ready.append.hard_state), "\n");
  if (!ready.read_states.empty()) {
    out += "ReadStates [";
    for (const ReadState& state : ready.read_states) {
      out += Join(out.ends_with('[') ? "{" : " {", state.index, " ", state.token, "}");
    }
    out += "]\n";
  }
  if (!ready.append.entries.empty()) out += Join("Entries:\n", DescribeLines(ready.append.entries));
  if (ready.append.snapshot != nullptr) {
    out += Join("Snapshot ", Describe(*ready.append.snapshot), "\n");
  }
  if (!ready.apply.empty()) out += Join("CommittedEntries:\n", DescribeLines(ready.apply.entries));
  std::string messages;
  for (const Message& m : ready.send_now) messages += Describe(m) + "\n";
  if (async_storage_writes) {
    if (!ready.append.empty()) messages += Describe(ready.append, self, "", true) + "\n";
    if (!ready.apply.empty()) messages += Describe(ready.apply, self, "", true) + "\n";
  } else {
    for (const Message& m : ready.append.responses) {
      if (m.to != self) messages += Describe(m) + "\n";
    }
  }
  if (!messages.empty()) out += Join("Messages:\n", messages);
  if (out.empty()) return "<empty Ready>";
  return Join("Ready MustSync=", Bool(ready.append.must_sync), ":\n", out);
}

std::string DescribeIndex(Index index) {
  return index == kInfiniteIndex ? "\u221e" : Join(index);
}

std::string DescribeQuorum(std::vector<AckedIndex> acked) {
  if (acked.empty()) return "<empty majority quorum>";
  const size_t n = acked.size();
  const auto index = [](const AckedIndex& a) { return a.index.value_or(Index()); };
  std::sort(acked.begin(), acked.end(),
            [](const AckedIndex& a, const AckedIndex& b) { return a.id < b.id; });
  std::string out(n, ' ');
  out += "    idx\n";
  for (const AckedIndex& a : acked) {
    // How many are strictly behind: equal indexes share a bar.
    const auto bar = static_cast<size_t>(
        std::count_if(acked.begin(), acked.end(),
                      [&](const AckedIndex& b) { return index(b) < index(a); }));
    if (a.index) {
      out += Join(std::string(bar, 'x'), ">", std::string(n - bar, ' '));
    } else {
      out += Join("?", std::string(n, ' '));
    }
    const std::string number = DescribeIndex(index(a));
    out += Join(" ", std::string(number.size() < 5 ? 5 - number.size() : 0, ' '), number);
    out += Join("    (id=", a.id, ")\n");
  }
  return out;
}

}  // namespace nokv::raft
