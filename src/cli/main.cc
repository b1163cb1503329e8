// tenure: the program.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>

#include "cli/flags.h"

namespace {

// With a closed standard descriptor, the next file that is opened would get its number, and what we
// print would land there, in the lock database for example.
void keep_standard_descriptors_taken() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0) _exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  keep_standard_descriptors_taken();
  std::signal(SIGPIPE, SIG_IGN);
  return tenure::cli::parse_command_line(argc, argv)();
}
