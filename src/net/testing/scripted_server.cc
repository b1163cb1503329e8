#include "net/testing/scripted_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <iterator>
#include <utility>

namespace tenure {
namespace {

constexpr char kTlsHandshake = 0x16;  // RFC 8446, 5.1: the first byte of a ClientHello's record

/// How long the whole request is; npos while its head is not complete.
std::size_t request_size(const std::string& bytes) {
  const std::size_t head = bytes.find("\r\n\r\n");
  if (head == std::string::npos) return head;
  const std::size_t field = bytes.find("Content-Length: ");
  const std::size_t body = field < head ? std::strtoul(bytes.c_str() + field + 16, nullptr, 10) : 0;
  return head + 4 + body;
}

}  // namespace

void ScriptedServer::Connection::say(std::string_view bytes) {
  while (fd_ && !bytes.empty()) {
    const ssize_t sent = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // the client has gone
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void ScriptedServer::Connection::hang_up() {
  shutdown(fd_.get(), SHUT_WR);
}

void ScriptedServer::Connection::reset() {
  const linger now{1, 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  shutdown(fd_.get(), SHUT_RD);  // wakes the loop, which closes it
}

ScriptedServer::ScriptedServer(Loop& loop, Handler handler)
    : loop_(loop), handler_(std::move(handler)) {
  listening_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(listening_.get(), generic, size), 0);
  EXPECT_EQ(listen(listening_.get(), 16), 0);
  EXPECT_EQ(getsockname(listening_.get(), generic, &size), 0);
  port_ = ntohs(address.sin_port);
  EXPECT_TRUE(loop_.watch_readable(listening_.get(), [this] { accept_one(); }));
}

ScriptedServer::~ScriptedServer() {
  stop_listening();
  for (const Connection& connection : connections_) loop_.unwatch(connection.fd_.get());
}

std::string ScriptedServer::url() const {
  return "http://127.0.0.1:" + std::to_string(port_);
}

void ScriptedServer::stop_listening() {
  if (!listening_) return;
  loop_.unwatch(listening_.get());
  listening_.reset();
}

void ScriptedServer::accept_one() {
  UniqueFd fd(accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd) return;
  const int number = fd.get();
  connections_.emplace_back(std::move(fd), ++accepted_);
  const auto connection = std::prev(connections_.end());
  EXPECT_TRUE(loop_.watch_readable(number, [this, connection] { read_some(connection); }));
}

void ScriptedServer::read_some(std::list<Connection>::iterator connection) {
  std::array<char, 65536> bytes{};
  const ssize_t size = read(connection->fd_.get(), bytes.data(), bytes.size());
  if (size <= 0) {
    loop_.unwatch(connection->fd_.get());
    connections_.erase(connection);
    return;
  }
  std::string& unread = connection->unread_;
  unread.append(bytes.data(), static_cast<std::size_t>(size));
  if (unread.front() == kTlsHandshake) return connection->hang_up();
  for (std::size_t end = request_size(unread); end <= unread.size(); end = request_size(unread)) {
    const std::string request = unread.substr(0, end);
    unread.erase(0, end);
    handler_(*connection, request);
  }
}

}  // namespace tenure
