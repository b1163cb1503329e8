// `tenure sidecar` as an application beside it sees it: real processes, asked over HTTP.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <iterator>
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
  for (const char* path : {"/x", "/api", "/api/leader/x", "/metricsx"})
    EXPECT_EQ(get(sidecar, path).status, 404) << path;
  for (const char* query : {"?wait=x", "?wait=-1", "?wait=1&timeout=5", "?wait=1&timeout=-1s"})
    EXPECT_EQ(get(sidecar, std::string("/api/leader") + query).status, 400) << query;
  const HttpResponse answer = ask({.method = "DELETE", .url = sidecar.url + "/api/leader"});
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.header("allow"), "GET, HEAD");
}

TEST_F(CliSidecar, MetricsSayWhoLeads) {
  Sidecar first(words("first"));
  EXPECT_EQ(leader(first, "?wait=0")["leader"], "first");
  Sidecar second(words("second"));
  EXPECT_EQ(leader(second, "?wait=0")["leader"], "first");
  const HttpResponse leads = get(first, "/metrics");
  EXPECT_EQ(leads.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(leads.body, HasSubstr("\nleader_election_master_status{name=\"job\"} 1\n"));
  EXPECT_THAT(leads.body, HasSubstr("reason=\"acquired\"} 1\n"));
  EXPECT_THAT(leads.body, HasSubstr("op=\"write\",outcome=\"applied\",store=\"sqlite\"} 1\n"));
  const std::string waits = get(second, "/metrics").body;
  EXPECT_THAT(waits, HasSubstr("\nleader_election_master_status{name=\"job\"} 0\n"));
  EXPECT_THAT(waits, HasSubstr("\ntenure_epoch{name=\"job\"} 1\n"));
}

TEST_F(CliSidecar, ThePageShowsWhoLedAndWhoLeads) {
  Sidecar first(words("first"));
  EXPECT_EQ(leader(first, "?wait=0")["leader"], "first");
  Sidecar second(words("second <b>"));
  EXPECT_EQ(leader(second, "?wait=0")["leader"], "first");
  first.program.signal(SIGTERM);
  ASSERT_TRUE(second.program.reports("this candidate leads"));
  const HttpResponse page = get(second, "/");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.header("content-type"), "text/html; charset=utf-8");
  EXPECT_THAT(page.header("content-security-policy"), HasSubstr("default-src 'none'"));
  EXPECT_THAT(page.body, HasSubstr("first"));
  EXPECT_THAT(page.body, HasSubstr("second &lt;b&gt;"));
  EXPECT_THAT(page.body, HasSubstr("sqlite://"));
}

// -------------------------------------------------------------------------------------------------
// hooks

class CliSidecarHooks : public CliSidecar {
 protected:
  /// Appends a line to the file `said`.
  [[nodiscard]] std::string say(const std::string& what) const {
    return "echo " + what + " $TENURE_LOCK $TENURE_IDENTITY $TENURE_EPOCH >> " +
           folder_.file("said");
  }
  [[nodiscard]] Words words_with(const Words& more) const {
    Words all = words("first");
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  [[nodiscard]] std::string said() const {
    std::ifstream file(folder_.file("said"));
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

TEST_F(CliSidecarHooks, RunWhenLeadershipBeginsAndBeforeTheLockIsGivenBack) {
  const std::string status = std::string(TENURE_PROGRAM) + " status --lock sqlite://" +
                             folder_.file("locks.db") + " -o json job >> " + folder_.file("said");
  Sidecar first(words_with({"--on-started", say("started") + "; echo began >&2; exit 3",
                            "--on-stopped", say("stopped") + "; " + status}));
  ASSERT_TRUE(first.program.reports("the hook of --on-started failed with exit code 3: began"));
  first.program.signal(SIGTERM);
  EXPECT_EQ(first.program.exit_code(), 0);
  EXPECT_THAT(said(), ::testing::StartsWith("started job first 1\nstopped job first 1\n"));
  EXPECT_THAT(said(), HasSubstr("\"holder\": \"first\"")) << "it was still held";
}

TEST_F(CliSidecarHooks, WhatBeganATenureEndsWithIt) {
  Sidecar first(words_with({"--on-started", "exec sleep 1000", "--on-stopped", say("stopped")}));
  EXPECT_EQ(leader(first, "?wait=0")["leader"], "first");
  Sidecar second(words("second"));
  EXPECT_EQ(leader(second, "?wait=0")["leader"], "first");
  EXPECT_EQ(ask({.method = "POST", .url = first.url + "/api/resign"}).status, 202);
  ASSERT_TRUE(second.program.reports("this candidate leads"));
  EXPECT_EQ(said(), "stopped job first 1\n") << "without waiting for the sleep";
}

TEST_F(CliSidecarHooks, OneThatDoesNotEndIsCutOffWithTheLease) {
  Sidecar first(words_with({"--on-stopped", "exec sleep 1000", "--lease-duration", "4s",
                            "--renew-deadline", "2s", "--retry-period", "300ms"}));
  EXPECT_EQ(leader(first, "?wait=0")["leader"], "first");
  first.program.signal(SIGTERM);
  EXPECT_EQ(first.program.exit_code(), 0);
  EXPECT_THAT(first.program.errors(),
              HasSubstr("the lease ended before this candidate had stopped"));
}

// -------------------------------------------------------------------------------------------------
// command line

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
  EXPECT_THAT(refusal({"--lease-name", "job", "--pod-label", "a b"}), HasSubstr("key=value"));
  EXPECT_THAT(refusal({"--lease-name", "job", "--pod-label", "a=b"}), HasSubstr("set POD_NAME"));
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

TEST(CliManifests, TakeTheUsersNames) {
  const Finished plain = finish({"manifests", "sidecar"});
  EXPECT_EQ(plain.code, 0);
  EXPECT_THAT(plain.output, HasSubstr("kind: RoleBinding"));
  EXPECT_THAT(plain.output, HasSubstr("image: tenure:"));
  const Finished named =
      finish({"manifests", "sidecar", "--name", "web", "--image", "example.com/tenure:7"});
  EXPECT_EQ(named.code, 0);
  EXPECT_THAT(named.output, HasSubstr("image: example.com/tenure:7\n"));
  EXPECT_THAT(named.output, HasSubstr("--lease-name=web\n"));
  EXPECT_THAT(named.output, HasSubstr("name: web-leader\n"));
}

TEST(CliManifests, OfTheControllerTakeTheUsersStore) {
  const Finished plain = finish({"manifests", "controller"});
  EXPECT_EQ(plain.code, 0);
  EXPECT_THAT(plain.output, HasSubstr("--store=gs://BUCKET\n"));
  const Finished filled = finish(
      {"manifests", "controller", "--store", "gs://locks/eu", "--image", "example.com/tenure:7"});
  EXPECT_EQ(filled.code, 0);
  EXPECT_THAT(filled.output, HasSubstr("--store=gs://locks/eu\n"));
  EXPECT_THAT(filled.output, HasSubstr("image: example.com/tenure:7\n"));
  EXPECT_THAT(finish({"manifests", "crds"}).output, HasSubstr("kind: MultiClusterLease\n"));
}

TEST(CliManifests, BadNamesAreRefused) {
  const auto refusal = [](const Words& words) {
    const Finished result = finish(words);
    EXPECT_EQ(result.code, 2) << result.output;
    return result.errors;
  };
  EXPECT_THAT(refusal({"manifests"}), HasSubstr("WHAT"));
  EXPECT_THAT(refusal({"manifests", "sidecars"}), HasSubstr("tenure manifests sidecar"));
  EXPECT_THAT(refusal({"manifests", "sidecar", "--name", "My_App"}), HasSubstr("--name"));
  EXPECT_THAT(refusal({"manifests", "sidecar", "--image", "a\nkind: b"}), HasSubstr("--image"));
  EXPECT_THAT(refusal({"manifests", "controller", "--store", "gs://a b"}), HasSubstr("--store"));
  EXPECT_THAT(refusal({"manifests", "controller", "--store", "bucket"}), HasSubstr("gs://"));
  EXPECT_THAT(refusal({"manifests", "controller", "--name", "web"}), HasSubstr("no place"));
  EXPECT_THAT(refusal({"manifests", "sidecar", "--store", "gs://a"}), HasSubstr("no place"));
}

}  // namespace
}  // namespace tenure::test
