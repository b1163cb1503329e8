// HttpServer: a small HTTP/1.1 server (RFC 9110, RFC 9112) for health, status and metrics.
//
//   auto server = HttpServer::start({.address = "127.0.0.1", .port = 4040},
//       [](const HttpServerRequest& request, std::shared_ptr<HttpExchange> exchange) {
//         if (request.path == "/healthz") return exchange->respond({.body = "ok\n"});
//         exchange->respond({.status = 404, .body = "not found\n"});
//       });
//   if (!server) return fail(server.error());
//   ...
//   (*server)->stop(seconds(5));
//
// Made to be reached by strangers: every size and every wait has a limit, and what breaks the
// protocol is answered with one line and the end of the connection. There is no TLS and no
// authentication. A browser on this machine reaches loopback too, so whoever changes something on
// request looks at the method, at from_loopback and at the Origin header.
//
// When all connections are taken, the one that has waited longest for its client makes room. Those
// that wait for the handler are never taken, and cannot be all: beyond seven eighths of the
// connections, an exchange that is not answered when the handler returns is answered 503. So a
// health check, answered at once, gets through whatever the other clients do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenure/result.h"
#include "tenure/time.h"

namespace tenure {

struct HttpServerRequest {
  std::string method;  ///< as sent; methods are case-sensitive
  /// Decoded, without the query; begins with "/", or is "*". Slashes in a row are one. What could
  /// mean another path to a proxy ("%2F", a "." or ".." segment, control characters) never arrives.
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;  ///< decoded, in order
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool from_loopback = false;  ///< the peer's address is 127.0.0.0/8 or ::1

  /// The first header of that name in any case, or the first of the query's; empty when absent.
  [[nodiscard]] std::string_view header(std::string_view name) const;
  [[nodiscard]] std::string_view parameter(std::string_view name) const;
};

struct HttpServerResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  /// Others than Content-Type, Content-Length, Transfer-Encoding, Connection, Cache-Control
  /// ("no-store") and X-Content-Type-Options ("nosniff"), which are the server's.
  std::vector<std::pair<std::string, std::string>> headers;
};

/// One request's answer: either respond(), or begin_stream(), send()... and end(). Of two answers
/// the first counts. Any thread, at any time, also after the server is gone; calls from several
/// threads are taken in the order in which they were made. An answer that would not be HTTP (a line
/// break in a header, a header of the server's, a status outside 200..599) becomes a 500.
///
/// Dropping the last pointer answers 500, or ends the stream.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;

  virtual void respond(HttpServerResponse response) = 0;

  /// Sends the head, and its body as the first piece.
  virtual void begin_stream(HttpServerResponse head) = 0;
  /// False when nothing is or will be sent: no stream, ended, or closed(). A client that reads so
  /// slowly that more than Options::stream_buffer_bytes wait for it is cut off.
  virtual bool send(std::string_view piece) = 0;
  virtual void end() = 0;

  /// The client is gone, or wants no more (it has closed its side; it still gets an answer that
  /// comes within the write time-out), or the server is stopping and ended the stream.
  [[nodiscard]] virtual bool closed() const = 0;
  /// Called once, on the server's thread, when closed() turns true before the answer is complete;
  /// soon, if it already has. A callback that holds the exchange keeps it alive until then.
  virtual void on_closed(std::function<void()> callback) = 0;
};

class HttpServer {
 public:
  struct Options {
    std::string address = "127.0.0.1";  ///< or "0.0.0.0", "::", "[::1]"; never a name
    std::uint16_t port = 0;             ///< 0: any free one
    std::size_t header_bytes = 16 * 1024;
    std::size_t body_bytes = 64 * 1024;
    /// Each may hold a request, an answer and a stream's buffer in memory.
    std::size_t connections = 1024;
    Duration request_timeout = std::chrono::seconds(10);  ///< from its first byte to its last
    Duration idle_timeout = std::chrono::seconds(60);     ///< between requests
    Duration write_timeout = std::chrono::seconds(10);    ///< in which the client takes nothing
    std::size_t stream_buffer_bytes = 256 * 1024;
  };

  /// Runs on the server's only thread, one call at a time, and must neither block nor throw. The
  /// request is the caller's until the handler returns.
  using Handler = std::function<void(const HttpServerRequest&, std::shared_ptr<HttpExchange>)>;

  /// Listens when it returns. Fails with invalid_argument (an address that is none, or not this
  /// machine's; a limit of zero), permission_denied (a port below 1024), unavailable (the port is
  /// in use; no descriptors). Signals are blocked in the server's thread.
  static Result<std::unique_ptr<HttpServer>> start(Options options, Handler handler);

  /// As stop(0).
  virtual ~HttpServer() = default;

  [[nodiscard]] virtual std::uint16_t port() const = 0;

  /// Stops listening, closes idle connections, ends streams, and waits up to `grace` for answers in
  /// work; what is unanswered then is answered 503. When it returns no callback runs any more. Not
  /// from the handler or another callback of the server; not from two threads at once.
  virtual void stop(Duration grace) = 0;
};

}  // namespace tenure
