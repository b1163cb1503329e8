// A token of a service account for the token of somebody who may act as it.
// cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
//
// Thread safety: functions without state.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "auth/token_exchange.h"
#include "tenure/result.h"

namespace tenure {

/// What those who want to act as somebody else must be allowed.
constexpr const char* kImpersonatorScope = "https://www.googleapis.com/auth/cloud-platform";

/// What Google allows.
constexpr std::chrono::seconds kShortestImpersonation = std::chrono::minutes(10);
constexpr std::chrono::seconds kLongestImpersonation = std::chrono::hours(12);

struct Impersonation {
  std::string url;                       ///< …/serviceAccounts/NAME:generateAccessToken
  std::vector<std::string> delegates{};  ///< service accounts in between, in this order
  std::chrono::seconds life{3600};
  std::string scope;
};

/// First what `source` does, with kImpersonatorScope; then the exchange of its token. Error:
/// invalid_argument, which begins with the field service_account_impersonation_url.
Result<std::unique_ptr<TokenExchange>> impersonating(std::unique_ptr<TokenExchange> source,
                                                     Impersonation impersonation);

}  // namespace tenure
