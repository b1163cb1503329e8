#include "cli/demo_cluster.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <utility>

#include "runtime/unique_fd.h"

namespace tenure::cli {
namespace {

// The parent of every process, from the fourth field of /proc/PID/stat; the second may contain
// anything, but ends with the last parenthesis.
std::vector<std::pair<pid_t, pid_t>> processes_and_parents() {
  std::vector<std::pair<pid_t, pid_t>> out;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const int pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    std::ifstream file(entry.path() / "stat");
    std::string line;
    std::getline(file, line);
    const std::size_t end = line.rfind(')');
    if (end == std::string::npos || end + 4 > line.size()) continue;
    out.emplace_back(pid, std::atoi(line.c_str() + end + 4));
  }
  return out;
}

// `root` and everything below it, parents first.
std::vector<pid_t> tree_of(pid_t root) {
  const auto all = processes_and_parents();
  std::vector<pid_t> out = {root};
  for (std::size_t i = 0; i < out.size(); ++i)
    for (const auto& [pid, parent] : all)
      if (parent == out[i]) out.push_back(pid);
  return out;
}

void signal_tree(pid_t root, int signal) {
  for (const pid_t pid : tree_of(root)) ::kill(pid, signal);
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> environment_without_ours() {
  std::vector<std::string> out;
  for (char** variable = environ; *variable != nullptr; ++variable)
    if (!std::string_view(*variable).starts_with("TENURE_")) out.emplace_back(*variable);
  return out;
}

struct SpawnPlan {
  posix_spawn_file_actions_t files{};
  posix_spawnattr_t attributes{};

  explicit SpawnPlan(const char* output) {
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    // Its own session: the terminal's Ctrl-C is for the demo, which then ends everybody in order.
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
};

bool ended_within(pid_t pid, int ms) {
  const UniqueFd handle(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  pollfd ended{.fd = handle.get(), .events = POLLIN, .revents = 0};
  return handle && poll(&ended, 1, ms) == 1;
}

}  // namespace

Result<pid_t> start_tenure(const std::vector<std::string>& arguments, const std::string& log) {
  std::vector<std::string> words = {"tenure"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables = environment_without_ours();
  const SpawnPlan plan(log.empty() ? "/dev/null" : log.c_str());
  pid_t pid = 0;
  const int error = posix_spawn(&pid, "/proc/self/exe", &plan.files, &plan.attributes,
                                pointers(words).data(), pointers(variables).data());
  if (error != 0)
    return failure(ErrorCode::unavailable,
                   fmt::format("cannot start another process: {}", std::strerror(error)));
  return pid;
}

DemoCluster::DemoCluster(DemoCluster&& other) noexcept
    : name_(std::move(other.name_)),
      arguments_(std::move(other.arguments_)),
      log_(std::move(other.log_)),
      pid_(std::exchange(other.pid_, 0)),
      frozen_(other.frozen_) {}

DemoCluster::~DemoCluster() {
  constexpr int kPatienceMs = 3000;
  if (pid_ == 0) return;
  ask_to_end();
  if (!ended_within(pid_, kPatienceMs)) signal_tree(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void DemoCluster::ask_to_end() {
  if (pid_ == 0) return;
  if (frozen_) thaw();
  ::kill(pid_, SIGTERM);
}

Status DemoCluster::start() {
  const auto pid = start_tenure(arguments_, log_);
  if (!pid) return tl::unexpected(pid.error());
  pid_ = *pid;
  frozen_ = false;
  return {};
}

void DemoCluster::kill() {
  if (pid_ == 0) return;  // kill(2) takes 0 for our own process group
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void DemoCluster::freeze() {
  if (pid_ == 0) return;
  signal_tree(pid_, SIGSTOP);
  frozen_ = true;
}

void DemoCluster::thaw_only(pid_t pid) {
  if (pid > 0) ::kill(pid, SIGCONT);
}

void DemoCluster::thaw() {
  if (pid_ == 0) return;
  signal_tree(pid_, SIGCONT);
  frozen_ = false;
}

}  // namespace tenure::cli
