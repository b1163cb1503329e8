#include "tenure/leader_elector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "elect/testing/member.h"
#include "elect/testing/memory_lock.h"
#include "store/testing/temp_folder.h"

namespace tenure {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Quick to notice a change, and no slow machine loses the lock.
Settings calm_settings() {
  return {.lease_duration = seconds(15),
          .renew_deadline = seconds(10),
          .retry_period = milliseconds(200),
          .request_timeout = seconds(1)};
}

class LeaderElectorTest : public testing::Test {
 protected:
  LeaderElectorConfig config(const std::string& identity) const {
    LeaderElectorConfig c;
    c.lock_url = "sqlite://" + folder_.path() + "/locks.db";
    c.lock_name = "job";
    c.identity = identity;
    c.settings = calm_settings();
    return c;
  }
  LeaderElectorConfig config_with_own_lock(const std::string& identity) const {
    LeaderElectorConfig c;
    c.lock = std::make_shared<MemoryLock>(record_, identity);
    c.settings = calm_settings();
    return c;
  }

  TempFolder folder_;
  std::shared_ptr<MemoryRecord> record_ = std::make_shared<MemoryRecord>();
};

// -------------------------------------------------------------------------------------------------
// leading

TEST_F(LeaderElectorTest, TellsATenureInOrder) {
  Member a(config("a"));
  ASSERT_TRUE(a.diary().await("started 1"));
  EXPECT_TRUE(a.elector().is_leader());
  EXPECT_EQ(a.elector().epoch(), 1);
  a.leave();
  EXPECT_FALSE(a.elector().is_leader());
  EXPECT_EQ(a.elector().epoch(), 0);
  EXPECT_THAT(a.diary().entries(), ElementsAre("a leads 1", "started 1", "stopped stop_requested",
                                               "nobody leads", "run returned"));
}

TEST_F(LeaderElectorTest, TellsNothingOfATenureThatNeverWas) {
  Member a(config("a"));
  ASSERT_TRUE(a.diary().await("started 1"));
  Member b(config("b"));
  ASSERT_TRUE(b.diary().await("a leads 1"));
  EXPECT_FALSE(b.elector().is_leader());
  b.elector().resign();  // of no consequence
  b.leave();
  EXPECT_THAT(b.diary().entries(), ElementsAre("a leads 1", "run returned"));
}

TEST_F(LeaderElectorTest, HandsOverWhenItResigns) {
  Member a(config("a"));
  ASSERT_TRUE(a.diary().await("started 1"));
  Member b(config("b"));
  ASSERT_TRUE(b.diary().await("a leads 1"));
  a.elector().resign();
  ASSERT_TRUE(a.diary().await("stopped resigned"));
  ASSERT_TRUE(b.diary().await("started 2"));
  EXPECT_TRUE(a.diary().await("b leads 2")) << "it contends again";
  EXPECT_FALSE(a.elector().is_leader());
}

TEST_F(LeaderElectorTest, HandsOverWhenItStops) {
  Member a(config("a"));
  ASSERT_TRUE(a.diary().await("started 1"));
  Member b(config("b"));
  ASSERT_TRUE(b.diary().await("a leads 1"));
  a.leave();
  EXPECT_TRUE(b.diary().await("started 2"));
}

TEST_F(LeaderElectorTest, ReturnsAfterOneTenureWhenToldSo) {
  LeaderElectorConfig once = config("a");
  once.contend_again = false;
  once.callbacks.on_started_leading = [](std::stop_token, Epoch) {};
  Member a(std::move(once));
  ASSERT_TRUE(a.diary().await("run returned"));
  EXPECT_THAT(a.diary().entries(), Contains("stopped work_ended"));
  Member b(config("b"));
  EXPECT_TRUE(b.diary().await("started 2")) << "the lock was given back";
}

TEST_F(LeaderElectorTest, ReturnsAtOnceWhenTheStopCameFirst) {
  LeaderElectorConfig c = config("a");
  c.callbacks.on_started_leading = [](std::stop_token, Epoch) { ADD_FAILURE() << "led"; };
  const auto elector = LeaderElector::create(std::move(c)).value();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(elector->run(stop.get_token()));
}

TEST_F(LeaderElectorTest, RunsOnceOnly) {
  Member a(config("a"));
  ASSERT_TRUE(a.diary().await("started 1"));
  const Status again = a.elector().run({});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::invalid_argument);
  EXPECT_TRUE(a.elector().is_leader()) << "the first run goes on";
}

TEST_F(LeaderElectorTest, ReleasesOnlyAfterTheLastCallbackOfTheTenure) {
  Gate in_callback;
  Gate go_on;
  LeaderElectorConfig c = config_with_own_lock("a");
  c.callbacks.on_stopped_leading = [&](StopReason) {
    in_callback.open();
    go_on.pass();
  };
  Member a(std::move(c));
  ASSERT_TRUE(a.diary().await("started 1"));
  a.elector().resign();
  in_callback.pass();
  EXPECT_FALSE(a.elector().is_leader());
  EXPECT_EQ(record_->read().holder_identity, "a");
  Member b(config_with_own_lock("b"));
  ASSERT_TRUE(b.diary().await("a leads 1"));
  go_on.open();
  EXPECT_TRUE(b.diary().await("started 2"));
  a.leave();
}

TEST_F(LeaderElectorTest, ReportsWorkThatIgnoresTheStopAndKeepsTheLockMeanwhile) {
  Gate go_on;
  LeaderElectorConfig c = config_with_own_lock("a");
  c.settings = {.lease_duration = seconds(2),
                .renew_deadline = milliseconds(1200),
                .retry_period = milliseconds(200),
                .request_timeout = milliseconds(500),
                .stop_margin = milliseconds(50)};
  c.callbacks.on_started_leading = [&](std::stop_token, Epoch) { go_on.pass(); };
  Member a(std::move(c));
  ASSERT_TRUE(a.diary().await("started 1"));
  a.elector().resign();
  ASSERT_TRUE(a.diary().await("overran 1"));
  EXPECT_EQ(a.elector().overruns(), 1U);
  EXPECT_FALSE(a.elector().is_leader());
  EXPECT_EQ(record_->read().holder_identity, "a") << "released while the work still ran";
  EXPECT_THAT(a.diary().entries(), Not(Contains(StartsWith("stopped"))));
  go_on.open();
  EXPECT_TRUE(a.diary().await("stopped resigned"));
}

// -------------------------------------------------------------------------------------------------
// exceptions

// What throws gives the lock to the other candidate.
class ThrowingCallback : public LeaderElectorTest {
 protected:
  void expect_b_takes_over(LeaderElectorConfig throwing) {
    Member a(std::move(throwing));
    ASSERT_TRUE(a.diary().await("started 1"));
    Member b(config("b"));
    go_on_.open();
    EXPECT_TRUE(b.diary().await("started"));
    a.leave();
    told_ = a.diary().entries();
  }

  Gate go_on_;
  std::vector<std::string> told_;
};

TEST_F(ThrowingCallback, Work) {
  LeaderElectorConfig c = config("a");
  c.callbacks.on_started_leading = [&](std::stop_token, Epoch) {
    go_on_.pass();
    throw std::runtime_error("out of paper");
  };
  expect_b_takes_over(std::move(c));
  EXPECT_THAT(told_, Contains(HasSubstr("out of paper")));
  EXPECT_THAT(told_, Contains("stopped work_failed"));
}

TEST_F(ThrowingCallback, NewLeader) {
  LeaderElectorConfig c = config("a");
  c.callbacks.on_new_leader = [&](const Leader& leader) {
    if (leader.identity == "a") throw 42;
  };
  expect_b_takes_over(std::move(c));
  EXPECT_THAT(told_, Contains(StartsWith("problem: a callback threw")));
  EXPECT_THAT(told_, Contains("stopped resigned"));
}

TEST_F(ThrowingCallback, TheOneThatHearsOfProblems) {
  LeaderElectorConfig c = config("a");
  c.callbacks.on_problem = [](const std::string&) { throw std::runtime_error("not listening"); };
  c.callbacks.on_started_leading = [&](std::stop_token, Epoch) {
    go_on_.pass();
    throw std::runtime_error("out of paper");
  };
  expect_b_takes_over(std::move(c));
  EXPECT_THAT(told_, Contains("stopped work_failed"));
}

TEST_F(LeaderElectorTest, ContendsAgainAfterItsWorkThrew) {
  LeaderElectorConfig c = config_with_own_lock("a");
  c.settings.request_timeout = milliseconds(100);  // others are given that long to win, twice
  c.callbacks.on_started_leading = [](std::stop_token stop, Epoch epoch) {
    if (epoch == 1) throw std::runtime_error("out of paper");
    wait_for_stop(std::move(stop), epoch);
  };
  Member a(std::move(c));
  ASSERT_TRUE(a.diary().await("started 2"));
  a.leave();
  EXPECT_THAT(a.diary().entries(), Contains("stopped work_failed"));
  EXPECT_THAT(a.diary().entries(), Contains("stopped stop_requested"));
}

TEST_F(LeaderElectorTest, ReleasesThoughTheStoppedCallbackThrew) {
  LeaderElectorConfig c = config_with_own_lock("a");
  c.callbacks.on_stopped_leading = [](StopReason) { throw std::runtime_error("too late"); };
  Member a(std::move(c));
  ASSERT_TRUE(a.diary().await("started 1"));
  a.leave();
  EXPECT_TRUE(record_->read().is_free());
  EXPECT_THAT(a.diary().entries(), Contains(HasSubstr("on_stopped_leading threw: too late")));
}

// -------------------------------------------------------------------------------------------------
// what create() refuses

struct BadConfig {
  const char* name;
  void (*spoil)(LeaderElectorConfig&);
  const char* message;
};

class LeaderElectorRefuses : public LeaderElectorTest,
                             public testing::WithParamInterface<BadConfig> {};

TEST_P(LeaderElectorRefuses, WithOneClearLine) {
  LeaderElectorConfig c = config("a");
  c.callbacks.on_started_leading = wait_for_stop;
  GetParam().spoil(c);
  const auto elector = LeaderElector::create(std::move(c));
  ASSERT_FALSE(elector);
  EXPECT_EQ(elector.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(elector.error().message, HasSubstr(GetParam().message));
  EXPECT_THAT(elector.error().remedy, Not(testing::IsEmpty()));
  EXPECT_THAT(elector.error().to_string(), Not(HasSubstr("\n")));
}

void use_own_lock(LeaderElectorConfig& c, const std::string& identity) {
  c.lock = std::make_shared<MemoryLock>(std::make_shared<MemoryRecord>(), identity);
}

INSTANTIATE_TEST_SUITE_P(
    LeaderElector, LeaderElectorRefuses,
    testing::Values(BadConfig{"no_work", [](auto& c) { c.callbacks.on_started_leading = nullptr; },
                              "on_started_leading"},
                    BadConfig{"lock_and_url", [](auto& c) { use_own_lock(c, "a"); }, "both"},
                    BadConfig{"no_lock_name", [](auto& c) { c.lock_name.clear(); }, "name"},
                    BadConfig{"control_character", [](auto& c) { c.lock_name = "a\nb"; }, "name"},
                    BadConfig{"unknown_store",
                              [](auto& c) { c.lock_url = "carrier-pigeon://coop"; },
                              "carrier-pigeon"},
                    BadConfig{"settings", [](auto& c) { c.settings.renew_deadline = seconds(20); },
                              "renew deadline"},
                    BadConfig{"settings_in_url",
                              [](auto& c) { c.lock_url += "?renew-deadline=20s"; },
                              "renew deadline"},
                    BadConfig{"lock_without_identity",
                              [](auto& c) {
                                use_own_lock(c, "");
                                c.lock_url.clear();
                                c.identity.clear();
                              },
                              "identity"}),
    [](const auto& bad) { return bad.param.name; });

}  // namespace
}  // namespace tenure
