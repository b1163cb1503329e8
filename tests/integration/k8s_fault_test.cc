// `tenure` behind a network that loses, delays and cuts, beside a candidate whose network is fine.
#include <csignal>
#include <memory>
#include <optional>

#include "api_metrics.h"
#include "base/duration.h"
#include "k8s_test.h"
#include "net/http_client.h"
#include "servers/credentials.h"
#include "servers/lossy_proxy.h"
#include "witness.h"

namespace tenure::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Mode = LossyProxy::Mode;
using std::chrono::seconds;

// Faults of a few seconds are survived, however slow this machine is.
const std::string kEnduring = std::string(kPatient) + "&request-timeout=1s";
constexpr Duration kHastyDuration = seconds(8);
// Who follows has been told of a release, and has not come upon it by looking: that would be after
// half a lease, when the tests have given up long ago.
const std::string kVeryLong = "lease-duration=300s&renew-deadline=200s&retry-period=1s";

constexpr const char* kNoAnswer = "the lock store gave no clear answer in time";

class K8sFault : public K8sTest {
 protected:
  void SetUp() override {
    const auto cluster = shared_cluster();
    ASSERT_TRUE(cluster) << cluster.error().to_string();
    use(*cluster);
    auto proxy = LossyProxy::start(admin_.server_url);
    ASSERT_TRUE(proxy) << proxy.error().to_string();
    proxy_ = std::move(*proxy);
    const auto ca = read_file(admin_.ca_file);
    ASSERT_TRUE(ca) << ca.error().to_string();
    const Status written =
        write_secret_file(far_config(), kubeconfig_text(proxy_->url(), *ca, "admin", admin_.token));
    ASSERT_TRUE(written) << written.error().to_string();
  }

  [[nodiscard]] std::string far_config() const { return folder_.file("far.config"); }
  /// A candidate behind the proxy.
  [[nodiscard]] Words far(const std::string& settings) const {
    return witness_.candidate(lock(settings, far_config()), "far");
  }
  /// Its competitor, whom no fault meets.
  [[nodiscard]] Words near(const std::string& settings) const {
    return witness_.candidate(lock(settings), "near");
  }
  [[nodiscard]] std::string holder() const { return lease()["spec"]["holderIdentity"]; }
  [[nodiscard]] int transitions() const { return lease()["spec"]["leaseTransitions"]; }
  /// How long after the last renewal of a holder that has gone the present one began.
  [[nodiscard]] Duration waited_after(const std::string& last_renewal) const {
    const auto began = parse_rfc3339(lease()["spec"]["acquireTime"].get<std::string>());
    const auto renewed = parse_rfc3339(last_renewal);
    EXPECT_TRUE(began && renewed);
    return began && renewed ? *began - *renewed : Duration(0);
  }

  std::unique_ptr<LossyProxy> proxy_;
  Witness witness_{folder_.file("witness")};
};

TEST_F(K8sFault, AnAcquisitionWhoseAnswerIsLostIsFoundAgain) {
  proxy_->set_at_next_write(Mode::answers_lost);
  Program first(far(kEnduring));
  ASSERT_TRUE(proxy_->wait_for_write());
  Program other(near(kEnduring));
  ASSERT_TRUE(other.reports("held by far (epoch 1)")) << "it was written";
  ASSERT_TRUE(first.reports(kNoAnswer));
  EXPECT_THAT(witness_.said(), ElementsAre()) << "it does not know that yet";
  proxy_->set(Mode::pass);
  ASSERT_TRUE(first.prints("working with 1"));
  ASSERT_TRUE(renews());
  first.signal(SIGTERM);
  ASSERT_TRUE(other.prints("working with 2"));
  EXPECT_THAT(witness_.said(), ElementsAre("1", "2"));
  EXPECT_EQ(transitions(), 2);
}

TEST_F(K8sFault, AnAcquisitionWhoseWriterIsKilledBeforeItsAnswerIsWaitedOut) {
  proxy_->set_at_next_write(Mode::answers_lost);
  Program killed(far(kHasty));
  ASSERT_TRUE(proxy_->wait_for_write());
  ASSERT_TRUE(eventually([&] { return !kubectl({"get", "leases", "-o", "name"}).empty(); }));
  killed.signal(SIGKILL);
  EXPECT_EQ(killed.exit_code(), 128 + SIGKILL);
  const std::string written = renewed_at();
  proxy_->set(Mode::pass);
  Program restarted(far(kHasty));
  ASSERT_TRUE(restarted.reports("held by far (epoch 1), another process with this identity"));
  ASSERT_TRUE(restarted.prints("working with 2"));
  EXPECT_GE(waited_after(written), kHastyDuration);
  EXPECT_THAT(witness_.said(), ElementsAre("2"));
}

class K8sShortFault : public K8sFault, public testing::WithParamInterface<Mode> {};

TEST_P(K8sShortFault, ATenureSurvivesIt) {
  Program leader(far(kEnduring));
  ASSERT_TRUE(leader.prints("working with 1"));
  Program other(near(kEnduring));
  ASSERT_TRUE(other.reports("held by far"));
  proxy_->set(GetParam());
  ASSERT_TRUE(leader.reports(kNoAnswer));
  proxy_->set(Mode::pass);
  ASSERT_TRUE(leader.reports("the lock store answers again"));
  ASSERT_TRUE(renews());
  EXPECT_THAT(leader.errors(), Not(HasSubstr("lost")));
  EXPECT_THAT(witness_.said(), ElementsAre("1"));
  EXPECT_EQ(holder(), "far");
  EXPECT_EQ(transitions(), 1);
}

INSTANTIATE_TEST_SUITE_P(Of, K8sShortFault,
                         testing::Values(Mode::answers_lost, Mode::requests_lost, Mode::cut),
                         [](const auto& test) {
                           if (test.param == Mode::answers_lost) return "LostAnswers";
                           return test.param == Mode::cut ? "ACut" : "LostRequests";
                         });

TEST_F(K8sFault, AnswersLostForLongEndTheTenureBeforeAnotherBegins) {
  Program leader(far(kHasty));
  ASSERT_TRUE(leader.prints("working with 1"));
  Program other(near(kHasty));
  ASSERT_TRUE(other.reports("held by far"));
  proxy_->set(Mode::answers_lost);
  ASSERT_TRUE(leader.reports("lost leadership"));
  const std::string last_renewal = renewed_at();
  EXPECT_EQ(holder(), "far") << "it cannot give back what it cannot reach";
  ASSERT_TRUE(other.prints("working with 2"));
  EXPECT_GE(waited_after(last_renewal), kHastyDuration);
  proxy_->set(Mode::pass);
  ASSERT_TRUE(leader.reports("held by near (epoch 2)"));
  ASSERT_TRUE(renews());
  EXPECT_THAT(witness_.said(), ElementsAre("1", "2"));
  EXPECT_EQ(holder(), "near");
  EXPECT_EQ(transitions(), 2);
}

/// A sidecar behind the proxy, and what it says.
class K8sFarSidecar : public K8sFault {
 protected:
  [[nodiscard]] Words sidecar() const {
    return {"sidecar",      "--lock", lock(kHasty, far_config()),
            "--lease-name", "job",    "--id",
            "far",          "--addr", "127.0.0.1:0"};
  }
  /// 200 when it says that it leads.
  [[nodiscard]] int answer(const Program& program) const {
    const std::string& said = program.errors();
    const std::string words = "listening on port ";
    const std::size_t at = said.find(words) + words.size();
    std::optional<Result<HttpResponse>> got;
    client_->send(
        {.url = "http://127.0.0.1:" + said.substr(at, said.find(':', at) - at) + "/api/is-leader",
         .deadline = boot_now() + kPatience},
        [&](Result<HttpResponse> response) {
          got = std::move(response);
          loop_->stop();
        });
    while (!got) loop_->run();
    EXPECT_TRUE(*got) << got->error().to_string();
    return *got ? (*got)->status : 0;
  }

 private:
  const std::unique_ptr<Loop> loop_ = std::move(Loop::create().value());
  const std::unique_ptr<HttpClient> client_ = std::move(HttpClient::create(*loop_, {}).value());
};

TEST_F(K8sFarSidecar, ARenewalThatSucceedsTooLateIsNotBelieved) {
  Program leader(sidecar());
  ASSERT_TRUE(leader.reports("listening on port "));
  ASSERT_TRUE(eventually([&] { return answer(leader) == 200; }));
  Program other(near(kHasty));
  ASSERT_TRUE(other.reports("held by far"));
  const std::string before = renewed_at();
  proxy_->set_at_next_write(Mode::answers_late, kHastyDuration);
  ASSERT_TRUE(proxy_->wait_for_write());
  ASSERT_TRUE(eventually([&] { return renewed_at() != before; })) << "it was written";
  const auto heard = proxy_->counts().to_clients;
  ASSERT_TRUE(other.prints("working with 2"));
  EXPECT_EQ(answer(leader), 503);
  ASSERT_TRUE(eventually([&] { return proxy_->counts().to_clients > heard; })) << "the late answer";
  EXPECT_EQ(answer(leader), 503);
  proxy_->set(Mode::cut);
  ASSERT_TRUE(renews());
  EXPECT_EQ(answer(leader), 503);
  EXPECT_EQ(holder(), "near");
  EXPECT_EQ(transitions(), 2);
  EXPECT_THAT(witness_.said(), ElementsAre("2"));
}

TEST_F(K8sFault, ACandidateThatWasCutOffWhileItWaitedTakesOver) {
  Program leader(near(kHasty));
  ASSERT_TRUE(leader.prints("working with 1"));
  Program waiting(far(kHasty));
  ASSERT_TRUE(waiting.reports("held by near"));
  proxy_->set(Mode::cut);
  ASSERT_TRUE(waiting.reports(kNoAnswer));
  leader.signal(SIGKILL);
  EXPECT_EQ(leader.exit_code(), 128 + SIGKILL);
  const std::string last_renewal = renewed_at();
  proxy_->set(Mode::pass);
  ASSERT_TRUE(waiting.prints("working with 2"));
  EXPECT_GE(waited_after(last_renewal), kHastyDuration);
  EXPECT_THAT(witness_.said(), ElementsAre("1", "2"));
}

TEST_F(K8sFault, AReleaseIsNoticedAfterTheWatchWasCut) {
  Program leader(near(kVeryLong));
  ASSERT_TRUE(leader.prints("working with 1"));
  Program waiting(far(kVeryLong));
  ASSERT_TRUE(waiting.reports("held by near"));
  const int before = proxy_->counts().connections;
  proxy_->reset_connections();
  // To look at what may have been missed, and to watch, perhaps one after the other.
  ASSERT_TRUE(eventually([&] { return proxy_->counts().connections > before; }));
  ASSERT_TRUE(renews());
  leader.signal(SIGTERM);
  ASSERT_TRUE(waiting.prints("working with 2"));
  EXPECT_THAT(witness_.said(), ElementsAre("1", "2"));
}

TEST_F(K8sFault, AWriteThatArrivesWhenAnotherLeadsChangesNothing) {
  const std::string settings = std::string(kHasty) + "&request-timeout=2s";
  Program leader(far(settings));
  ASSERT_TRUE(leader.prints("working with 1"));
  Program other(near(settings));
  ASSERT_TRUE(other.reports("held by far"));
  proxy_->set(Mode::requests_held);
  ASSERT_TRUE(proxy_->wait_for_write());
  leader.signal(SIGSTOP);  // it would hang up after a while, and the server not look at its request
  ASSERT_TRUE(other.prints("working with 2"));
  const int before = answered(admin_, "PUT", 409);
  proxy_->set(Mode::pass);
  ASSERT_TRUE(eventually([&] { return answered(admin_, "PUT", 409) > before; })) << "it is refused";
  EXPECT_EQ(holder(), "near");
  EXPECT_EQ(transitions(), 2);
  leader.signal(SIGCONT);
  ASSERT_TRUE(leader.reports("held by near (epoch 2)"));
  ASSERT_TRUE(renews());
  EXPECT_EQ(transitions(), 2);
  EXPECT_THAT(witness_.said(), ElementsAre("1", "2"));
}

}  // namespace
}  // namespace tenure::test
