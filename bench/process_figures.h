#pragma once

// What this process used, as the operating system counts it. Linux.

#include <cstdint>
#include <filesystem>

namespace nokv::bench {

struct ProcessFigures {
  double cpu_seconds = 0;
  // Bytes that this process caused to be written to a device; 0 where the system does not tell.
  uint64_t device_bytes_written = 0;
};
ProcessFigures ReadProcessFigures();

// What is resident now.
uint64_t MemoryBytes();
// The most memory that was resident since the last reset.
void ResetPeakMemory();
uint64_t PeakMemoryBytes();

// Blocks allocated to the files under a directory.
uint64_t DiskBytes(const std::filesystem::path& directory);

// Waits until this process uses less than 5 % of a processor in two quarters of a second in a row, at most 60 s.
// Returns the seconds waited.
double Settle();

}  // namespace nokv::bench
