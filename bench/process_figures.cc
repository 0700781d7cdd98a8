#include "process_figures.h"

#include <chrono>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>

#include <sys/resource.h>
#include <sys/stat.h>

namespace nokv::bench {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

double CpuSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
}

// The number after `name` in a file of lines "name: number"; 0 if it is not there.
uint64_t FieldOf(const char* file, const std::string& name) {
  std::ifstream lines(file);
  std::string word;
  while (lines >> word) {
    uint64_t number = 0;
    if (word == name && lines >> number) return number;
  }
  return 0;
}

}  // namespace

ProcessFigures ReadProcessFigures() {
  return {.cpu_seconds = CpuSeconds(),
          .device_bytes_written = FieldOf("/proc/self/io", "write_bytes:")};
}

void ResetPeakMemory() { std::ofstream("/proc/self/clear_refs") << "5"; }

uint64_t MemoryBytes() { return FieldOf("/proc/self/status", "VmRSS:") * 1024; }

uint64_t PeakMemoryBytes() { return FieldOf("/proc/self/status", "VmHWM:") * 1024; }

uint64_t DiskBytes(const std::filesystem::path& directory) {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, error)) {
    struct stat about = {};
    if (lstat(entry.path().c_str(), &about) == 0) {
      bytes += static_cast<uint64_t>(about.st_blocks) * 512;
    }
  }
  return bytes;
}

double Settle() {
  using Clock = std::chrono::steady_clock;
  constexpr double kLook = 0.25, kIdleShare = 0.05, kLongest = 60;
  const auto start = Clock::now();
  const auto elapsed = [&start] {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  int idle_looks = 0;
  while (idle_looks < 2 && elapsed() < kLongest) {
    const double cpu = CpuSeconds(), at = elapsed();
    std::this_thread::sleep_for(std::chrono::duration<double>(kLook));
    const double share = (CpuSeconds() - cpu) / (elapsed() - at);
    idle_looks = share < kIdleShare ? idle_looks + 1 : 0;
  }
  return elapsed();
}

}  // namespace nokv::bench
