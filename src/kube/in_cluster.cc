#include "kube/in_cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "auth/small_file.h"
#include "base/printable.h"
#include "kube/kubeconfig_files.h"
#include "kube/pem_source.h"

namespace tenure::kube {
namespace {

constexpr std::size_t kMaxTokenBytes = 64U * 1024U;
constexpr std::size_t kMaxNamespaceBytes = 1024;

bool is_port(const std::string& text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port > 0 && port < 65536;
}

/// A name or an address; letters, digits, dots, hyphens and colons are what those are made of.
bool is_host(const std::string& text) {
  return text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:") ==
         std::string::npos;
}

std::string joined(const std::string& host, const std::string& port) {
  if (host.find(':') != std::string::npos) return fmt::format("https://[{}]:{}", host, port);
  return fmt::format("https://{}:{}", host, port);
}

void read_ca(const std::string& path, ClusterConfig& config) {
  const auto ca = read_small_file(path, kMaxPemBytes, "the cluster's CA");
  Status usable;
  if (!ca)
    usable = tl::unexpected(ca.error());
  else
    usable = check_pem(ca->text, path);
  if (usable)
    config.ca_pem = ca->text;
  else
    config.warnings.push_back(usable.error().message +
                              ": the server is checked against the system's authorities");
}

std::string read_namespace(const std::string& path) {
  const auto file = read_small_file(path, kMaxNamespaceBytes, "the Pod's namespace");
  const std::string name = file ? last_printable_line(file->text, 63) : "";
  return name.empty() ? "default" : name;
}

}  // namespace

Result<ClusterConfig> load_in_cluster(const InClusterRequest& request) {
  if (request.host.empty() || request.port.empty())
    return failure(ErrorCode::not_found,
                   "this does not run in a cluster: KUBERNETES_SERVICE_HOST and "
                   "KUBERNETES_SERVICE_PORT are not both set",
                   "name a kubeconfig in KUBECONFIG, or as ?kubeconfig=FILE of the lock's URL");
  if (!is_host(request.host) || !is_port(request.port))
    return failure(ErrorCode::invalid_argument,
                   "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not a host and a port",
                   "leave them as Kubernetes sets them");
  ClusterConfig config;
  config.server = joined(request.host, request.port);
  config.source = "in-cluster";
  config.token_file = request.folder + "/token";
  auto token = read_small_file(config.token_file, kMaxTokenBytes, "the service account's token");
  if (!token) {
    if (token.error().code == ErrorCode::not_found)
      token.error().remedy =
          "let the Pod have a service account token (automountServiceAccountToken: true)";
    return tl::unexpected(token.error());
  }
  read_ca(request.folder + "/ca.crt", config);
  config.namespace_name = read_namespace(request.folder + "/namespace");
  return config;
}

Result<ClusterConfig> discover_cluster(const ClusterRequest& request) {
  const KubeconfigRequest& kubeconfig = request.kubeconfig;
  if (!kubeconfig.path.empty() || !kubeconfig.context.empty()) return load_kubeconfig(kubeconfig);
  const auto files = read_kubeconfig_files(kubeconfig);
  const bool usable = !files || !files->empty();  // a broken file is not the same as none
  if (!kubeconfig.kubeconfig_variable.empty() && usable) return load_kubeconfig(kubeconfig);
  auto in_cluster = load_in_cluster(request.in_cluster);
  if (in_cluster) return in_cluster;
  if (usable) return load_kubeconfig(kubeconfig);
  if (in_cluster.error().code != ErrorCode::not_found || !request.in_cluster.host.empty())
    return in_cluster;
  return failure(ErrorCode::not_found,
                 fmt::format("no cluster to talk to: this does not run in one, and there is no "
                             "kubeconfig ({})",
                             describe(*files)),
                 "name a kubeconfig in KUBECONFIG, or as ?kubeconfig=FILE of the lock's URL");
}

}  // namespace tenure::kube
