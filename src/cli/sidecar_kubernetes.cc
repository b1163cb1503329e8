#include "cli/sidecar_kubernetes.h"

#include <utility>

#include "cli/commands.h"
#include "store/open_store.h"

namespace tenure::cli {
namespace {

bool same_place(const kube::ClusterConfig& a, const kube::ClusterConfig& b) {
  return a.server == b.server && a.namespace_name == b.namespace_name &&
         a.token_file == b.token_file;
}

}  // namespace

Result<std::unique_ptr<SidecarKubernetes>> SidecarKubernetes::create(Loop& loop, const RunLog& log,
                                                                     const Options& options) {
  const auto warn = [&log](const char* event) {
    return [&log, event](const std::string& text) { log.warning(event, 0, text); };
  };
  auto made = std::unique_ptr<SidecarKubernetes>(new SidecarKubernetes(loop));
  if (options.lock_url.kind == StoreUrl::Kind::k8s) {
    auto client = open_cluster(loop, options.lock_url);
    if (!client) return tl::unexpected(client.error());
    made->lease_client_ = *std::move(client);
    made->events_.emplace(
        loop, *made->lease_client_,
        kube::EventRecorder::Options{.lease = options.lock, .identity = options.identity},
        warn("event_failed"));
  }
  if (options.pod_label.empty()) return made;

  auto label = kube::parse_label(options.pod_label);
  if (!label) return tl::unexpected(label.error());
  if (options.pod.empty())
    return failure(ErrorCode::invalid_argument, "--pod-label needs to know the Pod",
                   "set POD_NAME from the field metadata.name");
  auto own = own_cluster();
  if (!own && own.error().code != ErrorCode::not_found) return tl::unexpected(own.error());
  if (!own && !made->lease_client_)
    return failure(ErrorCode::invalid_argument, "--pod-label: this is no Pod of a cluster",
                   "leave --pod-label out");
  if (own && !(made->lease_client_ && same_place(*own, made->lease_client_->config()))) {
    auto client =
        kube::Client::create(loop, *std::move(own), "tenure/" + std::string(version_text()));
    if (!client) return tl::unexpected(client.error());
    made->pod_client_ = *std::move(client);
  }
  kube::Client& client = made->pod_client_ ? *made->pod_client_ : *made->lease_client_;
  made->label_.emplace(loop, client,
                       kube::PodLabel::Options{.pod = options.pod, .label = *std::move(label)},
                       warn("label_failed"));
  made->label_->set(false);  // an earlier run may have left it
  return made;
}

void SidecarKubernetes::leads(bool leads) {
  if (label_) label_->set(leads);
  if (events_)
    events_->record(leads ? kube::LeaderEvent::became_leader : kube::LeaderEvent::stopped_leading);
}

void SidecarKubernetes::settle(Instant deadline, const std::function<void()>& done) {
  const auto settle_events = [this, deadline, done] {
    if (events_) return events_->settle(deadline, done);
    loop_.post(done);
  };
  if (label_) return label_->settle(deadline, settle_events);
  settle_events();
}

}  // namespace tenure::cli
