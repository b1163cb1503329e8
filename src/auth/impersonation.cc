#include "auth/impersonation.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "auth/endpoint.h"
#include "auth/json_fields.h"
#include "auth/token_answer.h"
#include "base/duration.h"

namespace tenure {
namespace {

using Json = nlohmann::ordered_json;

class Impersonating final : public TokenExchange {
 public:
  Impersonating(std::unique_ptr<TokenExchange> source, Impersonation impersonation,
                std::string server)
      : source_(std::move(source)),
        impersonation_(std::move(impersonation)),
        server_(std::move(server)) {}

  Result<TokenStep> begin(WallTime now) override {
    source_token_.clear();
    return go_on(source_->begin(now));
  }

  Result<TokenStep> answered(const HttpResponse& answer, WallTime now) override {
    if (source_token_.empty()) return go_on(source_->answered(answer, now));
    return read(answer, now);
  }

 private:
  Result<TokenStep> go_on(Result<TokenStep> step) {
    if (!step || std::holds_alternative<HttpRequest>(*step)) return step;
    source_token_ = std::get<AccessToken>(*step).token;
    Json body = {{"scope", Json::array({impersonation_.scope})},
                 {"lifetime", fmt::format("{}s", impersonation_.life.count())}};
    if (!impersonation_.delegates.empty()) body["delegates"] = impersonation_.delegates;
    return HttpRequest{.method = "POST",
                       .url = impersonation_.url,
                       .headers = {{"Authorization", "Bearer " + source_token_},
                                   {"Content-Type", "application/json"},
                                   {"Accept", "application/json"}},
                       .body = body.dump(-1, ' ', false, Json::error_handler_t::replace),
                       .max_response_bytes = kMaxTokenAnswer};
  }

  [[nodiscard]] Result<TokenStep> read(const HttpResponse& answer, WallTime now) const {
    const Asked asked{.server = server_,
                      .remedy =
                          "let these credentials act as the service account: grant them "
                          "roles/iam.serviceAccountTokenCreator on it, or "
                          "roles/iam.workloadIdentityUser to a federated identity",
                      .secrets = {source_token_}};
    if (answer.status != 200) return refused(answer, asked);
    const auto fields = JsonFields::parse(answer.body);
    if (!fields) return useless(asked, "is not a JSON object");
    AccessToken token{.token = fields->text("/accessToken")};
    if (!is_token_text(token.token)) return useless(asked, "has no usable accessToken");
    const auto end = parse_rfc3339(fields->text("/expireTime"));
    if (!end) return useless(asked, "has no usable expireTime");
    // By the server's calendar, where it tells: ours may be wrong.
    const WallTime answered = http_date(answer.header("date")).value_or(now);
    token.life = std::min<Duration>(*end - answered, kLongestImpersonation);
    if (token.life <= Duration(0))
      return useless(asked, "has an expireTime that has passed; check this machine's clock");
    return token;
  }

  const std::unique_ptr<TokenExchange> source_;
  const Impersonation impersonation_;
  const std::string server_;
  std::string source_token_;  // empty until it is there
};

}  // namespace

Result<std::unique_ptr<TokenExchange>> impersonating(std::unique_ptr<TokenExchange> source,
                                                     Impersonation impersonation) {
  auto server = check_endpoint("service_account_impersonation_url", impersonation.url,
                               PlainHttp::on_loopback);
  if (!server) return tl::unexpected(server.error());
  return std::make_unique<Impersonating>(std::move(source), std::move(impersonation),
                                         std::move(*server));
}

}  // namespace tenure
