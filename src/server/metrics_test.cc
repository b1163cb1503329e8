#include "server/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace tenure {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr Instant at(Duration since_start) {
  return Instant::from_ns(0) + std::chrono::hours(1) + since_start;
}

LeaderElectionRecord held_by(const std::string& holder, Epoch epoch) {
  LeaderElectionRecord record;
  record.holder_identity = holder;
  record.lease_duration_seconds = holder.empty() ? 1 : 15;
  record.leader_transitions = epoch;
  return record;
}

class MetricsTest : public ::testing::Test {
 protected:
  void see(const Version& version, const LeaderElectionRecord& record, Instant now) {
    ReadResult result;
    result.outcome = ReadOutcome::ok;
    result.observation = {Observation::Kind::record, version, record, {}};
    metrics_.read_done(result, now);
    metrics_.leader_changed(view(Role::contending, record), now);
  }
  void write(const LeaderElectionRecord& record, WriteOutcome outcome, bool is_acquisition,
             Instant now) {
    WriteResult result;
    result.outcome = outcome;
    result.version = std::to_string(now.ns());
    metrics_.write_done(record, is_acquisition, result, milliseconds(20), now);
  }
  static LeaseView view(Role role, const LeaderElectionRecord& record) {
    LeaseView view;
    view.role = role;
    view.holder = record.holder_identity;
    view.holder_epoch = record.leader_transitions;
    return view;
  }
  [[nodiscard]] std::string text(Instant now = at(seconds(0)), LeaseSnapshot own = {}) const {
    return metrics_.text(own, now);
  }

  Metrics metrics_{{.lock = "job", .store = "memory", .version = "1.2.3"}};
};

TEST_F(MetricsTest, WhoLeadsIsComputedWhenAsked) {
  const LeaseSnapshot own{7, at(seconds(10))};
  EXPECT_THAT(text(at(seconds(4)), own),
              HasSubstr("\nleader_election_master_status{name=\"job\"} 1\n"));
  EXPECT_THAT(text(at(seconds(4)), own),
              HasSubstr("\ntenure_lease_remaining_seconds{name=\"job\"} 6\n"));
  EXPECT_THAT(text(at(seconds(10)), own),
              HasSubstr("\nleader_election_master_status{name=\"job\"} 0\n"));
  EXPECT_THAT(text(at(seconds(11)), own),
              HasSubstr("\ntenure_lease_remaining_seconds{name=\"job\"} 0\n"));
}

TEST_F(MetricsTest, EveryMetricSaysWhatItIs) {
  write(held_by("me", 1), WriteOutcome::applied, true, at(seconds(0)));
  metrics_.role_changed(view(Role::leading, held_by("me", 1)), StopReason::none);
  const std::string all = text();
  for (const char* name :
       {"leader_election_master_status", "leader_election_slowpath_total", "tenure_build_info",
        "tenure_epoch", "tenure_transitions_total", "tenure_renew_duration_seconds",
        "tenure_renew_failures_total", "tenure_lease_remaining_seconds",
        "tenure_time_without_leader_seconds_total", "tenure_handover_seconds",
        "tenure_clock_anomaly_total", "tenure_store_requests_total", "tenure_overrun_total"}) {
    EXPECT_THAT(all, HasSubstr(std::string("# HELP ") + name + " "));
    EXPECT_THAT(all, HasSubstr(std::string("# TYPE ") + name + " "));
    EXPECT_THAT(all, HasSubstr(std::string("\n") + name));
  }
  EXPECT_THAT(all, HasSubstr("tenure_build_info{version=\"1.2.3\"} 1"));
}

TEST_F(MetricsTest, ALockNameIsEscaped) {
  const Metrics metrics({.lock = "a\"b\\c", .store = "memory", .version = "1"});
  EXPECT_THAT(metrics.text({}, at(seconds(0))), HasSubstr(R"({name="a\"b\\c"})"));
}

TEST_F(MetricsTest, TheEpochNeverFalls) {
  see("1", held_by("other", 8), at(seconds(0)));
  see("2", held_by("", 0), at(seconds(1)));
  EXPECT_THAT(text(), HasSubstr("\ntenure_epoch{name=\"job\"} 8\n"));
}

TEST_F(MetricsTest, OnlyRenewalsAreRenewals) {
  write(held_by("me", 1), WriteOutcome::applied, true, at(seconds(0)));
  write(held_by("me", 1), WriteOutcome::applied, false, at(seconds(2)));
  write(held_by("me", 1), WriteOutcome::unknown, false, at(seconds(4)));
  write(held_by("", 1), WriteOutcome::conflict, false, at(seconds(6)));
  const std::string all = text();
  EXPECT_THAT(all, HasSubstr("\ntenure_renew_duration_seconds_count{name=\"job\"} 1\n"));
  EXPECT_THAT(all, HasSubstr("_bucket{name=\"job\",le=\"0.025\"} 1\n"));
  EXPECT_THAT(all, HasSubstr("\nleader_election_slowpath_total{name=\"job\"} 1\n"));
  EXPECT_THAT(all, HasSubstr(R"(tenure_renew_failures_total{name="job",outcome="unknown"} 1)"));
  EXPECT_THAT(all, HasSubstr(R"(tenure_renew_failures_total{name="job",outcome="conflict"} 0)"));
  EXPECT_THAT(
      all,
      HasSubstr(
          R"(tenure_store_requests_total{name="job",op="write",outcome="applied",store="memory"} 2)"));
}

TEST_F(MetricsTest, TenuresBeginAndEndForAReason) {
  const LeaderElectionRecord own = held_by("me", 1);
  metrics_.role_changed(view(Role::contending, own), StopReason::none);
  metrics_.role_changed(view(Role::leading, own), StopReason::none);
  metrics_.role_changed(view(Role::stopping, own), StopReason::renew_deadline);
  metrics_.role_changed(view(Role::contending, own), StopReason::none);
  const std::string all = text();
  EXPECT_THAT(all, HasSubstr(R"(tenure_transitions_total{name="job",reason="acquired"} 1)"));
  EXPECT_THAT(all, HasSubstr(R"(tenure_transitions_total{name="job",reason="renew_deadline"} 1)"));
  EXPECT_THAT(all, Not(HasSubstr("reason=\"none\"")));
}

TEST_F(MetricsTest, TimeWithoutALeaderBeginsWhenALeaseRunsOutUnrenewed) {
  see("1", held_by("other", 1), at(seconds(0)));
  see("1", held_by("other", 1), at(seconds(10)));
  see("1", held_by("other", 1), at(seconds(14)));
  EXPECT_THAT(text(), HasSubstr("\ntenure_time_without_leader_seconds_total{name=\"job\"} 0\n"));
  see("1", held_by("other", 1), at(seconds(16)));
  write(held_by("me", 2), WriteOutcome::applied, true, at(seconds(18)));
  write(held_by("me", 2), WriteOutcome::applied, false, at(seconds(20)));
  EXPECT_THAT(text(), HasSubstr("\ntenure_time_without_leader_seconds_total{name=\"job\"} 3\n"));
}

TEST_F(MetricsTest, TimeWithoutALeaderBeginsAtARelease) {
  see("1", held_by("other", 1), at(seconds(0)));
  see("2", held_by("", 1), at(seconds(2)));
  see("3", held_by("third", 2), at(seconds(7)));
  EXPECT_THAT(text(), HasSubstr("\ntenure_time_without_leader_seconds_total{name=\"job\"} 5\n"));
}

TEST_F(MetricsTest, AHandOverIsMeasuredByWhoLeadsNext) {
  see("1", held_by("other", 1), at(seconds(0)));
  see("2", held_by("", 1), at(seconds(2)));
  see("3", held_by("third", 2), at(seconds(3)));  // somebody else was faster
  see("4", held_by("", 2), at(seconds(9)));
  const LeaderElectionRecord own = held_by("me", 3);
  metrics_.leader_changed(view(Role::leading, own), at(seconds(9) + milliseconds(40)));
  metrics_.role_changed(view(Role::leading, own), StopReason::none);
  EXPECT_THAT(text(), HasSubstr("\ntenure_handover_seconds_count{name=\"job\"} 1\n"));
  EXPECT_THAT(text(), HasSubstr("\ntenure_handover_seconds_sum{name=\"job\"} 0.04\n"));
}

TEST_F(MetricsTest, AnomaliesAndOverrunsAreCounted) {
  metrics_.reported(Action::Note::clock_anomaly);
  metrics_.reported(Action::Note::store_unreachable);
  metrics_.overran();
  EXPECT_THAT(text(), HasSubstr("\ntenure_clock_anomaly_total{name=\"job\"} 1\n"));
  EXPECT_THAT(text(), HasSubstr("\ntenure_overrun_total{name=\"job\"} 1\n"));
}

}  // namespace
}  // namespace tenure
