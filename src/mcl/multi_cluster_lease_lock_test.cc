#include "mcl/multi_cluster_lease_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "mcl/chain.h"

namespace tenure::mcl {
namespace {

using namespace std::chrono_literals;
using ::testing::StartsWith;

const CandidateRules& usual_rules() {
  static const CandidateRules rules = *candidate_rules({});
  return rules;
}

/// An application, and an API server with one object.
struct Stage : public ::testing::Test {
  explicit Stage(bool contend_again = true)
      : lock({.identity = "app", .rules = usual_rules(), .contend_again = contend_again}, random) {}

  void step(MultiClusterLeaseLock::Event event) {
    Actions out;
    lock.step(now, std::move(event), out);
    for (const Action& action : out) {
      if (action.kind == Action::Kind::write) {
        asked = action;
        ++writes;
      }
      seen.push_back(action);
    }
  }
  /// Time passes, with every tick that is wanted.
  void pass(Duration duration) {
    const Instant end = now.mono + duration;
    while (lock.next_deadline() <= end) {
      const Instant next = std::max(lock.next_deadline(), now.mono);
      now.wall = now.wall + (next - now.mono);
      now.mono = next;
      step(event::Tick{});
      if (answers_writes && asked.op != 0) land();
    }
    now.wall = now.wall + (end - now.mono);
    now.mono = end;
  }
  /// The write that was asked for is done, and the watch shows it.
  void land() {
    apply();
    const OpId op = std::exchange(asked, {}).op;
    step(
        MultiClusterLeaseLock::Written{op, WriteOutcome::applied, object.candidate.generation, {}});
    show();
  }
  void apply() {
    const Candidacy& out = lock.outgoing();
    if (!exists) object = {};
    exists = true;
    object.uid = uid;
    object.candidate.identity = out.identity;
    object.candidate.renew_time = out.renew_time;
    object.candidate.timing = out.timing;
    ++object.candidate.generation;
  }
  void answer(WriteOutcome outcome) {
    const OpId op = std::exchange(asked, {}).op;
    step(MultiClusterLeaseLock::Written{op, outcome, 0, {}});
  }
  void show() {
    object.candidate.version = std::to_string(++versions);
    step(MultiClusterLeaseLock::Seen{object});
  }
  /// The controller says so, about the object as it is.
  void confirm(const std::string& holder, Epoch epoch = 7) {
    object.status.observed_generation = object.candidate.generation;
    object.status.holder = holder;
    object.status.epoch = epoch;
    object.status.is_leader = holder == object.candidate.identity;
    show();
  }
  /// From the beginning to a tenure with epoch 7.
  void lead() {
    step(event::Start{});
    step(MultiClusterLeaseLock::Gone{});
    land();
    confirm(lock.identity());
    ASSERT_EQ(role(), Role::leading);
    ASSERT_EQ(asked.op, 0U);
  }
  [[nodiscard]] Role role() const { return lock.view().role; }
  [[nodiscard]] bool did(Action::Kind kind) const {
    return std::any_of(seen.begin(), seen.end(), [&](auto& a) { return a.kind == kind; });
  }
  [[nodiscard]] bool reported(Action::Note note) const {
    return std::any_of(seen.begin(), seen.end(), [&](auto& a) { return a.note == note; });
  }
  /// Another candidate of this cluster has the object.
  void taken_by(const std::string& other, const std::string& renew_time) {
    exists = true;
    object.uid = uid;
    object.candidate.identity = other;
    object.candidate.renew_time = renew_time;
    ++object.candidate.generation;
    show();
  }

  SplitMix random{7};
  MultiClusterLeaseLock lock;
  Now now{Instant::from_ns(1'000'000'000'000), WallTime::from_ns(1'800'000'000'000'000'000)};
  LeaseObject object;
  std::string uid = "one";
  bool exists = false;
  bool answers_writes = false;
  int versions = 0;
  int writes = 0;
  Action asked;
  std::vector<Action> seen;
};

struct OnceStage : public Stage {
  OnceStage() : Stage(false) {}
};

TEST(CandidateRules, TheWorkHasEndedBeforeTheControllerCountsOnIt) {
  for (const Settings& settings :
       {Settings{}, Settings{.lease_duration = 60s, .renew_deadline = 30s, .retry_period = 2s},
        Settings{.lease_duration = 8s, .renew_deadline = 5s, .retry_period = 500ms}}) {
    const auto rules = candidate_rules(settings);
    ASSERT_TRUE(rules) << rules.error().to_string();
    const Chain chain = chain_of(rules->stated);
    EXPECT_LE(rules->timing.hard_deadline, chain.stops_within * 9 / 10);
    EXPECT_GE(rules->timing.hard_deadline, settings.renew_deadline + settings.stop_margin);
    EXPECT_LT(rules->stated.renew_deadline, settings.lease_duration);
  }
  EXPECT_FALSE(candidate_rules({.lease_duration = 15s, .renew_deadline = 14s}));
}

TEST_F(Stage, ItSignalsAndLeadsWhenThatVerySignalIsConfirmed) {
  step(event::Start{});
  EXPECT_EQ(writes, 0) << "it does not know yet what is there";
  step(MultiClusterLeaseLock::Gone{});
  ASSERT_EQ(writes, 1);
  EXPECT_TRUE(lock.outgoing().version.empty());
  EXPECT_THAT(lock.outgoing().identity, StartsWith("app_"));
  object.status.holder = lock.identity();  // what an earlier life may have left
  object.status.epoch = 3;
  object.status.observed_generation = 0;
  land();
  EXPECT_EQ(role(), Role::contending);
  confirm("somebody");
  EXPECT_EQ(role(), Role::contending);
  EXPECT_EQ(lock.view().holder, "somebody");
  confirm(lock.identity());
  EXPECT_EQ(role(), Role::leading);
  EXPECT_EQ(lock.view().epoch, 7);
}

TEST_F(Stage, AStatusWithoutAnEpochIsNoTenure) {
  step(event::Start{});
  step(MultiClusterLeaseLock::Gone{});
  land();
  confirm(lock.identity(), 0);
  EXPECT_EQ(role(), Role::contending);
}

TEST_F(Stage, TheAnswerIsWorthWhatIsLeftSinceTheSending) {
  step(event::Start{});
  step(MultiClusterLeaseLock::Gone{});
  const Instant sent = now.mono;
  land();
  pass(3s);
  confirm(lock.identity());
  EXPECT_EQ(lock.view().valid_until, sent + 10s);
  EXPECT_EQ(lock.view().hard_deadline, sent + usual_rules().timing.hard_deadline);
  EXPECT_EQ(writes, 2) << "it moves at once, for the next answer is urgent";
}

TEST_F(Stage, WhatIsConfirmedTooLateIsNoTenure) {
  step(event::Start{});
  step(MultiClusterLeaseLock::Gone{});
  apply();  // landed, and nobody said so
  pass(8s);
  object.status.holder = lock.identity();
  object.status.epoch = 7;
  object.status.observed_generation = object.candidate.generation;
  show();
  EXPECT_EQ(role(), Role::contending);
}

TEST_F(Stage, WithoutAnswersItStopsThenEndsTheWorkByForceThenGivesBack) {
  lead();
  answers_writes = true;
  pass(9s);
  EXPECT_GE(writes, 3) << "it goes on moving";
  EXPECT_EQ(role(), Role::leading);
  pass(1500ms);
  EXPECT_EQ(role(), Role::stopping);
  EXPECT_FALSE(did(Action::Kind::kill_work));
  const int before = writes;
  pass(2s);
  EXPECT_TRUE(did(Action::Kind::kill_work));
  EXPECT_EQ(writes, before) << "nothing is given back before the work has ended (H5)";
  const std::string first = lock.identity();
  step(event::WorkFinished{7, true});
  ASSERT_NE(asked.op, 0U);
  EXPECT_EQ(lock.outgoing().identity, "");
  land();
  EXPECT_EQ(role(), Role::contending);
  EXPECT_NE(lock.identity(), first) << "the next tenure has another name, and so another epoch";
}

TEST_F(Stage, AnswersExtendTheTenure) {
  lead();
  answers_writes = true;
  for (int i = 0; i < 20; ++i) {
    pass(2s);
    confirm(lock.identity());
  }
  EXPECT_EQ(role(), Role::leading);
  EXPECT_EQ(lock.view().epoch, 7);
  EXPECT_NEAR(writes, 40 / 2.5, 5) << "a heartbeat each 1.1 to 1.4 retry periods";
}

TEST_F(Stage, AnotherHolderOrEpochEndsItAtOnce) {
  lead();
  confirm("somebody");
  EXPECT_EQ(role(), Role::stopping);
}

TEST_F(Stage, AnotherEpochEndsItAtOnce) {
  lead();
  confirm(lock.identity(), 8);
  EXPECT_EQ(role(), Role::stopping);
}

TEST_F(Stage, AWishThatWasOverwrittenEndsItAtOnce) {
  lead();
  taken_by("by-hand", "now");
  EXPECT_EQ(role(), Role::stopping);
}

TEST_F(Stage, ADeletedObjectEndsItAtOnceAndIsMadeAgain) {
  lead();
  exists = false;
  step(MultiClusterLeaseLock::Gone{});
  EXPECT_EQ(role(), Role::stopping);
  step(event::WorkFinished{7, false});
  ASSERT_NE(asked.op, 0U);
  EXPECT_EQ(lock.outgoing().version, "");
}

TEST_F(Stage, AControllerThatBeginsAnewCostsNoTenure) {
  lead();
  object.status.is_leader = false;
  show();
  EXPECT_EQ(role(), Role::leading);
}

TEST_F(Stage, AGenerationOfAnotherObjectConfirmsNothing) {
  step(event::Start{});
  step(MultiClusterLeaseLock::Gone{});
  land();
  uid = "two";
  exists = false;
  apply();  // somebody deleted it and restored it from a file
  confirm(lock.identity());
  EXPECT_EQ(role(), Role::contending);
}

TEST_F(Stage, ATakenObjectIsWaitedForWhileItMoves) {
  step(event::Start{});
  taken_by("other", "1");
  for (int i = 2; i < 6; ++i) {
    pass(10s);
    taken_by("other", std::to_string(i));
  }
  EXPECT_EQ(writes, 0);
  pass(14s);
  EXPECT_EQ(writes, 0);
  pass(2s);
  EXPECT_EQ(writes, 1) << "it has stood still for its lease";
  EXPECT_EQ(lock.outgoing().version, object.candidate.version);
}

TEST_F(Stage, AWithdrawnWishIsFollowedAtOnce) {
  step(event::Start{});
  taken_by("other", "1");
  taken_by("", "2");
  EXPECT_EQ(writes, 1);
}

TEST_F(Stage, AConflictIsTriedAgainWithTheNews) {
  step(event::Start{});
  taken_by("", "1");
  answer(WriteOutcome::conflict);
  EXPECT_EQ(writes, 1);
  show();
  EXPECT_EQ(writes, 2);
  EXPECT_EQ(lock.outgoing().version, object.candidate.version);
}

TEST_F(Stage, AHeartbeatWithoutAnAnswerMayHaveLanded) {
  step(event::Start{});
  step(MultiClusterLeaseLock::Gone{});
  apply();
  answer(WriteOutcome::unknown);
  EXPECT_TRUE(reported(Action::Note::store_unreachable));
  confirm(lock.identity());
  EXPECT_EQ(role(), Role::leading) << "the watch showed it";
}

TEST_F(Stage, WhoWaitsMovesOftenEnoughToCount) {
  step(event::Start{});
  step(MultiClusterLeaseLock::Gone{});
  land();
  confirm("somebody");
  answers_writes = true;
  const int before = writes;
  pass(60s);
  EXPECT_NEAR(writes - before, 12, 2) << "three times a lease";
}

TEST_F(Stage, HeartbeatsMoveThoughTheCalendarStandsStill) {
  lead();
  const std::string first = lock.outgoing().renew_time;
  const WallTime wall = now.wall;
  pass(2800ms);
  now.wall = wall;
  ASSERT_NE(asked.op, 0U);
  land();
  EXPECT_NE(lock.outgoing().renew_time, first);
}

TEST_F(Stage, ToResignIsToWaitForSomebodyElse) {
  lead();
  step(event::Resign{});
  EXPECT_EQ(role(), Role::stopping);
  step(event::WorkFinished{7, false});
  land();
  EXPECT_EQ(role(), Role::contending);
  const int before = writes;
  pass(usual_rules().timing.planned_handover - 1ms);
  EXPECT_EQ(writes, before);
  pass(1ms);
  EXPECT_EQ(writes, before + 1);
}

TEST_F(Stage, WhoIsStoppedWhileWaitingWithdraws) {
  step(event::Start{});
  step(MultiClusterLeaseLock::Gone{});
  land();
  step(event::Stop{});
  ASSERT_NE(asked.op, 0U);
  EXPECT_EQ(lock.outgoing().identity, "");
  EXPECT_FALSE(did(Action::Kind::done));
  land();
  EXPECT_TRUE(did(Action::Kind::done));
  EXPECT_FALSE(reported(Action::Note::release_failed));
}

TEST_F(Stage, NothingIsWrittenAfterTheEnd) {
  step(event::Start{});
  step(event::Stop{});
  EXPECT_TRUE(did(Action::Kind::done));
  step(MultiClusterLeaseLock::Gone{});
  EXPECT_EQ(writes, 0);
}

TEST_F(Stage, WhoCannotWithdrawSaysSoAndGoes) {
  lead();
  step(event::Stop{});
  step(event::WorkFinished{7, false});
  pass(10s);
  EXPECT_TRUE(reported(Action::Note::release_failed));
  EXPECT_TRUE(did(Action::Kind::done));
}

TEST_F(OnceStage, OneTenureAtMost) {
  lead();
  confirm("somebody");
  step(event::WorkFinished{7, false});
  land();
  EXPECT_TRUE(did(Action::Kind::done));
}

TEST_F(Stage, ASilentControllerIsReported) {
  step(event::Start{});
  step(MultiClusterLeaseLock::Gone{});
  land();
  answers_writes = true;
  pass(14s);
  EXPECT_FALSE(reported(Action::Note::no_controller));
  pass(10s);
  EXPECT_TRUE(reported(Action::Note::no_controller));
}

TEST_F(Stage, TroubleWithTheStoreIsPassedOn) {
  step(event::Start{});
  step(MultiClusterLeaseLock::Gone{});
  land();
  object.status.backend_healthy = {.holds = false, .message = "it burns", .since_seconds = 1};
  show();
  EXPECT_TRUE(reported(Action::Note::store_unreachable));
  EXPECT_EQ(lock.trouble(), "it burns");
}

}  // namespace
}  // namespace tenure::mcl
