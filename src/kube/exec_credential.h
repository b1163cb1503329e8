// What an exec plugin is told and what it answers: ExecCredential objects as JSON.
// kubernetes.io/docs/reference/config-api/client-authentication.v1
//
// Thread safety: functions without state.
#pragma once

#include <optional>
#include <string>

#include "auth/credential_source.h"
#include "kube/cluster_config.h"
#include "tenure/result.h"
#include "tenure/time.h"

namespace tenure::kube {

/// The value of KUBERNETES_EXEC_INFO. `config.exec` is set.
std::string exec_info(const ClusterConfig& config);

struct ExecAnswer {
  Credential credential;
  std::optional<WallTime> expires;
};

/// Error: corrupt, with the plugin's command, without anything of its output.
Result<ExecAnswer> parse_exec_credential(const std::string& output, const ExecPlugin& plugin);

}  // namespace tenure::kube
