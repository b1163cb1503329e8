// The Lease store against the kube-apiserver that CTest has started; each test in a namespace of
// its own.
#include <stdexcept>
#include <utility>

#include "core/record_codec.h"
#include "kube/client.h"
#include "kube/kubeconfig.h"
#include "servers/cluster.h"
#include "store/lease_codec.h"
#include "store/lease_store.h"
#include "store_conformance.h"

namespace tenure {
namespace {

template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  return std::move(*result);
}

class LeaseBackend final : public StoreBackend {
 public:
  LeaseBackend()
      : cluster_(value_of(test::shared_cluster())),
        namespace_(value_of(test::fresh_namespace(cluster_))) {}

  std::unique_ptr<Store> open(Loop& loop) override {
    kube::KubeconfigRequest request;
    request.path = cluster_.kubeconfig;
    auto config = value_of(kube::load_kubeconfig(request));
    config.namespace_name = namespace_;
    auto client = value_of(kube::Client::create(loop, std::move(config), "tenure-test"));
    return LeaseStore::create(loop, std::move(client), "k8s://" + namespace_);
  }

  void put_raw(const std::string& lock, std::string_view bytes) override {
    LeaderElectionRecord record;
    record.lease_duration_seconds = 1;
    record.leader_transitions = ++writes_;  // an update that changes nothing is none
    const bool is_newer = decode_record(bytes, "1").kind == Observation::Kind::too_new;
    record.format = is_newer ? kRecordFormat + 1 : kDamagedFormat;
    const std::string lease = encode_lease(record, namespace_, lock, "");
    if (cluster_.kubectl({"replace", "-f", "-"}, lease).code == 0) return;
    const auto created = cluster_.kubectl({"create", "-f", "-"}, lease);
    ASSERT_EQ(created.code, 0) << created.errors;
  }

  [[nodiscard]] std::vector<std::string> names() const override {
    return {"a", "0", "my-job", "a.b.c", "a-b.c-d", std::string(253, 'x')};
  }
  // Unknown keys are those of a Lease; strategies are behind a gate of the API server.
  [[nodiscard]] LeaderElectionRecord fullest(LeaderElectionRecord record) const override {
    record.strategy.clear();
    record.preferred_holder.clear();
    record.unknown_json = R"({"metadata":{"labels":{"team":"a"},"finalizers":["example.com/f"],)"
                          R"("annotations":{"note":"k"}}})";
    return record;
  }

 private:
  static constexpr int kDamagedFormat = -1;
  const test::Cluster cluster_;
  const std::string namespace_;
  Epoch writes_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Lease, StoreConformance,
                         testing::Values(StoreCase{
                             "Lease", [](Loop&) { return std::make_unique<LeaseBackend>(); }}),
                         store_case_name);

}  // namespace
}  // namespace tenure
