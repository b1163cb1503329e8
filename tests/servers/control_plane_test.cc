#include "control_plane.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "eventually.h"

namespace tenure::test {
namespace {

bool exists(pid_t pid) {
  return kill(pid, 0) == 0;
}

std::string lease(const std::string& name, const std::string& holder) {
  return "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: " + name +
         "}\nspec: {holderIdentity: " + holder + "}\n";
}

std::string holder_of(const Cluster& cluster, const std::string& name) {
  return cluster.kubectl({"get", "lease", name, "-o", "jsonpath={.spec.holderIdentity}"}).output;
}

class RunningControlPlane : public testing::Test {
 protected:
  void SetUp() override {
    ControlPlane::Options options;
    options.users = {"reader"};
    auto started = ControlPlane::start(options);
    ASSERT_TRUE(started) << started.error().to_string();
    plane_ = std::move(*started);
    admin_ = plane_->cluster();
  }

  void create_lease(const std::string& name, const std::string& holder) const {
    const ProgramResult made = admin_.kubectl({"create", "-f", "-"}, lease(name, holder));
    ASSERT_EQ(made.code, 0) << made.errors;
  }

  std::unique_ptr<ControlPlane> plane_;
  Cluster admin_;
};

TEST_F(RunningControlPlane, ItsCredentialsAreForItsOwnerOnly) {
  for (const std::string& file : {admin_.kubeconfig, plane_->cluster("reader").kubeconfig}) {
    struct stat info {};
    ASSERT_EQ(stat(file.c_str(), &info), 0) << file;
    EXPECT_EQ(info.st_mode & 0777U, 0600U) << file;
  }
  struct stat folder {};
  ASSERT_EQ(stat(std::filesystem::path(admin_.kubeconfig).parent_path().c_str(), &folder), 0);
  EXPECT_EQ(folder.st_mode & 0777U, 0700U);
}

TEST_F(RunningControlPlane, AUserWithoutARoleIsForbiddenUntilOneIsBound) {
  create_lease("a", "me");
  const Cluster reader = plane_->cluster("reader");
  const ProgramResult refused = reader.kubectl({"get", "lease", "a"});
  EXPECT_NE(refused.code, 0);
  EXPECT_NE(refused.errors.find("Forbidden"), std::string::npos) << refused.errors;

  const ProgramResult role = admin_.kubectl(
      {"create", "role", "see", "--verb=get", "--resource=leases.coordination.k8s.io"});
  EXPECT_EQ(role.code, 0) << role.errors;
  const ProgramResult bound =
      admin_.kubectl({"create", "rolebinding", "see", "--role=see", "--user=reader"});
  EXPECT_EQ(bound.code, 0) << bound.errors;
  EXPECT_TRUE(eventually([&] { return holder_of(reader, "a") == "me"; }));
}

TEST_F(RunningControlPlane, AServiceAccountTokenOfTheTokenRequestApiIsKnown) {
  EXPECT_EQ(admin_.kubectl({"create", "serviceaccount", "robot"}).code, 0);
  const ProgramResult token = admin_.kubectl({"create", "token", "robot", "--duration=10m"});
  ASSERT_EQ(token.code, 0) << token.errors;
  const ProgramResult who = admin_.kubectl(
      {"create", "-o", "jsonpath={.status.user.username}", "-f", "-"},
      "apiVersion: authentication.k8s.io/v1\nkind: TokenReview\nspec:\n  token: " + token.output);
  EXPECT_EQ(who.output, "system:serviceaccount:default:robot") << who.errors;
}

TEST_F(RunningControlPlane, AKilledApiServerComesBackAtTheSameUrlWithItsLeases) {
  create_lease("a", "me");
  const pid_t before = plane_->pid(Server::api_server);
  plane_->kill(Server::api_server);
  const ProgramResult refused = admin_.kubectl({"get", "lease", "a"});
  EXPECT_NE(refused.code, 0);
  EXPECT_NE(refused.errors.find("refused"), std::string::npos) << refused.errors;

  const Status back = plane_->restart(Server::api_server);
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_NE(plane_->pid(Server::api_server), before);
  EXPECT_EQ(holder_of(admin_, "a"), "me");
}

TEST_F(RunningControlPlane, ARestartedEtcdKeepsTheLeases) {
  create_lease("a", "me");
  const Status back = plane_->restart(Server::etcd);
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_TRUE(eventually([&] { return holder_of(admin_, "a") == "me"; }));
}

TEST_F(RunningControlPlane, AStoppedApiServerAnswersNobodyUntilItIsResumed) {
  create_lease("a", "me");
  plane_->stop(Server::api_server);
  const ProgramResult silent = admin_.kubectl({"get", "lease", "a", "--request-timeout=1s"});
  EXPECT_NE(silent.code, 0) << silent.output;
  plane_->resume(Server::api_server);
  EXPECT_EQ(holder_of(admin_, "a"), "me");
}

TEST_F(RunningControlPlane, AnotherOneOnTheSameEtcdIsAnotherCluster) {
  create_lease("a", "me");
  ControlPlane::Options options;
  options.etcd_url = plane_->etcd_url();
  options.etcd_prefix = "/other";
  const auto other = ControlPlane::start(options);
  ASSERT_TRUE(other) << other.error().to_string();
  const ProgramResult missing = (*other)->cluster().kubectl({"get", "lease", "a"});
  EXPECT_NE(missing.errors.find("NotFound"), std::string::npos) << missing.errors;
  EXPECT_EQ(holder_of(admin_, "a"), "me");
}

TEST_F(RunningControlPlane, NothingIsLeftOfItAfterItsEnd) {
  plane_->stop(Server::api_server);  // the harder case
  const std::array<pid_t, 2> servers = {plane_->pid(Server::etcd), plane_->pid(Server::api_server)};
  const std::string folder = std::filesystem::path(admin_.kubeconfig).parent_path();
  for (const pid_t pid : servers) EXPECT_TRUE(exists(pid));
  EXPECT_TRUE(std::filesystem::exists(folder));
  plane_.reset();
  for (const pid_t pid : servers) EXPECT_FALSE(exists(pid));
  EXPECT_FALSE(std::filesystem::exists(folder));
}

// The pids of sleeping servers and their folder, written by the child of the test below.
struct Left {
  pid_t server;
  std::array<char, 256> folder;
};

TEST(KeptServers, AreGoneWhenTheirTestIsKilled) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto servers = KeptServers::create();
    auto sleeper = (*servers)->start("log", {"/bin/sleep", "1000"});
    Left left{sleeper->pid(), {}};
    (*servers)->folder().copy(left.folder.data(), left.folder.size() - 1);
    if (write(ends[1], &left, sizeof left) != sizeof left) _exit(1);
    kill(getpid(), SIGKILL);
  }
  Left left{};
  ASSERT_EQ(read(ends[0], &left, sizeof left), static_cast<ssize_t>(sizeof left));
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(eventually([&] { return !exists(left.server); }));
  EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(left.folder.data()); }));
  close(ends[0]);
  close(ends[1]);
}

TEST(KeptServers, OutliveTheThreadThatHasStartedThem) {
  auto servers = KeptServers::create();
  ASSERT_TRUE(servers);
  ServerProcess server;
  std::thread([&] {
    server = std::move(*(*servers)->start("log", {"/bin/sleep", "1000"}));
  }).join();
  EXPECT_FALSE(server.ended_within(std::chrono::milliseconds(200)));
  server.kill();
  EXPECT_FALSE(server.running());
}

pid_t parent_of(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; status >> word;) {
    if (word != "PPid:") continue;
    pid_t parent = 0;
    status >> parent;
    return parent;
  }
  return 0;
}

TEST(KeptServers, EndWhenTheirKeeperIsKilled) {
  auto servers = KeptServers::create();
  ASSERT_TRUE(servers);
  const std::string folder = (*servers)->folder();
  const auto server = (*servers)->start("log", {"/bin/sh", "-c", "echo up; exec sleep 1000"});
  ASSERT_TRUE(server);
  ASSERT_TRUE(eventually([&] { return std::ifstream(folder + "/log").get() == 'u'; }));
  const pid_t keeper = parent_of(server->pid());
  ASSERT_GT(keeper, 1);
  kill(keeper, SIGKILL);
  EXPECT_TRUE(server->ended_within(kPatience));
  EXPECT_FALSE((*servers)->start("log", {"/bin/true"}));
  std::filesystem::remove_all(folder);  // nobody else does, this once
}

TEST(KeptServers, AServerThatEndsAtOnceIsNoticed) {
  auto servers = KeptServers::create();
  ASSERT_TRUE(servers);
  const auto server = (*servers)->start("log", {"/nonexistent"});
  ASSERT_TRUE(server) << server.error().to_string();
  EXPECT_TRUE(server->ended_within(kPatience));
}

TEST(Readiness, AServerThatEndsIsReportedWithTheEndOfItsLog) {
  auto servers = KeptServers::create();
  ASSERT_TRUE(servers);
  const auto server = (*servers)->start("log", {"/bin/sh", "-c", "echo no such flag; exit 1"});
  ASSERT_TRUE(server);
  testing::internal::CaptureStderr();
  const Status ready =
      wait_until_ready(*server, (*servers)->folder() + "/log", {{"http://127.0.0.1:1/"}});
  EXPECT_NE(testing::internal::GetCapturedStderr().find("no such flag"), std::string::npos);
  ASSERT_FALSE(ready);
  EXPECT_EQ(ready.error().code, ErrorCode::unavailable);
}

}  // namespace
}  // namespace tenure::test
