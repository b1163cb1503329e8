// `tenure sidecar` as an application beside it sees it: real processes, asked over HTTP.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cli_program.h"
#include "net/http_client.h"
#include "runtime/clock.h"

namespace tenure::test {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;
using std::chrono::seconds;

class CliSidecar : public ::testing::Test {
 protected:
  struct Sidecar {
    explicit Sidecar(const Words& words, const Program::Setup& setup = {}) : program(words, setup) {
      if (!program.reports("listening on port ")) return;
      const std::string& said = program.errors();
      const std::size_t at = said.find("listening on port ") + 18;
      url = "http://127.0.0.1:" + said.substr(at, said.find(':', at) - at);
    }
    Program program;
    std::string url;
  };

  [[nodiscard]] Words words(const std::string& id) const {
    return {"sidecar",
            "--lock",
            "sqlite://" + folder_.file("locks.db"),
            "--lease-name",
            "job",
            "--id",
            id,
            "--addr",
            "127.0.0.1:0"};
  }
  HttpResponse ask(HttpRequest request) {
    request.deadline = boot_now() + seconds(30);
    std::optional<Result<HttpResponse>> answer;
    client_->send(std::move(request), [&](Result<HttpResponse> r) {
      answer = std::move(r);
      loop_->stop();
    });
    while (!answer) loop_->run();
    EXPECT_TRUE(*answer) << answer->error().to_string();
    return answer->value_or(HttpResponse());
  }
  HttpResponse get(const Sidecar& sidecar, const std::string& path) {
    return ask({.url = sidecar.url + path});
  }
  Json leader(const Sidecar& sidecar, const std::string& query = {}) {
    const HttpResponse answer = get(sidecar, "/api/leader" + query);
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.header("content-type"), "application/json");
    return Json::parse(answer.body);
  }

  TempFolder folder_;
  const std::unique_ptr<Loop> loop_ = std::move(Loop::create().value());
  const std::unique_ptr<HttpClient> client_ = std::move(HttpClient::create(*loop_, {}).value());
};

TEST_F(CliSidecar, SaysWhoLeads) {
  Sidecar first(words("first"));
  EXPECT_EQ(leader(first, "?wait=0")["leader"], "first");
  const Json own = leader(first);
  EXPECT_EQ(own["identity"], "first");
  EXPECT_EQ(own["isLeader"], true);
  EXPECT_EQ(own["epoch"], 1);
  EXPECT_GT(own["validForMilliseconds"], 0);
  EXPECT_TRUE(own["since"].is_string());
  EXPECT_EQ(get(first, "/api/is-leader").status, 200);

  Sidecar second(words("second"));
  EXPECT_EQ(leader(second, "?wait=0")["leader"], "first");
  const Json others = leader(second);
  EXPECT_EQ(others["identity"], "second");
  EXPECT_EQ(others["isLeader"], false);
  EXPECT_EQ(others["validForMilliseconds"], 0);
  EXPECT_EQ(get(second, "/api/is-leader").status, 503);
  for (const Sidecar* sidecar : {&first, &second}) {
    EXPECT_EQ(get(*sidecar, "/healthz").status, 200);
    EXPECT_EQ(get(*sidecar, "/readyz").status, 200);
  }
}

TEST_F(CliSidecar, WhoWaitsIsAnsweredWhenTheLeaderChanges) {
  Sidecar first(words("first"));
  EXPECT_EQ(leader(first, "?wait=0")["epoch"], 1);
  Sidecar second(words("second"));
  EXPECT_EQ(leader(second, "?wait=0")["epoch"], 1);
  first.program.signal(SIGTERM);
  EXPECT_EQ(first.program.exit_code(), 0);
  // The lock is nobody's for a moment, and that is a change as well.
  Json next = leader(second, "?wait=1&timeout=30s");
  if (next["epoch"] == 0) next = leader(second, "?wait=0&timeout=30s");
  EXPECT_EQ(next["leader"], "second");
  EXPECT_EQ(next["epoch"], 2);
  EXPECT_EQ(leader(second, "?wait=2&timeout=1ms")["epoch"], 2) << "nothing changes: as it is";
}

TEST_F(CliSidecar, AStreamTellsEveryChange) {
  Sidecar first(words("first"));
  EXPECT_EQ(leader(first, "?wait=0")["epoch"], 1);
  Sidecar second(words("second"));
  EXPECT_EQ(leader(second, "?wait=0")["epoch"], 1);
  std::string events;
  const auto stream = client_->stream(
      {.url = second.url + "/api/leader",
       .headers = {{"Accept", "text/event-stream"}},
       .deadline = boot_now() + seconds(30)},
      [&](std::string_view data) {
        events += data;
        if (events.find("\"leader\":\"second\"") != std::string::npos) loop_->stop();
      },
      [&](const auto&) { loop_->stop(); });
  EXPECT_EQ(leader(second)["leader"], "first");  // the stream has begun by now, or will tell
  first.program.signal(SIGTERM);
  while (events.find("\"leader\":\"second\"") == std::string::npos) loop_->run();
  EXPECT_THAT(events, ::testing::StartsWith("data: {\"leader\":\"first\""));
  EXPECT_THAT(events, HasSubstr("\"isLeader\":true,\"epoch\":2"));
  EXPECT_THAT(events, ::testing::EndsWith("\n\n"));
}

TEST_F(CliSidecar, ResignsForProgramsOfThisMachineButNotForWebPages) {
  Sidecar first(words("first"));
  EXPECT_EQ(leader(first, "?wait=0")["epoch"], 1);
  Sidecar second(words("second"));
  EXPECT_EQ(leader(second, "?wait=0")["epoch"], 1);
  const std::string path = "/api/resign";
  EXPECT_EQ(ask({.method = "POST", .url = second.url + path}).status, 409);
  EXPECT_EQ(get(first, path).status, 405);
  EXPECT_EQ(ask({.method = "POST",
                 .url = first.url + path,
                 .headers = {{"Origin", "https://example.com"}}})
                .status,
            403);
  EXPECT_EQ(leader(first)["isLeader"], true);
  EXPECT_EQ(ask({.method = "POST", .url = first.url + path}).status, 202);
  ASSERT_TRUE(second.program.reports("this candidate leads"));
  EXPECT_EQ(leader(second)["epoch"], 2);
}

TEST_F(CliSidecar, WrongQuestionsGetOneClearLine) {
  Sidecar sidecar(words("one"));
  for (const char* path : {"/", "/api", "/api/leader/x", "/metricsx"})
    EXPECT_EQ(get(sidecar, path).status, 404) << path;
  for (const char* query : {"?wait=x", "?wait=-1", "?wait=1&timeout=5", "?wait=1&timeout=-1s"})
    EXPECT_EQ(get(sidecar, std::string("/api/leader") + query).status, 400) << query;
  const HttpResponse answer = ask({.method = "DELETE", .url = sidecar.url + "/api/leader"});
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.header("allow"), "GET, HEAD");
}

TEST_F(CliSidecar, TheVariablesOfAManifestCount) {
  Program::Setup setup;
  setup.environment = {"LEASE_NAME=job", "POD_NAME=pod-7", "LEASE_DURATION=30s",
                       "LEASE_RENEW_DURATION=15s"};
  Sidecar sidecar(
      {"sidecar", "--lock", "sqlite://" + folder_.file("other.db"), "--addr", "127.0.0.1:0"},
      setup);
  EXPECT_EQ(leader(sidecar, "?wait=0")["leader"], "pod-7");
  const Finished status =
      finish({"status", "--lock", "sqlite://" + folder_.file("other.db"), "-o", "json", "job"});
  EXPECT_EQ(Json::parse(status.output)["locks"][0]["leaseDurationSeconds"], 30);
}

TEST_F(CliSidecar, BadInputIsRefusedBeforeAnythingRuns) {
  const auto refusal = [&](const Words& more, const Program::Setup& setup = {}) {
    Words all = {"sidecar", "--lock", folder_.lock_url()};
    all.insert(all.end(), more.begin(), more.end());
    const Finished result = finish(all, setup);
    EXPECT_EQ(result.code, 2) << result.errors;
    return result.errors;
  };
  EXPECT_THAT(refusal({}), HasSubstr("give --lease-name or set LEASE_NAME"));
  EXPECT_THAT(refusal({"--lease-name", "job", "--addr", "4040"}), HasSubstr("write it as :4040"));
  EXPECT_THAT(refusal({"--lease-name", "job", "--addr", "127.0.0.1:99999"}), HasSubstr("4040"));
  EXPECT_THAT(refusal({"--lease-name", "job", "--id", "a\tb"}), HasSubstr("cannot be used"));
  Program::Setup setup;
  setup.environment = {"LEASE_DURATION=soon"};
  EXPECT_THAT(refusal({"--lease-name", "job"}, setup), HasSubstr("LEASE_DURATION"));
}

TEST_F(CliSidecar, APortThatIsTakenIsNamed) {
  Sidecar first(words("first"));
  const std::string port = first.url.substr(first.url.rfind(':'));
  Words again = words("second");
  again.back() = "127.0.0.1" + port;
  const Finished result = finish(again);
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.errors, HasSubstr(port.substr(1)));
}

}  // namespace
}  // namespace tenure::test
