#include "auth/google_file.h"

#include <fmt/format.h>

#include <utility>

#include "auth/authorized_user.h"
#include "auth/external_account.h"
#include "auth/impersonation.h"
#include "auth/json_fields.h"
#include "auth/service_account.h"
#include "base/printable.h"

namespace tenure {
namespace {

Result<GoogleFile> finished(Result<std::unique_ptr<TokenExchange>> exchange, bool is_secret) {
  if (!exchange) return tl::unexpected(exchange.error());
  return GoogleFile{std::move(*exchange), is_secret};
}

/// Who acts by itself; `kind` begins the errors about the type.
Result<GoogleFile> parse_direct(const JsonFields& file, const std::string& scope,
                                std::string_view kind) {
  const std::string type = file.text("/type");
  if (type == "service_account") return finished(service_account_exchange(file, scope), true);
  if (type == "authorized_user") return finished(authorized_user_exchange(file), true);
  if (type == "external_account")
    return finished(external_account_exchange(file, scope), file.has("/client_secret"));
  if (type.empty()) return missing_field(kind);
  return failure(ErrorCode::unsupported,
                 fmt::format("{} \"{}\" is not supported", kind, printable(type, 60)),
                 "use a service account's key, gcloud auth application-default login, or workload "
                 "identity federation");
}

Result<GoogleFile> parse_impersonated(const JsonFields& file, const std::string& scope) {
  if (file.text("/service_account_impersonation_url").empty())
    return missing_field("service_account_impersonation_url");
  if (!file.has("/source_credentials")) return missing_field("source_credentials");
  auto source = parse_direct(file.inside("/source_credentials"), kImpersonatorScope,
                             "source_credentials.type");
  if (!source) {
    Error error = source.error();
    if (!error.message.starts_with("source_credentials"))
      error.message = "source_credentials: " + error.message;
    return tl::unexpected(std::move(error));
  }
  Impersonation as{.url = file.text("/service_account_impersonation_url"), .scope = scope};
  for (std::size_t i = 0; file.has(fmt::format("/delegates/{}", i)); ++i)
    if (as.delegates.push_back(file.text(fmt::format("/delegates/{}", i)));
        as.delegates.back().empty())
      return missing_field(fmt::format("delegates[{}]", i));
  return finished(impersonating(std::move(source->exchange), std::move(as)), source->is_secret);
}

}  // namespace

Result<GoogleFile> parse_google_file(std::string_view text, const std::string& scope) {
  const auto file = JsonFields::parse(text);
  if (!file)
    return failure(ErrorCode::invalid_argument, "it is not a JSON object",
                   "name the file with the credentials, or make it again");
  if (file->text("/type") == "impersonated_service_account")
    return parse_impersonated(*file, scope);
  return parse_direct(*file, scope, "type");
}

}  // namespace tenure
