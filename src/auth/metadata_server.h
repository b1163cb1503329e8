// The metadata server of a virtual machine or a Pod in Google's cloud: a token of the service
// account that the machine or the Pod runs as.
// cloud.google.com/compute/docs/access/authenticate-workloads#applications
//
// Thread safety: functions without state.
#pragma once

#include <memory>
#include <string>

#include "auth/token_exchange.h"
#include "tenure/result.h"

namespace tenure {

constexpr const char* kMetadataHost = "metadata.google.internal";

/// `host` may have a port. It is asked over http, as it always is; that the answer comes from a
/// metadata server, and not from a page of some network's login, is told by a header. Error:
/// invalid_argument (the host).
Result<std::unique_ptr<TokenExchange>> metadata_exchange(const std::string& host,
                                                         const std::string& scope);

}  // namespace tenure
