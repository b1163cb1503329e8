// Listening for TCP connections, tcp(7): a socket, or one line that says why there is none.
//
// Thread safety: none needed, these are system calls. All descriptors are closed on exec.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/unique_fd.h"
#include "tenure/result.h"

namespace tenure {

struct TcpListener {
  UniqueFd fd;  ///< never blocks
  std::uint16_t port = 0;
};

/// `address` is of IPv4 or IPv6, with or without brackets, and never a name: a name may stand for
/// several addresses. "::" takes IPv4 too. Port 0 means any free one.
Result<TcpListener> listen_on(const std::string& address, std::uint16_t port);

struct TcpPeer {
  UniqueFd fd;  ///< never blocks; empty when nobody is waiting, or on an error
  bool from_loopback = false;
  int error = 0;  ///< errno; 0 when nobody is waiting
};

/// The next who is waiting. One who gave up meanwhile is no error.
TcpPeer accept_one(int listener);

}  // namespace tenure
