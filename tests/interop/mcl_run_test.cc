// `tenure run` on MultiClusterLeases: with controllers in two clusters, and beside Go programs.
#include <csignal>

#include "interop/multi_cluster.h"

namespace tenure::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class MultiClusterRun : public MultiCluster {
 protected:
  [[nodiscard]] std::unique_ptr<Program> tenure(const Cluster& cluster,
                                                const std::string& identity) const {
    return std::make_unique<Program>(
        Words{"run", "--identity", identity, "--lock",
              "mcl://" + namespace_ + "?lease-duration=8s&renew-deadline=5s&retry-period=1s" +
                  "&kubeconfig=" + cluster.kubeconfig,
              "lock", "--", "sh", "-c",
              "trap 'echo ends; exit 9' TERM; echo working with $TENURE_EPOCH; "
              "while :; do sleep 0.05; done"});
  }
};

TEST_F(MultiClusterRun, CandidatesOfTwoClustersTakeTurns) {
  const auto in_east = controller(east(), "east");
  const auto in_west = controller(west_, "west");
  const auto first = tenure(east(), "first");
  ASSERT_TRUE(first->prints("working with 1"));
  EXPECT_THAT(record()["holderIdentity"], ::testing::StartsWith("first_"));
  EXPECT_EQ(record()["cluster"], "east");
  const auto second = tenure(west_, "second");
  ASSERT_TRUE(second->reports("held by first_"));
  first->signal(SIGTERM);
  EXPECT_EQ(first->exit_code(), 9) << "the command's own";
  ASSERT_TRUE(second->prints("working with 2"));
  EXPECT_EQ(record()["cluster"], "west");
  EXPECT_EQ(object(east())["spec"]["holderIdentity"], "");
}

TEST_F(MultiClusterRun, TwoOfOneClusterShareTheObject) {
  const auto in_east = controller(east(), "east");
  const auto first = tenure(east(), "first");
  ASSERT_TRUE(first->prints("working with 1"));
  const auto second = tenure(east(), "second");
  ASSERT_TRUE(second->reports("held by first_"));
  ASSERT_TRUE(is_acknowledged(east()));
  EXPECT_THAT(object(east())["spec"]["holderIdentity"], ::testing::StartsWith("first_"));
  first->signal(SIGTERM);
  EXPECT_EQ(first->exit_code(), 9);
  ASSERT_TRUE(second->prints("working with 2"));
}

TEST_F(MultiClusterRun, AGoProgramAndTenureFollowEachOther) {
  const auto in_east = controller(east(), "east");
  const auto in_west = controller(west_, "west");
  const auto first = tenure(east(), "first");
  ASSERT_TRUE(first->prints("working with 1"));
  const auto second = go(west_, "second");
  ASSERT_TRUE(is_acknowledged(east()));
  first->signal(SIGTERM);
  ASSERT_TRUE(second->prints(kStarted));
  EXPECT_EQ(record()["leaseTransitions"], 2);
  const auto third = tenure(east(), "third");
  ASSERT_TRUE(third->reports("held by second"));
  second->signal(SIGKILL);
  ASSERT_TRUE(third->prints("working with 3"));
}

TEST_F(MultiClusterRun, WithoutItsControllerTheCommandEndsBeforeAnotherOneStarts) {
  const auto in_east = controller(east(), "east");
  const auto in_west = controller(west_, "west");
  const auto first = tenure(east(), "first");
  ASSERT_TRUE(first->prints("working with 1"));
  const auto second = tenure(west_, "second");
  ASSERT_TRUE(second->reports("held by first_"));
  in_east->signal(SIGKILL);
  ASSERT_TRUE(first->prints("ends"));
  EXPECT_THAT(second->output(), Not(HasSubstr("working")));
  ASSERT_TRUE(second->prints("working with 2"));
}

TEST_F(MultiClusterRun, WithoutAControllerItSaysWhatIsMissing) {
  const auto first = tenure(east(), "first");
  ASSERT_TRUE(first->reports("no controller answers"));
  first->signal(SIGTERM);
  EXPECT_EQ(first->exit_code(), 128 + SIGTERM);
  EXPECT_EQ(object(east())["spec"]["holderIdentity"], "") << "it leaves no wish behind";
}

}  // namespace
}  // namespace tenure::test
