// What a connection decides, byte by byte; without sockets, so that every order can be played.
#include "net/http_connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <utility>
#include <vector>

namespace tenure {
namespace {

using testing::ElementsAre;
using testing::StartsWith;

class FakeIo final : public HttpConnectionIo {
 public:
  Moved read(std::string& onto) override {
    if (input.empty()) return {Progress::none_now, 0};
    onto += input;
    return {Progress::some, std::exchange(input, "").size()};
  }
  Moved write(std::string_view bytes) override {
    if (room == 0) return {Progress::none_now, 0};
    const std::size_t n = std::min(room, bytes.size());
    output += bytes.substr(0, n);
    room -= n;
    return {Progress::some, n};
  }
  void await_readable() override {}
  void await_writable() override {}
  void shutdown_send() override {}
  void close(bool) override { closed = true; }
  void enter(HttpWait wait) override { waits.push_back(wait); }
  [[nodiscard]] HttpWait wait() const override { return waits.back(); }
  void post(std::function<void()> callback) override { posted.push_back(std::move(callback)); }
  [[nodiscard]] bool stopping() const override { return false; }
  [[nodiscard]] bool may_wait_for_handler() const override { return true; }
  void handle(const HttpServerRequest& request, std::shared_ptr<HttpExchange> exchange) override {
    paths.push_back(request.path);
    if (request.path == "/later")
      open = std::move(exchange);
    else
      exchange->respond({.body = "ok", .headers = {}});
  }
  [[nodiscard]] ExchangeAddress address(std::uint64_t exchange) override {
    return {gate, receiver, exchange};
  }

  std::string input;
  std::string output;
  std::size_t room = 1'000'000;
  bool closed = false;
  std::vector<HttpWait> waits = {HttpWait::request};
  std::deque<std::function<void()>> posted;
  std::vector<std::string> paths;
  std::shared_ptr<HttpExchange> open;
  std::shared_ptr<ServerGate> gate;
  std::weak_ptr<ExchangeReceiver> receiver;
};

class HttpConnectionTest : public testing::Test {
 protected:
  struct Receiver final : ExchangeReceiver {
    explicit Receiver(HttpConnection& its) : connection(its) {}
    void receive(std::uint64_t exchange, ExchangeMessage message) override {
      connection.receive(exchange, std::move(message));
    }
    [[nodiscard]] bool in_handler_of(std::uint64_t exchange) const override {
      return connection.in_handler_of(exchange);
    }
    HttpConnection& connection;
  };

  HttpConnectionTest() {
    io_.gate = std::make_shared<ServerGate>(*loop_);
    io_.gate->enter_thread();
    io_.receiver = receiver_;
  }
  ~HttpConnectionTest() override { io_.gate->close(); }

  void arrive(std::string_view bytes) {
    io_.input = bytes;
    connection_.on_readable();
  }
  static std::string get(const std::string& path) {
    return "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n";
  }

  std::unique_ptr<Loop> loop_ = Loop::create().value();
  HttpServer::Options options_;
  FakeIo io_;
  HttpConnection connection_{io_, options_, false};
  std::shared_ptr<Receiver> receiver_ = std::make_shared<Receiver>(connection_);
};

TEST_F(HttpConnectionTest, ARequestsTimeBeginsWithItsFirstByteOnly) {
  for (const char c : get("/a")) arrive({&c, 1});
  EXPECT_THAT(io_.waits, ElementsAre(HttpWait::request, HttpWait::idle));
  for (const char c : get("/b")) arrive({&c, 1});
  EXPECT_THAT(io_.waits,
              ElementsAre(HttpWait::request, HttpWait::idle, HttpWait::request, HttpWait::idle));
  EXPECT_THAT(io_.paths, ElementsAre("/a", "/b"));
}

TEST_F(HttpConnectionTest, AReadersTimeBeginsAnewWhenItTakesSomething) {
  io_.room = 10;
  arrive(get("/a"));
  connection_.on_writable();  // no room: its time goes on
  io_.room = 10;
  connection_.on_writable();
  EXPECT_THAT(io_.waits, ElementsAre(HttpWait::request, HttpWait::write, HttpWait::write));
  connection_.expire();
  EXPECT_TRUE(io_.closed);
}

TEST_F(HttpConnectionTest, ALotOfPipelinedRequestsTakesTurns) {
  std::string many;
  for (int i = 0; i < 100; i++) many += get("/a");
  arrive(many);
  EXPECT_LT(io_.paths.size(), 50U);
  while (!io_.posted.empty()) {
    const auto next = std::move(io_.posted.front());
    io_.posted.pop_front();
    next();
  }
  EXPECT_EQ(io_.paths.size(), 100U);
}

TEST_F(HttpConnectionTest, OneWhoDoesNotReadIsNotServedFurther) {
  io_.room = 0;
  arrive(get("/a") + get("/b"));
  EXPECT_THAT(io_.paths, ElementsAre("/a"));
  io_.room = 1'000'000;
  connection_.on_writable();
  EXPECT_THAT(io_.paths, ElementsAre("/a", "/b"));
}

TEST_F(HttpConnectionTest, TooLateIsToldOnlyToAClientThatHasBegun) {
  arrive("GET / HTTP/1.1\r\n");
  connection_.expire();
  EXPECT_THAT(io_.output, StartsWith("HTTP/1.1 408 "));
  EXPECT_FALSE(io_.closed) << "it may still send, and must be able to read this";
  connection_.expire();
  EXPECT_TRUE(io_.closed);
}

TEST_F(HttpConnectionTest, ASilentClientIsClosedInSilence) {
  connection_.expire();
  EXPECT_EQ(io_.output, "");
  EXPECT_TRUE(io_.closed);
}

}  // namespace
}  // namespace tenure
