#include "tenure/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "base/duration.h"

namespace tenure {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// A refusal, and what its line must tell: the values that clash.
struct Refusal {
  const char* name;
  Settings settings;
  StoreTraits store;
  std::vector<std::string> says;
};

const StoreTraits kLimited{.min_write_interval = 1s};

const Refusal kRefusals[] = {
    {"lease_zero", {.lease_duration = 0s}, {}, {"lease duration is 0s", "greater than zero"}},
    {"lease_negative", {.lease_duration = -15s}, {}, {"lease duration", "greater than zero"}},
    {"deadline_zero", {.renew_deadline = 0s}, {}, {"renew deadline is 0s", "greater than zero"}},
    {"retry_zero", {.retry_period = 0s}, {}, {"retry period is 0s", "greater than zero"}},
    {"deadline_of_nanoseconds",
     {.renew_deadline = 3ns, .retry_period = 1ns},
     {},
     {"renew deadline is 3ns", "10ms"}},
    {"retry_of_nanoseconds", {.retry_period = 1ns}, {}, {"retry period is 1ns", "10ms"}},
    {"margin_too_long", {.stop_margin = Duration::max()}, {}, {"stop margin", "168h"}},
    {"timeout_too_long", {.request_timeout = Duration::max()}, {}, {"request time-out", "168h"}},
    {"lease_too_long", {.lease_duration = 24h * 8}, {}, {"192h", "168h"}},
    {"deadline_too_long", {.renew_deadline = Duration::max()}, {}, {"renew deadline", "168h"}},
    {"retry_too_long", {.retry_period = Duration::max()}, {}, {"retry period", "168h"}},
    {"lease_of_half_seconds", {.lease_duration = 15500ms}, {}, {"15.5s", "whole seconds", "15s"}},
    {"lease_below_a_second", {.lease_duration = 500ms}, {}, {"500ms", "whole seconds", "0s"}},
    {"margin_negative", {.stop_margin = -1ns}, {}, {"stop margin", "negative"}},
    {"timeout_negative", {.request_timeout = -1ns}, {}, {"request time-out", "negative"}},
    {"tolerance_negative", {.clock_rate_tolerance_percent = -1}, {}, {"-1 %", "0 to 50 %"}},
    {"tolerance_too_wide", {.clock_rate_tolerance_percent = 51}, {}, {"51 %", "0 to 50 %"}},
    {"deadline_as_long_as_lease",
     {.renew_deadline = 15s},
     {},
     {"renew deadline (15s)", "shorter than the lease duration (15s)"}},
    {"retry_times_1_2_reaches_deadline",
     {.renew_deadline = 6s, .retry_period = 5s},
     {},
     {"retry period (5s) times 1.2", "renew deadline (6s)"}},
    {"two_attempts_only",
     {.retry_period = 4s},
     {},
     {"three retry periods (4s each)", "renew deadline (10s)"}},
    {"timeout_over_half_the_deadline",
     {.request_timeout = 5001ms},
     {},
     {"request time-out (5.001s)", "half of the renew deadline (10s)"}},
    {"no_room_for_the_margin",
     {.stop_margin = 2273ms},
     {},
     {"renew deadline (10s)", "stop margin (2.273s)", "12.272s", "lease duration (15s)", "10 %"}},
    {"margin_of_a_third_of_the_lease", {.stop_margin = 5s}, {}, {"stop margin (5s)", "12.272s"}},
    {"no_room_for_clock_rates",
     {.clock_rate_tolerance_percent = 20},
     {},
     {"renew deadline (10s)", "lease duration (15s)", "20 %"}},
    {"quicker_than_the_store",
     {.lease_duration = 8s, .renew_deadline = 5s, .retry_period = 999ms},
     kLimited,
     {"retry period (999ms)", "at least 1s"}},
    {"lease_too_short_for_the_store",
     {.lease_duration = 4s, .renew_deadline = 4s},
     kLimited,
     {"renew deadline (4s)", "shorter than the lease duration (4s)"}},
};

// The settings of somebody who does what a refusal proposes, and changes nothing else.
Settings example_in(const std::string& line, Settings settings) {
  static const std::regex pattern(
      "--lease-duration (\\S+) --renew-deadline (\\S+) --retry-period (\\S+) works"
      "( with the defaults for everything else)?$");
  std::smatch found;
  EXPECT_TRUE(std::regex_search(line, found, pattern)) << line;
  if (found.empty()) return settings;
  if (found[4].matched) settings = {};
  settings.lease_duration = parse_duration(found[1].str()).value();
  settings.renew_deadline = parse_duration(found[2].str()).value();
  settings.retry_period = parse_duration(found[3].str()).value();
  return settings;
}

class Refused : public testing::TestWithParam<Refusal> {};

TEST_P(Refused, names_the_values_the_rule_and_a_working_example) {
  const auto checked = check(GetParam().settings, GetParam().store);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::invalid_argument);
  const std::string line = checked.error().to_string();
  for (const std::string& part : GetParam().says) EXPECT_THAT(line, HasSubstr(part));
  EXPECT_EQ(line.find('\n'), std::string::npos) << line;
  const auto example = check(example_in(line, GetParam().settings), GetParam().store);
  EXPECT_TRUE(example) << line << "\nbut: " << example.error().to_string();
}

INSTANTIATE_TEST_SUITE_P(Settings, Refused, testing::ValuesIn(kRefusals),
                         [](const auto& param_info) { return param_info.param.name; });

TEST(SettingsCheck, the_example_keeps_the_lease_duration_that_was_asked_for) {
  for (const Duration lease : {Duration(4s), Duration(7s), Duration(60s), Duration(24h * 7)}) {
    const Settings asked{.lease_duration = lease, .renew_deadline = lease};
    const auto checked = check(asked, {});
    ASSERT_FALSE(checked);
    const Settings example = example_in(checked.error().to_string(), asked);
    EXPECT_EQ(example.lease_duration, lease);
    EXPECT_TRUE(check(example, {})) << checked.error().to_string();
  }
}

TEST(SettingsCheck, the_example_keeps_the_other_settings_where_it_can) {
  const Settings asked{.renew_deadline = 15s, .stop_margin = 2s};
  const auto checked = check(asked, {});
  ASSERT_FALSE(checked);
  EXPECT_EQ(example_in(checked.error().to_string(), asked).stop_margin, 2s);
}

TEST(SettingsCheck, accepts_what_lies_exactly_on_a_limit) {
  EXPECT_TRUE(check({.lease_duration = 1s, .renew_deadline = 100ms, .retry_period = 10ms}, {}));
  EXPECT_TRUE(check({.request_timeout = 5s}, {}));
  EXPECT_TRUE(check({.renew_deadline = 9s, .retry_period = 3s}, {}));
  EXPECT_TRUE(check({.stop_margin = 2272ms}, {}));
  EXPECT_TRUE(check({.stop_margin = 0s}, {}));
  EXPECT_TRUE(check({.retry_period = 1s}, kLimited));
  EXPECT_TRUE(check({.lease_duration = 24h * 7}, {}));
  EXPECT_TRUE(check(
      {.lease_duration = 15s, .renew_deadline = 14500ms, .clock_rate_tolerance_percent = 0}, {}));
  EXPECT_TRUE(check(
      {.lease_duration = 30s, .renew_deadline = 9500ms, .clock_rate_tolerance_percent = 50}, {}));
}

// What follows from settings, worked out by hand.
struct Derived {
  Settings settings;
  Duration request_timeout;
  Duration hard_deadline;  // D * 90 / 110
  Duration outage_survived;
  Duration worst_failover;
};

Settings triple(Duration lease, Duration deadline, Duration retry) {
  return {.lease_duration = lease, .renew_deadline = deadline, .retry_period = retry};
}

class Follows : public testing::TestWithParam<Derived> {};

TEST_P(Follows, from_the_settings) {
  const Derived& expected = GetParam();
  const auto checked = check(expected.settings, {});
  ASSERT_TRUE(checked) << checked.error().to_string();
  const Timing& timing = *checked;
  EXPECT_EQ(timing.renew_interval, expected.settings.retry_period);
  EXPECT_EQ(timing.renew_deadline, expected.settings.renew_deadline);
  EXPECT_EQ(timing.lease_duration, expected.settings.lease_duration);
  EXPECT_EQ(timing.request_timeout, expected.request_timeout);
  EXPECT_LE(expected.hard_deadline - timing.hard_deadline, 1us) << "never later";
  EXPECT_GE(expected.hard_deadline, timing.hard_deadline);
  EXPECT_EQ(timing.outage_survived, expected.outage_survived);
  EXPECT_LE(std::chrono::abs(timing.worst_failover - expected.worst_failover), 1us);
}

INSTANTIATE_TEST_SUITE_P(
    Settings, Follows,
    testing::Values(
        // 15 * 90 / 110; 10 - 2 * 1.4 - 2.5; (15 + 2 * 1.1) / 0.9 + 5 * 2.5 / 2
        Derived{triple(15s, 10s, 2s), 2500ms, 12'272'727'272ns, 4700ms, 25'361'111'111ns},
        Derived{triple(10s, 3s, 1s), 750ms, 8'181'818'181ns, 850ms, 14'208'333'333ns},
        Derived{triple(60s, 30s, 10s), 7500ms, 49'090'909'090ns, 8500ms, 97'638'888'889ns},
        Derived{triple(137s, 107s, 26s), 26750ms, 112'090'909'090ns, 43'850ms, 250'875'000'000ns}),
    [](const auto& param_info) {
      return format_duration(param_info.param.settings.lease_duration);
    });

TEST(SettingsCheck, a_longer_lease_survives_longer_outages_and_fails_over_later) {
  const Timing shorter = check(triple(15s, 10s, 2s), {}).value();
  const Timing longer = check(triple(30s, 20s, 2s), {}).value();
  EXPECT_GT(longer.outage_survived, shorter.outage_survived);
  EXPECT_GT(longer.worst_failover, shorter.worst_failover);
}

TEST(SettingsCheck, a_watch_makes_hand_over_quicker_and_a_write_limit_slower) {
  const Settings settings;
  const Duration plain = check(settings, {}).value().planned_handover;
  EXPECT_LT(check(settings, {.watch = true}).value().planned_handover, plain);
  EXPECT_GT(check(settings, kLimited).value().planned_handover, plain);
}

TEST(SettingsCheck, the_summary_tells_people_what_the_timing_tells_programs) {
  const Timing timing = check(Settings{}, {}).value();
  const std::string line = timing.summary();
  static const std::regex pattern(
      "survives store outages of (\\S+); a new leader within (\\S+) of a crash; "
      "planned hand-over within (\\S+)");
  std::smatch found;
  ASSERT_TRUE(std::regex_match(line, found, pattern)) << line;
  const auto told = [&](std::size_t i) { return parse_duration(found[i].str()).value(); };
  EXPECT_LE(told(1), timing.outage_survived) << line;
  EXPECT_GE(told(2), timing.worst_failover) << line;
  EXPECT_GE(told(3), timing.planned_handover) << line;
  EXPECT_LE(std::chrono::abs(told(1) - timing.outage_survived), 100ms) << line;
  EXPECT_LE(std::chrono::abs(told(2) - timing.worst_failover), 100ms) << line;
  EXPECT_LE(std::chrono::abs(told(3) - timing.planned_handover), 100ms) << line;
}

}  // namespace
}  // namespace tenure
