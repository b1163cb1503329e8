// `tenure run` while the API server is frozen, or killed and brought back.
#include "k8s_test.h"
#include "servers/control_plane.h"

namespace tenure::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class K8sOutage : public K8sTest {
 protected:
  void SetUp() override {
    auto started = ControlPlane::start({});
    ASSERT_TRUE(started) << started.error().to_string();
    plane_ = std::move(*started);
    use(plane_->cluster());
  }
  std::unique_ptr<ControlPlane> plane_;
};

TEST_F(K8sOutage, LeadershipSurvivesAServerThatIsFrozenForAWhile) {
  Program leader(run(lock(kPatient), "leader"));
  ASSERT_TRUE(leader.prints("working with 1"));
  plane_->stop(Server::api_server);
  const bool noticed = leader.reports("did not answer in time");
  plane_->resume(Server::api_server);
  ASSERT_TRUE(noticed);
  ASSERT_TRUE(renews());
  EXPECT_EQ(lease()["spec"]["leaseTransitions"], 1);
  EXPECT_THAT(leader.errors(), Not(HasSubstr("lost")));
}

TEST_F(K8sOutage, AServerThatIsKilledForLongEndsTheTenureAndItsReturnBeginsAnother) {
  Program leader(run(lock(kHasty), "leader"));
  ASSERT_TRUE(leader.prints("working with 1"));
  Program waiting(run(lock(kHasty), "waiting"));
  ASSERT_TRUE(waiting.reports("held by leader"));
  plane_->kill(Server::api_server);
  ASSERT_TRUE(leader.reports("lost leadership"));
  EXPECT_THAT(waiting.output(), Not(HasSubstr("working")));
  ASSERT_TRUE(plane_->restart(Server::api_server));
  EXPECT_TRUE(eventually([&] { return lease()["spec"]["leaseTransitions"] == 2; }));
}

}  // namespace
}  // namespace tenure::test
