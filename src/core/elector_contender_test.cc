// The rules for the contender, C1 to C4 of docs/guarantees.md.
#include <gtest/gtest.h>

#include "core/testing/stage.h"

namespace tenure {
namespace {

using Kind = Action::Kind;

constexpr StoreTraits kWatched{.watch = true};

// A record of a program that is not tenure.
LeaderElectionRecord foreign(WallTime renewed) {
  LeaderElectionRecord record = held_by("go", 3);
  record.write_id = {};
  record.renew_time = renewed;
  return record;
}

TEST(Contender, C1_no_record_is_free) {
  Stage stage;
  stage.start();
  stage.answer();
  EXPECT_EQ(stage.last(Kind::write).record.holder_identity, "a");
  EXPECT_EQ(stage.last(Kind::write).record.leader_transitions, 1);
}

TEST(Contender, C1_a_blank_holder_is_free) {
  Stage stage;
  stage.put(held_by("", 7));
  stage.start();
  stage.answer();
  EXPECT_EQ(stage.last(Kind::write).record.leader_transitions, 8);
}

TEST(Contender, C1_waits_for_the_duration_in_the_record_from_the_end_of_the_read) {
  Stage stage(candidate("a", kWatched));
  stage.put(held_by("b", 3, 20));
  stage.start();
  stage.run_until(1s);
  stage.answer();
  stage.serve_until(21s - 1ns);
  EXPECT_EQ(stage.count(Kind::write), 0U);
  EXPECT_GT(stage.count(Kind::read), 1U) << "looking again does not start the countdown again";
  stage.serve_until(21s);
  EXPECT_EQ(stage.count(Kind::write), 1U);
}

TEST(Contender, C1_a_shorter_duration_in_the_record_is_a_shorter_wait) {
  Stage stage(candidate("a", kWatched));
  stage.put(held_by("b", 3, 5));
  stage.start();
  stage.serve_until(6s);
  EXPECT_EQ(stage.count(Kind::write), 1U);
}

TEST(Contender, C1_an_old_copy_of_the_record_frees_nothing_that_was_held) {
  Stage stage(candidate("a", kWatched));
  stage.put(held_by("b", 7, 20));
  stage.start();
  stage.answer();
  stage.run_until(5s);
  stage.put(held_by("", 6));
  stage.send(event::Changed{});
  stage.serve_until(10s);
  stage.put(held_by("", 5));  // and another one
  stage.send(event::Changed{});
  stage.serve_until(30s - 1ns);
  EXPECT_EQ(stage.count(Kind::write), 0U) << "b may lead until its next renewal fails";
  stage.serve_until(31s);
  EXPECT_EQ(stage.last(Kind::write).record.leader_transitions, 8);
}

TEST(Contender, C1_every_change_starts_the_countdown_again) {
  Stage stage(candidate("a", kWatched));
  for (Duration t = 0s; t < 100s; t += 14s) {
    stage.put(held_by("b", 3));
    stage.send(t == 0s ? Event(event::Start{}) : Event(event::Changed{}));
    stage.serve_until(t + 14s);
  }
  EXPECT_EQ(stage.count(Kind::write), 0U);
}

TEST(Contender, C1_a_change_of_the_version_alone_is_a_change) {
  Stage stage(candidate("a", kWatched));
  stage.put(held_by("b", 3));
  stage.start();
  stage.serve_until(10s);
  stage.put(stage.held.record);
  stage.send(event::Changed{});
  stage.serve_until(25s);
  EXPECT_EQ(stage.count(Kind::write), 0U);
  stage.serve_until(26s);
  EXPECT_EQ(stage.count(Kind::write), 1U);
}

TEST(Contender, C1_a_record_that_vanished_while_held_is_still_waited_for) {
  Stage stage(candidate("a", kWatched));
  stage.put(held_by("b", 3));
  stage.start();
  stage.serve_until(1s);
  stage.put(Observation::Kind::absent);
  stage.send(event::Changed{});
  stage.serve_until(16s);
  EXPECT_EQ(stage.count(Kind::write), 0U);
  stage.serve_until(17s);
  EXPECT_EQ(stage.last(Kind::write).record.leader_transitions, 4);
}

TEST(Contender, C1_a_store_that_does_not_answer_is_not_free) {
  Stage stage;
  stage.start();
  stage.run_until(100s);
  EXPECT_EQ(stage.count(Kind::write), 0U);
  EXPECT_TRUE(stage.reported(Action::Note::store_unreachable));
}

TEST(Contender, C2_a_foreign_record_is_honoured_until_its_own_claim_has_passed) {
  Stage stage(candidate("a", kWatched));
  stage.put(foreign(Stage::wall_at(100s)));  // valid until 115 s on the wall clock
  stage.start();
  stage.serve_until(115s);
  EXPECT_EQ(stage.count(Kind::write), 0U);
  stage.serve_until(116s);
  EXPECT_EQ(stage.count(Kind::write), 1U);
}

TEST(Contender, C2_a_foreign_record_is_honoured_until_it_was_seen_unchanged) {
  Stage stage(candidate("a", kWatched));
  stage.put(foreign(Stage::wall_at(-1h)));
  stage.start();
  stage.serve_until(15s);
  EXPECT_EQ(stage.count(Kind::write), 0U);
  stage.serve_until(16s);
  EXPECT_EQ(stage.count(Kind::write), 1U);
}

TEST(Contender, C2_a_blank_foreign_record_is_free) {
  Stage stage;
  LeaderElectionRecord record = foreign(Stage::wall_at(100s));
  record.holder_identity.clear();
  stage.put(record);
  stage.start();
  stage.answer();
  EXPECT_EQ(stage.count(Kind::write), 1U);
}

TEST(Contender, C3_the_write_that_takes_over_is_conditional_on_the_version_counted_down) {
  Stage stage(candidate("a", kWatched));
  stage.put(held_by("b", 3, 14));
  const Version counted = stage.held.version;
  stage.start();
  stage.serve_until(10s);
  stage.put(held_by("b", 3, 14));  // renewed, and the news was lost
  stage.run_until_asked(Kind::write);
  EXPECT_EQ(stage.last(Kind::write).expected, counted);
  stage.answer();  // conflict
  stage.serve_until(27s);
  EXPECT_EQ(stage.count(Kind::write), 1U) << "counting down again";
  EXPECT_EQ(stage.count(Kind::start_work), 0U);
}

TEST(Contender, C3_the_first_record_is_created_and_never_overwritten) {
  Stage stage;
  stage.start();
  stage.answer();
  EXPECT_EQ(stage.last(Kind::write).expected, "");
  stage.put(held_by("b", 1));
  stage.serve_until(14s);
  EXPECT_EQ(stage.held.record.holder_identity, "b");
  EXPECT_EQ(stage.count(Kind::start_work), 0U);
}

TEST(Contender, C4_tries_at_the_instant_of_expiry) {
  Stage stage(candidate("a", kWatched));
  stage.put(held_by("b", 3, 14));
  stage.start();
  stage.serve_until(20s, 0s);
  ASSERT_GE(stage.count(Kind::write), 1U);
  EXPECT_EQ(stage.last(Kind::start_work).at, 14s);
}

TEST(Contender, C4_a_watched_release_is_noticed_at_once) {
  Stage stage(candidate("a", kWatched));
  stage.put(held_by("b", 3));
  stage.start();
  stage.serve_until(3s);
  stage.put(held_by("", 3));
  stage.send(event::Changed{});
  stage.answer();
  EXPECT_EQ(stage.last(Kind::write).at, 3s);
}

TEST(Contender, C4_a_watched_record_is_hardly_ever_read) {
  Stage stage(candidate("a", kWatched));
  stage.put(held_by("b", 3, 3600));
  stage.start();
  stage.serve_until(3000s);
  EXPECT_LE(stage.count(Kind::read), 3000U / 7);
}

TEST(Contender, C4_without_a_watch_a_candidate_looks_about_every_retry_period) {
  Stage stage;
  stage.put(held_by("b", 3));
  stage.start();
  stage.serve_until(14s);
  Duration previous = 0s;
  for (const auto& h : stage.log) {
    if (h.action.kind != Kind::read) continue;
    EXPECT_LE(h.at - previous, 2400ms);
    previous = h.at;
  }
  EXPECT_GT(previous, 12s);
}

TEST(Contender, C4_looks_at_a_record_that_does_not_change_are_few_and_jittered) {
  std::vector<Duration> last;
  for (const std::uint64_t jitter : {std::uint64_t{0}, ScriptedRandom::kHighest}) {
    Stage stage;
    stage.random.jitter = jitter;
    stage.put(held_by("b", 3, 10000));
    stage.start();
    stage.serve_until(1000s);
    EXPECT_LE(stage.count(Kind::read), 1000U + 20);
    last.push_back(stage.last(Kind::read).at / static_cast<long>(stage.count(Kind::read)));
  }
  EXPECT_GT(last.at(1), last.at(0) * 3 / 2) << "between half a retry period and a whole one";
}

TEST(Contender, C4_retries_after_a_failure_are_jittered) {
  for (const std::uint64_t jitter : {std::uint64_t{0}, ScriptedRandom::kHighest}) {
    Stage stage;
    stage.random.jitter = jitter;
    stage.start();
    stage.answer_read(ReadOutcome::unknown);
    stage.run_until(2500ms);
    EXPECT_NEAR(static_cast<double>(stage.last(Kind::read).at.count()), jitter == 0 ? 1.6e9 : 2.4e9,
                1e3);
  }
}

TEST(Contender, C4_after_a_resignation_the_pause_lets_another_candidate_win) {
  Stage stage;
  stage.lead();
  stage.send(event::Resign{});
  stage.work_finished();
  const Duration pause = check(Settings{}, {}).value().planned_handover;
  stage.serve_until(pause - 100ms);
  EXPECT_EQ(stage.view().role, Role::contending);
  EXPECT_EQ(stage.count(Kind::write), 2U) << "acquisition and release";
  stage.serve_until(pause + 2s);
  EXPECT_EQ(stage.view().role, Role::leading) << "nobody else wanted it";
}

}  // namespace
}  // namespace tenure
