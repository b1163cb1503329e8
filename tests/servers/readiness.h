// PortReservation and the wait until a server is ready.
#pragma once

#include <string>
#include <vector>

#include "kept_servers.h"
#include "runtime/unique_fd.h"
#include "tenure/result.h"

namespace tenure::test {

/// Keeps a port of 127.0.0.1 as long as it lives, so that nobody takes it before the server has
/// bound it, nor while the server is dead. It does not listen: without the server, connections are
/// refused. The server must bind with SO_REUSEPORT, as kube-apiserver does with
/// --permit-port-sharing and etcd with --socket-reuse-port.
class PortReservation {
 public:
  static Result<PortReservation> make();
  [[nodiscard]] std::string port() const { return std::to_string(port_); }

 private:
  UniqueFd socket_;
  unsigned port_ = 0;
};

struct Request {
  std::string url;
  std::string ca_file{};  ///< for https
  std::string token{};    ///< none when empty
};

/// Waits a minute until each request is answered with 200. Fails at once when the server ends, and
/// whenever it fails, the end of the server's log is on standard error.
Status wait_until_ready(const ServerProcess& server, const std::string& log_file,
                        const std::vector<Request>& requests);

}  // namespace tenure::test
