// A small JSON over kept connections: requests a second, how long each took, and the processor time
// of the server's thread.
//
//   bench_http_server [connections] [seconds] [requests a second, as many as possible if absent]
#include "net/http_server.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
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

constexpr std::string_view kRequest =
    "GET /api/leader HTTP/1.1\r\nHost: 127.0.0.1:4040\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";
constexpr std::string_view kJson =
    R"({"leader":"backup-7c9f8d5b6-x2x4q","isLeader":true,"epoch":42,"validForMilliseconds":9123})"
    "\n";

struct Client {
  UniqueFd fd;
  Instant sent;
  std::size_t received = 0;
};

[[noreturn]] void give_up(const char* what) {
  fmt::print(stderr, "bench_http_server: {} failed\n", what);
  std::exit(1);
}

Client connect_to(std::uint16_t port) {
  Client client{UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), {}, 0};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(client.fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    give_up("connect");
  return client;
}

void ask(Client& client) {
  client.sent = boot_now();
  client.received = 0;
  if (send(client.fd.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(kRequest.size()))
    give_up("send");
}

// Of one answer, which all have.
std::size_t answer_size(std::uint16_t port) {
  Client client = connect_to(port);
  ask(client);
  char buffer[4096];
  const ssize_t n = recv(client.fd.get(), buffer, sizeof buffer, 0);
  const std::string_view text(buffer, n > 0 ? static_cast<std::size_t>(n) : 0);
  if (!text.starts_with("HTTP/1.1 200 OK\r\n") || !text.ends_with(kJson)) give_up("the answer");
  return text.size();
}

// Seconds that the thread of this name has used; utime and stime of proc(5).
double thread_cpu_seconds(const std::string& name) {
  double total = 0;
  DIR* tasks = opendir("/proc/self/task");
  if (!tasks) return 0;
  while (const dirent* task = readdir(tasks)) {
    std::ifstream file(std::string("/proc/self/task/") + task->d_name + "/stat");
    std::string line;
    std::getline(file, line);
    if (line.find("(" + name + ")") == std::string::npos) continue;
    std::istringstream fields(line.substr(line.rfind(')') + 2));
    std::vector<std::string> words;
    for (std::string word; fields >> word;) words.push_back(word);
    if (words.size() > 12) total += std::stod(words[11]) + std::stod(words[12]);
  }
  closedir(tasks);
  return total / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// Requests begin at the `pace`, or when the answer before is there. One that is late because all
// connections are busy counts from when it should have begun.
std::vector<double> load(std::vector<Client>& clients, std::size_t answer, Instant until,
                         Duration pace) {
  std::vector<double> microseconds;
  std::vector<pollfd> polled;
  std::vector<std::size_t> idle;
  for (std::size_t i = 0; i < clients.size(); i++) {
    polled.push_back({clients[i].fd.get(), POLLIN, 0});
    idle.push_back(i);
  }
  char buffer[4096];
  Instant due = boot_now();
  for (Instant now = due; now < until; now = boot_now()) {
    for (; !idle.empty() && due <= now; due = due + pace) {
      Client& client = clients[idle.back()];
      idle.pop_back();
      ask(client);
      if (pace > Duration::zero()) client.sent = due;
    }
    if (poll(polled.data(), polled.size(), pace > Duration::zero() ? 0 : 1000) < 0) give_up("poll");
    for (std::size_t i = 0; i < polled.size(); i++) {
      if (polled[i].revents == 0) continue;
      const ssize_t n = recv(polled[i].fd, buffer, sizeof buffer, 0);
      if (n <= 0) give_up("recv");
      clients[i].received += static_cast<std::size_t>(n);
      if (clients[i].received < answer) continue;
      microseconds.push_back(static_cast<double>((boot_now() - clients[i].sent).count()) / 1000);
      idle.push_back(i);
    }
  }
  return microseconds;
}

}  // namespace

int main(int argc, char** argv) {
  const auto connections = static_cast<std::size_t>(argc > 1 ? std::atoi(argv[1]) : 32);
  const seconds length(argc > 2 ? std::atoi(argv[2]) : 10);
  const Duration pace = argc > 3 ? Duration(seconds(1)) / std::atoi(argv[3]) : Duration::zero();
  auto server = HttpServer::start(
      {}, [](const HttpServerRequest& request, const std::shared_ptr<HttpExchange>& exchange) {
        if (request.path != "/api/leader") return;
        exchange->respond(
            {.content_type = "application/json", .body = std::string(kJson), .headers = {}});
      });
  if (!server) give_up(server.error().to_string().c_str());
  const std::size_t answer = answer_size((*server)->port());
  std::vector<Client> clients;
  for (std::size_t i = 0; i < connections; i++) clients.push_back(connect_to((*server)->port()));

  const double cpu_before = thread_cpu_seconds("net");
  const Instant begin = boot_now();
  std::vector<double> took = load(clients, answer, begin + length, pace);
  const double wall = static_cast<double>((boot_now() - begin).count()) / 1e9;
  const double cpu = thread_cpu_seconds("net") - cpu_before;
  if (took.empty()) give_up("the load");
  std::sort(took.begin(), took.end());
  const auto quantile = [&](double q) {
    return took[static_cast<std::size_t>(q * static_cast<double>(took.size() - 1))] / 1000;
  };
  const auto count = static_cast<double>(took.size());
  fmt::print("{} connections, {:.1f} s: {:.0f} requests/s\n", connections, wall, count / wall);
  fmt::print("each took: median {:.3f} ms, p99 {:.3f} ms, longest {:.3f} ms\n", quantile(0.5),
             quantile(0.99), took.back() / 1000);
  fmt::print("the server's thread: {:.2f} s of processor time, {:.1f} us a request\n", cpu,
             cpu * 1e6 / count);
  return 0;
}
