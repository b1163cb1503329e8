// Kubeconfigs: the files in which kubectl and all its relatives keep how to reach clusters.
//
// Rules are client-go's (k8s.io/client-go/tools/clientcmd, v0.35): with an explicit path that file
// alone; else the files of KUBECONFIG; else ~/.kube/config. Of several files the first that names a
// cluster, user, context or current-context decides over it, whole; missing ones are skipped, but
// not an explicit one. A relative path is meant from the folder of the file that it stands in. Data
// in the kubeconfig wins over a file that it names. Credentials are sent over https only. A token,
// a password or a certificate wins over an exec plugin.
//
// Stricter than kubectl, because silence would cost somebody an afternoon: a key that appears
// twice, a context whose cluster or user does not exist, user name or query in the server's URL,
// and a server without "https://" are errors. Legacy auth-provider sections are not run, and
// neither are plugins that insist on asking a person.
//
// All files are read once, within limits (a mebibyte each, 256 KiB for a certificate or key).
//
// Thread safety: functions without state. Blocks for as long as reading the files takes.
//
//   auto config = load_kubeconfig({.kubeconfig_variable = environment_variable("KUBECONFIG"),
//                                  .home = environment_variable("HOME")});
#pragma once

#include <string>
#include <vector>

#include "kube/cluster_config.h"
#include "tenure/result.h"

namespace tenure::kube {

/// Where to look. An empty text means "not given".
struct KubeconfigRequest {
  std::string path{};                 ///< --kubeconfig: this file and no other
  std::string kubeconfig_variable{};  ///< the value of KUBECONFIG: paths with colons between
  std::string home{};                 ///< the folder in which .kube/config may lie
  std::string context{};              ///< --context; empty for the files' current-context
};

/// Errors: not_found (no file, or nothing of that name in the files), permission_denied,
/// invalid_argument (the file's contents), unsupported (auth-provider, interactive plugins, old
/// plugin versions), each with the file and the field. No message holds a secret.
Result<ClusterConfig> load_kubeconfig(const KubeconfigRequest& request);

/// The contexts that there are, sorted. Empty when there is no file. Errors as above.
Result<std::vector<std::string>> list_contexts(const KubeconfigRequest& request);

}  // namespace tenure::kube
