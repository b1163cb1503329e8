#include "store/open_store.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "auth/google.h"
#include "kube/in_cluster.h"
#include "net/http_client.h"
#include "runtime/host.h"
#include "store/authorized_http.h"
#include "store/gcs_store.h"
#include "store/lease_objects.h"
#include "store/lease_store.h"
#include "store/memory_store.h"
#include "store/sqlite_store.h"

namespace tenure {
namespace {

constexpr const char* kUserAgent = "tenure/" TENURE_VERSION;

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
  const std::string place =
      (url.context.empty() ? "" : url.context + "/") + (*client)->config().namespace_name;
  if (url.kind == StoreUrl::Kind::mcl)
    return LeaseObjects::create(loop, *std::move(client), "mcl://" + place);
  return LeaseStore::create(loop, *std::move(client), "k8s://" + place);
}

/// STORAGE_EMULATOR_HOST is written with and without a scheme: Go's client takes both.
Result<std::string> emulator_endpoint(std::string host) {
  if (host.empty()) return host;
  if (host.find("://") == std::string::npos) host.insert(0, "http://");
  if (host.ends_with('/')) host.pop_back();
  if (is_endpoint(host)) return host;
  return failure(ErrorCode::invalid_argument, "STORAGE_EMULATOR_HOST is not an address",
                 "write it as 127.0.0.1:4443 or http://127.0.0.1:4443, or unset it");
}

GoogleRequest google_request(const WarningSink& warn) {
  GoogleRequest request;
  request.credentials_file = environment_variable("GOOGLE_APPLICATION_CREDENTIALS");
  request.gcloud_folder = environment_variable("CLOUDSDK_CONFIG");
  if (const std::string home = environment_variable("HOME");
      request.gcloud_folder.empty() && !home.empty())
    request.gcloud_folder = home + "/.config/gcloud";
  request.metadata_host = environment_variable("GCE_METADATA_HOST");
  request.scope = "https://www.googleapis.com/auth/devstorage.read_write";
  request.user_agent = kUserAgent;
  request.warn = warn;
  return request;
}

Result<std::unique_ptr<Store>> open_gcs(Loop& loop, const StoreUrl& url, const WarningSink& warn) {
  const auto emulator = emulator_endpoint(environment_variable("STORAGE_EMULATOR_HOST"));
  if (!emulator) return tl::unexpected(emulator.error());
  std::string endpoint = url.endpoint.empty() ? *emulator : url.endpoint;
  if (endpoint.empty()) endpoint = "https://storage.googleapis.com";
  // A token that goes out without TLS is everybody's.
  const bool anonymous = !emulator->empty() || endpoint.starts_with("http://");
  Result<std::unique_ptr<CredentialSource>> credentials =
      anonymous ? no_credentials(loop) : google_credentials(loop, google_request(warn));
  if (!credentials) return tl::unexpected(credentials.error());
  auto http = HttpClient::create(loop, {.user_agent = kUserAgent});
  if (!http) return tl::unexpected(http.error());
  std::string shown = "gs://" + url.bucket;
  if (!url.prefix.empty()) shown += "/" + url.prefix.substr(0, url.prefix.size() - 1);
  return GcsStore::create(loop, *std::move(http), *std::move(credentials),
                          {std::move(endpoint), url.bucket, url.prefix}, std::move(shown));
}

}  // namespace

Result<std::unique_ptr<kube::Client>> open_cluster(Loop& loop, const StoreUrl& url,
                                                   const WarningSink& warn) {
  auto config = kube::discover_cluster(cluster_request(url));
  if (!config) return tl::unexpected(config.error());
  if (!url.namespace_name.empty()) config->namespace_name = url.namespace_name;
  if (warn)
    for (const std::string& warning : config->warnings) warn(warning);
  return kube::Client::create(loop, *std::move(config), kUserAgent);
}

Result<std::vector<std::string>> cluster_contexts() {
  return kube::list_contexts(cluster_request({}).kubeconfig);
}

Result<kube::ClusterConfig> own_cluster() {
  return kube::load_in_cluster(in_cluster_request());
}

Result<std::unique_ptr<Store>> open_store(Loop& loop, const StoreUrl& url, OpenMode mode,
                                          const WarningSink& warn) {
  if (url.is_in_cluster()) return open_leases(loop, url, warn);
  if (url.kind == StoreUrl::Kind::gs) return open_gcs(loop, url, warn);
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
