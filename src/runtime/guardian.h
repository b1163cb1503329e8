// The two guardians of a GuardedProcess: what runs between our fork and the command's exec.
//
// Everything here runs in a forked child of a process that may have threads, hence only
// async-signal-safe calls: no allocation, no locks, no exceptions. What it needs is prepared
// before.
#pragma once

#include <sys/types.h>

#include <atomic>

#include "tenure/time.h"

namespace tenure {

/// Shared memory of the process that wants the command, both guardians, and nobody else.
struct GuardianState {
  /// Stored before the timer is set: whoever is stopped in between leaves a timer that fires too
  /// early, and a guardian that finds the deadline moved sets it again.
  std::atomic<Instant> hard_deadline;
  std::atomic<pid_t> command;
  /// The command's status as of waitpid(2), or kRunning. Stored before the command is reaped, so
  /// that whoever sees kRunning may signal the command's pid.
  std::atomic<int> status;
  std::atomic<bool> killed_at_deadline;

  static constexpr int kRunning = -1;
};
static_assert(std::atomic<Instant>::is_always_lock_free);

/// All descriptors but the terminal are close-on-exec.
struct GuardianPlan {
  GuardianState* state;
  int timer;       ///< CLOCK_BOOTTIME timerfd, shared with us, set to the hard deadline
  int life;        ///< read end; its end of file means that we are gone
  int report;      ///< write end; a byte says that the command and all its descendants are gone
  int exec_error;  ///< write end; takes a GuardianError if the command could not be started
  int our_life;    ///< our end of `life`, which the guardians must not keep open
  int terminal;    ///< whose foreground the command gets; -1: none
  Duration term_grace;
  const char* path;
  char* const* arguments;
  char* const* shell_arguments;  ///< the same for /bin/sh, for a script without a "#!" line
  char* const* environment;
};

struct GuardianError {
  enum Step : int { guardian, fork, exec } step;
  int error;
};

/// The outer guardian; call it in a freshly forked child.
[[noreturn]] void run_guardians(const GuardianPlan& plan);

}  // namespace tenure
