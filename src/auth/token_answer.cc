#include "auth/token_answer.h"

#include <fmt/format.h>

#include <algorithm>

#include "auth/json_fields.h"
#include "base/printable.h"
#include "net/http_text.h"

namespace tenure {
namespace {

constexpr std::size_t kMaxToken = 16U * 1024U;
constexpr std::size_t kMaxWords = 300;
/// As long as Google's longest token, so that an absurd promise does no harm.
constexpr std::int64_t kLongestLife = 12L * 3600L;

void hide(std::string& text, const std::string& secret) {
  if (secret.empty()) return;
  constexpr std::string_view kInstead = "(secret)";
  for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += kInstead.size())
    text.replace(at, secret.size(), kInstead);
}

/// Why, as the server says; empty when it does not.
std::string words_of(const HttpResponse& answer, const Asked& asked) {
  const auto fields = JsonFields::parse(answer.body);
  if (!fields) return "";
  std::string words = fields->text("/error") + fields->text("/error/status");
  const std::string more = fields->text("/error_description") + fields->text("/error/message");
  if (!words.empty() && !more.empty()) words += ": ";
  words += more;
  for (const std::string& secret : asked.secrets) hide(words, secret);
  return printable(words, kMaxWords);
}

}  // namespace

ErrorCode refusal_code(int status) {
  if (status >= 500 || status == 408 || status == 429) return ErrorCode::unavailable;
  if (status == 404) return ErrorCode::not_found;
  return status >= 400 ? ErrorCode::permission_denied : ErrorCode::corrupt;
}

tl::unexpected<Error> refused(const HttpResponse& answer, const Asked& asked) {
  const ErrorCode code = refusal_code(answer.status);
  const std::string words = words_of(answer, asked);
  return failure(code,
                 fmt::format("{} answered with status {}{}{}", asked.server, answer.status,
                             words.empty() ? "" : ": ", words),
                 code == ErrorCode::unavailable ? "" : asked.remedy);
}

tl::unexpected<Error> useless(const Asked& asked, std::string_view why) {
  return failure(ErrorCode::corrupt, fmt::format("the answer of {} {}", asked.server, why),
                 "check that this address is the right server");
}

bool is_token_text(std::string_view text) {
  return !text.empty() && text.size() <= kMaxToken &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

Result<AccessToken> read_token_answer(const HttpResponse& answer, const Asked& asked) {
  if (answer.status != 200) return refused(answer, asked);
  const auto fields = JsonFields::parse(answer.body);
  if (!fields) return useless(asked, "is not a JSON object");
  AccessToken token{.token = fields->text("/access_token")};
  if (!is_token_text(token.token)) return useless(asked, "has no usable access_token");
  const std::string type = fields->text("/token_type");
  if (!type.empty() && !equal_ignoring_case(type, "bearer"))
    return useless(asked, "has a token_type other than Bearer");
  const auto seconds = fields->number("/expires_in");
  if (!seconds || *seconds <= 0) return useless(asked, "has no usable expires_in");
  token.life = std::chrono::seconds(std::min(*seconds, kLongestLife));
  return token;
}

HttpRequest form_request(
    std::string url, std::initializer_list<std::pair<std::string_view, std::string_view>> form) {
  HttpRequest request{.method = "POST",
                      .url = std::move(url),
                      .headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                                  {"Accept", "application/json"}},
                      .max_response_bytes = kMaxTokenAnswer};
  for (const auto& [name, value] : form) {
    if (value.empty()) continue;
    if (!request.body.empty()) request.body += '&';
    request.body.append(name).append("=").append(percent_encoded(value));
  }
  return request;
}

}  // namespace tenure
