// Workload identity federation: a token for the token of another identity provider, such as the
// projected service account token of a Kubernetes cluster anywhere (google.aip.dev/auth/4117, RFC
// 8693). That other token is read anew each time, because it is rotated.
//
// Thread safety: functions without state.
#pragma once

#include <memory>
#include <string>

#include "auth/json_fields.h"
#include "auth/token_exchange.h"
#include "tenure/result.h"

namespace tenure {

/// From a file of type external_account whose credential_source is a file or a URL; with
/// service_account_impersonation_url the token is that service account's. Errors:
/// invalid_argument, which begins with the field; unsupported (commands, AWS, certificates).
Result<std::unique_ptr<TokenExchange>> external_account_exchange(const JsonFields& file,
                                                                 const std::string& scope);

}  // namespace tenure
