// Two control planes, east and west, with one bucket; for tests of `tenure controller` and of what
// stands on both sides of it.
#pragma once

#include <algorithm>
#include <memory>
#include <string>

#include "integration/k8s_test.h"
#include "servers/control_plane.h"
#include "servers/gcs_server.h"

namespace tenure::test {

inline constexpr const char* kStarted = R"({"event":"started"})";
inline constexpr const char* kStopped = R"({"event":"stopped"})";

class MultiCluster : public K8sTest {
 protected:
  void SetUp() override {
    const auto shared = shared_cluster();
    ASSERT_TRUE(shared) << shared.error().to_string();
    use(*shared);
    auto plane = ControlPlane::start({});
    ASSERT_TRUE(plane) << plane.error().to_string();
    west_plane_ = std::move(*plane);
    west_ = west_plane_->cluster();
    EXPECT_EQ(west_.kubectl({"create", "namespace", namespace_}).code, 0);
    for (const Cluster* cluster : {&admin_, &west_})
      EXPECT_EQ(cluster->kubectl({"apply", "--server-side", "--force-conflicts", "-f", CRD}).code,
                0);
    auto store = GcsServer::start();
    ASSERT_TRUE(store) << store.error().to_string();
    store_ = std::move(*store);
  }

  [[nodiscard]] const Cluster& east() const { return admin_; }

  /// Of the environment, what is given goes before what all have.
  [[nodiscard]] std::unique_ptr<Program> controller(const Cluster& cluster, const std::string& name,
                                                    const Words& more = {},
                                                    const Words& environment = {}) const {
    Words words = {"controller",
                   std::string("--gcs-bucket=") + GcsServer::kBucket,
                   "--cluster=" + name,
                   "--kubeconfig=" + cluster.kubeconfig,
                   "--health-addr=127.0.0.1:0",
                   "--metrics-addr=127.0.0.1:0",
                   "--log=json"};
    // Tests share the cluster in the east, each with a bucket of its own.
    const auto selects = [](const std::string& word) {
      return word.starts_with("--namespace-selector=");
    };
    if (std::none_of(more.begin(), more.end(), selects))
      words.push_back("--namespace-selector=kubernetes.io/metadata.name=" + namespace_);
    words.insert(words.end(), more.begin(), more.end());
    Program::Setup setup;
    setup.environment = environment;
    setup.environment.push_back("STORAGE_EMULATOR_HOST=" + store_->url());
    return std::make_unique<Program>(words, setup);
  }
  /// Gives the lock back when it is asked to end.
  [[nodiscard]] std::unique_ptr<Program> go(const Cluster& cluster,
                                            const std::string& identity) const {
    Words words = {"--kubeconfig=" + cluster.kubeconfig, "--namespace=" + namespace_,
                   "--lease=lock", "--id=" + identity, "--release-on-cancel"};
    words.insert(words.end(), {"--lease-duration=8s", "--renew-deadline=5s", "--retry-period=1s"});
    return std::make_unique<Program>(words,
                                     Program::Setup{.path = east().programs + "/mcl_client"});
  }

  [[nodiscard]] Json object(const Cluster& cluster) const {
    const auto got = cluster.kubectl({"get", "mcl", "lock", "-n", namespace_, "-o", "json"});
    return got.code == 0 ? Json::parse(got.output) : Json::object();
  }
  [[nodiscard]] Json status(const Cluster& cluster) const {
    return object(cluster).value("status", Json::object());
  }
  [[nodiscard]] std::string condition(const Cluster& cluster, const std::string& type) const {
    for (const Json& one : status(cluster).value("conditions", Json::array()))
      if (one["type"] == type) return one["status"];
    return "absent";
  }
  [[nodiscard]] Json record() const {
    const auto text = store_->get("leases/" + namespace_ + "/lock");
    return text ? Json::parse(*text) : Json::object();
  }
  /// Three heartbeats more are acknowledged.
  [[nodiscard]] ::testing::AssertionResult is_acknowledged(const Cluster& cluster) const {
    const auto answered = [&] {
      return status(cluster).value("observedGeneration", std::int64_t{0});
    };
    const std::int64_t before = answered();
    const auto is_so = [&] { return answered() >= before + 3; };
    if (eventually(is_so) || eventually(is_so)) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << object(cluster) << " with record " << record();
  }
  [[nodiscard]] ::testing::AssertionResult names(const Cluster& cluster,
                                                 const std::string& holder) const {
    const auto is_so = [&] {
      return status(cluster).value("globalHolderIdentity", std::string()) == holder;
    };
    if (eventually(is_so) || eventually(is_so)) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << object(cluster) << " with record " << record();
  }

  std::unique_ptr<ControlPlane> west_plane_;
  Cluster west_;
  std::unique_ptr<GcsServer> store_;
};

}  // namespace tenure::test
