#include "kube/pod_label.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "kube/testing/fake_api.h"

namespace tenure::kube {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(ParseLabel, TakesWhatKubernetesTakes) {
  const std::string long_prefix = std::string(125, 'a') + "." + std::string(127, 'b');
  const std::string long_word(63, 'c');
  const std::pair<std::string, std::string> good[] = {{"leader", "true"},
                                                      {"tenure.dev/leader", "true"},
                                                      {"a", ""},
                                                      {"0", "0"},
                                                      {"A_b.c-D9", "X-y_z.0"},
                                                      {"a-b.c/x", "1"},
                                                      {long_prefix + "/" + long_word, long_word}};
  for (const auto& [key, value] : good) {
    const auto label = parse_label(key + "=" + value);
    ASSERT_TRUE(label) << label.error().to_string();
    EXPECT_EQ(label->key, key);
    EXPECT_EQ(label->value, value);
  }
}

TEST(ParseLabel, SaysInOneLineWhatIsWrong) {
  const std::pair<std::string, const char*> bad[] = {
      {"", "\"\" is not a label with a value; write it as key=value"},
      {"leader", "\"leader\" is not a label with a value"},
      {"=true", "\"\" cannot be the key of a label; use letters"},
      {"-a=b", "\"-a\" cannot be the key of a label; use letters"},
      {"a.=b", "\"a.\" cannot be the key"},
      {"a b=c", "\"a b\" cannot be the key"},
      {std::string(64, 'a') + "=b", "cannot be the key of a label; use letters"},
      {"/a=b", "because of what is before the slash; use a DNS name"},
      {"x/=b", "\"x/\" cannot be the key of a label; use letters"},
      {"x/y/z=b", "\"x/y/z\" cannot be the key of a label; use letters"},
      {"Upper.example/a=b", "before the slash"},
      {"a..b/c=d", "before the slash"},
      {"a.-b/c=d", "before the slash"},
      {"a-.b/c=d", "before the slash"},
      {std::string(254, 'a') + "/b=c", "before the slash"},
      {"a=-b", "\"-b\" cannot be the value of a label"},
      {"a=b=c", "\"b=c\" cannot be the value of a label"},
      {"a=\u00fc", "cannot be the value of a label"},
      {"a=" + std::string(64, 'b'), "cannot be the value of a label"},
      {"a=b\nc", "\"b c\" cannot be the value of a label"}};
  for (const auto& [text, why] : bad) {
    const auto label = parse_label(text);
    ASSERT_FALSE(label) << text;
    EXPECT_EQ(label.error().code, ErrorCode::invalid_argument);
    EXPECT_THAT(label.error().to_string(), HasSubstr(why));
    EXPECT_EQ(label.error().to_string().find('\n'), std::string::npos);
  }
}

class PodLabelTest : public testing::Test {
 protected:
  /// What the Pod's label would become; the request stays open.
  Json wanted() { return Json::parse(api_.next().body)["metadata"]["labels"]["tenure.dev/leader"]; }
  void answers_with(int status) { api_.answer(status, ""); }
  /// How long it takes until there is a request; a minute at the most.
  Duration pause() {
    const Instant from = loop_.now().mono;
    while (api_.open() == 0 && loop_.now().mono < from + minutes(1)) loop_.pass(milliseconds(10));
    return loop_.now().mono - from;
  }

  HandLoop loop_;
  FakeApi api_;
  std::vector<std::string> problems_;
  std::unique_ptr<PodLabel> label_ = std::make_unique<PodLabel>(
      loop_, api_, PodLabel::Options{.pod = "web-0", .label = {"tenure.dev/leader", "true"}},
      [this](std::string text) { problems_.push_back(std::move(text)); });
};

TEST_F(PodLabelTest, AppearsAndDisappears) {
  label_->set(true);
  EXPECT_EQ(api_.next().method, "PATCH");
  EXPECT_EQ(api_.next().path, "/api/v1/namespaces/team/pods/web-0");
  EXPECT_EQ(api_.next().content_type, "application/merge-patch+json");
  EXPECT_EQ(api_.next().deadline, loop_.now().mono + seconds(10));
  EXPECT_EQ(api_.next().body, R"({"metadata":{"labels":{"tenure.dev/leader":"true"}}})");
  answers_with(200);
  label_->set(false);
  EXPECT_EQ(api_.next().body, R"({"metadata":{"labels":{"tenure.dev/leader":null}}})");
  answers_with(200);
  loop_.pass(minutes(10));
  EXPECT_EQ(api_.open(), 0U) << "what was confirmed is not written again";
  EXPECT_THAT(problems_, ElementsAre());
}

TEST_F(PodLabelTest, OfAnEarlierRunIsRemovedAtTheStart) {
  label_->set(false);
  EXPECT_EQ(wanted(), nullptr);
  answers_with(200);
  label_->set(false);
  EXPECT_EQ(api_.open(), 0U);
}

TEST_F(PodLabelTest, OneRequestAtATimeAndTheNewestWishWins) {
  label_->set(true);
  for (int i = 0; i < 5; ++i) {
    label_->set(false);
    label_->set(true);
  }
  label_->set(false);
  EXPECT_EQ(api_.open(), 1U);
  EXPECT_EQ(wanted(), "true");
  answers_with(200);
  EXPECT_EQ(wanted(), nullptr);
  answers_with(200);
  EXPECT_EQ(api_.open(), 0U);

  label_->set(true);
  label_->set(false);
  label_->set(true);
  answers_with(200);
  EXPECT_EQ(api_.open(), 0U) << "the wish was fulfilled in the meantime";
}

TEST_F(PodLabelTest, IsTriedForEverWithGrowingPauses) {
  label_->set(true);
  Duration least = milliseconds(250);
  for (int i = 0; i < 20; ++i) {
    answers_with(503);
    const Duration waited = pause();
    EXPECT_GE(waited, least);
    EXPECT_LE(waited, 2 * least + milliseconds(10));
    least = std::min<Duration>(least * 2, seconds(5));
    EXPECT_EQ(wanted(), "true");
  }
  EXPECT_THAT(problems_, ElementsAre(HasSubstr("the label tenure.dev/leader of Pod web-0 was not "
                                               "set: the API server answered with status 503")));
  answers_with(200);
  label_->set(false);
  answers_with(503);
  EXPECT_LE(pause(), milliseconds(510)) << "the pauses begin anew";
  EXPECT_EQ(problems_.size(), 2U);
}

TEST_F(PodLabelTest, AServerThatWantsALongerPauseGetsIt) {
  label_->set(true);
  api_.answer(429, "", {{"retry-after", "20"}});
  EXPECT_GE(pause(), seconds(20));
}

TEST_F(PodLabelTest, ANewWishDoesNotWaitForAPause) {
  label_->set(true);
  answers_with(403);
  label_->set(false);
  EXPECT_EQ(wanted(), nullptr);
  label_->set(true);
  answers_with(403);
  EXPECT_EQ(wanted(), "true") << "nor does one that came during the request";
}

TEST_F(PodLabelTest, WhatIsRefusedIsToldOnceAndTriedAgainCalmly) {
  label_->set(true);
  for (int i = 0; i < 3; ++i) {
    api_.answer(403, forbidden("patch", "pods"));
    EXPECT_GE(pause(), seconds(5));
  }
  EXPECT_THAT(problems_,
              ElementsAre(AllOf(HasSubstr("was not set"),
                                HasSubstr("; allow the verb patch on pods in namespace team"))));
  answers_with(404);
  EXPECT_GE(pause(), seconds(5));
  answers_with(404);
  ASSERT_EQ(problems_.size(), 2U);
  EXPECT_THAT(problems_[1], HasSubstr("check the Pod's name, and that it runs in namespace team"));
  pause();
  answers_with(200);
  EXPECT_EQ(api_.open(), 0U);
}

TEST_F(PodLabelTest, IsConfirmedWhenAnEarlierRequestMayStillComeIntoForce) {
  label_->set(false);
  answers_with(200);
  label_->set(true);
  label_->set(false);
  api_.answer_nothing();
  EXPECT_EQ(wanted(), nullptr) << "what was confirmed before does not count any more";
  answers_with(200);
  loop_.pass(minutes(1));
  EXPECT_EQ(api_.open(), 0U);
  loop_.pass(seconds(10));
  EXPECT_EQ(wanted(), nullptr);
  answers_with(200);
  loop_.pass(minutes(10));
  EXPECT_EQ(api_.open(), 0U);
}

TEST_F(PodLabelTest, SettlesWhenTheWishIsFulfilled) {
  label_->set(true);
  answers_with(503);
  label_->set(false);
  answers_with(503);
  int done = 0;
  label_->settle(loop_.now().mono + seconds(60), [&] { ++done; });
  loop_.pass(seconds(0));
  EXPECT_EQ(wanted(), nullptr) << "without a pause";
  EXPECT_EQ(done, 0);
  answers_with(200);
  EXPECT_EQ(done, 1);
}

TEST_F(PodLabelTest, SettlesWhenTheWishIsRefused) {
  label_->set(false);
  int done = 0;
  label_->settle(loop_.now().mono + seconds(60), [&] {
    ++done;
    label_.reset();
  });
  loop_.pass(seconds(1));
  EXPECT_EQ(done, 0);
  answers_with(403);
  EXPECT_EQ(done, 1);
  EXPECT_EQ(loop_.timers(), 0U);
}

TEST_F(PodLabelTest, SettlesAtTheDeadlineWhenTheServerIsSilent) {
  label_->set(false);
  int done = 0;
  label_->settle(loop_.now().mono + seconds(2), [&] {
    ++done;
    label_.reset();
  });
  loop_.pass(seconds(2));
  EXPECT_EQ(done, 1);
  answers_with(200);  // too late for anybody
  EXPECT_EQ(loop_.timers(), 0U);
}

}  // namespace
}  // namespace tenure::kube
