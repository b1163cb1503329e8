// TokenExchange: the requests that lead to one access token, as a step function. It knows neither
// sockets nor clocks: told what came back, it says what to send next, until it has the token.
//
//   auto step = exchange->begin(now);
//   while (step && std::holds_alternative<HttpRequest>(*step))
//     step = exchange->answered(send(std::get<HttpRequest>(*step)), now);
//
// Errors: invalid_argument (what the credentials say of themselves), permission_denied and
// not_found (the server's refusal), unavailable (it is to be tried again), corrupt (its answer),
// and those of the files that are read on the way. They name the server and never hold a secret.
//
// Thread safety: none.
#pragma once

#include <string>
#include <variant>

#include "net/http_client.h"
#include "tenure/result.h"
#include "tenure/time.h"

namespace tenure {

/// Secret: never log it.
struct AccessToken {
  std::string token;  ///< fit for a header
  Duration life{};    ///< counted from when the answer was asked for
};

/// A request's deadline is the sender's to set.
using TokenStep = std::variant<HttpRequest, AccessToken>;

class TokenExchange {
 public:
  virtual ~TokenExchange() = default;

  virtual Result<TokenStep> begin(WallTime now) = 0;
  /// To the request of the last step, whatever its status.
  virtual Result<TokenStep> answered(const HttpResponse& answer, WallTime now) = 0;
};

/// Larger answers are refused; tokens have a few kilobytes.
constexpr std::size_t kMaxTokenAnswer = 64U * 1024U;

}  // namespace tenure
