// What a hostile client gets, and that others do not suffer from it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "net/testing/http_corpus.h"
#include "net/testing/http_server_for_tests.h"

namespace tenure {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class HttpServerLimitsTest : public HttpServerForTests {
 protected:
  // A refusal is one line, and the end.
  void expect_refused(const std::string& text, const std::string& status) {
    RawHttp client(port());
    client.send(text);
    const std::string answer = client.rest();
    EXPECT_FALSE(client.was_reset()) << "other systems than Linux lose the answer then";
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 " + status + ' ')) << text.substr(0, 200);
    EXPECT_THAT(answer, HasSubstr("\r\nConnection: close\r\n"));
    EXPECT_EQ(std::count(answer.begin() + static_cast<std::ptrdiff_t>(answer.find("\r\n\r\n")) + 4,
                         answer.end(), '\n'),
              1)
        << answer;
  }
};

TEST_F(HttpServerLimitsTest, RefusalsArriveThoughTheClientSendsOn) {
  start();
  const std::string much(200'000, 'a');
  const std::string post = "POST /echo HTTP/1.1\r\nHost: a\r\n";
  expect_refused("GET /" + much + " HTTP/1.1\r\n\r\n", "414");
  expect_refused("GET / HTTP/1.1\r\nHost: a\r\nX: " + much + "\r\n\r\n", "431");
  expect_refused(post + "Content-Length: 200000\r\n\r\n" + much, "413");
  expect_refused(post + "Transfer-Encoding: chunked\r\n\r\n10001\r\n" + much, "413");
  expect_refused(post + "Expect: 100-continue\r\nContent-Length: 65537\r\n\r\n", "413");
  expect_refused("GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505");
  expect_refused("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n" + much, "400");
  expect_refused(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), "400");
  expect_healthy();
}

TEST_F(HttpServerLimitsTest, NothingIsSmuggledBehindARequest) {
  start();
  const std::string hidden = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
  for (const char* lines :
       {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked, x\r\n",
        "X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 50\r\n", "Transfer-Encoding : chunked\r\n"})
    expect_refused(std::string("POST /echo HTTP/1.1\r\nHost: a\r\n") + lines + "\r\n" + hidden,
                   "400");
  EXPECT_TRUE(paths_handled().empty());
}

TEST_F(HttpServerLimitsTest, ASlowRequestIsGivenUpAndASilentClientClosed) {
  start({.request_timeout = milliseconds(100), .idle_timeout = milliseconds(200)});
  RawHttp silent(port());
  RawHttp slow_head(port());
  RawHttp slow_body(port());
  RawHttp idle(port());
  slow_head.send("GET / HTTP/1.1\r\nHost: a\r\n");
  slow_body.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc");
  idle.get("/healthz");
  EXPECT_THAT(idle.response(), EndsWith("ok\n"));
  EXPECT_THAT(slow_head.rest(), StartsWith("HTTP/1.1 408 "));
  EXPECT_THAT(slow_body.rest(), StartsWith("HTTP/1.1 408 "));
  EXPECT_TRUE(silent.closed());
  EXPECT_TRUE(idle.closed());
}

TEST_F(HttpServerLimitsTest, BytesNowAndThenDoNotKeepARequestAlive) {
  start({.request_timeout = milliseconds(200)});
  RawHttp client(port());
  client.send("GET / HTTP/1.1\r\n");
  std::atomic<bool> over = false;
  std::thread drip([&] {
    while (!over && client.send("a: b\r\n")) std::this_thread::sleep_for(milliseconds(10));
  });
  EXPECT_THAT(client.rest(), StartsWith("HTTP/1.1 408 "));
  over = true;
  drip.join();
}

TEST_F(HttpServerLimitsTest, AnOpenExchangeIsNotSubjectToTheClientsTime) {
  start({.request_timeout = milliseconds(50), .idle_timeout = milliseconds(50)});
  RawHttp waits(port());
  waits.get("/later");
  const auto exchange = next_open();
  RawHttp other(port());
  EXPECT_TRUE(other.closed()) << "the limits have passed";
  EXPECT_FALSE(exchange->closed());
  exchange->respond({.body = "late", .headers = {}});
  EXPECT_THAT(waits.response(), EndsWith("late"));
}

TEST_F(HttpServerLimitsTest, AReaderOfAStreamThatDoesNotReadIsCutOff) {
  start({.stream_buffer_bytes = 64 * 1024});
  RawHttp client;
  client.be_a_slow_reader();
  ASSERT_TRUE(client.connect_to(port()));
  client.get("/stream");
  const auto exchange = next_open();
  Signal gone;
  exchange->on_closed([&] { gone.raise(); });
  const std::string piece(1000, 'x');
  std::size_t sent = 0;
  // What the kernel takes comes on top of the buffer; it has its own limit.
  constexpr std::size_t kFarTooMuch = 64 * 1024 * 1024;
  while (exchange->send(piece) && sent < kFarTooMuch) sent += piece.size();
  EXPECT_GE(sent, 60'000U);
  EXPECT_LT(sent, kFarTooMuch);
  EXPECT_TRUE(gone.wait());
  EXPECT_TRUE(exchange->closed());
  expect_healthy();
}

TEST_F(HttpServerLimitsTest, OneWhoTakesNothingIsCutOffInTime) {
  constexpr std::size_t kMuch = 50'000'000;  // more than the kernel takes
  start({.write_timeout = milliseconds(100), .stream_buffer_bytes = 2 * kMuch});
  RawHttp client;
  client.be_a_slow_reader();
  ASSERT_TRUE(client.connect_to(port()));
  client.get("/big?n=" + std::to_string(kMuch));
  RawHttp streaming;
  streaming.be_a_slow_reader();
  ASSERT_TRUE(streaming.connect_to(port()));
  streaming.get("/stream");
  const auto exchange = next_open();
  Signal gone;
  exchange->on_closed([&] { gone.raise(); });
  EXPECT_TRUE(exchange->send(std::string(kMuch, 'x')));
  EXPECT_TRUE(gone.wait());
  expect_healthy();
  EXPECT_LT(client.rest().size(), kMuch) << "its time was over before the other's";
}

TEST_F(HttpServerLimitsTest, AResetInTheMiddleOfAnAnswerHurtsNobody) {
  start();
  for (int i = 0; i < 50; i++) {
    RawHttp client(port());
    client.get("/big?n=5000000");
    client.read_until("xxx");
    client.reset();
  }
  expect_healthy();
}

TEST_F(HttpServerLimitsTest, ManyPipelinedRequestsDoNotHoldUpOthers) {
  start();
  RawHttp greedy(port());
  std::thread sender([&] {
    std::string many;
    for (int i = 0; i < 500; i++) many += "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    while (greedy.send(many)) {  // until it blocks: its answers are not read
    }
  });
  for (int i = 0; i < 20; i++) expect_healthy();
  server_->stop(Duration::zero());
  sender.join();
}

TEST_F(HttpServerLimitsTest, TenThousandMutatedRequestsHurtNobody) {
  start({.request_timeout = seconds(5)});
  SplitMix random(77);
  std::set<std::string> seen;
  for (int i = 0; i < 10'000; i++) {
    const std::string text = mutated_request(random);
    RawHttp client(port());
    client.send(text);
    if (i % 5 == 0) {
      client.reset();
      continue;
    }
    client.half_close();
    const std::string answers = client.rest();
    if (!answers.empty()) {
      ASSERT_THAT(answers, StartsWith("HTTP/1.1 ")) << text;
      seen.insert(answers.substr(9, 3));
    }
    client.reset();
    if (i % 100 == 0) expect_healthy();
  }
  expect_healthy();
  for (const char* status : {"200", "400", "404", "505"})
    EXPECT_TRUE(seen.contains(status)) << "the requests never led to " << status;
  EXPECT_FALSE(seen.contains("500"));
}

// Raises the soft limit of descriptors for one test.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t wanted) {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit now = before_;
    now.rlim_cur = std::min(wanted, before_.rlim_max);
    enough_ = setrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur == wanted;
  }
  ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;
  [[nodiscard]] bool enough() const { return enough_; }

 private:
  rlimit before_{};
  bool enough_ = false;
};

TEST_F(HttpServerLimitsTest, HealthIsToldThroughThousandsOfIdleConnections) {
  const DescriptorLimit limit(5000);
  if (!limit.enough()) GTEST_SKIP() << "the hard limit of open files is too low here";
  start();  // 1,024 connections
  std::vector<RawHttp> idle;
  for (int i = 0; i < 1500; i++) {
    idle.emplace_back(port());
    if (i % 2 == 0) idle.back().get("/healthz");
    if (i % 3 == 0) idle.back().send("GET /half");
  }
  for (int i = 0; i < 10; i++) expect_healthy();
}

TEST_F(HttpServerLimitsTest, HealthIsToldThoughAllWaitForAnAnswer) {
  start({.connections = 32});
  std::vector<RawHttp> waiting;
  for (int i = 0; i < 28; i++) {
    waiting.emplace_back(port());
    waiting.back().get("/later");
  }
  std::vector<std::shared_ptr<HttpExchange>> open;
  for (int i = 0; i < 28; i++) open.push_back(next_open());
  RawHttp one_more(port());
  one_more.get("/later");
  EXPECT_THAT(one_more.rest(), StartsWith("HTTP/1.1 503 "));
  RawHttp one_more_stream(port());
  one_more_stream.get("/stream");
  EXPECT_THAT(one_more_stream.rest(), StartsWith("HTTP/1.1 503 "));
  std::vector<RawHttp> idle;
  for (int i = 0; i < 20; i++) idle.emplace_back(port());
  for (int i = 0; i < 10; i++) expect_healthy();
  for (auto& exchange : open) exchange->respond({.body = "late", .headers = {}});
  for (auto& client : waiting) EXPECT_THAT(client.response(), EndsWith("late"));
}

// Takes every descriptor that the process has left.
class TakeAllDescriptors {
 public:
  explicit TakeAllDescriptors(std::size_t leave = 0) {
    while (true) {
      UniqueFd fd(dup(0));
      if (!fd) break;
      taken_.push_back(std::move(fd));
    }
    while (leave-- > 0 && !taken_.empty()) taken_.pop_back();
  }

 private:
  std::vector<UniqueFd> taken_;
};

TEST_F(HttpServerLimitsTest, WithoutDescriptorsAnIdleClientMakesRoom) {
  const DescriptorLimit limit(256);
  start();
  RawHttp idle(port());
  idle.get("/healthz");
  EXPECT_THAT(idle.response(), EndsWith("ok\n"));
  RawHttp late;
  const TakeAllDescriptors none_left;
  ASSERT_TRUE(late.connect_to(port()));
  late.get("/healthz");
  EXPECT_THAT(late.response(), EndsWith("ok\n"));
  EXPECT_TRUE(idle.closed());
}

milliseconds cpu_time(int whose) {
  rusage usage{};
  getrusage(whose, &usage);
  return milliseconds((usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
                      (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000);
}

// On a busy machine only another one that spins tells how much a spinning server would get.
TEST_F(HttpServerLimitsTest, WithoutDescriptorsItWaitsWithoutSpinning) {
  const DescriptorLimit limit(256);
  start();
  std::vector<RawHttp> clients(5);
  {
    const TakeAllDescriptors none_left;
    for (auto& client : clients) {
      ASSERT_TRUE(client.connect_to(port())) << "the kernel accepts, the server cannot";
      client.get("/healthz");
    }
    const milliseconds before = cpu_time(RUSAGE_SELF) - cpu_time(RUSAGE_THREAD);
    const milliseconds until = cpu_time(RUSAGE_THREAD) + milliseconds(400);
    while (cpu_time(RUSAGE_THREAD) < until) {
    }
    const milliseconds others = cpu_time(RUSAGE_SELF) - cpu_time(RUSAGE_THREAD) - before;
    EXPECT_LT(others, milliseconds(100));
  }
  for (auto& client : clients) EXPECT_THAT(client.response(), EndsWith("ok\n"));
}

}  // namespace
}  // namespace tenure
