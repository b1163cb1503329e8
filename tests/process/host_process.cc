#include "host_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <iterator>
#include <sstream>

#include "runtime/children.h"
#include "runtime/clock.h"

namespace tenure {
namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
  UniqueFd read;
  UniqueFd write;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (auto& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

pid_t first_child(pid_t parent) {
  const std::vector<pid_t> children = children_of(parent);
  return children.empty() ? 0 : children.front();
}

/// The letter that ps(1) shows; 0 if there is no such process.
char state_of(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  const std::string text(std::istreambuf_iterator<char>(stat), {});
  const std::size_t name_end = text.rfind(") ");
  return name_end == std::string::npos ? char{0} : text[name_end + 2];
}

std::string milliseconds_of(Duration d) {
  return std::to_string(d / std::chrono::milliseconds(1));
}

}  // namespace

bool Lines::fill() {
  pollfd wait{fd_.get(), POLLIN, 0};
  if (poll(&wait, 1, static_cast<int>(kPatience / std::chrono::milliseconds(1))) <= 0) return false;
  std::array<char, 512> bytes{};
  const ssize_t size = read(fd_.get(), bytes.data(), bytes.size());
  ended_ = size <= 0;
  if (size > 0) text_.append(bytes.data(), static_cast<std::size_t>(size));
  return true;
}

std::optional<std::string> Lines::next() {
  for (;;) {
    const std::size_t end = text_.find('\n');
    if (end != std::string::npos) {
      std::string line = text_.substr(0, end);
      text_.erase(0, end + 1);
      return line;
    }
    if (ended_) return std::nullopt;
    if (!fill()) {
      ADD_FAILURE() << "waited in vain for a line";
      return std::nullopt;
    }
  }
}

Instant Lines::wait_for_end(const char* of_what) {
  while (!ended_) {
    if (!fill()) {
      ADD_FAILURE() << "waited in vain for the end of " << of_what;
      break;
    }
  }
  return boot_now();
}

HostProcess::HostProcess(Duration deadline, Duration term_grace, std::vector<std::string> command,
                         const char* terminal) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);  // what whoever runs the tests has left open
  Pipe orders;
  Pipe output;
  Pipe report;
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  if (terminal != nullptr) {
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, terminal, O_RDWR, 0);
  } else {
    posix_spawn_file_actions_adddup2(&files, orders.read.get(), STDIN_FILENO);
  }
  posix_spawn_file_actions_adddup2(&files, output.write.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, report.write.get(), STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  const int own = terminal != nullptr ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP;
  posix_spawnattr_setflags(&attributes, static_cast<short>(own));

  std::vector<std::string> argv = {HOST_PROGRAM, milliseconds_of(deadline),
                                   milliseconds_of(term_grace)};
  argv.insert(argv.end(), command.begin(), command.end());
  EXPECT_EQ(posix_spawn(&host_, HOST_PROGRAM, &files, &attributes, pointers(argv).data(), environ),
            0);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  orders_ = std::move(orders.write);
  output_ = Lines(std::move(output.read));
  report_ = Lines(std::move(report.read));
}

bool HostProcess::started() {
  while (const auto line = report_.next()) {
    std::istringstream words(*line);
    std::string word;
    std::int64_t number = 0;
    words >> word >> number;
    if (word == "deadline") deadline_ = Instant::from_ns(number);
    if (word == "error") error_ = static_cast<int>(number);
    if (word != "started") continue;
    command_ = static_cast<pid_t>(number);
    outer_ = first_child(host_);
    inner_ = outer_ > 0 ? first_child(outer_) : 0;
    return true;
  }
  return false;
}

void HostProcess::wait_ready(int processes) {
  for (; processes > 0; --processes) {
    if (!output_.next()) ADD_FAILURE() << "the command ended before it was ready";
  }
}

void HostProcess::order(char letter) {
  EXPECT_EQ(write(orders_.get(), &letter, 1), 1);
}

ProcessExit HostProcess::ended() {
  while (const auto line = report_.next()) {
    std::istringstream words(*line);
    std::string word;
    ProcessExit exit;
    if (words >> word >> exit.code >> exit.signal >> exit.killed_at_deadline && word == "ended")
      return exit;
  }
  ADD_FAILURE() << "the host never reported the command's end";
  return {};
}

std::vector<pid_t> HostProcess::survivors() {
  // Not a running one: SIGCONT would take away the SIGSTOP with which a leak checker attaches.
  if (state_of(host_) == 'T') kill(host_, SIGCONT);
  host_ = 0;
  const Instant limit = boot_now() + kPatience;
  while (boot_now() < limit) {
    const pid_t dead = waitpid(-1, nullptr, WNOHANG);
    if (dead < 0 && errno == ECHILD) return {};
    if (dead == 0) poll(nullptr, 0, 1);  // there is no descriptor to wait for any child
  }
  std::vector<pid_t> left;
  for_each_child(
      [](pid_t child, void* list) { static_cast<std::vector<pid_t>*>(list)->push_back(child); },
      &left);
  for (const pid_t child : left) kill(child, SIGKILL);
  return left;
}

HostProcess::~HostProcess() {
  if (host_ == 0) return;  // the test has asked
  kill(host_, SIGKILL);
  EXPECT_EQ(survivors(), std::vector<pid_t>{});
}

std::vector<pid_t> children_of(pid_t parent) {
  const std::string pid = std::to_string(parent);
  std::ifstream list("/proc/" + pid + "/task/" + pid + "/children");
  return {std::istream_iterator<pid_t>(list), {}};
}

std::vector<pid_t> running_descendants(pid_t ancestor) {
  std::vector<pid_t> found;
  for (const pid_t child : children_of(ancestor)) {
    const char state = state_of(child);
    if (state != 0 && state != 'Z') found.push_back(child);
    const std::vector<pid_t> further = running_descendants(child);
    found.insert(found.end(), further.begin(), further.end());
  }
  return found;
}

}  // namespace tenure
