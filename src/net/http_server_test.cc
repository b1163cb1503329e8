// What a well-behaved client gets.
#include "net/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "net/testing/http_server_for_tests.h"

namespace tenure {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class HttpServerTest : public HttpServerForTests {};

// Standard output of a curl that the test's machine has.
std::string curl(const std::string& arguments) {
  const std::string command = "curl --silent --show-error --max-time 20 --noproxy '*' " + arguments;
  FILE* pipe = popen(command.c_str(), "r");
  std::string text;
  char piece[4096];
  while (const std::size_t n = std::fread(piece, 1, sizeof piece, pipe)) text.append(piece, n);
  EXPECT_EQ(pclose(pipe), 0) << command;
  return text;
}

TEST_F(HttpServerTest, AnswersAndKeepsTheConnection) {
  start();
  RawHttp client(port());
  for (int i = 0; i < 3; i++) {
    client.get("/healthz");
    EXPECT_EQ(client.response(),
              "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n"
              "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\nok\n");
  }
}

TEST_F(HttpServerTest, TheHandlerSeesTheRequestDecoded) {
  start();
  RawHttp client(port());
  client.send("POST //echo?wait=41&x=%26+y HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
  EXPECT_THAT(client.response(), EndsWith("POST /echo [wait=41] [x=& y] {body} loopback"));
  client.send(
      "PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n");
  EXPECT_THAT(client.response(), EndsWith("PUT /echo {body} loopback"));
}

TEST_F(HttpServerTest, ByteByByteIsTheSameRequest) {
  start();
  RawHttp client(port());
  for (const char c : std::string("POST /echo?a=b HTTP/1.1\r\nHost: a\r\n"
                                  "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"))
    ASSERT_TRUE(client.send(std::string_view(&c, 1)));
  EXPECT_THAT(client.response(), EndsWith("POST /echo [a=b] {body} loopback"));
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInTheirOrder) {
  start();
  RawHttp client(port());
  std::string all;
  for (int i = 0; i < 100; i++)
    all += "GET /echo?" + std::to_string(i) + "= HTTP/1.1\r\nHost: a\r\n\r\n";
  client.send(all);
  for (int i = 0; i < 100; i++)
    EXPECT_THAT(client.response(), HasSubstr("GET /echo [" + std::to_string(i) + "=]"));
}

TEST_F(HttpServerTest, ALateAnswerComesBeforeThoseOfLaterRequests) {
  start();
  RawHttp client(port());
  client.get("/later");
  client.get("/healthz");
  next_open()->respond({.status = 202, .body = "late", .headers = {}});
  EXPECT_THAT(client.response(), EndsWith("late"));
  EXPECT_THAT(client.response(), EndsWith("ok\n"));
}

TEST_F(HttpServerTest, HeadIsGetWithoutContent) {
  start();
  RawHttp client(port());
  client.send("HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\nHEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_THAT(client.response(false), HasSubstr("Content-Length: 3\r\n"));
  EXPECT_THAT(client.response(false), HasSubstr("Transfer-Encoding: chunked\r\n"));
  const auto stream = next_open();
  EXPECT_FALSE(stream->send("nobody listens"));
  client.get("/later");
  const auto later = next_open();
  stream->end();  // must not be taken for the end of the next answer
  later->respond({.body = "late", .headers = {}});
  EXPECT_THAT(client.response(), AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("\r\n\r\nlate")));
}

TEST_F(HttpServerTest, Http10ClosesUnlessAskedNotTo) {
  start();
  RawHttp once(port());
  once.send("GET /healthz HTTP/1.0\r\n\r\n");
  EXPECT_THAT(once.rest(), AllOf(HasSubstr("Connection: close\r\n"), EndsWith("ok\n")));
  RawHttp kept(port());
  for (int i = 0; i < 2; i++) {
    kept.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_THAT(kept.response(), AllOf(HasSubstr("Connection: keep-alive\r\n"), EndsWith("ok\n")));
  }
}

TEST_F(HttpServerTest, AStreamToHttp10IsWhatComesUntilTheEnd) {
  start();
  RawHttp client(port());
  client.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const auto exchange = next_open();
  EXPECT_TRUE(exchange->send("one "));
  EXPECT_TRUE(exchange->send("two"));
  exchange->end();
  const std::string all = client.rest();
  EXPECT_THAT(all, EndsWith("\r\n\r\none two"));
  EXPECT_THAT(all, Not(HasSubstr("chunked")));
}

TEST_F(HttpServerTest, AStreamArrivesPieceByPieceAndTheConnectionLivesOn) {
  start();
  RawHttp client(port());
  client.get("/stream");
  const auto exchange = next_open();
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("Content-Type: text/event-stream\r\n"));
  for (const std::string text : {"first", "second"}) {
    EXPECT_TRUE(exchange->send(text));
    EXPECT_THAT(client.read_until(text + "\r\n"), EndsWith("\r\n" + text + "\r\n"));
  }
  exchange->end();
  EXPECT_FALSE(exchange->send("too late"));
  EXPECT_EQ(client.read_until("\r\n\r\n"), "0\r\n\r\n");
  client.get("/healthz");
  EXPECT_THAT(client.response(), EndsWith("ok\n"));
}

TEST_F(HttpServerTest, AnswersMayComeFromManyThreads) {
  start();
  constexpr int kClients = 40;
  std::vector<RawHttp> clients;
  for (int i = 0; i < kClients; i++) {
    clients.emplace_back(port());
    clients.back().get("/later");
  }
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++)
    threads.emplace_back([&] {
      for (int i = 0; i < kClients / 4; i++) {
        const auto exchange = next_open();
        exchange->respond({.body = "answer", .headers = {}});
        exchange->respond({.body = "a second one", .headers = {}});
      }
    });
  for (auto& thread : threads) thread.join();
  for (auto& client : clients) {
    EXPECT_THAT(client.response(), EndsWith("\r\n\r\nanswer"));
    client.get("/healthz");
    EXPECT_THAT(client.response(), EndsWith("\r\n\r\nok\n"));
  }
}

TEST_F(HttpServerTest, AForgottenRequestIsAnswered500) {
  start();
  RawHttp client(port());
  client.get("/dropped");
  EXPECT_THAT(client.response(), StartsWith("HTTP/1.1 500 "));
  client.get("/later");
  next_open().reset();
  EXPECT_THAT(client.response(), StartsWith("HTTP/1.1 500 "));
}

TEST_F(HttpServerTest, AnAnswerThatIsNotHttpBecomes500) {
  start();
  RawHttp client(port());
  client.get("/later");
  next_open()->respond({.body = "", .headers = {{"X-Leader", "me\r\nSet-Cookie: a=b"}}});
  EXPECT_THAT(client.response(), AllOf(StartsWith("HTTP/1.1 500 "), Not(HasSubstr("Set-Cookie"))));
  client.get("/later");
  next_open()->begin_stream({.status = 204, .body = "", .headers = {}});
  EXPECT_THAT(client.response(), StartsWith("HTTP/1.1 500 "));
}

TEST_F(HttpServerTest, AContinueIsSentBeforeTheContent) {
  start();
  RawHttp client(port());
  client.send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hi");
  EXPECT_THAT(client.response(), EndsWith("{hi} loopback"));
}

TEST_F(HttpServerTest, TheHandlerHearsThatTheClientIsGone) {
  start();
  Signal gone;
  {
    RawHttp client(port());
    client.get("/later");
    const auto exchange = next_open();
    EXPECT_FALSE(exchange->closed());
    exchange->on_closed([&] { gone.raise(); });
    client.reset();
    EXPECT_TRUE(gone.wait());
    EXPECT_TRUE(exchange->closed());
    Signal again;
    exchange->on_closed([&] { again.raise(); });
    EXPECT_TRUE(again.wait()) << "who asks late hears it too";
    exchange->respond({.body = "to nobody", .headers = {}});
  }
  Signal stream_gone;
  RawHttp reader(port());
  reader.get("/stream");
  const auto stream = next_open();
  stream->on_closed([&] { stream_gone.raise(); });
  reader.close();
  EXPECT_TRUE(stream_gone.wait());
  EXPECT_FALSE(stream->send("to nobody"));
}

TEST_F(HttpServerTest, OneThatHasNothingMoreToSayStillGetsItsAnswers) {
  start();
  RawHttp client(port());
  client.get("/later");
  client.get("/healthz");
  client.half_close();
  Signal heard;
  const auto exchange = next_open();
  exchange->on_closed([&] { heard.raise(); });
  EXPECT_TRUE(heard.wait());
  exchange->respond({.body = "late", .headers = {}});
  EXPECT_THAT(client.response(), EndsWith("late"));
  EXPECT_THAT(client.rest(), EndsWith("ok\n"));
}

TEST_F(HttpServerTest, LargeAnswersArriveWhole) {
  start();
  RawHttp client;
  client.be_a_slow_reader();
  ASSERT_TRUE(client.connect_to(port()));
  client.get("/big?n=8000000");
  client.get("/healthz");
  EXPECT_GT(client.response().size(), 8'000'000U);
  EXPECT_THAT(client.response(), EndsWith("ok\n"));
}

TEST_F(HttpServerTest, CurlUnderstandsIt) {
  start();
  const std::string url = "http://127.0.0.1:" + std::to_string(port());
  EXPECT_EQ(curl(url + "/healthz " + url + "/healthz"), "ok\nok\n");
  EXPECT_THAT(curl("--head " + url + "/healthz"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(curl("--http1.0 " + url + "/healthz"), "ok\n");
  EXPECT_EQ(curl("--data body '" + url + "/echo?a=b%20c'"), "POST /echo [a=b c] {body} loopback");
  EXPECT_EQ(curl("-H 'Transfer-Encoding: chunked' -H 'Expect: 100-continue' --data body " + url +
                 "/echo"),
            "POST /echo {body} loopback");
  EXPECT_EQ(curl("--output /dev/null --write-out '%{http_code} %{num_connects}' " + url +
                 "/missing " + url + "/missing --output /dev/null"),
            "404 1404 0");
}

TEST_F(HttpServerTest, EveryUsualAddressIsListenedOn) {
  for (const char* address : {"127.0.0.1", "0.0.0.0", "::", "[::]", "::1", "[::1]"}) {
    SCOPED_TRACE(address);
    const bool six = std::string_view(address).find(':') != std::string_view::npos;
    if (six && !std::filesystem::exists("/proc/net/if_inet6")) continue;
    start({.address = address});
    const std::string host = std::string_view(address).find('1') == std::string_view::npos || !six
                                 ? "127.0.0.1"  // the open one of IPv6 takes IPv4, too
                                 : "[::1]";
    EXPECT_THAT(curl("'http://" + host + ":" + std::to_string(port()) + "/echo'"),
                EndsWith("{} loopback"));
  }
}

TEST_F(HttpServerTest, WhatCannotBeListenedOnIsExplained) {
  start();
  const auto error_of = [](HttpServer::Options options) {
    auto server = HttpServer::start(std::move(options), [](const auto&, const auto&) {});
    EXPECT_FALSE(server);
    return server ? Error{} : server.error();
  };
  const std::string taken = std::to_string(port());
  EXPECT_EQ(error_of({.port = port()}).to_string(),
            "cannot listen on 127.0.0.1:" + taken +
                ": Address already in use; choose another port, "
                "or find the program that has it with: ss -ltnp 'sport = :" +
                taken + "'");
  EXPECT_EQ(error_of({.address = "localhost"}).to_string(),
            "cannot listen on \"localhost\": this is not an IP address; give 127.0.0.1 for this "
            "machine only, or 0.0.0.0 or :: for every interface");
  EXPECT_EQ(error_of({.address = ""}).code, ErrorCode::invalid_argument);
  EXPECT_EQ(error_of({.address = "192.0.2.1"}).code, ErrorCode::invalid_argument);
  EXPECT_EQ(error_of({.connections = 0}).code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace tenure
