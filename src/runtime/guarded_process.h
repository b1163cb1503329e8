// GuardedProcess: a command that ends by its hard deadline even when we do not see to it ourselves.
//
// The command runs below two guardians, one inside the other: we fork the outer, which forks the
// inner, which forks the command. Both sleep until the hard deadline (a shared timer on
// CLOCK_BOOTTIME) and then kill the command and all that it started. Daemons too: orphans become
// children of a guardian (PR_SET_CHILD_SUBREAPER).
//
// Guarantees:
// - Freezing (SIGSTOP) or killing (SIGKILL) any one of us, the two guardians and the command, at
//   any moment, lets no process of the command run past the hard deadline, nor leaves one behind.
// - What the command leaves running in the background when it exits is killed; then comes Ended.
// - When we die, the command gets SIGTERM at once, and SIGKILL after `term_grace` or at the hard
//   deadline, whichever is first. When a guardian dies, the command is killed at once.
// - No guardian wakes up while the deadline is extended in time.
//
// Not covered: processes that we may not kill (a set-user-id command when we are not root) and what
// the command has others start for it (a service manager, a container daemon).
//
// The command has our standard input, output and error, our working folder, a process group of its
// own, no blocked signal, and SIGPIPE at its default. If we are in the foreground of a terminal,
// the command is put there until it ends, so that Ctrl-C goes to it alone; Ctrl-Z is off then,
// because a lease cannot be suspended.
//
// Needs Linux 5.3 and /proc. May be used in a process with threads: the guardians allocate nothing.
//
// Thread safety: everything on the loop's thread.
//
//   GuardedProcess::Options options;
//   options.argv = {"backup", "--now"};
//   options.environment = {{"TENURE_EPOCH", "7"}};
//   options.hard_deadline = boot_now() + std::chrono::seconds(12);
//   auto process = GuardedProcess::start(
//       loop, options, [&](ProcessExit exit) { code = exit.shell_code(); });
//   (*process)->extend(boot_now() + std::chrono::seconds(12));  // at each renewal
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/loop.h"
#include "tenure/result.h"
#include "tenure/time.h"

namespace tenure {

/// How the command ended: with an exit code, or by a signal when `signal` is not 0.
struct ProcessExit {
  int code = 0;
  int signal = 0;
  /// It was still running at the hard deadline, or at kill().
  bool killed_at_deadline = false;

  /// What a shell would report: the code, or 128 + the signal.
  [[nodiscard]] int shell_code() const { return signal != 0 ? 128 + signal : code; }
};

class GuardedProcess {
 public:
  struct Options {
    std::vector<std::string> argv;  ///< argv[0] is looked up in PATH
    std::vector<std::pair<std::string, std::string>>
        environment{};  ///< added to ours, or replaces it
    Instant hard_deadline{};
    Duration term_grace = std::chrono::seconds(5);  ///< from SIGTERM to SIGKILL when we die
  };
  /// On the loop's thread, once, never from inside start(). May destroy the GuardedProcess.
  using Ended = std::function<void(ProcessExit)>;

  /// Returns when the command has been executed. Errors: not_found and permission_denied (the
  /// command; a shell would exit with 127 and 126), unavailable (out of processes or descriptors),
  /// unsupported (no /proc).
  static Result<std::unique_ptr<GuardedProcess>> start(Loop& loop, const Options& options,
                                                       Ended ended);

  /// Moves the hard deadline. Costs one system call and wakes nobody.
  virtual void extend(Instant hard_deadline) = 0;
  /// SIGTERM to the command's group, and SIGCONT so that a stopped one hears it.
  virtual void terminate() = 0;
  /// Any other signal to the command's group.
  virtual void forward(int signal) = 0;
  /// The hard deadline is now: SIGKILL to everything. Ended follows.
  virtual void kill() = 0;

  /// The command's process and process group; for messages.
  [[nodiscard]] virtual int pid() const = 0;

  /// Kills what is left, without calling Ended. Waits for that, a second at the most.
  virtual ~GuardedProcess() = default;
};

}  // namespace tenure
