#include "kept_servers.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "pidfd.h"
#include "runtime/clock.h"
#include "spawn_setup.h"

namespace tenure::test {
namespace {

constexpr Duration kPatience = std::chrono::seconds(20);

bool readable_within(int fd, Duration patience) {
  const Instant end = boot_now() + patience;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - boot_now()).count();
    pollfd wait{fd, POLLIN, 0};
    if (poll(&wait, 1, left > 0 ? static_cast<int>(left) : 0) > 0) return true;
    if (left <= 0) return false;
  }
}

/// The letter that ps(1) shows for a thread; 0 when it is gone.
char state_of(const std::filesystem::path& thread) {
  std::ifstream stat(thread / "stat");
  const std::string text(std::istreambuf_iterator<char>(stat), {});
  const std::size_t name_end = text.rfind(") ");
  return name_end == std::string::npos ? char{0} : text[name_end + 2];
}

bool all_threads_stopped(pid_t pid) {
  std::error_code error;
  const auto threads = "/proc/" + std::to_string(pid) + "/task";
  for (std::filesystem::directory_iterator thread(threads, error), end; !error && thread != end;
       thread.increment(error)) {
    const char state = state_of(thread->path());
    if (state != 0 && state != 'T') return false;
  }
  return true;
}

Result<std::string> answer_of(int keeper) {
  std::array<char, PATH_MAX> text;
  ssize_t n = 0;
  if (readable_within(keeper, kPatience)) n = recv(keeper, text.data(), text.size(), 0);
  if (n > 0) return std::string(text.data(), static_cast<std::size_t>(n));
  return failure(ErrorCode::unavailable, "the keeper of the test servers does not answer",
                 "see whether the temporary folder can be written and processes can be started");
}

}  // namespace

bool ServerProcess::ended_within(Duration patience) const {
  return !handle_ || readable_within(handle_.get(), patience);
}

void ServerProcess::kill() const {
  if (!running()) return;
  signal_process(handle_, SIGKILL);
  (void)ended_within(kPatience);
}

void ServerProcess::stop() const {
  if (!running()) return;
  signal_process(handle_, SIGSTOP);
  const Instant end = boot_now() + kPatience;
  // Nothing tells anybody but the parent that a process has stopped.
  while (running() && !all_threads_stopped(pid_) && boot_now() < end) poll(nullptr, 0, 1);
}

void ServerProcess::resume() const {
  if (running()) signal_process(handle_, SIGCONT);
}

Result<std::unique_ptr<KeptServers>> KeptServers::create() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return failure(ErrorCode::unavailable, "no socket for the keeper of the test servers",
                   "raise the limit of open files (ulimit -n)");
  std::unique_ptr<KeptServers> servers(new KeptServers(UniqueFd(ends[0])));
  UniqueFd theirs(ends[1]);

  SpawnSetup setup;
  posix_spawn_file_actions_adddup2(setup.files(), theirs.get(), STDIN_FILENO);
  // Not ours, which may be pipes that a test driver reads until their end.
  posix_spawn_file_actions_addopen(setup.files(), STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(setup.files(), STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::error_code error;
  const std::filesystem::path temporary = std::filesystem::temp_directory_path(error);
  const Result<pid_t> pid = setup.spawn({SERVER_KEEPER, error ? "/tmp" : temporary}, {});
  if (!pid) return tl::unexpected(pid.error());
  theirs.reset();
  while (waitpid(*pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  const Result<std::string> folder = answer_of(servers->keeper_.get());
  if (!folder) return tl::unexpected(folder.error());
  servers->folder_ = *folder;
  return servers;
}

KeptServers::~KeptServers() {
  shutdown(keeper_.get(), SHUT_WR);
  (void)readable_within(keeper_.get(), kPatience);  // its end of file
}

Result<ServerProcess> KeptServers::start(const std::string& log,
                                         const std::vector<std::string>& argv) {
  std::string request = folder_ + '/' + log;
  for (const std::string& word : argv) request += '\0' + word;
  if (send(keeper_.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0)
    return failure(ErrorCode::unavailable, "the keeper of the test servers is gone",
                   "see who has killed it");
  const Result<std::string> answer = answer_of(keeper_.get());
  if (!answer) return tl::unexpected(answer.error());
  const pid_t pid = std::stoi(*answer);
  // The keeper reaps at the next start, so this is the server even when it has ended already.
  UniqueFd handle = open_process(pid);
  if (!handle)
    return failure(ErrorCode::unavailable, "cannot start " + argv.front(),
                   "see whether processes can be started (ulimit -u)");
  return ServerProcess(pid, std::move(handle));
}

}  // namespace tenure::test
