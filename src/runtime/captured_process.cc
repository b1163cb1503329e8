#include "runtime/captured_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>

#include "runtime/command_line.h"
#include "runtime/unique_fd.h"

namespace tenure {
namespace {

/// How long a killed command may take to be gone before it is left to itself.
constexpr std::chrono::milliseconds kKillPatience{1000};
constexpr std::size_t kChunk = 16U * 1024U;
/// A pipe holds at most a mebibyte (pipe(7)), so this empties one; a background process that writes
/// on and on cannot keep us.
constexpr int kChunksAtTheEnd = 64;

tl::unexpected<Error> cannot_start(const char* what, int error) {
  return failure(ErrorCode::unavailable,
                 std::string("cannot start a command: ") + what + ": " + std::strerror(error),
                 "raise the limits of open files and of processes (ulimit -n, ulimit -u)");
}

/// The reading end does not block; the writing end is not one of the standard three, which the
/// child replaces one after the other.
struct OutputPipe {
  UniqueFd read;
  UniqueFd write;

  bool open() {
    std::array<int, 2> ends{-1, -1};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return false;
    read.reset(ends[0]);
    const UniqueFd low(ends[1]);
    write.reset(fcntl(low.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    return write && fcntl(read.get(), F_SETFL, O_NONBLOCK) == 0;
  }
};

/// posix_spawn(3)'s two lists of what to do between fork and exec.
class SpawnPlan {
 public:
  SpawnPlan(int output, int error) {
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    check(posix_spawn_file_actions_init(&actions_));
    check(posix_spawnattr_init(&attributes_));
    check(posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0));
    check(posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO));
    check(posix_spawn_file_actions_adddup2(&actions_, error, STDERR_FILENO));
    check(posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1));
    check(posix_spawnattr_setpgroup(&attributes_, 0));
    check(posix_spawnattr_setsigmask(&attributes_, &none));
    check(posix_spawnattr_setsigdefault(&attributes_, &all));
    check(posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  /// 0 or an errno.
  int run(const CommandLine& command, pid_t& child) const {
    if (error_ != 0) return error_;
    return posix_spawn(&child, command.path(), &actions_, &attributes_, command.arguments(),
                       command.environment());
  }

 private:
  void check(int error) {
    if (error_ == 0) error_ = error;
  }

  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
  int error_ = 0;
};

class Captured final : public CapturedProcess {
 public:
  Captured(Loop& loop, std::size_t limit, Ended ended)
      : loop_(loop), limit_(limit), ended_(std::move(ended)) {}
  ~Captured() override;

  Status launch(const CommandLine& command, Duration time_limit);

 private:
  enum class More { yes, not_now, never };

  Status spawn(const CommandLine& command);
  Status watch(Duration time_limit);
  More read_output();
  More read_error();
  void on_output();
  void on_error();
  void on_exit();
  void close(UniqueFd& fd);
  void kill_group() const;
  void kill_and_wait_for_it();
  void out_of_time();
  void stop_watching();
  void reap();
  void finish();

  Loop& loop_;
  const std::size_t limit_;
  Ended ended_;
  pid_t child_ = 0;  // 0 when it is reaped
  UniqueFd child_fd_;
  UniqueFd output_;
  UniqueFd error_;
  Loop::TimerId timer_ = 0;
  Outcome outcome_;
};

Status Captured::launch(const CommandLine& command, Duration time_limit) {
  if (Status spawned = spawn(command); !spawned) return spawned;
  return watch(time_limit);
}

Status Captured::spawn(const CommandLine& command) {
  OutputPipe output;
  OutputPipe error;
  if (!output.open() || !error.open()) return cannot_start("no pipe", errno);
  pid_t child = 0;
  const int failed = SpawnPlan(output.write.get(), error.write.get()).run(command, child);
  if (failed == EAGAIN || failed == ENOMEM) return cannot_start("no process", failed);
  if (failed != 0) return command.exec_failure(failed);
  child_ = child;
  output_ = std::move(output.read);
  error_ = std::move(error.read);
  child_fd_.reset(static_cast<int>(syscall(SYS_pidfd_open, child_, 0U)));
  if (!child_fd_) return cannot_start("pidfd_open", errno);
  return {};
}

Status Captured::watch(Duration time_limit) {
  Status watched = loop_.watch_readable(output_.get(), [this] { on_output(); });
  if (watched) watched = loop_.watch_readable(error_.get(), [this] { on_error(); });
  if (watched) watched = loop_.watch_readable(child_fd_.get(), [this] { on_exit(); });
  timer_ = loop_.at(loop_.now().mono + time_limit, [this] { out_of_time(); });
  return watched;
}

Captured::More Captured::read_output() {
  std::array<char, kChunk> chunk;
  const ssize_t count = read(output_.get(), chunk.data(), chunk.size());
  if (count < 0) return errno == EAGAIN || errno == EINTR ? More::not_now : More::never;
  if (count == 0) return More::never;
  const std::size_t room = limit_ - outcome_.output.size();
  const auto size = static_cast<std::size_t>(count);
  outcome_.output.append(chunk.data(), std::min(size, room));
  if (size <= room) return More::yes;
  outcome_.output_too_large = true;
  return More::never;
}

Captured::More Captured::read_error() {
  std::array<char, kChunk> chunk;
  const ssize_t count = read(error_.get(), chunk.data(), chunk.size());
  if (count < 0) return errno == EAGAIN || errno == EINTR ? More::not_now : More::never;
  if (count == 0) return More::never;
  std::string& tail = outcome_.error_tail;
  tail.append(chunk.data(), static_cast<std::size_t>(count));
  if (tail.size() > kErrorTail) tail.erase(0, tail.size() - kErrorTail);
  return More::yes;
}

void Captured::on_output() {
  if (read_output() != More::never) return;
  if (outcome_.output_too_large) kill_and_wait_for_it();  // before it can meet a closed pipe
  close(output_);
}

void Captured::on_error() {
  if (read_error() == More::never) close(error_);
}

void Captured::on_exit() {
  for (int i = 0; output_ && i < kChunksAtTheEnd && read_output() == More::yes; ++i) {
  }
  for (int i = 0; error_ && i < kChunksAtTheEnd && read_error() == More::yes; ++i) {
  }
  finish();
}

void Captured::close(UniqueFd& fd) {
  loop_.unwatch(fd.get());
  fd.reset();
}

void Captured::kill_group() const {
  if (child_ > 0) ::kill(-child_, SIGKILL);
}

void Captured::kill_and_wait_for_it() {
  kill_group();
  loop_.cancel(timer_);
  timer_ = loop_.at(loop_.now().mono + kKillPatience, [this] { finish(); });
}

void Captured::out_of_time() {
  outcome_.exit.killed_at_deadline = true;
  kill_and_wait_for_it();
}

void Captured::stop_watching() {
  loop_.cancel(timer_);
  for (UniqueFd* fd : {&output_, &error_}) {
    if (*fd) close(*fd);
  }
  if (child_fd_) loop_.unwatch(child_fd_.get());
}

/// Leaves child_ as it is while the command is alive.
void Captured::reap() {
  int status = 0;
  const pid_t reaped = waitpid(child_, &status, WNOHANG);
  if (reaped == 0) return;
  child_ = 0;
  if (reaped < 0) {
    outcome_.exit.code = 255;
  } else if (WIFSIGNALED(status)) {
    outcome_.exit.signal = WTERMSIG(status);
  } else {
    outcome_.exit.code = WEXITSTATUS(status);
  }
}

void Captured::finish() {
  stop_watching();
  reap();
  const Ended ended = std::move(ended_);
  ended(std::move(outcome_));  // may destroy us
}

Captured::~Captured() {
  stop_watching();
  if (child_ <= 0) return;
  kill_group();
  pollfd gone{child_fd_.get(), POLLIN, 0};
  while (poll(&gone, 1, static_cast<int>(kKillPatience.count())) < 0 && errno == EINTR) {
  }
  reap();
}

}  // namespace

Result<std::unique_ptr<CapturedProcess>> CapturedProcess::start(Loop& loop, const Options& options,
                                                                Ended ended) {
  const auto command = CommandLine::create(options.argv, options.environment);
  if (!command) return tl::unexpected(command.error());
  auto process = std::make_unique<Captured>(loop, options.output_limit, std::move(ended));
  if (Status launched = process->launch(*command, options.time_limit); !launched)
    return tl::unexpected(launched.error());
  return std::unique_ptr<CapturedProcess>(std::move(process));
}

}  // namespace tenure
