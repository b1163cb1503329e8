// The JSON files with Google's credentials: google.aip.dev/auth/4110, by their "type".
//
//   auto file = parse_google_file(text, "https://www.googleapis.com/auth/devstorage.read_write");
//   auto step = file->exchange->begin(now);
//
// Thread safety: functions without state.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "auth/token_exchange.h"
#include "tenure/result.h"

namespace tenure {

struct GoogleFile {
  std::unique_ptr<TokenExchange> exchange;
  /// Who reads it can act as its owner, as opposed to a file that only says where to ask.
  bool is_secret = false;
};

/// Types: service_account, authorized_user, external_account, impersonated_service_account. Errors,
/// about `text` alone, without anything secret of it: invalid_argument, unsupported.
Result<GoogleFile> parse_google_file(std::string_view text, const std::string& scope);

constexpr std::size_t kMaxGoogleFile = 64U * 1024U;

}  // namespace tenure
