#include "net/tcp_listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace tenure {
namespace {

constexpr const char* kAddresses =
    "give 127.0.0.1 for this machine only, or 0.0.0.0 or :: for every interface";

tl::unexpected<Error> listen_failure(int error, const std::string& where, std::uint16_t port) {
  std::string message = "cannot listen on " + where + ": " + std::strerror(error);
  switch (error) {
    case EADDRINUSE:
      return failure(
          ErrorCode::unavailable, std::move(message),
          "choose another port, or find the program that has it with: ss -ltnp 'sport = :" +
              std::to_string(port) + "'");
    case EACCES:
    case EPERM:
      return failure(ErrorCode::permission_denied, std::move(message),
                     "choose a port from 1024 on, or allow CAP_NET_BIND_SERVICE");
    case EADDRNOTAVAIL:
      return failure(ErrorCode::invalid_argument, std::move(message),
                     std::string("no interface of this machine has the address; ") + kAddresses);
    case EAFNOSUPPORT:
      return failure(ErrorCode::unsupported, std::move(message),
                     "this system has no such protocol; try the address 0.0.0.0");
    case EMFILE:
    case ENFILE:
      return failure(ErrorCode::unavailable, std::move(message),
                     "raise the limit of open files (ulimit -n)");
    default: return failure(ErrorCode::unavailable, std::move(message));
  }
}

std::uint16_t bound_port(int fd) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return 0;
  if (bound.ss_family == AF_INET6)
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&bound)->sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
}

bool is_loopback(const sockaddr_storage& peer) {
  constexpr std::uint32_t kLoopbackNet = 127;
  if (peer.ss_family == AF_INET)
    return ntohl(reinterpret_cast<const sockaddr_in*>(&peer)->sin_addr.s_addr) >> 24U ==
           kLoopbackNet;
  const in6_addr& address = reinterpret_cast<const sockaddr_in6*>(&peer)->sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&address) ||
         (IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == kLoopbackNet);
}

}  // namespace

Result<TcpListener> listen_on(const std::string& address, std::uint16_t port) {
  std::string host = address;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (host.empty() || getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0)
    return failure(ErrorCode::invalid_argument,
                   "cannot listen on \"" + address + "\": this is not an IP address", kAddresses);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);

  const std::string where =
      (found->ai_family == AF_INET6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
  UniqueFd fd(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return listen_failure(errno, where, port);
  const int on = 1;
  const int off = 0;
  // Without it, the port is refused for a minute after a restart.
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (found->ai_family == AF_INET6)
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0 || listen(fd.get(), SOMAXCONN) != 0)
    return listen_failure(errno, where, port);
  const std::uint16_t bound = bound_port(fd.get());
  return TcpListener{std::move(fd), bound};
}

TcpPeer accept_one(int listener) {
  for (;;) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    UniqueFd fd(accept4(listener, reinterpret_cast<sockaddr*>(&address), &size,
                        SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd) {
      const int on = 1;  // an answer is one piece; it must not wait for a second
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      return {std::move(fd), is_loopback(address), 0};
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {};
    if (errno != ECONNABORTED && errno != EINTR && errno != EPROTO) return {{}, false, errno};
  }
}

}  // namespace tenure
