// Transcripts: the ones beside this file, and those of a directory given from outside.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "raft/testing_interaction.h"

namespace nokv::raft {
namespace {

std::string Contents(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream buffer;
  buffer << in.rdbuf();
  return buffer.str();
}

// How many files were run.
int RunAll(const std::filesystem::path& root) {
  int count = 0;
  for (const auto& item : std::filesystem::recursive_directory_iterator(root)) {
    if (item.path().extension() != ".txt") continue;
    const std::string text = Contents(item.path());
    const TranscriptResult result =
        RunTranscript(item.path().string(), text, HandlerFor(ParseTranscript(text).directives));
    EXPECT_EQ(result.mismatches, 0) << result.report;
    EXPECT_EQ(result.rewritten, text) << item.path() << " is not as --rewrite would write it";
    ++count;
  }
  return count;
}

TEST(Transcripts, OursRunAsTheyAreWritten) { EXPECT_GE(RunAll("src/raft/testdata"), 8); }

// NOKV_RAFT_TRANSCRIPTS names a directory with files of the reference, which are not part of this
// tree.
TEST(Transcripts, ThoseOfTheReferenceRunAsTheyAreWritten) {
  const char* const root = std::getenv("NOKV_RAFT_TRANSCRIPTS");
  if (root == nullptr) GTEST_SKIP() << "NOKV_RAFT_TRANSCRIPTS is not set";
  EXPECT_GT(RunAll(root), 0);
}

Directive Parse(std::string_view line) {
  Directive directive;
  EXPECT_TRUE(ParseDirectiveLine(line, &directive)) << line;
  return directive;
}

TEST(DirectiveLine, SplitsBareKeysAndValues) {
  const Directive d = Parse("cmd 1 key=value empty= flag");
  EXPECT_EQ(d.command, "cmd");
  ASSERT_EQ(d.arguments.size(), 4U);
  EXPECT_TRUE(d.arguments[0].values.empty());
  EXPECT_EQ(d.arguments[1].values, std::vector<std::string>{"value"});
  EXPECT_EQ(d.arguments[2].values, std::vector<std::string>{""});
  EXPECT_TRUE(d.arguments[3].values.empty());
}

TEST(DirectiveLine, TakesListsWithAndWithoutSpaces) {
  EXPECT_EQ(Parse("c a=(1, 2,3)").arguments[0].values,
            (std::vector<std::string>{"1", "2", "3"}));
  EXPECT_EQ(Parse("c a=(x (y, z), w) b").arguments[0].values,
            (std::vector<std::string>{"x (y, z)", "w"}));
  EXPECT_EQ(Parse("c a=()").arguments[0].values, std::vector<std::string>{""});
}

TEST(DirectiveLine, RefusesAnOpenList) {
  Directive d;
  EXPECT_FALSE(ParseDirectiveLine("c a=(1,2", &d));
  EXPECT_FALSE(ParseDirectiveLine("c =1", &d));
}

Outcome Echo(const Directive& d) {
  if (d.command == "fail") return {"", "cannot"};
  return {d.input, std::nullopt};
}

TEST(Transcript, JoinsContinuedLinesAndSkipsComments) {
  const ParsedTranscript parsed = ParseTranscript("# no\n\ncmd a \\\n  b\ninput\n----\ninput\n");
  ASSERT_EQ(parsed.directives.size(), 1U);
  EXPECT_EQ(parsed.directives[0].arguments.size(), 2U);
  EXPECT_EQ(parsed.directives[0].line, 3);
}

TEST(Transcript, KeepsBlankLinesBetweenDoubleDashes) {
  const std::string text = "echo\na\n\nb\n----\n----\na\n\nb\n----\n----\n\necho\nc\n----\nc\n";
  const TranscriptResult result = RunTranscript("t", text, Echo);
  EXPECT_EQ(result.mismatches, 0) << result.report;
  EXPECT_EQ(result.directives, 2);
  EXPECT_EQ(result.rewritten, text);
}

TEST(Transcript, ReportsADifferenceAndRewritesIt) {
  const TranscriptResult result = RunTranscript("t", "echo\nnew\n----\nold\n", Echo);
  EXPECT_EQ(result.mismatches, 1);
  EXPECT_NE(result.report.find("-old\n+new\n"), std::string::npos) << result.report;
  EXPECT_EQ(result.rewritten, "echo\nnew\n----\nnew\n");
}

TEST(Transcript, StopsWhereTheHarnessCannotGoOn) {
  const TranscriptResult result =
      RunTranscript("t", "fail\n----\n\necho\na\n----\nb\n", Echo);
  EXPECT_EQ(result.directives, 1);
  EXPECT_EQ(result.report, "t:1: cannot\n");
}

TEST(Transcript, SubtestsAreLabelsOnly) {
  const TranscriptResult result =
      RunTranscript("t", "subtest one\n\necho\na\n----\na\n\nsubtest end\n", Echo);
  EXPECT_EQ(result.mismatches, 0) << result.report;
  EXPECT_EQ(result.directives, 1);
}

TEST(UnifiedDiff, IsEmptyForEqualTexts) { EXPECT_EQ(UnifiedDiff("a\nb\n", "a\nb\n"), ""); }

TEST(UnifiedDiff, ShowsContextAroundAChange) {
  EXPECT_EQ(UnifiedDiff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nx\n6\n7\n8\n9\n"),
            "--- expected\n+++ actual\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n");
}

}  // namespace
}  // namespace nokv::raft
