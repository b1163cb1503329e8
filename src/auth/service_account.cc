#include "auth/service_account.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "auth/endpoint.h"
#include "auth/rsa_signature.h"
#include "auth/token_answer.h"
#include "base/base64.h"

namespace tenure {
namespace {

using Json = nlohmann::ordered_json;

/// The longest that Google takes.
constexpr std::int64_t kLifeSeconds = 3600;
/// Our clock may be ahead of Google's, which refuses what has been issued in the future.
constexpr std::int64_t kClockSlackSeconds = 10;

std::string encoded(const Json& json) {
  return base64url_encoded(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

class ServiceAccount final : public TokenExchange {
 public:
  ServiceAccount(const JsonFields& file, std::string scope)
      : email_(file.text("/client_email")),
        key_id_(file.text("/private_key_id")),
        key_pem_(file.text("/private_key")),
        token_url_(file.has("/token_uri") ? file.text("/token_uri") : kGoogleTokenUrl),
        scope_(std::move(scope)) {}

  Status check() {
    if (email_.empty()) return missing_field("client_email");
    if (key_pem_.empty()) return missing_field("private_key");
    auto server = check_endpoint("token_uri", token_url_, PlainHttp::on_loopback);
    if (!server) return tl::unexpected(server.error());
    server_ = std::move(*server);
    return {};
  }

  Result<TokenStep> begin(WallTime now) override {
    auto statement = signed_statement(now);
    if (!statement) return tl::unexpected(statement.error());
    statement_ = std::move(*statement);
    return form_request(token_url_, {{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"},
                                     {"assertion", statement_}});
  }

  Result<TokenStep> answered(const HttpResponse& answer, WallTime) override {
    return read_token_answer(
        answer, {.server = server_,
                 .remedy = "check that the key has not been deleted, that the account is enabled, "
                           "and this machine's clock",
                 .secrets = {statement_}});
  }

 private:
  [[nodiscard]] Result<std::string> signed_statement(WallTime now) const {
    const std::int64_t issued = now.ns() / 1'000'000'000 - kClockSlackSeconds;
    Json header = {{"alg", "RS256"}, {"typ", "JWT"}};
    if (!key_id_.empty()) header["kid"] = key_id_;
    const std::string text = encoded(header) + '.' +
                             encoded({{"iss", email_},
                                      {"scope", scope_},
                                      {"aud", token_url_},
                                      {"iat", issued},
                                      {"exp", issued + kLifeSeconds}});
    return sign_rs256(key_pem_, text).map([&](const std::string& signature) {
      return text + '.' + base64url_encoded(signature);
    });
  }

  const std::string email_;
  const std::string key_id_;
  const std::string key_pem_;
  const std::string token_url_;
  const std::string scope_;
  std::string server_;
  std::string statement_;
};

}  // namespace

Result<std::unique_ptr<TokenExchange>> service_account_exchange(const JsonFields& file,
                                                                const std::string& scope) {
  auto account = std::make_unique<ServiceAccount>(file, scope);
  if (const Status checked = account->check(); !checked) return tl::unexpected(checked.error());
  return account;
}

}  // namespace tenure
