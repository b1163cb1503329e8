// What token servers answer (RFC 6749, 5.1 and 5.2; google.rpc.Status), and how they are asked.
//
// Thread safety: functions without state.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/token_exchange.h"
#include "net/http_client.h"
#include "tenure/result.h"

namespace tenure {

/// For files that do not name another token server.
constexpr const char* kGoogleTokenUrl = "https://oauth2.googleapis.com/token";

/// Who was asked, and with what.
struct Asked {
  std::string server;                ///< "oauth2.googleapis.com"
  std::string remedy{};              ///< what to do when it refuses
  std::vector<std::string> secrets;  ///< not to be shown, should the server repeat them
};

/// The token and `expires_in` of a 200; otherwise what refused() says. Error: corrupt, without
/// anything of the answer.
Result<AccessToken> read_token_answer(const HttpResponse& answer, const Asked& asked);

/// An answer that is no 200, in the server's own words as far as it says why.
tl::unexpected<Error> refused(const HttpResponse& answer, const Asked& asked);

/// What a status that is no 200 means: unavailable for those that may pass (408, 429, 5xx).
ErrorCode refusal_code(int status);

/// A 200 that is of no use; `why` follows "the answer of SERVER ".
tl::unexpected<Error> useless(const Asked& asked, std::string_view why);

/// Whether it can be put into a header: not empty, no blanks, no control characters, not huge.
bool is_token_text(std::string_view text);

/// A POST of a form; empty values are left out.
HttpRequest form_request(std::string url,
                         std::initializer_list<std::pair<std::string_view, std::string_view>> form);

}  // namespace tenure
