#include "run_program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "pidfd.h"
#include "runtime/clock.h"
#include "runtime/unique_fd.h"
#include "spawn_setup.h"

namespace tenure::test {
namespace {

constexpr std::size_t kLargestOutput = 16U << 20U;

// Files in memory instead of pipes: nobody has to read while the program runs.
UniqueFd memory_file(const std::string& content) {
  UniqueFd file(memfd_create("tenure-test", MFD_CLOEXEC));
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t n =
        pwrite(file.get(), content.data() + done, content.size() - done, static_cast<off_t>(done));
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  return file;
}

std::string content_of(int file) {
  std::string text;
  std::array<char, 65536> buffer;
  while (text.size() < kLargestOutput) {
    const ssize_t n = pread(file, buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
    if (n <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return text;
}

bool ends_within(pid_t pid, Duration patience) {
  const UniqueFd handle = open_process(pid);
  const Instant end = boot_now() + patience;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - boot_now()).count();
    if (left <= 0) return false;
    pollfd wait{handle.get(), POLLIN, 0};
    if (poll(&wait, 1, static_cast<int>(left)) > 0) return true;
  }
}

}  // namespace

ProgramResult run_program(const ProgramRun& run) {
  ProgramResult result;
  const UniqueFd input = memory_file(run.input);
  const UniqueFd output = memory_file("");
  const UniqueFd errors = memory_file("");
  SpawnSetup setup;
  posix_spawn_file_actions_adddup2(setup.files(), input.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(setup.files(), output.get(), STDOUT_FILENO);
  if (!run.show_errors)
    posix_spawn_file_actions_adddup2(setup.files(), errors.get(), STDERR_FILENO);
  const Result<pid_t> pid = setup.spawn(run.argv, run.environment);
  if (!pid) {
    result.errors = pid.error().to_string();
    return result;
  }
  const bool ended = ends_within(*pid, run.patience);
  if (!ended) kill(*pid, SIGKILL);
  int status = 0;
  while (waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
  }
  result.output = content_of(output.get());
  result.errors = content_of(errors.get());
  if (ended) {
    result.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  } else {
    result.errors += "\nkilled: waited in vain for the end of " + run.argv.front();
  }
  return result;
}

}  // namespace tenure::test
