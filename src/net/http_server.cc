#include "net/http_server.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <list>
#include <thread>

#include "net/http_connection.h"
#include "net/tcp_listener.h"
#include "runtime/loop.h"

namespace tenure {
namespace {

using std::chrono::milliseconds;

constexpr Duration kLingerTimeout = std::chrono::seconds(2);
constexpr Duration kAcceptPause = milliseconds(50);
constexpr int kAcceptsPerTurn = 64;

class Client;
using Clients = std::list<std::shared_ptr<Client>>;

class Server final : public HttpServer {
 public:
  Server(Options options, Handler handler, TcpListener listener, std::unique_ptr<Loop> loop)
      : options_(std::move(options)),
        handler_(std::move(handler)),
        listener_(std::move(listener)),
        loop_(std::move(loop)) {}
  ~Server() override { stop(Duration::zero()); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  Status run();
  [[nodiscard]] std::uint16_t port() const override { return listener_.port; }
  void stop(Duration grace) override;

  // For its clients, on its thread.
  void enter(Client& client, HttpWait wait);
  void remove(Client& client);
  Loop& loop() { return *loop_; }
  [[nodiscard]] bool stopping() const { return stopping_; }
  [[nodiscard]] bool may_wait_for_handler() const;
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const Handler& handler() const { return handler_; }
  [[nodiscard]] const std::shared_ptr<ServerGate>& gate() const { return gate_; }

 private:
  Status watch_listener();
  void accept_clients();
  void pause_accepting();
  void evict_one();
  void arm_timer(Instant at);
  void on_timer();
  void begin_stop(Duration grace);
  void cut_off();
  void finish_if_empty();
  [[nodiscard]] Clients all() const;
  [[nodiscard]] std::size_t count() const;
  [[nodiscard]] Duration limit_of(HttpWait wait) const;
  Clients& list_of(HttpWait wait) { return lists_[static_cast<std::size_t>(wait)]; }

  const Options options_;
  const Handler handler_;
  TcpListener listener_;
  const std::unique_ptr<Loop> loop_;
  const std::shared_ptr<ServerGate> gate_ = std::make_shared<ServerGate>(*loop_);
  Loop::TimerId timer_ = 0;
  Instant timer_at_ = Instant::never();
  // One for each HttpWait. All waits of a kind are equally long, so each list is in the order of
  // its deadlines, and its front is the next to expire and the first to go when there are too many.
  std::array<Clients, 5> lists_;
  bool stopping_ = false;
  std::thread thread_;
};

// In the order in which they make room for others; never those in the handler's hands.
constexpr HttpWait kEvictable[] = {HttpWait::idle, HttpWait::linger, HttpWait::request,
                                   HttpWait::write};

class Client final : public std::enable_shared_from_this<Client>,
                     public ExchangeReceiver,
                     private HttpConnectionIo {
 public:
  Client(Server& server, TcpPeer peer)
      : server_(server),
        fd_(std::move(peer.fd)),
        connection_(*this, server.options(), peer.from_loopback) {}

  HttpConnection& connection() { return connection_; }
  void receive(std::uint64_t exchange, ExchangeMessage message) override {
    connection_.receive(exchange, std::move(message));
  }
  [[nodiscard]] bool in_handler_of(std::uint64_t exchange) const override {
    return connection_.in_handler_of(exchange);
  }
  void await_readable() override { want({true, wanted_.writable}); }

  // The server's.
  HttpWait waits_for = HttpWait::request;
  Clients::iterator place;
  Instant deadline;

 private:
  Moved read(std::string& onto) override;
  Moved write(std::string_view bytes) override;
  void await_writable() override { want({wanted_.readable, true}); }
  void shutdown_send() override { shutdown(fd_.get(), SHUT_WR); }
  void close(bool reset) override;
  void enter(HttpWait wait) override { server_.enter(*this, wait); }
  [[nodiscard]] HttpWait wait() const override { return waits_for; }
  void post(std::function<void()> callback) override {
    server_.loop().post(
        [self = shared_from_this(), callback = std::move(callback)] { callback(); });
  }
  [[nodiscard]] bool stopping() const override { return server_.stopping(); }
  [[nodiscard]] bool may_wait_for_handler() const override {
    return server_.may_wait_for_handler();
  }
  void handle(const HttpServerRequest& request, std::shared_ptr<HttpExchange> exchange) override {
    server_.handler()(request, std::move(exchange));
  }
  [[nodiscard]] ExchangeAddress address(std::uint64_t exchange) override {
    return {server_.gate(), weak_from_this(), exchange};
  }

  void want(Readiness wanted);
  void watch_what_is_wanted();
  void on_ready(Readiness ready);

  Server& server_;
  UniqueFd fd_;
  HttpConnection connection_;
  Readiness wanted_;
  Readiness watched_;
  bool in_turn_ = false;
};

// ---- Client ----

HttpConnectionIo::Moved moved(ssize_t n) {
  using Progress = HttpConnectionIo::Progress;
  if (n > 0) return {Progress::some, static_cast<std::size_t>(n)};
  if (n == 0) return {Progress::ended, 0};
  const bool later = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
  return {later ? Progress::none_now : Progress::broken, 0};
}

HttpConnectionIo::Moved Client::read(std::string& onto) {
  char piece[16 * 1024];
  const ssize_t n = recv(fd_.get(), piece, sizeof piece, 0);
  if (n > 0) onto.append(piece, static_cast<std::size_t>(n));
  return moved(n);
}

HttpConnectionIo::Moved Client::write(std::string_view bytes) {
  return moved(send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
}

void Client::want(Readiness wanted) {
  wanted_ = wanted;
  if (!in_turn_) watch_what_is_wanted();
}

// The loop tells of readiness again and again, so what is not wanted must not be watched. A busy
// connection wants the same after each turn, which costs no system call.
void Client::watch_what_is_wanted() {
  if (!fd_ || (wanted_.readable == watched_.readable && wanted_.writable == watched_.writable))
    return;
  watched_ = wanted_;
  if (!wanted_.readable && !wanted_.writable) return server_.loop().unwatch(fd_.get());
  const Status watched = server_.loop().watch(
      fd_.get(), wanted_, [self = shared_from_this()](Readiness ready) { self->on_ready(ready); });
  if (!watched) connection_.close();
}

void Client::on_ready(Readiness ready) {
  in_turn_ = true;
  wanted_ = {wanted_.readable && !ready.readable, wanted_.writable && !ready.writable};
  if (ready.writable) connection_.on_writable();
  if (ready.readable && fd_) connection_.on_readable();
  in_turn_ = false;
  watch_what_is_wanted();
}

void Client::close(bool reset) {
  const auto self = shared_from_this();
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  if (reset) setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  server_.loop().unwatch(fd_.get());
  fd_.reset();
  server_.remove(*this);
}

// ---- Server: accepting ----

Status Server::run() {
  if (Status watched = watch_listener(); !watched) return watched;
  sigset_t every;
  sigset_t before;
  sigfillset(&every);
  pthread_sigmask(SIG_SETMASK, &every, &before);
  const auto restore = [](const sigset_t* mask) { pthread_sigmask(SIG_SETMASK, mask, nullptr); };
  const std::unique_ptr<const sigset_t, decltype(restore)> guard(&before, restore);
  try {
    thread_ = std::thread([this]() noexcept {
      pthread_setname_np(pthread_self(), "net");
      gate_->enter_thread();
      loop_->run();
    });
  } catch (const std::exception& problem) {
    return failure(ErrorCode::unavailable,
                   std::string("cannot start the HTTP server's thread: ") + problem.what(),
                   "raise the limit of processes (ulimit -u)");
  }
  return {};
}

Status Server::watch_listener() {
  return loop_->watch_readable(listener_.fd.get(), [this] { accept_clients(); });
}

void Server::accept_clients() {
  for (int i = 0; i < kAcceptsPerTurn; i++) {
    TcpPeer peer = accept_one(listener_.fd.get());
    // Without descriptors the kernel says so even when nobody is waiting: the loop knows better.
    if (peer.error != 0) return i == 0 ? pause_accepting() : void();
    if (!peer.fd) return;
    if (count() >= options_.connections) evict_one();
    const auto client = std::make_shared<Client>(*this, std::move(peer));
    Clients& list = list_of(HttpWait::request);
    client->place = list.insert(list.end(), client);
    enter(*client, HttpWait::request);
    client->await_readable();
  }
}

// Usually the process is out of descriptors: a client that waits gives its own. And there is a
// pause, because the kernel would tell of the same one again and again.
void Server::pause_accepting() {
  evict_one();
  loop_->unwatch(listener_.fd.get());
  loop_->at(loop_->now().mono + kAcceptPause, [this] {
    if (stopping_) return;
    if (!watch_listener()) pause_accepting();
  });
}

void Server::evict_one() {
  for (const HttpWait wait : kEvictable)
    if (!list_of(wait).empty()) {
      const std::shared_ptr<Client> client = list_of(wait).front();
      return client->connection().close();
    }
}

// ---- Server: waiting ----

void Server::enter(Client& client, HttpWait wait) {
  Clients& to = list_of(wait);
  to.splice(to.end(), list_of(client.waits_for), client.place);
  client.waits_for = wait;
  client.deadline = Instant::never();
  if (wait == HttpWait::handler) return;
  client.deadline = loop_->now().mono + limit_of(wait);
  arm_timer(client.deadline);
}

void Server::remove(Client& client) {
  list_of(client.waits_for).erase(client.place);
  finish_if_empty();
}

Duration Server::limit_of(HttpWait wait) const {
  switch (wait) {
    case HttpWait::request: return options_.request_timeout;
    case HttpWait::idle: return options_.idle_timeout;
    case HttpWait::write: return options_.write_timeout;
    case HttpWait::linger: return kLingerTimeout;
    case HttpWait::handler: break;
  }
  return Duration::max();
}

// Busy connections move their deadlines all the time; the timer only ever moves to an earlier one.
void Server::arm_timer(Instant at) {
  if (at >= timer_at_) return;
  loop_->cancel(timer_);
  timer_at_ = at;
  timer_ = loop_->at(at, [this] { on_timer(); });
}

void Server::on_timer() {
  timer_at_ = Instant::never();
  const Instant now = loop_->now().mono;
  for (const HttpWait wait : kEvictable) {
    Clients& list = list_of(wait);
    while (!list.empty() && list.front()->deadline <= now) {
      const std::shared_ptr<Client> client = list.front();
      client->connection().expire();
    }
    if (!list.empty()) arm_timer(list.front()->deadline);
  }
}

std::size_t Server::count() const {
  std::size_t sum = 0;
  for (const Clients& list : lists_) sum += list.size();
  return sum;
}

bool Server::may_wait_for_handler() const {
  const std::size_t waiting = lists_[static_cast<std::size_t>(HttpWait::handler)].size();
  return waiting < options_.connections - (options_.connections + 7) / 8;
}

// ---- Server: stopping ----

Clients Server::all() const {
  Clients every;
  for (const Clients& list : lists_) every.insert(every.end(), list.begin(), list.end());
  return every;
}

void Server::begin_stop(Duration grace) {
  stopping_ = true;
  loop_->unwatch(listener_.fd.get());
  listener_.fd.reset();
  for (const auto& client : all()) client->connection().stop();
  if (grace > Duration::zero())
    loop_->at(loop_->now().mono + grace, [this] { cut_off(); });
  else
    cut_off();
  finish_if_empty();
}

void Server::cut_off() {
  for (const auto& client : all()) client->connection().cut_off();
}

// Nothing is posted any more, and what was posted is still run.
void Server::finish_if_empty() {
  if (!stopping_ || count() > 0) return;
  gate_->close();
  loop_->post([this] { loop_->stop(); });
}

void Server::stop(Duration grace) {
  if (!thread_.joinable()) return;
  loop_->post([this, grace] { begin_stop(grace); });
  thread_.join();
}

bool has_limits(const HttpServer::Options& o) {
  return std::min({o.header_bytes, o.body_bytes, o.connections, o.stream_buffer_bytes}) > 0 &&
         std::min({o.request_timeout, o.idle_timeout, o.write_timeout}) > Duration::zero();
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(Options options, Handler handler) {
  if (!has_limits(options))
    return failure(ErrorCode::invalid_argument, "a limit of the HTTP server is zero",
                   "give each a value above zero");
  Result<TcpListener> listener = listen_on(options.address, options.port);
  if (!listener) return tl::unexpected(listener.error());
  Result<std::unique_ptr<Loop>> loop = Loop::create();
  if (!loop) return tl::unexpected(loop.error());
  auto server = std::make_unique<Server>(std::move(options), std::move(handler),
                                         std::move(*listener), std::move(*loop));
  if (Status running = server->run(); !running) return tl::unexpected(running.error());
  return server;
}

}  // namespace tenure
