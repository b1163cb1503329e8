// server_keeper TEMPORARY_FOLDER: the parent of the servers of one test; why it exists and what it
// guarantees stands in kept_servers.h.
//
// Standard input is a SOCK_SEQPACKET socket. Says first which folder it has made; then, for each
// request (a log file, a program and its arguments, with a zero byte between them), the pid of the
// new server, or -1. The end of file on it ends everything.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace {

void say(const std::string& text) {
  send(STDIN_FILENO, text.data(), text.size(), MSG_NOSIGNAL);
}

[[noreturn]] void become_server(const char* log, char* const* argv, pid_t keeper) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != keeper) _exit(127);  // it has died before the line above
  const int nothing = open("/dev/null", O_RDONLY);
  const int output = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (dup2(nothing, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0) _exit(127);
  close_range(3, ~0U, 0);
  char* const no_environment[] = {nullptr};
  execve(argv[0], argv, no_environment);
  _exit(127);
}

/// The words of a request, each ended by a zero byte.
std::vector<char*> words_of(std::string& request) {
  std::vector<char*> words;
  for (std::size_t at = 0; at < request.size();
       at += std::string_view(request.data() + at).size() + 1)
    words.push_back(request.data() + at);
  words.push_back(nullptr);
  return words;
}

pid_t start(std::string request) {
  const std::vector<char*> words = words_of(request);
  if (words.size() < 3) return -1;
  const pid_t keeper = getpid();
  const pid_t pid = fork();
  if (pid == 0) become_server(words[0], words.data() + 1, keeper);
  return pid;
}

/// Not earlier: until the next request its pid must mean nobody else.
void reap(std::vector<pid_t>& servers) {
  std::erase_if(servers, [](pid_t pid) { return waitpid(pid, nullptr, WNOHANG) == pid; });
}

void serve_requests(std::vector<pid_t>& servers) {
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t n = recv(STDIN_FILENO, buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    reap(servers);
    const pid_t pid = start(std::string(buffer.data(), static_cast<std::size_t>(n)));
    if (pid > 0) servers.push_back(pid);
    say(std::to_string(pid));
  }
}

/// A client that was killed too may still be writing into it.
void remove_folder(const std::string& folder) {
  std::error_code error;
  for (int i = 0; i < 100 && std::filesystem::exists(folder, error); ++i) {
    if (i > 0) usleep(10'000);
    std::filesystem::remove_all(folder, error);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  if (fork() != 0) _exit(0);
  setsid();
  if (chdir("/") != 0) return 1;
  std::string folder = std::string(argv[1]) + "/tenure-servers-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return 1;
  say(folder);
  std::vector<pid_t> servers;
  serve_requests(servers);
  for (const pid_t pid : servers) kill(pid, SIGKILL);
  for (const pid_t pid : servers) waitpid(pid, nullptr, 0);
  remove_folder(folder);
  return 0;
}
