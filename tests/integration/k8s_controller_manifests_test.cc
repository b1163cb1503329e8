// What deploy/controller installs, on a real API server: the objects that it makes possible, and
// the rights of the controller.
#include <algorithm>
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

constexpr const char* kSystem = "tenure-system";
const std::string kFolder = DEPLOY_FOLDER "/controller/";
const std::string kApi = "/apis/multicluster.core.cnrm.cloud.google.com/v1alpha1/namespaces/";

std::set<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

/// Its lines, with one space between words and nothing after the last.
std::set<std::string> lines_of(const std::string& text) {
  std::set<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string joined;
    for (std::string word; words >> word;) joined += (joined.empty() ? "" : " ") + word;
    lines.insert(joined);
  }
  return lines;
}

class K8sControllerManifests : public K8sTest {
 protected:
  void SetUp() override {
    const auto cluster = shared_cluster();
    ASSERT_TRUE(cluster) << cluster.error().to_string();
    use(*cluster);
    installed_ = admin_.kubectl({"apply", "--server-side", "-k", kFolder + "base"});
    ASSERT_EQ(installed_.code, 0) << installed_.errors;
    ASSERT_TRUE(eventually([&] {  // a new kind is served a little later
      return admin_.kubectl({"get", "--raw", kApi + namespace_ + "/multiclusterleases"}).code == 0;
    }));
  }

  [[nodiscard]] static Json lease(const Json& spec) {
    return {{"apiVersion", "multicluster.core.cnrm.cloud.google.com/v1alpha1"},
            {"kind", "MultiClusterLease"},
            {"metadata", {{"name", "job"}}},
            {"spec", spec}};
  }
  /// As the existing Go client writes it, which knows no renewDeadlineSeconds.
  [[nodiscard]] static Json heartbeat(const std::string& holder, int duration) {
    return {{"holderIdentity", holder},
            {"renewTime", "2026-01-02T03:04:05.123456Z"},
            {"leaseDurationSeconds", duration},
            {"retryPeriodSeconds", 15}};
  }
  [[nodiscard]] ProgramResult create(const Json& spec) const {
    return admin_.kubectl({"create", "-n", namespace_, "-f", "-"}, lease(spec).dump());
  }
  [[nodiscard]] ProgramResult patch(const Json& spec) const {
    return admin_.kubectl({"patch", "mcl", "job", "-n", namespace_, "--type=merge", "-p",
                           Json({{"spec", spec}}).dump()});
  }
  [[nodiscard]] Json object() const {
    return Json::parse(kubectl({"get", "mcl", "job", "-o", "json"}));
  }

  /// Somebody with the token of this service account.
  [[nodiscard]] Cluster as(const std::string& account, const std::string& account_namespace) {
    Cluster other = admin_;
    other.kubeconfig = folder_.file(account + ".config");
    const auto token =
        admin_.kubectl({"create", "token", account, "-n", account_namespace, "--duration=1h"});
    EXPECT_EQ(token.code, 0) << token.errors;
    Json config = Json::parse(kubectl({"config", "view", "--raw", "-o", "json"}));
    config["users"][0]["user"] = {{"token", token.output}};
    std::ofstream(other.kubeconfig) << config;
    return other;
  }

  ProgramResult installed_;
};

// -------------------------------------------------------------------------------------------------
// manifests

TEST_F(K8sControllerManifests, ThePodsMeetTheStrictestPodSecurityStandard) {
  EXPECT_THAT(installed_.errors, Not(HasSubstr("Warning")));
  const Json labels = Json::parse(
      admin_.kubectl({"get", "namespace", kSystem, "-o", "json"}).output)["metadata"]["labels"];
  EXPECT_EQ(labels["pod-security.kubernetes.io/enforce"], "restricted");
  Json pod = Json::parse(
      admin_.kubectl({"get", "deployment", "tenure-controller", "-n", kSystem, "-o", "json"})
          .output)["spec"]["template"];
  pod["apiVersion"] = "v1";
  pod["kind"] = "Pod";
  pod["metadata"]["name"] = "trial";
  const auto made =
      admin_.kubectl({"create", "-n", kSystem, "--dry-run=server", "-f", "-"}, pod.dump());
  EXPECT_EQ(made.code, 0) << made.errors;
}

TEST_F(K8sControllerManifests, TheProgramPrintsWhatKustomizeApplies) {
  const auto names = [&](const Words& from, const std::string& input = {}) {
    Words words = {"apply", "--server-side", "--dry-run=server", "-o", "name"};
    words.insert(words.end(), from.begin(), from.end());
    const auto applied = admin_.kubectl(words, input);
    EXPECT_EQ(applied.code, 0) << applied.errors;
    return words_of(applied.output);
  };
  const std::string printed =
      finish({"manifests", "crds"}).output + finish({"manifests", "controller"}).output;
  EXPECT_EQ(names({"-f", "-"}, printed), names({"-k", kFolder + "base"}));
}

TEST_F(K8sControllerManifests, EachOverlayIsTheSameWithWhatItsNameSays) {
  const std::pair<const char*, const char*> overlays[] = {
      {"gke-workload-identity",
       "iam.gke.io/gcp-service-account: tenure-controller@PROJECT.iam.gserviceaccount.com"},
      {"emulator", "- name: STORAGE_EMULATOR_HOST"},
      {"namespace-selector", "- --namespace-selector=tenure.dev/controller=enabled"}};
  const std::set<std::string> base = words_of(installed_.output);
  for (const auto& [overlay, text] : overlays) {
    const std::string folder = kFolder + "overlays/" + overlay;
    EXPECT_THAT(kubectl({"kustomize", folder}), HasSubstr(text));
    const auto applied =
        admin_.kubectl({"apply", "--server-side", "--dry-run=server", "-k", folder});
    EXPECT_EQ(applied.code, 0) << applied.errors;
    for (const std::string& name : base)
      EXPECT_THAT(words_of(applied.output), ::testing::Contains(name)) << overlay;
  }
}

// -------------------------------------------------------------------------------------------------
// objects

TEST_F(K8sControllerManifests, WhatTheGoClientWritesIsTaken) {
  EXPECT_EQ(create(heartbeat("pod-0_1234", 60)).code, 0);
  EXPECT_EQ(object()["spec"], heartbeat("pod-0_1234", 60));
  EXPECT_EQ(object()["metadata"]["generation"], 1);
  const Json released = heartbeat("", 1);
  EXPECT_EQ(patch(released).code, 0);
  EXPECT_EQ(object()["spec"], released);
  EXPECT_EQ(object()["metadata"]["generation"], 2);
  Json quick = heartbeat("pod-0_1234", 1);
  quick["retryPeriodSeconds"] = 0;  // less than a second
  EXPECT_EQ(patch(quick).code, 0);
}

TEST_F(K8sControllerManifests, WhatSomebodyElseOnceSetDoesNotStopTheGoClient) {
  EXPECT_EQ(create({{"leaseDurationSeconds", 60},
                    {"renewDeadlineSeconds", 30},
                    {"retryPeriodSeconds", 10},
                    {"lockName", "global.job"},
                    {"priority", -1}})
                .code,
            0);
  for (const int duration : {60, 15, 1}) {
    const auto taken = patch(heartbeat("pod-0", duration));
    EXPECT_EQ(taken.code, 0) << taken.errors;
  }
  EXPECT_EQ(object()["spec"]["renewDeadlineSeconds"], 30);
  const auto refused = patch({{"renewDeadlineSeconds", 31}});
  EXPECT_THAT(refused.errors, HasSubstr("must be less than leaseDurationSeconds"));
}

TEST_F(K8sControllerManifests, MistakesAreRefusedWithWhatToDo) {
  const std::pair<Json, const char*> mistakes[] = {
      {{{"leaseDurationSeconds", 0}}, "spec.leaseDurationSeconds in body should be greater"},
      {{{"leaseDurationSeconds", 2147483648}}, "spec.leaseDurationSeconds in body should be less"},
      {{{"retryPeriodSeconds", -1}}, "spec.retryPeriodSeconds in body should be greater"},
      {{{"renewDeadlineSeconds", 0}}, "spec.renewDeadlineSeconds in body should be greater"},
      {{{"leaseDurationSeconds", 60}, {"renewDeadlineSeconds", 60}},
       "renewDeadlineSeconds must be less than leaseDurationSeconds (15 when absent); two thirds"},
      {{{"renewDeadlineSeconds", 15}}, "renewDeadlineSeconds must be less than"},
      {{{"priority", 2147483648}}, "spec.priority in body should be less"},
      {{{"renewTime", "yesterday"}}, "spec.renewTime in body must be of type date-time"},
      {{{"holderIdentity", std::string(254, 'a')}}, "may not be more than 253"},
      {{{"holderIdentity", "a\nb"}}, "a good one is the name of the Pod and a random word"},
      {{{"holderIdentity", "a\u0085b"}}, "holderIdentity must not contain control characters"},
      {{{"lockName", "other/job"}}, "leave it out to use the name of the object"},
      {{{"lockName", "../other/job"}}, "lockName must be a name as objects have it"},
      {{{"lockName", ""}}, "lockName must be a name as objects have it"},
      {{{"lockName", "Job"}}, "lockName must be a name as objects have it"},
      {{{"lockname", "job"}}, "unknown field \"spec.lockname\""}};
  for (const auto& [spec, message] : mistakes) {
    const auto refused = create(spec);
    EXPECT_EQ(refused.code, 1) << spec;
    EXPECT_THAT(refused.errors, HasSubstr(message)) << spec;
  }
  EXPECT_EQ(kubectl({"get", "mcl", "-o", "name"}), "");
}

const Json kStatus = {{"observedGeneration", 1},
                      {"globalHolderIdentity", "pod-7"},
                      {"globalRenewTime", "2026-01-02T03:04:05Z"},
                      {"globalLeaseDurationSeconds", 60},
                      {"globalLeaseTransitions", 41},
                      {"fencingToken", 41},
                      {"isLeader", false},
                      {"currentLeader", "pod-7"},
                      {"lastHeartbeatTime", "2026-01-02T03:04:05.123456Z"},
                      {"lock", {{"store", "gs://bucket/prefix"}, {"key", "leases/default/job"}}},
                      {"conditions", Json::array({{{"type", "BackendHealthy"},
                                                   {"status", "True"},
                                                   {"observedGeneration", 1},
                                                   {"lastTransitionTime", "2026-01-02T03:04:05Z"},
                                                   {"reason", "BackendHealthy"},
                                                   {"message", "gs://bucket answers"}}})}};

TEST_F(K8sControllerManifests, KubectlShowsWhoWantsTheLockAndWhoHasIt) {
  EXPECT_EQ(create(heartbeat("pod-0", 60)).code, 0);
  kubectl({"patch", "mcl", "job", "--subresource=status", "--type=merge", "-p",
           Json({{"status", kStatus}}).dump()});
  EXPECT_EQ(object()["status"], kStatus) << "the whole of it is kept";
  std::istringstream table(kubectl({"get", "mcl"}));
  std::string head;
  std::string row;
  std::getline(table, head);
  std::getline(table, row);
  const auto column = [&](const char* name) {
    const std::size_t at = head.find(name);
    return at < row.size() ? row.substr(at, row.find("  ", at) - at) : "(none)";
  };
  EXPECT_EQ(column("HOLDER (SPEC)"), "pod-0");
  EXPECT_EQ(column("LEADER (STATUS)"), "pod-7");
  EXPECT_EQ(column("ISLEADER"), "false");
  EXPECT_EQ(column("EPOCH"), "41");
  EXPECT_EQ(column("RENEW TIME (STATUS)"), "2026-01-02T03:04:05Z");
  EXPECT_NE(column("AGE"), "(none)");
}

TEST_F(K8sControllerManifests, TheStatusIsWrittenApartFromTheSpec) {
  EXPECT_EQ(create(heartbeat("pod-0", 60)).code, 0);
  kubectl({"patch", "mcl", "job", "--type=merge", "-p", R"({"status":{"isLeader":true}})"});
  EXPECT_FALSE(object().contains("status"));
  kubectl({"patch", "mcl", "job", "--subresource=status", "--type=merge", "-p",
           R"({"spec":{"holderIdentity":"x"},"status":{"isLeader":true}})"});
  EXPECT_EQ(object()["spec"]["holderIdentity"], "pod-0");
  EXPECT_EQ(object()["status"]["isLeader"], true);
  EXPECT_EQ(object()["metadata"]["generation"], 1);
}

// -------------------------------------------------------------------------------------------------
// rights

TEST_F(K8sControllerManifests, TheControllerMayDoWhatItHasTo) {
  EXPECT_EQ(create(heartbeat("pod-0", 60)).code, 0);
  const Json lock = {{"apiVersion", "coordination.k8s.io/v1"},
                     {"kind", "Lease"},
                     {"metadata", {{"name", "tenure-controller"}, {"namespace", kSystem}}},
                     {"spec", {{"holderIdentity", "replica-1"}}}};
  const auto made = admin_.kubectl({"apply", "--server-side", "-f", "-"}, lock.dump());
  ASSERT_EQ(made.code, 0) << made.errors;
  const Json event = {
      {"apiVersion", "v1"},
      {"kind", "Event"},
      {"metadata", {{"name", "job.1"}, {"namespace", namespace_}}},
      {"involvedObject", {{"kind", "MultiClusterLease"}, {"namespace", namespace_}}},
      {"reason", "LeaderElection"},
      {"message", "pod-0 became leader"}};

  const Cluster controller = as("tenure-controller", kSystem);
  const std::string leases = kApi + namespace_ + "/multiclusterleases";
  ASSERT_TRUE(eventually([&] {  // the authorizer hears of a new role a little later
    return controller.kubectl({"get", "--raw", leases}).code == 0;
  }));
  const auto may = [&](const Words& words, const std::string& input = {}) {
    const auto done = controller.kubectl(words, input);
    EXPECT_EQ(done.code, 0) << words[0] << ' ' << words[1] << ' ' << words[2] << ": "
                            << done.errors;
  };
  may({"get", "--raw", leases + "/job"});
  may({"get", "--raw", leases + "?watch=true&timeoutSeconds=1"});
  may({"get", "--raw",
       "/apis/multicluster.core.cnrm.cloud.google.com/v1alpha1/"
       "multiclusterleases?watch=true&timeoutSeconds=1"});
  Json status = lease({});
  status.erase("spec");
  status["status"] = {{"isLeader", true}};
  // One PATCH, where kubectl patch would look at the object before.
  may({"apply", "--server-side", "--subresource=status", "-n", namespace_, "-f", "-"},
      status.dump());
  may({"create", "-f", "-"}, event.dump());
  may({"get", "namespace", "kube-system"});
  const std::string locks =
      std::string("/apis/coordination.k8s.io/v1/namespaces/") + kSystem + "/leases";
  may({"get", "--raw", locks + "/tenure-controller"});
  may({"get", "--raw",
       locks + "?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Dtenure-controller"});
  may({"replace", "-f", "-"}, lock.dump());
  Json another = lock;
  another["metadata"].erase("name");
  another["metadata"]["generateName"] = "tenure-controller-";
  may({"create", "--dry-run=server", "-f", "-"}, another.dump());
}

TEST_F(K8sControllerManifests, AndNothingElse) {
  kubectl({"create", "serviceaccount", "nobody"});
  const Cluster nobody = as("nobody", namespace_);
  const Cluster controller = as("tenure-controller", kSystem);
  const auto rights = [](const Cluster& account, const std::string& where) {
    return lines_of(account.kubectl({"auth", "can-i", "--list", "-n", where}).output);
  };
  const auto more_than_nobody = [&](const std::string& where) {
    const std::set<std::string> all = rights(controller, where);
    const std::set<std::string> usual = rights(nobody, where);
    std::set<std::string> more;
    std::set_difference(all.begin(), all.end(), usual.begin(), usual.end(),
                        std::inserter(more, more.end()));
    return more;
  };
  std::set<std::string> expected = {
      "events [] [] [create]",
      "multiclusterleases.multicluster.core.cnrm.cloud.google.com [] [] [get list watch]",
      "multiclusterleases.multicluster.core.cnrm.cloud.google.com/status [] [] [patch]",
      "namespaces [] [kube-system] [get]"};
  EXPECT_TRUE(eventually([&] { return more_than_nobody(namespace_) == expected; }))
      << ::testing::PrintToString(more_than_nobody(namespace_));
  expected.insert({"leases.coordination.k8s.io [] [] [create]",
                   "leases.coordination.k8s.io [] [tenure-controller] [get watch update]"});
  EXPECT_TRUE(eventually([&] { return more_than_nobody(kSystem) == expected; }))
      << ::testing::PrintToString(more_than_nobody(kSystem));
}

}  // namespace
}  // namespace tenure::test
