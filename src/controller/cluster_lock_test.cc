// One object and its lock, with a store that answers at once and an API server that takes its time:
// what becomes of the lock when the object leaves, and what a candidate is told that waits.
#include "controller/cluster_lock.h"

#include <gtest/gtest.h>

#include <deque>

namespace tenure::controller {
namespace {

using namespace std::chrono_literals;

class OneObject : public ::testing::Test {
 protected:
  explicit OneObject(bool mirror_renewals = false)
      : lock_({.cluster = "east", .mirror_renewals = mirror_renewals}, random_) {
    step(ClusterLock::Start{});
  }

  void step(ClusterLock::Event event) {
    std::deque<ClusterLock::Event> events = {std::move(event)};
    while (!events.empty()) {
      std::vector<ClusterLock::Action> actions;
      lock_.step(now_, std::move(events.front()), actions);
      events.pop_front();
      for (const ClusterLock::Action& action : actions) perform(action, events);
    }
  }
  void perform(const ClusterLock::Action& action, std::deque<ClusterLock::Event>& events) {
    using Kind = ClusterLock::Action::Kind;
    if (action.kind == Kind::write_status) status_is_on_its_way_ = true;
    if (action.kind == Kind::read) {
      ReadResult result;
      result.outcome = store_answers_ ? ReadOutcome::ok : ReadOutcome::unknown;
      if (store_answers_) result.observation = held_;
      events.emplace_back(event::ReadDone{action.op, std::move(result)});
    }
    if (action.kind == Kind::write) {
      WriteResult result;
      result.outcome = WriteOutcome::conflict;
      if (lock_.expected() == held_.version) {
        held_ = {Observation::Kind::record, std::to_string(++versions_), lock_.outgoing(), {}};
        result.outcome = WriteOutcome::applied;
        result.version = held_.version;
      }
      events.emplace_back(event::WriteDone{action.op, std::move(result)});
    }
  }
  /// Lets time pass, in small steps.
  void wait(Duration duration) {
    for (const Instant end = now_.mono + duration; now_.mono < end;) {
      now_.mono = now_.mono + 100ms;
      now_.wall = now_.wall + 100ms;
      step(ClusterLock::Tick{});
    }
  }
  void answer_status(bool ok = true) {
    ASSERT_TRUE(std::exchange(status_is_on_its_way_, false));
    ++statuses_;
    if (ok) status_ = lock_.status_of("object");
    step(ClusterLock::StatusWritten{"object", ok, std::to_string(++versions_), 500ms});
  }
  void heartbeat(bool created = false) {
    ++candidate_.generation;
    candidate_.name = "object";
    candidate_.identity = "pod";
    candidate_.renew_time = std::to_string(candidate_.generation);
    step(ClusterLock::Seen{candidate_, status_, created});
  }
  /// The candidate leads, and has been acknowledged just now.
  void lead() {
    heartbeat(true);
    wait(5s);
    while (status_is_on_its_way_) answer_status();
    ASSERT_EQ(held_.record.holder_identity, "pod");
    ASSERT_TRUE(status_.is_leader);
  }
  /// Somebody in another cluster has the lock, with epoch 3, and the candidate knows.
  void wait_for_somebody() {
    held_.kind = Observation::Kind::record;
    held_.version = "other";
    held_.record.holder_identity = "somebody";
    held_.record.cluster = "west";
    held_.record.lease_duration_seconds = 15;
    held_.record.renew_time = now_.wall;
    held_.record.leader_transitions = 3;
    heartbeat(true);
    wait(3s);
    while (status_is_on_its_way_) answer_status();
  }
  /// Answers statuses at once, for so long.
  void live(Duration duration) {
    for (const Instant end = now_.mono + duration; now_.mono < end;) {
      wait(100ms);
      while (status_is_on_its_way_) answer_status();
    }
  }
  /// How long from now until the lock is given back.
  Duration until_given_back() {
    const Instant begin = now_.mono;
    while (!held_.record.holder_identity.empty() && now_.mono < begin + 60s) wait(100ms);
    return now_.mono - begin;
  }

  Now now_{Instant::from_ns(1), WallTime::from_ns(1'800'000'000'000'000'000)};
  SplitMix random_{7};
  ClusterLock lock_;
  Observation held_;
  bool store_answers_ = true;
  int versions_ = 0;
  Candidate candidate_;
  LeaseStatus status_;
  bool status_is_on_its_way_ = false;
  int statuses_ = 0;  // answered
  const Duration stops_within_ = mcl::chain_of({}).stops_within;
};

class LeavingObject : public OneObject {};

TEST_F(LeavingObject, TheLockIsGivenBackWhenTheCandidateHasStopped) {
  lead();
  wait(1s);
  step(ClusterLock::Gone{"object"});
  const Duration held = until_given_back();
  EXPECT_GE(held + 1s, stops_within_);
  EXPECT_LT(held, stops_within_);
  EXPECT_TRUE(lock_.is_idle());
}

TEST_F(LeavingObject, WhatWasOnItsWayCountsFromItsAnswer) {
  lead();
  wait(5s);
  heartbeat();
  ASSERT_TRUE(status_is_on_its_way_);
  step(ClusterLock::Gone{"object"});
  wait(1s);
  answer_status();
  EXPECT_FALSE(status_is_on_its_way_) << "it is not answered any more";
  EXPECT_GE(until_given_back(), stops_within_);
  EXPECT_TRUE(lock_.is_idle());
}

// K2: there is one by mistake.
TEST_F(LeavingObject, WhatAnotherControllerAnsweredIsWaitedForAsWell) {
  lead();
  live(4s);
  heartbeat();  // is renewed for
  live(2s);
  candidate_.renew_time = std::to_string(++candidate_.generation);
  status_.observed_generation = candidate_.generation;
  step(ClusterLock::Seen{candidate_, status_, false});
  step(ClusterLock::Gone{"object"});
  EXPECT_GE(until_given_back(), stops_within_);
}

TEST_F(LeavingObject, OneThatIsBackSoonGoesOn) {
  lead();
  wait(2s);
  heartbeat();
  ASSERT_TRUE(status_is_on_its_way_);
  step(ClusterLock::Gone{"object"});
  step(ClusterLock::Seen{candidate_, status_, false});
  answer_status(false);
  EXPECT_EQ(held_.record.holder_identity, "pod");
  wait(1s);
  heartbeat();
  ASSERT_TRUE(status_is_on_its_way_);
  while (status_is_on_its_way_) answer_status();
  EXPECT_EQ(status_.observed_generation, candidate_.generation);
  EXPECT_EQ(held_.record.leader_transitions, 1);
}

// The same generation is answered twice: that nobody leads, and then that its candidate does.
TEST_F(LeavingObject, AnAcquisitionIsAcknowledgedThoughTheApiServerWasAwayMeanwhile) {
  wait_for_somebody();
  held_.record.holder_identity.clear();
  held_.version = "2";
  versions_ = 2;
  while (!status_is_on_its_way_) wait(100ms);
  answer_status();
  ASSERT_EQ(status_.observed_generation, candidate_.generation);
  while (held_.record.holder_identity.empty()) wait(100ms);
  for (const Instant end = now_.mono + 6s; now_.mono < end;) {
    if (status_is_on_its_way_) answer_status(false);
    wait(100ms);
  }
  while (status_.holder.empty()) {
    ASSERT_LT(now_.mono, Instant::from_ns(1) + 60s) << "nobody tells the candidate";
    if (status_is_on_its_way_) answer_status();
    wait(100ms);
  }
  EXPECT_EQ(status_.epoch, 4);
  EXPECT_TRUE(status_.is_leader);
  EXPECT_EQ(held_.record.leader_transitions, 4);
}

class WaitingCandidate : public OneObject {
 protected:
  using OneObject::OneObject;

  /// Lets time pass, while somebody renews every five seconds; how many statuses were written.
  int somebody_renews(Duration duration) {
    const int before = statuses_;
    for (const Instant end = now_.mono + duration; now_.mono < end;) {
      held_.record.renew_time = now_.wall;
      held_.version = "at " + std::to_string(now_.mono.ns());
      live(std::min<Duration>(5s, end - now_.mono));
    }
    return statuses_ - before;
  }
};

class WaitingCandidateOfAMirror : public WaitingCandidate {
 protected:
  WaitingCandidateOfAMirror() : WaitingCandidate(true) {}
};

// A Go candidate asks for the lock when nothing has changed for its lease duration.
TEST_F(WaitingCandidate, SeesNoRenewalButEveryTenMinutes) {
  wait_for_somebody();
  somebody_renews(60s);
  EXPECT_FALSE(status_.candidate_live.holds) << "it has said nothing for a minute";
  const std::int64_t told = status_.renewed_seconds;
  EXPECT_EQ(somebody_renews(500s), 0);
  EXPECT_EQ(somebody_renews(100s), 1);
  EXPECT_GE(status_.renewed_seconds, told + 600);
  EXPECT_EQ(status_.holder, "somebody");
}

TEST_F(WaitingCandidateOfAMirror, SeesEveryRenewal) {
  wait_for_somebody();
  somebody_renews(60s);
  EXPECT_EQ(somebody_renews(100s), 20);
}

TEST_F(WaitingCandidate, SeesEachNewHolder) {
  wait_for_somebody();
  held_.record.holder_identity = "another";
  held_.record.leader_transitions = 4;
  held_.record.renew_time = now_.wall + 1s;
  held_.version = "taken";
  live(3s);
  EXPECT_EQ(status_.holder, "another");
  EXPECT_EQ(status_.epoch, 4);
  EXPECT_EQ(status_.renewed_seconds, held_.record.renew_time.ns() / 1'000'000'000);
}

// K2: of its own cluster, by mistake. Otherwise each would correct the other's statuses.
TEST_F(WaitingCandidate, HasAControllerThatLooksWhenAnotherOneKnowsOfANewTenure) {
  wait_for_somebody();
  held_.record.holder_identity = status_.holder = "another";
  held_.record.leader_transitions = status_.epoch = 4;
  held_.version = "taken";
  step(ClusterLock::Seen{candidate_, status_, false});
  EXPECT_EQ(lock_.view().holder, "another");
}

// As tenure's own candidates do while they wait.
TEST_F(WaitingCandidate, IsAnsweredOnceALease) {
  wait_for_somebody();
  somebody_renews(20s);
  const int before = statuses_;
  for (int i = 0; i < 30; ++i) {
    heartbeat();
    somebody_renews(2s);
    EXPECT_TRUE(status_.candidate_live.holds);
  }
  EXPECT_LE(statuses_ - before, 5);
  EXPECT_GE(status_.observed_generation, candidate_.generation - 8);
}

// Asks, waits a lease for the answer, and sleeps for up to 2.2 retry periods. When something has
// changed meanwhile, it believes that for a lease before it asks again.
TEST_F(WaitingCandidate, IsSilentWhenItShouldHaveAskedAgain) {
  wait_for_somebody();
  somebody_renews(20s);
  heartbeat();
  somebody_renews(38s);
  EXPECT_TRUE(status_.candidate_live.holds);
  somebody_renews(3s);
  EXPECT_FALSE(status_.candidate_live.holds);
}

// It asks a last time when the holder still holds, and need not do it again.
TEST_F(WaitingCandidate, ThatHasAskedLeadsAfterTheNextLook) {
  wait_for_somebody();
  somebody_renews(20s);
  heartbeat();
  somebody_renews(10s);
  held_.record.holder_identity.clear();
  held_.version = "released";
  live(2200ms);
  EXPECT_EQ(status_.holder, "pod");
  EXPECT_TRUE(status_.is_leader);
  EXPECT_EQ(status_.observed_generation, candidate_.generation);
}

// K1: it may have died since.
TEST_F(WaitingCandidate, ThatHasAskedALeaseAgoIsWaitedFor) {
  wait_for_somebody();
  somebody_renews(20s);
  heartbeat();
  somebody_renews(16s);
  EXPECT_TRUE(status_.candidate_live.holds);
  held_.record.holder_identity.clear();
  held_.version = "released";
  live(5s);
  EXPECT_EQ(status_.holder, "");
  heartbeat();
  live(500ms);
  EXPECT_EQ(status_.holder, "pod");
}

TEST_F(WaitingCandidate, SeesAHolderNamedAsLongAsItsLeaseThoughOthersWaitForItsGrace) {
  held_.record.write_id = random_.write_id();
  held_.record.grace = 3s;
  wait_for_somebody();  // seen three seconds ago
  live(11s);
  EXPECT_EQ(status_.holder, "somebody");
  heartbeat();
  live(2s);
  EXPECT_EQ(status_.holder, "");
  EXPECT_EQ(status_.epoch, 3);
  EXPECT_EQ(status_.lock_acquired.message, "the lease of somebody has run out");
  EXPECT_EQ(held_.record.holder_identity, "somebody") << "the grace is not over";
  live(3s);
  EXPECT_EQ(held_.record.holder_identity, "pod");
  EXPECT_EQ(status_.holder, "pod");
}

// Its renewTime decides, on the calendar (C2).
TEST_F(WaitingCandidate, SeesAHolderThatIsNotOursNamedUntilItIsFollowed) {
  wait_for_somebody();
  held_.record.renew_time = now_.wall + 3600s;
  held_.version = "later";
  live(60s);
  EXPECT_EQ(status_.holder, "somebody");
}

// Whether it still renews cannot be known.
TEST_F(WaitingCandidate, SeesNobodyUnnamedByAStoreThatCannotBeAsked) {
  held_.record.write_id = random_.write_id();
  wait_for_somebody();
  store_answers_ = false;
  live(60s);
  EXPECT_EQ(status_.holder, "somebody");
  EXPECT_FALSE(status_.backend_healthy.holds);
}

TEST_F(LeavingObject, NobodyContendsForOneThatIsGone) {
  wait_for_somebody();
  step(ClusterLock::Gone{"object"});
  EXPECT_TRUE(lock_.is_idle());
  wait(30s);
  EXPECT_EQ(held_.record.holder_identity, "somebody") << "there is no candidate here";
}

}  // namespace
}  // namespace tenure::controller
