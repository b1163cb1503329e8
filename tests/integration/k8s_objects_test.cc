// What a candidate writes beside the Lease, on a real API server: Events, and the label of its Pod.
#include <memory>
#include <vector>

#include "k8s_test.h"
#include "kube/events.h"
#include "kube/kubeconfig.h"
#include "kube/pod_label.h"
#include "runtime/testing/loop_for_tests.h"
#include "servers/control_plane.h"

namespace tenure::test {
namespace {

using kube::LeaderEvent;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class K8sObjects : public K8sTest {
 protected:
  void SetUp() override {
    const auto cluster = shared_cluster();
    ASSERT_TRUE(cluster) << cluster.error().to_string();
    use(*cluster);
  }
  /// As the administrator, or with the token of somebody else.
  [[nodiscard]] std::unique_ptr<kube::Client> client(const std::string& token = {}) {
    kube::KubeconfigRequest request;
    request.path = admin_.kubeconfig;
    auto config = kube::load_kubeconfig(request).value();
    config.namespace_name = namespace_;
    if (!token.empty()) config.token = token;
    return std::move(kube::Client::create(*loop_, std::move(config), "tenure-test").value());
  }
  void connect(const std::string& token = {}, const std::string& lease = "job") {
    client_ = client(token);
    const auto warn = [this](std::string text) { problems_.push_back(std::move(text)); };
    events_ = std::make_unique<kube::EventRecorder>(
        *loop_, *client_, kube::EventRecorder::Options{.lease = lease, .identity = "web-0"}, warn);
    label_ = std::make_unique<kube::PodLabel>(
        *loop_, *client_,
        kube::PodLabel::Options{.pod = "web-0", .label = {.key = kKey, .value = "true"}}, warn);
  }
  /// Runs the loop until there is nothing to write, or for so long.
  template <class Writer>
  void settle(Writer& writer, Duration at_most = kPatience) {
    writer.settle(loop_->now().mono + at_most, [this] { loop_->stop(); });
    run_until_stopped(*loop_, "settle()");
  }
  void record(LeaderEvent event) {
    events_->record(event);
    settle(*events_);
  }
  void set_label(bool leads) {
    label_->set(leads);
    settle(*label_);
  }

  void create(const Json& object) const {
    const ProgramResult made =
        admin_.kubectl({"create", "-n", namespace_, "-f", "-"}, object.dump());
    EXPECT_EQ(made.code, 0) << made.errors;
  }
  void create_lease(const std::string& name = "job") const {
    create({{"apiVersion", "coordination.k8s.io/v1"},
            {"kind", "Lease"},
            {"metadata", {{"name", name}}}});
  }
  void create_pod() const {
    create({{"apiVersion", "v1"},
            {"kind", "Pod"},
            {"metadata", {{"name", "web-0"}, {"labels", {{"app", "web"}}}}},
            {"spec", {{"containers", Json::array({{{"name", "main"}, {"image", "web"}}})}}}});
  }
  /// Lets an account do what docs and error messages say is needed, or nothing; its token.
  [[nodiscard]] std::string robot(bool may_write) const {
    kubectl({"create", "serviceaccount", "robot"});
    if (may_write) {
      create({{"apiVersion", "rbac.authorization.k8s.io/v1"},
              {"kind", "Role"},
              {"metadata", {{"name", "robot"}}},
              {"rules",
               {rule("", "events", "create"), rule("", "pods", "patch"),
                rule("coordination.k8s.io", "leases", "get")}}});
      kubectl({"create", "rolebinding", "robot", "--role=robot",
               "--serviceaccount=" + namespace_ + ":robot"});
      EXPECT_TRUE(eventually([&] {  // the authorizer hears of a new role a little later
        return admin_
                   .kubectl({"auth", "can-i", "patch", "pods", "-n", namespace_,
                             "--as=system:serviceaccount:" + namespace_ + ":robot"})
                   .code == 0;
      }));
    }
    return kubectl({"create", "token", "robot"});
  }
  static Json rule(const char* group, const char* resource, const char* verb) {
    return {{"apiGroups", Json::array({group})},
            {"resources", Json::array({resource})},
            {"verbs", Json::array({verb})}};
  }

  [[nodiscard]] Json events() const {
    return Json::parse(kubectl({"get", "events", "--sort-by=.message", "--field-selector",
                                "reason=LeaderElection", "-o", "json"}))["items"];
  }
  [[nodiscard]] Json labels() const {
    return Json::parse(kubectl({"get", "pod", "web-0", "-o", "json"}))["metadata"]["labels"];
  }
  /// What a Service with this selector would find.
  [[nodiscard]] std::string selected() const {
    return kubectl({"get", "pods", "-l", std::string(kKey) + "=true", "-o", "name"});
  }

  static constexpr const char* kKey = "tenure.dev/leader";
  static inline const Json kLabelled = {{"app", "web"}, {kKey, "true"}};
  static inline const Json kPlain = {{"app", "web"}};
  const std::unique_ptr<Loop> loop_ = std::move(Loop::create().value());
  std::unique_ptr<kube::Client> client_;
  std::vector<std::string> problems_;
  std::unique_ptr<kube::EventRecorder> events_;
  std::unique_ptr<kube::PodLabel> label_;
};

TEST_F(K8sObjects, EventsTellWhoLeads) {
  create_lease();
  connect();
  record(LeaderEvent::became_leader);
  record(LeaderEvent::stopped_leading);
  const Json found = events();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0]["message"], "web-0 became leader");
  EXPECT_EQ(found[1]["message"], "web-0 stopped leading");
  for (const Json& event : found) {
    EXPECT_EQ(event["type"], "Normal");
    EXPECT_EQ(event["count"], 1);
    EXPECT_EQ(event["source"], Json({{"component", "tenure"}}));
    EXPECT_EQ(event["reportingComponent"], "tenure");
    EXPECT_EQ(event["reportingInstance"], "web-0");
    EXPECT_TRUE(event["firstTimestamp"].is_string());
    EXPECT_EQ(event["lastTimestamp"], event["firstTimestamp"]);
    EXPECT_EQ(event["involvedObject"]["kind"], "Lease");
    EXPECT_EQ(event["involvedObject"]["apiVersion"], "coordination.k8s.io/v1");
    EXPECT_EQ(event["involvedObject"]["uid"], lease()["metadata"]["uid"]);
  }
  EXPECT_THAT(problems_, ElementsAre());
}

TEST_F(K8sObjects, KubectlShowsTheEventsOfTheLease) {
  create_lease();
  connect();
  record(LeaderEvent::became_leader);
  EXPECT_THAT(kubectl({"describe", "lease", "job"}),
              AllOf(HasSubstr("LeaderElection"), HasSubstr("tenure  web-0 became leader")));
  EXPECT_THAT(kubectl({"events", "--for=lease/job"}), HasSubstr("web-0 became leader"));
  EXPECT_THAT(kubectl({"get", "events", "-o", "wide"}),
              AllOf(HasSubstr("lease/job"), HasSubstr("tenure, web-0")));
}

TEST_F(K8sObjects, EventsOfTheLongestNameAndOfAMissingLeaseAreTaken) {
  const std::string longest = std::string(126, 'a') + "." + std::string(126, 'b');
  create_lease(longest);
  connect({}, longest);
  record(LeaderEvent::became_leader);
  connect({}, "missing");
  record(LeaderEvent::stopped_leading);
  const Json found = events();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0]["involvedObject"]["name"], longest);
  EXPECT_EQ(found[1]["involvedObject"]["name"], "missing");
  EXPECT_THAT(problems_, ElementsAre());
}

TEST_F(K8sObjects, TheLabelComesAndGoesAndOthersStay) {
  create_pod();
  connect();
  set_label(true);
  EXPECT_EQ(labels(), kLabelled);
  EXPECT_EQ(selected(), "pod/web-0\n");
  kubectl({"label", "pod", "web-0", "tier=front"});
  set_label(false);
  EXPECT_EQ(labels(), Json({{"app", "web"}, {"tier", "front"}}));
  EXPECT_EQ(selected(), "");
  EXPECT_THAT(problems_, ElementsAre());
}

TEST_F(K8sObjects, TheLabelOfAnEarlierRunIsRemoved) {
  create_pod();
  kubectl({"label", "pod", "web-0", std::string(kKey) + "=true"});
  connect();
  set_label(false);
  EXPECT_EQ(labels(), kPlain);
}

TEST_F(K8sObjects, AnAccountWithoutRightsIsToldWhichOnesAreMissing) {
  create_lease();
  create_pod();
  connect(robot(false));
  record(LeaderEvent::became_leader);
  record(LeaderEvent::stopped_leading);
  set_label(false);
  set_label(true);
  EXPECT_THAT(
      problems_,
      ElementsAre(AllOf(HasSubstr("the Event \"web-0 became leader\" was not recorded"),
                        HasSubstr("; allow the verb create on events in namespace " + namespace_)),
                  AllOf(HasSubstr("the label tenure.dev/leader of Pod web-0 was not removed"),
                        HasSubstr("; allow the verb patch on pods in namespace " + namespace_))));
}

TEST_F(K8sObjects, TheseRightsAreEnough) {
  create_lease();
  create_pod();
  connect(robot(true));
  record(LeaderEvent::became_leader);
  set_label(true);
  EXPECT_THAT(problems_, ElementsAre());
  EXPECT_EQ(events().size(), 1U);
  EXPECT_EQ(labels(), kLabelled);
}

TEST_F(K8sObjects, APodThatIsGoneIsTold) {
  connect();
  set_label(false);
  EXPECT_THAT(problems_, ElementsAre(AllOf(HasSubstr("pods \"web-0\" not found"),
                                           HasSubstr("check the Pod's name"))));
}

class K8sObjectsOutage : public K8sObjects {
 protected:
  void SetUp() override {
    auto started = ControlPlane::start({});
    ASSERT_TRUE(started) << started.error().to_string();
    plane_ = std::move(*started);
    use(plane_->cluster());
    create_lease();
    create_pod();
    connect();
  }
  std::unique_ptr<ControlPlane> plane_;
};

TEST_F(K8sObjectsOutage, AfterAFreezeOnlyTheNewestWishIsThere) {
  for (const bool leads : {true, false}) {
    set_label(!leads);
    plane_->stop(Server::api_server);
    label_->set(leads);
    settle(*label_, seconds(1));  // it is on its way
    label_->set(!leads);
    label_->set(leads);
    label_->set(!leads);
    plane_->resume(Server::api_server);
    settle(*label_);
    EXPECT_EQ(labels(), leads ? kPlain : kLabelled);
  }
}

TEST_F(K8sObjectsOutage, TheEndIsNotHeldUpByAFrozenServer) {
  set_label(false);
  plane_->stop(Server::api_server);
  events_->record(LeaderEvent::stopped_leading);
  label_->set(true);
  const Instant deadline = loop_->now().mono + seconds(1);
  settle(*events_, seconds(1));
  settle(*label_, seconds(1));
  const Instant ended = loop_->now().mono;
  plane_->resume(Server::api_server);
  EXPECT_GE(ended, deadline);
  EXPECT_LT(ended, deadline + kPatience);
  settle(*events_);
  settle(*label_);
  EXPECT_EQ(events().size(), 1U);
  EXPECT_EQ(labels(), kLabelled);
}

}  // namespace
}  // namespace tenure::test
