#include "store/open_store.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "kube/in_cluster.h"
#include "runtime/host.h"
#include "store/lease_store.h"
#include "store/memory_store.h"
#include "store/sqlite_store.h"

namespace tenure {
namespace {

/// Like "mkdir -p -m 0700": the XDG rule for state folders.
Status make_folders(const std::string& folder) {
  for (std::size_t end = 0; end != std::string::npos;) {
    end = folder.find('/', end + 1);
    const std::string part = folder.substr(0, end);
    if (mkdir(part.c_str(), 0700) == 0 || errno == EEXIST) continue;
    const int error = errno;
    return failure(
        error == EACCES || error == EROFS ? ErrorCode::permission_denied : ErrorCode::unavailable,
        "cannot make the folder " + part + ": " + std::strerror(error),
        "name a file elsewhere: sqlite:///absolute/path/locks.db");
  }
  return {};
}

kube::InClusterRequest in_cluster_request() {
  kube::InClusterRequest request;
  request.host = environment_variable("KUBERNETES_SERVICE_HOST");
  request.port = environment_variable("KUBERNETES_SERVICE_PORT");
  return request;
}

kube::ClusterRequest cluster_request(const StoreUrl& url) {
  kube::ClusterRequest request;
  request.kubeconfig.path = url.kubeconfig;
  request.kubeconfig.kubeconfig_variable = environment_variable("KUBECONFIG");
  request.kubeconfig.home = environment_variable("HOME");
  request.kubeconfig.context = url.context;
  request.in_cluster = in_cluster_request();
  return request;
}

Result<std::unique_ptr<Store>> open_leases(Loop& loop, const StoreUrl& url,
                                           const WarningSink& warn) {
  auto client = open_cluster(loop, url, warn);
  if (!client) return tl::unexpected(client.error());
  const std::string shown = "k8s://" + (url.context.empty() ? "" : url.context + "/") +
                            (*client)->config().namespace_name;
  return LeaseStore::create(loop, *std::move(client), shown);
}

}  // namespace

Result<std::unique_ptr<kube::Client>> open_cluster(Loop& loop, const StoreUrl& url,
                                                   const WarningSink& warn) {
  auto config = kube::discover_cluster(cluster_request(url));
  if (!config) return tl::unexpected(config.error());
  if (!url.namespace_name.empty()) config->namespace_name = url.namespace_name;
  if (warn)
    for (const std::string& warning : config->warnings) warn(warning);
  return kube::Client::create(loop, *std::move(config), "tenure/" TENURE_VERSION);
}

Result<kube::ClusterConfig> own_cluster() {
  return kube::load_in_cluster(in_cluster_request());
}

Result<std::unique_ptr<Store>> open_store(Loop& loop, const StoreUrl& url, OpenMode mode,
                                          const WarningSink& warn) {
  if (url.kind == StoreUrl::Kind::k8s) return open_leases(loop, url, warn);
  if (url.kind == StoreUrl::Kind::memory)
    return std::make_unique<MemoryStore>(std::make_shared<MemoryRegisters>(loop));
  const bool create = mode == OpenMode::create;
  if (create && url.in_state_folder)
    if (Status made = make_folders(url.path.substr(0, url.path.rfind('/'))); !made)
      return tl::unexpected(made.error());
  auto store = SqliteStore::open(loop, url.path, {create});
  if (!store) return tl::unexpected(store.error());
  return std::unique_ptr<Store>(std::move(*store));
}

}  // namespace tenure
