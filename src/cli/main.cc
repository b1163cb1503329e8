// tenure: the program.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

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
  std::vector<char*> words(argv, argv + argc);
  std::string sidecar = "sidecar";  // what a program called leader-elector is
  if (argc > 0 && std::filesystem::path(argv[0]).filename() == "leader-elector")
    words.insert(words.begin() + 1, sidecar.data());
  return tenure::cli::parse_command_line(static_cast<int>(words.size()), words.data())();
}
