// The rules for the holder, H1 to H6 of docs/guarantees.md.
#include <gtest/gtest.h>

#include "core/testing/stage.h"

namespace tenure {
namespace {

using Kind = Action::Kind;

// 15 s * 90 / 110, in whole nanoseconds.
constexpr Duration kHard = Duration(15'000'000'000 / 110 * 90);

TEST(Holder, H1_validity_of_an_acquisition_counts_from_before_it_was_sent) {
  Stage stage;
  stage.start();
  stage.run_until(1s);
  stage.answer();  // the read; the acquisition is sent at 1 s
  stage.run_until(3s);
  stage.answer();
  ASSERT_EQ(stage.view().role, Role::leading);
  EXPECT_EQ(stage.view().valid_until, Stage::at(11s));
  EXPECT_EQ(stage.view().hard_deadline, Stage::at(1s + kHard));
  EXPECT_EQ(stage.last(Kind::start_work).action.deadline, Stage::at(1s + kHard));
}

TEST(Holder, H1_validity_of_a_renewal_counts_from_before_it_was_sent) {
  Stage stage;
  stage.lead();
  stage.run_until_asked(Kind::write);
  const Duration sent = stage.now();
  stage.run_until(sent + 2s);
  stage.answer();
  EXPECT_EQ(stage.view().valid_until, Stage::at(sent + 10s));
  EXPECT_EQ(stage.view().hard_deadline, Stage::at(sent + kHard));
}

TEST(Holder, H1_validity_ignores_every_time_stamp) {
  Stage stage;
  stage.wall_error = -24h * 365;
  stage.server_time = Stage::wall_at(24h);
  stage.lead();
  EXPECT_EQ(stage.view().valid_until, Stage::at(10s));
}

TEST(Holder, H2_leadership_ends_by_the_clock_though_no_code_runs) {
  Stage stage;
  stage.lead();
  const LeaseView published = stage.view();
  EXPECT_TRUE(published.is_leader(Stage::at(10s - 1ns)));
  EXPECT_FALSE(published.is_leader(Stage::at(10s)));
}

TEST(Holder, H2_nobody_leads_before_or_after_a_tenure) {
  Stage stage;
  EXPECT_FALSE(stage.view().is_leader(stage.at(0s)));
  stage.lead();
  stage.send(event::Stop{});
  EXPECT_EQ(stage.view().role, Role::stopping);
  EXPECT_FALSE(stage.view().is_leader(stage.at(0s)));
}

TEST(Holder, H3_work_is_told_to_stop_at_the_renew_deadline_and_killed_at_the_hard_deadline) {
  Stage stage;
  stage.lead();
  stage.run_until(10s - 1ns);
  EXPECT_EQ(stage.count(Kind::stop_work), 0U);
  stage.run_until(20s);
  EXPECT_EQ(stage.last(Kind::stop_work).at, 10s);
  EXPECT_EQ(stage.last(Kind::stop_work).action.reason, StopReason::renew_deadline);
  EXPECT_EQ(stage.last(Kind::kill_work).at, kHard);
  EXPECT_EQ(stage.count(Kind::kill_work), 1U);
}

TEST(Holder, H3_a_renewal_that_succeeds_after_the_deadline_saves_nothing) {
  Stage stage;
  stage.lead();
  stage.run_until_asked(Kind::write);
  stage.answer(WriteOutcome::throttled, 9s - stage.now());
  stage.run_until_asked(Kind::write);  // to be answered by 11.5 s
  ASSERT_EQ(stage.now(), 9s);
  stage.freeze_until(10s);
  stage.answer();
  EXPECT_EQ(stage.last(Kind::stop_work).action.reason, StopReason::renew_deadline);
  EXPECT_EQ(stage.view().valid_until, Stage::at(10s));
  EXPECT_EQ(stage.view().hard_deadline, Stage::at(kHard));
}

TEST(Holder, H3_work_that_was_told_to_stop_for_any_reason_is_killed_at_the_hard_deadline) {
  Stage stage;
  stage.lead();
  stage.run_until(1s);
  stage.send(event::Stop{});
  stage.run_until(20s);
  EXPECT_EQ(stage.last(Kind::kill_work).at, kHard);
  EXPECT_EQ(stage.last(Kind::kill_work).action.reason, StopReason::stop_requested);
}

TEST(Holder, H3_a_frozen_holder_stops_and_kills_in_the_same_step) {
  Stage stage;
  stage.lead();
  stage.freeze_until(1h);
  stage.send(event::Tick{});
  EXPECT_EQ(stage.count(Kind::stop_work), 1U);
  EXPECT_EQ(stage.count(Kind::kill_work), 1U);
}

// What a holder may find in place of its record, and why it stops.
struct Loss {
  const char* name;
  void (*happen)(Stage&);
  StopReason reason;
};

class H4 : public testing::TestWithParam<Loss> {};

TEST_P(H4, H4_a_holder_that_is_no_longer_named_stops_at_once) {
  Stage stage;
  stage.lead();
  stage.run_until(1s);
  GetParam().happen(stage);
  stage.send(event::Changed{});
  stage.answer();
  EXPECT_EQ(stage.last(Kind::stop_work).at, 1s);
  EXPECT_EQ(stage.last(Kind::stop_work).action.reason, GetParam().reason);
  EXPECT_FALSE(stage.view().is_leader(Stage::at(1s)));
}

TEST_P(H4, H4_a_refused_renewal_leads_to_the_same) {
  Stage stage;
  stage.lead();
  GetParam().happen(stage);
  stage.run_until_asked(Kind::write);
  stage.answer();  // the renewal: conflict
  stage.answer();  // the read that tells why
  EXPECT_EQ(stage.last(Kind::stop_work).at, stage.now());
  EXPECT_EQ(stage.last(Kind::stop_work).action.reason, GetParam().reason);
}

INSTANTIATE_TEST_SUITE_P(
    Holder, H4,
    testing::Values(
        Loss{"another_holder", [](Stage& s) { s.put(held_by("b", 2)); }, StopReason::superseded},
        Loss{"a_blank_holder", [](Stage& s) { s.put(held_by("", 1)); }, StopReason::superseded},
        Loss{"a_higher_epoch",
             [](Stage& s) {
               LeaderElectionRecord record = s.held.record;
               record.leader_transitions = 2;
               s.put(record);
             },
             StopReason::superseded},
        Loss{"another_holder_under_its_write_id",
             [](Stage& s) {
               LeaderElectionRecord record = s.held.record;
               record.holder_identity = "b";
               s.put(record);
             },
             StopReason::superseded},
        Loss{"a_deleted_record", [](Stage& s) { s.put(Observation::Kind::absent); },
             StopReason::record_lost},
        Loss{"a_damaged_record", [](Stage& s) { s.put(Observation::Kind::unreadable); },
             StopReason::record_lost},
        Loss{"a_later_format", [](Stage& s) { s.put(Observation::Kind::too_new); },
             StopReason::record_lost}),
    [](const auto& param_info) { return param_info.param.name; });

TEST(Holder, H5_releases_only_after_the_work_has_ended) {
  Stage stage;
  stage.lead();
  stage.run_until(1s);
  stage.send(event::Stop{});
  stage.run_until(5s);
  EXPECT_EQ(stage.count(Kind::write), 1U) << "the acquisition only";
  stage.work_finished();
  EXPECT_EQ(stage.count(Kind::write), 2U);
  EXPECT_EQ(stage.view().role, Role::releasing);
  stage.answer();
  EXPECT_EQ(stage.view().role, Role::done);
}

TEST(Holder, H5_work_that_overran_is_waited_for_all_the_same) {
  Stage stage;
  stage.lead();
  stage.send(event::Stop{});
  stage.run_until(1h);
  EXPECT_EQ(stage.count(Kind::write), 1U) << "the acquisition only";
  EXPECT_EQ(stage.view().role, Role::stopping);
  stage.work_finished();
  EXPECT_EQ(stage.count(Kind::write), 2U);
}

TEST(Holder, H5_a_release_blanks_the_holder_and_keeps_the_epoch) {
  Stage stage;
  stage.put(held_by("", 41));
  stage.lead();
  stage.send(event::Stop{});
  const Version written = stage.held.version;
  stage.work_finished();
  const Stage::Happened release = stage.last(Kind::write);
  EXPECT_TRUE(release.record.is_free());
  EXPECT_EQ(release.record.leader_transitions, 42);
  EXPECT_EQ(release.expected, written);
}

TEST(Holder, H5_writes_nothing_when_the_record_has_moved_on) {
  Stage stage;
  stage.lead();
  stage.send(event::Changed{});
  stage.send(event::Stop{});
  stage.put(held_by("b", 2));
  stage.answer();  // the read tells of b
  stage.work_finished();
  EXPECT_EQ(stage.count(Kind::write), 1U) << "the acquisition only";
  EXPECT_EQ(stage.view().role, Role::done);
}

TEST(Holder, H5_a_refused_release_is_not_tried_against_the_new_record) {
  Stage stage;
  stage.lead();
  stage.send(event::Stop{});
  stage.put(held_by("b", 2));
  stage.work_finished();
  stage.answer();  // the release: conflict
  stage.answer();  // the read tells of b
  EXPECT_EQ(stage.view().role, Role::done);
  EXPECT_EQ(stage.held.record.holder_identity, "b");
  EXPECT_EQ(stage.count(Kind::write), 2U);
}

TEST(Holder, H6_a_restart_under_the_same_identity_waits_like_anybody_else) {
  Stage stage(candidate("a", {.watch = true}));
  stage.put(held_by("a", 5));
  stage.start();
  stage.serve_until(15s);
  EXPECT_EQ(stage.count(Kind::write), 0U);
  stage.serve_until(16s);
  EXPECT_EQ(stage.last(Kind::start_work).action.epoch, 6);
}

TEST(Holder, H6_another_process_under_the_same_identity_and_epoch_ends_the_tenure) {
  Stage stage;
  stage.lead();
  stage.put(held_by("a", 1));
  stage.send(event::Changed{});
  stage.answer();
  EXPECT_EQ(stage.last(Kind::stop_work).action.reason, StopReason::superseded);
}

TEST(Holder, H6_retaking_the_own_record_raises_the_epoch) {
  Stage stage;
  stage.lead();
  stage.run_until(10s);
  stage.work_finished();  // too late to renew; nobody else came
  stage.serve_until(13s);
  EXPECT_EQ(stage.view().role, Role::leading);
  EXPECT_EQ(stage.view().epoch, 2);
}

TEST(Holder, H6_acquiring_again_after_a_release_raises_the_epoch) {
  Stage stage;
  stage.lead();
  stage.send(event::Resign{});
  stage.work_finished();
  stage.serve_until(12s);
  EXPECT_EQ(stage.view().role, Role::leading);
  EXPECT_EQ(stage.view().epoch, 2);
}

TEST(Holder, H6_an_acquisition_found_too_late_is_taken_again_with_a_higher_epoch) {
  Stage stage;
  stage.start();
  stage.answer();
  stage.land(stage.last(Kind::write).action.op);
  stage.freeze_until(10s);
  stage.send(event::Tick{});
  stage.serve_until(11s);
  ASSERT_EQ(stage.count(Kind::start_work), 1U);
  EXPECT_EQ(stage.last(Kind::start_work).action.epoch, 2);
}

}  // namespace
}  // namespace tenure
