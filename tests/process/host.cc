// host DEADLINE_MS GRACE_MS COMMAND...: runs the command in a GuardedProcess, for a test that
// freezes and kills it.
//
// Writes lines of numbers to standard error: "deadline NS", then "started PID" or "error CODE", and
// "ended CODE SIGNAL KILLED"; "foreground-lost" if the terminal did not come back. Standard output
// goes to the command alone. Obeys letters from standard input: t(erminate), k(ill), e(xtend by
// DEADLINE_MS), c (SIGINT to the command), x (destroy the GuardedProcess and exit).
// Single-threaded.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "runtime/clock.h"
#include "runtime/guarded_process.h"

namespace {

using tenure::GuardedProcess;

void say(const char* word, long long a, long long b = 0, long long c = 0) {
  const std::string line = std::string(word) + " " + std::to_string(a) + " " + std::to_string(b) +
                           " " + std::to_string(c) + "\n";
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) _exit(3);
}

GuardedProcess::Options options_from(int argc, char** argv) {
  GuardedProcess::Options options;
  options.hard_deadline = tenure::boot_now() + std::chrono::milliseconds(std::atoi(argv[1]));
  options.term_grace = std::chrono::milliseconds(std::atoi(argv[2]));
  options.environment = {{"TENURE_EPOCH", "7"}};
  options.argv.assign(argv + 3, argv + argc);
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, nullptr);

  auto loop = std::move(tenure::Loop::create().value());
  const auto options = options_from(argc, argv);
  say("deadline", options.hard_deadline.ns());
  const pid_t group_before = tcgetpgrp(STDIN_FILENO);
  auto started = GuardedProcess::start(*loop, options, [&](tenure::ProcessExit exit) {
    if (tcgetpgrp(STDIN_FILENO) != group_before) say("foreground-lost", 0);
    say("ended", exit.code, exit.signal, exit.killed_at_deadline ? 1 : 0);
    loop->stop();
  });
  if (!started) {
    say("error", static_cast<int>(started.error().code));
    return 1;
  }
  auto process = std::move(*started);
  // Last, so that nothing of ours keeps the test from seeing the end of file.
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  dup2(null, STDOUT_FILENO);
  say("started", process->pid());
  const auto extend = [&] {
    process->extend(tenure::boot_now() + std::chrono::milliseconds(std::atoi(argv[1])));
    say("extended", 0);
  };
  const auto obey = [&] {
    char order = 0;
    if (read(STDIN_FILENO, &order, 1) <= 0) return loop->unwatch(STDIN_FILENO);
    if (order == 't') process->terminate();
    if (order == 'k') process->kill();
    if (order == 'e') extend();
    if (order == 'c') process->forward(SIGINT);
    if (order == 'x') loop->stop();
  };
  if (isatty(STDIN_FILENO) == 0 && !loop->watch_readable(STDIN_FILENO, obey)) return 1;
  loop->run();
  process.reset();
  return 0;
}
