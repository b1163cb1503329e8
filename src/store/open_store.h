// open_store: from a store URL to a store.
//
//   auto url = parse_store_url("sqlite:///srv/locks.db", folders);
//   auto store = open_store(loop, *url, OpenMode::create);
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kube/client.h"
#include "runtime/loop.h"
#include "store/store.h"
#include "store/store_url.h"

namespace tenure {

enum class OpenMode {
  create,    ///< for candidates: make what is missing
  existing,  ///< for onlookers: make nothing; not_found when there is nothing
};

/// Hears, before open_store returns, what a person should know of a store that can be used: a line
/// each, without secrets.
using WarningSink = std::function<void(const std::string&)>;

/// Each call with memory: gives registers of its own. k8s: and mcl: find their cluster as kubectl
/// and Pods do, by KUBECONFIG, HOME and KUBERNETES_SERVICE_HOST, and ask the server nothing yet.
/// gs: the same, with Google's Application Default Credentials; none for an endpoint with http, and
/// none where STORAGE_EMULATOR_HOST names the server. `loop` outlives the store.
Result<std::unique_ptr<Store>> open_store(Loop& loop, const StoreUrl& url, OpenMode mode,
                                          const WarningSink& warn = {});

/// The way to the cluster of a k8s or mcl URL, with its namespace in config().namespace_name.
Result<std::unique_ptr<kube::Client>> open_cluster(Loop& loop, const StoreUrl& url,
                                                   const WarningSink& warn = {});

/// The contexts that such a URL may name, sorted; of the kubeconfigs that kubectl would read.
Result<std::vector<std::string>> cluster_contexts();

/// How to reach the cluster that runs us; not_found when this is no Pod.
Result<kube::ClusterConfig> own_cluster();

}  // namespace tenure
