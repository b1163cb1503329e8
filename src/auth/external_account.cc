#include "auth/external_account.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "auth/endpoint.h"
#include "auth/impersonation.h"
#include "auth/small_file.h"
#include "auth/token_answer.h"
#include "base/base64.h"
#include "base/printable.h"
#include "net/http_text.h"

namespace tenure {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

/// Where the other provider's token comes from.
struct SubjectSource {
  std::string file;
  std::string url;
  std::string server;  // of the URL
  HttpHeaders headers;
  std::string json_field;  // empty when the text is the token
};

/// The token in what was read; nothing when there is none.
std::optional<std::string> subject_token(const SubjectSource& source, std::string_view text) {
  std::string token;
  if (source.json_field.empty()) {
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
    token = text.substr(0, text.find_last_not_of(kBlanks) + 1);
  } else if (const auto fields = JsonFields::parse(text)) {
    token = fields->text(JsonFields::pointer_to(source.json_field));
  }
  // A SAML assertion has blanks in it, and travels in a form, not in a header.
  return token.empty() ? std::nullopt : std::optional(std::move(token));
}

class ExternalAccount final : public TokenExchange {
 public:
  ExternalAccount(const JsonFields& file, SubjectSource source, std::string server,
                  std::string scope)
      : source_(std::move(source)),
        server_(std::move(server)),
        token_url_(file.text("/token_url")),
        audience_(file.text("/audience")),
        subject_token_type_(file.text("/subject_token_type")),
        client_id_(file.text("/client_id")),
        client_secret_(file.text("/client_secret")),
        scope_(std::move(scope)) {}

  Result<TokenStep> begin(WallTime) override {
    subject_token_.clear();
    if (!source_.url.empty())
      return HttpRequest{
          .url = source_.url, .headers = source_.headers, .max_response_bytes = kMaxTokenAnswer};
    const auto file = read_small_file(source_.file, kMaxTokenAnswer, "the token to be exchanged");
    if (!file) return tl::unexpected(file.error());
    auto token = subject_token(source_, file->text);
    if (!token)
      return failure(ErrorCode::invalid_argument,
                     fmt::format("the file {} holds no token", printable(source_.file, 200)),
                     "see why nobody has written it, and look at credential_source.format");
    return exchange(std::move(*token));
  }

  Result<TokenStep> answered(const HttpResponse& answer, WallTime) override {
    if (subject_token_.empty()) return take_subject(answer);
    return read_token_answer(
        answer, {.server = server_,
                 .remedy = "check audience and subject_token_type, and that the workload identity "
                           "pool trusts the token's issuer and subject",
                 .secrets = {subject_token_, client_secret_}});
  }

 private:
  Result<TokenStep> take_subject(const HttpResponse& answer) {
    Asked asked{.server = source_.server,
                .remedy = "check credential_source.url and its headers",
                .secrets = {}};
    for (const auto& [_, value] : source_.headers) asked.secrets.push_back(value);
    if (answer.status != 200) return refused(answer, asked);
    auto token = subject_token(source_, answer.body);
    if (!token) return useless(asked, "holds no token as credential_source.format has it");
    return exchange(std::move(*token));
  }

  Result<TokenStep> exchange(std::string token) {
    subject_token_ = std::move(token);
    HttpRequest request = form_request(
        token_url_, {{"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"},
                     {"audience", audience_},
                     {"scope", scope_},
                     {"requested_token_type", "urn:ietf:params:oauth:token-type:access_token"},
                     {"subject_token_type", subject_token_type_},
                     {"subject_token", subject_token_}});
    if (!client_id_.empty())
      request.headers.emplace_back("Authorization",
                                   "Basic " + base64_encoded(client_id_ + ':' + client_secret_));
    return request;
  }

  const SubjectSource source_;
  const std::string server_;
  const std::string token_url_;
  const std::string audience_;
  const std::string subject_token_type_;
  const std::string client_id_;
  const std::string client_secret_;
  const std::string scope_;
  std::string subject_token_;  // empty until it is there
};

Status read_headers(const JsonFields& file, SubjectSource& source) {
  const auto headers = file.texts_in("/credential_source/headers");
  const bool usable =
      headers && std::all_of(headers->begin(), headers->end(), [](const auto& header) {
        return is_token(header.first) && is_field_value(header.second);
      });
  if (!usable)
    return failure(ErrorCode::invalid_argument,
                   "credential_source.headers is not a map of names to texts", kMakeFileAgain);
  source.headers = *headers;
  return {};
}

Status read_format(const JsonFields& file, SubjectSource& source) {
  const std::string format = file.text("/credential_source/format/type");
  if (format.empty() || format == "text") return {};
  if (format != "json")
    return failure(ErrorCode::invalid_argument,
                   "credential_source.format.type is neither text nor json", kMakeFileAgain);
  source.json_field = file.text("/credential_source/format/subject_token_field_name");
  if (source.json_field.empty())
    return missing_field("credential_source.format.subject_token_field_name");
  return {};
}

Result<SubjectSource> subject_source(const JsonFields& file) {
  for (const char* field : {"executable", "environment_id", "certificate"})
    if (file.has("/credential_source" + JsonFields::pointer_to(field)))
      return failure(ErrorCode::unsupported,
                     fmt::format("credential_source.{} is not supported", field),
                     "let something write the token to a file, and name it in "
                     "credential_source.file; or use credential_source.url");
  SubjectSource source{.file = file.text("/credential_source/file"),
                       .url = file.text("/credential_source/url"),
                       .server = {},
                       .headers = {},
                       .json_field = {}};
  if (source.file.empty() == source.url.empty())
    return failure(ErrorCode::invalid_argument,
                   "credential_source has neither a file nor a url, or both", kMakeFileAgain);
  Status read = read_format(file, source);
  if (!source.url.empty()) {
    auto server =
        check_endpoint("credential_source.url", source.url, PlainHttp::on_loopback_and_link_local);
    if (!server) return tl::unexpected(server.error());
    source.server = std::move(*server);
    if (read) read = read_headers(file, source);
  }
  if (!read) return tl::unexpected(read.error());
  return source;
}

Result<Impersonation> impersonation_of(const JsonFields& file, const std::string& scope) {
  constexpr const char* kLife = "/service_account_impersonation/token_lifetime_seconds";
  Impersonation as{.url = file.text("/service_account_impersonation_url"), .scope = scope};
  if (!file.has(kLife)) return as;
  as.life = std::chrono::seconds(file.number(kLife).value_or(0));
  if (as.life < kShortestImpersonation || as.life > kLongestImpersonation)
    return failure(ErrorCode::invalid_argument,
                   "service_account_impersonation.token_lifetime_seconds is not between 600 and "
                   "43200",
                   "choose a number in between, or leave it away");
  return as;
}

}  // namespace

Result<std::unique_ptr<TokenExchange>> external_account_exchange(const JsonFields& file,
                                                                 const std::string& scope) {
  for (const char* field : {"audience", "subject_token_type", "token_url"})
    if (file.text(JsonFields::pointer_to(field)).empty()) return missing_field(field);
  auto server = check_endpoint("token_url", file.text("/token_url"), PlainHttp::on_loopback);
  if (!server) return tl::unexpected(server.error());
  auto source = subject_source(file);
  if (!source) return tl::unexpected(source.error());
  const bool impersonates = file.has("/service_account_impersonation_url");
  auto account =
      std::make_unique<ExternalAccount>(file, std::move(*source), std::move(*server),
                                        impersonates ? std::string(kImpersonatorScope) : scope);
  if (!impersonates) return account;
  auto as = impersonation_of(file, scope);
  if (!as) return tl::unexpected(as.error());
  return impersonating(std::move(account), std::move(*as));
}

}  // namespace tenure
