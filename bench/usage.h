// What a benchmark was asked for, and what its process has used.
#pragma once

#include <sys/resource.h>

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>

#include "tenure/time.h"

namespace tenure {

struct BenchSize {
  int count;
  int seconds;
};

/// "PROGRAM [count] [seconds]"; without them `size`. Anything else ends the program with its usage.
inline BenchSize size_from(int argc, char** argv, BenchSize size) {
  int* const wanted[] = {&size.count, &size.seconds};
  for (int i = 1; i < argc; ++i) {
    const char* const end = argv[i] + std::strlen(argv[i]);
    if (i <= 2 && std::from_chars(argv[i], end, *wanted[i - 1]).ptr == end && *wanted[i - 1] > 0)
      continue;
    std::cerr << "usage: " << argv[0] << " [count] [seconds], whole numbers above 0\n";
    std::exit(2);
  }
  return size;
}

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
