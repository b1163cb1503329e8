// The files behind a KubeconfigRequest, read and merged, before anything in them is understood.
//
// Thread safety: values.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kube/kubeconfig.h"
#include "kube/yaml_tree.h"
#include "tenure/result.h"

namespace tenure::kube {

/// A cluster, user or context of one of the files.
struct KubeconfigEntry {
  std::string file;  ///< where it stands
  YamlTree body;
};
using KubeconfigEntries = std::map<std::string, KubeconfigEntry>;

struct KubeconfigFiles {
  KubeconfigEntries clusters;
  KubeconfigEntries users;
  KubeconfigEntries contexts;
  std::string current_context;
  std::vector<std::string> looked_at;  ///< absolute paths, missing files among them
  std::vector<std::string> warnings;

  /// Nothing in them says anything about any cluster; client-go then looks elsewhere.
  [[nodiscard]] bool empty() const {
    return clusters.empty() && users.empty() && contexts.empty() && current_context.empty();
  }
};

/// Errors: those of load_kubeconfig(), but a missing file is one only when the path is explicit.
Result<KubeconfigFiles> read_kubeconfig_files(const KubeconfigRequest& request);

/// What was looked at, or what was not set; for messages.
std::string describe(const KubeconfigFiles& files);

/// `path` as meant by a file: from that file's folder, unless it is absolute.
std::string resolved(const std::string& path, const std::string& file);

}  // namespace tenure::kube
