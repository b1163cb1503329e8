#include "spawn_setup.h"

#include <unistd.h>

#include <csignal>
#include <cstring>

namespace tenure::test {
namespace {

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

SpawnSetup::SpawnSetup() {
  posix_spawn_file_actions_init(&files_);
  posix_spawnattr_init(&attributes_);
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes_, &all);
  posix_spawnattr_setsigmask(&attributes_, &none);
  posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
}

SpawnSetup::~SpawnSetup() {
  posix_spawn_file_actions_destroy(&files_);
  posix_spawnattr_destroy(&attributes_);
}

Result<pid_t> SpawnSetup::spawn(std::vector<std::string> argv,
                                std::vector<std::string> environment) {
  posix_spawn_file_actions_addclosefrom_np(&files_, STDERR_FILENO + 1);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, argv.front().c_str(), &files_, &attributes_,
                                pointers(argv).data(), pointers(environment).data());
  if (error == 0) return pid;
  return failure(ErrorCode::unavailable, "cannot start " + argv.front() + ": " + strerror(error),
                 "build the target that makes it");
}

}  // namespace tenure::test
