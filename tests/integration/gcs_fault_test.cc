// `tenure` on a storage server behind a network that loses, delays and cuts, beside a candidate
// whose network is fine.
#include <csignal>
#include <memory>
#include <utility>

#include "base/duration.h"
#include "gcs_test.h"
#include "net/testing/scripted_server.h"
#include "servers/lossy_proxy.h"
#include "store/authorized_http.h"
#include "store/gcs_store.h"
#include "store/testing/store_runner.h"

namespace tenure::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Mode = LossyProxy::Mode;
using std::chrono::seconds;

// Faults of a few seconds are survived, however slow this machine is.
const std::string kEnduring = std::string(kPatient) + "&request-timeout=1s";
constexpr const char* kNoAnswer = "the lock store gave no clear answer in time";

class GcsFault : public GcsTest {
 protected:
  void SetUp() override {
    GcsTest::SetUp();
    ASSERT_TRUE(server_);
    auto proxy = LossyProxy::start(server_->url());
    ASSERT_TRUE(proxy) << proxy.error().to_string();
    proxy_ = std::move(*proxy);
  }
  /// A candidate behind the proxy.
  [[nodiscard]] Words far(const std::string& settings) const {
    return run(settings + "&endpoint=" + proxy_->url(), "far");
  }
  /// Its competitor, whom no fault meets.
  [[nodiscard]] Words near(const std::string& settings) const {
    return run(settings + "&endpoint=" + server_->url(), "near");
  }
  [[nodiscard]] Duration waited_after(const std::string& last_renewal) const {
    const auto began = parse_rfc3339(record().value("acquireTime", ""));
    const auto renewed = parse_rfc3339(last_renewal);
    EXPECT_TRUE(began && renewed);
    return began && renewed ? *began - *renewed : Duration(0);
  }

  std::unique_ptr<LossyProxy> proxy_;
};

TEST_F(GcsFault, AnAcquisitionWhoseAnswerIsLostIsFoundAgain) {
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
}

TEST_F(GcsFault, AnAcquisitionThatLandsLateIsFoundToo) {
  proxy_->set_at_next_write(Mode::requests_held);
  Program candidate(far(kEnduring));
  ASSERT_TRUE(proxy_->wait_for_write());
  ASSERT_TRUE(candidate.reports(kNoAnswer));
  EXPECT_TRUE(record().is_null());
  proxy_->set(Mode::pass);  // what was held reaches the server now
  ASSERT_TRUE(candidate.prints("working with"));
  ASSERT_TRUE(renews());
  EXPECT_THAT(candidate.errors(), Not(HasSubstr("lost")));
  EXPECT_EQ(record()["holderIdentity"], "far");
  ASSERT_EQ(witness_.said().size(), 1U);
  EXPECT_EQ(std::to_string(record()["leaseTransitions"].get<int>()), witness_.said().front());
}

TEST_F(GcsFault, AnAcquisitionWhoseWriterIsKilledBeforeItsAnswerIsWaitedOut) {
  proxy_->set_at_next_write(Mode::answers_lost);
  Program killed(far(kHasty));
  ASSERT_TRUE(proxy_->wait_for_write());
  ASSERT_TRUE(eventually([&] { return !record().is_null(); }));
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

class GcsShortFault : public GcsFault, public testing::WithParamInterface<Mode> {};

TEST_P(GcsShortFault, ATenureSurvivesIt) {
  Program leader(far(kEnduring));
  ASSERT_TRUE(leader.prints("working with 1"));
  Program other(near(kEnduring));
  ASSERT_TRUE(other.reports("held by far"));
  proxy_->set(GetParam(), seconds(2));
  ASSERT_TRUE(leader.reports(kNoAnswer));
  proxy_->set(Mode::pass);
  ASSERT_TRUE(leader.reports("the lock store answers again"));
  ASSERT_TRUE(renews());
  EXPECT_THAT(leader.errors(), Not(HasSubstr("lost")));
  EXPECT_THAT(witness_.said(), ElementsAre("1"));
  EXPECT_EQ(record()["holderIdentity"], "far");
  EXPECT_EQ(record()["leaseTransitions"], 1);
}

INSTANTIATE_TEST_SUITE_P(Of, GcsShortFault,
                         testing::Values(Mode::answers_lost, Mode::answers_late,
                                         Mode::requests_lost, Mode::requests_held, Mode::cut),
                         [](const auto& test) -> std::string {
                           switch (test.param) {
                             case Mode::answers_lost: return "LostAnswers";
                             case Mode::answers_late: return "LateAnswers";
                             case Mode::requests_lost: return "LostRequests";
                             case Mode::requests_held: return "LateRequests";
                             default: return "ACut";
                           }
                         });

TEST_F(GcsFault, AnswersLostForLongEndTheTenureBeforeAnotherBegins) {
  Program leader(far(kHasty));
  ASSERT_TRUE(leader.prints("working with 1"));
  Program other(near(kHasty));
  ASSERT_TRUE(other.reports("held by far"));
  proxy_->set(Mode::answers_lost);
  ASSERT_TRUE(leader.reports("lost leadership"));
  const std::string last_renewal = renewed_at();
  EXPECT_EQ(record()["holderIdentity"], "far") << "it cannot give back what it cannot reach";
  ASSERT_TRUE(other.prints("working with 2"));
  EXPECT_GE(waited_after(last_renewal), kHastyDuration);
  proxy_->set(Mode::pass);
  ASSERT_TRUE(leader.reports("held by near (epoch 2)"));
  ASSERT_TRUE(renews());
  EXPECT_THAT(witness_.said(), ElementsAre("1", "2"));
  EXPECT_EQ(record()["leaseTransitions"], 2);
}

TEST_F(GcsFault, AServerThatIsFrozenForAWhileCostsNobodyTheLock) {
  Program leader(near(kPatient));
  ASSERT_TRUE(leader.prints("working with 1"));
  server_->process().stop();
  const bool noticed = leader.reports("did not answer in time");
  server_->process().resume();
  ASSERT_TRUE(noticed);
  ASSERT_TRUE(renews());
  EXPECT_EQ(record()["leaseTransitions"], 1);
  EXPECT_THAT(leader.errors(), Not(HasSubstr("lost")));
}

/// Stands before the server, carries a write out and then answers as if it could not say.
class GcsUnclearAnswer : public GcsTest,
                         public testing::WithParamInterface<int>,
                         protected StoreRunner {
 protected:
  std::unique_ptr<Store> open(const std::string& url) {
    return GcsStore::create(loop(), HttpClient::create(loop(), {}).value(), no_credentials(loop()),
                            {url, GcsServer::kBucket, "app/"}, "gs://locks/app");
  }
};

TEST_P(GcsUnclearAnswer, TheWriteIsUnknownAndFoundByItsWriteId) {
  const auto direct = open(server_->url());
  const auto record = record_of("napoleon", 1);
  int writes = 0;
  ScriptedServer unclear(loop(), [&](ScriptedServer::Connection& connection, const std::string&) {
    ++writes;
    direct->write("job", {&record, "", true}, soon(), [&](const WriteResult& result) {
      EXPECT_EQ(result.outcome, WriteOutcome::applied) << result.detail;
      connection.say("HTTP/1.1 " + std::to_string(GetParam()) +
                     " X\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n");
    });
  });
  const auto store = open(unclear.url());
  const WriteResult result = write(*store, "job", record, "");
  EXPECT_EQ(result.outcome, WriteOutcome::unknown) << result.detail;
  EXPECT_EQ(writes, 1) << "nothing is repeated below the elector";
  EXPECT_EQ(read(*direct, "job").observation.record.write_id, record.write_id);
}

INSTANTIATE_TEST_SUITE_P(Status, GcsUnclearAnswer, testing::Values(408, 429, 500, 502, 503, 504));

}  // namespace
}  // namespace tenure::test
