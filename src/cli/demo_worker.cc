#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/demo_resource.h"

namespace tenure::cli {

int demo_worker(const std::string& socket_path) {
  constexpr int kBetweenWritesMs = 50;
  const char* epoch = std::getenv("TENURE_EPOCH");
  const char* identity = std::getenv("TENURE_IDENTITY");
  if (epoch == nullptr || identity == nullptr)
    return fail({ErrorCode::invalid_argument, "this belongs to the demo", "run tenure demo"},
                kExitUsage);
  const auto socket = demo_socket(socket_path, false);
  if (!socket) return fail(socket.error(), kExitFailure);
  const std::string message = std::string(epoch) + ' ' + identity;
  // A refused write does not make it stop: the resource must hold against those who do not care.
  for (std::array<char, 16> answer{};;) {
    if (send(socket->get(), message.data(), message.size(), MSG_NOSIGNAL) < 0) return kExitFailure;
    if (recv(socket->get(), answer.data(), answer.size(), 0) <= 0) return kExitFailure;
    pollfd gone{.fd = socket->get(), .events = POLLIN, .revents = 0};
    poll(&gone, 1, kBetweenWritesMs);
  }
}

}  // namespace tenure::cli
