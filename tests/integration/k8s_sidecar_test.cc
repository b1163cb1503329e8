// `tenure sidecar` as its manifests deploy it: what they allow must be enough, and no more is
// there.
#include <csignal>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

#include "k8s_test.h"

namespace tenure::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class K8sSidecar : public K8sTest {
 protected:
  void SetUp() override {
    const auto cluster = shared_cluster();
    ASSERT_TRUE(cluster) << cluster.error().to_string();
    use(*cluster);
  }
  [[nodiscard]] static std::string manifests() {
    const Finished printed = finish({"manifests", "sidecar", "--name", "web"});
    EXPECT_EQ(printed.code, 0) << printed.errors;
    return printed.output;
  }
  /// A kubeconfig with the rights of this service account.
  [[nodiscard]] std::string config_of(const std::string& account) const {
    std::string path = folder_.file("account.config");
    Json config = Json::parse(kubectl({"config", "view", "--raw", "-o", "json"}));
    config["users"][0]["user"] = {{"token", kubectl({"create", "token", account})}};
    std::ofstream(path) << config;
    return path;
  }
  void create_pod(const std::string& name) const {
    const Json pod = {
        {"apiVersion", "v1"},
        {"kind", "Pod"},
        {"metadata", {{"name", name}, {"labels", {{"app.kubernetes.io/name", "web"}}}}},
        {"spec", {{"containers", Json::array({{{"name", "main"}, {"image", "web"}}})}}}};
    const auto made = admin_.kubectl({"create", "-n", namespace_, "-f", "-"}, pod.dump());
    ASSERT_EQ(made.code, 0) << made.errors;
  }
  /// What the Service of the manifests selects.
  [[nodiscard]] std::string leaders() const {
    const Json service = Json::parse(kubectl({"get", "service", "web-leader", "-o", "json"}));
    std::string selector;
    for (const auto& [key, value] : service["spec"]["selector"].items())
      selector += (selector.empty() ? "" : ",") + key + "=" + value.get<std::string>();
    return kubectl({"get", "pods", "-l", selector, "-o", "name"});
  }
};

TEST_F(K8sSidecar, TheManifestsAllowWhatItDoes) {
  const auto applied = admin_.kubectl({"apply", "-n", namespace_, "-f", "-"}, manifests());
  ASSERT_EQ(applied.code, 0) << applied.errors;
  create_pod("web-0");
  ASSERT_TRUE(eventually([&] {  // the authorizer hears of a new role a little later
    return admin_
               .kubectl({"auth", "can-i", "patch", "pods", "-n", namespace_,
                         "--as=system:serviceaccount:" + namespace_ + ":web"})
               .code == 0;
  }));
  Program::Setup pod;
  pod.environment = {"POD_NAME=web-0", "NAMESPACE=" + namespace_, "LEASE_DURATION=15s",
                     "LEASE_RENEW_DURATION=10s"};
  Program sidecar({"sidecar", "--lease-name=web", "--pod-label=tenure.dev/leader=true", "--addr",
                   "127.0.0.1:0", "--kubeconfig", config_of("web")},
                  pod);
  ASSERT_TRUE(sidecar.reports("this candidate leads"));
  EXPECT_TRUE(eventually([&] { return leaders() == "pod/web-0\n"; }));
  EXPECT_TRUE(eventually([&] {
    return kubectl({"describe", "lease", "web"}).find("web-0 became leader") != std::string::npos;
  }));
  sidecar.signal(SIGTERM);
  EXPECT_EQ(sidecar.exit_code(), 0);
  EXPECT_EQ(leaders(), "");
  EXPECT_THAT(kubectl({"describe", "lease", "web"}), HasSubstr("web-0 stopped leading"));
  EXPECT_THAT(sidecar.errors(), Not(HasSubstr("allow the verb")));
}

TEST_F(K8sSidecar, KustomizeAppliesTheSameObjects) {
  const auto names = [](const std::string& lines) {
    std::istringstream in(lines);
    return std::set<std::string>{std::istream_iterator<std::string>(in), {}};
  };
  const auto printed =
      admin_.kubectl({"apply", "-n", namespace_, "--dry-run=server", "-o", "name", "-f", "-"},
                     finish({"manifests", "sidecar"}).output);
  ASSERT_EQ(printed.code, 0) << printed.errors;
  EXPECT_EQ(names(kubectl({"apply", "--dry-run=server", "-o", "name", "-k",
                           std::string(DEPLOY_FOLDER) + "/sidecar"})),
            names(printed.output));
}

TEST_F(K8sSidecar, WithoutTheVerbsForEventsAndLabelItLeadsAllTheSame) {
  kubectl({"create", "serviceaccount", "poor"});
  kubectl({"create", "role", "poor", "--verb=get,list,watch,create,update", "--resource=leases"});
  kubectl(
      {"create", "rolebinding", "poor", "--role=poor", "--serviceaccount=" + namespace_ + ":poor"});
  create_pod("web-0");
  Program::Setup pod;
  pod.environment = {"POD_NAME=web-0", "NAMESPACE=" + namespace_};
  Program sidecar({"sidecar", "--lease-name=web", "--pod-label=tenure.dev/leader=true", "--addr",
                   "127.0.0.1:0", "--kubeconfig", config_of("poor")},
                  pod);
  ASSERT_TRUE(sidecar.reports("this candidate leads"));
  EXPECT_TRUE(sidecar.reports("allow the verb patch on pods in namespace " + namespace_));
  EXPECT_TRUE(sidecar.reports("allow the verb create on events in namespace " + namespace_));
}

}  // namespace
}  // namespace tenure::test
