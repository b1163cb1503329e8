// The rules for clocks, T1 to T3 of docs/guarantees.md.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/testing/stage.h"

namespace tenure {
namespace {

using Kind = Action::Kind;

template <class A, class B>
concept Mixes = std::is_convertible_v<A, B> || std::is_constructible_v<A, B> ||
                requires(A a, B b) { a - b; } || requires(A a, B b) { a < b; } ||
                requires(A a, B b) { a == b; } || requires(A a, B b) { a = b; };

TEST(Clocks, T1_instants_and_calendar_times_do_not_mix) {
  static_assert(!Mixes<Instant, WallTime> && !Mixes<WallTime, Instant>);
  static_assert(Mixes<Instant, Instant> && Mixes<WallTime, WallTime>, "the question is sound");
}

// The same story on machines whose calendars differ by decades.
TEST(Clocks, T1_a_wrong_calendar_changes_no_decision) {
  const auto story = [](Duration wall_error) {
    Stage stage;
    stage.wall_error = wall_error;
    stage.put(held_by("b", 3));
    stage.start();
    stage.serve_until(20s);
    stage.wall_error = -wall_error;
    stage.serve_until(40s);
    stage.run_until(60s);
    std::vector<std::pair<Duration, Kind>> decisions;
    decisions.reserve(stage.log.size());
    for (const auto& h : stage.log) decisions.emplace_back(h.at, h.action.kind);
    return decisions;
  };
  EXPECT_GT(story(0s).size(), 20U);
  EXPECT_EQ(story(0s), story(24h * 365 * 30));
  EXPECT_EQ(story(0s), story(-24h * 365 * 30));
}

TEST(Clocks, T2_no_source_of_the_core_names_a_clock) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(TENURE_SOURCE_DIR "/src/core")) {
    const std::string name = entry.path().filename();
    if (!entry.is_regular_file() || name.ends_with("_test.cc")) continue;
    std::ifstream file(entry.path());
    std::ostringstream content;
    content << file.rdbuf();
    const std::string text = content.str();
    ++files;
    for (const char* clock : {"steady_clock", "system_clock", "CLOCK_", "gettime", "::now(",
                              "std::time", "runtime/", "<ctime>", "<time.h>", "random_device"})
      EXPECT_EQ(text.find(clock), std::string::npos) << name << " names " << clock;
  }
  EXPECT_GT(files, 4) << "found the sources";
}

TEST(Clocks, T2_time_given_backwards_counts_as_the_latest_seen) {
  Stage stage;
  stage.run_until(5s);
  stage.lead();
  stage.freeze_until(1s);
  stage.send(event::Changed{});
  EXPECT_EQ(stage.last(Kind::read).action.deadline, Stage::at(7500ms));
}

TEST(Clocks, T3_a_machine_that_was_frozen_steps_down_and_contends_again) {
  Stage stage;
  stage.server_time = Stage::wall_at(0s);
  stage.lead();
  stage.run_until_asked(Kind::write);
  stage.server_time = Stage::wall_at(62s);  // a minute more than passed here
  stage.answer();
  EXPECT_TRUE(stage.reported(Action::Note::clock_anomaly));
  EXPECT_EQ(stage.last(Kind::stop_work).action.reason, StopReason::clock_anomaly);
  EXPECT_EQ(stage.view().valid_until, Stage::at(10s)) << "this renewal counts for nothing";
  stage.work_finished();
  stage.serve_until(8s);
  EXPECT_EQ(stage.view().role, Role::leading);
  EXPECT_EQ(stage.view().epoch, 2);
}

TEST(Clocks, T3_the_store_time_of_a_read_tells_as_well) {
  Stage stage;
  stage.server_time = Stage::wall_at(0s);
  stage.lead();
  stage.run_until(1s);
  stage.send(event::Changed{});
  stage.server_time = Stage::wall_at(10s);
  stage.answer();
  EXPECT_EQ(stage.last(Kind::stop_work).action.reason, StopReason::clock_anomaly);
}

TEST(Clocks, T3_a_clock_that_is_slow_all_the_time_adds_up_to_an_anomaly) {
  for (const int percent : {115, 200}) {
    Stage stage;
    stage.server_time = Stage::wall_at(0s);
    stage.lead();
    while (stage.view().role == Role::leading && stage.now() < 120s) {
      stage.run_until_asked(Kind::write);
      stage.server_time = Stage::wall_at(stage.now() / 100 * percent);
      stage.answer();
    }
    EXPECT_TRUE(stage.reported(Action::Note::clock_anomaly)) << percent << " %";
  }
}

TEST(Clocks, T3_rates_within_the_tolerance_and_rounded_seconds_are_no_anomaly) {
  Stage stage;
  stage.server_time = Stage::wall_at(0s);
  stage.lead();
  for (int i = 0; i < 50; ++i) {
    stage.run_until_asked(Kind::write);
    stage.server_time = Stage::wall_at(stage.now() / 90 * 100 + (i % 2 == 0 ? 1s : -1s));
    stage.answer();
  }
  EXPECT_EQ(stage.view().role, Role::leading);
  EXPECT_FALSE(stage.reported(Action::Note::clock_anomaly));
}

TEST(Clocks, T3_a_store_whose_clock_stands_or_steps_back_is_no_anomaly) {
  Stage stage;
  stage.server_time = Stage::wall_at(0s);
  stage.lead();
  stage.run_until_asked(Kind::write);
  stage.server_time = Stage::wall_at(-1h);
  stage.answer();
  EXPECT_EQ(stage.view().role, Role::leading);
}

TEST(Clocks, T3_a_wrong_store_clock_that_runs_well_is_no_anomaly) {
  Stage stage;
  stage.server_time = Stage::wall_at(24h * 365);
  stage.lead();
  for (int i = 0; i < 20; ++i) {
    stage.run_until_asked(Kind::write);
    stage.server_time = Stage::wall_at(24h * 365 + stage.now());
    stage.answer();
  }
  EXPECT_EQ(stage.view().role, Role::leading);
}

TEST(Clocks, T3_a_contender_has_nothing_to_step_down_from) {
  Stage stage;
  stage.put(held_by("b", 3));
  stage.server_time = Stage::wall_at(0s);
  stage.start();
  stage.answer();
  stage.server_time = Stage::wall_at(1h);
  stage.serve_until(2s);
  EXPECT_EQ(stage.view().role, Role::contending);
  EXPECT_FALSE(stage.reported(Action::Note::clock_anomaly));
}

}  // namespace
}  // namespace tenure
