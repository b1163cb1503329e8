// What one cluster and one user of a kubeconfig say, as a ClusterConfig.
//
// Thread safety: functions without state. Blocks for as long as reading the named files takes.
#pragma once

#include <string>

#include "kube/cluster_config.h"
#include "kube/kubeconfig_files.h"
#include "tenure/result.h"

namespace tenure::kube {

/// Sets all that concerns the server, and `exec`'s cluster_extension if there is an exec already.
Status apply_cluster(const std::string& name, const KubeconfigEntry& entry, ClusterConfig& config);

/// Sets all that concerns the user.
Status apply_user(const std::string& name, const KubeconfigEntry& entry, ClusterConfig& config);

/// "FILE: users[red].user"; for messages.
std::string place_of(const KubeconfigEntry& entry, const std::string& name, const char* list,
                     const char* body);

}  // namespace tenure::kube
