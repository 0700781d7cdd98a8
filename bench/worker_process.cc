#include "worker_process.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace nokv::bench {
namespace {

std::string Reason() { return std::strerror(errno); }

// Between fork and exec: only what is safe there.
[[noreturn]] void Become(char* const* arguments, int output, const MemoryGroup* group) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (group != nullptr && !group->Enter()) _exit(126);
  dup2(output, STDOUT_FILENO);
  execv(arguments[0], arguments);
  _exit(127);
}

Status HowItEnded(int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    return Status::Aborted("killed by signal " + std::to_string(signal) +
                           (signal == SIGKILL ? " (beyond its limit of memory?)" : ""));
  }
  switch (WEXITSTATUS(status)) {
    case 0: return {};
    case 126: return Status::NotSupported("the worker could not enter its control group");
    case 127: return Status::NotFound("the worker's program could not be started");
    default: return Status::Aborted("ended with status " + std::to_string(WEXITSTATUS(status)));
  }
}

}  // namespace

Status RunProcess(const std::vector<std::string>& command, const MemoryGroup* group,
                  const std::function<void(std::string_view)>& line) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  std::array<int, 2> ends = {};
  if (pipe(ends.data()) != 0) return Status::IOError("no pipe: " + Reason());
  const pid_t child = fork();
  if (child < 0) return Status::IOError("no process: " + Reason());
  if (child == 0) Become(arguments.data(), ends[1], group);
  close(ends[1]);

  std::string pending;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t got = read(ends[0], buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    pending.append(buffer.data(), static_cast<size_t>(got));
    size_t end;
    while ((end = pending.find('\n')) != std::string::npos) {
      line(std::string_view(pending).substr(0, end));
      pending.erase(0, end + 1);
    }
  }
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return HowItEnded(status);
}

}  // namespace nokv::bench
