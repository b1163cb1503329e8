// shared_control_plane start|stop FOLDER: one control plane for all tests of a CTest run.
//
// start returns when it is ready; its credentials are then in FOLDER (cluster.h), its words in
// FOLDER/log. It runs on as a daemon until `stop`, or another `start` for the same folder. It also
// ends by itself: when the ctest that has started it is gone, however that ended, and after two
// hours in any case.
//
// Whether one runs is told by a lock on FOLDER/lock, not by a file that a killed daemon leaves
// behind; the kernel says who holds the lock.
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <string>

#include "control_plane.h"
#include "credentials.h"
#include "pidfd.h"
#include "runtime/clock.h"
#include "runtime/unique_fd.h"

namespace tenure::test {
namespace {

constexpr Duration kLongestLife = std::chrono::hours(2);
constexpr Duration kPatience = std::chrono::seconds(60);

int to_poll(Duration d) {
  return static_cast<int>(d / std::chrono::milliseconds(1));
}

struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

/// 0 when nobody holds it.
pid_t holder_of(int lock_file) {
  struct flock lock = whole_file();
  return fcntl(lock_file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? lock.l_pid : 0;
}

/// Ends the daemon that runs for the folder, if any.
bool stop(int lock_file, const std::string& folder) {
  const pid_t daemon = holder_of(lock_file);
  if (daemon == 0) return true;
  const UniqueFd handle = open_process(daemon);
  // Asked again, with a handle that cannot come to mean another process.
  if (handle && holder_of(lock_file) == daemon) {
    signal_process(handle, SIGTERM);
    pollfd wait{handle.get(), POLLIN, 0};
    if (poll(&wait, 1, to_poll(kPatience)) == 0) {
      std::cerr << "waited a minute in vain for the end of process " << daemon
                << ", the control plane of " << folder << "; kill it\n";
      return false;
    }
  }
  return true;
}

/// Readable when the ctest that runs us has ended; nothing when somebody else runs us.
UniqueFd ctest_above_us() {
  const pid_t parent = getppid();
  const Result<std::string> name = read_file("/proc/" + std::to_string(parent) + "/comm");
  if (!name || *name != "ctest\n") return {};
  UniqueFd handle = open_process(parent);
  return getppid() == parent ? std::move(handle) : UniqueFd();
}

void wait_for_the_end(int signals, int ctest) {
  std::array<pollfd, 2> wait = {pollfd{signals, POLLIN, 0}, pollfd{ctest, POLLIN, 0}};
  while (poll(wait.data(), wait.size(), to_poll(kLongestLife)) < 0 && errno == EINTR) {
  }
}

Status run_daemon(const std::string& folder, int lock_file, int ready, int ctest) {
  setsid();
  struct flock lock = whole_file();
  if (fcntl(lock_file, F_SETLK, &lock) != 0)
    return failure(ErrorCode::conflict, "another control plane has just begun for " + folder,
                   "use one build folder for one run of ctest at a time");
  sigset_t endings;
  sigemptyset(&endings);
  sigaddset(&endings, SIGTERM);
  sigprocmask(SIG_BLOCK, &endings, nullptr);
  const UniqueFd signals(signalfd(-1, &endings, SFD_CLOEXEC));

  const auto plane = ControlPlane::start({});
  if (!plane) return tl::unexpected(plane.error());
  Status written = write_cluster((*plane)->cluster(), folder);
  if (!written) return written;
  if (write(ready, "ready", 5) != 5) return {};  // who has started us is gone
  close(ready);
  wait_for_the_end(signals.get(), ctest);
  unlink((folder + "/env").c_str());  // nobody shall try to reach it any more
  return {};
}

/// In the forked child; nothing of it may reach the pipes of our parent, who waits for their end.
int daemon_main(const std::string& folder, int lock_file, int ready, int ctest) {
  const int log = open((folder + "/log").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (dup2(nothing, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) return 1;
  const Status status = run_daemon(folder, lock_file, ready, ctest);
  if (!status) std::cerr << status.error().to_string() << '\n';
  return status ? 0 : 1;
}

int start(const std::string& folder, int lock_file) {
  if (!stop(lock_file, folder)) return 1;
  // Here, where its progress is seen; in the daemon it is a matter of milliseconds then.
  const Result<std::string> programs = server_programs();
  std::array<int, 2> ready{};
  if (!programs || pipe2(ready.data(), O_CLOEXEC) != 0) {
    std::cerr << (programs ? "no pipe" : programs.error().to_string()) << '\n';
    return 1;
  }
  const UniqueFd ctest = ctest_above_us();
  if (fork() == 0) _exit(daemon_main(folder, lock_file, ready[1], ctest.get()));
  close(ready[1]);
  std::array<char, 16> text;
  if (read(ready[0], text.data(), text.size()) > 0) return 0;
  const Result<std::string> log = read_file(folder + "/log");
  std::cerr << "the control plane did not start:\n" << (log ? *log : "") << '\n';
  return 1;
}

int run(const std::string& command, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder + "/home", error);
  chmod(folder.c_str(), 0700);
  const UniqueFd lock_file(open((folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock_file) {
    std::cerr << "cannot write into " << folder << ": " << strerror(errno) << '\n';
    return 1;
  }
  if (command == "start") return start(folder, lock_file.get());
  return stop(lock_file.get(), folder) ? 0 : 1;
}

}  // namespace
}  // namespace tenure::test

int main(int argc, char** argv) {
  const std::string command = argc == 3 ? argv[1] : "";
  if (command != "start" && command != "stop") {
    std::cerr << "usage: shared_control_plane start|stop FOLDER\n";
    return 2;
  }
  return tenure::test::run(command, std::filesystem::absolute(argv[2]));
}
