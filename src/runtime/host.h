// What this machine and this process's environment say of themselves.
#pragma once

#include <string>

namespace tenure {

/// gethostname(2), or "host" where there is no name.
std::string host_name();

/// Empty when unset. Not safe against another thread that changes the environment meanwhile.
std::string environment_variable(const char* name);

}  // namespace tenure
