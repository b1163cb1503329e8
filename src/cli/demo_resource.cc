#include "cli/demo_resource.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace tenure::cli {

Result<UniqueFd> demo_socket(const std::string& path, bool listening) {
  const auto broken = [&path] {
    return failure(ErrorCode::unavailable,
                   "the demo's socket " + path + " cannot be used: " + std::strerror(errno));
  };
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    errno = ENAMETOOLONG;
    return broken();
  }
  path.copy(address.sun_path, path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd) return broken();
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  const bool ok =
      listening ? bind(fd.get(), generic, sizeof(address)) == 0 && listen(fd.get(), SOMAXCONN) == 0
                : connect(fd.get(), generic, sizeof(address)) == 0;
  if (!ok) return broken();
  return fd;
}

Result<std::unique_ptr<DemoResource>> DemoResource::create(Loop& loop, const std::string& path,
                                                           std::function<void()> changed) {
  auto listener = demo_socket(path, true);
  if (!listener) return tl::unexpected(listener.error());
  const int fd = listener->get();
  std::unique_ptr<DemoResource> out(
      new DemoResource(loop, std::move(*listener), std::move(changed)));
  if (auto ok = loop.watch_readable(fd, [resource = out.get()] { resource->accept_one(); }); !ok)
    return tl::unexpected(ok.error());
  return out;
}

DemoResource::~DemoResource() {
  for (const auto& [fd, connection] : connections_) loop_.unwatch(fd);
  loop_.unwatch(listener_.get());
}

const DemoResource::Writer* DemoResource::writer(Epoch epoch) const {
  const auto found = writers_.find(epoch);
  return found == writers_.end() ? nullptr : &found->second;
}

void DemoResource::accept_one() {
  UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd) return;
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return;
  const int number = fd.get();
  if (!loop_.watch_readable(number, [this, number] { read_one(number); })) return;
  connections_[number] = {.fd = std::move(fd), .pid = peer.pid};
}

void DemoResource::read_one(int fd) {
  Connection& connection = connections_.at(fd);
  std::array<char, 512> buffer{};
  const ssize_t n = recv(fd, buffer.data(), buffer.size(), 0);
  if (n < 0 && errno == EAGAIN) return;
  if (n > 0) {
    const std::string_view answer =
        write(connection, {buffer.data(), static_cast<std::size_t>(n)}) ? "accepted" : "refused";
    // A writer that has gone meanwhile shows at the next read.
    send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
  } else {
    if (const auto found = writers_.find(connection.epoch); found != writers_.end()) {
      found->second.connected = false;
      found->second.ended = loop_.now().mono;
    }
    loop_.unwatch(fd);
    connections_.erase(fd);
  }
  changed_();
}

bool DemoResource::write(Connection& connection, std::string_view message) {
  const std::string_view number = message.substr(0, message.find(' '));
  const std::string identity(message.substr(std::min(number.size() + 1, message.size())));
  Epoch epoch = 0;
  std::from_chars(number.data(), number.data() + number.size(), epoch);
  connection.epoch = epoch;
  if (epoch <= 0 || epoch < this->epoch()) {  // the fence: one comparison
    ++refused_;
    if (const auto found = writers_.find(epoch); found != writers_.end()) ++found->second.refused;
    return false;
  }
  Writer& writer = writers_[epoch];
  if (writer.accepted == 0) {
    writer.identity = identity;
    writer.first_accepted = loop_.now().mono;
  }
  if (writer.identity != identity) epoch_was_shared_ = true;
  writer.pid = connection.pid;
  writer.connected = true;
  ++writer.accepted;
  return true;
}

}  // namespace tenure::cli
