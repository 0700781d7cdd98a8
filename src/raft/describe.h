#pragma once

// The printed forms of the core: the only place that turns its values into text.
//
// The forms are those of the reference implementation, byte for byte, because transcripts compare
// them. Ids print in hexadecimal, except where a Decimal says otherwise.
//
// Threading: pure functions.

#include <string>
#include <string_view>

#include "raft/log.h"
#include "raft/raw_node.h"
#include "raft/tracker.h"
#include "raft/types.h"

namespace nokv::raft {

std::string_view Name(Role role);
std::string_view Name(MessageType type);
std::string_view Name(EntryType type);
std::string_view Name(ProgressState state);
std::string_view Name(VoteResult result);
std::string_view Name(StepResult result);

// "\"text\"", with the escapes of Go's %q.
std::string Quote(Slice bytes);

std::string Describe(const IdSet& ids);             // (1 2 3)
std::string Describe(const JointConfig& voters);    // (1 2)&&(3)
std::string Describe(const Configuration& config);  // voters=(1 2)&&(3) learners=(4) autoleave
std::string Describe(const Progress& progress);
std::string Describe(const ProgressMap& map);       // one line each
std::string Describe(const ConfState& state);
// "voters:1 voters:2 auto_leave:false", field by field.
std::string DescribeFields(const ConfState& state);
std::string Describe(const HardState& state);
std::string Describe(const SoftState& state);
std::string Describe(const Snapshot& snapshot);
std::string Describe(const RaftLog& log);
std::string Describe(const Entry& entry);
std::string DescribeLines(std::span<const Entry> entries);  // one line each
std::string Describe(const Message& message, std::string_view indent = "");
// "transition:... changes:{...}".
std::string Describe(const ConfChange& change);
// "v1 l2 r3", the form the transcripts use for input as well.
std::string DescribeOperations(std::span<const ConfChangeSingle> changes);

// The append and apply work of an asynchronous Ready, in the form of the messages that the
// reference sends to its storage queues.
std::string Describe(const AppendTask& task, NodeId self, std::string_view indent,
                     bool with_responses);
std::string Describe(const ApplyTask& task, NodeId self, std::string_view indent,
                     bool with_response);
// The answer of the apply queue, which is a message in transcripts only.
Message ApplyResponse(const ApplyTask& task, NodeId self);
std::string Describe(const Ready& ready, NodeId self, bool async_storage_writes);

// A picture of who has acknowledged what. `acked(id)` yields std::optional<Index>.
struct AckedIndex {
  NodeId id;
  std::optional<Index> index;
};
std::string DescribeQuorum(std::vector<AckedIndex> acked);
std::string DescribeIndex(Index index);  // infinity for an empty majority

}  // namespace nokv::raft
