// What the API server lets us do: one SelfSubjectAccessReview a verb. Every account may ask.
// kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-access-review-v1
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kube/client.h"

namespace tenure::kube {

struct AccessQuery {
  std::string namespace_name;
  std::string group;     ///< "coordination.k8s.io"; empty for the core group
  std::string resource;  ///< "leases"
  std::vector<std::string> verbs;
};

/// Calls `done` once with the verbs that are denied, in the order of the query. `client` outlives
/// the call; destroying it drops `done`.
void find_denied_verbs(Client& client, const AccessQuery& query, Instant deadline,
                       std::function<void(Result<std::vector<std::string>>)> done);

}  // namespace tenure::kube
