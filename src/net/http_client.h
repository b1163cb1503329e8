// HttpClient: HTTP/1.1 requests on the loop, over connections that are kept and shared.
//
//   auto client = HttpClient::create(loop, {.user_agent = "tenure/1.0"});
//   (*client)->send({.url = "https://host/path", .deadline = loop.now().mono + seconds(5)},
//                   [](Result<HttpResponse> r) { if (r && r->status == 200) use(r->body); });
//
// TLS is verified, redirects are not followed, and nothing is repeated, except that a request on a
// kept connection which the server closed before any answer goes out once more. So every request
// must be conditional or harmless to repeat. Proxies are those of the options, else of the
// environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).
//
// Thread safety: created, used and destroyed on the loop's thread; every callback runs there, never
// before the call that asked for it has returned. Ownership: destroying the client drops all
// callbacks; `loop` outlives it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/loop.h"
#include "tenure/result.h"
#include "tenure/time.h"

namespace tenure {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";
  std::string url{};  ///< http or https; the path and query already percent-encoded
  HttpHeaders headers{};
  std::string body{};
  Instant deadline{};                            ///< by which the whole answer must be here
  std::size_t max_response_bytes = 1024 * 1024;  ///< a larger answer is a failure
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;  ///< names in lower case
  std::string body;

  /// The first header of this name (lower case), or empty.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

/// How servers are verified and how this client shows who it is. PEM texts, not file names.
struct TlsIdentity {
  std::string ca_pem{};  ///< trusted instead of the system's authorities; empty: the system's
  std::string client_certificate_pem{};
  std::string client_key_pem{};
  std::string server_name{};  ///< verified and sent instead of the URL's host; empty: the URL's
  bool insecure_skip_verify = false;

  bool operator==(const TlsIdentity&) const = default;
};

struct HttpClientOptions {
  TlsIdentity tls{};
  std::string proxy_url{};  ///< may hold a password; never shown
  std::string user_agent{};
};

class HttpClient {
 public:
  using Done = std::function<void(Result<HttpResponse>)>;

  static Result<std::unique_ptr<HttpClient>> create(Loop& loop, HttpClientOptions options);
  virtual ~HttpClient() = default;

  /// Any status is an answer; what fails is unavailable (not reached, cut off, too late),
  /// corrupt (too large, not HTTP) or invalid_argument (a URL or a certificate that cannot be
  /// used). Errors name scheme, host and port, never path, query or headers.
  virtual void send(HttpRequest request, Done done) = 0;

  /// An answer that comes in pieces and may never end. `done` comes last, with an empty body,
  /// or, when the status is not 200, with the body and without `data`. max_response_bytes limits
  /// only that body; `data` gets at most what one turn of the loop has read.
  class Stream {
   public:
    virtual ~Stream() = default;  ///< ends it and drops both callbacks
  };
  using Data = std::function<void(std::string_view)>;
  [[nodiscard]] virtual std::unique_ptr<Stream> stream(HttpRequest request, Data data,
                                                       Done done) = 0;

  /// For later requests; connections of another identity are not used for them.
  virtual void set_tls(TlsIdentity tls) = 0;
};

/// The time in a Date header (RFC 9110, 5.6.7, the form that servers must send).
std::optional<WallTime> http_date(std::string_view text);

/// Percent-encodes everything but unreserved characters (RFC 3986, 2.3) and `also_kept`: for one
/// path segment or one query value; for a whole path with "/".
std::string percent_encoded(std::string_view text, std::string_view also_kept = {});

}  // namespace tenure
