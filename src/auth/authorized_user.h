// A person's login, as "gcloud auth application-default login" leaves it: a token for a refresh
// token (RFC 6749, 6). What the token may do was decided at the login.
//
// Thread safety: functions without state.
#pragma once

#include <memory>

#include "auth/json_fields.h"
#include "auth/token_exchange.h"
#include "tenure/result.h"

namespace tenure {

/// From a file of type authorized_user. Error: invalid_argument, which begins with the field.
Result<std::unique_ptr<TokenExchange>> authorized_user_exchange(const JsonFields& file);

}  // namespace tenure
