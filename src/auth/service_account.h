// The key of a service account: a token for a signed statement of who asks (RFC 7523, 2.1).
// developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests
//
// Thread safety: functions without state.
#pragma once

#include <memory>
#include <string>

#include "auth/json_fields.h"
#include "auth/token_exchange.h"
#include "tenure/result.h"

namespace tenure {

/// From a file of type service_account. Error: invalid_argument, which begins with the field.
Result<std::unique_ptr<TokenExchange>> service_account_exchange(const JsonFields& file,
                                                                const std::string& scope);

}  // namespace tenure
