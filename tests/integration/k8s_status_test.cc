// `tenure status` over the MultiClusterLeases of real API servers; what stands in the objects is
// what candidates and controllers write.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>

#include "base/duration.h"
#include "k8s_test.h"
#include "runtime/clock.h"
#include "servers/control_plane.h"

namespace tenure::test {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

std::string ago(Duration age) {
  std::string text = format_rfc3339(wall_now() - age);
  return text.replace(text.find('.'), std::string::npos, "Z");
}

Json condition(const char* type, bool holds, const std::string& message) {
  return {{"type", type},
          {"status", holds ? "True" : "False"},
          {"reason", "Reason"},
          {"message", message},
          {"lastTransitionTime", ago(minutes(1))}};
}

/// As a controller of tenure writes it.
Json status_naming(const std::string& holder, bool is_leader, Duration age) {
  Json status = {{"observedGeneration", 1},
                 {"isLeader", is_leader},
                 {"globalLeaseTransitions", 7},
                 {"conditions", Json::array({condition("BackendHealthy", true, "the store answers"),
                                             condition("CandidateLive", true, "it moves"),
                                             condition("Leader", is_leader, "it leads, or not")})}};
  if (!holder.empty()) {
    status["globalHolderIdentity"] = holder;
    status["globalRenewTime"] = ago(age);
    status["globalLeaseDurationSeconds"] = 3600;
  }
  return status;
}

void deny(Json& status, const std::string& type, const std::string& message) {
  for (Json& one : status["conditions"])
    if (one["type"] == type) {
      one["status"] = "False";
      one["message"] = message;
    }
}

class K8sStatus : public K8sTest {
 protected:
  /// Not the cluster that all tests share: controllers of other tests would answer our objects.
  static void SetUpTestSuite() {
    auto plane = ControlPlane::start({});
    ASSERT_TRUE(plane) << plane.error().to_string();
    east_plane = std::move(*plane);
    install_kind(east_plane->cluster());
  }
  static void TearDownTestSuite() { east_plane.reset(); }
  void SetUp() override {
    ASSERT_TRUE(east_plane);
    use(east_plane->cluster());
  }
  static void install_kind(const Cluster& cluster) {
    const auto installed =
        cluster.kubectl({"apply", "--server-side", "--force-conflicts", "-f", CRD});
    ASSERT_EQ(installed.code, 0) << installed.errors;
    ASSERT_TRUE(eventually([&] {  // a new kind is served a little later
      return cluster.kubectl({"get", "mcl", "-A"}).code == 0;
    }));
  }
  /// A second cluster, with a namespace of the same name and without the kind.
  void start_west() {
    ControlPlane::Options options;
    options.users = {"stranger"};
    auto plane = ControlPlane::start(options);
    ASSERT_TRUE(plane) << plane.error().to_string();
    west_plane_ = std::move(*plane);
    west_ = west_plane_->cluster();
    EXPECT_EQ(west_.kubectl({"create", "namespace", namespace_}).code, 0);
  }
  void put(const Cluster& cluster, const std::string& name, const Json& spec,
           const std::optional<Json>& status = std::nullopt) const {
    const Json object = {{"apiVersion", "multicluster.core.cnrm.cloud.google.com/v1alpha1"},
                         {"kind", "MultiClusterLease"},
                         {"metadata", {{"name", name}}},
                         {"spec", spec}};
    const auto made = cluster.kubectl({"create", "-n", namespace_, "-f", "-"}, object.dump());
    ASSERT_EQ(made.code, 0) << made.errors;
    if (status) write_status(cluster, name, *status);
  }
  void write_status(const Cluster& cluster, const std::string& name, const Json& status) const {
    const auto patched =
        cluster.kubectl({"patch", "mcl", name, "-n", namespace_, "--subresource=status",
                         "--type=merge", "-p", Json({{"status", status}}).dump()});
    ASSERT_EQ(patched.code, 0) << patched.errors;
  }
  [[nodiscard]] static Json candidate(const std::string& identity, Duration age = {}) {
    return {{"holderIdentity", identity}, {"renewTime", ago(age)}};
  }

  /// One kubeconfig with these clusters, each as a context of its name.
  [[nodiscard]] Program::Setup contexts(
      const std::vector<std::pair<std::string, Cluster>>& clusters,
      std::filesystem::perms mode = std::filesystem::perms(0600)) const {
    Json config = {{"apiVersion", "v1"}, {"kind", "Config"}};
    for (const auto& [name, cluster] : clusters) {
      const Json one =
          Json::parse(cluster.kubectl({"config", "view", "--raw", "-o", "json"}).output);
      config["clusters"].push_back({{"name", name}, {"cluster", one["clusters"][0]["cluster"]}});
      config["users"].push_back({{"name", name}, {"user", one["users"][0]["user"]}});
      config["contexts"].push_back(
          {{"name", name},
           {"context", {{"cluster", name}, {"user", name}, {"namespace", namespace_}}}});
    }
    config["current-context"] = clusters.front().first;
    const std::string file = folder_.file("contexts.config");
    std::ofstream(file) << config;
    std::filesystem::permissions(file, mode);
    Program::Setup setup;
    setup.environment = {"KUBECONFIG=" + file};
    return setup;
  }
  [[nodiscard]] std::string full(const std::string& name) const { return namespace_ + "/" + name; }

  static inline std::unique_ptr<ControlPlane> east_plane;
  std::unique_ptr<ControlPlane> west_plane_;
  Cluster west_;
};

TEST_F(K8sStatus, TwoClustersAreOneTable) {
  start_west();
  install_kind(west_);
  put(admin_, "job", candidate("pod-east"), status_naming("pod-east", true, {}));
  put(west_, "job", candidate("pod-west", hours(3)), status_naming("pod-east", false, {}));
  const auto setup = contexts({{"east", admin_}, {"west", west_}});
  for (const Words& chosen : {Words{"--context=east,west"}, Words{"--all-contexts"},
                              Words{"--context", "east", "--context", "west"}}) {
    Words words = {"status", full("job")};
    words.insert(words.end(), chosen.begin(), chosen.end());
    const Finished table = finish(words, setup);
    EXPECT_EQ(table.code, 0) << table.errors;
    EXPECT_THAT(
        table.output,
        ContainsRegex("^CLUSTER +NAMESPACE/NAME +HOLDER +LEADER +EPOCH +HEARTBEAT +CONDITION\n"
                      "east +" +
                      full("job") +
                      " +pod-east +yes +7 +[0-9]+s +ok\n"
                      "west +" +
                      full("job") + " +pod-east +no +7 +3h +ok\n$"));
  }
  const Json locks = Json::parse(
      finish({"status", "-o", "json", "--all-contexts", full("job")}, setup).output)["locks"];
  ASSERT_EQ(locks.size(), 2U);
  const Json& west = locks[1];
  EXPECT_EQ(west["name"], "job");
  EXPECT_EQ(west["store"], "mcl://west/" + namespace_);
  EXPECT_EQ(west["holder"], "pod-east");
  EXPECT_EQ(west["epoch"], 7);
  EXPECT_EQ(west["state"], "held");
  EXPECT_EQ(west["leaseDurationSeconds"], 3600);
  const Json lease = west["lease"];
  EXPECT_EQ(lease["context"], "west");
  EXPECT_EQ(lease["namespace"], namespace_);
  EXPECT_EQ(lease["name"], "job");
  EXPECT_EQ(lease["candidate"], "pod-west");
  EXPECT_EQ(lease["isLeader"], false);
  EXPECT_EQ(lease["condition"], "ok");
  EXPECT_THAT(lease["heartbeatTime"].get<std::string>(), ::testing::EndsWith("Z"));
}

TEST_F(K8sStatus, TheWorstTroubleIsSaidInAFewWords) {
  const Json good = status_naming("pod", true, {});
  Json failing = good;
  deny(failing, "BackendHealthy", "the bucket gs://locks does not exist");
  Json silent = status_naming("other", false, {});
  deny(silent, "CandidateLive", "spec.renewTime stands still: the candidate is silent");
  // Objects begin with generation 1.
  Json ignored = status_naming("other", false, {});
  ignored["observedGeneration"] = 0;
  ignored["lastHeartbeatTime"] = ago(seconds(60));
  const Json of_go = {{"observedGeneration", 1}, {"globalHolderIdentity", "pod"}};
  Json of_dead_go = of_go;
  of_dead_go.update({{"globalRenewTime", ago(seconds(20))}, {"globalLeaseDurationSeconds", 15}});
  const struct {
    const char* name;
    Json spec;
    std::optional<Json> status;
    const char* leader;
    const char* condition;
  } objects[] = {
      {"a-new-one", candidate("pod"), std::nullopt, "no", "no controller has answered"},
      {"b-failing", candidate("pod"), failing, "yes", "the store fails: the bucket gs://locks"},
      {"c-old", candidate("pod"), status_naming("pod", true, hours(2)), "yes",
       "the controller is silent"},
      {"d-silent", candidate("pod"), silent, "no", "the candidate is silent"},
      {"e-old-elsewhere", candidate("pod"), status_naming("other", false, hours(2)), "no",
       "the controller is silent"},
      {"e-behind", candidate("pod"), status_naming("other", false, minutes(65)), "no", "ok"},
      {"e-ignored", candidate("pod"), ignored, "no", "the controller is silent"},
      {"f-free", candidate("pod"), status_naming("", false, {}), "no", "nobody holds the lock"},
      {"g-onlooker", Json::object(), status_naming("other", false, {}), "no", "no candidate here"},
      {"h-of-go", candidate("pod"), of_go, "yes", "ok"},
      {"i-of-dead-go", candidate("other"), of_dead_go, "no", "the holder is silent"},
  };
  for (const auto& object : objects) put(admin_, object.name, object.spec, object.status);
  const Finished table = finish({"status", "--lock", "mcl:"}, contexts({{"east", admin_}}));
  EXPECT_EQ(table.code, 0) << table.errors;
  for (const auto& object : objects)
    EXPECT_THAT(table.output, ContainsRegex("\neast +" + full(object.name) + " [^\n]* " +
                                            object.leader + " [^\n]* " + object.condition));
  EXPECT_EQ(std::count(table.output.begin(), table.output.end(), '\n'), 1 + std::ssize(objects));
}

TEST_F(K8sStatus, ALockStoreAndAClusterAreTwoTables) {
  put(admin_, "job", candidate("pod"), status_naming("pod", true, {}));
  ASSERT_EQ(
      finish({"run", "--lock", folder_.lock_url(), "--cluster=here", "backup", "--", "true"}).code,
      0);
  const Finished both =
      finish({"status", "--lock", folder_.lock_url(), "--lock", "mcl://east/" + namespace_},
             contexts({{"east", admin_}}));
  EXPECT_EQ(both.code, 0) << both.errors;
  EXPECT_THAT(both.output, ContainsRegex("^LOCK .*\nbackup .*\n\nCLUSTER .*\neast .* pod "));
}

TEST_F(K8sStatus, AClusterThatFailsIsOneLineAndTheOthersAreShown) {
  start_west();
  put(admin_, "job", candidate("pod"), status_naming("pod", true, {}));
  const auto shown = [&](const Program::Setup& setup, const std::string& trouble) {
    const Finished both = finish({"status", "--all-contexts", full("job")}, setup);
    EXPECT_EQ(both.code, 4);
    EXPECT_THAT(both.output, ContainsRegex("\neast +" + full("job") + " .* ok\n$"));
    EXPECT_THAT(both.errors, ::testing::StartsWith("tenure: context west: "));
    EXPECT_THAT(both.errors, HasSubstr(trouble));
    EXPECT_EQ(std::count(both.errors.begin(), both.errors.end(), '\n'), 1) << both.errors;
  };
  const auto setup = contexts({{"east", admin_}, {"west", west_}});
  shown(setup, "no MultiClusterLeases; install them: tenure manifests crds");
  install_kind(west_);
  shown(contexts({{"east", admin_}, {"west", west_plane_->cluster("stranger")}}),
        "ask for one namespace: --lock mcl://CONTEXT/NAMESPACE");
  west_plane_->stop(Server::api_server);
  shown(setup, "");
  west_plane_->kill(Server::api_server);
  shown(setup, "");
}

TEST_F(K8sStatus, AKubeconfigThatOthersMayReadIsWarnedOfOnce) {
  const auto setup = contexts({{"a", admin_}, {"b", admin_}}, std::filesystem::perms(0644));
  for (const Words& words : {Words{"status", "--all-contexts", full("job")},
                             Words{"status", "--lock=k8s://a/default", "--lock=mcl://b/default"}}) {
    const Finished warned = finish(words, setup);
    EXPECT_EQ(warned.code, 0);
    EXPECT_THAT(warned.errors, HasSubstr("contexts.config can be read by every user"));
    EXPECT_EQ(std::count(warned.errors.begin(), warned.errors.end(), '\n'), 1) << warned.errors;
  }
}

TEST_F(K8sStatus, MoreObjectsThanAPageHas) {
  Json list = {{"apiVersion", "v1"}, {"kind", "List"}, {"items", Json::array()}};
  for (int i = 0; i < 501; ++i)
    list["items"].push_back({{"apiVersion", "multicluster.core.cnrm.cloud.google.com/v1alpha1"},
                             {"kind", "MultiClusterLease"},
                             {"metadata", {{"name", "job-" + std::to_string(i)}}},
                             {"spec", {{"holderIdentity", "pod"}}}});
  const auto made = admin_.kubectl({"create", "-n", namespace_, "-f", "-"}, list.dump());
  ASSERT_EQ(made.code, 0) << made.errors;
  const Finished all =
      finish({"status", "-o", "json", "--lock", "mcl:"}, contexts({{"east", admin_}}));
  EXPECT_EQ(Json::parse(all.output)["locks"].size(), 501U) << all.errors;
}

TEST_F(K8sStatus, WatchTellsOfEachChange) {
  put(admin_, "job", candidate("pod"), status_naming("", false, {}));
  Program watch({"status", "--watch", "--context=east", full("job")}, contexts({{"east", admin_}}));
  ASSERT_TRUE(watch.prints("\"job\" free (epoch 7), says mcl://east/" + full("job") +
                           ": nobody holds the lock"));
  write_status(admin_, "job", status_naming("pod", true, {}));
  ASSERT_TRUE(watch.prints("\"job\" held by pod (epoch 7), says mcl://east/" + full("job") +
                           ", which leads: ok"));
  EXPECT_THAT(watch.errors(), Not(HasSubstr("tenure:")));
}

}  // namespace
}  // namespace tenure::test
