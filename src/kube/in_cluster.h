// How a Pod reaches the API server of the cluster that it runs in, and which way to choose when
// nobody says. kubernetes.io/docs/tasks/run-application/access-api-from-pod
//
// Thread safety: functions without state. Blocks for as long as reading small files takes.
#pragma once

#include <string>

#include "kube/cluster_config.h"
#include "kube/kubeconfig.h"
#include "tenure/result.h"

namespace tenure::kube {

struct InClusterRequest {
  std::string host{};  ///< the value of KUBERNETES_SERVICE_HOST
  std::string port{};  ///< the value of KUBERNETES_SERVICE_PORT
  /// Where the kubelet puts the files token, ca.crt and namespace.
  std::string folder = "/var/run/secrets/kubernetes.io/serviceaccount";
};

/// The token stays a file, because the kubelet rotates it. Without a readable ca.crt the system's
/// authorities are asked, with a warning, as in client-go. Errors: not_found (this is no Pod),
/// otherwise those of the token file, and invalid_argument (host or port).
Result<ClusterConfig> load_in_cluster(const InClusterRequest& request);

struct ClusterRequest {
  KubeconfigRequest kubeconfig{};
  InClusterRequest in_cluster{};
};

/// The order of controller-runtime's GetConfig(): --kubeconfig or --context; KUBECONFIG;
/// in-cluster;
/// ~/.kube/config. kubectl differs in asking ~/.kube/config before it looks for a Pod's files; in
/// a Pod, its service account is what an operator expects. As in both, a KUBECONFIG whose files are
/// all missing or empty counts as not set, unless there is nothing else. Errors: those of the way
/// that was chosen; not_found when there is none.
Result<ClusterConfig> discover_cluster(const ClusterRequest& request);

}  // namespace tenure::kube
