// How a server ends, and that nothing of it is left behind.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "net/testing/http_server_for_tests.h"
#include "runtime/clock.h"

namespace tenure {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class HttpServerStopTest : public HttpServerForTests {
 protected:
  // In the background, because it waits.
  void stop_meanwhile(Duration grace) {
    stopping_ = std::thread([this, grace] {
      server_->stop(grace);
      stopped_ = true;
    });
  }
  // Until new connections are refused.
  void await_no_listener() {
    const Instant limit = boot_now() + seconds(RawHttp::kPatienceSeconds);
    while (RawHttp().connect_to(port())) {
      ASSERT_LT(boot_now(), limit) << "the server still listens";
      std::this_thread::yield();
    }
  }
  void TearDown() override {
    if (stopping_.joinable()) stopping_.join();
    HttpServerForTests::TearDown();
  }

  std::thread stopping_;
  std::atomic<bool> stopped_ = false;
};

TEST_F(HttpServerStopTest, AnAnswerInWorkIsGivenAndIdleConnectionsClose) {
  start();
  RawHttp idle(port());
  RawHttp never_spoke(port());
  idle.get("/healthz");
  idle.response();
  RawHttp waits(port());
  waits.get("/later");
  const auto exchange = next_open();
  stop_meanwhile(seconds(RawHttp::kPatienceSeconds));
  EXPECT_TRUE(idle.closed());
  EXPECT_TRUE(never_spoke.closed());
  await_no_listener();
  EXPECT_FALSE(stopped_);
  EXPECT_FALSE(exchange->closed());
  exchange->respond({.body = "done", .headers = {}});
  EXPECT_THAT(waits.rest(), AllOf(HasSubstr("Connection: close\r\n"), EndsWith("done")));
  waits.close();
  stopping_.join();
}

TEST_F(HttpServerStopTest, ARequestThatIsComingInIsAnswered) {
  start();
  RawHttp half(port());
  half.send("GET /healthz HTTP/1.1\r\n");
  RawHttp marker(port());  // what the first has sent is there once this one is answered
  marker.get("/healthz");
  marker.response();
  stop_meanwhile(seconds(RawHttp::kPatienceSeconds));
  EXPECT_TRUE(marker.closed());
  half.send("Host: a\r\n\r\n");
  EXPECT_THAT(half.rest(), AllOf(HasSubstr("Connection: close\r\n"), EndsWith("ok\n")));
}

TEST_F(HttpServerStopTest, WhatIsUnansweredAfterTheGraceIsTold) {
  start();
  RawHttp waits(port());
  waits.get("/later");
  const auto exchange = next_open();
  Signal gone;
  exchange->on_closed([&] { gone.raise(); });
  server_->stop(milliseconds(50));
  EXPECT_THAT(waits.rest(), StartsWith("HTTP/1.1 503 "));
  EXPECT_TRUE(exchange->closed());
  EXPECT_TRUE(gone.wait());
  exchange->respond({.body = "too late", .headers = {}});
}

TEST_F(HttpServerStopTest, StreamsEndProperly) {
  start();
  RawHttp client(port());
  client.get("/stream");
  const auto exchange = next_open();
  EXPECT_TRUE(exchange->send("news"));
  Signal gone;
  exchange->on_closed([&] { gone.raise(); });
  stop_meanwhile(seconds(RawHttp::kPatienceSeconds));
  EXPECT_THAT(client.rest(), EndsWith("4\r\nnews\r\n0\r\n\r\n"));
  EXPECT_TRUE(gone.wait());
  EXPECT_FALSE(exchange->send("more"));
}

TEST_F(HttpServerStopTest, ExchangesOutliveTheServer) {
  start();
  RawHttp one(port());
  RawHttp two(port());
  RawHttp three(port());
  one.get("/later");
  const auto later = next_open();
  two.get("/stream");
  const auto stream = next_open();
  three.get("/later");
  auto dropped = next_open();
  server_.reset();
  EXPECT_TRUE(later->closed());
  EXPECT_TRUE(stream->closed());
  later->respond({.body = "to nobody", .headers = {}});
  EXPECT_FALSE(stream->send("to nobody"));
  stream->end();
  dropped.reset();
  bool called = false;
  later->on_closed([&] { called = true; });
  EXPECT_TRUE(called);
}

TEST_F(HttpServerStopTest, StoppingUnderLoadLosesNoAnswerOfThatWasBegun) {
  for (int round = 0; round < 10; round++) {
    start();
    std::vector<RawHttp> clients;
    for (int i = 0; i < 4; i++) clients.emplace_back(port());
    std::vector<std::thread> threads;
    std::atomic<int> answered = 0;
    for (RawHttp& client : clients)
      threads.emplace_back([&] {
        for (bool open = true; open;) {
          client.get("/echo?" + std::string(200, 'x'));
          const std::string answer = client.response();
          EXPECT_TRUE(answer.empty() || answer.ends_with("loopback")) << answer;
          open = answer.find("Connection: close") == std::string::npos && !answer.empty();
          if (!answer.empty()) answered++;
        }
      });
    while (answered < 20) std::this_thread::yield();
    server_->stop(seconds(RawHttp::kPatienceSeconds));
    for (auto& thread : threads) thread.join();
    server_.reset();
  }
}

TEST_F(HttpServerStopTest, NothingIsLeftBehind) {
  const auto descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = descriptors();
  for (int i = 0; i < 20; i++) {
    start();
    RawHttp client(port());
    client.get("/healthz");
    client.response();
    if (i % 2 == 0) server_->stop(Duration::zero());
    server_.reset();
  }
  EXPECT_EQ(descriptors(), before);
}

// A signal to the process must reach a thread that expects it, and a child must not hold a port.
TEST_F(HttpServerStopTest, TheThreadTakesNoSignalsAndChildrenInheritNothing) {
  start();
  RawHttp client(port());
  client.get("/healthz");
  client.response();
  int threads = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::ifstream comm(task.path() / "comm");
    std::getline(comm, name);
    if (name != "net") continue;
    threads++;
    std::ifstream status(task.path() / "status");
    std::string line;
    while (std::getline(status, line) && !line.starts_with("SigBlk:")) {
    }
    const auto blocked = std::stoull(line.substr(7), nullptr, 16);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1})
      EXPECT_TRUE(blocked >> static_cast<unsigned>(signal - 1) & 1U) << "signal " << signal;
  }
  EXPECT_EQ(threads, 1);
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    std::error_code gone;
    if (std::filesystem::read_symlink(entry.path(), gone).string().starts_with("socket:")) {
      EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC) << fd;
    }
  }
}

}  // namespace
}  // namespace tenure
