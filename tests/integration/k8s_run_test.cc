// `tenure run` and its relatives on Leases of a real API server.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "k8s_test.h"

namespace tenure::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class K8sRun : public K8sTest {
 protected:
  void SetUp() override {
    const auto cluster = shared_cluster();
    ASSERT_TRUE(cluster) << cluster.error().to_string();
    use(*cluster);
  }
  /// A kubeconfig for a service account that may do these things to leases.
  [[nodiscard]] std::string config_of_robot(const std::string& verbs,
                                            const std::string& user) const {
    kubectl({"create", "serviceaccount", "robot"});
    kubectl(
        {"create", "role", "robot", "--verb=" + verbs, "--resource=leases.coordination.k8s.io"});
    kubectl({"create", "rolebinding", "robot", "--role=robot",
             "--serviceaccount=" + namespace_ + ":robot"});
    std::string path = folder_.file("robot.config");
    std::ofstream(path) << "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
                        << "contexts: [{name: c, context: {cluster: c, user: u}}]\n"
                        << "clusters: [{name: c, cluster: {server: '" << admin_.server_url
                        << "', certificate-authority: '" << admin_.ca_file << "'}}]\n"
                        << "users: [{name: u, user: {" << user << "}}]\n";
    std::filesystem::permissions(path, std::filesystem::perms(0600));
    return path;
  }
  void write_token(const std::string& token) const {
    const std::string path = folder_.file("token");
    std::ofstream(path + ".new") << token;
    std::filesystem::rename(path + ".new", path);
  }
};

TEST_F(K8sRun, OneWorksTheOtherWaitsAndFollows) {
  Program first(run(lock(kPatient), "first"));
  ASSERT_TRUE(first.prints("working with 1"));
  Program second(run(lock(kPatient), "second"));
  ASSERT_TRUE(second.reports("held by first (epoch 1)"));
  first.signal(SIGTERM);
  EXPECT_EQ(first.exit_code(), 128 + SIGTERM);
  ASSERT_TRUE(second.prints("working with 2"));
  const Json spec = lease()["spec"];
  EXPECT_EQ(spec["holderIdentity"], "second");
  EXPECT_EQ(spec["leaseTransitions"], 2);
  EXPECT_EQ(spec["leaseDurationSeconds"], 20);
}

TEST_F(K8sRun, WhatOthersWriteBesideTheSpecIsKeptAndEndsNoTenure) {
  Program leader(run(lock(kPatient), "leader"));
  ASSERT_TRUE(leader.prints("working with 1"));
  for (const char* mark : {"one", "two", "three"}) {
    kubectl({"label", "--overwrite", "lease", "job", std::string("mark=") + mark});
    kubectl({"annotate", "--overwrite", "lease", "job", std::string("note=") + mark});
    ASSERT_TRUE(renews());
  }
  const Json found = lease();
  EXPECT_EQ(found["metadata"]["labels"]["mark"], "three");
  EXPECT_EQ(found["metadata"]["annotations"]["note"], "three");
  EXPECT_EQ(found["spec"]["leaseTransitions"], 1);
  EXPECT_THAT(leader.errors(), Not(HasSubstr("lost")));
}

TEST_F(K8sRun, ADeletedLeaseEndsTheTenureAndTheNextHasAHigherEpoch) {
  Program leader(run(lock(kHasty), "leader"));
  ASSERT_TRUE(leader.prints("working with 1"));
  kubectl({"delete", "lease", "job"});
  ASSERT_TRUE(leader.reports("lost leadership"));
  ASSERT_TRUE(leader.prints("working with 2"));
}

TEST_F(K8sRun, AFrozenLeaderFindsItsWorkStoppedAndItsPlaceTaken) {
  Program leader(run(lock(kHasty), "leader"));
  ASSERT_TRUE(leader.prints("working with 1"));
  Program waiting(run(lock(kHasty), "waiting"));
  ASSERT_TRUE(waiting.reports("held by leader"));
  leader.signal(SIGSTOP);
  ASSERT_TRUE(waiting.prints("working with 2"));
  const std::string& said = leader.output();
  const pid_t worker = std::stoi(said.substr(said.rfind(' ')));
  EXPECT_TRUE(kill(worker, 0) != 0) << "the guardian ends the work of a frozen leader";
  leader.signal(SIGCONT);
  ASSERT_TRUE(leader.reports("held by waiting (epoch 2)"));
}

TEST_F(K8sRun, ARotatedTokenIsPickedUp) {
  const std::string config =
      config_of_robot("get,create,update,watch", "tokenFile: '" + folder_.file("token") + "'");
  const auto token_bound_to = [&](const std::string& secret) {
    kubectl({"create", "secret", "generic", secret});
    return kubectl({"create", "token", "robot", "--bound-object-kind=Secret",
                    "--bound-object-name=" + secret});
  };
  const std::string first = token_bound_to("first");
  write_token(first);
  Program leader(run(lock(kPatient, config), "leader"));
  ASSERT_TRUE(leader.prints("working with 1"));
  write_token(token_bound_to("second"));
  kubectl({"delete", "secret", "first"});  // now the first token is worth nothing
  ASSERT_TRUE(eventually([&] {
    return admin_.kubectl({"get", "lease", "--token=" + first, "-n", namespace_})
               .errors.find("Unauthorized") != std::string::npos;
  }));
  ASSERT_TRUE(renews());
  EXPECT_EQ(lease()["spec"]["leaseTransitions"], 1);
}

TEST_F(K8sRun, DoctorSaysWhichVerbsAreMissing) {
  const std::string config =
      config_of_robot("get,create,watch", "tokenFile: '" + folder_.file("token") + "'");
  write_token(kubectl({"create", "token", "robot"}));
  const Finished result = finish({"doctor", "--lock", lock(kPatient, config), "-o", "json"});
  EXPECT_EQ(result.code, 4);
  const Json checks = Json::parse(result.output)["checks"];
  const auto found = std::find_if(checks.begin(), checks.end(),
                                  [](const Json& check) { return check["name"] == "permissions"; });
  ASSERT_NE(found, checks.end());
  EXPECT_FALSE((*found)["ok"]);
  EXPECT_EQ((*found)["detail"], "may not list, update leases in namespace " + namespace_);
}

TEST_F(K8sRun, AnAccountWithoutRightsIsToldWhichOneIsMissing) {
  const std::string config =
      config_of_robot("create", "tokenFile: '" + folder_.file("token") + "'");
  write_token(kubectl({"create", "token", "robot"}));
  Program candidate(run(lock(kPatient, config), "candidate"));
  ASSERT_TRUE(candidate.reports("cannot get resource \"leases\""));
  candidate.signal(SIGTERM);
  EXPECT_THAT(candidate.output(), Not(HasSubstr("working")));
}

TEST_F(K8sRun, StatusListsTheNamespace) {
  EXPECT_EQ(finish({"run", "--lock", lock(kPatient), "b", "--", "true"}).code, 0);
  EXPECT_EQ(finish({"run", "--lock", lock(kPatient), "a", "--", "true"}).code, 0);
  const Finished result = finish({"status", "--lock", lock(kPatient), "-o", "json"});
  ASSERT_EQ(result.code, 0) << result.errors;
  const Json locks = Json::parse(result.output)["locks"];
  ASSERT_EQ(locks.size(), 2U);
  EXPECT_EQ(locks[0]["name"], "a");
  EXPECT_EQ(locks[1]["name"], "b");
  EXPECT_EQ(locks[1]["state"], "free");
  EXPECT_EQ(locks[1]["epoch"], 1);
}

TEST_F(K8sRun, ANameThatNoLeaseCanHaveIsRefused) {
  const Finished result = finish({"run", "--lock", lock(kPatient), "My Job", "--", "true"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.errors, HasSubstr("cannot be the name of a Kubernetes Lease"));
}

}  // namespace
}  // namespace tenure::test
