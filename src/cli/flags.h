// The command line: from argv and the environment to one command that is ready to run.
#pragma once

#include <functional>

namespace tenure::cli {

/// What the command line asks for: call it, exit with what it returns. For `--help` and for a wrong
/// command line that is printing the help or the error. Every flag may also come from the
/// environment: --retry-period as TENURE_RETRY_PERIOD, and so on, see --help; the command line
/// wins.
std::function<int()> parse_command_line(int argc, char** argv);

}  // namespace tenure::cli
