// `tenure controller` in two clusters with one bucket, Go programs with client-go's elector over
// the published protocol of MultiClusterLeases, and a stand-in for the Go controller of another
// cluster.
#include <csignal>

#include "interop/multi_cluster.h"

namespace tenure::test {
namespace {

/// A Go candidate that leads in the east, and one that has begun in the west.
class MultiClusterPair : public MultiCluster {
 protected:
  void begin(const Words& for_west = {}) {
    in_east_ = controller(east(), "east");
    in_west_ = controller(west_, "west", for_west);
    first_ = go(east(), "first");
    ASSERT_TRUE(first_->prints(kStarted));
    second_ = go(west_, "second");
  }

  std::unique_ptr<Program> in_east_, in_west_, first_, second_;
};

TEST_F(MultiCluster, GoCandidatesOfTwoClustersTakeTurns) {
  const auto in_east = controller(east(), "east");
  const auto in_west = controller(west_, "west");
  const auto first = go(east(), "first");
  ASSERT_TRUE(first->prints(kStarted));
  EXPECT_EQ(status(east())["isLeader"], true);
  EXPECT_EQ(record()["holderIdentity"], "first");
  EXPECT_EQ(record()["cluster"], "east");
  EXPECT_EQ(record()["leaseTransitions"], 1);

  const auto second = go(west_, "second");
  ASSERT_TRUE(is_acknowledged(east()));
  first->signal(SIGTERM);
  EXPECT_EQ(first->exit_code(), 0);
  ASSERT_TRUE(second->prints(kStarted));
  EXPECT_EQ(record()["holderIdentity"], "second");
  EXPECT_EQ(record()["leaseTransitions"], 2);
  EXPECT_EQ(status(west_)["fencingToken"], 2);
  ASSERT_TRUE(names(east(), "second"));
  EXPECT_EQ(status(east())["isLeader"], false);
  const auto events = east().kubectl({"get", "events", "-n", namespace_});
  EXPECT_THAT(events.output, ::testing::HasSubstr("first became leader"));
  EXPECT_THAT(events.output, ::testing::HasSubstr("first stopped leading"));
}

TEST_F(MultiClusterPair, ASilentCandidateIsFollowedByOneOfAnotherCluster) {
  ASSERT_NO_FATAL_FAILURE(begin());
  ASSERT_TRUE(is_acknowledged(east()));
  first_->signal(SIGKILL);
  ASSERT_TRUE(second_->prints(kStarted));
  EXPECT_EQ(record()["leaseTransitions"], 2);
  ASSERT_TRUE(in_east_->reports("first stopped leading"));
}

// For it sees nothing change, and so it is known to live.
TEST_F(MultiClusterPair, AGoCandidateThatWaitsAsksAgainAndAgain) {
  ASSERT_NO_FATAL_FAILURE(begin());
  ASSERT_TRUE(names(west_, "first"));
  for (int i = 0; i < 2; ++i) {
    const Json before = object(west_)["metadata"]["generation"];
    const auto is_answered = [&] {
      const Json now = object(west_);
      return now["metadata"]["generation"] > before &&
             now["status"]["observedGeneration"] == now["metadata"]["generation"];
    };
    ASSERT_TRUE(eventually(is_answered) || eventually(is_answered)) << object(west_);
    EXPECT_EQ(object(west_)["status"]["globalHolderIdentity"], "first");
  }
  EXPECT_EQ(condition(west_, "CandidateLive"), "True");
  EXPECT_EQ(record()["leaseTransitions"], 1);
  first_->signal(SIGTERM);
  ASSERT_TRUE(second_->prints(kStarted));
}

TEST_F(MultiClusterPair, AGoCandidateThatSeesEveryRenewalWaitsInSilence) {
  ASSERT_NO_FATAL_FAILURE(begin({"--mirror-renewals"}));
  ASSERT_TRUE(names(west_, "first"));
  const Json before = object(west_);
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(is_acknowledged(east()));  // more than two leases
  const Json after = object(west_);
  EXPECT_EQ(after["metadata"]["generation"], before["metadata"]["generation"]);
  EXPECT_NE(after["status"]["globalRenewTime"], before["status"]["globalRenewTime"]);
}

TEST_F(MultiCluster, AControllerThatComesBackGoesOnWithTheTenure) {
  auto in_east = controller(east(), "east");
  const auto first = go(east(), "first");
  ASSERT_TRUE(first->prints(kStarted));
  ASSERT_TRUE(is_acknowledged(east()));
  in_east->signal(SIGKILL);
  EXPECT_EQ(in_east->exit_code(), 128 + SIGKILL);
  in_east = controller(east(), "east");
  ASSERT_TRUE(is_acknowledged(east()));
  EXPECT_EQ(record()["leaseTransitions"], 1);
  EXPECT_THAT(first->output(), ::testing::Not(::testing::HasSubstr("stopped")));
}

TEST_F(MultiClusterPair, WithoutItsControllerACandidateStopsBeforeAnotherOneStarts) {
  ASSERT_NO_FATAL_FAILURE(begin());
  ASSERT_TRUE(is_acknowledged(east()));
  in_east_->signal(SIGKILL);
  ASSERT_TRUE(first_->prints(kStopped));
  EXPECT_THAT(second_->output(), ::testing::Not(::testing::HasSubstr("started")));
  ASSERT_TRUE(second_->prints(kStarted));
  EXPECT_EQ(record()["leaseTransitions"], 2);
}

TEST_F(MultiCluster, AReplicaGoesOnWithoutAChangeOfLeader) {
  auto one = controller(east(), "east", {"--leader-elect"});
  ASSERT_TRUE(one->reports("this replica works"));
  const auto other = controller(east(), "east", {"--leader-elect"});
  ASSERT_TRUE(other->reports("this one waits"));
  const auto first = go(east(), "first");
  ASSERT_TRUE(first->prints(kStarted));
  one->signal(SIGTERM);
  EXPECT_EQ(one->exit_code(), 0);
  ASSERT_TRUE(other->reports("this replica works"));
  ASSERT_TRUE(is_acknowledged(east()));
  EXPECT_EQ(record()["leaseTransitions"], 1);
  EXPECT_THAT(first->output(), ::testing::Not(::testing::HasSubstr("stopped")));
}

// As that controller writes it: three fields, and no word of a lease duration.
TEST_F(MultiCluster, TheClaimOfAGoControllerIsHonoured) {
  const std::string key = "leases/" + namespace_ + "/lock";
  const auto record_of = [](const std::string& renewed) {
    return Json{{"holderIdentity", "go"}, {"renewTime", renewed}, {"leaseTransitions", 4}}.dump();
  };
  ASSERT_TRUE(store_->put(key, record_of("2099-01-01T00:00:00Z")));
  const auto in_east = controller(east(), "east");
  const auto first = go(east(), "first");
  ASSERT_TRUE(names(east(), "go"));
  // The candidate tries again when the lease is over by its own clock, and so by the controller's.
  ASSERT_TRUE(eventually([&] { return object(east())["metadata"]["generation"] >= 2; }));
  EXPECT_EQ(record()["holderIdentity"], "go");
  ASSERT_TRUE(store_->put(key, record_of("2001-01-01T00:00:00Z")));
  // Not before the candidate tries again, and the record has stood still for a lease once more.
  const auto is_taken = [&] { return record()["holderIdentity"] == "first"; };
  ASSERT_TRUE(eventually(is_taken) || eventually(is_taken)) << object(east());
  EXPECT_EQ(record()["leaseTransitions"], 5);
}

TEST_F(MultiCluster, OnlySelectedNamespacesAreWorkedOn) {
  const auto label = [&](const std::string& change) {
    const auto done = east().kubectl({"label", "namespace", namespace_, "--overwrite", change});
    ASSERT_EQ(done.code, 0) << done.errors;
  };
  const auto in_east = controller(east(), "east", {"--namespace-selector=team in (a,b),!frozen"});
  const auto in_west = controller(west_, "west");
  ASSERT_TRUE(in_east->reports("MultiClusterLeases found"));
  const auto first = go(east(), "first");
  ASSERT_TRUE(eventually([&] { return object(east()).contains("spec"); }));
  const auto second = go(west_, "second");
  ASSERT_TRUE(second->prints(kStarted)) << "the one of a namespace that is not selected waits";
  EXPECT_FALSE(object(east()).contains("status"));

  label("team=b");
  ASSERT_TRUE(names(east(), "second"));
  second->signal(SIGTERM);
  ASSERT_TRUE(first->prints(kStarted));
  ASSERT_TRUE(is_acknowledged(east()));

  const auto third = go(west_, "third");
  label("frozen=yes");
  ASSERT_TRUE(in_east->reports("first stopped leading of " + namespace_ + "/lock"));
  ASSERT_TRUE(third->prints(kStarted));
  EXPECT_TRUE(first->prints(kStopped)) << "by itself, for want of an answer";
  EXPECT_EQ(record()["holderIdentity"], "third");
}

TEST_F(MultiClusterPair, StatusTellsWhatEachClusterSays) {
  ASSERT_NO_FATAL_FAILURE(begin());
  ASSERT_TRUE(names(west_, "first"));
  const auto seen_by = [&](const Cluster& cluster) {
    const Finished status = finish({"status", "-o", "json", "--lock",
                                    "mcl://" + namespace_ + "?kubeconfig=" + cluster.kubeconfig});
    EXPECT_EQ(status.code, 0) << status.errors;
    return Json::parse(status.output)["locks"][0];
  };
  const Json in_the_east = seen_by(east());
  EXPECT_EQ(in_the_east["holder"], "first");
  EXPECT_EQ(in_the_east["epoch"], 1);
  EXPECT_EQ(in_the_east["state"], "held");
  EXPECT_EQ(in_the_east["lease"]["isLeader"], true);
  EXPECT_EQ(in_the_east["lease"]["condition"], "ok");
  const Json in_the_west = seen_by(west_);
  EXPECT_EQ(in_the_west["holder"], "first");
  EXPECT_EQ(in_the_west["lease"]["isLeader"], false);
  EXPECT_EQ(in_the_west["lease"]["candidate"], "second");
  EXPECT_EQ(in_the_west["lease"]["condition"], "ok");
}

}  // namespace
}  // namespace tenure::test
