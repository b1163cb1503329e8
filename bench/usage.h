// What this process has used.
#pragma once

#include <sys/resource.h>

#include <chrono>
#include <cstddef>
#include <fstream>

#include "tenure/time.h"

namespace tenure {

/// Processor time of all its threads.
inline Duration cpu_of_process() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return std::chrono::seconds(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         std::chrono::microseconds(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

inline std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

}  // namespace tenure
