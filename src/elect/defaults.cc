#include "elect/defaults.h"

#include <fmt/format.h>

#include "runtime/clock.h"
#include "runtime/host.h"

namespace tenure {

std::string draw_identity() {
  return fmt::format("{}_{:012x}", host_name(), SystemRandom().next() >> 16U);
}

StateFolders state_folders() {
  return {.xdg_state_home = environment_variable("XDG_STATE_HOME"),
          .home = environment_variable("HOME")};
}

}  // namespace tenure
