#include "kube/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "kube/testing/fake_api.h"

namespace tenure::kube {
namespace {

using Json = nlohmann::json;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;

constexpr const char* kLease = R"({"metadata":{"uid":"u-1","resourceVersion":"42"}})";

class Events : public testing::Test {
 protected:
  void create(const std::string& lease = "job", const std::string& identity = "web-0") {
    events_ = std::make_unique<EventRecorder>(
        loop_, api_, EventRecorder::Options{lease, identity},
        [this](std::string text) { problems_.push_back(std::move(text)); });
  }
  /// Answers the question for the Lease; what is then sent.
  Json posted() {
    EXPECT_EQ(api_.next().method, "GET");
    api_.answer(200, kLease);
    EXPECT_EQ(api_.next().method, "POST");
    return Json::parse(api_.next().body);
  }
  void fail_once(int status = 503) {
    posted();
    api_.answer(status);
  }
  void fail_for_good() {
    for (int i = 0; i < 3; ++i) {
      fail_once();
      loop_.pass(minutes(1));
    }
  }

  HandLoop loop_;
  FakeApi api_;
  std::vector<std::string> problems_;
  std::unique_ptr<EventRecorder> events_;
};

TEST_F(Events, SayWhatClientGoSays) {
  create();
  events_->record(LeaderEvent::became_leader);
  EXPECT_EQ(api_.next().path, "/apis/coordination.k8s.io/v1/namespaces/team/leases/job");
  Json event = posted();
  EXPECT_EQ(api_.next().path, "/api/v1/namespaces/team/events");
  EXPECT_EQ(api_.next().deadline, loop_.now().mono + seconds(10));
  const std::string name = event["metadata"]["name"];
  EXPECT_THAT(name, MatchesRegex("job\\.[0-9a-f]{16}"));
  event["metadata"].erase("name");
  EXPECT_EQ(event, Json::parse(R"({"apiVersion":"v1","kind":"Event",
      "metadata":{"namespace":"team"},"reason":"LeaderElection","type":"Normal",
      "message":"web-0 became leader","count":1,
      "firstTimestamp":"2026-01-02T03:04:05.000000Z","lastTimestamp":"2026-01-02T03:04:05.000000Z",
      "involvedObject":{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","namespace":"team",
                        "name":"job","uid":"u-1","resourceVersion":"42"},
      "source":{"component":"tenure"},"reportingComponent":"tenure",
      "reportingInstance":"web-0"})"));
  api_.answer(201);
  events_->record(LeaderEvent::stopped_leading);
  EXPECT_EQ(posted()["message"], "web-0 stopped leading");
  api_.answer(201);
  EXPECT_EQ(api_.open(), 0U);
  EXPECT_THAT(problems_, ElementsAre());
}

TEST_F(Events, HaveNamesThatFitAndDiffer) {
  const auto is_dns_subdomain =
      MatchesRegex(R"([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)");
  for (const std::string& lease :
       {std::string(253, 'x'), std::string(235, 'x') + "-" + std::string(17, 'y'),
        std::string(235, 'x') + "." + std::string(17, 'y'), std::string("a.b-c")}) {
    create(lease);
    events_->record(LeaderEvent::became_leader);
    const std::string first = posted()["metadata"]["name"];
    api_.answer(201);
    events_->record(LeaderEvent::became_leader);
    const std::string second = posted()["metadata"]["name"];
    api_.answer(201);
    EXPECT_NE(first, second);
    EXPECT_LE(first.size(), 253U);
    EXPECT_THAT(first, is_dns_subdomain);
  }
}

TEST_F(Events, ALongIdentityIsCutBetweenCharactersWhereItsLengthIsLimited) {
  const std::string identity = std::string(127, 'x') + "\u00fc" + std::string(100, 'y');
  create("job", identity);
  events_->record(LeaderEvent::became_leader);
  const Json event = posted();
  EXPECT_EQ(event["reportingInstance"], std::string(127, 'x'));
  EXPECT_EQ(event["message"], identity + " became leader");
}

TEST_F(Events, DoWithoutAUidWhenTheLeaseCannotBeRead) {
  for (const int status : {403, 404}) {
    create();
    events_->record(LeaderEvent::became_leader);
    api_.answer(status);
    EXPECT_FALSE(Json::parse(api_.next().body)["involvedObject"].contains("uid"));
    api_.answer(201);
  }
  EXPECT_THAT(problems_, ElementsAre());
}

TEST_F(Events, AreTriedThreeTimesUnderOneNameWithTheTimeOfTheirNews) {
  create();
  events_->record(LeaderEvent::became_leader);
  const Json first = posted();
  api_.answer_nothing();
  EXPECT_EQ(api_.open(), 0U);
  loop_.pass(seconds(2));
  EXPECT_EQ(posted(), first);
  api_.answer(429, "{}", {{"retry-after", "30"}});
  loop_.pass(seconds(29));
  EXPECT_EQ(api_.open(), 0U) << "before the server wants it";
  loop_.pass(seconds(1));
  EXPECT_EQ(posted(), first);
  EXPECT_THAT(problems_, ElementsAre());
  api_.answer(500);
  loop_.pass(minutes(5));
  EXPECT_EQ(api_.open(), 0U);
  EXPECT_THAT(problems_,
              ElementsAre(AllOf(HasSubstr("web-0 became leader"), HasSubstr("was not recorded"))));
}

TEST_F(Events, AServerThatDoesNotSayWhatTheLeaseIsIsAskedAgain) {
  create();
  events_->record(LeaderEvent::became_leader);
  api_.answer_nothing();
  EXPECT_EQ(api_.open(), 0U);
  loop_.pass(seconds(2));
  EXPECT_EQ(posted()["involvedObject"]["uid"], "u-1");
}

TEST_F(Events, ThatWereRecordedWithoutAnAnswerCount) {
  create();
  events_->record(LeaderEvent::became_leader);
  posted();
  api_.answer_nothing();
  loop_.pass(seconds(2));
  posted();
  api_.answer(409);
  loop_.pass(minutes(5));
  EXPECT_EQ(api_.open(), 0U);
  EXPECT_THAT(problems_, ElementsAre());
}

TEST_F(Events, ThatAreForbiddenAreNotTriedAgainAndNameTheVerb) {
  create();
  events_->record(LeaderEvent::became_leader);
  posted();
  api_.answer(403, forbidden("create", "events"));
  loop_.pass(minutes(5));
  EXPECT_EQ(api_.open(), 0U);
  EXPECT_THAT(problems_,
              ElementsAre(HasSubstr("; allow the verb create on events in namespace team")));
}

TEST_F(Events, TellOfATroubleOnceUntilOneSucceeds) {
  create();
  for (int i = 0; i < 2; ++i) {
    events_->record(LeaderEvent::became_leader);
    fail_for_good();
  }
  EXPECT_EQ(problems_.size(), 1U);
  events_->record(LeaderEvent::became_leader);
  posted();
  api_.answer(201);
  events_->record(LeaderEvent::stopped_leading);
  fail_for_good();
  EXPECT_EQ(problems_.size(), 2U);
}

TEST_F(Events, WaitForOneAnotherAndTheOldestGoesFirst) {
  create();
  std::vector<std::string> expected;
  for (int i = 0; i < 12; ++i) {
    events_->record(LeaderEvent::became_leader);
    if (i == 0 || i >= 4)
      expected.push_back("2026-01-02T03:04:" + std::string(i < 5 ? "0" : "") +
                         std::to_string(5 + i) + ".000000Z");
    EXPECT_EQ(api_.open(), 1U);
    loop_.pass(seconds(1));
  }
  std::vector<std::string> sent;
  while (api_.open() > 0) {
    sent.push_back(posted()["firstTimestamp"]);
    api_.answer(201);
    EXPECT_LE(api_.open(), 1U);
  }
  EXPECT_EQ(sent, expected);
}

TEST_F(Events, SettleWhenAllAreRecorded) {
  create();
  events_->record(LeaderEvent::became_leader);
  events_->record(LeaderEvent::stopped_leading);
  int done = 0;
  events_->settle(loop_.now().mono + seconds(60), [&] { ++done; });
  fail_once();
  loop_.pass(seconds(2));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(done, 0);
    posted();
    api_.answer(201);
  }
  EXPECT_EQ(done, 1);
  EXPECT_EQ(loop_.timers(), 0U);
}

TEST_F(Events, SettleAtOnceWithNothingToDoButNotFromInside) {
  create();
  int done = 0;
  events_->settle(loop_.now().mono + seconds(60), [&] { ++done; });
  EXPECT_EQ(done, 0);
  loop_.pass(seconds(0));
  EXPECT_EQ(done, 1);
}

TEST_F(Events, SettleAtTheDeadlineWhenTheServerIsSilentAndMayBeDestroyedThen) {
  create();
  events_->record(LeaderEvent::stopped_leading);
  int done = 0;
  events_->settle(loop_.now().mono + seconds(2), [&] {
    ++done;
    events_.reset();
  });
  loop_.pass(seconds(1));
  EXPECT_EQ(done, 0);
  loop_.pass(seconds(1));
  EXPECT_EQ(done, 1);
  api_.answer(200, kLease);  // too late for anybody
  EXPECT_EQ(api_.open(), 0U);
}

TEST_F(Events, SettlingEndsAPause) {
  create();
  events_->record(LeaderEvent::stopped_leading);
  fail_once();
  int done = 0;
  events_->settle(loop_.now().mono + seconds(1), [&] { ++done; });
  loop_.pass(seconds(0));
  posted();
  api_.answer(201);
  EXPECT_EQ(done, 1);
}

}  // namespace
}  // namespace tenure::kube
