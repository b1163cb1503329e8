// victim MODE [ARGUMENT]: a command for GuardedProcess to run, with the bad manners of commands.
//
// Each of its processes writes a line to standard output when it is ready, and keeps that open, so
// that the reader sees the end of file when all are gone. Single-threaded; every process ends by
// itself after a minute.
#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

void say(const std::string& line) {
  const std::string text = line + "\n";
  if (write(STDOUT_FILENO, text.data(), text.size()) < 0) _exit(3);
}

void ignore_what_can_be_ignored() {
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) std::signal(number, SIG_IGN);
}

[[noreturn]] void wait_for_ever() {
  alarm(60);
  for (;;) pause();
}

[[noreturn]] void stay(const char* name) {
  say(name);
  wait_for_ever();
}

void start_child(const char* name) {
  if (fork() != 0) return;
  ignore_what_can_be_ignored();
  stay(name);
}

void start_daemon() {
  const pid_t between = fork();
  if (between != 0) {
    waitpid(between, nullptr, 0);
    return;
  }
  setsid();
  start_child("daemon");
  _exit(0);
}

/// A process that is always another one: each forks the next, in a session of its own, and exits.
[[noreturn]] void run_from_pid_to_pid() {
  say("hydra");
  for (int i = 0; i < 200'000; ++i) {
    const pid_t next = fork();
    if (next != 0) _exit(next < 0 ? 1 : 0);
    setsid();
  }
  _exit(0);
}

void show_status(const std::string& wanted) {
  FILE* status = std::fopen("/proc/self/status", "re");
  char line[256];
  while (status != nullptr && std::fgets(line, sizeof line, status) != nullptr) {
    const std::string text(line);
    if (text.rfind(wanted, 0) == 0) say(text.substr(0, text.size() - 1));
  }
  if (status != nullptr) std::fclose(status);
}

void show_descriptors() {
  DIR* folder = opendir("/proc/self/fd");
  std::string found = "fds";
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] != '.' && std::atoi(entry->d_name) != dirfd(folder))
      found += std::string(" ") + entry->d_name;
  }
  closedir(folder);
  say(found);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  const std::string argument = argc > 2 ? argv[2] : "";
  if (mode == "plain") stay("command");
  if (mode == "stubborn") {
    ignore_what_can_be_ignored();
    stay("command");
  }
  if (mode == "parent") {
    start_child("grandchild");
    stay("command");
  }
  if (mode == "daemon") {
    start_daemon();
    stay("command");
  }
  if (mode == "daemonise") {  // what init scripts start
    start_daemon();
    return 0;
  }
  if (mode == "hydra") {
    if (fork() == 0) run_from_pid_to_pid();
    stay("command");
  }
  if (mode == "exit") return std::atoi(argument.c_str());
  if (mode == "raise") return std::raise(std::atoi(argument.c_str()));
  if (mode == "on-term") {
    std::signal(SIGTERM, [](int) { _exit(7); });
    stay("command");
  }
  if (mode == "env") {
    const char* value = std::getenv(argument.c_str());
    say(value != nullptr ? value : "(unset)");
    return 0;
  }
  if (mode == "status") {
    show_status(argument);
    return 0;
  }
  if (mode == "descriptors") {
    show_descriptors();
    return 0;
  }
  if (mode == "foreground") {
    say(tcgetpgrp(STDIN_FILENO) == getpgrp() ? "foreground" : "background");
    wait_for_ever();
  }
  std::fprintf(stderr, "victim: unknown mode \"%s\"\n", mode.c_str());
  return 2;
}
