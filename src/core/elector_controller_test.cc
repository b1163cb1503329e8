// What a controller needs of an elector: it holds on behalf of a candidate. K1 and K4 of
// docs/guarantees.md.
#include <gtest/gtest.h>

#include "core/testing/stage.h"

namespace tenure {
namespace {

using Kind = Action::Kind;

ElectorOptions for_candidate(std::string identity) {
  ElectorOptions options = candidate(std::move(identity), {.watch = true});
  options.grace = 2500ms;
  options.renew_on_request = true;
  options.adopt = true;
  return options;
}

// As a controller of this cluster left it behind.
LeaderElectionRecord left_behind(Epoch epoch = 7) {
  LeaderElectionRecord record = held_by("a", epoch);
  record.cluster = "east";
  record.renew_time = Stage::wall_at(-5s);
  return record;
}

TEST(ElectorForAController, WritesTheGraceAndOthersWaitForIt) {
  Stage holder(for_candidate("a"));
  holder.lead();
  const LeaderElectionRecord record = holder.last(Kind::write).record;
  EXPECT_EQ(record.lease_duration_seconds, 15);
  EXPECT_EQ(record.grace, 2500ms);

  Stage other(candidate("b", {.watch = true}));
  other.put(record);
  other.start();
  other.answer();
  other.serve_until(17500ms - 1ns);
  EXPECT_EQ(other.count(Kind::write), 0U);
  other.serve_until(17500ms);
  EXPECT_EQ(other.count(Kind::write), 1U);
  EXPECT_EQ(other.last(Kind::write).record.grace, 0s) << "its own";
}

TEST(ElectorForAController, RenewsWhenItIsAskedTo) {
  Stage stage(for_candidate("a"));
  stage.lead();
  stage.serve_until(6s);
  EXPECT_EQ(stage.count(Kind::write), 1U) << "only the acquisition";
  stage.send(event::Renew{});
  ASSERT_TRUE(stage.asks(Kind::write));
  EXPECT_EQ(stage.last(Kind::write).record.leader_transitions, 1);
  stage.serve_until(7s);
  EXPECT_EQ(stage.view().valid_until, Stage::at(16s));
}

// Heartbeats come a retry period apart, 2 s here, or half a period later.
TEST(ElectorForAController, LooksJustBehindTheHeartbeatsThatMayRenew) {
  for (const Duration age : {0ms, 400ms, 1100ms, 1900ms}) {
    ElectorOptions options = for_candidate("b");
    options.store.watch = false;
    Stage stage(options);
    stage.put(held_by("a", 3));
    stage.age = age;
    stage.start();
    stage.serve_until(14s);
    Duration previous = 0s;
    for (const auto& happened : stage.log) {
      if (happened.action.kind != Kind::read || happened.at == 0s) continue;
      EXPECT_LE(happened.at - previous, 2250ms) << "or a release is found late";
      EXPECT_GE(happened.at - previous, 1s) << "each look has its price";
      const Duration behind = (happened.at + age) % 1s;
      EXPECT_TRUE(behind >= 90ms && behind <= 250ms) << behind / 1ms << " ms";
      previous = happened.at;
    }
    EXPECT_GT(previous, 11s);
  }
}

TEST(ElectorForAController, TriesARequestedRenewalUntilItWorks) {
  Stage stage(for_candidate("a"));
  stage.lead();
  stage.run_until(3s);
  stage.send(event::Renew{});
  stage.fail_writes_until(6s, WriteOutcome::unknown);
  EXPECT_EQ(stage.view().valid_until, Stage::at(10s));
  stage.serve_until(9s);
  EXPECT_GT(stage.view().valid_until, Stage::at(15s));
}

TEST(ElectorForAController, K1_goes_on_with_the_record_of_its_own_candidate_under_the_same_epoch) {
  Stage stage(for_candidate("a"));
  stage.put(left_behind());
  const Version version = stage.held.version;
  stage.start();
  stage.answer();
  ASSERT_TRUE(stage.asks(Kind::write));
  EXPECT_EQ(stage.last(Kind::write).expected, version);
  EXPECT_EQ(stage.view().role, Role::contending) << "not before the write";
  stage.answer();
  EXPECT_EQ(stage.view().role, Role::leading);
  EXPECT_EQ(stage.view().epoch, 7);
  EXPECT_EQ(stage.held.record.acquire_time, left_behind().acquire_time);
  EXPECT_EQ(stage.held.record.grace, 2500ms);
}

TEST(ElectorForAController, K1_after_the_lease_it_is_a_new_tenure) {
  LeaderElectionRecord record = left_behind();
  record.renew_time = Stage::wall_at(-1h);
  Stage stage(for_candidate("a"));
  stage.put(record);
  stage.start();
  stage.answer();
  stage.answer();
  EXPECT_EQ(stage.view().role, Role::leading);
  EXPECT_EQ(stage.view().epoch, 8);
}

TEST(ElectorForAController, K1_leaves_alone_what_is_not_its_candidates) {
  auto elsewhere = left_behind();
  elsewhere.cluster = "west";
  auto somebody_elses = left_behind();
  somebody_elses.holder_identity = "b";
  for (const auto& record : {elsewhere, somebody_elses}) {
    Stage stage(for_candidate("a"));
    stage.put(record);
    stage.start();
    stage.serve_until(14s);
    EXPECT_EQ(stage.count(Kind::write), 0U) << record.holder_identity << record.cluster;
  }
}

TEST(ElectorForAController, K1_goes_on_with_the_record_of_a_controller_that_states_no_cluster) {
  auto record = left_behind();
  record.cluster.clear();
  Stage tenures(for_candidate("a"));
  tenures.put(record);  // with a write id: somebody whose cluster has no name
  tenures.start();
  tenures.serve_until(14s);
  EXPECT_EQ(tenures.count(Kind::write), 0U);
  record.write_id = {};
  Stage other_programs(for_candidate("a"));
  other_programs.put(record);
  other_programs.start();
  other_programs.serve_until(2s);
  EXPECT_EQ(other_programs.view().epoch, 7);
}

TEST(ElectorForAController, WithoutBeingToldSoTheSameIdentityIsSomebodyElse) {
  auto options = for_candidate("a");
  options.adopt = false;
  Stage stage(options);
  stage.put(left_behind());
  stage.start();
  stage.serve_until(14s);
  EXPECT_EQ(stage.count(Kind::write), 0U) << "H6";
}

TEST(ElectorForAController, OneWithoutAnIdentityOnlyLooks) {
  Stage stage(for_candidate(""));
  stage.put(held_by("b", 3));
  stage.start();
  stage.serve_until(100s);
  EXPECT_EQ(stage.count(Kind::write), 0U);
  EXPECT_GT(stage.count(Kind::read), 5U);
  EXPECT_EQ(stage.view().holder, "b");
  stage.put(held_by("", 3));
  stage.serve_until(200s);
  EXPECT_EQ(stage.count(Kind::write), 0U) << "though it is free";
}

TEST(ElectorForAController, ASuccessorGoesOnWithTheCountdown) {
  Stage stage(for_candidate(""));
  stage.put(held_by("b", 3));
  stage.start();
  stage.answer();
  stage.serve_until(14s);
  stage.succeed(for_candidate("a"));
  stage.start();
  stage.serve_until(15s - 1ns);
  EXPECT_EQ(stage.count(Kind::write), 0U);
  stage.serve_until(16s);
  EXPECT_EQ(stage.view().role, Role::leading);
  EXPECT_EQ(stage.view().epoch, 4);
}

TEST(ElectorForAController, K4_a_successor_knows_the_epochs_of_a_record_that_is_gone) {
  Stage stage(for_candidate(""));
  stage.put(held_by("b", 9));
  stage.start();
  stage.answer();
  auto old_copy = left_behind(7);
  stage.put(old_copy);
  stage.serve_until(10s);
  stage.succeed(for_candidate("a"));
  stage.start();
  stage.serve_until(60s);
  EXPECT_EQ(stage.last(Kind::write).record.leader_transitions, 10)
      << "an old copy is not gone on with";
}

TEST(ElectorForAController, K4_what_is_known_from_elsewhere_counts_when_the_record_is_gone) {
  Stage stage(for_candidate("a"));
  stage.remember(9, 17s);
  stage.start();
  stage.answer();
  stage.serve_until(17s - 1ns);
  EXPECT_EQ(stage.count(Kind::write), 0U);
  stage.serve_until(18s);
  EXPECT_EQ(stage.last(Kind::write).record.leader_transitions, 10);
}

// Another controller of the cluster knew of that tenure.
TEST(ElectorForAController, K4_a_newer_tenure_that_only_others_saw_counts_when_the_record_is_gone) {
  Stage stage(for_candidate("a"));
  stage.put(held_by("b", 3));
  stage.start();
  stage.answer();
  stage.put(Observation::Kind::absent);
  stage.serve_until(10s);
  stage.remember(4, 17s);
  stage.serve_until(27s - 1ns);
  EXPECT_EQ(stage.count(Kind::write), 0U);
  stage.serve_until(30s);
  EXPECT_EQ(stage.last(Kind::write).record.leader_transitions, 5);
}

TEST(ElectorForAController, ASuccessorTakesNoAnswerToItsPredecessorForItsOwn) {
  Stage stage(for_candidate(""));
  stage.start();
  ASSERT_TRUE(stage.asks(Kind::read));
  const OpId old = stage.last(Kind::read).action.op;
  stage.succeed(for_candidate("a"));
  stage.start();
  EXPECT_NE(stage.last(Kind::read).action.op, old);
}

}  // namespace
}  // namespace tenure
