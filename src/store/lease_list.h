// The MultiClusterLeases of one cluster, asked for once.
//
//   list_leases(client, "team", deadline, [](Result<std::vector<mcl::LeaseObject>> leases) {
//     ...
//   });
//
// Thread safety: the loop's thread only. `client` outlives the call; destroying it drops `done`.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kube/client.h"
#include "mcl/lease_object.h"
#include "tenure/result.h"

namespace tenure {

/// Where the API server keeps those of a namespace, or with "" all.
std::string leases_path(const std::string& name_space);

using LeasesCallback = std::function<void(Result<std::vector<mcl::LeaseObject>>)>;

/// Of one namespace, or with "" of all, in the server's order: by namespace and name. Calls `done`
/// once, by the deadline. Errors: permission_denied; not_found, where the cluster does not know the
/// kind; unavailable; corrupt, for an answer that is no list.
void list_leases(kube::Client& client, const std::string& name_space, Instant deadline,
                 LeasesCallback done);

}  // namespace tenure
