#include "server/controller_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tenure {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ControllerMetrics, SaysWhoLeadsByLock) {
  ControllerMetrics metrics("1.2.3");
  metrics.became_leader("team/lock", 7);
  EXPECT_THAT(metrics.text(), HasSubstr("leader_election_master_status{name=\"team/lock\"} 1"));
  EXPECT_THAT(metrics.text(), HasSubstr("tenure_epoch{name=\"team/lock\"} 7"));
  metrics.stopped_leading("team/lock");
  EXPECT_THAT(metrics.text(), HasSubstr("leader_election_master_status{name=\"team/lock\"} 0"));
  EXPECT_THAT(metrics.text(), HasSubstr("tenure_transitions_total{reason=\"lost\"} 1"));
  metrics.forget("team/lock");
  EXPECT_THAT(metrics.text(), Not(HasSubstr("team/lock")));
  EXPECT_THAT(metrics.text(), Not(HasSubstr("tenure_epoch"))) << "nothing of no lock";
}

TEST(ControllerMetrics, ManyLocksAreCountedButNotNamed) {
  ControllerMetrics metrics("1.2.3");
  for (int i = 0; i < 2001; ++i) metrics.became_leader("team/lock-" + std::to_string(i), 1);
  EXPECT_THAT(metrics.text(), HasSubstr("lock-1999\"} 1"));
  EXPECT_THAT(metrics.text(), Not(HasSubstr("lock-2000")));
  EXPECT_THAT(metrics.text(), HasSubstr("tenure_transitions_total{reason=\"acquired\"} 2001"));
}

TEST(ControllerMetrics, CountsRequestsByOutcome) {
  ControllerMetrics metrics("1.2.3");
  metrics.request_done("read", "ok");
  metrics.request_done("read", "ok");
  metrics.status_written(false);
  metrics.has_rival();
  EXPECT_THAT(metrics.text(),
              HasSubstr("tenure_store_requests_total{op=\"read\",outcome=\"ok\"} 2"));
  EXPECT_THAT(metrics.text(), HasSubstr("tenure_status_writes_total{outcome=\"failed\"} 1"));
  EXPECT_THAT(metrics.text(), HasSubstr("tenure_rival_controllers_total 1"));
}

}  // namespace
}  // namespace tenure
