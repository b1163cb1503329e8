// Runs a program to its end and collects what it prints. Not for programs that are to outlive a
// bound, nor for servers (kept_servers.h). Any thread.
#pragma once

#include <string>
#include <vector>

#include "tenure/time.h"

namespace tenure::test {

using Words = std::vector<std::string>;

struct ProgramRun {
  Words argv;         ///< argv[0] is a path
  Words environment;  ///< all of it, "NAME=value"
  std::string input{};
  Duration patience = std::chrono::seconds(60);  ///< then it is killed
  bool show_errors = false;                      ///< its standard error is ours; for long builds
};

struct ProgramResult {
  int code = -1;  ///< 128 + the signal when one ended it; -1 when it could not run or was killed
  std::string output;
  std::string errors;  ///< with our own words at the end when the code is -1
};

ProgramResult run_program(const ProgramRun& run);

}  // namespace tenure::test
