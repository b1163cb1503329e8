#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

#include "cluster.h"
#include "eventually.h"

namespace tenure::test {
namespace {

// Needs the control plane that CTest starts before it.
TEST(SharedControlPlane, EachTestHasANamespaceOfItsOwn) {
  const auto cluster = shared_cluster();
  ASSERT_TRUE(cluster) << cluster.error().to_string();
  const auto one = fresh_namespace(*cluster);
  const auto two = fresh_namespace(*cluster);
  ASSERT_TRUE(one) << one.error().to_string();
  ASSERT_TRUE(two) << two.error().to_string();
  const ProgramResult made = cluster->kubectl({"create", "-n", *one, "serviceaccount", "robot"});
  EXPECT_EQ(made.code, 0) << made.errors;
  const Words names = {"get", "serviceaccounts", "-o", "name", "-n"};
  Words here = names;
  Words there = names;
  here.push_back(*one);
  there.push_back(*two);
  EXPECT_EQ(cluster->kubectl(here).output, "serviceaccount/robot\n");
  EXPECT_EQ(cluster->kubectl(there).output, "");
}

// Some other program that is called ctest, as far as the kernel knows.
class ControlPlaneOfAnotherRun : public testing::Test {
 protected:
  void SetUp() override {
    std::string folder = testing::TempDir() + "tenure-shared-XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    std::filesystem::create_symlink("/bin/sh", folder_ / "ctest");
  }
  void TearDown() override {
    EXPECT_EQ(run({SHARED_CONTROL_PLANE_PROGRAM, "stop", plane()}).code, 0);
    std::filesystem::remove_all(folder_);
  }

  static ProgramResult run(const Words& argv) {
    ProgramRun run;
    run.argv = argv;
    for (char** variable = environ; *variable != nullptr; ++variable)
      run.environment.emplace_back(*variable);
    return run_program(run);
  }
  [[nodiscard]] std::string plane() const { return folder_ / "plane"; }
  /// A ctest that starts the control plane, then does this.
  [[nodiscard]] ProgramResult ctest(const std::string& command) const {
    return run({folder_ / "ctest", "-c",
                "'" SHARED_CONTROL_PLANE_PROGRAM "' start '" + plane() + "' && " + command});
  }
  static bool answers(const Cluster& cluster) {
    return cluster.kubectl({"get", "--raw=/readyz"}).code == 0;
  }

  std::filesystem::path folder_;
};

TEST_F(ControlPlaneOfAnotherRun, EndsWhenItsCtestIsKilled) {
  // What its ctest saw of it comes from a copy, because it tidies up when it ends.
  const ProgramResult killed =
      ctest("cp '" + plane() + "/env' '" + plane() + "/env.copy' && kill -KILL $$");
  ASSERT_EQ(killed.code, 128 + SIGKILL) << killed.errors;
  EXPECT_TRUE(eventually([&] { return !read_cluster(plane()); }));
  std::filesystem::rename(plane() + "/env.copy", plane() + "/env");
  const auto cluster = read_cluster(plane());
  ASSERT_TRUE(cluster);
  EXPECT_TRUE(eventually([&] { return !answers(*cluster); }));
}

TEST_F(ControlPlaneOfAnotherRun, IsReplacedByTheNextAndStopped) {
  const std::string start =
      std::string("'") + SHARED_CONTROL_PLANE_PROGRAM + "' start '" + plane() + "'";
  // Not below a ctest: it lives until somebody stops it.
  const ProgramResult started = run({"/bin/sh", "-c", start});
  ASSERT_EQ(started.code, 0) << started.errors;
  const auto first = read_cluster(plane());
  ASSERT_TRUE(first);
  EXPECT_TRUE(answers(*first));
  ASSERT_EQ(run({"/bin/sh", "-c", start}).code, 0);
  const auto second = read_cluster(plane());
  ASSERT_TRUE(second);
  EXPECT_NE(second->token, first->token);
  EXPECT_TRUE(answers(*second));
  EXPECT_EQ(run({SHARED_CONTROL_PLANE_PROGRAM, "stop", plane()}).code, 0);
  EXPECT_FALSE(answers(*second));
  EXPECT_FALSE(read_cluster(plane()));
}

TEST(SharedControlPlane, AFolderWithoutOneSaysHowToStartIt) {
  const auto none = read_cluster("/nonexistent");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::not_found);
  EXPECT_NE(none.error().remedy.find("shared_control_plane start"), std::string::npos);
}

}  // namespace
}  // namespace tenure::test
