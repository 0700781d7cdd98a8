#include "raft/testing_checker.h"

#include <algorithm>

#include "base/hash.h"
#include "raft/describe.h"
#include "raft/trace.h"

namespace nokv::raft {

namespace {

uint64_t HashOf(const Entry& entry) {
  uint64_t hash = base::Mix64(entry.term.value() * 4 + static_cast<uint64_t>(entry.type));
  for (const char c : entry.data.bytes()) hash = base::Mix64(hash ^ static_cast<unsigned char>(c));
  return hash;
}

}  // namespace

void ClusterChecker::Fail(std::string what) {
  if (violation_.empty()) violation_ = std::move(what);
}

void ClusterChecker::Leads(const RawNode& node, uint64_t incarnation, const MemoryStorage& disk) {
  const Raft& raft = node.raft();
  const std::pair<NodeId, uint64_t> winner{node.id(), incarnation};
  const auto [at, first] = winners_.try_emplace(raft.term(), winner);
  if (at->second != winner) {
    Fail(Join("(1) two election wins in term ", raft.term(), ": ", at->second.first, " and ",
              node.id()));
  }
  // (8) looks at each state of a leader; the rest concerns the win.
  const RaftLog& log = raft.log();
  int changes = 0;
  std::vector<Entry> tail;
  const Index from = std::max(applied_max() + 1, log.FirstIndex());
  if (from <= log.LastIndex()) {
    log.ReadFrom(from, kNoLimit, &tail);
    for (const Entry& entry : tail) changes += entry.type == EntryType::kNormal ? 0 : 1;
  }
  if (changes > 1) Fail(Join("(8) ", changes, " configuration changes are under way"));
  if (!first) return;
  if (disk.hard_state().term < raft.term()) {
    Fail(Join("(2) ", node.id(), " leads in term ", raft.term(), ", which is not durable"));
  }
  for (const auto& [index, term] : committed_) {
    if (index + 1 < log.FirstIndex()) continue;
    if (log.TermAt(index) != term) {
      Fail(Join("(5) leader ", node.id(), " of term ", raft.term(),
                " lacks the committed entry ", term, "/", index));
      return;
    }
  }
}

void ClusterChecker::Committed(const RawNode& node, Index seen) {
  const RaftLog& log = node.raft().log();
  for (Index i = seen + 1; i <= log.committed(); i = i + 1) {
    const std::optional<Term> term = log.TermAt(i);
    if (!term) continue;  // in a snapshot
    const auto [at, first] = committed_.try_emplace(i, *term);
    if (at->second != *term) {
      Fail(Join("(6) ", node.id(), " commits ", *term, "/", i, ", others ", at->second, "/", i));
    }
  }
}

void ClusterChecker::Written(std::span<const Entry> entries, const MemoryStorage& disk) {
  if (entries.empty()) return;
  MemoryStorage& readable = const_cast<MemoryStorage&>(disk);
  Term previous = readable.TermAt(entries.front().index - 1).value_or(Term());
  for (const Entry& entry : entries) {
    const Identity identity{HashOf(entry), previous};
    const auto [at, first] = entries_.try_emplace({entry.index, entry.term}, identity);
    if (at->second.hash != identity.hash || at->second.previous != identity.previous) {
      Fail(Join("(4) two entries ", entry.term, "/", entry.index));
    }
    previous = entry.term;
  }
}

void ClusterChecker::Sent(const Message& m, const MemoryStorage& disk) {
  const bool asks = m.type == MessageType::kVote;
  const bool votes = m.type == MessageType::kVoteResp && !m.reject;
  if (asks || votes) {
    const NodeId candidate = asks ? m.from : m.to;
    const auto [at, first] = voices_.try_emplace({m.from, m.term}, candidate);
    if (at->second != candidate) {
      Fail(Join("(3) ", m.from, " votes twice in term ", m.term, ": for ", at->second, " and ",
                candidate));
    }
    // A vote for an older term may leave without ever having been on disk, if the same write
    // carries a newer one: that is both in a row.
    const HardState& hard = disk.hard_state();
    if (votes && hard.term <= m.term && (hard.term < m.term || hard.vote != candidate)) {
      Fail(Join("(3) a vote of ", m.from, " in term ", m.term, " is not durable"));
    }
  }
  if (m.type == MessageType::kAppResp && !m.reject) {
    MemoryStorage& readable = const_cast<MemoryStorage&>(disk);
    const bool superseded = disk.hard_state().term > m.term;
    if (!superseded && readable.LastIndex() < m.index) {
      Fail(Join("(7) ", m.from, " acknowledges ", m.index, " with ", readable.LastIndex(),
                " durable"));
    }
  }
}

void ClusterChecker::Applied(NodeId node, Index before, const Entry& entry) {
  if (entry.index != before + 1) {
    Fail(Join("(6) ", node, " applies ", entry.index, " after ", before));
  }
  const uint64_t hash = HashOf(entry);
  const size_t at = entry.index.value() - 1;
  if (at >= applied_.size()) applied_.resize(at + 1);
  if (applied_[at] != 0 && applied_[at] != hash) {
    Fail(Join("(6) ", node, " applies another command at ", entry.index));
  }
  applied_[at] = hash;
}

void ClusterChecker::Installed(NodeId node, Index before, const Snapshot& snapshot) {
  if (snapshot.id.index <= before) {
    Fail(Join("(6) ", node, " installs a snapshot at ", snapshot.id.index, " over ", before));
  }
}

void ClusterChecker::WriteCompleted(uint64_t floor, Index index) {
  if (index.value() <= floor) {
    Fail(Join("(9) a write at ", index, " began after version ", floor, " was seen"));
  }
  completed_version_ = std::max(completed_version_, index);
}

void ClusterChecker::ReadCompleted(uint64_t floor, Index version) {
  if (version.value() < floor) {
    Fail(Join("(9) stale read: version ", version, ", and ", floor, " was seen before"));
  }
  completed_version_ = std::max(completed_version_, version);
}

}  // namespace nokv::raft
