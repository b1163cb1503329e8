#include "lossy_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <deque>
#include <future>
#include <list>
#include <optional>
#include <utility>

#include "eventually.h"
#include "runtime/unique_fd.h"

namespace tenure::test {
namespace {

constexpr std::size_t kMostQueued = 1U << 20U;
constexpr std::size_t kMostConnections = 256;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

UniqueFd listen_on_loopback() {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_in address = loopback(0);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd.get(), 64) != 0)
    fd.reset();
  return fd;
}

std::uint16_t port_of(const UniqueFd& fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

/// On the loopback device it connects at once, or not at all.
UniqueFd connect_to(std::uint16_t port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    fd.reset();
  return fd;
}

void reset(UniqueFd& fd) {
  const linger at_once{1, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  fd.reset();
}

/// What goes one way through a connection.
class Flow {
 public:
  [[nodiscard]] bool takes_more() const { return !ended_ && queued_ < kMostQueued; }
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] bool done() const { return ended_ && queue_.empty(); }
  /// Of what comes next; never() when nothing does.
  [[nodiscard]] Instant due() const { return queue_.empty() ? Instant::never() : queue_[0].due; }

  void push(std::string bytes, Instant due) {
    queued_ += bytes.size();
    queue_.push_back({due, std::move(bytes)});
  }
  void end() { ended_ = true; }
  /// What was held is late no longer.
  void release(Instant now) {
    for (Chunk& chunk : queue_)
      if (chunk.due.is_never()) chunk.due = now;
  }
  /// Sends what is due; how many bytes went.
  std::size_t deliver(const UniqueFd& to, Instant now) {
    std::size_t all = 0;
    while (due() <= now && !queue_.empty()) {
      std::string& bytes = queue_[0].bytes;
      const ssize_t sent = send(to.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno == EAGAIN) return all;
      if (sent < 0) return end(), queue_.clear(), all;  // the receiver has gone
      all += static_cast<std::size_t>(sent);
      queued_ -= static_cast<std::size_t>(sent);
      bytes.erase(0, static_cast<std::size_t>(sent));
      if (bytes.empty()) queue_.pop_front();
    }
    if (done() && !std::exchange(told_, true)) shutdown(to.get(), SHUT_WR);
    return all;
  }

 private:
  struct Chunk {
    Instant due;
    std::string bytes;
  };
  std::deque<Chunk> queue_;
  std::size_t queued_ = 0;
  bool ended_ = false;
  bool told_ = false;
};

struct Connection {
  UniqueFd client;
  UniqueFd server;
  Flow requests{};
  Flow answers{};
  Loop::TimerId timer = 0;
  std::size_t unanswered = 0;  // bytes of the present request
  bool answered = false;       // what comes before is the beginning of TLS
  bool write_counted = false;
  bool damaged = false;  // bytes were lost
  bool doomed = false;   // to be reset
  [[nodiscard]] bool finished() const { return requests.done() && answers.done(); }
};

/// Empty when the sender has ended, nothing when there is nothing to read yet.
std::optional<std::string> receive(const UniqueFd& fd) {
  std::array<char, 65536> buffer;
  const ssize_t size = recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size < 0 && errno == EAGAIN) return std::nullopt;
  return std::string(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
}

}  // namespace

/// On the loop's thread, or before it runs.
class LossyProxy::Relay {
 public:
  Relay(Loop& loop, UniqueFd listening, std::uint16_t server_port)
      : loop_(loop), listening_(std::move(listening)), server_port_(server_port) {}
  ~Relay() {
    loop_.unwatch(listening_.get());
    reset_connections();
  }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  Status begin() {
    return loop_.watch_readable(listening_.get(), [this] { accept_one(); });
  }
  void set(Mode mode, Duration delay) {
    change(mode, delay);
    sweep();
  }
  void arm(Mode mode, Duration delay) {
    armed_ = {mode, delay};
    writes_ = 0;
  }
  void reset_connections() {
    for (Connection& connection : connections_) connection.doomed = true;
    sweep();
  }
  [[nodiscard]] int writes() const { return armed_ ? 0 : writes_; }
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  void change(Mode mode, Duration delay);
  void accept_one();
  void read_client(Connection& connection);
  void read_server(Connection& connection);
  void pass_on(Connection& connection, Flow& flow, std::string bytes, bool lost, Instant due);
  void arrange(Connection& connection);
  void watch(Connection& connection, const UniqueFd& fd, const Flow& in, const Flow& out);
  void sweep();

  Loop& loop_;
  const UniqueFd listening_;
  const std::uint16_t server_port_;
  Mode mode_ = Mode::pass;
  Duration delay_{0};
  std::optional<std::pair<Mode, Duration>> armed_;
  int writes_ = 0;
  Counts counts_;
  std::list<Connection> connections_;
};

void LossyProxy::Relay::change(Mode mode, Duration delay) {
  armed_.reset();
  mode_ = mode;
  delay_ = delay;
  writes_ = 0;
  for (Connection& connection : connections_) {
    if (mode == Mode::cut || connection.damaged) connection.doomed = true;
    connection.requests.release(loop_.now().mono);
  }
}

void LossyProxy::Relay::accept_one() {
  UniqueFd client(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!client) return;
  if (mode_ == Mode::cut || connections_.size() >= kMostConnections) return reset(client);
  UniqueFd server = connect_to(server_port_);
  if (!server) return reset(client);
  ++counts_.connections;
  connections_.push_back({.client = std::move(client), .server = std::move(server)});
  sweep();
}

void LossyProxy::Relay::read_client(Connection& connection) {
  auto bytes = receive(connection.client);
  if (!bytes) return;
  connection.unanswered += bytes->size();
  if (connection.answered && connection.unanswered >= kSmallestWrite &&
      !std::exchange(connection.write_counted, true)) {
    if (armed_) change(armed_->first, armed_->second);
    ++writes_;
  }
  pass_on(connection, connection.requests, std::move(*bytes), mode_ == Mode::requests_lost,
          mode_ == Mode::requests_held ? Instant::never() : loop_.now().mono);
}

void LossyProxy::Relay::read_server(Connection& connection) {
  auto bytes = receive(connection.server);
  if (!bytes) return;
  connection.answered = true;
  connection.unanswered = 0;
  connection.write_counted = false;
  const Instant now = loop_.now().mono;
  pass_on(connection, connection.answers, std::move(*bytes), mode_ == Mode::answers_lost,
          mode_ == Mode::answers_late ? now + delay_ : now);
}

void LossyProxy::Relay::pass_on(Connection& connection, Flow& flow, std::string bytes, bool lost,
                                Instant due) {
  if (bytes.empty()) return flow.end();
  if (lost) {
    counts_.lost += bytes.size();
    connection.damaged = true;
  } else if (!connection.damaged) {
    flow.push(std::move(bytes), due);
  }
}

void LossyProxy::Relay::arrange(Connection& connection) {
  const Instant now = loop_.now().mono;
  loop_.cancel(std::exchange(connection.timer, 0));
  if (!connection.damaged) {
    counts_.to_server += connection.requests.deliver(connection.server, now);
    counts_.to_clients += connection.answers.deliver(connection.client, now);
  }
  watch(connection, connection.client, connection.requests, connection.answers);
  watch(connection, connection.server, connection.answers, connection.requests);
  const Instant next = std::min(connection.requests.due(), connection.answers.due());
  if (next > now && !next.is_never()) connection.timer = loop_.at(next, [this] { sweep(); });
}

/// `in` is what is read from `fd`, `out` what is sent to it.
void LossyProxy::Relay::watch(Connection& connection, const UniqueFd& fd, const Flow& in,
                              const Flow& out) {
  const Readiness wanted{.readable = in.takes_more(), .writable = out.due() <= loop_.now().mono};
  // What nothing is wanted of must not wake us with its hang-up.
  if (!wanted.readable && !wanted.writable) return loop_.unwatch(fd.get());
  const bool is_client = &fd == &connection.client;
  const Status watched = loop_.watch(fd.get(), wanted, [this, &connection, is_client](Readiness r) {
    if (r.readable) is_client ? read_client(connection) : read_server(connection);
    sweep();
  });
  if (!watched) connection.doomed = true;
}

/// After whatever has happened: sends what is due, and lets the doomed go.
void LossyProxy::Relay::sweep() {
  for (auto it = connections_.begin(); it != connections_.end();) {
    if (!it->doomed) arrange(*it);
    if (!it->doomed && !it->finished()) {
      ++it;
      continue;
    }
    loop_.cancel(it->timer);
    for (UniqueFd* fd : {&it->client, &it->server}) {
      loop_.unwatch(fd->get());
      if (it->doomed) reset(*fd);
    }
    it = connections_.erase(it);
  }
}

template <class Function>
auto LossyProxy::on_loop(Function function) const {
  // Shared, because the loop may still be leaving it when we have its result.
  const auto task =
      std::make_shared<std::packaged_task<decltype(function())()>>(std::move(function));
  auto result = task->get_future();
  loop_->post([task] { (*task)(); });
  return result.get();
}

Result<std::unique_ptr<LossyProxy>> LossyProxy::start(const std::string& server_url) {
  const std::size_t digits = server_url.rfind(':') + 1;
  std::uint16_t port = 0;
  std::from_chars(server_url.data() + digits, server_url.data() + server_url.size(), port);
  if (port == 0)
    return failure(ErrorCode::invalid_argument, server_url + " does not end with a port",
                   "write it as https://127.0.0.1:PORT");
  auto loop = Loop::create();
  if (!loop) return tl::unexpected(loop.error());
  UniqueFd listening = listen_on_loopback();
  if (!listening)
    return failure(ErrorCode::unavailable, "no port of 127.0.0.1 for a proxy",
                   "see whether this process may open more files");
  std::unique_ptr<LossyProxy> proxy(new LossyProxy(std::move(*loop)));
  proxy->url_ = server_url.substr(0, digits) + std::to_string(port_of(listening));
  proxy->relay_ = std::make_unique<Relay>(*proxy->loop_, std::move(listening), port);
  if (Status begun = proxy->relay_->begin(); !begun) return tl::unexpected(begun.error());
  proxy->thread_ = std::thread([&loop = *proxy->loop_] { loop.run(); });
  return proxy;
}

LossyProxy::LossyProxy(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}

LossyProxy::~LossyProxy() {
  if (!thread_.joinable()) return;
  on_loop([this] {
    relay_.reset();
    loop_->stop();
  });
  thread_.join();
}

void LossyProxy::set(Mode mode, Duration delay) {
  on_loop([=, this] { relay_->set(mode, delay); });
}

void LossyProxy::set_at_next_write(Mode mode, Duration delay) {
  on_loop([=, this] { relay_->arm(mode, delay); });
}

bool LossyProxy::wait_for_write() const {
  return eventually([this] { return on_loop([this] { return relay_->writes(); }) > 0; });
}

void LossyProxy::reset_connections() {
  on_loop([this] { relay_->reset_connections(); });
}

LossyProxy::Counts LossyProxy::counts() const {
  return on_loop([this] { return relay_->counts(); });
}

}  // namespace tenure::test
