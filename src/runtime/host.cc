#include "runtime/host.h"

#include <unistd.h>

#include <array>
#include <cstdlib>

namespace tenure {

std::string host_name() {
  std::array<char, 65> name{};
  const bool named = gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0';
  return named ? name.data() : "host";
}

std::string environment_variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace tenure
