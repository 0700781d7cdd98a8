// The transcripts of the configuration algebra and of quorums, and the choice among the languages.

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "raft/confchange.h"
#include "raft/describe.h"
#include "raft/quorum.h"
#include "raft/testing_interaction.h"
#include "raft/trace.h"

namespace nokv::raft {

namespace {

class AlgebraEnv {
 public:
  Outcome Handle(const Directive& d) {
    Outcome outcome = Run(d);
    last_ = last_ + 1;
    return outcome;
  }

 private:
  Outcome Run(const Directive& d) {
    const ParsedChanges parsed = ParseChanges(d.input);
    if (!parsed.error.empty()) return {parsed.error, std::nullopt};
    const Changer changer(tracker_, last_, last_);
    ConfigurationResult result;
    if (d.command == "simple") {
      result = changer.Simple(parsed.changes);
    } else if (d.command == "enter-joint") {
      bool auto_leave = false;
      if (!d.arguments.empty()) {
        const Directive::Argument* const argument = d.Find("autoleave");
        const std::optional<bool> value = argument == nullptr || argument->values.empty()
                                              ? std::nullopt
                                              : ParseBool(argument->values[0]);
        if (!value) return {"", "enter-joint: expected autoleave=<bool>"};
        auto_leave = *value;
      }
      result = changer.EnterJoint(auto_leave, parsed.changes);
    } else if (d.command == "leave-joint") {
      if (!parsed.changes.empty()) return {"this command takes no input\n", std::nullopt};
      result = changer.LeaveJoint();
    } else {
      return {"unknown command", std::nullopt};
    }
    if (!result.ok()) return {result.error + "\n", std::nullopt};
    tracker_.config = std::move(result.config);
    tracker_.progress = std::move(result.progress);
    return {Join(Describe(tracker_.config), "\n", Describe(tracker_.progress)), std::nullopt};
  }

  ProgressTracker tracker_{{10, kNoLimit}};
  Index last_;
};

// One quorum directive: who votes in which half, and what is known of each.
struct QuorumCase {
  bool joint = false;
  JointConfig config;
  // In the order the values are given.
  std::vector<NodeId> order;
  std::vector<std::optional<uint64_t>> values;

  std::optional<Index> Acked(NodeId id) const { return Lookup<Index>(id); }
  std::optional<bool> Vote(NodeId id) const {
    const std::optional<uint64_t> value = Lookup<uint64_t>(id);
    return value ? std::optional<bool>(*value == 2) : std::nullopt;
  }

 private:
  template <typename T>
  std::optional<T> Lookup(NodeId id) const {
    for (size_t i = 0; i < order.size(); ++i) {
      if (order[i] == id && values[i]) return T(*values[i]);
    }
    return std::nullopt;
  }
};

std::optional<std::string> ParseQuorumCase(const Directive& d, QuorumCase* out) {
  std::vector<NodeId> ids;
  std::vector<NodeId> joint_ids;
  std::vector<std::optional<uint64_t>> indexes;
  std::vector<std::optional<uint64_t>> votes;
  for (const Directive::Argument& argument : d.arguments) {
    for (const std::string& value : argument.values) {
      const std::optional<uint64_t> number = ParseUnsigned(value);
      if (argument.key == "cfg" || argument.key == "cfgj") {
        if (argument.key == "cfgj") out->joint = true;
        if (argument.key == "cfgj" && value == "zero") {
          if (argument.values.size() != 1) return "cannot mix 'zero' into configuration";
          continue;
        }
        if (!number) return Join("not an id: ", value);
        (argument.key == "cfg" ? ids : joint_ids).push_back(NodeId(*number));
      } else if (argument.key == "idx") {
        if (value != "_" && (!number || *number == 0)) return Join("not an index: ", value);
        indexes.push_back(value == "_" ? std::nullopt : number);
      } else if (argument.key == "votes") {
        if (value != "y" && value != "n" && value != "_") return Join("unknown vote: ", value);
        votes.push_back(value == "_" ? std::nullopt
                                     : std::optional<uint64_t>(value == "y" ? 2 : 1));
      } else {
        return Join("unknown arg ", argument.key);
      }
    }
  }
  out->config.incoming = IdSet(ids);
  out->config.outgoing = IdSet(joint_ids);
  ids.insert(ids.end(), joint_ids.begin(), joint_ids.end());
  for (const NodeId id : ids) {
    if (std::find(out->order.begin(), out->order.end(), id) == out->order.end()) {
      out->order.push_back(id);
    }
  }
  out->values = d.command == "vote" ? votes : indexes;
  return std::nullopt;
}

// The commit index by its definition: the largest index that enough voters have reached.
Index CommittedByDefinition(const IdSet& voters, const QuorumCase& q) {
  if (voters.empty()) return kInfiniteIndex;
  Index best;
  for (const NodeId candidate : voters) {
    const Index index = q.Acked(candidate).value_or(Index());
    const auto reached = std::count_if(voters.begin(), voters.end(), [&](NodeId id) {
      return q.Acked(id).value_or(Index()) >= index;
    });
    if (static_cast<size_t>(reached) > voters.size() / 2) best = std::max(best, index);
  }
  return best;
}

std::string RunCommitted(const QuorumCase& q) {
  std::vector<AckedIndex> acked;
  for (const NodeId id : q.config.Union()) acked.push_back({id, q.Acked(id)});
  std::string out = DescribeQuorum(acked);
  const auto lookup = [&q](NodeId id) { return q.Acked(id); };
  const auto note = [&out](Index index, std::string_view via) {
    out += Join(DescribeIndex(index), " <-- via ", via, "\n");
  };
  const IdSet& voters = q.config.incoming;
  if (q.joint) {
    const Index index = q.config.Committed(lookup);
    const JointConfig swapped{q.config.outgoing, q.config.incoming};
    if (swapped.Committed(lookup) != index) note(swapped.Committed(lookup), "symmetry");
    return out + DescribeIndex(index) + "\n";
  }
  const Index index = MajorityCommitted(voters, lookup);
  if (const Index other = CommittedByDefinition(voters, q); other != index) {
    note(other, "alternative computation");
  }
  if (const Index other = JointConfig{voters, {}}.Committed(lookup); other != index) {
    note(other, "zero-joint quorum");
  }
  if (const Index other = JointConfig{voters, voters}.Committed(lookup); other != index) {
    note(other, "self-joint quorum");
  }
  for (const NodeId id : voters) {
    // Who is behind the commit index cannot change it by falling back further.
    const Index own = q.Acked(id).value_or(Index());
    if (own == Index() || index <= own) continue;
    for (const Index lower : {own - 1, Index()}) {
      const Index other = MajorityCommitted(voters, [&](NodeId other_id) {
        return other_id == id ? std::optional<Index>(lower) : q.Acked(other_id);
      });
      if (other != index) {
        out += Join(DescribeIndex(other), " <-- overlaying ", Decimal{id}, "->",
                    lower == Index() ? Index() : own);
      }
    }
  }
  return out + DescribeIndex(index) + "\n";
}

std::string RunVote(const QuorumCase& q) {
  const auto vote = [&q](NodeId id) { return q.Vote(id); };
  if (!q.joint) return Join(Name(MajorityVote(q.config.incoming, vote)), "\n");
  std::string out;
  const VoteResult result = q.config.Result(vote);
  const JointConfig swapped{q.config.outgoing, q.config.incoming};
  if (swapped.Result(vote) != result) {
    out += Join(Name(swapped.Result(vote)), " <-- via symmetry\n");
  }
  return out + Join(Name(result), "\n");
}

Outcome HandleQuorum(const Directive& d) {
  if (d.command != "committed" && d.command != "vote") {
    return {"", "unknown command: " + d.command};
  }
  QuorumCase q;
  if (const std::optional<std::string> error = ParseQuorumCase(d, &q)) return {"", *error};
  if (q.values.size() != q.order.size()) {
    std::string out = "error: mismatched input (explicit or _) for voters map[";
    const IdSet all = q.config.Union();
    for (const NodeId id : all) {
      out += Join(id == *all.begin() ? "" : " ", Decimal{id}, ":{}");
    }
    out += "]: [";
    for (size_t i = 0; i < q.values.size(); ++i) {
      out += Join(i == 0 ? "" : " ", q.values[i].value_or(0));
    }
    return {out + "]", std::nullopt};
  }
  return {d.command == "committed" ? RunCommitted(q) : RunVote(q), std::nullopt};
}

}  // namespace

Handler HandlerFor(const std::vector<Directive>& directives) {
  const auto speaks = [&directives](std::initializer_list<std::string_view> commands) {
    for (const Directive& d : directives) {
      for (const std::string_view command : commands) {
        if (d.command == command) return true;
      }
    }
    return false;
  };
  if (speaks({"committed", "vote"})) return HandleQuorum;
  if (speaks({"simple", "enter-joint", "leave-joint"})) {
    auto env = std::make_shared<AlgebraEnv>();
    return [env](const Directive& d) { return env->Handle(d); };
  }
  auto env = std::make_shared<InteractionEnv>();
  return [env](const Directive& d) { return env->Handle(d); };
}

}  // namespace nokv::raft
