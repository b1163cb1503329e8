// `tenure run` with a wall clock that is wrong by most of an hour, beside candidates whose clock is
// right. (The certificate that the API server makes for itself begins an hour before its start.)
#include <csignal>
#include <string>

#include "base/duration.h"
#include "k8s_test.h"
#include "witness.h"

namespace tenure::test {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kSettings = "lease-duration=8s&renew-deadline=5s&retry-period=1s";
constexpr Duration kLeaseDuration = seconds(8);

class K8sWrongClock : public K8sTest, public testing::WithParamInterface<Duration> {
 protected:
  void SetUp() override {
    const auto cluster = shared_cluster();
    ASSERT_TRUE(cluster) << cluster.error().to_string();
    use(*cluster);
  }
  [[nodiscard]] static Program::Setup wrong_clock() {
    const auto shift = std::chrono::duration_cast<seconds>(GetParam()).count();
    return {.environment = {std::string("LD_PRELOAD=") + SHIFTED_CLOCK,
                            "SHIFTED_CLOCK_SECONDS=" + std::to_string(shift)}};
  }
  [[nodiscard]] Json spec(const std::string& name) const {
    return Json::parse(kubectl({"get", "lease", name, "-o", "json"}))["spec"];
  }
  [[nodiscard]] WallTime renewal(const std::string& name) const {
    const auto time = parse_rfc3339(spec(name)["renewTime"].get<std::string>());
    EXPECT_TRUE(time);
    return time.value_or(WallTime());
  }
  /// By how much the clock of who renewed it is ahead of ours.
  [[nodiscard]] Duration ahead(const std::string& name) const { return renewal(name) - wall_now(); }
};

// Two locks at once: one held by the wrong clock and wanted by the right one, one the other way.
TEST_P(K8sWrongClock, NeitherTakesALockFromALivingHolderAndEachFollowsTheOther) {
  const Witness of_a(folder_.file("a"));
  const Witness of_b(folder_.file("b"));
  Program wrong_a(of_a.candidate(lock(kSettings), "wrong", "a"), wrong_clock());
  Program right_b(of_b.candidate(lock(kSettings), "right", "b"));
  ASSERT_TRUE(wrong_a.prints("working with 1"));
  ASSERT_TRUE(right_b.prints("working with 1"));
  Program right_a(of_a.candidate(lock(kSettings), "right", "a"));
  Program wrong_b(of_b.candidate(lock(kSettings), "wrong", "b"), wrong_clock());
  ASSERT_TRUE(right_a.reports("held by wrong"));
  ASSERT_TRUE(wrong_b.reports("held by right"));
  EXPECT_LT(ahead("a"), GetParam() + minutes(1)) << "the clock is really wrong";
  EXPECT_GT(ahead("a"), GetParam() - minutes(1));
  EXPECT_GT(ahead("b"), -minutes(1));

  const WallTime begin_a = renewal("a");
  const WallTime begin_b = renewal("b");
  ASSERT_TRUE(eventually([&] {
    return renewal("a") > begin_a + kLeaseDuration && renewal("b") > begin_b + kLeaseDuration;
  })) << "both are renewed for longer than a lease lasts";
  EXPECT_THAT(of_a.said(), ElementsAre("1"));
  EXPECT_THAT(of_b.said(), ElementsAre("1"));
  for (const Program* program : {&wrong_a, &right_b})
    EXPECT_THAT(program->errors(), Not(HasSubstr("lost")));

  wrong_a.signal(SIGTERM);
  right_b.signal(SIGKILL);
  ASSERT_TRUE(right_a.prints("working with 2"));
  ASSERT_TRUE(wrong_b.prints("working with 2"));
  EXPECT_GT(ahead("b"), GetParam() - minutes(1));
  EXPECT_LT(ahead("b"), GetParam() + minutes(1));
  wrong_b.signal(SIGTERM);
  wrong_b.exit_code();
  Program third(of_b.candidate(lock(kSettings), "third", "b"));
  ASSERT_TRUE(third.prints("working with 3")) << "what a wrong clock gives back is free";
  EXPECT_THAT(of_a.said(), ElementsAre("1", "2"));
  EXPECT_THAT(of_b.said(), ElementsAre("1", "2", "3"));
  EXPECT_EQ(spec("a")["leaseTransitions"], 2);
  EXPECT_EQ(spec("b")["leaseTransitions"], 3);
}

INSTANTIATE_TEST_SUITE_P(By, K8sWrongClock, testing::Values(minutes(55), -minutes(55)),
                         [](const auto& test) {
                           return test.param > Duration(0) ? "BeingFast" : "BeingSlow";
                         });

}  // namespace
}  // namespace tenure::test
