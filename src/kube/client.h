// Client: requests to one Kubernetes API server, with its credentials.
//
//   auto client = kube::Client::create(loop, config, "tenure/1.0");
//   (*client)->send({.path = "/api/v1/namespaces/default", .deadline = loop.now().mono +
//   seconds(5)},
//                   [](Result<HttpResponse> r) { ... });
//
// A 401 makes the credentials be asked for anew, and the request goes out once more: it was
// certainly not carried out. Nothing else is repeated.
//
// Thread safety: the loop's thread only; callbacks as HttpClient has them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "kube/cluster_config.h"
#include "net/http_client.h"
#include "runtime/loop.h"
#include "tenure/result.h"

namespace tenure::kube {

struct ApiRequest {
  std::string method = "GET";
  std::string path{};  ///< from "/api" or "/apis" on, with the query; percent-encoded
  std::string body{};
  std::string content_type = "application/json";
  Instant deadline{};  ///< by which the answer must be here, getting credentials included
  std::size_t max_response_bytes = 1024 * 1024;  ///< a larger answer is a failure
};

class Client {
 public:
  /// `loop` outlives the client.
  static Result<std::unique_ptr<Client>> create(Loop& loop, ClusterConfig config,
                                                std::string user_agent);
  virtual ~Client() = default;

  /// Errors are those of HttpClient::send and CredentialSource::get.
  virtual void send(ApiRequest request, HttpClient::Done done) = 0;
  /// As HttpClient::stream.
  [[nodiscard]] virtual std::unique_ptr<HttpClient::Stream> stream(ApiRequest request,
                                                                   HttpClient::Data data,
                                                                   HttpClient::Done done) = 0;
  [[nodiscard]] virtual const ClusterConfig& config() const = 0;
};

/// What an answer with an error status says: its Status object, as far as there is one.
/// kubernetes.io/docs/reference/kubernetes-api/common-definitions/status
struct ApiFailure {
  int code = 0;
  std::string reason;   ///< "NotFound", "AlreadyExists", "Conflict", "Forbidden" ...; may be empty
  std::string message;  ///< the server's own words, one line, bounded
  std::string kind;     ///< the resource that the failure is about, such as "leases"
  std::optional<Duration> retry_after;
};
ApiFailure parse_failure(const HttpResponse& response);

}  // namespace tenure::kube
