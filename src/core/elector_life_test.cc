// The course of an election beside the rules: beginning, end, records that nobody should meet.
#include <gtest/gtest.h>

#include "core/testing/stage.h"

namespace tenure {
namespace {

using Kind = Action::Kind;

TEST(Life, does_nothing_before_the_start) {
  Stage stage;
  stage.run_until(1h);
  stage.send(event::Changed{});
  stage.send(event::Resign{});
  EXPECT_TRUE(stage.log.empty());
  EXPECT_EQ(stage.view().role, Role::idle);
}

TEST(Life, stop_before_the_start_is_the_end) {
  Stage stage;
  stage.send(event::Stop{});
  EXPECT_EQ(stage.count(Kind::done), 1U);
  stage.start();
  EXPECT_EQ(stage.log.size(), 1U) << "done stays done";
  EXPECT_TRUE(stage.elector().next_deadline().is_never());
}

TEST(Life, a_second_start_changes_nothing) {
  Stage stage;
  stage.lead();
  const std::size_t before = stage.log.size();
  stage.start();
  EXPECT_EQ(stage.log.size(), before);
}

TEST(Life, an_acquisition_is_durable_and_a_renewal_need_not_be) {
  Stage stage;
  stage.lead();
  EXPECT_TRUE(stage.last(Kind::write).action.durable);
  stage.run_until_asked(Kind::write);
  EXPECT_FALSE(stage.last(Kind::write).action.durable);
}

TEST(Life, renewals_are_a_little_more_than_the_retry_period_apart) {
  for (const auto& [jitter, apart] :
       {std::pair(std::uint64_t{0}, 2200ms), std::pair(ScriptedRandom::kHighest, 2800ms)}) {
    Stage stage;
    stage.random.jitter = jitter;
    stage.lead();
    stage.run_until_asked(Kind::write);
    const Duration first = stage.now();
    EXPECT_LE(std::chrono::abs(first - apart), 1us);
    stage.answer();
    stage.run_until_asked(Kind::write);
    EXPECT_LE(std::chrono::abs(stage.now() - first - apart), 1us);
  }
}

TEST(Life, a_record_says_who_where_how_long_and_since_when) {
  Stage stage;
  stage.lead();
  stage.run_until_asked(Kind::write);
  stage.answer();
  const LeaderElectionRecord& record = stage.held.record;
  EXPECT_EQ(record.holder_identity, "a");
  EXPECT_EQ(record.cluster, "east");
  EXPECT_EQ(record.lease_duration_seconds, 15);
  EXPECT_EQ(record.acquire_time, Stage::wall_at(0s));
  EXPECT_EQ(record.renew_time, Stage::wall_at(stage.now()));
  EXPECT_EQ(record.leader_transitions, 1);
  EXPECT_EQ(record.format, kRecordFormat);
}

TEST(Life, what_others_put_into_the_record_is_kept) {
  Stage stage;
  LeaderElectionRecord record = held_by("", 3);
  record.strategy = "OldestEmulationVersion";
  record.unknown_json = R"({"note":"x"})";
  stage.put(record);
  stage.lead();
  stage.serve_until(3s);
  EXPECT_EQ(stage.held.record.strategy, "OldestEmulationVersion");
  EXPECT_EQ(stage.held.record.unknown_json, R"({"note":"x"})");
}

TEST(Life, tells_who_leads_whenever_that_changes) {
  Stage stage(candidate("a", {.watch = true}));
  stage.put(held_by("b", 3));
  stage.start();
  stage.answer();
  EXPECT_EQ(stage.view().holder, "b");
  EXPECT_EQ(stage.view().holder_epoch, 3);
  stage.serve_until(1s);
  for (const char* holder : {"b", "c", "c", ""}) {
    stage.put(held_by(holder, 4));
    stage.send(event::Changed{});
    stage.answer();
  }
  EXPECT_EQ(stage.count(Kind::leader_changed), 4U) << "b 3, b 4, c 4, nobody";
  EXPECT_EQ(stage.view().holder, "");
  EXPECT_EQ(stage.view().holder_epoch, 0);
}

TEST(Life, work_that_ends_by_itself_gives_the_lock_back) {
  Stage stage;
  stage.lead();
  stage.run_until(1s);
  stage.work_finished();
  EXPECT_TRUE(stage.last(Kind::write).record.is_free());
  EXPECT_EQ(stage.count(Kind::stop_work), 0U);
  EXPECT_FALSE(stage.view().is_leader(Stage::at(1s)));
}

TEST(Life, news_of_an_earlier_works_end_does_not_end_this_tenure) {
  Stage stage;
  stage.lead();
  stage.run_until(10s);
  stage.work_finished();
  stage.serve_until(13s);
  ASSERT_EQ(stage.view().epoch, 2);
  stage.send(event::WorkFinished{1, true});
  EXPECT_EQ(stage.view().role, Role::leading);
}

TEST(Life, one_tenure_at_most_when_asked_so) {
  ElectorOptions options = candidate("a");
  options.contend_again = false;
  Stage stage(options);
  stage.lead();
  stage.send(event::WorkFinished{1, true});
  stage.answer();
  EXPECT_EQ(stage.view().role, Role::done);
  EXPECT_EQ(stage.last(Kind::done).action.reason, StopReason::work_failed);
}

TEST(Life, one_tenure_that_was_superseded_ends_without_a_write) {
  ElectorOptions options = candidate("a");
  options.contend_again = false;
  Stage stage(options);
  stage.lead();
  stage.put(held_by("b", 2));
  stage.send(event::Changed{});
  stage.answer();
  stage.work_finished();
  EXPECT_EQ(stage.view().role, Role::done);
  EXPECT_EQ(stage.last(Kind::done).action.reason, StopReason::superseded);
  EXPECT_EQ(stage.count(Kind::write), 1U);
}

TEST(Life, a_release_that_cannot_be_made_is_reported_and_does_not_keep_the_program) {
  Stage stage;
  stage.lead();
  stage.send(event::Stop{});
  stage.work_finished();
  stage.run_until(6s);
  EXPECT_TRUE(stage.reported(Action::Note::release_failed));
  EXPECT_EQ(stage.last(Kind::done).at, 5s) << "two request time-outs";
}

TEST(Life, stop_while_acquiring_gives_back_what_was_acquired) {
  Stage stage;
  stage.start();
  stage.answer();
  stage.send(event::Stop{});
  stage.answer();  // acquired, too late to be wanted
  EXPECT_TRUE(stage.last(Kind::write).record.is_free());
  stage.answer();
  EXPECT_EQ(stage.view().role, Role::done);
  EXPECT_EQ(stage.count(Kind::start_work), 0U);
}

// Its answer was lost and nothing is there, but it may be on its way.
TEST(Life, stop_while_an_acquisition_may_yet_land_tells_that_the_lock_may_stay_taken) {
  Stage stage;
  stage.start();
  stage.answer();
  stage.send(event::Stop{});
  stage.answer(WriteOutcome::unknown);
  stage.serve_until(5s - 1ns);
  EXPECT_EQ(stage.view().role, Role::releasing);
  EXPECT_LE(stage.count(Kind::read), 5U) << "patiently";
  stage.serve_until(5s);
  EXPECT_TRUE(stage.reported(Action::Note::release_failed));
  EXPECT_EQ(stage.view().role, Role::done) << "two request time-outs";
}

TEST(Life, stop_while_an_acquisition_may_yet_land_gives_it_back_when_it_does) {
  Stage stage;
  stage.start();
  stage.answer();
  const OpId acquisition = stage.last(Kind::write).action.op;
  stage.send(event::Stop{});
  stage.answer(WriteOutcome::unknown);
  stage.serve_until(2s);
  ASSERT_TRUE(stage.land(acquisition));
  stage.serve_until(5s);
  EXPECT_EQ(stage.view().role, Role::done);
  EXPECT_TRUE(stage.held.record.is_free());
  EXPECT_FALSE(stage.reported(Action::Note::release_failed));
}

TEST(Life, stop_while_waiting_ends_at_once) {
  Stage stage;
  stage.put(held_by("b", 3));
  stage.start();
  stage.answer();
  stage.send(event::Stop{});
  EXPECT_EQ(stage.view().role, Role::done);
  EXPECT_EQ(stage.count(Kind::write), 0U);
}

TEST(Life, a_request_in_the_record_to_resign_is_followed) {
  Stage stage;
  stage.lead();
  LeaderElectionRecord record = stage.held.record;
  record.resign_epoch = 1;
  stage.put(record);
  stage.send(event::Changed{});
  stage.answer();
  EXPECT_EQ(stage.last(Kind::stop_work).action.reason, StopReason::resigned);
  stage.work_finished();
  EXPECT_TRUE(stage.last(Kind::write).record.is_free());
  EXPECT_EQ(stage.last(Kind::write).record.resign_epoch, 0);
}

TEST(Life, a_request_to_an_earlier_tenure_to_resign_is_not_followed) {
  Stage stage;
  stage.put(held_by("", 7));
  stage.lead();
  LeaderElectionRecord record = stage.held.record;
  record.resign_epoch = 7;
  stage.put(record);
  stage.send(event::Changed{});
  stage.answer();
  EXPECT_EQ(stage.view().role, Role::leading);
}

TEST(Life, a_record_of_a_later_format_is_never_overwritten) {
  Stage stage;
  stage.put(Observation::Kind::too_new);
  stage.start();
  stage.serve_until(1h, 100ms);
  EXPECT_EQ(stage.count(Kind::write), 0U);
  EXPECT_TRUE(stage.reported(Action::Note::record_too_new));
}

TEST(Life, a_damaged_record_is_left_to_a_person_for_its_epoch_is_lost) {
  Stage stage(candidate("a", {.watch = true}));
  stage.put(held_by("b", 3));
  stage.start();
  stage.serve_until(1s);
  stage.put(Observation::Kind::unreadable);
  stage.send(event::Changed{});
  stage.serve_until(1h, 100ms);
  EXPECT_EQ(stage.count(Kind::write), 0U);
  EXPECT_TRUE(stage.reported(Action::Note::record_unreadable));
}

TEST(Life, a_damaged_record_that_was_removed_is_still_waited_for_and_the_epoch_goes_on) {
  Stage stage(candidate("a", {.watch = true}));
  stage.put(held_by("b", 3, 20));
  stage.start();
  stage.serve_until(1s);
  stage.put(Observation::Kind::unreadable);
  stage.send(event::Changed{});
  stage.serve_until(2s);
  stage.put(Observation::Kind::absent);
  stage.send(event::Changed{});
  stage.serve_until(22s);
  EXPECT_EQ(stage.count(Kind::write), 0U) << "its holder may still work";
  stage.serve_until(23s);
  EXPECT_EQ(stage.last(Kind::write).record.leader_transitions, 4);
}

TEST(Life, a_record_put_back_to_an_old_copy_does_not_lower_the_epoch) {
  Stage stage(candidate("a", {.watch = true}));
  stage.put(held_by("b", 9));
  stage.start();
  stage.serve_until(1s);
  stage.put(held_by("", 2));
  stage.send(event::Changed{});
  stage.serve_until(17s);
  EXPECT_EQ(stage.view().epoch, 10);
}

TEST(Life, an_epoch_that_cannot_rise_is_reported_and_nothing_is_written) {
  Stage stage;
  stage.put(held_by("", kMaxEpoch));
  stage.start();
  stage.serve_until(60s);
  EXPECT_EQ(stage.count(Kind::write), 0U);
  EXPECT_TRUE(stage.reported(Action::Note::epoch_exhausted));
}

TEST(Life, a_record_without_a_sensible_duration_is_given_the_own_one) {
  for (const std::int64_t seconds : {std::int64_t{0}, std::int64_t{-5}}) {
    Stage stage(candidate("a", {.watch = true}));
    stage.put(held_by("b", 3, seconds));
    stage.start();
    stage.serve_until(15s);
    EXPECT_EQ(stage.count(Kind::write), 0U);
    stage.serve_until(16s);
    EXPECT_EQ(stage.count(Kind::write), 1U);
  }
}

TEST(Life, a_record_with_an_absurd_duration_breaks_no_clock) {
  Stage stage(candidate("a", {.watch = true}));
  stage.put(held_by("b", 3, INT64_MAX));
  stage.start();
  stage.serve_until(100h, 1s);
  EXPECT_EQ(stage.count(Kind::write), 0U);
}

TEST(Life, an_endless_outage_is_remembered_in_bounded_memory) {
  Stage stage;
  stage.start();
  stage.answer();
  stage.fail_writes_until(1000s, WriteOutcome::unknown);
  EXPECT_GT(stage.count(Kind::write), 100U);
  EXPECT_LE(stage.elector().unsettled_writes(), 64U);
}

}  // namespace
}  // namespace tenure
