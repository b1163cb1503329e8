// SpawnSetup: posix_spawn(3) of a program that inherits neither our signal mask nor our descriptors
// beyond standard error. One use each; not thread-safe, but safe beside other threads.
#pragma once

#include <spawn.h>
#include <sys/types.h>

#include <string>
#include <vector>

#include "tenure/result.h"

namespace tenure::test {

class SpawnSetup {
 public:
  SpawnSetup();
  ~SpawnSetup();
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;

  /// Where the caller says what becomes of descriptors 0, 1 and 2.
  posix_spawn_file_actions_t* files() { return &files_; }
  /// Starts argv[0], a path, with this environment and no other. The caller reaps it.
  Result<pid_t> spawn(std::vector<std::string> argv, std::vector<std::string> environment);

 private:
  posix_spawn_file_actions_t files_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace tenure::test
