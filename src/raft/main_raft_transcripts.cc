// raft-transcripts [--rewrite] FILE|DIR...
//
// Runs transcripts (testing_datadriven.h) against the core. Prints a unified diff for each
// directive whose output differs and exits with 1 if there was one; with --rewrite, writes the
// output there was into the files instead. Directories are searched for files; hidden files,
// editors' copies and *.md are passed over.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "raft/testing_interaction.h"

namespace {

using nokv::raft::HandlerFor;
using nokv::raft::ParseTranscript;
using nokv::raft::RunTranscript;
using nokv::raft::TranscriptResult;

bool IsTranscript(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return !name.starts_with('.') && !name.starts_with('#') && !name.ends_with('~') &&
         path.extension() != ".md";
}

// False when `argument` is neither a file nor a directory.
bool Collect(const std::string& argument, std::vector<std::filesystem::path>* files) {
  std::error_code error;
  if (!std::filesystem::is_directory(argument, error)) {
    files->emplace_back(argument);
    return std::filesystem::is_regular_file(argument, error);
  }
  std::vector<std::filesystem::path> found;
  for (const auto& item : std::filesystem::recursive_directory_iterator(argument, error)) {
    if (item.is_regular_file() && IsTranscript(item.path())) found.push_back(item.path());
  }
  std::sort(found.begin(), found.end());
  files->insert(files->end(), found.begin(), found.end());
  return !error;
}

}  // namespace

int main(int argc, char** argv) {
  bool rewrite = false;
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--rewrite") {
      rewrite = true;
    } else if (argument.starts_with('-')) {
      std::fprintf(stderr, "usage: raft-transcripts [--rewrite] FILE|DIR...\n");
      return argument == "--help" ? 0 : 2;
    } else if (!Collect(argument, &files)) {
      std::fprintf(stderr, "raft-transcripts: cannot read %s\n", argument.c_str());
      return 2;
    }
  }
  if (files.empty()) {
    std::fprintf(stderr, "raft-transcripts: no files\n");
    return 2;
  }
  int failed_files = 0;
  int directives = 0;
  int rewritten = 0;
  for (const std::filesystem::path& path : files) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream buffer;
    buffer << in.rdbuf();
    const std::string text = buffer.str();
    const TranscriptResult result =
        RunTranscript(path.string(), text, HandlerFor(ParseTranscript(text).directives));
    directives += result.directives;
    if (rewrite && result.rewritten != text) {
      std::ofstream(path, std::ios::binary | std::ios::trunc) << result.rewritten;
      ++rewritten;
    }
    if (result.mismatches == 0 || rewrite) continue;
    ++failed_files;
    std::fputs(result.report.c_str(), stdout);
  }
  std::printf("%zu files, %d directives, %d files differ", files.size(), directives, failed_files);
  if (rewrite) std::printf(", %d files rewritten", rewritten);
  std::printf("\n");
  return failed_files == 0 ? 0 : 1;
}
