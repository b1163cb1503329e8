#include <gtest/gtest.h>

#include "sim/report.h"

// Seeds are scaled down where a sanitizer makes every step slow.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kScale = 10;
#else
constexpr std::uint64_t kScale = 1;
#endif

namespace tenure::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Settings settings(int lease, int renew, int retry) {
  Settings s;
  s.lease_duration = seconds(lease);
  s.renew_deadline = seconds(renew);
  s.retry_period = seconds(retry);
  return s;
}

double in_seconds(Duration d) {
  return static_cast<double>(d.count()) / 1e9;
}

TEST(Simulator, the_same_seed_gives_the_same_run) {
  for (std::uint64_t seed = 1; seed <= 40 / kScale; seed++) {
    const RunResult once = run({.seed = seed});
    const RunResult again = run({.seed = seed, .trace = true});
    EXPECT_EQ(once.hash, again.hash) << "seed " << seed;
    EXPECT_EQ(once.events, again.events);
    EXPECT_FALSE(again.timeline.empty());
    EXPECT_NE(once.hash, run({.seed = seed + 1'000'000}).hash);
  }
}

TEST(Simulator, a_campaign_gives_the_same_report_with_any_number_of_threads) {
  CampaignOptions options{.seeds = 200};
  options.threads = 1;
  const Report one = run_campaign(options);
  options.threads = 3;
  const Report three = run_campaign(options);
  EXPECT_EQ(one.hash, three.hash);
  EXPECT_EQ(one.seeds, 200U);
  EXPECT_EQ(one.failover.quantile(0.5), three.failover.quantile(0.5));
  EXPECT_EQ(one.fired, three.fired);
}

TEST(Simulator, no_invariant_breaks_under_any_fault) {
  const Report report = run_campaign({.first_seed = 5'000'000, .seeds = 3000 / kScale});
  EXPECT_TRUE(report.safe()) << "seed " << report.found.at(0).seed << ": "
                             << report.found.at(0).violation.message;
  EXPECT_GT(report.refused_writes, 0U)
      << "no former leader ever wrote late: the faults are too tame";
}

TEST(Simulator, every_kind_of_fault_strikes) {
  const Report report = run_campaign({.seeds = 3000});
  for (std::size_t i = 0; i < kFaultCount; i++)
    EXPECT_GT(report.fired[i], 0U) << name(static_cast<Fault>(i)) << " never struck";
}

// The canary: a simulator that cannot fail proves nothing.
TEST(Simulator, clocks_beyond_the_tolerance_give_two_leaders) {
  std::uint64_t broken = 0;
  for (std::uint64_t seed = 1; seed <= 200; seed++) {
    const RunResult r =
        run({.seed = seed, .settings = settings(15, 10, 2), .break_clocks_by_percent = 45});
    if (!r.violations.empty() && r.violations.front().invariant == "no-two-leaders") broken++;
  }
  EXPECT_GT(broken, 0U);
}

TEST(Simulator, a_failing_run_shrinks_to_fewer_faults_and_still_fails) {
  RunOptions options{.settings = settings(15, 10, 2), .break_clocks_by_percent = 45};
  RunResult whole;
  for (options.seed = 1; options.seed < 500; options.seed++) {
    whole = run(options);
    if (!whole.violations.empty() && whole.active.list().size() >= 5) break;
  }
  ASSERT_FALSE(whole.violations.empty());
  const RunOptions smallest = shrink(options);
  EXPECT_LT(smallest.faults.list().size(), whole.active.list().size());
  const RunResult again = run(smallest);
  ASSERT_FALSE(again.violations.empty());
  EXPECT_EQ(again.violations.front().invariant, whole.violations.front().invariant);
  for (const Fault f : smallest.faults.list()) {
    RunOptions without = smallest;
    without.faults.remove(f);
    const RunResult r = run(without);
    EXPECT_TRUE(r.violations.empty() ||
                r.violations.front().invariant != whole.violations.front().invariant)
        << name(f) << " could have been spared";
  }
}

struct Promise {
  Settings settings;
  double p50, p99;
};

class FailOver : public testing::TestWithParam<Promise> {};

// Virtual time: the same on every machine.
TEST_P(FailOver, is_close_to_what_the_lease_allows_and_within_the_printed_bound) {
  for (const bool watch : {true, false}) {
    CampaignOptions options{.settings = GetParam().settings,
                            .seeds = 300 / kScale,
                            .faults = FaultSet::none(),
                            .watch = watch,
                            .round_trip = milliseconds(20)};
    const Report report = run_campaign(options);
    ASSERT_TRUE(report.safe());
    ASSERT_GT(report.failover.count(), 100U / kScale);
    if (kScale == 1) {
      EXPECT_LE(in_seconds(report.failover.quantile(0.5)), GetParam().p50) << "watch " << watch;
    }
    EXPECT_LE(in_seconds(report.failover.quantile(0.99)), GetParam().p99) << "watch " << watch;
    StoreTraits store;
    store.watch = watch;
    const Timing timing = *check(GetParam().settings, store);
    EXPECT_LE(report.failover.max(), timing.worst_failover);
    EXPECT_LE(report.handover.max(), timing.planned_handover);
  }
}

INSTANTIATE_TEST_SUITE_P(Settings, FailOver,
                         testing::Values(Promise{settings(15, 10, 2), 15.0, 17.0},
                                         Promise{settings(10, 3, 1), 9.5, 11.5}));

TEST(Simulator, only_the_faults_that_are_asked_for_are_drawn) {
  FaultSet crashes = FaultSet::none();
  crashes.add(Fault::crash);
  for (std::uint64_t seed = 1; seed <= 20; seed++) {
    const RunResult r = run({.seed = seed, .faults = crashes});
    for (std::size_t i = 0; i < kFaultCount; i++)
      if (static_cast<Fault>(i) != Fault::crash) {
        EXPECT_EQ(r.fired[i], 0U) << name(static_cast<Fault>(i));
      }
  }
}

TEST(Faults, names_read_back) {
  for (std::size_t i = 0; i < kFaultCount; i++) {
    const auto f = static_cast<Fault>(i);
    EXPECT_EQ(fault_named(name(f)), f);
    EXPECT_NE(std::string(family(f)), "");
  }
  EXPECT_EQ(fault_named("no_such_fault"), std::nullopt);
}

TEST(NodeClock, runs_at_its_rate_stops_and_never_goes_back) {
  NodeClock clock(Instant::from_ns(0));
  clock.set_rate(0, 100'000);
  EXPECT_EQ(clock.local(10'000'000'000).ns(), 11'000'000'000);
  EXPECT_EQ(clock.true_at(Instant::from_ns(11'000'000'000)), 10'000'000'000);
  clock.freeze(10'000'000'000);
  EXPECT_EQ(clock.local(99'000'000'000).ns(), 11'000'000'000);
  clock.thaw(99'000'000'000);
  EXPECT_EQ(clock.local(100'000'000'000).ns(), 12'100'000'000);
}

TEST(Distribution, quantiles_are_within_a_thousandth) {
  Distribution d;
  for (int i = 1; i <= 10'000; i++) d.add(milliseconds(i));
  EXPECT_NEAR(in_seconds(d.quantile(0.5)), 5.0, 0.01);
  EXPECT_NEAR(in_seconds(d.quantile(0.99)), 9.9, 0.02);
  EXPECT_EQ(d.max(), seconds(10));
  EXPECT_NEAR(static_cast<double>(d.between(seconds(2), seconds(4))), 2000, 10);
}

}  // namespace
}  // namespace tenure::sim
