#include "auth/metadata_server.h"

#include <utility>

#include "auth/endpoint.h"
#include "auth/token_answer.h"

namespace tenure {
namespace {

class MetadataServer final : public TokenExchange {
 public:
  MetadataServer(std::string host, std::string scope)
      : host_(std::move(host)), scope_(std::move(scope)) {}

  Result<TokenStep> begin(WallTime) override {
    return HttpRequest{
        .url = "http://" + host_ +
               "/computeMetadata/v1/instance/service-accounts/default/token?scopes=" +
               percent_encoded(scope_),
        .headers = {{"Metadata-Flavor", "Google"}},
        .max_response_bytes = kMaxTokenAnswer};
  }

  Result<TokenStep> answered(const HttpResponse& answer, WallTime) override {
    const Asked asked{.server = "the metadata server " + host_,
                      .remedy =
                          "give the machine, or the Kubernetes service account, a "
                          "Google service account",
                      .secrets = {}};
    if (answer.header("metadata-flavor") != "Google")
      return useless(asked, "lacks the header Metadata-Flavor: Google");
    return read_token_answer(answer, asked);
  }

 private:
  const std::string host_;
  const std::string scope_;
};

}  // namespace

Result<std::unique_ptr<TokenExchange>> metadata_exchange(const std::string& host,
                                                         const std::string& scope) {
  if (!is_authority(host))
    return failure(ErrorCode::invalid_argument,
                   "the metadata server's name is not a host with or without a port",
                   "set GCE_METADATA_HOST to HOST or HOST:PORT, or unset it");
  return std::make_unique<MetadataServer>(host, scope);
}

}  // namespace tenure
