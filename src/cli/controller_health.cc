#include "cli/controller_health.h"

#include "runtime/clock.h"

namespace tenure::cli {
namespace {

constexpr Duration kHung = std::chrono::seconds(5);

HttpServerResponse line(int status, const char* text) {
  HttpServerResponse response;
  response.status = status;
  response.body = std::string(text) + "\n";
  return response;
}

}  // namespace

void ControllerHealth::handle(const HttpServerRequest& request,
                              std::shared_ptr<HttpExchange> exchange) {
  if (request.path != "/healthz" && request.path != "/readyz")
    return exchange->respond(line(404, "there is /healthz and /readyz"));
  if (request.method != "GET" && request.method != "HEAD")
    return exchange->respond(line(405, "only GET and HEAD"));
  if (request.path == "/readyz")
    return exchange->respond(ready_ ? line(200, "ok")
                                    : line(503, "the cluster's objects are not known yet"));
  const Instant now = boot_now();
  std::int64_t none = 0;
  if (!asked_at_.compare_exchange_strong(none, now.ns()) && now > Instant::from_ns(none) + kHung)
    return exchange->respond(line(503, "the event loop hangs"));
  loop_.post_for(alive_, [this, exchange = std::move(exchange)] {
    asked_at_ = 0;
    exchange->respond(line(200, "ok"));
  });
}

}  // namespace tenure::cli
