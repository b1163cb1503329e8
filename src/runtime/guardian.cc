#include "runtime/guardian.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "runtime/children.h"
#include "runtime/clock.h"
#include "runtime/timer_fd.h"

namespace tenure {
namespace {

constexpr int kLookAgainMilliseconds = 10;

[[noreturn]] void give_up(const GuardianPlan& plan, GuardianError::Step step) {
  const GuardianError failed{step, errno};
  [[maybe_unused]] const auto written = write(plan.exec_error, &failed, sizeof failed);
  _exit(127);
}

void block_all_signals() {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
}

void close_between(unsigned first, unsigned last) {
  if (close_range(first, last, 0) == 0) return;
  // Before Linux 5.9. Few processes have more descriptors than that.
  for (unsigned fd = first; fd <= std::min(last, 65535U); ++fd) close(static_cast<int>(fd));
}

/// A guardian must hold nothing of ours: neither locked files, nor the standard output that
/// somebody waits to see closed.
void close_all_but(std::array<int, 3> kept) {
  std::sort(kept.begin(), kept.end());
  unsigned from = 0;
  for (const int fd : kept) {
    const auto number = static_cast<unsigned>(fd);
    if (number > from) close_between(from, number - 1);
    from = number + 1;
  }
  close_between(from, ~0U);
}

/// The command's side of the fork.
[[noreturn]] void become_command(const GuardianPlan& plan, pid_t guardian) {
  plan.state->command = getpid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != guardian) _exit(127);  // it died before the line above
  setpgid(0, 0);
  // All signals are still blocked, so SIGTTOU cannot stop us here.
  if (plan.terminal >= 0 && tcsetpgrp(plan.terminal, getpid()) == 0) std::signal(SIGTSTP, SIG_IGN);
  std::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execve(plan.path, plan.arguments, plan.environment);
  if (errno == ENOEXEC) execve(plan.shell_arguments[0], plan.shell_arguments, plan.environment);
  give_up(plan, GuardianError::exec);
}

/// One guardian. The outer and the inner differ in whom they guard: the inner guardian, or the
/// command.
class Guardian {
 public:
  enum class Kind { outer, inner };
  Guardian(const GuardianPlan& plan, Kind kind, pid_t parent)
      : plan_(plan), kind_(kind), parent_(parent) {}

  [[noreturn]] void run() {
    prepare();
    fork_child();
    close_all_but({plan_.timer, plan_.life, plan_.report});
    watch_children();
    while (wait_for_the_end()) {
    }
    end_everything();
    [[maybe_unused]] const auto written = write(plan_.report, "", 1);
    _exit(0);
  }

 private:
  void prepare();
  void fork_child();
  void watch_children();
  void take_child_event();
  bool wait_for_the_end();
  void reap(bool all);
  void on_owner_gone();
  bool deadline_passed();
  void end_everything();

  const GuardianPlan& plan_;
  const Kind kind_;
  const pid_t parent_;
  pid_t child_ = 0;
  bool child_ended_ = false;
  bool none_left_ = false;
  bool owner_gone_ = false;
  int child_event_ = -1;
};

void Guardian::prepare() {
  block_all_signals();
  std::signal(SIGCHLD, SIG_DFL);
  prctl(PR_SET_NAME, "tenure-guardian");
  // A signal to a process group must not reach both of us, nor us together with our owner.
  setpgid(0, 0);
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) give_up(plan_, GuardianError::guardian);
}

void Guardian::fork_child() {
  const pid_t self = getpid();
  child_ = fork();
  if (child_ < 0) give_up(plan_, GuardianError::fork);
  if (child_ > 0) return;
  if (kind_ == Kind::inner) become_command(plan_, self);
  Guardian(plan_, Kind::inner, self).run();
}

void Guardian::watch_children() {
  sigset_t child_signal;
  sigemptyset(&child_signal);
  sigaddset(&child_signal, SIGCHLD);
  child_event_ = signalfd(-1, &child_signal, SFD_NONBLOCK | SFD_CLOEXEC);
  // The outer guardian's death, too, arrives as SIGCHLD; see the check of getppid().
  if (kind_ == Kind::inner) prctl(PR_SET_PDEATHSIG, SIGCHLD);
}

void Guardian::take_child_event() {
  signalfd_siginfo ignored;
  [[maybe_unused]] const auto size = read(child_event_, &ignored, sizeof ignored);
}

/// Sleeps once; false when everything is to end.
bool Guardian::wait_for_the_end() {
  if (kind_ == Kind::inner && getppid() != parent_) return false;
  reap(false);
  if (child_ended_) return false;
  std::array<pollfd, 3> waits{{{plan_.timer, POLLIN, 0},
                               {child_event_, POLLIN, 0},
                               {owner_gone_ ? -1 : plan_.life, POLLIN, 0}}};
  if (poll(waits.data(), waits.size(), -1) < 0) return true;
  if (waits[1].revents != 0) take_child_event();
  if (waits[2].revents != 0) on_owner_gone();
  return waits[0].revents == 0 || !deadline_passed();
}

/// Reaps dead children, orphans included. The own child stays a zombie, and its pid ours, unless
/// `all`.
void Guardian::reap(bool all) {
  for (;;) {
    siginfo_t dead{};
    if (waitid(P_ALL, 0, &dead, WEXITED | WNOHANG | WNOWAIT) != 0) {
      none_left_ = errno == ECHILD;
      return;
    }
    if (dead.si_pid == 0) return;
    if (dead.si_pid == plan_.state->command) {
      const bool exited = dead.si_code == CLD_EXITED;
      plan_.state->status = exited ? W_EXITCODE(dead.si_status, 0) : W_EXITCODE(0, dead.si_status);
    }
    child_ended_ = child_ended_ || dead.si_pid == child_;
    if (child_ended_ && !all) return;
    waitpid(dead.si_pid, nullptr, 0);
  }
}

void Guardian::on_owner_gone() {
  owner_gone_ = true;
  if (kind_ == Kind::inner) {
    ::kill(-child_, SIGTERM);
    ::kill(-child_, SIGCONT);
  }
  const Instant latest = boot_now() + plan_.term_grace;
  if (latest >= plan_.state->hard_deadline) return;
  plan_.state->hard_deadline = latest;
  set_timer(plan_.timer, latest);
}

bool Guardian::deadline_passed() {
  const Instant deadline = plan_.state->hard_deadline;
  if (boot_now() < deadline) {
    set_timer(plan_.timer, deadline);
    return false;
  }
  if (plan_.state->status == GuardianState::kRunning) plan_.state->killed_at_deadline = true;
  return true;
}

/// Kills children until there are none. Killing ours is enough: the children of each killed one
/// become ours.
void Guardian::end_everything() {
  // The group at once, against a command that forks faster than we read /proc.
  if (kind_ == Kind::inner) ::kill(-child_, SIGKILL);
  for (;;) {
    for_each_child([](pid_t child, void*) { ::kill(child, SIGKILL); }, nullptr);
    reap(true);
    if (none_left_) return;
    pollfd wait{child_event_, POLLIN, 0};
    // Not for ever: a new child may have come after we looked, without a signal.
    if (poll(&wait, 1, kLookAgainMilliseconds) > 0) take_child_event();
  }
}

}  // namespace

void run_guardians(const GuardianPlan& plan) {
  close(plan.our_life);
  Guardian(plan, Guardian::Kind::outer, 0).run();
}

}  // namespace tenure
