#include "runtime/guarded_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>

#include "runtime/children.h"
#include "runtime/clock.h"
#include "runtime/command_line.h"
#include "runtime/guardian.h"
#include "runtime/timer_fd.h"
#include "runtime/unique_fd.h"

namespace tenure {
namespace {

using std::chrono::milliseconds;

/// How long the outer guardian may take to notice that the inner is done, before it counts as
/// stuck.
constexpr Duration kGuardianPatience = milliseconds(200);
/// How long a guardian may take to clean up after the command, before the other one is sent.
constexpr Duration kCleanUpPatience = milliseconds(1000);
constexpr Duration kDestructorPatience = milliseconds(1000);

struct Unmap {
  void operator()(GuardianState* state) const { munmap(state, sizeof *state); }
};
using SharedState = std::unique_ptr<GuardianState, Unmap>;

SharedState make_state(Instant hard_deadline) {
  void* memory = mmap(nullptr, sizeof(GuardianState), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  SharedState state(new (memory) GuardianState);
  state->hard_deadline = hard_deadline;
  state->command = 0;
  state->status = GuardianState::kRunning;
  state->killed_at_deadline = false;
  return state;
}

struct Pipe {
  UniqueFd read;
  UniqueFd write;

  Pipe() {
    std::array<int, 2> ends{-1, -1};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return;
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
};

/// Keeps every signal from the calling thread, for a while.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

/// The terminal whose foreground is ours to give, or -1.
int foreground_terminal() {
  return isatty(STDIN_FILENO) == 1 && tcgetpgrp(STDIN_FILENO) == getpgrp() ? STDIN_FILENO : -1;
}

tl::unexpected<Error> no_guardian(const char* what, int error) {
  return failure(ErrorCode::unavailable,
                 std::string("cannot guard a command: ") + what + ": " + std::strerror(error),
                 "raise the limits of open files and of processes (ulimit -n, ulimit -u)");
}

bool poll_for(int fd, Duration patience) {
  pollfd wait{fd, POLLIN, 0};
  return poll(&wait, 1, static_cast<int>(patience / milliseconds(1))) > 0;
}

class Guarded final : public GuardedProcess {
 public:
  explicit Guarded(Loop& loop, Ended ended) : loop_(loop), ended_(std::move(ended)) {}
  ~Guarded() override;

  Status launch(const CommandLine& command, const Options& options);

  void extend(Instant hard_deadline) override;
  void terminate() override;
  void forward(int signal) override { signal_group(signal); }
  void kill() override;
  int pid() const override { return state_->command; }

 private:
  Status fork_guardians(GuardianPlan plan);
  Status wait_for_exec(const CommandLine& command, int exec_error);
  Status watch();
  void move_deadline(Instant when);
  void signal_group(int signal);
  void be_patient(Duration patience, Loop::Callback then);
  void on_report();
  void on_command_gone();
  void stop_watching();
  void bury_guardian();
  void finish();
  [[nodiscard]] ProcessExit exit_status() const;

  Loop& loop_;
  Ended ended_;
  SharedState state_;
  UniqueFd timer_;
  UniqueFd life_;
  UniqueFd report_;
  UniqueFd command_fd_;
  pid_t guardian_ = 0;
  int terminal_ = -1;
  Loop::TimerId patience_ = 0;
  bool killed_ = false;
  bool ended_by_itself_ = false;
};

Status Guarded::launch(const CommandLine& command, const Options& options) {
  Pipe life;
  Pipe report;
  Pipe exec_error;
  state_ = make_state(options.hard_deadline);
  timer_ = make_timer();
  if (!state_ || !timer_ || !life.write || !report.write || !exec_error.write)
    return no_guardian("no descriptors or memory", errno);
  terminal_ = foreground_terminal();
  set_timer(timer_.get(), options.hard_deadline);

  GuardianPlan plan{};
  plan.state = state_.get();
  plan.timer = timer_.get();
  plan.life = life.read.get();
  plan.report = report.write.get();
  plan.exec_error = exec_error.write.get();
  plan.our_life = life.write.get();
  plan.terminal = terminal_;
  plan.term_grace = options.term_grace;
  plan.path = command.path();
  plan.arguments = command.arguments();
  plan.shell_arguments = command.shell_arguments();
  plan.environment = command.environment();
  if (Status forked = fork_guardians(plan); !forked) return forked;
  life_ = std::move(life.write);
  report_ = std::move(report.read);
  report.write.reset();
  exec_error.write.reset();
  if (Status executed = wait_for_exec(command, exec_error.read.get()); !executed) return executed;
  return watch();
}

Status Guarded::fork_guardians(GuardianPlan plan) {
  // Our handlers must not run in the guardian, which blocks everything for itself as well.
  const SignalsBlocked blocked;
  guardian_ = fork();
  if (guardian_ < 0) return no_guardian("fork failed", errno);
  if (guardian_ == 0) run_guardians(plan);
  return {};
}

/// Blocks until the exec; if a guardian is stuck, until the hard deadline, when the other one acts.
Status Guarded::wait_for_exec(const CommandLine& command, int exec_error) {
  std::array<pollfd, 2> waits{{{exec_error, POLLIN, 0}, {timer_.get(), POLLIN, 0}}};
  while (poll(waits.data(), waits.size(), -1) < 0) {
  }
  const bool answered = waits[0].revents != 0 || poll_for(exec_error, kGuardianPatience);
  if (!answered) {  // the outer one, which has started nothing or what the inner has killed
    bury_guardian();
    return failure(ErrorCode::unavailable,
                   std::string("cannot guard ") + command.path() + ": the guardian did not start",
                   "see whether something has stopped this machine's processes");
  }
  GuardianError failed{};
  if (read(exec_error, &failed, sizeof failed) != sizeof failed) return {};
  if (failed.step != GuardianError::exec) return no_guardian("no process", failed.error);
  return command.exec_failure(failed.error);
}

Status Guarded::watch() {
  if (Status watched = loop_.watch_readable(report_.get(), [this] { on_report(); }); !watched)
    return watched;
  // Only to notice a guardian that is stuck; so it does not matter if the command is gone already.
  command_fd_.reset(static_cast<int>(syscall(SYS_pidfd_open, pid(), 0U)));
  if (!command_fd_) return {};
  return loop_.watch_readable(command_fd_.get(), [this] { on_command_gone(); });
}

void Guarded::extend(Instant hard_deadline) {
  if (!killed_) move_deadline(hard_deadline);
}

void Guarded::move_deadline(Instant when) {
  state_->hard_deadline = when;  // in this order: see GuardianState
  set_timer(timer_.get(), when);
}

void Guarded::terminate() {
  signal_group(SIGTERM);
  signal_group(SIGCONT);
}

void Guarded::signal_group(int signal) {
  if (pid() > 0 && state_->status == GuardianState::kRunning) ::kill(-pid(), signal);
}

void Guarded::kill() {
  killed_ = true;
  move_deadline(Instant::from_ns(0));
}

void Guarded::be_patient(Duration patience, Loop::Callback then) {
  loop_.cancel(patience_);
  patience_ = loop_.at(boot_now() + patience, std::move(then));
}

void Guarded::on_report() {
  char done = 0;
  if (read(report_.get(), &done, 1) == 0) return finish();  // both guardians have exited
  be_patient(kGuardianPatience, [this] { finish(); });
}

void Guarded::on_command_gone() {
  loop_.unwatch(command_fd_.get());
  command_fd_.reset();
  ended_by_itself_ = !state_->killed_at_deadline;
  be_patient(kCleanUpPatience, [this] { kill(); });
}

void Guarded::stop_watching() {
  loop_.cancel(patience_);
  if (report_) loop_.unwatch(report_.get());
  if (command_fd_) loop_.unwatch(command_fd_.get());
}

void Guarded::bury_guardian() {
  ::kill(guardian_, SIGKILL);  // it has nothing left to do, but may be frozen
  while (waitpid(guardian_, nullptr, 0) < 0 && errno == EINTR) {
  }
  guardian_ = 0;
  if (terminal_ < 0) return;
  const SignalsBlocked blocked;  // SIGTTOU: we are in the background now
  tcsetpgrp(terminal_, getpgrp());
}

void Guarded::finish() {
  stop_watching();
  bury_guardian();
  const Ended ended = std::move(ended_);
  ended(exit_status());  // may destroy us
}

ProcessExit Guarded::exit_status() const {
  ProcessExit exit;
  const int status = state_->status;
  exit.killed_at_deadline = state_->killed_at_deadline && !ended_by_itself_;
  if (status == GuardianState::kRunning) {
    exit.signal = SIGKILL;  // nobody was left to see it
  } else if (WIFSIGNALED(status)) {
    exit.signal = WTERMSIG(status);
  } else {
    exit.code = WEXITSTATUS(status);
  }
  return exit;
}

Guarded::~Guarded() {
  if (guardian_ <= 0) return;
  stop_watching();
  kill();
  bool done = false;
  char byte = 0;
  for (Duration patience = kDestructorPatience; poll_for(report_.get(), patience);
       patience = kGuardianPatience) {
    done = true;
    if (read(report_.get(), &byte, 1) == 0) break;
  }
  if (done) bury_guardian();  // otherwise they go on without us
}

}  // namespace

Result<std::unique_ptr<GuardedProcess>> GuardedProcess::start(Loop& loop, const Options& options,
                                                              Ended ended) {
  const auto command = CommandLine::create(options.argv, options.environment);
  if (!command) return tl::unexpected(command.error());
  if (!for_each_child([](pid_t, void*) {}, nullptr)) {
    return failure(ErrorCode::unsupported, "cannot guard a command: /proc cannot be read",
                   "mount /proc; without it the command's descendants cannot be found");
  }
  auto process = std::make_unique<Guarded>(loop, std::move(ended));
  if (Status launched = process->launch(*command, options); !launched)
    return tl::unexpected(launched.error());
  return std::unique_ptr<GuardedProcess>(std::move(process));
}

}  // namespace tenure
