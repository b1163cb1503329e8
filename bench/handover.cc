// How long leadership changes take between real `tenure run` processes on one SQLite lock.
//
//   bench_handover PATH_OF_TENURE [rounds]
//
// Three measures, each from the cause to the first sign of life of the next command:
//   resign   `tenure resign` is started             -> the next command speaks
//   crash    the leading command is killed (SIGKILL) -> the next command speaks
//   kill     the leading `tenure run` is killed      -> the next command speaks (the lease must run
//   out: D = 2 s here)
// The command is this program: it sends its process id and epoch through a datagram socket, and
// waits to be ended.
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "runtime/clock.h"

namespace {

struct Hello {
  pid_t command = 0;
  pid_t tenure = 0;  // which candidate, by its process id
  long long epoch = 0;
};

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

int speak(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = address_of(path);
  const Hello hello{getpid(), std::atoi(std::getenv("TENURE_IDENTITY")),
                    std::atoll(std::getenv("TENURE_EPOCH"))};
  sendto(fd, &hello, sizeof hello, 0, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  for (;;) pause();
}

pid_t spawn(const std::vector<std::string>& words, bool name_is_pid) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  std::vector<std::string> copy = words;
  if (name_is_pid) copy.insert(copy.begin() + 2, {"--identity", std::to_string(getpid())});
  std::vector<char*> argv;
  for (std::string& word : copy) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(127);
}

struct Bench {
  std::string tenure, self, folder, url;
  int fd = -1;
  std::vector<pid_t> candidates;

  void start_candidate() {
    candidates.push_back(
        spawn({tenure, "run", "--lock", url, "--quiet", "--lease-duration", "2s",
               "--renew-deadline", "1s", "--retry-period", "200ms", "--stop-margin", "300ms",
               "bench", "--", self, "--speak", folder + "/socket"},
              true));
  }
  std::optional<Hello> listen(int milliseconds) const {
    pollfd p{fd, POLLIN, 0};
    Hello hello;
    if (poll(&p, 1, milliseconds) != 1 || recv(fd, &hello, sizeof hello, 0) != sizeof hello)
      return std::nullopt;
    return hello;
  }
};

void print(const char* what, std::vector<double>& ms) {
  std::sort(ms.begin(), ms.end());
  const auto at = [&](double share) {
    return ms[std::min(ms.size() - 1,
                       static_cast<std::size_t>(share * static_cast<double>(ms.size())))];
  };
  fmt::print(
      "{:<8} {:>4} times  p50 {:>8.1f} ms  p90 {:>8.1f} ms  p99 {:>8.1f} ms  max {:>8.1f} ms\n",
      what, ms.size(), at(0.5), at(0.9), at(0.99), at(1));
}

bool measure(Bench& bench, const char* what, int rounds, Hello& leader, auto cause) {
  std::vector<double> ms;
  for (int i = 0; i < rounds; i++) {
    usleep(100'000 + static_cast<useconds_t>(std::rand()) % 300'000);  // any phase of the renewals
    const tenure::Instant begin = tenure::boot_now();
    const pid_t helper = cause(leader);
    const auto next = bench.listen(20'000);
    const tenure::Instant end = tenure::boot_now();
    if (helper > 0) waitpid(helper, nullptr, 0);
    if (!next || next->epoch <= leader.epoch) {
      fmt::print(stderr, "{}: {}\n", what,
                 next ? "the epoch did not rise" : "nobody took over within 20 s");
      return false;
    }
    leader = *next;
    ms.push_back(static_cast<double>((end - begin).count()) / 1e6);
  }
  print(what, ms);
  return true;
}

int bench(const char* self, const char* tenure, int rounds) {
  std::string folder = (std::filesystem::temp_directory_path() / "tenure-bench-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return 1;
  Bench b{tenure, std::filesystem::absolute(self).string(),
          folder, "sqlite://" + folder + "/locks.db",
          -1,     {}};
  b.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = address_of(folder + "/socket");
  if (bind(b.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return 1;
  for (int i = 0; i < 3; i++) b.start_candidate();
  auto leader = b.listen(20'000);
  bool ok = leader.has_value();
  ok = ok && measure(b, "resign", rounds, *leader, [&](const Hello&) {
         return spawn({b.tenure, "resign", "bench", "--lock", b.url}, false);
       });
  // A command that ends takes its `tenure run` with it: another candidate takes its place.
  const auto replaced = [&](const Hello& h, pid_t victim) {
    kill(victim, SIGKILL);
    std::erase(b.candidates, h.tenure);
    b.start_candidate();
    return pid_t{0};
  };
  ok = ok &&
       measure(b, "crash", rounds, *leader, [&](const Hello& h) { return replaced(h, h.command); });
  ok = ok && measure(b, "kill", std::min(rounds, 10), *leader,
                     [&](const Hello& h) { return replaced(h, h.tenure); });
  for (const pid_t pid : b.candidates) kill(pid, SIGTERM);
  while (wait(nullptr) > 0) {
  }
  std::filesystem::remove_all(folder);
  return ok ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--speak") == 0) return speak(argv[2]);
  if (argc < 2) {
    fmt::print(stderr, "usage: bench_handover PATH_OF_TENURE [rounds]\n");
    return 2;
  }
  return bench(argv[0], argv[1], argc > 2 ? std::atoi(argv[2]) : 50);
}
