// `GET /api/leader` of a real `tenure sidecar` on one core, over kept connections: requests a
// second, how long each took, the sidecar's processor time, and whether its renewals stayed on
// time.
//
//   bench_sidecar PATH_OF_TENURE [connections] [seconds] [requests a second; 0: as many as
//   possible]
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/clock.h"
#include "runtime/unique_fd.h"

namespace {

using namespace tenure;
using std::chrono::seconds;

struct Client {
  UniqueFd fd;
  Instant sent;
  std::string answer;
};

[[noreturn]] void give_up(const char* what) {
  fmt::print(stderr, "bench_sidecar: {} failed\n", what);
  std::exit(1);
}

Client connect_to(std::uint16_t port) {
  Client client{UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), {}, {}};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(client.fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    give_up("connect");
  return client;
}

void ask(Client& client, std::string_view path = "/api/leader") {
  const std::string request = fmt::format(
      "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n", path);
  client.sent = boot_now();
  client.answer.clear();
  if (send(client.fd.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size()))
    give_up("send");
}

// Until the answer is complete; what else it says is not of interest here.
bool receive(Client& client) {
  constexpr std::string_view kLength = "Content-Length: ";
  char buffer[16384];
  const ssize_t n = recv(client.fd.get(), buffer, sizeof buffer, 0);
  if (n <= 0) give_up("recv");
  client.answer.append(buffer, static_cast<std::size_t>(n));
  const std::size_t body = client.answer.find("\r\n\r\n");
  if (body == std::string::npos) return false;
  if (!client.answer.starts_with("HTTP/1.1 200 ")) give_up("the answer");
  const std::size_t length = client.answer.find(kLength);
  std::size_t bytes = 0;
  if (length < body)
    std::from_chars(client.answer.data() + length + kLength.size(), client.answer.data() + body,
                    bytes);
  return client.answer.size() >= body + 4 + bytes;
}

std::string get(std::uint16_t port, std::string_view path) {
  Client client = connect_to(port);
  ask(client, path);
  while (!receive(client)) {
  }
  return client.answer;
}

// utime and stime of proc(5).
double cpu_seconds(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  std::getline(file, line);
  std::istringstream fields(line.substr(line.rfind(')') + 2));
  std::vector<std::string> words;
  for (std::string word; fields >> word;) words.push_back(word);
  if (words.size() <= 12) give_up("/proc");
  return (std::stod(words[11]) + std::stod(words[12])) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

class Sidecar {
 public:
  // On the last core, so that the first is the client's.
  explicit Sidecar(const std::string& tenure) {
    std::string folder = std::filesystem::temp_directory_path() / "bench-sidecar-XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) give_up("mkdtemp");
    folder_ = folder;
    const std::string lock = "sqlite://" + folder_ + "/locks.db";
    int ends[2];
    if (pipe(ends) != 0) give_up("pipe");
    const UniqueFd said(ends[0]);
    pid_ = fork();
    if (pid_ == 0) {
      cpu_set_t core;
      CPU_ZERO(&core);
      CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &core);
      sched_setaffinity(0, sizeof core, &core);
      dup2(ends[1], STDERR_FILENO);
      execl(tenure.c_str(), "tenure", "sidecar", "--lock", lock.c_str(), "--lease-name", "bench",
            "--addr", "127.0.0.1:0", "--lease-duration", "2s", "--renew-deadline", "1s",
            "--retry-period", "200ms", "--stop-margin", "300ms", static_cast<char*>(nullptr));
      _exit(127);
    }
    close(ends[1]);
    constexpr std::string_view kBefore = "listening on port ";
    std::string text;
    for (char c = 0; text.find("this candidate leads") == std::string::npos; text += c)
      if (read(said.get(), &c, 1) != 1) give_up("the sidecar");
    port_ =
        static_cast<std::uint16_t>(std::atoi(text.c_str() + text.find(kBefore) + kBefore.size()));
  }
  ~Sidecar() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
    std::filesystem::remove_all(folder_);
  }
  Sidecar(const Sidecar&) = delete;
  Sidecar& operator=(const Sidecar&) = delete;
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  std::string folder_;
  pid_t pid_ = 0;
  std::uint16_t port_ = 0;
};

double metric(const std::string& metrics, const std::string& name) {
  const std::size_t at = metrics.find("\n" + name);
  if (at == std::string::npos) return 0;
  return std::atof(metrics.c_str() + metrics.find(' ', at));
}

// Requests begin at the `pace`, or when the answer before is there. One that is late because all
// connections are busy counts from when it should have begun.
std::vector<double> load(std::vector<Client>& clients, Instant until, Duration pace) {
  std::vector<double> microseconds;
  std::vector<pollfd> polled;
  std::deque<std::size_t> idle;
  for (std::size_t i = 0; i < clients.size(); i++) {
    polled.push_back({clients[i].fd.get(), POLLIN, 0});
    idle.push_back(i);
  }
  Instant due = boot_now();
  for (Instant now = due; now < until; now = boot_now()) {
    for (; !idle.empty() && due <= now; due = due + pace) {
      Client& client = clients[idle.front()];  // in turn, or the server would close the unused
      idle.pop_front();
      ask(client);
      if (pace > Duration::zero()) client.sent = due;
    }
    if (poll(polled.data(), polled.size(), pace > Duration::zero() ? 0 : 1000) < 0) give_up("poll");
    for (std::size_t i = 0; i < polled.size(); i++) {
      if (polled[i].revents == 0) continue;
      if (!receive(clients[i])) continue;
      microseconds.push_back(static_cast<double>((boot_now() - clients[i].sent).count()) / 1000);
      idle.push_back(i);
    }
  }
  return microseconds;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) give_up("the path of tenure");
  const auto connections = static_cast<std::size_t>(argc > 2 ? std::atoi(argv[2]) : 32);
  const seconds length(argc > 3 ? std::atoi(argv[3]) : 10);
  const int rate = argc > 4 ? std::atoi(argv[4]) : 10'000;
  const Duration pace = rate > 0 ? Duration(seconds(1)) / rate : Duration::zero();
  const Sidecar sidecar(argv[1]);
  std::vector<Client> clients;
  for (std::size_t i = 0; i < connections; i++) clients.push_back(connect_to(sidecar.port()));

  const double cpu_before = cpu_seconds(sidecar.pid());
  const Instant begin = boot_now();
  std::vector<double> took = load(clients, begin + length, pace);
  const double wall = static_cast<double>((boot_now() - begin).count()) / 1e9;
  const double cpu = cpu_seconds(sidecar.pid()) - cpu_before;
  if (took.empty()) give_up("the load");
  std::sort(took.begin(), took.end());
  const auto quantile = [&](double q) {
    return took[static_cast<std::size_t>(q * static_cast<double>(took.size() - 1))] / 1000;
  };
  const auto count = static_cast<double>(took.size());
  fmt::print("{} connections, {:.1f} s: {:.0f} requests/s\n", connections, wall, count / wall);
  fmt::print("each took: median {:.3f} ms, p99 {:.3f} ms, longest {:.3f} ms\n", quantile(0.5),
             quantile(0.99), took.back() / 1000);
  fmt::print("the sidecar: {:.2f} s of processor time, {:.1f} us a request\n", cpu,
             cpu * 1e6 / count);
  const std::string metrics = get(sidecar.port(), "/metrics");
  const double renewals = metric(metrics, "tenure_renew_duration_seconds_count");
  const double failed = metric(metrics, "leader_election_slowpath_total");
  const double leads = metric(metrics, "leader_election_master_status");
  fmt::print("{:.0f} renewals on time, {:.0f} not; epoch {:.0f}, {}\n", renewals, failed,
             metric(metrics, "tenure_epoch"), leads == 1 ? "still leading" : "NOT LEADING");
  return leads == 1 ? 0 : 1;
}
