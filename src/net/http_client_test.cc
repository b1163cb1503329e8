#include "net/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/request_limit.h"
#include "net/testing/scripted_server.h"
#include "runtime/clock.h"

namespace tenure {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

using Connection = ScriptedServer::Connection;
using Answer = std::optional<Result<HttpResponse>>;

constexpr const char* kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

class HttpClientTest : public testing::Test {
 protected:
  HttpClientTest() : loop_(std::move(Loop::create().value())), client_(make_client()) {}

  [[nodiscard]] std::unique_ptr<HttpClient> make_client(HttpClientOptions options = {}) const {
    options.user_agent = "tenure-test/1";
    return std::move(HttpClient::create(*loop_, std::move(options)).value());
  }
  void serve(ScriptedServer::Handler handler) {
    server_ = std::make_unique<ScriptedServer>(*loop_, std::move(handler));
  }
  void run_until(const std::function<bool()>& done, const std::string& waiting_for) {
    const Instant limit = boot_now() + seconds(30);
    while (!done()) {
      ASSERT_LT(boot_now(), limit) << "waited in vain for " << waiting_for;
      loop_->at(boot_now() + milliseconds(5), [this] { loop_->stop(); });
      loop_->run();
    }
  }
  static Instant soon() { return boot_now() + seconds(20); }
  Result<HttpResponse> fetch(HttpRequest request) {
    if (request.url.empty()) request.url = server_->url() + "/path?q=1";
    if (request.deadline == Instant()) request.deadline = soon();
    Answer answer;
    client_->send(std::move(request), [&](Result<HttpResponse> r) { answer = std::move(r); });
    EXPECT_FALSE(answer) << "answered before send() returned";
    run_until([&] { return answer.has_value(); }, "the answer");
    return answer.value_or(failure(ErrorCode::internal, "no answer"));
  }
  std::string error_of(HttpRequest request) {
    const auto answer = fetch(std::move(request));
    return answer ? "status " + std::to_string(answer->status) : answer.error().to_string();
  }

  const std::unique_ptr<Loop> loop_;
  std::unique_ptr<ScriptedServer> server_;
  std::unique_ptr<HttpClient> client_;
};

TEST_F(HttpClientTest, SendsWhatItIsToldAndBringsTheAnswer) {
  std::string seen;
  serve([&](Connection& c, const std::string& request) {
    seen = request;
    c.say("HTTP/1.1 409 Conflict\r\nX-Some-Header:  a b \r\nContent-Length: 5\r\n\r\ntaken");
  });
  const auto answer = fetch({.method = "PUT",
                             .headers = {{"Authorization", "Bearer abc"}, {"X-Empty", "1"}},
                             .body = "{\"a\":1}"});
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(answer->status, 409);
  EXPECT_EQ(answer->header("x-some-header"), "a b");
  EXPECT_EQ(answer->header("absent"), "");
  EXPECT_EQ(answer->body, "taken");
  EXPECT_THAT(seen, testing::StartsWith("PUT /path?q=1 HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("\r\nAuthorization: Bearer abc\r\n"));
  EXPECT_THAT(seen, HasSubstr("\r\nUser-Agent: tenure-test/1\r\n"));
  EXPECT_THAT(seen, HasSubstr("\r\nContent-Length: 7\r\n"));
  EXPECT_THAT(seen, Not(HasSubstr("Expect:")));
  EXPECT_THAT(seen, testing::EndsWith("\r\n\r\n{\"a\":1}"));
}

TEST_F(HttpClientTest, AConnectionIsUsedAgain) {
  serve([](Connection& c, const std::string&) { c.say(kOk); });
  for (int i = 0; i < 5; ++i) EXPECT_EQ(fetch({})->body, "ok");
  EXPECT_EQ(server_->connections(), 1);
}

TEST_F(HttpClientTest, NothingOfARequestStaysForTheNext) {
  std::string seen;
  serve([&](Connection& c, const std::string& request) {
    seen = request;
    c.say(request.starts_with("HEAD") ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" : kOk);
  });
  const std::string put = server_->url() + "/put?a=1";
  const std::string get = server_->url() + "/get";
  const auto head_of = [](const std::string& method_and_path) {
    return method_and_path + " HTTP/1.1\r\n";
  };
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(
        fetch({.method = "PUT", .url = put, .headers = {{"X-Mine", "1"}}, .body = "long body"}));
    EXPECT_THAT(seen, testing::StartsWith(head_of("PUT /put?a=1")));
    EXPECT_THAT(seen, testing::EndsWith("\r\n\r\nlong body"));
    EXPECT_EQ(fetch({.url = get})->body, "ok");
    EXPECT_THAT(seen, testing::StartsWith(head_of("GET /get")));
    EXPECT_THAT(seen, Not(testing::AnyOf(HasSubstr("X-Mine"), HasSubstr("Content-Length"))));
    EXPECT_EQ(fetch({.method = "HEAD", .url = get})->body, "");
    EXPECT_THAT(seen, testing::StartsWith(head_of("HEAD /get")));
    ASSERT_TRUE(fetch({.method = "POST", .url = put}));
    EXPECT_THAT(seen, testing::StartsWith(head_of("POST /put?a=1")));
    EXPECT_THAT(seen, HasSubstr("\r\nContent-Length: 0\r\n"));
    ASSERT_TRUE(fetch({.method = "DELETE", .url = put}));
    EXPECT_THAT(seen, testing::StartsWith(head_of("DELETE /put?a=1")));
  }
  EXPECT_EQ(server_->connections(), 1);
}

TEST_F(HttpClientTest, OtherServersAreReachedInTurn) {
  serve([](Connection& c, const std::string&) { c.say(kOk); });
  ScriptedServer other(*loop_, [](Connection& c, const std::string&) {
    c.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother");
  });
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(fetch({})->body, "ok");
    EXPECT_EQ(fetch({.url = other.url()})->body, "other");
  }
  EXPECT_EQ(server_->connections(), 1);
  EXPECT_EQ(other.connections(), 1);
}

TEST_F(HttpClientTest, RequestsRunSideBySide) {
  std::vector<Connection*> waiting;
  serve([&](Connection& c, const std::string&) { waiting.push_back(&c); });
  std::vector<Answer> answers(3);
  for (Answer& answer : answers)
    client_->send({.url = server_->url(), .deadline = soon()},
                  [&answer](Result<HttpResponse> r) { answer = std::move(r); });
  run_until([&] { return waiting.size() == 3; }, "three requests");
  for (Connection* c : waiting) c->say(kOk);
  run_until([&] { return answers[0] && answers[1] && answers[2]; }, "three answers");
  for (const Answer& answer : answers) EXPECT_TRUE(answer->has_value());
}

TEST_F(HttpClientTest, AThousandRequestsAtOnceShareAFewConnections) {
  std::vector<Connection*> waiting;
  serve([&](Connection& c, const std::string&) { waiting.push_back(&c); });
  int answered = 0;
  for (int i = 0; i < 1000; ++i)
    client_->send({.url = server_->url(), .deadline = boot_now() + seconds(60)},
                  [&](const Result<HttpResponse>& r) { answered += r && r->body == "ok" ? 1 : 0; });
  Answer late;
  client_->send({.url = server_->url(), .deadline = boot_now() + milliseconds(50)},
                [&](Result<HttpResponse> r) { late = std::move(r); });
  run_until([&] { return late.has_value(); }, "the request that could not be sent in time");
  EXPECT_THAT(late->error().to_string(), HasSubstr(server_->url() + " did not answer in time"));
  EXPECT_EQ(answered, 0);
  const auto answer_all = [&] {
    for (Connection* c : std::exchange(waiting, {})) c->say(kOk);
    return answered == 1000;
  };
  run_until(answer_all, "a thousand answers");
  EXPECT_EQ(server_->connections(), RequestLimit::kLeast + 1) << "one more for the one in vain";
}

TEST_F(HttpClientTest, ADeadlineEndsARequestThatIsNotAnswered) {
  serve([](Connection&, const std::string&) {});
  EXPECT_THAT(error_of({.deadline = boot_now() + milliseconds(50)}),
              HasSubstr(server_->url() + " did not answer in time"));
  EXPECT_THAT(error_of({.deadline = boot_now() - seconds(1)}), HasSubstr("in time"));
}

TEST_F(HttpClientTest, AnAnswerAfterTheDeadlineIsNotTakenForTheNextOne) {
  Connection* first = nullptr;
  serve([&](Connection& c, const std::string&) {
    if (first == nullptr) {
      first = &c;
    } else {
      c.say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond");
    }
  });
  EXPECT_FALSE(fetch({.deadline = boot_now() + milliseconds(50)}));
  EXPECT_EQ(fetch({})->body, "second");
  EXPECT_EQ(server_->connections(), 2);
}

TEST_F(HttpClientTest, AnAnswerThatIsCutOffIsNoAnswer) {
  serve([](Connection& c, const std::string&) {
    c.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    c.hang_up();
  });
  EXPECT_THAT(error_of({.method = "PUT", .body = "x"}),
              HasSubstr("cannot reach " + server_->url()));
}

TEST_F(HttpClientTest, AResetIsNoAnswer) {
  serve([](Connection& c, const std::string&) { c.reset(); });
  EXPECT_THAT(error_of({}), HasSubstr("cannot reach"));
}

TEST_F(HttpClientTest, ARequestOnAConnectionThatTheServerHadClosedGoesOutOnceMore) {
  serve([](Connection& c, const std::string&) {
    c.say(kOk);
    if (c.number == 1) c.hang_up();
  });
  EXPECT_TRUE(fetch({}));
  EXPECT_TRUE(fetch({.method = "PUT", .body = "x"}));
  EXPECT_EQ(server_->connections(), 2);
}

TEST_F(HttpClientTest, AServerThatIsNotThereIsNamed) {
  serve([](Connection&, const std::string&) {});
  const std::string url = server_->url();
  server_->stop_listening();
  const std::string error = error_of({.url = url + "/secret?token=secret"});
  EXPECT_THAT(error, HasSubstr("cannot reach " + url));
  EXPECT_THAT(error, Not(HasSubstr("secret")));
}

TEST_F(HttpClientTest, AnAnswerMayNotBeLargerThanAsked) {
  const std::string body(5000, 'x');
  serve([&](Connection& c, const std::string&) {
    c.say("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + body);
  });
  EXPECT_EQ(fetch({.max_response_bytes = 5000})->body, body);
  EXPECT_THAT(error_of({.max_response_bytes = 4999}), HasSubstr("too large"));
}

TEST_F(HttpClientTest, EndlessHeadersAreCutOff) {
  serve([&](Connection& c, const std::string&) {
    c.say("HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 100; ++i) c.say("X-H: " + std::string(1000, 'x') + "\r\n");
  });
  EXPECT_THAT(error_of({}), HasSubstr("too large"));
}

TEST_F(HttpClientTest, WhatIsNotHttpIsAnError) {
  serve([](Connection& c, const std::string&) { c.say("SSH-2.0-OpenSSH_9.2\r\n\r\n"); });
  EXPECT_THAT(error_of({}), HasSubstr("cannot reach"));
}

TEST_F(HttpClientTest, RedirectsAreNotFollowed) {
  serve([](Connection& c, const std::string&) {
    c.say("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
  });
  EXPECT_EQ(fetch({})->status, 302);
}

TEST_F(HttpClientTest, AnAddressThatIsNoneIsRefused) {
  serve([](Connection& c, const std::string&) { c.say(kOk); });
  for (const char* url :
       {"", "nonsense", "/path", "ftp://h/", "file:///etc/passwd", "http://", "https://a b/"}) {
    ASSERT_TRUE(fetch({})) << "a good one before, of which nothing may be left";
    Answer answer;
    client_->send({.url = url, .deadline = soon()},
                  [&](Result<HttpResponse> r) { answer = std::move(r); });
    run_until([&] { return answer.has_value(); }, "the refusal");
    ASSERT_FALSE(answer->has_value()) << url;
    EXPECT_EQ(answer->error().code, ErrorCode::invalid_argument) << url;
  }
}

TEST_F(HttpClientTest, ACertificateThatIsNoneIsRefused) {
  client_ = make_client({.tls = {.client_certificate_pem = "no", .client_key_pem = "no"}});
  serve([](Connection&, const std::string&) {});
  const auto answer = fetch({.url = "https" + server_->url().substr(4)});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::invalid_argument) << answer.error().to_string();
}

TEST_F(HttpClientTest, AnotherIdentityIsThatOfEveryLaterRequest) {
  serve([](Connection& c, const std::string&) { c.say(kOk); });
  ASSERT_TRUE(fetch({}));
  const std::string https = "https" + server_->url().substr(4);
  client_->set_tls({.client_certificate_pem = "none", .client_key_pem = "none"});
  EXPECT_THAT(error_of({.url = https}), HasSubstr("client certificate"));
  client_->set_tls({});
  server_->stop_listening();
  EXPECT_THAT(error_of({.url = https}), HasSubstr("cannot reach"));
}

/// By this process, so far.
std::uintmax_t bytes_read() {
  std::ifstream file("/proc/self/io");
  std::string key;
  std::uintmax_t value = 0;
  while (file >> key >> value)
    if (key == "rchar:") return value;
  ADD_FAILURE() << "/proc/self/io does not tell";
  return 0;
}

// Of each connection they would be a megabyte and 15 ms of a processor.
TEST_F(HttpClientTest, TheSystemsAuthoritiesAreReadOnceAndNotForEachConnection) {
  serve([](Connection&, const std::string&) {});
  const std::uintmax_t all = std::filesystem::file_size("/etc/ssl/certs/ca-certificates.crt");
  const std::uintmax_t before = bytes_read();
  for (int i = 0; i < 3; ++i)
    EXPECT_THAT(error_of({.url = "https" + server_->url().substr(4)}), HasSubstr("cannot reach"));
  EXPECT_EQ(server_->connections(), 3);
  EXPECT_GE(bytes_read() - before, all);
  EXPECT_LT(bytes_read() - before, 2 * all);
}

TEST_F(HttpClientTest, AStreamComesInPieces) {
  Connection* peer = nullptr;
  serve([&](Connection& c, const std::string&) {
    peer = &c;
    c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
  });
  std::vector<std::string> pieces;
  Answer end;
  const auto stream = client_->stream(
      {.url = server_->url(), .deadline = soon()},
      [&](std::string_view data) { pieces.emplace_back(data); },
      [&](Result<HttpResponse> r) { end = std::move(r); });
  run_until([&] { return pieces.size() == 1; }, "the first piece");
  peer->say("3\r\ntwo\r\n");
  run_until([&] { return pieces.size() == 2; }, "the second piece");
  peer->say("0\r\n\r\n");
  run_until([&] { return end.has_value(); }, "the end");
  EXPECT_THAT(pieces, ElementsAre("one", "two"));
  ASSERT_TRUE(end->has_value());
  EXPECT_EQ((*end)->body, "");
}

TEST_F(HttpClientTest, AStreamThatIsRefusedSaysWhy) {
  serve([](Connection& c, const std::string&) {
    c.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
  });
  Answer end;
  const auto stream = client_->stream(
      {.url = server_->url(), .deadline = soon()},
      [](std::string_view) { ADD_FAILURE() << "data"; },
      [&](Result<HttpResponse> r) { end = std::move(r); });
  run_until([&] { return end.has_value(); }, "the end");
  EXPECT_EQ(end->value().status, 403);
  EXPECT_EQ(end->value().body, "no");
}

TEST_F(HttpClientTest, AStreamMayEndItselfAndItsClientMayGo) {
  serve([](Connection& c, const std::string&) {
    c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
  });
  std::unique_ptr<HttpClient::Stream> stream;
  int pieces = 0;
  const auto start = [&](const std::function<void()>& on_piece) {
    pieces = 0;
    stream = client_->stream(
        {.url = server_->url(), .deadline = soon()},
        [&pieces, on_piece](std::string_view) { ++pieces, on_piece(); },
        [](const auto&) { ADD_FAILURE() << "a dropped stream was ended"; });
    run_until([&] { return pieces == 1; }, "the piece");
  };
  start([&] { stream.reset(); });
  start([&] { client_.reset(); });
  stream.reset();
}

TEST_F(HttpClientTest, DestroyingTheClientCallsNothing) {
  int requests = 0;
  serve([&](Connection&, const std::string&) { ++requests; });
  for (int i = 0; i < 100; ++i)  // most of them wait
    client_->send({.url = server_->url(), .deadline = boot_now() + milliseconds(100)},
                  [](const auto&) { ADD_FAILURE() << "called"; });
  run_until([&] { return requests > 0; }, "the requests");
  client_.reset();
  bool later = false;
  loop_->at(boot_now() + milliseconds(150), [&] { later = true; });
  run_until([&] { return later; }, "the deadlines to pass");
}

TEST(HttpDate, IsReadInTheFormThatServersSend) {
  const auto time = http_date("Sun, 06 Nov 1994 08:49:37 GMT");
  ASSERT_TRUE(time);
  EXPECT_EQ(time->ns(), 784'111'777'000'000'000);
  for (const char* bad : {"", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37", "now"})
    EXPECT_FALSE(http_date(bad)) << bad;
}

TEST(PercentEncoded, LeavesOnlyUnreservedCharacters) {
  EXPECT_EQ(percent_encoded("aZ0-._~"), "aZ0-._~");
  EXPECT_EQ(percent_encoded("a/b c?&=%ä"), "a%2Fb%20c%3F%26%3D%25%C3%A4");
}

}  // namespace
}  // namespace tenure
