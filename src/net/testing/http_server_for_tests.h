// A server with a few paths, and a hand on the exchanges that it leaves open.
//
//   /healthz   ok               /echo      the request, as the handler saw it
//   /later     left to the test /dropped   nobody answers
//   /stream    a stream whose exchange is left to the test
//   /big?n=N   N bytes
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "net/http_server.h"
#include "net/testing/raw_http.h"

namespace tenure {

/// Something that another thread will say.
class Signal {
 public:
  void raise() {
    const std::scoped_lock lock(mutex_);
    raised_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(RawHttp::kPatienceSeconds),
                             [this] { return raised_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool raised_ = false;
};

class HttpServerForTests : public testing::Test {
 protected:
  void start(HttpServer::Options options = {}) {
    auto started = HttpServer::start(
        std::move(options),
        [this](const HttpServerRequest& request, std::shared_ptr<HttpExchange> exchange) {
          handle(request, std::move(exchange));
        });
    ASSERT_TRUE(started) << started.error().to_string();
    server_ = std::move(*started);
  }
  void TearDown() override {
    server_.reset();
    open_.clear();
  }
  [[nodiscard]] std::uint16_t port() const { return server_->port(); }

  /// The next exchange that the handler left open.
  std::shared_ptr<HttpExchange> next_open() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(RawHttp::kPatienceSeconds),
                           [this] { return !open_.empty(); })) {
      ADD_FAILURE() << "no request came";
      return nullptr;
    }
    auto first = std::move(open_.front());
    open_.pop_front();
    return first;
  }
  std::vector<std::string> paths_handled() {
    const std::scoped_lock lock(mutex_);
    return paths_;
  }
  /// Another client, of which the server must not lose sight.
  void expect_healthy() {
    RawHttp client(port());
    ASSERT_TRUE(client.get("/healthz"));
    EXPECT_TRUE(client.response().ends_with("\r\n\r\nok\n"));
  }

  std::unique_ptr<HttpServer> server_;

 private:
  void handle(const HttpServerRequest& request, std::shared_ptr<HttpExchange> exchange) {
    {
      const std::scoped_lock lock(mutex_);
      paths_.push_back(request.path);
    }
    if (request.path == "/healthz") return exchange->respond({.body = "ok\n", .headers = {}});
    if (request.path == "/dropped") return;
    if (request.path == "/big")
      return exchange->respond(
          {.body = std::string(std::stoul(std::string(request.parameter("n"))), 'x'),
           .headers = {}});
    if (request.path == "/echo") return exchange->respond({.body = echo(request), .headers = {}});
    if (request.path == "/stream")
      exchange->begin_stream({.content_type = "text/event-stream", .body = "", .headers = {}});
    if (request.path == "/stream" || request.path == "/later") {
      const std::scoped_lock lock(mutex_);
      open_.push_back(std::move(exchange));
      changed_.notify_all();
      return;
    }
    exchange->respond({.status = 404, .body = "not found\n", .headers = {}});
  }
  static std::string echo(const HttpServerRequest& request) {
    std::string text = request.method + ' ' + request.path;
    for (const auto& [name, value] : request.query) text += " [" + name + '=' + value + ']';
    return text + " {" + request.body + '}' + (request.from_loopback ? " loopback" : "");
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<HttpExchange>> open_;
  std::vector<std::string> paths_;
};

}  // namespace tenure
