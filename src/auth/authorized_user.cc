#include "auth/authorized_user.h"

#include <string>
#include <utility>

#include "auth/endpoint.h"
#include "auth/token_answer.h"

namespace tenure {
namespace {

class AuthorizedUser final : public TokenExchange {
 public:
  explicit AuthorizedUser(const JsonFields& file)
      : client_id_(file.text("/client_id")),
        client_secret_(file.text("/client_secret")),
        refresh_token_(file.text("/refresh_token")),
        token_url_(file.has("/token_uri") ? file.text("/token_uri") : kGoogleTokenUrl) {}

  Status check() {
    if (client_id_.empty()) return missing_field("client_id");
    if (client_secret_.empty()) return missing_field("client_secret");
    if (refresh_token_.empty()) return missing_field("refresh_token");
    auto server = check_endpoint("token_uri", token_url_, PlainHttp::on_loopback);
    if (!server) return tl::unexpected(server.error());
    server_ = std::move(*server);
    return {};
  }

  Result<TokenStep> begin(WallTime) override {
    return form_request(token_url_, {{"grant_type", "refresh_token"},
                                     {"client_id", client_id_},
                                     {"client_secret", client_secret_},
                                     {"refresh_token", refresh_token_}});
  }

  Result<TokenStep> answered(const HttpResponse& answer, WallTime) override {
    return read_token_answer(answer,
                             {.server = server_,
                              .remedy = "log in again: gcloud auth application-default login",
                              .secrets = {refresh_token_, client_secret_}});
  }

 private:
  const std::string client_id_;
  const std::string client_secret_;
  const std::string refresh_token_;
  const std::string token_url_;
  std::string server_;
};

}  // namespace

Result<std::unique_ptr<TokenExchange>> authorized_user_exchange(const JsonFields& file) {
  auto user = std::make_unique<AuthorizedUser>(file);
  if (const Status checked = user->check(); !checked) return tl::unexpected(checked.error());
  return user;
}

}  // namespace tenure
