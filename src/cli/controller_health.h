// ControllerHealth: /healthz and /readyz of `tenure controller`.
//
//   GET /healthz  200 while the loop turns
//   GET /readyz   200 once the cluster's objects are known, or while another replica works
//
// Thread safety: handle() from the HTTP server's thread, all else on the loop's. Ownership: the
// loop outlives it, and the server is stopped before it is destroyed.
#pragma once

#include <atomic>
#include <memory>

#include "net/http_server.h"
#include "runtime/loop.h"

namespace tenure::cli {

class ControllerHealth {
 public:
  explicit ControllerHealth(Loop& loop) : loop_(loop), alive_(std::make_shared<char>()) {}

  void handle(const HttpServerRequest& request, std::shared_ptr<HttpExchange> exchange);
  void set_ready(bool ready) { ready_ = ready; }

 private:
  Loop& loop_;
  std::atomic<bool> ready_ = false;
  std::atomic<std::int64_t> asked_at_ = 0;  // the loop, by a request that it has not answered
  const std::shared_ptr<char> alive_;
};

}  // namespace tenure::cli
